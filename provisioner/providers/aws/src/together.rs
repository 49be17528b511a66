//! Creations that are one call: whoever comes first makes it, the others wait for the same answer.
//!
//! Invariants: there is one call with a token at a time; one that succeeded is not made again; one that failed is made
//! again by whoever asks next. Refuses to know: what is made.

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use provider::ProviderError;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What one call made: ids, in the order of the creations it was made for.
pub(crate) type Made = Result<Vec<String>, ProviderError>;

/// Calls by their token.
#[derive(Default)]
pub(crate) struct Together(Mutex<BTreeMap<String, Shared<BoxFuture<'static, Made>>>>);

impl Together {
    /// What the call with that token made; `call` makes it if nobody else has.
    pub(crate) async fn made(
        &self,
        token: &str,
        call: impl Future<Output = Made> + Send + 'static,
    ) -> Made {
        let shared = {
            let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match calls.get(token) {
                Some(known) if known.peek().is_none_or(Result::is_ok) => known.clone(),
                _ => {
                    let shared = call.boxed().shared();
                    calls.insert(token.to_owned(), shared.clone());
                    shared
                }
            }
        };
        shared.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use provider::ErrorClass;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(start_paused = true)]
    async fn one_call_serves_all_and_a_failed_one_is_made_again() {
        let together = Together::default();
        let calls = Arc::new(AtomicUsize::new(0));
        let call = || {
            let calls = calls.clone();
            async move {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                match calls.fetch_add(1, Ordering::SeqCst) {
                    0 => Err(ProviderError::new(ErrorClass::Throttled, "too many")),
                    _ => Ok(vec!["i-1".to_owned()]),
                }
            }
        };
        let first = join_all((0..10).map(|_| together.made("token", call()))).await;
        assert!(first.iter().all(Result::is_err));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        let second = join_all((0..10).map(|_| together.made("token", call()))).await;
        assert!(second.iter().all(Result::is_ok));
        assert_eq!(together.made("token", call()).await, Ok(vec!["i-1".to_owned()]));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
