//! Looks at objects by id: whoever looks at the same moment is in the same call.
//!
//! Invariants: one Describe call of a type serves as many objects as the API takes ids; an object that is not there fails
//! nobody else's look; those who wait look in rounds, the further apart the more they are. Refuses to know: what an object is looked at for.

use crate::client::Session;
use crate::gather::{Gather, Pace};
use crate::kind::{self, Kind, Seen};
use crate::query::Query;
use futures::FutureExt as _;
use provider::{Clock, ErrorClass, ProviderError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Ids in one Describe call.
const IDS: usize = 1_000;

/// Values of one filter in one call at most, as published.
pub(crate) const FILTER_VALUES: usize = 200;

/// Looks at single objects, by resource type.
pub(crate) type Looks = BTreeMap<&'static str, Arc<Gather<String, Option<Seen>>>>;

/// How fast waits look, however many they are: fifty or more once a second.
const PACE: Pace = Pace { each: Duration::from_millis(20), longest: Duration::from_secs(1) };

/// The looks of a session that is about to be.
pub(crate) fn of(session: &Weak<Session>, clock: &Arc<dyn Clock>) -> Looks {
    paced(session, clock, None)
}

/// The looks of those who wait for objects to be ready or gone.
pub(crate) fn waiting(session: &Weak<Session>, clock: &Arc<dyn Clock>) -> Looks {
    paced(session, clock, Some(PACE))
}

fn paced(session: &Weak<Session>, clock: &Arc<dyn Clock>, pace: Option<Pace>) -> Looks {
    kind::all().map(|kind| (kind.name(), looks(session, clock.clone(), pace, kind))).collect()
}

fn looks(
    session: &Weak<Session>,
    clock: Arc<dyn Clock>,
    pace: Option<Pace>,
    kind: &'static dyn Kind,
) -> Arc<Gather<String, Option<Seen>>> {
    let session = session.clone();
    let is_waiting = pace.is_some();
    let pace = pace.unwrap_or_default();
    Gather::paced(clock, IDS, pace, move |ids: Vec<String>| {
        let session = session.clone();
        let looking = async move {
            let Some(session) = session.upgrade() else { return vec![Ok(None); ids.len()] };
            let found = match kind.id_filter().filter(|_| is_waiting && ids.len() > 1) {
                Some(filter) => by_filter(&session, kind, filter, &ids).await,
                None => by_ids(&session, kind, ids.clone()).await,
            };
            match found {
                Ok(found) => ids.iter().map(|id| Ok(found.get(id).cloned())).collect(),
                Err(error) => vec![Err(error); ids.len()],
            }
        };
        looking.boxed()
    })
}

/// Objects of these ids that are there, by a filter: none of those that are not fails a call.
async fn by_filter(
    session: &Session,
    kind: &dyn Kind,
    filter: &str,
    ids: &[String],
) -> Result<BTreeMap<String, Seen>, ProviderError> {
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(FILTER_VALUES) {
        let query = Query::Filters(vec![(filter.to_owned(), chunk.to_vec())]);
        let seen = kind.describe(session, &query).await?;
        found.extend(seen.into_iter().map(|seen| (seen.id.clone(), seen)));
    }
    Ok(found)
}

/// Objects by id, in as few calls as can be; those that are not there are not in the answer.
pub(crate) async fn by_ids(
    session: &Session,
    kind: &dyn Kind,
    ids: impl IntoIterator<Item = String>,
) -> Result<BTreeMap<String, Seen>, ProviderError> {
    let ids: Vec<String> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(IDS) {
        let seen = some_ids(session, kind, chunk.to_vec()).await?;
        found.extend(seen.into_iter().map(|seen| (seen.id.clone(), seen)));
    }
    Ok(found)
}

/// One call, and another whenever it fails because some of them are not there: then without these.
async fn some_ids(
    session: &Session,
    kind: &dyn Kind,
    mut ids: Vec<String>,
) -> Result<Vec<Seen>, ProviderError> {
    while !ids.is_empty() {
        match kind.describe(session, &Query::Ids(ids.clone())).await {
            Err(error) if error.class == ErrorClass::NotFound && ids.len() > 1 => {
                let missing = ids.iter().filter(|id| names(&error.message, id)).count();
                // It says nothing of which, or repeats the question.
                if missing == 0 || missing == ids.len() {
                    return one_by_one(session, kind, ids).await;
                }
                ids.retain(|id| !names(&error.message, id));
            }
            Err(error) if error.class == ErrorClass::NotFound => break,
            answer => return answer,
        }
    }
    Ok(Vec::new())
}

/// The cloud does not say which of them are not there.
async fn one_by_one(
    session: &Session,
    kind: &dyn Kind,
    ids: Vec<String>,
) -> Result<Vec<Seen>, ProviderError> {
    let mut found = Vec::new();
    for id in ids {
        match kind.describe(session, &Query::Ids(vec![id])).await {
            Err(error) if error.class == ErrorClass::NotFound => {}
            answer => found.extend(answer?),
        }
    }
    Ok(found)
}

/// Whether a message names an id, and not only one that it is a part of.
pub(crate) fn names(message: &str, id: &str) -> bool {
    let is_apart = |next: Option<char>| {
        next.is_none_or(|next| !(next.is_alphanumeric() || next == '-' || next == '_'))
    };
    message.match_indices(id).any(|(at, _)| {
        is_apart(message[..at].chars().next_back())
            && is_apart(message[at + id.len()..].chars().next())
    })
}
