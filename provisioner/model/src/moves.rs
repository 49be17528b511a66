//! Statements of the configuration about addresses that the state may still know: what is at another address now
//! (`moved`), and what is not managed any more (`removed`).
//!
//! A statement stands in a module and means every instance of it. Refuses to know: what is recorded.

use crate::address::{Address, InstanceKey, PathStep};
use crate::diagnostic::Span;
use std::fmt;
use std::sync::Arc;

/// A module call's name and its key.
pub type Call = (Arc<str>, Option<InstanceKey>);

/// What a statement names: a module call or a resource, below the module that the statement stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Module calls, from the outside in. A call without a key is one instance, not all, unless it is the last step of a
    /// module that moves as a whole.
    pub modules: Vec<Call>,
    /// The resource; none for a module.
    pub resource: Option<ResourceName>,
}

/// A resource in a module, perhaps one instance of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceName {
    /// The resource type.
    pub kind: Arc<str>,
    /// The block's name.
    pub name: Arc<str>,
    /// The instance; without it, the instance without a key or all instances, as the statement says.
    pub key: Option<InstanceKey>,
}

/// One step towards the module that a statement stands in; every instance is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Within {
    /// A module call.
    Call(Arc<str>),
    /// The module that makes the nodes of a pool.
    Pool {
        /// The node set.
        set: Arc<str>,
        /// The pool.
        pool: Arc<str>,
    },
}

/// `moved { from = ... to = ... }`, or what stands for it where `count` was added or taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The module that the statement stands in.
    pub within: Vec<Within>,
    /// Where it was.
    pub from: Endpoint,
    /// Where it is.
    pub to: Endpoint,
    /// The block in the source; none if nobody wrote it.
    pub span: Option<Span>,
}

/// `removed { from = ... }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The module instance that the statement stands in.
    pub within: Vec<PathStep>,
    /// What is not configured any more; names without keys, which mean every instance.
    pub from: Endpoint,
    /// Whether the objects are deleted; else they are forgotten.
    pub destroy: bool,
}

impl Endpoint {
    /// Whether its last step names one instance by its key.
    pub fn has_key(&self) -> bool {
        match &self.resource {
            Some(resource) => resource.key.is_some(),
            None => self.modules.last().is_some_and(|(_, key)| key.is_some()),
        }
    }

    /// Whether two endpoints are both modules or both resources.
    pub fn is_like(&self, other: &Self) -> bool {
        self.resource.is_some() == other.resource.is_some()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, key) in &self.modules {
            write!(formatter, "{separator}module.{name}")?;
            key.iter().try_for_each(|key| write!(formatter, "{key}"))?;
            separator = ".";
        }
        if let Some(ResourceName { kind, name, key }) = &self.resource {
            write!(formatter, "{separator}{kind}.{name}")?;
            key.iter().try_for_each(|key| write!(formatter, "{key}"))?;
        }
        Ok(())
    }
}

impl Within {
    /// Whether a step of an address is an instance of this.
    pub fn is_step(&self, step: &PathStep) -> bool {
        match (self, step) {
            (Self::Call(name), PathStep::Module { name: other, .. }) => name == other,
            (Self::Pool { set, pool }, PathStep::Node { set: other, node }) => {
                let rest = node.strip_prefix(set.as_ref()).and_then(|rest| rest.strip_prefix('-'));
                let rest = rest.and_then(|rest| rest.strip_prefix(pool.as_ref()));
                set == other && rest.is_some_and(|rest| rest.starts_with('-'))
            }
            _ => false,
        }
    }
}

impl Removal {
    /// Whether an instance is meant.
    pub fn matches(&self, address: &Address) -> bool {
        let Some(path) = address.path().strip_prefix(self.within.as_slice()) else { return false };
        let calls = &self.from.modules;
        let below = path.len() >= calls.len()
            && calls.iter().zip(path).all(|((name, _), step)| {
                matches!(step, PathStep::Module { name: other, .. } if name == other)
            });
        below
            && self.from.resource.as_ref().is_none_or(|resource| {
                path.len() == calls.len()
                    && resource.kind.as_ref() == address.kind()
                    && resource.name.as_ref() == address.name()
            })
    }
}

impl Move {
    /// Where a statement takes an address; none if it is not about it.
    pub fn takes(&self, at: &Address) -> Option<Address> {
        let path = at.path();
        let (within, below) = path.split_at_checked(self.within.len())?;
        if !self.within.iter().zip(within).all(|(wanted, step)| wanted.is_step(step)) {
            return None;
        }
        let is_whole = !self.from.has_key() && !self.to.has_key();
        let (calls, rest) = below.split_at_checked(self.from.modules.len())?;
        let last = self.from.modules.len().checked_sub(1);
        let fits = |(depth, ((name, key), step)): (usize, (&Call, &PathStep))| {
            let PathStep::Module { name: other, key: found } = step else { return false };
            let any = is_whole && self.from.resource.is_none() && Some(depth) == last;
            name == other && (any || key == found)
        };
        if !self.from.modules.iter().zip(calls).enumerate().all(fits) {
            return None;
        }
        let mut moved = within.to_vec();
        moved.extend(
            self.to
                .modules
                .iter()
                .map(|(name, key)| PathStep::Module { name: name.clone(), key: key.clone() }),
        );
        let (Some(old), Some(new)) = (&self.from.resource, &self.to.resource) else {
            if is_whole
                && let (
                    Some(PathStep::Module { key, .. }),
                    Some(PathStep::Module { key: found, .. }),
                ) = (moved.last_mut(), calls.last())
            {
                key.clone_from(found);
            }
            moved.extend(rest.iter().cloned());
            return Some(at.at(moved, at.key().cloned()));
        };
        let is_it = rest.is_empty()
            && old.kind.as_ref() == at.kind()
            && old.name.as_ref() == at.name()
            && (is_whole || old.key.as_ref() == at.key());
        let key = if is_whole { at.key().cloned() } else { new.key.clone() };
        is_it.then(|| Address::new(moved, new.kind.clone(), new.name.clone(), key))
    }

    /// Whether what this statement has moved may be moved on by another one.
    pub fn leads_to(&self, next: &Self) -> bool {
        let (to, from) = (Pattern::of(self, &self.to), Pattern::of(next, &next.from));
        let shorter = to.modules.len().min(from.modules.len());
        let together =
            to.modules.iter().zip(&from.modules).all(|(left, right)| left.overlaps(right));
        let nests = match (to.resource, from.resource) {
            (Some(left), Some(right)) => {
                to.modules.len() == from.modules.len()
                    && left.kind == right.kind
                    && left.name == right.name
                    && (to.is_whole || from.is_whole || left.key == right.key)
            }
            (Some(_), None) => from.modules.len() == shorter,
            (None, Some(_)) => to.modules.len() == shorter,
            (None, None) => true,
        };
        together && nests
    }
}

/// An endpoint from the root.
struct Pattern<'m> {
    modules: Vec<Step<'m>>,
    resource: Option<&'m ResourceName>,
    is_whole: bool,
}

struct Step<'m> {
    name: &'m str,
    /// None for every key.
    key: Option<&'m Option<InstanceKey>>,
}

impl<'m> Pattern<'m> {
    fn of(one: &'m Move, endpoint: &'m Endpoint) -> Self {
        let is_whole = !one.from.has_key() && !one.to.has_key();
        let within = one.within.iter().map(|step| {
            let name = match step {
                Within::Call(name) => name,
                Within::Pool { pool, .. } => pool,
            };
            Step { name, key: None }
        });
        let last = endpoint.modules.len().checked_sub(1);
        let own = endpoint.modules.iter().enumerate().map(|(depth, (name, key))| {
            let any = is_whole && endpoint.resource.is_none() && Some(depth) == last;
            Step { name, key: (!any).then_some(key) }
        });
        Self {
            modules: within.chain(own).collect(),
            resource: endpoint.resource.as_ref(),
            is_whole,
        }
    }
}

impl Step<'_> {
    fn overlaps(&self, other: &Self) -> bool {
        self.name == other.name
            && match (self.key, other.key) {
                (Some(one), Some(other)) => one == other,
                _ => true,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removal(within: &[PathStep], modules: &[&str], resource: Option<(&str, &str)>) -> Removal {
        let resource = resource.map(|(kind, name)| ResourceName {
            kind: kind.into(),
            name: name.into(),
            key: None,
        });
        let modules = modules.iter().map(|name| (Arc::from(*name), None)).collect();
        let from = Endpoint { modules, resource };
        Removal { within: within.to_vec(), from, destroy: false }
    }

    #[test]
    fn a_removal_means_every_instance() {
        let address = |text: &str| Address::parse(text).unwrap();
        let resource = removal(&[], &["m"], Some(("a", "b")));
        assert!(resource.matches(&address("module.m[\"k\"].a.b[0]")));
        assert!(!resource.matches(&address("a.b")));
        assert!(!resource.matches(&address("module.m.module.n.a.b")));
        let module = removal(address("module.m.x.y").path(), &["n"], None);
        assert!(module.matches(&address("module.m.module.n[3].a.b")));
        assert!(module.matches(&address("module.m.module.n.module.o.a.b")));
        assert!(!module.matches(&address("module.m[0].module.n.a.b")));
    }

    #[test]
    fn a_pool_is_known_by_the_names_of_its_nodes() {
        let step = address_step("node_set.edge.node[\"edge-main-001\"].a.b");
        let pool = |pool: &str| Within::Pool { set: "edge".into(), pool: pool.into() };
        assert!(pool("main").is_step(&step));
        assert!(!pool("ma").is_step(&step));
        assert!(!pool("other").is_step(&step));
    }

    fn address_step(text: &str) -> PathStep {
        Address::parse(text).unwrap().path()[0].clone()
    }
}
