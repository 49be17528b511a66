//! Signals of the user: the first finishes what is in flight, the second stops at once.

use engine::CancelToken;
use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// A token that SIGINT and SIGTERM raise, one level each time.
pub fn listen() -> io::Result<CancelToken> {
    let cancel = CancelToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind)?;
        let cancel = cancel.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                cancel.raise();
            }
        });
    }
    Ok(cancel)
}
