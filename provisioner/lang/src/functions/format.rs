//! `format` with Go's verbs, as Terraform knows them.

use super::arguments::text;
use super::{FunctionContext, FunctionError, json};
use model::convert::{article, convert};
use model::{Number, Type, Value};
use unicode_segmentation::UnicodeSegmentation as _;

type Answer = Result<Value, FunctionError>;

/// The widest field and the most digits that can be asked for.
const WIDEST: usize = 10_000;

/// One `%...` of a format.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "Go's flags are independent of each other")]
struct Directive {
    sharp: bool,
    plus: bool,
    space: bool,
    minus: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    /// From 1.
    argument: Option<usize>,
    verb: char,
}

pub(super) fn format(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let template = text(args, 0)?;
    let given = &args[1..];
    let (mut out, mut next, mut used) = (String::new(), 1, 0);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (directive, after) = parse(after).ok_or_else(|| {
            let offset = template.len() - after.len() - 1;
            FunctionError::argument(0, format!("the `%` at offset {offset} begins nothing that can be formatted (write `%%` for a percent sign)"))
        })?;
        rest = after;
        if directive.verb == '%' {
            out.push('%');
            continue;
        }
        let position = directive.argument.unwrap_or(next);
        let value =
            position.checked_sub(1).and_then(|index| given.get(index)).ok_or_else(|| {
                let problem = format!(
                    "`%{}` wants argument {position}, but there are {}",
                    directive.verb,
                    given.len()
                );
                FunctionError::argument(0, problem)
            })?;
        next = position + 1;
        used = used.max(position);
        let written =
            write(&directive, value).map_err(|why| FunctionError::argument(position, why))?;
        out.push_str(&written);
    }
    out.push_str(rest);
    if used < given.len() {
        let problem =
            format!("there are {} arguments, but the format uses only {used}", given.len());
        return Err(FunctionError::argument(used + 1, problem));
    }
    Ok(out.into())
}

/// Reads what follows a percent sign: flags, width, precision, argument, verb.
fn parse(text: &str) -> Option<(Directive, &str)> {
    let mut directive = Directive::default();
    let mut rest = text;
    loop {
        let flag = match rest.chars().next()? {
            '#' => &mut directive.sharp,
            '+' => &mut directive.plus,
            ' ' => &mut directive.space,
            '-' => &mut directive.minus,
            '0' => &mut directive.zero,
            _ => break,
        };
        *flag = true;
        rest = &rest[1..];
    }
    directive.argument = argument(&mut rest)?;
    directive.width = digits(&mut rest)?.unwrap_or(0);
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        directive.precision = Some(digits(&mut rest)?.unwrap_or(0));
    }
    if directive.argument.is_none() {
        directive.argument = argument(&mut rest)?;
    }
    directive.verb = rest.chars().next()?;
    let known = "vtbdoxXeEfgGsq%".contains(directive.verb);
    known.then(|| (directive, &rest[1..]))
}

/// A number off the front; `Some(None)` when there is none, `None` when it is too large.
#[expect(clippy::option_option, reason = "absent and wrong are different here")]
fn digits(rest: &mut &str) -> Option<Option<usize>> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, after) = rest.split_at(end);
    *rest = after;
    if number.is_empty() {
        return Some(None);
    }
    number.parse().ok().filter(|number| *number <= WIDEST).map(Some)
}

/// `[3]` off the front, in the same manner.
#[expect(clippy::option_option, reason = "absent and wrong are different here")]
fn argument(rest: &mut &str) -> Option<Option<usize>> {
    let Some(mut after) = rest.strip_prefix('[') else { return Some(None) };
    let position = digits(&mut after)??;
    *rest = after.strip_prefix(']')?;
    Some(Some(position))
}

fn write(directive: &Directive, value: &Value) -> Result<String, String> {
    let (body, is_number) = match directive.verb {
        'v' if value.as_str().is_some() && !directive.sharp => (as_text(directive, value)?, false),
        'v' if value.as_number().is_some() && !directive.sharp => {
            (signed(directive, as_number(value)?, plain), true)
        }
        'v' => {
            let mut out = String::new();
            json::write(&mut out, value).map_err(|error| error.message)?;
            (out, false)
        }
        's' => (as_text(directive, value)?, false),
        'q' => {
            let mut out = String::new();
            json::write_text(&mut out, &as_text(directive, value)?, false);
            (out, false)
        }
        't' => (as_bool(value)?.to_string(), false),
        verb => (signed(directive, as_number(value)?, |d, n| number(verb, d, n)), true),
    };
    Ok(pad(directive, body, is_number))
}

fn refuse_null(value: &Value) -> Result<(), String> {
    if value.is_null() { Err("null cannot be formatted with this verb".to_owned()) } else { Ok(()) }
}

fn wanted(ty: &Type, value: &Value) -> Result<Value, String> {
    refuse_null(value)?;
    convert(value, ty).map_err(|_| {
        format!("this verb takes {}, but this is {}", article(ty), article(&value.ty()))
    })
}

fn as_text(directive: &Directive, value: &Value) -> Result<String, String> {
    let converted = wanted(&Type::String, value)?;
    let text = converted.as_str().unwrap_or_default();
    Ok(match directive.precision {
        Some(most) => text.graphemes(true).take(most).collect(),
        None => text.to_owned(),
    })
}

fn as_number(value: &Value) -> Result<Number, String> {
    wanted(&Type::Number, value)?.as_number().ok_or_else(|| "a number is required".to_owned())
}

fn as_bool(value: &Value) -> Result<bool, String> {
    wanted(&Type::Bool, value)?.as_bool().ok_or_else(|| "a bool is required".to_owned())
}

/// The digits with their sign, as the flags want it.
fn signed(
    directive: &Directive,
    value: Number,
    digits: impl Fn(&Directive, Number) -> String,
) -> String {
    let text = digits(directive, value);
    match (text.starts_with('-'), directive.plus, directive.space) {
        (false, true, _) => format!("+{text}"),
        (false, false, true) => format!(" {text}"),
        _ => text,
    }
}

fn plain(_: &Directive, value: Number) -> String {
    value.to_string()
}

fn pad(directive: &Directive, body: String, is_number: bool) -> String {
    let missing = directive.width.saturating_sub(body.graphemes(true).count());
    if missing == 0 {
        body
    } else if directive.minus {
        format!("{body}{}", " ".repeat(missing))
    } else if directive.zero && is_number {
        let signs = body.len() - body.trim_start_matches(['-', '+', ' ']).len();
        format!("{}{}{}", &body[..signs], "0".repeat(missing), &body[signs..])
    } else {
        format!("{}{body}", " ".repeat(missing))
    }
}

fn number(verb: char, directive: &Directive, value: Number) -> String {
    let float = value.as_f64();
    match verb {
        'd' => {
            value.as_i64().map_or_else(|| format!("{}", float.trunc()), |whole| whole.to_string())
        }
        'b' | 'o' | 'x' | 'X' => radix(verb, directive, float.trunc(), value.as_i64()),
        'e' | 'E' => cased(verb, exponent(float, Some(directive.precision.unwrap_or(6)))),
        'f' => {
            let places = directive.precision.unwrap_or(6);
            match value.as_i64() {
                Some(whole) if places == 0 => whole.to_string(),
                Some(whole) => format!("{whole}.{}", "0".repeat(places)),
                None => format!("{float:.places$}"),
            }
        }
        _ => cased(verb, shortest(float, directive.precision)),
    }
}

fn cased(verb: char, text: String) -> String {
    if verb.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text }
}

fn radix(verb: char, directive: &Directive, float: f64, whole: Option<i64>) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "beyond 128 bits the nearest bound is shown"
    )]
    let value = whole.map_or(float as i128, i128::from);
    let sign = if value < 0 { "-" } else { "" };
    let value = value.unsigned_abs();
    let (prefix, digits) = match verb {
        'b' => ("0b", format!("{value:b}")),
        'o' => ("0", format!("{value:o}")),
        'x' => ("0x", format!("{value:x}")),
        _ => ("0X", format!("{value:X}")),
    };
    let prefix = if directive.sharp { prefix } else { "" };
    format!("{sign}{prefix}{digits}")
}

/// `1.234e+05`: an exponent has a sign and at least two digits.
fn exponent(value: f64, places: Option<usize>) -> String {
    let text = places.map_or_else(|| format!("{value:e}"), |places| format!("{value:.places$e}"));
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `%g`: an exponent where it is very small or has more digits than are shown.
fn shortest(value: f64, precision: Option<usize>) -> String {
    let significant = precision.map(|digits| digits.max(1));
    let text = match significant {
        Some(digits) => format!("{value:.0$e}", digits - 1),
        None => format!("{value:e}"),
    };
    let Some((mantissa, power)) = text.split_once('e') else { return text };
    let power: i32 = power.parse().unwrap_or(0);
    let mantissa = if mantissa.contains('.') {
        mantissa.trim_end_matches('0').trim_end_matches('.')
    } else {
        mantissa
    };
    let digits = i32::try_from(mantissa.chars().filter(char::is_ascii_digit).count()).unwrap_or(0);
    // The rule of Go's strconv: 6 decides where no precision is given.
    let limit = match significant.map(|wanted| i32::try_from(wanted).unwrap_or(i32::MAX)) {
        None => 6,
        Some(wanted) if wanted > digits && digits > power => digits,
        Some(wanted) => wanted,
    };
    let shown: f64 = format!("{mantissa}e{power}").parse().unwrap_or(value);
    if power < -4 || power >= limit { exponent(shown, None) } else { shown.to_string() }
}
