//! Objects in memory that behave as a bad day: requests that fail before or after they did something, answers that
//! come late, programs that die after a number of requests. Seeded, so that a bad day repeats.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::fmt::{Debug, Display, Formatter};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often out of 1000 requests something goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Odds {
    /// Nothing is done.
    pub fails: u64,
    /// It is done, and the answer is lost.
    pub loses_answer: u64,
    /// It takes up to two seconds.
    pub delays: u64,
    /// It is not done, and there is never an answer.
    pub hangs: u64,
    /// A PUT fails, and is done up to a minute later.
    pub late: u64,
}

/// One program's way to the objects.
pub struct Faulty {
    inner: Arc<InMemory>,
    odds: Odds,
    random: Mutex<u64>,
    /// After so many requests the program is dead: nothing is done any more.
    dies_after: u64,
    /// Whether the last request before its death is done.
    done_at_death: bool,
    /// Requests so far, by kind.
    pub requests: Arc<Requests>,
    /// Answers of so many PUTs that come are lost.
    pub lose_puts: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
pub struct Requests {
    pub all: AtomicU64,
    pub put: AtomicU64,
    pub get: AtomicU64,
    pub list: AtomicU64,
    pub delete: AtomicU64,
}

impl Requests {
    pub fn counts(&self) -> [u64; 4] {
        [&self.put, &self.get, &self.list, &self.delete].map(|count| count.load(Ordering::SeqCst))
    }
}

impl Faulty {
    pub fn sound(inner: &Arc<InMemory>) -> Self {
        Self {
            inner: inner.clone(),
            odds: Odds::default(),
            random: Mutex::new(0),
            dies_after: u64::MAX,
            done_at_death: false,
            requests: Arc::default(),
            lose_puts: Arc::default(),
        }
    }

    pub fn with_odds(mut self, odds: Odds, seed: u64) -> Self {
        self.odds = odds;
        self.random = Mutex::new(seed);
        self
    }

    /// Dies after `requests` requests; the one after them may still be done, unanswered.
    pub fn dying(mut self, requests: u64, last_is_done: bool) -> Self {
        self.dies_after = requests;
        self.done_at_death = last_is_done;
        self
    }

    fn below(&self, bound: u64) -> u64 {
        let mut random = self.random.lock().unwrap();
        *random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*random >> 33) % bound
    }

    /// Before a request: an error, or whether the answer is to be lost.
    async fn enter(&self, count: &AtomicU64) -> Result<bool> {
        count.fetch_add(1, Ordering::SeqCst);
        let number = self.requests.all.fetch_add(1, Ordering::SeqCst);
        if number >= self.dies_after {
            if number == self.dies_after && self.done_at_death {
                return Ok(true);
            }
            return Err(broken("the program is dead"));
        }
        if self.below(1000) < self.odds.delays {
            tokio::time::sleep(Duration::from_millis(self.below(2000))).await;
        }
        if self.below(1000) < self.odds.hangs {
            std::future::pending::<()>().await;
        }
        if self.below(1000) < self.odds.fails {
            return Err(broken("503 slow down"));
        }
        Ok(self.below(1000) < self.odds.loses_answer)
    }

    fn leave<T>(lost: bool, answer: Result<T>) -> Result<T> {
        if lost { Err(broken("connection reset")) } else { answer }
    }
}

fn broken(what: &'static str) -> Error {
    Error::Generic { store: "faulty", source: what.into() }
}

impl Display for Faulty {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("faulty objects")
    }
}

impl Debug for Faulty {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("faulty objects")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let lost = self.enter(&self.requests.put).await?;
        if self.below(1000) < self.odds.late {
            let (inner, location) = (self.inner.clone(), location.clone());
            let after = Duration::from_millis(self.below(60_000));
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                // Nobody waits for it.
                let _ = inner.put_opts(&location, payload, options).await;
            });
            return Err(broken("timed out"));
        }
        let take = |left: u64| left.checked_sub(1);
        let lost =
            self.lose_puts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() || lost;
        Self::leave(lost, self.inner.put_opts(location, payload, options).await)
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("objects are written in one request")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let lost = self.enter(&self.requests.get).await?;
        Self::leave(lost, self.inner.get_opts(location, options).await)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        // The one who removes removes one object at a time.
        let number = self.requests.all.fetch_add(1, Ordering::SeqCst);
        self.requests.delete.fetch_add(1, Ordering::SeqCst);
        if number >= self.dies_after || self.below(1000) < self.odds.fails {
            return futures::stream::once(async { Err(broken("503 slow down")) }).boxed();
        }
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let number = self.requests.all.fetch_add(1, Ordering::SeqCst);
        self.requests.list.fetch_add(1, Ordering::SeqCst);
        if number >= self.dies_after || self.below(1000) < self.odds.fails {
            return futures::stream::once(async { Err(broken("503 slow down")) }).boxed();
        }
        if self.below(1000) < self.odds.hangs {
            return futures::stream::pending().boxed();
        }
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        unreachable!("directories are listed whole")
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unreachable!("nothing is copied")
    }
}
