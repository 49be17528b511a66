//! `format` with Go's verbs, as Terraform knows them.

use super::arguments::text;
use super::{FunctionContext, FunctionError, json};
use model::convert::{article, convert};
use model::number::Decimal;
use model::{Data, Number, Type, Value};
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
    directive.width = digits(&mut rest)?.unwrap_or(0);
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        directive.precision = Some(digits(&mut rest)?.unwrap_or(0));
    }
    directive.argument = argument(&mut rest)?;
    directive.verb = rest.chars().next()?;
    let known = "vtbdoxXeEfgGsq".contains(directive.verb) || text.starts_with('%');
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
    let position = digits(&mut after)?.filter(|position| *position > 0)?;
    *rest = after.strip_prefix(']')?;
    Some(Some(position))
}

fn write(directive: &Directive, value: &Value) -> Result<String, String> {
    Ok(match (directive.verb, value.data()) {
        ('v', Data::String(text)) if !directive.sharp => pad(directive, text),
        ('v', Data::Number(number)) if !directive.sharp => pad(directive, &general(number, None)),
        ('v', _) => {
            let mut out = String::new();
            json::write(&mut out, value).map_err(|error| error.message)?;
            pad(directive, &out)
        }
        ('s', _) => pad(directive, &as_text(directive, value)?),
        ('q', _) => {
            let mut out = String::new();
            json::write_text(&mut out, &as_text(directive, value)?);
            pad(directive, &out)
        }
        ('t', _) => wanted(&Type::Bool, value)?.as_bool().unwrap_or_default().to_string(),
        (verb, _) => {
            let converted = wanted(&Type::Number, value)?;
            let number = converted.as_number().ok_or("a number is required")?;
            match verb {
                'b' | 'd' | 'o' | 'x' | 'X' => whole(directive, number)?,
                _ => fraction(directive, number),
            }
        }
    })
}

fn wanted(ty: &Type, value: &Value) -> Result<Value, String> {
    if value.is_null() {
        return Err("null cannot be formatted with this verb".to_owned());
    }
    convert(value, ty).map_err(|_| {
        format!("this verb takes {}, but this is {}", article(ty), article(&value.ty()))
    })
}

/// Text, cut to the precision. A precision of 0 cuts nothing.
fn as_text(directive: &Directive, value: &Value) -> Result<String, String> {
    let converted = wanted(&Type::String, value)?;
    let text = converted.as_str().unwrap_or_default();
    Ok(match directive.precision {
        Some(most) if most > 0 => text.graphemes(true).take(most).collect(),
        _ => text.to_owned(),
    })
}

/// Text in its field, which zeros fill as well.
fn pad(directive: &Directive, text: &str) -> String {
    let missing = directive.width.saturating_sub(text.graphemes(true).count());
    let fill = if directive.zero { "0" } else { " " }.repeat(missing);
    if directive.minus { format!("{text}{fill}") } else { format!("{fill}{text}") }
}

/// The sign, as the flags want it.
fn sign(directive: &Directive, negative: bool) -> &'static str {
    match (negative, directive.plus, directive.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    }
}

/// `%d` and the verbs for other bases. A precision is the least number of digits.
fn whole(directive: &Directive, number: &Number) -> Result<String, String> {
    let (base, prefix) = match directive.verb {
        'b' => (2, "0b"),
        'o' => (8, "0"),
        'x' => (16, "0x"),
        'X' => (16, "0X"),
        _ => (10, ""),
    };
    let digits = number.whole_digits(base).filter(|_| number.is_whole());
    let digits = digits.ok_or_else(|| "this verb takes a whole number".to_owned())?;
    let sign = sign(directive, digits.starts_with('-'));
    let mut digits = digits.trim_start_matches('-').to_owned();
    if directive.verb == 'X' {
        digits.make_ascii_uppercase();
    }
    let prefix = if directive.sharp { prefix } else { "" };
    match directive.precision {
        Some(0) if digits == "0" => return Ok(String::new()),
        Some(least) => {
            digits = format!("{}{digits}", "0".repeat(least.saturating_sub(digits.len())));
        }
        None => {}
    }
    let missing = directive.width.saturating_sub(sign.len() + prefix.len() + digits.len());
    Ok(if directive.minus {
        format!("{sign}{prefix}{digits}{}", " ".repeat(missing))
    } else if directive.zero && directive.precision.is_none() {
        format!("{sign}{prefix}{}{digits}", "0".repeat(missing))
    } else {
        format!("{}{sign}{prefix}{digits}", " ".repeat(missing))
    })
}

/// `%e`, `%f` and `%g`.
fn fraction(directive: &Directive, number: &Number) -> String {
    let places = Some(directive.precision.unwrap_or(6));
    let text = match (Decimal::exact(number), directive.verb) {
        (None, _) => number.to_string(),
        (Some(decimal), 'e' | 'E') => decimal.scientific(places),
        (Some(decimal), 'f') => decimal.fixed(places),
        (Some(_), _) => general(number, directive.precision),
    };
    let text = if directive.verb.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text };
    let digits = text.trim_start_matches(['-', '+']);
    let sign = match sign(directive, text.starts_with('-')) {
        "" if number.is_infinite() => "+",
        sign => sign,
    };
    let missing = directive.width.saturating_sub(sign.len() + digits.len());
    if directive.zero && !number.is_infinite() {
        format!("{sign}{}{digits}", "0".repeat(missing))
    } else if directive.minus {
        format!("{sign}{digits}{}", " ".repeat(missing))
    } else {
        format!("{}{sign}{digits}", " ".repeat(missing))
    }
}

/// `%g`: with an exponent where it is below -4, or where the number has more digits than are shown.
fn general(number: &Number, precision: Option<usize>) -> String {
    let decimal = match precision {
        None => Decimal::shortest(number),
        Some(count) => Decimal::exact(number).map(|mut decimal| {
            decimal.round(count.max(1));
            decimal
        }),
    };
    let Some(decimal) = decimal else { return number.to_string() };
    // Without a precision, 6 decides.
    let limit = match precision.map(|count| count.max(1)) {
        None => 6,
        Some(count)
            if count > decimal.count() && whole_count(decimal.count()) > decimal.power() =>
        {
            whole_count(decimal.count())
        }
        Some(count) => whole_count(count),
    };
    if decimal.power() < -4 || decimal.power() >= limit {
        decimal.scientific(None)
    } else {
        decimal.fixed(None)
    }
}

fn whole_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
