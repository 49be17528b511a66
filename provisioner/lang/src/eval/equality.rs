//! Equality of values: nothing is converted, and what is known of unknown values may decide.

use model::{Data, Type, Unknown, Value};

/// Whether two values are equal; nothing is converted. `None` when what is unknown decides.
pub(super) fn equal(left: &Value, right: &Value) -> Option<bool> {
    match (left.data(), right.data()) {
        (Data::Null(_), Data::Null(_)) => Some(true),
        _ => equal_parts(left, right),
    }
}

/// Equality within a collection, where null has a type.
fn equal_parts(left: &Value, right: &Value) -> Option<bool> {
    let all = |pairs: &mut dyn Iterator<Item = (&Value, &Value)>| {
        for (l, r) in pairs {
            match equal_parts(l, r) {
                Some(true) => {}
                // The first that is not equal or not known decides, unless the types differ anyway.
                None if unlike(&left.ty(), &right.ty()) => return Some(false),
                other => return other,
            }
        }
        Some(true)
    };
    match (left.data(), right.data()) {
        (Data::Unknown(unknown), _) => equal_to_unknown(unknown, right),
        (_, Data::Unknown(unknown)) => equal_to_unknown(unknown, left),
        (Data::Null(l), Data::Null(r)) => Some(l == r),
        (Data::List(lt, l), Data::List(rt, r)) if lt == rt && l.len() == r.len() => {
            all(&mut l.iter().zip(r.iter()))
        }
        (Data::Set(lt, l), Data::Set(rt, r)) if lt == rt => equal_sets(l, r),
        (Data::Tuple(l), Data::Tuple(r)) if l.len() == r.len() => all(&mut l.iter().zip(r.iter())),
        (Data::Map(lt, l), Data::Map(rt, r)) if lt == rt && l.keys().eq(r.keys()) => {
            all(&mut l.values().zip(r.values()))
        }
        (Data::Object(l), Data::Object(r)) if l.keys().eq(r.keys()) => {
            all(&mut l.values().zip(r.values()))
        }
        (Data::Bool(l), Data::Bool(r)) => Some(l == r),
        (Data::Number(l), Data::Number(r)) => Some(l == r),
        (Data::String(l), Data::String(r)) => Some(l == r),
        _ => Some(false),
    }
}

fn equal_to_unknown(unknown: &Unknown, other: &Value) -> Option<bool> {
    match other.data() {
        Data::Null(_) => unknown.refinement.not_null.then_some(false),
        Data::Unknown(_) => None,
        _ if unlike(&unknown.ty, &other.ty()) || unknown.refinement.excludes(other) => Some(false),
        _ => None,
    }
}

fn equal_sets(left: &[Value], right: &[Value]) -> Option<bool> {
    if !left.iter().chain(right).all(Value::is_wholly_known) {
        return None;
    }
    Some(left.len() == right.len() && left.iter().zip(right).all(|(l, r)| l.same_content(r)))
}

/// Whether no value is of both types.
fn unlike(left: &Type, right: &Type) -> bool {
    match (left, right) {
        (Type::Any, _) | (_, Type::Any) => false,
        (Type::List(l), Type::List(r))
        | (Type::Set(l), Type::Set(r))
        | (Type::Map(l), Type::Map(r)) => unlike(l, r),
        (Type::Tuple(l), Type::Tuple(r)) => {
            l.len() != r.len() || l.iter().zip(r.iter()).any(|(l, r)| unlike(l, r))
        }
        (Type::Object(l), Type::Object(r)) => {
            !l.keys().eq(r.keys()) || l.values().zip(r.values()).any(|(l, r)| unlike(&l.ty, &r.ty))
        }
        (left, right) => left != right,
    }
}
