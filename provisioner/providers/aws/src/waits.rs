//! Waits until the cloud shows of objects what is waited for.
//!
//! Invariant: all of a type that is waited for at once is looked at by one call a round, whoever waits for it. Refuses to know: what is waited for.

use crate::client::Session;
use crate::kind::Seen;
use provider::{ErrorClass, ProviderError};
use std::time::Duration;

/// The longest pause between two looks.
const LONGEST: Duration = Duration::from_secs(10);

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// The pause after the first look; the pauses grow by a half.
    pub(crate) first: Duration,
    /// After which time it is late.
    pub(crate) late_ms: u64,
}

/// What one look comes to: what was waited for, or nothing yet.
pub(crate) type Look<T> = Result<Option<T>, ProviderError>;

/// Looks at an object until `judge`, which hears whether it is late, has an answer.
pub(crate) async fn until<T>(
    session: &Session,
    kind: &str,
    id: &str,
    wait: Wait,
    judge: impl Fn(Option<Seen>, bool) -> Look<T> + Send,
) -> Result<T, ProviderError> {
    let judge = move |_: usize, seen: Option<Seen>, is_late: bool| judge(seen, is_late);
    let mut ends = until_all(session, kind, &[id.to_owned()], wait, judge).await;
    ends.pop().unwrap_or_else(|| {
        Err(ProviderError::new(ErrorClass::Invalid, format!("`{id}` was not looked at")))
    })
}

/// The same for many; `judge` hears which of them it is. The answers are in the order of the ids.
pub(crate) async fn until_all<T>(
    session: &Session,
    kind: &str,
    ids: &[String],
    wait: Wait,
    judge: impl Fn(usize, Option<Seen>, bool) -> Look<T> + Send,
) -> Vec<Result<T, ProviderError>> {
    let mut ends: Vec<Option<Result<T, ProviderError>>> = ids.iter().map(|_| None).collect();
    let mut pause = wait.first;
    let until_ms = session.clock.now_ms().saturating_add(wait.late_ms);
    loop {
        let left: Vec<usize> = (0..ids.len()).filter(|place| ends[*place].is_none()).collect();
        let asked = left.iter().map(|place| ids[*place].clone()).collect();
        let seen = session.look_in_turn(kind, asked).await;
        let is_late = session.clock.now_ms() >= until_ms;
        for (place, seen) in left.into_iter().zip(seen) {
            ends[place] = seen.and_then(|seen| judge(place, seen, is_late)).transpose();
        }
        if ends.iter().all(Option::is_some) {
            return ends.into_iter().flatten().collect();
        }
        session.clock.sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST);
    }
}
