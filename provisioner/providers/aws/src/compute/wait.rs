//! Waiting within a change, where its next call needs the last one to have had its effect.

use crate::client::Session;
use crate::kind::Seen;
use crate::waits::{self, Wait};
use provider::{ErrorClass, ProviderError};
use std::time::Duration;

/// Machines that do not listen are switched off after a few minutes; large disks take as long to change.
const WAIT: Wait = Wait { first: Duration::from_secs(1), late_ms: 15 * 60 * 1_000 };

/// Looks at an object until it is so. Others that are looked at at the same time are in the same call.
pub(super) async fn until(
    session: &Session,
    kind: &str,
    id: &str,
    is_so: impl Fn(&Seen) -> bool + Send,
) -> Result<(), ProviderError> {
    let judge = move |seen: Option<Seen>, is_late: bool| match seen {
        Some(seen) if seen.phase.is_over() => {
            let why = seen.why.map_or_else(String::new, |why| format!(": {why}"));
            let message = format!("`{id}` is gone{why}");
            Err(ProviderError::new(ErrorClass::NotFound, message))
        }
        Some(seen) if is_so(&seen) => Ok(Some(())),
        _ if is_late => {
            let message = format!("`{id}` has not changed after 15 minutes");
            Err(ProviderError::new(ErrorClass::Transient, message)
                .with_hint("look at it in the console; then apply again"))
        }
        _ => Ok(None),
    };
    waits::until(session, kind, id, WAIT, judge).await
}
