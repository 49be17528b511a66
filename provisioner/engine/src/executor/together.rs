//! Creations, or deletions, that one call of the cloud makes together.
//!
//! Of creations each keeps an intent, a call and an outcome of its own; what binds them is the [`Batch`] in their intents: the token of
//! the one call, the addresses of all, and which of its objects is whose. The provider makes one call of the requests that
//! come with it. Recovery therefore needs nothing but an intent, as everywhere.
//!
//! Invariants: only creations with the same arguments are bound; all their intents become durable in one write, before the
//! first call. The
//! one call makes all of the objects or none, so whoever's request was refused may have an object by another's: none of a
//! batch is told to have failed before all have ended, and none has failed for good where another has succeeded.
//! Deletions need none of that: see `deletions`.
//! Refuses to know: how a provider makes one call of many.

use super::operation::{Came, Ended, GONE, Job};
use crate::caller::Call;
use futures::future::join_all;
use model::Diagnostic;
use model::plan::OperationKind;
use model::record::{Batch, Intent};
use model::{Address, members};
use provider::Provider;
use state::StateError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of the addresses of one batch at most: they are written on every object of it.
const LONGEST: usize = 2_048;
/// Characters of a batch's token: with a dot and a number behind it, it fits where 64 characters are allowed.
const TOKEN: usize = 48;

/// What operations do that one call makes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// They make objects.
    Made,
    /// They delete objects, deposed ones too.
    Deleted,
}

impl Way {
    /// What operations of that kind do, where they can be made together at all.
    pub(super) fn of(kind: OperationKind) -> Option<Self> {
        match kind {
            OperationKind::Create | OperationKind::CreateReplacement => Some(Self::Made),
            OperationKind::Delete | OperationKind::DeleteDeposed => Some(Self::Deleted),
            OperationKind::Update | OperationKind::Forget | OperationKind::Read => None,
        }
    }
}

/// Creations, or deletions, of one resource type and provider that do not need each other.
pub(super) struct Together {
    pub(super) jobs: Vec<Job>,
    pub(super) way: Way,
    /// How many one call makes at most.
    pub(super) most: usize,
}

/// An operation that is about to be called, and whose it is.
pub(super) struct Ready {
    pub(super) place: usize,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) intent: Intent,
}

impl Together {
    /// Runs all of them; how each one ended, in their order.
    pub(super) async fn run(self) -> Vec<Ended> {
        let mut ended: Vec<Option<Ended>> = self.jobs.iter().map(|_| None).collect();
        let mut ready = Vec::new();
        for (place, job) in self.jobs.iter().enumerate() {
            match job.prepare() {
                Ok(Some((provider, intent))) => ready.push(Ready { place, provider, intent }),
                Ok(None) => ended[place] = Some(Ended::Succeeded { note: Some(GONE.to_owned()) }),
                Err(diagnostic) => ended[place] = Some(failed(job, diagnostic)),
            }
        }
        let groups = match self.way {
            Way::Made => {
                bind(&mut ready, self.most);
                by_batch(ready)
            }
            Way::Deleted => chunks(ready, self.most),
        };
        let groups = groups.into_iter().map(|group| self.begin(group));
        let mut begun = Vec::new();
        for (group, error) in join_all(groups).await {
            match error {
                None => begun.push(group),
                Some(error) => {
                    // One of them stands for all, so that people read once why the run ended.
                    let place = group[0].place;
                    ended[place] = Some(self.jobs[place].broken(error));
                }
            }
        }
        let is_broken = ended.iter().any(|ended| matches!(ended, Some(Ended::Broken(_))));
        if !is_broken {
            let groups = begun.into_iter().map(|group| self.call(group));
            for (place, how) in join_all(groups).await.into_iter().flatten() {
                ended[place] = Some(how);
            }
        }
        ended.into_iter().map(|ended| ended.unwrap_or(Ended::NotRecorded)).collect()
    }

    /// Makes the intents of one call durable, all in one write: whoever finds one of them sends the call for all.
    async fn begin(&self, mut group: Vec<Ready>) -> (Vec<Ready>, Option<StateError>) {
        let caller = &self.jobs[group[0].place].caller;
        let ports = &caller.engine.ports;
        let intents = group.iter().map(|one| one.intent.clone()).collect();
        let begun = match caller.held.check() {
            Ok(lease) => ports.store.begin_all(lease, intents).await,
            Err(error) => Err(error),
        };
        match begun {
            Ok(sequences) => {
                for (one, sequence) in group.iter_mut().zip(sequences) {
                    one.intent.sequence = sequence;
                    ports.records.begin(&one.intent);
                }
                (group, None)
            }
            Err(error) => (group, Some(error)),
        }
    }

    async fn call(&self, group: Vec<Ready>) -> Vec<(usize, Ended)> {
        match self.way {
            Way::Made => self.create(group).await,
            Way::Deleted => self.delete(group).await,
        }
    }

    /// Calls those of one batch.
    async fn create(&self, group: Vec<Ready>) -> Vec<(usize, Ended)> {
        let calls: Vec<(&Job, Call<'_>)> = group
            .iter()
            .map(|one| {
                let job = &self.jobs[one.place];
                job.publish_started();
                (job, job.made(one.provider.as_ref(), &one.intent))
            })
            .collect();
        let sent = join_all(calls.iter().map(|(job, made)| job.send(made))).await;
        let came = find_out(&calls, all_or_none(sent)).await;
        // An object that was not to be found though the call was made is looked for once more, now that this is known.
        let came = find_out(&calls, all_or_none(came)).await;
        let came = open_where_made(came);
        let concluded = calls.iter().zip(came).map(|((job, made), came)| async move {
            match came {
                Ok(came) => job.conclude(made.intent, came).await,
                Err(error) => Err(error),
            }
        });
        let ends = join_all(concluded).await;
        drop(calls);
        let each = group.into_iter().zip(ends).map(|(one, end)| async move {
            let Ready { place, provider, intent } = one;
            (place, self.jobs[place].run_tried(provider.as_ref(), intent, end).await)
        });
        join_all(each).await
    }
}

type Result<T> = std::result::Result<T, StateError>;

async fn find_out(calls: &[(&Job, Call<'_>)], came: Vec<Result<Came>>) -> Vec<Result<Came>> {
    let each = calls.iter().zip(came).map(|((job, made), came)| async move {
        match came {
            Ok(came) => job.find_out(made, came).await,
            Err(error) => Err(error),
        }
    });
    join_all(each).await
}

/// Whether one of them has shown that the call was made, or may have been.
fn is_made(came: &[Result<Came>]) -> bool {
    let shows = |came: &Result<Came>| {
        matches!(
            came,
            Ok(Came::Done(_) | Came::Tainted(..) | Came::Lost(_) | Came::Open(_)) | Err(_)
        )
    };
    came.len() > 1 && came.iter().any(shows)
}

/// A refusal is one of that request only: where another's may have been heard, it is as good as a lost answer.
fn all_or_none(came: Vec<Result<Came>>) -> Vec<Result<Came>> {
    if !is_made(&came) {
        return came;
    }
    let lost = |came: Result<Came>| match came {
        Ok(Came::Refused(error) | Came::Nothing(error)) => Ok(Came::Lost(error.maybe_done())),
        came => came,
    };
    came.into_iter().map(lost).collect()
}

/// What is nowhere to be found though the call was made is left to recovery.
fn open_where_made(came: Vec<Result<Came>>) -> Vec<Result<Came>> {
    if !is_made(&came) {
        return came;
    }
    let open = |came: Result<Came>| match came {
        Ok(Came::Refused(error) | Came::Nothing(error) | Came::Lost(error)) => {
            Ok(Came::Open(error.maybe_done()))
        }
        came => came,
    };
    came.into_iter().map(open).collect()
}

/// So many together at most.
fn chunks(ready: Vec<Ready>, most: usize) -> Vec<Vec<Ready>> {
    let mut ready = ready.into_iter();
    let next = || Some(ready.by_ref().take(most.max(1)).collect::<Vec<_>>());
    std::iter::from_fn(next).take_while(|chunk| !chunk.is_empty()).collect()
}

/// Those of one batch together, the others alone.
fn by_batch(ready: Vec<Ready>) -> Vec<Vec<Ready>> {
    let (mut batches, mut alone) = (BTreeMap::<String, Vec<Ready>>::new(), Vec::new());
    for one in ready {
        match &one.intent.batch {
            Some(batch) => batches.entry(batch.token.clone()).or_default().push(one),
            None => alone.push(vec![one]),
        }
    }
    batches.into_values().chain(alone).collect()
}

fn failed(job: &Job, diagnostic: Diagnostic) -> Ended {
    job.publish_started();
    Ended::Failed(Box::new(diagnostic))
}

/// Binds creations with the same arguments into batches of so many at most.
fn bind(ready: &mut [Ready], most: usize) {
    let mut order: Vec<usize> = (0..ready.len()).collect();
    order.sort_by(|one, other| ready[*one].intent.address.cmp(&ready[*other].intent.address));
    let mut alike: Vec<Vec<usize>> = Vec::new();
    for at in order {
        let same = |group: &&mut Vec<usize>| {
            let (one, other) = (&ready[group[0]].intent, &ready[at].intent);
            one.request.same_content(&other.request) && one.provider_config == other.provider_config
        };
        match alike.iter_mut().find(same) {
            Some(group) => group.push(at),
            None => alike.push(vec![at]),
        }
    }
    for group in alike {
        for chunk in group.chunks(most.max(1)) {
            bind_chunk(ready, chunk);
        }
    }
}

/// Binds these, or each half of them where their addresses are too long for one text.
fn bind_chunk(ready: &mut [Ready], chunk: &[usize]) {
    if chunk.len() < 2 {
        return;
    }
    let addresses: Vec<Address> =
        chunk.iter().map(|at| ready[*at].intent.address.clone()).collect();
    let Some(members) = members::members(&addresses, LONGEST) else {
        let (one, other) = chunk.split_at(chunk.len() / 2);
        bind_chunk(ready, one);
        bind_chunk(ready, other);
        return;
    };
    let tokens: Vec<&str> = chunk.iter().map(|at| ready[*at].intent.token.as_str()).collect();
    let mut token = model::digest::sha256_hex(tokens.join("\0").as_bytes());
    token.truncate(TOKEN);
    let size = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
    for (index, at) in (0..size).zip(chunk) {
        let (token, members) = (token.clone(), members.clone());
        let intent = &mut ready[*at].intent;
        intent.token = Batch::member_token(&token, index);
        intent.batch = Some(Batch { token, members, index, size });
    }
}
