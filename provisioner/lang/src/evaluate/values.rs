//! What was computed: the values of declarations, and the attributes of instances as references see them.
//!
//! Most declarations are variables, local values and the only instances of their resources. These lie in the order of the
//! source, which is mostly that in which they are asked for; the others are found by what they are.
//! Refuses to know: how anything is computed.

use super::graph::{Decl, What};
use foldhash::HashMap;
use model::Value;
use std::sync::Arc;

/// The values of all module instances.
#[derive(Default)]
pub(super) struct Values {
    scopes: Vec<Scope>,
    others: HashMap<Decl, Value>,
    other_parts: HashMap<(Decl, Arc<str>), Value>,
}

/// Those of one module instance, by place.
#[derive(Default)]
struct Scope {
    variables: Vec<Option<Value>>,
    locals: Vec<Option<Value>>,
    instances: Vec<Only>,
}

/// The only instance of a resource.
#[derive(Default)]
struct Only {
    attributes: Option<Value>,
    /// Attributes that were asked for, marked as coming from it.
    parts: Vec<(Arc<str>, Value)>,
}

impl Values {
    /// Makes room for the resources of the root module.
    pub(super) fn reserve(&mut self, resources: usize) {
        place(&mut self.scopes, 0).instances.reserve(resources);
    }

    pub(super) fn get(&self, decl: &Decl) -> Option<&Value> {
        let scope = self.scopes.get(decl.scope);
        match decl.what {
            What::Variable(at) => scope?.variables.get(at)?.as_ref(),
            What::Local(at) => scope?.locals.get(at)?.as_ref(),
            What::Instance(at, None) => scope?.instances.get(at)?.attributes.as_ref(),
            _ => self.others.get(decl),
        }
    }

    pub(super) fn insert(&mut self, decl: Decl, value: Value) {
        match self.place(&decl) {
            Some(place) => *place = Some(value),
            None => drop(self.others.insert(decl, value)),
        }
    }

    pub(super) fn remove(&mut self, decl: &Decl) {
        match self.place(decl) {
            Some(place) => *place = None,
            None => drop(self.others.remove(decl)),
        }
    }

    /// An attribute of an instance, marked.
    pub(super) fn part(&self, decl: &Decl, name: &Arc<str>) -> Option<&Value> {
        let What::Instance(at, None) = decl.what else {
            return self.other_parts.get(&(decl.clone(), name.clone()));
        };
        let parts = &self.scopes.get(decl.scope)?.instances.get(at)?.parts;
        parts.iter().find(|(known, _)| known == name).map(|(_, part)| part)
    }

    pub(super) fn insert_part(&mut self, decl: Decl, name: Arc<str>, part: Value) {
        let What::Instance(at, None) = decl.what else {
            self.other_parts.insert((decl, name), part);
            return;
        };
        place(&mut place(&mut self.scopes, decl.scope).instances, at).parts.push((name, part));
    }

    /// Where the value of a declaration lies, if it has a place.
    fn place(&mut self, decl: &Decl) -> Option<&mut Option<Value>> {
        let scopes = &mut self.scopes;
        match decl.what {
            What::Variable(at) => Some(place(&mut place(scopes, decl.scope).variables, at)),
            What::Local(at) => Some(place(&mut place(scopes, decl.scope).locals, at)),
            What::Instance(at, None) => {
                let only = place(&mut place(scopes, decl.scope).instances, at);
                Some(&mut only.attributes)
            }
            _ => None,
        }
    }
}

/// The item at a place, which is made if there is none yet.
fn place<T: Default>(items: &mut Vec<T>, at: usize) -> &mut T {
    if items.len() <= at {
        items.resize_with(at + 1, T::default);
    }
    &mut items[at]
}
