//! Functions on lists and tuples. Those in the first half only move elements, which keep their marks and
//! may be unknown.

use super::arguments::{items, number, text, whole};
use super::{FunctionContext, FunctionError, convert_unifying, unify};
use model::convert::{article, convert};
use model::{Data, Marks, Number, Type, Value};
use std::collections::BTreeSet;
use unicode_segmentation::UnicodeSegmentation as _;

type Answer = Result<Value, FunctionError>;

/// A list stays a list of its element type, everything else becomes a tuple.
fn like(original: &Value, items: impl IntoIterator<Item = Value>) -> Value {
    match original.data() {
        Data::List(element, _) | Data::Set(element, _) => Value::list(element.clone(), items),
        _ => Value::tuple(items),
    }
}

/// The items of an argument of any type, which must be a list or tuple, or a set too.
pub(super) fn sequence(
    args: &[Value],
    index: usize,
    sets_too: bool,
) -> Result<&[Value], FunctionError> {
    let wanted = if sets_too { "a list, tuple or set" } else { "a list or tuple" };
    let value = &args[index];
    let refused = !sets_too && matches!(value.data(), Data::Set(..));
    value.as_items().filter(|_| !refused).ok_or_else(|| {
        FunctionError::argument(
            index,
            format!("{wanted} is required, but this is {}", article(&value.ty())),
        )
    })
}

pub(super) fn length(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let value = &args[0];
    let count = match (value.as_str(), value.as_items(), value.as_entries()) {
        (Some(text), _, _) => text.graphemes(true).count(),
        (_, Some(items), _) => items.len(),
        (_, _, Some(entries)) => entries.len(),
        _ => {
            let found = article(&value.ty());
            let problem = format!("a collection or text is required, but this is {found}");
            return Err(FunctionError::argument(0, problem));
        }
    };
    Ok(i64::try_from(count).unwrap_or(i64::MAX).into())
}

pub(super) fn element(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let items = sequence(args, 0, false)?;
    let index = whole(args, 1, "index")?;
    let index = usize::try_from(index)
        .map_err(|_| FunctionError::argument(1, "`index` must not be negative"))?;
    if items.is_empty() {
        return Err(FunctionError::argument(0, "an empty list has no elements to choose from"));
    }
    Ok(items[index % items.len()].clone())
}

pub(super) fn concat(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    if args.is_empty() {
        return Err(FunctionError::call("`concat` takes at least one argument"));
    }
    let mut all = Vec::new();
    for index in 0..args.len() {
        all.extend_from_slice(sequence(args, index, false)?);
    }
    let elements: Option<Vec<Type>> = args.iter().map(list_element).collect();
    match elements.filter(|elements| !elements.is_empty()).and_then(|e| unify(&e)) {
        Some(element) => {
            let converted = all.iter().map(|item| convert(item, &element));
            let converted = converted.collect::<Result<Vec<_>, _>>();
            Ok(Value::list(element, converted.map_err(|e| FunctionError::call(e.to_string()))?))
        }
        None => Ok(Value::tuple(all)),
    }
}

fn list_element(value: &Value) -> Option<Type> {
    match value.data() {
        Data::List(element, _) => Some(element.as_ref().clone()),
        _ => None,
    }
}

pub(super) fn flatten(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    fn collect(items: &[Value], flat: &mut Vec<Value>, marks: &mut Marks) {
        for item in items {
            match item.as_items() {
                Some(inner) => {
                    *marks = marks.union(item.marks());
                    collect(inner, flat, marks);
                }
                None => flat.push(item.clone()),
            }
        }
    }
    let (mut flat, mut marks) = (Vec::new(), Marks::default());
    collect(sequence(args, 0, true)?, &mut flat, &mut marks);
    Ok(Value::tuple(flat).with_marks(&marks))
}

pub(super) fn slice(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let items = sequence(args, 0, false)?;
    let position = |index: usize, name: &str| {
        usize::try_from(whole(args, index, name)?)
            .map_err(|_| FunctionError::argument(index, format!("`{name}` must not be negative")))
    };
    let (start, end) = (position(1, "start_index")?, position(2, "end_index")?);
    if end > items.len() {
        let problem = format!("`end_index` is {end}, but there are only {} elements", items.len());
        return Err(FunctionError::argument(2, problem));
    }
    if start > end {
        let problem = format!("`start_index` is {start}, which is behind `end_index`, {end}");
        return Err(FunctionError::argument(1, problem));
    }
    Ok(like(&args[0], items[start..end].iter().cloned()))
}

pub(super) fn reverse(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(like(&args[0], sequence(args, 0, true)?.iter().rev().cloned()))
}

pub(super) fn chunklist(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let items = items(args, 0)?;
    let size = usize::try_from(whole(args, 1, "size")?)
        .map_err(|_| FunctionError::argument(1, "`size` must not be negative"))?;
    let element = list_element(&args[0]).unwrap_or(Type::Any);
    let size = if size == 0 { items.len().max(1) } else { size };
    let chunks =
        items.chunks(size).map(|chunk| Value::list(element.clone(), chunk.iter().cloned()));
    Ok(Value::list(Type::list(element.clone()), chunks))
}

pub(super) fn coalesce(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let types: Vec<Type> = args.iter().map(Value::ty).collect();
    let ty = unify(&types).filter(|_| !args.is_empty()).ok_or_else(|| {
        FunctionError::call("the arguments are of types that no single type stands for")
    })?;
    let skipped =
        |value: &Value| value.is_null() || (ty == Type::String && value.as_str() == Some(""));
    let (value, marks) = first(args, skipped, "every argument is null or empty")?;
    let value = convert(&value, &ty).map_err(|error| FunctionError::call(error.to_string()))?;
    Ok(value.with_marks(&marks))
}

pub(super) fn coalescelist(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    for (index, value) in args.iter().enumerate() {
        let is_null = matches!(value.data(), Data::Null(ty) if *ty != Type::Any);
        if !is_null && !value.is_unknown() {
            sequence(args, index, false)?;
        }
    }
    let skipped =
        |value: &Value| value.is_null() || value.as_items().is_some_and(<[Value]>::is_empty);
    let (value, marks) = first(args, skipped, "every list is null or empty")?;
    Ok(value.with_marks(&marks))
}

/// The first argument that is not skipped, and the marks of all that were looked at.
fn first(
    args: &[Value],
    skipped: impl Fn(&Value) -> bool,
    problem: &str,
) -> Result<(Value, Marks), FunctionError> {
    let mut marks = Marks::default();
    for value in args {
        marks = marks.union(value.marks());
        if !skipped(value) {
            return Ok((value.clone(), marks));
        }
    }
    Err(FunctionError::call(problem))
}

pub(super) fn one(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    match sequence(args, 0, true)? {
        [] => Ok(Value::null(list_element(&args[0]).unwrap_or(Type::Any))),
        [single] => Ok(single.clone()),
        many => {
            let problem =
                format!("there are {} elements where none or one is expected", many.len());
            Err(FunctionError::argument(0, problem))
        }
    }
}

pub(super) fn index(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let items = sequence(args, 0, false)?;
    let found = items.iter().position(|item| item.same_content(&args[1]));
    let found = found.and_then(|at| i64::try_from(at).ok());
    found.map(Value::from).ok_or_else(|| FunctionError::argument(1, "the list has no such element"))
}

pub(super) fn contains(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(sequence(args, 0, true)?.iter().any(|item| item.same_content(&args[1])).into())
}

pub(super) fn compact(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let filled = items(args, 0)?.iter().filter(|item| item.as_str().is_some_and(|t| !t.is_empty()));
    Ok(Value::list(Type::String, filled.cloned()))
}

pub(super) fn distinct(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let mut seen = BTreeSet::new();
    let fresh: Vec<Value> =
        items(args, 0)?.iter().filter(|item| seen.insert(*item)).cloned().collect();
    Ok(like(&args[0], fresh))
}

pub(super) fn sort(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let mut texts = Vec::new();
    for (position, item) in items(args, 0)?.iter().enumerate() {
        texts.push(item.as_str().ok_or_else(|| {
            FunctionError::argument(0, format!("element {position} is null; it cannot be sorted"))
        })?);
    }
    texts.sort_unstable();
    Ok(Value::list(Type::String, texts.into_iter().map(Value::from)))
}

pub(super) fn range(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    const MOST: usize = 1024;
    let given = (0..args.len()).map(|index| number(args, index)).collect::<Result<Vec<_>, _>>()?;
    let (zero, up, down) = (Number::from(0), Number::from(1), Number::from(-1));
    let towards = |start: &Number, end: &Number| if end < start { &down } else { &up };
    let (start, end, step) = match given[..] {
        [end] => (&zero, end, towards(&zero, end)),
        [start, end] => (start, end, towards(start, end)),
        [start, end, step] => (start, end, step),
        _ => {
            let problem = "`range` takes 1, 2 or 3 arguments: range(start, end, step)";
            return Err(FunctionError::call(problem));
        }
    };
    let descends = *step < zero;
    if if descends { end > start } else { end < start } {
        return Err(FunctionError::argument(2, "the step must lead from the start to the end"));
    }
    let mut numbers = Vec::new();
    let mut next = start.clone();
    while if descends { next > *end } else { next < *end } {
        if numbers.len() == MOST {
            return Err(FunctionError::call(format!("`range` gives at most {MOST} numbers")));
        }
        let following = next.checked_add(step);
        numbers.push(next.into());
        next = following.ok_or_else(|| FunctionError::call("the result is not a number"))?;
    }
    Ok(Value::list(Type::Number, numbers))
}

pub(super) fn matchkeys(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let (values, keys) = (items(args, 0)?, items(args, 1)?);
    if values.len() != keys.len() {
        let problem = format!("there are {} keys for {} values", keys.len(), values.len());
        return Err(FunctionError::argument(1, problem));
    }
    let both: Vec<Value> = keys.iter().chain(items(args, 2)?).cloned().collect();
    let both = convert_unifying(&Value::tuple(both), &Type::list(Type::Any))
        .map_err(|error| FunctionError::argument(2, error.to_string()))?;
    let (keys, wanted) = both.as_items().unwrap_or_default().split_at(keys.len());
    let chosen =
        values.iter().zip(keys).filter(|(_, key)| wanted.iter().any(|w| w.same_content(key)));
    let chosen: Vec<Value> = chosen.map(|(value, _)| value.clone()).collect();
    Ok(like(&args[0], chosen))
}

pub(super) fn alltrue(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(items(args, 0)?.iter().all(|item| item.as_bool() == Some(true)).into())
}

pub(super) fn anytrue(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(items(args, 0)?.iter().any(|item| item.as_bool() == Some(true)).into())
}

/// `join`'s counterpart for numbers lives in `numbers`; here is only what reads text and lists together.
pub(super) fn formatlist(args: &[Value], context: &FunctionContext<'_>) -> Answer {
    let template = text(args, 0)?;
    let rest = &args[1..];
    let lists =
        rest.iter().enumerate().filter_map(|(at, value)| Some((at + 1, value.as_items()?.len())));
    let mut rounds = None;
    for (argument, length) in lists {
        match rounds {
            Some((first, wanted)) if wanted != length => {
                let problem =
                    format!("it has {length} elements, but argument {first} has {wanted}");
                return Err(FunctionError::argument(argument, problem));
            }
            Some(_) => {}
            None => rounds = Some((argument, length)),
        }
    }
    let rounds = rounds.map_or(1, |(_, length)| length);
    let line = |round: usize| {
        let mut line: Vec<Value> = vec![template.into()];
        line.extend(
            rest.iter().map(|value| value.as_items().map_or(value, |items| &items[round]).clone()),
        );
        super::format::format(&line, context)
    };
    Ok(Value::list(Type::String, (0..rounds).map(line).collect::<Result<Vec<_>, _>>()?))
}
