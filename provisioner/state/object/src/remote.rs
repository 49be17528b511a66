//! Requests: objects made once, read, listed, removed. What fails in passing is tried again, boundedly, with backoff and jitter.
//!
//! Invariant: an object is only ever made (create-only), never changed, so trying again is harmless; whether an
//! object that is "already there" is one's own, its content tells.
//! Refuses to know: what is in an object.

use crate::chance::Chance;
use crate::place::Place;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _, PutMode, PutOptions};
use state::StateError;
use std::time::Duration;
use tokio::time::Instant;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// How often a request is tried.
const TRIES: u32 = 6;
/// The longest wait after the first failure; it doubles.
const FIRST_WAIT_MS: u64 = 100;
/// The longest wait.
const LAST_WAIT_MS: u64 = 5_000;
/// How long trying may take as a whole before it ends, so that a run ends before its leases do.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long an answer may take, or the next piece of a long one.
const ANSWER: Duration = Duration::from_secs(15);
/// How much longer for each kilobyte that is sent.
const KILOBYTE: Duration = Duration::from_millis(20);
/// Removals at one time.
const AT_ONCE: usize = 16;

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Name within its directory.
    pub name: String,
    /// When it was made, by the store's clock, in milliseconds since 1970.
    pub made_ms: i64,
}

/// One environment's objects.
pub struct Remote {
    place: Place,
    environment: String,
    chance: Chance,
}

impl Remote {
    /// The objects of an environment.
    pub fn new(place: Place, environment: &str, chance: Chance) -> Self {
        Self { place, environment: environment.to_owned(), chance }
    }

    /// For people.
    pub fn shown(&self) -> String {
        format!("{}/{}", self.place.shown.trim_end_matches('/'), self.environment)
    }

    /// Randomness for names and waits.
    pub fn chance(&self) -> &Chance {
        &self.chance
    }

    /// The object's name for people.
    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.shown())
    }

    fn path(&self, name: &str) -> Path {
        let prefix = self.place.prefix.split('/').filter(|part| !part.is_empty());
        prefix.chain([self.environment.as_str()]).chain(name.split('/')).collect()
    }

    /// Makes an object; false if there is one of that name.
    pub async fn create(&self, name: &str, body: &Bytes) -> Result<bool> {
        let path = self.path(name);
        let kilobytes = u32::try_from(body.len() / 1024).unwrap_or(u32::MAX);
        let limit = ANSWER + KILOBYTE.saturating_mul(kilobytes);
        let put = || async {
            let options = PutOptions::from(PutMode::Create);
            let put = self.place.objects.put_opts(&path, body.clone().into(), options);
            match within(limit, put).await? {
                Ok(_) => Ok(true),
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.persist(put).await.map_err(|error| self.failed(Doing::Writing, name, &error))
    }

    /// Reads an object; none if there is none.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>> {
        let path = self.path(name);
        let get = || async {
            match within(ANSWER, self.place.objects.get(&path)).await? {
                Ok(found) => {
                    all(found.into_stream()).await.map(|pieces| Some(pieces.concat().into()))
                }
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.persist(get).await.map_err(|error| self.failed(Doing::Reading, name, &error))
    }

    /// The objects of a directory in the order of their names, those after `after` if it is given.
    pub async fn list(&self, directory: &str, after: Option<&str>) -> Result<Vec<Listed>> {
        let path = self.path(directory);
        let offset = after.map(|after| self.path(&format!("{directory}/{after}")));
        let list = || async {
            let stream = match &offset {
                Some(offset) => self.place.objects.list_with_offset(Some(&path), offset),
                None => self.place.objects.list(Some(&path)),
            };
            all(stream).await
        };
        let found = self.persist(list).await;
        let found = found.map_err(|error| self.failed(Doing::Reading, directory, &error))?;
        let listed = |meta: object_store::ObjectMeta| {
            let made_ms = meta.last_modified.timestamp_millis();
            meta.location.filename().map(|name| Listed { name: name.to_owned(), made_ms })
        };
        let mut listed: Vec<_> = found.into_iter().filter_map(listed).collect();
        // Some stores give the name that is asked for with those after it.
        listed.retain(|listed| after.is_none_or(|after| *listed.name > *after));
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listed)
    }

    /// Removes objects, about in their order. Those that are gone already are no error.
    pub async fn delete(&self, names: Vec<String>) -> Result<()> {
        let each = futures::stream::iter(names).map(|name| self.delete_one(name));
        each.buffered(AT_ONCE).try_collect().await
    }

    async fn delete_one(&self, name: String) -> Result<()> {
        let path = self.path(&name);
        let delete = || async {
            match within(ANSWER, self.place.objects.delete(&path)).await? {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        };
        self.persist(delete).await.map_err(|error| self.failed(Doing::Writing, &name, &error))
    }

    async fn persist<T, F: Future<Output = object_store::Result<T>>>(
        &self,
        request: impl Fn() -> F,
    ) -> object_store::Result<T> {
        let started = Instant::now();
        let mut number = 1;
        loop {
            match request().await {
                Err(error) if passing(&error) && number < TRIES && started.elapsed() < PATIENCE => {
                    self.wait(number).await;
                    number += 1;
                }
                answer => return answer,
            }
        }
    }

    /// Waits after failure `number` (from 1): up to twice as long as after the one before, and never the same.
    pub async fn wait(&self, number: u32) {
        let longest = FIRST_WAIT_MS.saturating_mul(1 << number.min(16)).min(LAST_WAIT_MS);
        let wait = longest / 4 + self.chance.below(longest * 3 / 4);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }

    fn failed(&self, doing: Doing, name: &str, error: &Error) -> StateError {
        let (path, why) = (self.name(name), error.to_string());
        let hint = match refusal(error) {
            Some(404) => "make the bucket or container first, or correct its name",
            Some(_) => {
                "docs/state-object.md lists the permissions that are needed and where credentials are read from"
            }
            None => return StateError::Unreachable { place: self.shown(), why },
        };
        let hint = hint.to_owned();
        match doing {
            Doing::Reading => StateError::Unreadable { path, why, hint },
            Doing::Writing => StateError::Storage { path, why, hint },
        }
    }
}

#[derive(Clone, Copy)]
enum Doing {
    Reading,
    Writing,
}

/// What comes within the time.
async fn within<T>(limit: Duration, coming: impl Future<Output = T>) -> object_store::Result<T> {
    tokio::time::timeout(limit, coming).await.map_err(|_| {
        let source = format!("no answer within {} s", limit.as_secs()).into();
        Error::Generic { store: "object store", source }
    })
}

/// All pieces of an answer, each of which comes in time.
async fn all<T>(
    mut stream: BoxStream<'_, object_store::Result<T>>,
) -> object_store::Result<Vec<T>> {
    let mut pieces = Vec::new();
    while let Some(piece) = within(ANSWER, stream.next()).await? {
        pieces.push(piece?);
    }
    Ok(pieces)
}

/// Whether the same request may succeed later.
fn passing(error: &Error) -> bool {
    matches!(error, Error::Generic { .. }) && refusal(error).is_none()
}

/// The status of an answer that says that the request will never do; none for what may pass.
fn refusal(error: &Error) -> Option<u16> {
    match error {
        Error::NotFound { .. } => Some(404),
        Error::PermissionDenied { .. } => Some(403),
        Error::Unauthenticated { .. } => Some(401),
        Error::Generic { source, .. } => {
            // The library gives the status of some requests, listings among them, only in words.
            let text = source.to_string();
            let (_, status) = text.split_once("status code: ")?;
            let status = status.get(..3)?.parse().ok()?;
            let passes = [408, 409, 425, 429].contains(&status);
            ((400..500).contains(&status) && !passes).then_some(status)
        }
        _ => Some(400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: &str) -> Error {
        let source = format!("Server returned non-2xx status code: {status}: <Error>");
        Error::Generic { store: "test", source: source.into() }
    }

    #[test]
    fn what_will_never_do_is_not_tried_again() {
        for (status, refused) in [
            ("404 Not Found", Some(404)),
            ("403 Forbidden", Some(403)),
            ("400 Bad Request", Some(400)),
            ("429 Too Many Requests", None),
            ("503 Slow Down", None),
        ] {
            let error = told(status);
            assert_eq!(
                (refusal(&error), passing(&error)),
                (refused, refused.is_none()),
                "{status}"
            );
        }
        let reset = Error::Generic { store: "test", source: "connection reset".into() };
        assert!(passing(&reset));
    }
}
