//! Many questions, few calls: whoever asks while a call is on its way is served by the next one.
//!
//! Invariants: each question gets its own answer; a call serves so many at most; questions asked at the same time are in
//! one call, since the first waits a moment for the others. Whoever stops waiting takes nothing from the others.
//! Refuses to know: what is asked.

use futures::future::BoxFuture;
use provider::{ErrorClass, ProviderError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// For how long the first waits for others.
const MOMENT: Duration = Duration::from_millis(5);

type Answer<B> = Result<B, ProviderError>;
type Call<A, B> = dyn Fn(Vec<A>) -> BoxFuture<'static, Vec<Answer<B>>> + Send + Sync;

/// Questions of one kind.
pub(crate) struct Gather<A, B> {
    most: usize,
    /// Answers so many questions, in their order.
    call: Box<Call<A, B>>,
    waiting: Mutex<Waiting<A, B>>,
}

struct Waiting<A, B> {
    questions: Vec<(A, oneshot::Sender<Answer<B>>)>,
    /// Somebody takes care of them.
    is_served: bool,
}

impl<A: Send + 'static, B: Send + 'static> Gather<A, B> {
    /// One whose calls serve so many questions at most.
    pub(crate) fn new(
        most: usize,
        call: impl Fn(Vec<A>) -> BoxFuture<'static, Vec<Answer<B>>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let waiting = Mutex::new(Waiting { questions: Vec::new(), is_served: false });
        Arc::new(Self { most, call: Box::new(call), waiting })
    }

    /// The answer to one question.
    pub(crate) async fn ask(self: &Arc<Self>, question: A) -> Answer<B> {
        let (sender, receiver) = oneshot::channel();
        let is_first = {
            let mut waiting = self.waiting();
            waiting.questions.push((question, sender));
            !std::mem::replace(&mut waiting.is_served, true)
        };
        if is_first {
            // Not in this task: the one who asked may stop waiting.
            tokio::spawn(self.clone().serve());
        }
        receiver.await.unwrap_or_else(|_| {
            let message = "the program ended before the answer";
            Err(ProviderError::new(ErrorClass::Transient, message).maybe_done())
        })
    }

    async fn serve(self: Arc<Self>) {
        tokio::time::sleep(MOMENT).await;
        loop {
            let questions = {
                let mut waiting = self.waiting();
                let count = waiting.questions.len().min(self.most);
                if count == 0 {
                    waiting.is_served = false;
                    return;
                }
                waiting.questions.drain(..count).collect::<Vec<_>>()
            };
            let (asked, senders): (Vec<A>, Vec<_>) = questions.into_iter().unzip();
            let answers = (self.call)(asked).await;
            for (sender, answer) in senders.into_iter().zip(answers) {
                // Who has stopped waiting needs no answer.
                let _ = sender.send(answer);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<A, B>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use futures::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn doubling(most: usize) -> (Arc<Gather<u32, u32>>, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let gather = Gather::new(most, move |asked: Vec<u32>| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move { asked.into_iter().map(|number| Ok(number * 2)).collect() }.boxed()
        });
        (gather, calls)
    }

    #[tokio::test(start_paused = true)]
    async fn questions_of_one_moment_are_one_call() {
        let (gather, calls) = doubling(1_000);
        let answers = join_all((0..1_000).map(|number| gather.ask(number))).await;
        let expected: Vec<_> = (0..1_000).map(|number| Ok(number * 2)).collect();
        assert_eq!(answers, expected);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert_eq!(gather.ask(7).await, Ok(14));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_serves_no_more_than_it_can() {
        let (gather, calls) = doubling(300);
        join_all((0..1_000).map(|number| gather.ask(number))).await;
        assert_eq!(calls.load(Ordering::SeqCst), 4);
    }
}
