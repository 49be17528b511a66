//! Functions on numbers.

use super::arguments::{number, text, whole};
use super::lists::sequence;
use super::{FunctionContext, FunctionError, float};
use model::convert::{article, convert};
use model::{Number, Type, Value};

type Answer = Result<Value, FunctionError>;

/// An argument as a float, as the functions take it that compute with floats.
fn floating(args: &[Value], index: usize, name: &str) -> Result<f64, FunctionError> {
    let number = number(args, index)?;
    let nearest = number.as_f64();
    if nearest.is_infinite() && !number.is_infinite() {
        let problem =
            format!("`{name}` is beyond what this function computes with: a float of 64 bits");
        return Err(FunctionError::argument(index, problem));
    }
    Ok(nearest)
}

fn from_f64(value: f64) -> Answer {
    Number::from_f64(value)
        .map(Value::from)
        .ok_or_else(|| FunctionError::call("the result is not a number"))
}

pub(super) fn abs(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(number(args, 0)?.absolute().into())
}

pub(super) fn ceil(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(number(args, 0)?.ceil().into())
}

pub(super) fn floor(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(number(args, 0)?.floor().into())
}

pub(super) fn log(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let (value, base) = (floating(args, 0, "num")?, floating(args, 1, "base")?);
    if value < 0.0 || base < 0.0 {
        let argument = usize::from(value >= 0.0);
        return Err(FunctionError::argument(argument, "a number below zero has no logarithm"));
    }
    from_f64(float::log(value) / float::log(base))
}

pub(super) fn pow(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    from_f64(float::pow(floating(args, 0, "num")?, floating(args, 1, "power")?))
}

pub(super) fn signum(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(whole(args, 0, "num")?.signum().into())
}

/// The first of those that no other one beats.
fn extreme(args: &[Value], beats: fn(&Number, &Number) -> bool) -> Answer {
    let mut chosen: Option<&Number> = None;
    for index in 0..args.len() {
        let candidate = number(args, index)?;
        if chosen.is_none_or(|chosen| beats(candidate, chosen)) {
            chosen = Some(candidate);
        }
    }
    let chosen = chosen.cloned().map(Value::from);
    chosen.ok_or_else(|| FunctionError::call("at least one number is required"))
}

pub(super) fn max(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    extreme(args, |candidate, chosen| candidate > chosen)
}

pub(super) fn min(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    extreme(args, |candidate, chosen| candidate < chosen)
}

pub(super) fn sum(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let items = sequence(args, 0, true)?;
    let mut total: Option<Number> = None;
    for (position, item) in items.iter().enumerate() {
        let converted = convert(item, &Type::Number).ok();
        let added = converted.as_ref().and_then(Value::as_number).ok_or_else(|| {
            let found = if item.is_null() { "null".to_owned() } else { article(&item.ty()) };
            let problem = format!("element {position} must be a number, but it is {found}");
            FunctionError::argument(0, problem)
        })?;
        total = Some(match total {
            None => added.clone(),
            Some(total) => total
                .checked_add(added)
                .ok_or_else(|| FunctionError::argument(0, "infinity less infinity is no number"))?,
        });
    }
    let total = total.map(Value::from);
    total.ok_or_else(|| FunctionError::argument(0, "the sum of no numbers is not defined"))
}

pub(super) fn parseint(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    if args[0].as_str().is_none() {
        let found = article(&args[0].ty());
        return Err(FunctionError::argument(0, format!("text is required, but this is {found}")));
    }
    let (text, base) = (text(args, 0)?, whole(args, 1, "base")?);
    let base = u32::try_from(base)
        .ok()
        .filter(|base| (2..=62).contains(base))
        .ok_or_else(|| FunctionError::argument(1, "`base` must be a whole number from 2 to 62"))?;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text).chars();
    let digits: Option<Vec<u8>> =
        digits.map(|c| digit(c, base).filter(|digit| u32::from(*digit) < base)).collect();
    digits
        .filter(|digits| !digits.is_empty())
        .and_then(|digits| Number::from_digits(text.starts_with('-'), &digits, base))
        .map(Value::from)
        .ok_or_else(|| {
            FunctionError::argument(0, format!("this is not a whole number in base {base}"))
        })
}

/// Up to base 36 the case of letters does not matter; beyond, upper-case letters follow the lower-case.
fn digit(c: char, base: u32) -> Option<u8> {
    let digit = match c {
        'A'..='Z' if base > 36 => u32::from(c) - u32::from('A') + 36,
        _ => c.to_digit(36)?,
    };
    u8::try_from(digit).ok()
}
