//! The one type that several values can all become, as collections and conditionals need it: numbers and
//! bools become strings beside a string, tuples lists, objects with other attributes maps.
//!
//! The rules are those of Terraform's types; this knows types only, never values.

use crate::types::{Field, Type};
use std::collections::BTreeMap;
use std::sync::Arc;

type Fields = BTreeMap<Arc<str>, Field>;

/// The type that all of `types` convert to, if there is one; `any` where it shows only with the values.
pub fn unify(types: &[Type]) -> Option<Type> {
    let Some(first) = types.first() else { return Some(Type::Any) };
    if types.iter().all(|ty| ty == first) {
        return Some(first.clone());
    }
    let kinds = Kinds::of(types);
    if kinds.any > 0 && kinds.is_one_kind() && kinds.any + kinds.structural() == types.len() {
        // What the others turn out to be decides.
        return Some(Type::Any);
    }
    if kinds.structural() == types.len()
        && let Some(unified) = kinds.unified(types)
    {
        return unified;
    }
    preferred(types)
}

/// How many types there are of each kind.
#[derive(Default)]
struct Kinds {
    any: usize,
    list: usize,
    set: usize,
    map: usize,
    tuple: usize,
    object: usize,
}

impl Kinds {
    fn of(types: &[Type]) -> Self {
        let mut kinds = Self::default();
        for ty in types {
            match ty {
                Type::Any => kinds.any += 1,
                Type::List(_) => kinds.list += 1,
                Type::Set(_) => kinds.set += 1,
                Type::Map(_) => kinds.map += 1,
                Type::Tuple(_) => kinds.tuple += 1,
                Type::Object(_) => kinds.object += 1,
                Type::Bool | Type::Number | Type::String => {}
            }
        }
        kinds
    }

    fn structural(&self) -> usize {
        self.list + self.set + self.map + self.tuple + self.object
    }

    fn is_one_kind(&self) -> bool {
        let counts = [self.list, self.set, self.map, self.tuple, self.object];
        counts.into_iter().filter(|count| *count > 0).count() == 1
    }

    /// The type of structural types of one kind; `None` where there are several kinds.
    #[expect(clippy::option_option, reason = "one kind without a common type is an answer")]
    fn unified(&self, types: &[Type]) -> Option<Option<Type>> {
        let all = types.len();
        Some(match self {
            _ if self.map == all => elements(types).map(Type::map),
            _ if self.list == all => elements(types).map(Type::list),
            _ if self.set == all => elements(types).map(Type::set),
            _ if self.object == all => objects(types),
            _ if self.tuple == all => tuples(types),
            _ if self.map > 0 && self.map + self.object == all => {
                let parts = types.iter().flat_map(parts).collect::<Vec<_>>();
                return unify(&parts).map(|element| Some(Type::map(element)));
            }
            _ if self.list > 0 && self.list + self.tuple == all => {
                let parts = types.iter().flat_map(parts).collect::<Vec<_>>();
                return unify(&parts).map(|element| Some(Type::list(element)));
            }
            _ if self.object > 0 && self.tuple > 0 => None,
            _ => return None,
        })
    }
}

/// The types of a type's parts.
fn parts(ty: &Type) -> Vec<Type> {
    match ty {
        Type::List(element) | Type::Set(element) | Type::Map(element) => {
            vec![element.as_ref().clone()]
        }
        Type::Tuple(types) => types.to_vec(),
        Type::Object(fields) => fields.values().map(|field| field.ty.clone()).collect(),
        _ => Vec::new(),
    }
}

fn elements(types: &[Type]) -> Option<Type> {
    unify(&types.iter().flat_map(parts).collect::<Vec<_>>())
}

fn objects(types: &[Type]) -> Option<Type> {
    let objects: Vec<&Fields> = types.iter().filter_map(fields).collect();
    let first = *objects.first()?;
    if !objects.iter().all(|object| object.keys().eq(first.keys())) {
        return elements(types).map(Type::map);
    }
    let column = |name: &Arc<str>| {
        let types: Vec<_> = objects.iter().map(|object| object[name].ty.clone()).collect();
        Some((name.clone(), unify(&types)?))
    };
    first.keys().map(column).collect::<Option<Vec<_>>>().map(Type::object)
}

fn fields(ty: &Type) -> Option<&Fields> {
    match ty {
        Type::Object(fields) => Some(fields),
        _ => None,
    }
}

fn tuples(types: &[Type]) -> Option<Type> {
    let tuples: Vec<_> = types.iter().map(parts).collect();
    let length = tuples.first()?.len();
    if !tuples.iter().all(|tuple| tuple.len() == length) {
        return elements(types).map(Type::list);
    }
    let column = |at: usize| unify(&tuples.iter().map(|t| t[at].clone()).collect::<Vec<_>>());
    (0..length).map(column).collect::<Option<Vec<_>>>().map(|types| Type::Tuple(Arc::new(types)))
}

/// The first of the types, the more general ones first, that all others convert to.
fn preferred(types: &[Type]) -> Option<Type> {
    let fits = |wanted: &&Type| types.iter().all(|ty| ty == *wanted || convertible(ty, wanted));
    let mut ranked: Vec<&Type> = types.iter().filter(|ty| **ty != Type::Any).collect();
    ranked.sort_by_key(|ty| generality(ty));
    ranked.dedup();
    ranked.into_iter().find(fits).cloned()
}

/// What converts to more comes later; what more converts to comes first.
fn generality(ty: &Type) -> u8 {
    match ty {
        Type::List(_) | Type::Map(_) | Type::String => 0,
        Type::Tuple(_) | Type::Object(_) | Type::Bool | Type::Number => 1,
        Type::Set(_) => 2,
        Type::Any => 3,
    }
}

/// Whether a value of type `from` may convert to `to`; the value itself may still not fit.
pub fn convertible(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (_, Type::Any) | (Type::Any, _) => true,
        (from, to) if from.is_primitive() && to.is_primitive() => {
            from == to || *from == Type::String || *to == Type::String
        }
        (Type::List(f) | Type::Set(f), Type::List(t) | Type::Set(t))
        | (Type::Map(f), Type::Map(t)) => convertible(f, t),
        (Type::Tuple(_), Type::List(to) | Type::Set(to)) | (Type::Object(_), Type::Map(to)) => {
            let parts = parts(from);
            if **to == Type::Any {
                unifies(&parts)
            } else {
                parts.iter().all(|p| convertible(p, to))
            }
        }
        (Type::Tuple(from), Type::Tuple(to)) => {
            from.len() == to.len() && from.iter().zip(to.iter()).all(|(f, t)| convertible(f, t))
        }
        (Type::Object(from), Type::Object(to)) => to.iter().all(|(name, field)| {
            from.get(name).map_or(field.optional, |given| convertible(&given.ty, &field.ty))
        }),
        (Type::Map(element), Type::Object(to)) => {
            to.values().all(|field| field.optional || convertible(element, &field.ty))
        }
        _ => false,
    }
}

/// Whether elements of these types can stand in one list, set or map.
fn unifies(types: &[Type]) -> bool {
    match unify(types) {
        Some(Type::Any) => types.iter().all(|ty| *ty == Type::Any),
        Some(_) => true,
        None => types.is_empty(),
    }
}

/// `to` with every `any` in it replaced by what `from` has there.
#[must_use]
pub fn with_any_from(from: &Type, to: &Type) -> Type {
    let element = |to: &Type| match from {
        Type::List(f) | Type::Set(f) | Type::Map(f) => with_any_from(f, to),
        Type::Tuple(_) | Type::Object(_) => {
            unify(&parts(from)).map_or_else(|| to.clone(), |from| with_any_from(&from, to))
        }
        _ => to.clone(),
    };
    match (from, to) {
        (Type::Any, _) => to.clone(),
        (_, Type::Any) => from.clone(),
        (_, Type::List(to)) => Type::list(element(to)),
        (_, Type::Set(to)) => Type::set(element(to)),
        (_, Type::Map(to)) => Type::map(element(to)),
        (Type::Tuple(from), Type::Tuple(to)) => {
            let types = from.iter().zip(to.iter()).map(|(from, to)| with_any_from(from, to));
            Type::Tuple(Arc::new(types.collect()))
        }
        (_, Type::Object(to)) => {
            let part = |name: &Arc<str>| match from {
                Type::Map(element) => Some(element.as_ref()),
                Type::Object(fields) => fields.get(name).map(|field| &field.ty),
                _ => None,
            };
            Type::object(to.iter().map(|(name, field)| {
                let ty =
                    part(name).map_or_else(|| field.ty.clone(), |f| with_any_from(f, &field.ty));
                (name.clone(), ty)
            }))
        }
        _ => to.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(fields: &[(&str, Type)]) -> Type {
        Type::object(fields.iter().map(|(name, ty)| (*name, ty.clone())))
    }

    fn tuple(types: &[Type]) -> Type {
        Type::Tuple(Arc::new(types.to_vec()))
    }

    #[test]
    fn what_has_something_in_common() {
        let cases = [
            (vec![Type::Number, Type::String], Some(Type::String)),
            (vec![Type::Number, Type::Bool], None),
            (vec![Type::Any, Type::Number], Some(Type::Number)),
            (
                vec![object(&[("a", Type::Number)]), object(&[("b", Type::Number)])],
                Some(Type::map(Type::Number)),
            ),
            (
                vec![object(&[("a", Type::Number)]), object(&[("a", Type::String)])],
                Some(object(&[("a", Type::String)])),
            ),
            (
                vec![tuple(&[Type::Number]), tuple(&[Type::Number, Type::String])],
                Some(Type::list(Type::String)),
            ),
            (
                vec![Type::list(Type::String), tuple(&[Type::Number])],
                Some(Type::list(Type::String)),
            ),
            (vec![Type::set(Type::String), tuple(&[Type::Number])], Some(Type::set(Type::String))),
            (vec![tuple(&[]), object(&[])], None),
            (vec![Type::list(Type::String), Type::Any], Some(Type::Any)),
        ];
        for (types, wanted) in cases {
            assert_eq!(unify(&types), wanted, "{types:?}");
        }
    }
}
