//! Functions on time stamps (RFC 3339). What the time is now is not among them.

use super::arguments::text;
use super::{FunctionContext, FunctionError};
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use model::Value;
use std::fmt::Write as _;

type Answer = Result<Value, FunctionError>;

/// A time as somewhere's clocks show it.
struct Stamp {
    local: DateTime,
    offset: Offset,
}

impl Stamp {
    fn instant(&self) -> Option<Timestamp> {
        self.offset.to_timestamp(self.local).ok()
    }
}

fn stamp(args: &[Value], index: usize) -> Result<Stamp, FunctionError> {
    parse(text(args, index)?).ok_or_else(|| {
        FunctionError::argument(index, "this is not a time stamp such as 2026-01-31T23:59:00Z")
    })
}

fn parse(text: &str) -> Option<Stamp> {
    let digits = |from: usize, to: usize| -> Option<i8> {
        let part = text.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?;
        part.parse().ok()
    };
    let shape = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")];
    if shape.iter().any(|(at, mark)| text.get(*at..=*at) != Some(*mark)) {
        return None;
    }
    let year =
        text.get(..4).filter(|year| year.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    let date = Date::new(year, digits(5, 7)?, digits(8, 10)?).ok()?;
    let second = digits(17, 19)?;
    let mut rest = text.get(19..)?;
    let mut nanoseconds = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = &fraction[..fraction.len() - rest.len()];
        if digits.is_empty() {
            return None;
        }
        nanoseconds = format!("{digits:0<9}").get(..9)?.parse().ok()?;
    }
    let offset = if rest == "Z" { Offset::UTC } else { offset(rest)? };
    let time =
        jiff::civil::Time::new(digits(11, 13)?, digits(14, 16)?, second, nanoseconds).ok()?;
    Some(Stamp { local: date.to_datetime(time), offset })
}

/// `+05:30`.
fn offset(text: &str) -> Option<Offset> {
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..).filter(|rest| rest.len() == 5)?.split_once(':')?;
    let seconds = hours.parse::<u8>().ok().filter(|h| *h < 24)?;
    let minutes = minutes.parse::<u8>().ok().filter(|m| *m < 60)?;
    Offset::from_seconds(sign * (i32::from(seconds) * 3600 + i32::from(minutes) * 60)).ok()
}

/// A time stamp as YAML 1.1 writes it (`2001-12-14t21:59:43.10-05:00`, `2001-1-2 3:04:05`, `2001-1-2`) as RFC 3339.
pub(super) fn yaml_timestamp(text: &str) -> Option<String> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next().filter(|year| year.len() == 4)?;
    let month = parts.next()?;
    let rest = parts.next()?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (day, rest) = rest.split_at(end);
    let two = |digits: &str| -> Option<String> {
        let fits = matches!(digits.len(), 1 | 2) && digits.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| format!("{digits:0>2}"))
    };
    let date = format!("{year}-{}-{}", two(month)?, two(day)?);
    let (time, zone) = match rest.chars().next() {
        None => ("0:0:0", "Z"),
        Some(' ') => (&rest[1..], "Z"),
        Some('T' | 't') => {
            let zone = rest.find(['Z', '+', '-'])?;
            (&rest[1..zone], &rest[zone..])
        }
        Some(_) => return None,
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let clock: Vec<String> = time.split(':').map(two).collect::<Option<_>>()?;
    let [hour, minute, second] = clock.as_slice() else { return None };
    let text = format!("{date}T{hour}:{minute}:{second}{zone}");
    parse(&text).map(|_| text)
}

pub(super) fn timeadd(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let stamp = stamp(args, 0)?;
    let duration = duration(text(args, 1)?).ok_or_else(|| {
        FunctionError::argument(
            1,
            "this is not a duration such as 1h30m (units: h, m, s, ms, us, ns)",
        )
    })?;
    let moved = stamp
        .local
        .checked_add(duration)
        .map_err(|_| FunctionError::call("the result is outside of the calendar"))?;
    let stamp = Stamp { local: moved, ..stamp };
    Ok(format!("{}{}", stamp.local.strftime("%Y-%m-%dT%H:%M:%S"), zone(&stamp, ":", "Z")).into())
}

/// Go's notation: a sign, then numbers with units.
fn duration(text: &str) -> Option<SignedDuration> {
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    let mut seconds = (!rest.is_empty()).then_some(0.0)?;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let unit_seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += amount.parse::<f64>().ok()? * unit_seconds;
        rest = after;
    }
    SignedDuration::try_from_secs_f64(if negative { -seconds } else { seconds }).ok()
}

pub(super) fn timecmp(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let order = stamp(args, 0)?.instant().cmp(&stamp(args, 1)?.instant());
    Ok(i64::from(order as i8).into())
}

fn zone(stamp: &Stamp, colon: &str, utc: &str) -> String {
    let seconds = stamp.offset.seconds();
    if seconds == 0 {
        return utc.to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
}

pub(super) fn formatdate(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let (format, stamp) = (text(args, 0)?, stamp(args, 1)?);
    let invalid = |what: String| FunctionError::argument(0, what);
    let mut out = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            rest = quoted(&rest[1..], &mut out)
                .ok_or_else(|| invalid("a quote is not closed".to_owned()))?;
            continue;
        }
        let length = rest.find(|c| c != first).unwrap_or(rest.len());
        let (run, after) = rest.split_at(length);
        rest = after;
        if first.is_ascii_alphabetic() {
            let part = date_part(run, &stamp);
            out.push_str(
                &part.ok_or_else(|| invalid(format!("`{run}` stands for no part of a date")))?,
            );
        } else {
            out.push_str(run);
        }
    }
    Ok(out.into())
}

/// Copies text up to the closing quote (two quotes stand for one) and gives what follows.
fn quoted<'a>(text: &'a str, out: &mut String) -> Option<&'a str> {
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('\'')?;
        out.push_str(before);
        match after.strip_prefix('\'') {
            Some(after) => {
                out.push('\'');
                rest = after;
            }
            None => return Some(after),
        }
    }
}

fn date_part(run: &str, stamp: &Stamp) -> Option<String> {
    let date = stamp.local;
    let twelve = match date.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let half = if date.hour() < 12 { "AM" } else { "PM" };
    let named = |format: &str| date.strftime(format).to_string();
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = match run {
        "YYYY" => write!(out, "{:04}", date.year()),
        "YY" => write!(out, "{:02}", date.year() % 100),
        "MMMM" => write!(out, "{}", named("%B")),
        "MMM" => write!(out, "{}", named("%b")),
        "MM" => write!(out, "{:02}", date.month()),
        "M" => write!(out, "{}", date.month()),
        "DD" => write!(out, "{:02}", date.day()),
        "D" => write!(out, "{}", date.day()),
        "EEEE" => write!(out, "{}", named("%A")),
        "EEE" => write!(out, "{}", named("%a")),
        "hh" => write!(out, "{:02}", date.hour()),
        "h" => write!(out, "{}", date.hour()),
        "HH" => write!(out, "{twelve:02}"),
        "H" => write!(out, "{twelve}"),
        "AA" => write!(out, "{half}"),
        "aa" => write!(out, "{}", half.to_ascii_lowercase()),
        "mm" => write!(out, "{:02}", date.minute()),
        "m" => write!(out, "{}", date.minute()),
        "ss" => write!(out, "{:02}", date.second()),
        "s" => write!(out, "{}", date.second()),
        "ZZZZZ" => write!(out, "{}", zone(stamp, ":", "+00:00")),
        "ZZZZ" => write!(out, "{}", zone(stamp, "", "+0000")),
        "ZZZ" => write!(out, "{}", zone(stamp, "", "UTC")),
        "Z" => write!(out, "{}", zone(stamp, ":", "Z")),
        _ => return None,
    };
    Some(out)
}
