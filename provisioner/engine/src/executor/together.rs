//! Creations that one call of the cloud makes together.
//!
//! Each keeps an intent, a call and an outcome of its own; what binds them is the [`record::Batch`](model::record::Batch) in
//! their intents: the token of the one call, the addresses of all, and which of its objects is whose. The provider makes one
//! call of the requests that come with it. Recovery therefore needs nothing but an intent, as everywhere.
//!
//! Invariants: only creations with the same arguments are bound; all their intents are durable before the first call.
//! Refuses to know: how a provider makes one call of many.

use super::operation::{Ended, GONE, Job};
use futures::future::join_all;
use model::Diagnostic;
use model::record::{Batch, Intent};
use model::{Address, members};
use provider::Provider;
use std::sync::Arc;

/// Bytes of the addresses of one batch at most: they are written on every object of it.
const LONGEST: usize = 2_048;
/// Characters of a batch's token: with a dot and a number behind it, it fits where 64 characters are allowed.
const TOKEN: usize = 48;

/// Creations of one resource type and provider that do not need each other.
pub(super) struct Together {
    pub(super) jobs: Vec<Job>,
    /// How many one call makes at most.
    pub(super) most: usize,
}

/// A creation that is about to be called, and whose it is.
struct Ready {
    place: usize,
    provider: Arc<dyn Provider>,
    intent: Intent,
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
        bind(&mut ready, self.most);
        // All are durable before the first call: the store commits many at once.
        let jobs = &self.jobs;
        let begun = ready.into_iter().map(|Ready { place, provider, mut intent }| async move {
            let begun = jobs[place].begin(&mut intent).await;
            (place, begun.map(|()| (provider, intent)))
        });
        let begun = join_all(begun).await;
        let is_broken = begun.iter().any(|(_, begun)| begun.is_err());
        let each = begun.into_iter().map(|(place, begun)| {
            let job = &jobs[place];
            async move {
                let ended = match begun {
                    Err(error) => job.broken(error),
                    Ok(_) if is_broken => Ended::NotRecorded,
                    Ok((provider, intent)) => job.run_begun(provider.as_ref(), intent).await,
                };
                (place, ended)
            }
        });
        for (place, how) in join_all(each).await {
            ended[place] = Some(how);
        }
        ended.into_iter().map(|ended| ended.unwrap_or(Ended::NotRecorded)).collect()
    }
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
