//! Addresses as they are written in `moved`, `removed` and `import`: read, not evaluated, but for the keys.

use crate::syntax::{Expression, Kind, StepKind};
use model::moves::{Endpoint, ResourceName};
use model::{Diagnostic, InstanceKey, Value};
use std::sync::Arc;

/// An address whose keys are still expressions.
#[derive(Debug)]
pub(crate) struct Written {
    /// Module calls, from the outside in.
    pub modules: Vec<(Arc<str>, Option<Expression>)>,
    /// Resource type, name and key; none for a module.
    pub resource: Option<(Arc<str>, Arc<str>, Option<Expression>)>,
    /// The whole of it.
    pub expression: Expression,
}

/// Reads an address; tells what is wrong with what is none.
pub(super) fn read_address(
    expression: &Expression,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Written> {
    if expression.is_broken() {
        return None;
    }
    match parts(expression) {
        Ok(written) => Some(written),
        Err(problem) => {
            let diagnostic = Diagnostic::error("not-an-address", "this is not the address of a resource or a module")
                .with_label(expression.span(), problem)
                .with_hint("an address is written without quotes: `local_network.main`, `local_network.main[\"key\"]`, `module.mesh`");
            diagnostics.push(diagnostic);
            None
        }
    }
}

/// A name with the key behind it.
type Named = (Arc<str>, Option<Expression>);

fn parts(expression: &Expression) -> Result<Written, &'static str> {
    let named = names(expression).ok_or("this is an expression")?;
    let mut modules = Vec::new();
    let mut rest = named.as_slice();
    while let [(word, None), call, more @ ..] = rest
        && word.as_ref() == "module"
    {
        modules.push(call.clone());
        rest = more;
    }
    let resource = match rest {
        [] if modules.is_empty() => return Err("this names nothing"),
        [] => None,
        [(word, None), ..] if word.as_ref() == "data" => {
            return Err("a data source is read, not managed");
        }
        [(kind, None), (name, key)] => Some((kind.clone(), name.clone(), key.clone())),
        [_] => return Err("a name is missing"),
        _ => return Err("this goes on behind the name of a resource"),
    };
    Ok(Written { modules, resource, expression: expression.clone() })
}

fn names(expression: &Expression) -> Option<Vec<Named>> {
    let Kind::Reference(reference) = expression.root().kind() else { return None };
    let mut names: Vec<Named> = vec![(reference.root.clone(), None)];
    for step in reference.steps.iter() {
        match step.kind {
            StepKind::Attribute(name) => names.push((name.clone(), None)),
            StepKind::Index(index) => {
                let (_, key) = names.last_mut()?;
                if key.is_some() {
                    return None;
                }
                *key = Some(expression.part(index));
            }
            StepKind::Splat(_) => return None,
        }
    }
    Some(names)
}

/// The key that a value stands for.
pub(crate) fn key_of(value: &Value) -> Option<InstanceKey> {
    match value.as_str() {
        Some(name) => Some(InstanceKey::Name(name.into())),
        None => value.as_number()?.as_u64().map(InstanceKey::Index),
    }
}

/// An address with all keys; `key` tells what one is, and says what is wrong with one that is none.
pub(crate) fn endpoint(
    written: &Written,
    mut key: impl FnMut(&Expression) -> Option<InstanceKey>,
) -> Option<Endpoint> {
    let mut keyed = |written: &Option<Expression>| match written {
        None => Some(None),
        Some(expression) => key(expression).map(Some),
    };
    let calls = written.modules.iter();
    let modules = calls.map(|(name, written)| Some((name.clone(), keyed(written)?)));
    let modules = modules.collect::<Option<Vec<_>>>()?;
    let resource = match &written.resource {
        None => None,
        Some((kind, name, written)) => {
            Some(ResourceName { kind: kind.clone(), name: name.clone(), key: keyed(written)? })
        }
    };
    Some(Endpoint { modules, resource })
}
