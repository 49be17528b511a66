//! How durations, amounts and times of day are written.
//!
//! Refuses to know: where they stand, and what they are for.

use model::rollout::Amount;

/// The units of a duration, largest first, with their milliseconds.
const UNITS: [(&str, f64); 5] =
    [("d", 86_400_000.0), ("h", 3_600_000.0), ("m", 60_000.0), ("s", 1_000.0), ("ms", 1.0)];

/// The longest duration, in milliseconds: ten years.
const LONGEST_MS: f64 = 3650.0 * 86_400_000.0;

/// What a duration looks like.
pub(super) const DURATIONS: &str =
    "write numbers with their units, for example \"500ms\", \"30s\", \"15m\", \"1h30m\" or \"2d\"";

/// A duration in milliseconds; else why it is none.
pub(super) fn duration(text: &str) -> Result<u64, &'static str> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("this is empty");
    }
    let mut total = 0.0;
    let mut units = UNITS.as_slice();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let number: f64 = number.parse().map_err(|_| "a number is expected before each unit")?;
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() {
            return Err("the unit is missing");
        }
        let Some(at) = units.iter().position(|(name, _)| *name == unit) else {
            let is_unit = UNITS.iter().any(|(name, _)| *name == unit);
            let problem = "the units go from large to small, each at most once";
            return Err(if is_unit { problem } else { "there is no such unit" });
        };
        total += number * units[at].1;
        units = &units[at + 1..];
        rest = after;
    }
    if total > LONGEST_MS {
        return Err("this is longer than ten years");
    }
    Ok(whole(total.round()))
}

/// A number that is whole, not negative and below 2^53 already, as an integer.
fn whole(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, from 0, and far below 2^53"
    )]
    let whole = number as u64;
    whole
}

/// A number of nodes as it is written, `25%` or `3`; else why it is none.
pub(super) fn amount(text: &str) -> Result<Amount, &'static str> {
    let text = text.trim();
    if let Some(percent) = text.strip_suffix('%') {
        let is_plain = percent.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let percent: f64 = percent
            .parse()
            .ok()
            .filter(|_| is_plain)
            .ok_or("a number from 0 to 100 stands before `%`")?;
        if percent > 100.0 {
            return Err("this is more than 100 %");
        }
        return Ok(Amount::Percent(percent));
    }
    text.parse().map(Amount::Count).map_err(|_| "this is neither a whole number nor a percentage")
}

/// A time of day in minutes, `09:30`; `24:00` is the end of the day.
pub(super) fn minute_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str| -> Option<u16> {
        let is_number = matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| is_number)
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes).filter(|_| minutes.len() == 2)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= 24 * 60).then_some(minute)
}

/// Milliseconds as a duration: `1h30m`.
pub(super) fn in_words(ms: u64) -> String {
    let mut rest = ms;
    let mut text = String::new();
    for (unit, size) in UNITS {
        let size = whole(size);
        if rest >= size {
            text.push_str(&(rest / size).to_string());
            text.push_str(unit);
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    //! What is read, and what is not.

    use super::*;

    #[test]
    fn durations() {
        let read = |text: &str| duration(text).ok();
        assert_eq!(read("500ms"), Some(500));
        assert_eq!(read("30s"), Some(30_000));
        assert_eq!(read("1h30m"), Some(5_400_000));
        assert_eq!(read("2d"), Some(172_800_000));
        assert_eq!(read("0.9s"), Some(900));
        assert_eq!(read("0s"), Some(0));
        for wrong in ["", "30", "s", "1w", "1m1h", "1h1h", "-1s", "1 h", "1..2s", "9999999d", "½h"]
        {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        for text in ["1h30m", "2d", "500ms", "15m", "1d1h1m1s1ms", "0s"] {
            assert_eq!(in_words(duration(text).unwrap()), text);
        }
    }

    #[test]
    fn amounts() {
        assert_eq!(amount("5%"), Ok(Amount::Percent(5.0)));
        assert_eq!(amount("12.5%"), Ok(Amount::Percent(12.5)));
        assert_eq!(amount("3"), Ok(Amount::Count(3)));
        for wrong in ["", "%", "101%", "-5%", "NaN%", "inf%", "1e1%", "3.5", "-3", "half", "5 % "] {
            assert!(amount(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_of_day() {
        assert_eq!(minute_of_day("09:30"), Some(570));
        assert_eq!(minute_of_day("0:00"), Some(0));
        assert_eq!(minute_of_day("24:00"), Some(1440));
        for wrong in [
            "",
            "9",
            "24:01",
            "12:60",
            "12:5",
            "-1:00",
            "+1:00",
            "12:00:00",
            "2026-11-27T00:00:00Z",
        ] {
            assert_eq!(minute_of_day(wrong), None, "{wrong}");
        }
    }
}
