//! What was read last, by resource type: a listing right after it need not describe the same once more.
//!
//! Invariants: what is older than a minute does not count; what a type has is told as whole only once, and not after something
//! of that type was to be made. Refuses to know: what is read for.

use crate::kind::Seen;
use provider::Clock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// For how long what was read is as good as another description, in milliseconds.
const RECENT_MS: u64 = 60_000;

/// What was read.
pub(crate) struct Recent {
    clock: Arc<dyn Clock>,
    kinds: Mutex<BTreeMap<&'static str, Read>>,
}

struct Read {
    at_ms: u64,
    seen: BTreeMap<String, Seen>,
    /// Nothing of the environment is there beside it.
    is_whole: bool,
}

impl Recent {
    /// Nothing yet.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kinds: Mutex::default() }
    }

    /// Keeps what was seen of a type; `is_whole` where that is all that the environment has.
    pub(crate) fn keep(&self, kind: &'static str, seen: BTreeMap<String, Seen>, is_whole: bool) {
        let at_ms = self.clock.now_ms();
        self.kinds().insert(kind, Read { at_ms, seen, is_whole });
    }

    /// Something of a type is to be made, which what was read does not show.
    pub(crate) fn forget(&self, kind: &str) {
        self.kinds().remove(kind);
    }

    /// These objects, if all of them were read just now.
    pub(crate) fn these(&self, kind: &str, ids: &[String]) -> Option<Vec<Seen>> {
        let kinds = self.kinds();
        let read = kinds.get(kind).filter(|read| self.is_recent(read))?;
        ids.iter().map(|id| read.seen.get(id).cloned()).collect()
    }

    /// All that the environment has of a type, if that was read just now. Whoever asks again gets none.
    pub(crate) fn take_whole(&self, kind: &str) -> Option<Vec<Seen>> {
        let mut kinds = self.kinds();
        kinds.get(kind).filter(|read| read.is_whole && self.is_recent(read))?;
        kinds.remove(kind).map(|read| read.seen.into_values().collect())
    }

    fn is_recent(&self, read: &Read) -> bool {
        self.clock.now_ms().saturating_sub(read.at_ms) <= RECENT_MS
    }

    fn kinds(&self) -> MutexGuard<'_, BTreeMap<&'static str, Read>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::TokioClock;
    use std::time::Duration;

    fn kept(is_whole: bool) -> Recent {
        let recent = Recent::new(Arc::new(TokioClock::new()));
        let one = Seen::ready("vpc-1".to_owned(), BTreeMap::new());
        recent.keep("aws_vpc", [("vpc-1".to_owned(), one)].into(), is_whole);
        recent
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_read_is_told_once() {
        let recent = kept(true);
        assert_eq!(recent.take_whole("aws_subnet").map(|seen| seen.len()), None);
        assert_eq!(recent.take_whole("aws_vpc").map(|seen| seen.len()), Some(1));
        assert_eq!(recent.take_whole("aws_vpc").map(|seen| seen.len()), None);
        assert!(kept(false).take_whole("aws_vpc").is_none(), "some ids are not all");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_old_or_overtaken_does_not_count() {
        let ids = ["vpc-1".to_owned()];
        let recent = kept(true);
        assert!(recent.these("aws_vpc", &ids).is_some());
        assert!(recent.these("aws_vpc", &["vpc-2".to_owned()]).is_none());
        recent.forget("aws_vpc");
        assert!(recent.these("aws_vpc", &ids).is_none());
        let recent = kept(true);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(recent.these("aws_vpc", &ids).is_none());
        assert!(recent.take_whole("aws_vpc").is_none());
    }
}
