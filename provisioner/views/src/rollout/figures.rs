//! Times, spans, shares and numbers of a rollout as people read them.
//!
//! Invariants: pure, no clock and no time zone but UTC; a text never holds what was not in the number.
//! Refuses to know: what the numbers are of.

use jiff::Timestamp;

/// A moment in Unix milliseconds as `2026-11-23 02:00:00`, in UTC.
pub fn moment(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms)
        .map_or_else(|_| format!("{at_ms} ms"), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// The time of day of a moment in Unix milliseconds as `02:00:00`, in UTC.
pub fn clock(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms)
        .map_or_else(|_| format!("{at_ms} ms"), |at| at.strftime("%H:%M:%S").to_string())
}

/// Milliseconds between two moments; 0 if the second is before the first.
pub fn between(from_ms: i64, to_ms: i64) -> u64 {
    u64::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(0)
}

/// A span of milliseconds in its two largest units: `340 ms`, `4.2 s`, `3 min 5 s`, `1 h 30 min`, `2 d 3 h`.
pub fn span(ms: u64) -> String {
    let (seconds, minutes, hours, days) =
        (ms / 1_000, ms / 60_000, ms / 3_600_000, ms / 86_400_000);
    let two = |large: u64, unit: &str, small: u64, of: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {of}"),
    };
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 if ms.is_multiple_of(1_000) => format!("{seconds} s"),
        1_000..60_000 => format!("{seconds}.{} s", ms % 1_000 / 100),
        60_000..3_600_000 => two(minutes, "min", seconds % 60, "s"),
        3_600_000..86_400_000 => two(hours, "h", minutes % 60, "min"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// A number with at most four significant digits, thousands apart: `0.0412`, `1.25`, `6 800`.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "no number".to_owned() } else { value.to_string() };
    }
    let size = value.abs();
    if size != 0.0 && size < 0.000_001 {
        return format!("{value:.2e}");
    }
    // Four digits count: those before the point, then as many after it as are left, nought point noughts not counted.
    let bounds = [1_000.0, 100.0, 10.0, 1.0, 0.1, 0.01, 0.001, 0.000_1, 0.000_01];
    let decimals = match size {
        0.0 => 0,
        _ => bounds.iter().take_while(|bound| size < **bound).count(),
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole = grouped(whole);
    if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
}

/// A share from 0 to 1 in per cent: `0.04 %`.
pub fn share(value: f64) -> String {
    format!("{} %", number(value * 100.0))
}

/// Thousands apart by a space.
fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut text = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && digits.len() > 3 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A list for people: `a`, `a and b`, `a, b and 3 more`.
pub fn some_of<'a>(names: impl IntoIterator<Item = &'a str>, most: usize) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if names.len() <= most.max(1) {
        return match names.split_last() {
            None => "none".to_owned(),
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        };
    }
    let shown = most.max(1);
    format!("{} and {} more", names[..shown].join(", "), names.len() - shown)
}

/// A text from outside on one line, as it may go to a terminal: control characters, which could steer one, become `�`.
pub fn plain(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// A text from outside, see [`plain`], in at most so many characters; a cut one ends in `…`.
pub fn cut(text: &str, width: usize) -> String {
    let text = if text.chars().any(char::is_control) { plain(text) } else { text.to_owned() };
    if text.chars().count() <= width {
        return text;
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        let cases = [
            (0, "0 ms"),
            (4_000, "4 s"),
            (4_250, "4.2 s"),
            (900_000, "15 min"),
            (185_000, "3 min 5 s"),
            (5_400_000, "1 h 30 min"),
            (86_400_000, "1 d"),
            (183_600_000, "2 d 3 h"),
        ];
        for (ms, text) in cases {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn numbers_are_short_and_honest() {
        let cases = [
            (0.0, "0"),
            (0.041_2, "0.0412"),
            (0.052_268_3, "0.05227"),
            (0.000_012_345, "0.00001234"),
            (0.000_000_12, "1.20e-7"),
            (1.25, "1.25"),
            (147.33, "147.3"),
            (6_800.0, "6 800"),
            (1_234_567.0, "1 234 567"),
            (-4_603.0, "-4 603"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(f64::NAN), "no number");
        assert_eq!(share(0.001), "0.1 %");
    }

    #[test]
    fn lists_and_texts_are_cut_with_a_sign() {
        assert_eq!(some_of([], 3), "none");
        assert_eq!(some_of(["a", "b"], 3), "a and b");
        assert_eq!(some_of(["a", "b", "c", "d"], 2), "a, b and 2 more");
        assert_eq!(cut("abcdef", 4), "abc…");
    }

    #[test]
    fn moments_are_in_utc() {
        assert_eq!(moment(1_795_312_800_000), "2026-11-22 02:00:00");
        assert_eq!(between(5, 3), 0);
    }
}
