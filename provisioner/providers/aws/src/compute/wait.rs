//! Waiting within a change, where its next call needs the last one to have had its effect.

use crate::client::Session;
use crate::kind::Seen;
use provider::{ErrorClass, ProviderError};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);
/// Machines that do not listen are switched off after a few minutes; large disks take as long to change.
const BOUND_MS: u64 = 15 * 60 * 1_000;

/// Looks at an object until it is so. Others that are looked at at the same time are in the same call.
pub(super) async fn until(
    session: &Session,
    kind: &str,
    id: &str,
    is_so: impl Fn(&Seen) -> bool + Send,
) -> Result<(), ProviderError> {
    let mut pause = FIRST;
    let until_ms = session.clock.now_ms().saturating_add(BOUND_MS);
    loop {
        let seen = session.look(kind, id).await?;
        match seen {
            Some(seen) if seen.phase.is_over() => {
                let why = seen.why.map_or_else(String::new, |why| format!(": {why}"));
                let message = format!("`{id}` is gone{why}");
                return Err(ProviderError::new(ErrorClass::NotFound, message));
            }
            Some(seen) if is_so(&seen) => return Ok(()),
            _ if session.clock.now_ms() >= until_ms => {
                let message = format!("`{id}` has not changed after 15 minutes");
                return Err(ProviderError::new(ErrorClass::Transient, message)
                    .with_hint("look at it in the console; then apply again"));
            }
            _ => {}
        }
        session.clock.sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST);
    }
}
