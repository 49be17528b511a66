//! Deletions that one call of the cloud makes together.
//!
//! A deletion names its object, so that nothing binds it to the others but the first sending: one request for all. From its
//! answer on, each goes its own way: it is sent again, found out about and recorded by itself, and one that fails fails alone.
//! Invariant: all intents of a request become durable in one write, before it.
//! Refuses to know: how a provider makes one call of many.

use super::operation::{End, Ended, Job};
use super::together::{Ready, Together};
use crate::caller::{Among, Call};
use crate::send::Sent;
use futures::future::join_all;
use provider::ProviderError;
use state::StateError;
use std::sync::Arc;

impl Together {
    /// Calls those of one request.
    pub(super) async fn delete(&self, group: Vec<Ready>) -> Vec<(usize, Ended)> {
        let Some(first) = group.first() else { return Vec::new() };
        let (token, caller): (Arc<str>, _) =
            (first.intent.token.as_str().into(), &self.jobs[first.place].caller);
        let calls: Vec<(&Job, Call<'_>)> = group
            .iter()
            .enumerate()
            .map(|(number, one)| {
                let job = &self.jobs[one.place];
                job.publish_started();
                let among = Some(Among { token: token.clone(), is_first: number == 0 });
                (job, Call { among, ..job.made(one.provider.as_ref(), &one.intent) })
            })
            .collect();
        let all: Vec<&Call<'_>> = calls.iter().map(|(_, made)| made).collect();
        let firsts = caller.send_all(&all).await;
        let each = group.iter().zip(&calls).zip(firsts).map(|((one, (job, made)), first)| async {
            let end = match first {
                Ok(first) => go_on(job, made, first).await,
                Err(error) => Err(error),
            };
            let intent = one.intent.clone();
            (one.place, job.run_tried(one.provider.as_ref(), intent, end).await)
        });
        join_all(each).await
    }
}

/// From the first answer to what is durable.
async fn go_on(
    job: &Job,
    made: &Call<'_>,
    first: Result<Sent, ProviderError>,
) -> Result<End, StateError> {
    let came = job.send_on(made, first).await?;
    let came = job.find_out(made, came).await?;
    job.conclude(made.intent, came).await
}
