//! Functions on numbers.

use super::arguments::{number, text, whole};
use super::lists::sequence;
use super::{FunctionContext, FunctionError};
use model::convert::{article, convert};
use model::{Number, Type, Value};

type Answer = Result<Value, FunctionError>;

fn from_f64(value: f64) -> Answer {
    Number::from_f64(value)
        .map(Value::from)
        .ok_or_else(|| FunctionError::call("the result is not a number"))
}

pub(super) fn abs(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let value = number(args, 0)?;
    match value.as_i64().and_then(i64::checked_abs) {
        Some(value) => Ok(value.into()),
        None => from_f64(value.as_f64().abs()),
    }
}

/// `ceil` and `floor`: whole numbers are left as they are, exactly.
fn rounded(args: &[Value], round: fn(f64) -> f64) -> Answer {
    let value = number(args, 0)?;
    if value.as_i64().is_some() { Ok(value.into()) } else { from_f64(round(value.as_f64())) }
}

pub(super) fn ceil(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    rounded(args, f64::ceil)
}

pub(super) fn floor(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    rounded(args, f64::floor)
}

pub(super) fn log(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let (value, base) = (number(args, 0)?.as_f64(), number(args, 1)?.as_f64());
    if value <= 0.0 || base <= 0.0 {
        let argument = usize::from(value > 0.0);
        return Err(FunctionError::argument(argument, "only numbers above zero have a logarithm"));
    }
    from_f64(value.ln() / base.ln())
}

pub(super) fn pow(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let (value, power) = (number(args, 0)?, number(args, 1)?);
    let exact = || value.as_i64()?.checked_pow(u32::try_from(power.as_i64()?).ok()?);
    match exact() {
        Some(exact) => Ok(exact.into()),
        None => from_f64(value.as_f64().powf(power.as_f64())),
    }
}

pub(super) fn signum(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(whole(args, 0, "num")?.signum().into())
}

fn extreme(args: &[Value], choose: fn(Number, Number) -> Number) -> Answer {
    let numbers =
        (0..args.len()).map(|index| number(args, index)).collect::<Result<Vec<_>, _>>()?;
    let chosen = numbers.into_iter().reduce(choose);
    chosen.map(Value::from).ok_or_else(|| FunctionError::call("at least one number is required"))
}

pub(super) fn max(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    extreme(args, Number::max)
}

pub(super) fn min(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    extreme(args, Number::min)
}

pub(super) fn sum(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let items = sequence(args, 0, true)?;
    if items.is_empty() {
        return Err(FunctionError::argument(0, "the sum of no numbers is not defined"));
    }
    let mut total = Number::from(0);
    for (position, item) in items.iter().enumerate() {
        let added = convert(item, &Type::Number).ok().and_then(|item| item.as_number());
        let added = added.ok_or_else(|| {
            let found = if item.is_null() { "null".to_owned() } else { article(&item.ty()) };
            FunctionError::argument(
                0,
                format!("element {position} must be a number, but it is {found}"),
            )
        })?;
        total = add(total, added)?;
    }
    Ok(total.into())
}

/// Exact for whole numbers and for decimals of few digits, else the nearest float.
fn add(left: Number, right: Number) -> Result<Number, FunctionError> {
    if let Some(exact) = left.as_i64().zip(right.as_i64()).and_then(|(l, r)| l.checked_add(r)) {
        return Ok(exact.into());
    }
    let sum = left.as_f64() + right.as_f64();
    let exact = decimal_sum(&left.to_string(), &right.to_string());
    exact
        .and_then(|text| Number::parse(&text))
        .or_else(|| Number::from_f64(sum))
        .ok_or_else(|| FunctionError::call("the result is not a number"))
}

/// The sum of two decimal texts, if both fit: so 0.1 + 0.2 is 0.3.
fn decimal_sum(left: &str, right: &str) -> Option<String> {
    let places = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let scale = places(left).max(places(right));
    let scaled = |text: &str| -> Option<i128> {
        let zeros = "0".repeat(scale - places(text));
        (text.len() + zeros.len() <= 30)
            .then(|| format!("{}{zeros}", text.replace('.', "")))?
            .parse()
            .ok()
    };
    Some(format!("{}e-{scale}", scaled(left)?.checked_add(scaled(right)?)?))
}

pub(super) fn parseint(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    if args[0].as_str().is_none() {
        let found = article(&args[0].ty());
        return Err(FunctionError::argument(0, format!("text is required, but this is {found}")));
    }
    let (digits, base) = (text(args, 0)?, whole(args, 1, "base")?);
    let base = u32::try_from(base)
        .ok()
        .filter(|base| (2..=62).contains(base))
        .ok_or_else(|| FunctionError::argument(1, "`base` must be a whole number from 2 to 62"))?;
    parse_digits(digits, base).ok_or_else(|| {
        FunctionError::argument(0, format!("this is not a whole number in base {base}"))
    })?
}

fn parse_digits(text: &str, base: u32) -> Option<Answer> {
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut exact = (!digits.is_empty()).then_some(Some(0_i64))?;
    let mut nearest = 0.0;
    for c in digits.chars() {
        let digit = digit(c, base).filter(|digit| *digit < base)?;
        exact = exact.and_then(|n| n.checked_mul(base.into())?.checked_add(digit.into()));
        nearest = nearest * f64::from(base) + f64::from(digit);
    }
    Some(match exact {
        Some(value) => Ok(if negative { -value } else { value }.into()),
        None => from_f64(if negative { -nearest } else { nearest }),
    })
}

/// Up to base 36 the case of letters does not matter; beyond, upper-case letters follow the lower-case.
fn digit(c: char, base: u32) -> Option<u32> {
    match c {
        'A'..='Z' if base > 36 => Some(u32::from(c) - u32::from('A') + 36),
        _ => c.to_digit(36),
    }
}
