//! Functions on sets. Elements of all arguments are first brought to one type.

use super::arguments::items;
use super::lists::sequence;
use super::{FunctionContext, FunctionError, convert_unifying, unify};
use model::convert::convert;
use model::{Data, Type, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

type Answer = Result<Value, FunctionError>;
type Elements = BTreeSet<Value>;

/// All arguments as sets of one element type.
fn alike(args: &[Value]) -> Result<(Type, Vec<Elements>), FunctionError> {
    let mut types = Vec::new();
    for value in args {
        if let Data::Set(element, _) = value.data() {
            types.push(element.as_ref().clone());
        }
    }
    let element = unify(&types).ok_or_else(|| {
        FunctionError::call("the sets have elements of types that no single type stands for")
    })?;
    let mut sets = Vec::new();
    for index in 0..args.len() {
        let converted = items(args, index)?.iter().map(|item| convert(item, &element));
        sets.push(
            converted
                .collect::<Result<Elements, _>>()
                .map_err(|error| FunctionError::argument(index, error.to_string()))?,
        );
    }
    Ok((element, sets))
}

fn fold(args: &[Value], combine: fn(&Elements, &Elements) -> Elements) -> Answer {
    let (element, sets) = alike(args)?;
    let combined = sets.into_iter().reduce(|left, right| combine(&left, &right));
    Ok(Value::set(element, combined.unwrap_or_default()))
}

pub(super) fn setunion(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    fold(args, |left, right| left.union(right).cloned().collect())
}

pub(super) fn setintersection(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    fold(args, |left, right| left.intersection(right).cloned().collect())
}

pub(super) fn setsubtract(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    fold(args, |left, right| left.difference(right).cloned().collect())
}

pub(super) fn setproduct(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    const MOST: usize = 1_000_000;
    if args.len() < 2 {
        return Err(FunctionError::call("`setproduct` takes at least two arguments"));
    }
    let (mut types, mut rows) = (Vec::new(), vec![Vec::new()]);
    for index in 0..args.len() {
        sequence(args, index, true)?;
        let column = convert_unifying(&args[index], &Type::list(Type::Any))
            .map_err(|error| FunctionError::argument(index, error.to_string()))?;
        let items = column.as_items().unwrap_or_default();
        if rows.len().saturating_mul(items.len()) > MOST {
            return Err(FunctionError::call(format!("`setproduct` gives at most {MOST} elements")));
        }
        if let Data::List(element, _) = column.data() {
            types.push(element.as_ref().clone());
        }
        let longer = |row: &Vec<Value>| -> Vec<Vec<Value>> {
            items.iter().map(|item| row.iter().chain([item]).cloned().collect()).collect()
        };
        rows = rows.iter().flat_map(longer).collect();
    }
    let element = Type::Tuple(Arc::new(types));
    let rows = rows.into_iter().map(Value::tuple);
    let any_set = args.iter().any(|value| matches!(value.data(), Data::Set(..)));
    let any_list = args.iter().any(|value| matches!(value.data(), Data::List(..)));
    Ok(if any_set && !any_list { Value::set(element, rows) } else { Value::list(element, rows) })
}
