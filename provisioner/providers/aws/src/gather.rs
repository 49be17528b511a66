//! Many questions, few calls: whoever asks while a call is on its way is served by the next one.
//!
//! Invariants: each question gets its own answer; a call serves so many at most; questions asked at the same time are in
//! one call, since the first waits a moment for the others. Whoever stops waiting takes nothing from the others. Where it is
//! paced, the next call waits the longer the more questions the last one served.
//! Refuses to know: what is asked.

use futures::future::{BoxFuture, join_all};
use provider::{Clock, ErrorClass, ProviderError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// For how long the first waits for others.
const MOMENT: Duration = Duration::from_millis(5);

type Answer<B> = Result<B, ProviderError>;
type Call<A, B> = dyn Fn(Vec<A>) -> BoxFuture<'static, Vec<Answer<B>>> + Send + Sync;

/// Questions of one kind.
pub(crate) struct Gather<A, B> {
    clock: Arc<dyn Clock>,
    most: usize,
    pace: Pace,
    /// Answers so many questions, in their order.
    call: Box<Call<A, B>>,
    waiting: Mutex<Waiting<A, B>>,
}

/// How long the next call waits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// From the beginning of the last one on, for each question that it served.
    pub(crate) each: Duration,
    /// At most.
    pub(crate) longest: Duration,
}

struct Waiting<A, B> {
    questions: Vec<(A, oneshot::Sender<Answer<B>>)>,
    /// Somebody takes care of them.
    is_served: bool,
    /// When the next call may be made, in milliseconds.
    from_ms: u64,
}

impl<A: Send + 'static, B: Send + 'static> Gather<A, B> {
    /// One whose calls serve so many questions at most.
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        most: usize,
        call: impl Fn(Vec<A>) -> BoxFuture<'static, Vec<Answer<B>>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::paced(clock, most, Pace::default(), call)
    }

    /// One whose calls are no closer to each other than that.
    pub(crate) fn paced(
        clock: Arc<dyn Clock>,
        most: usize,
        pace: Pace,
        call: impl Fn(Vec<A>) -> BoxFuture<'static, Vec<Answer<B>>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let waiting = Waiting { questions: Vec::new(), is_served: false, from_ms: 0 };
        Arc::new(Self { clock, most, pace, call: Box::new(call), waiting: Mutex::new(waiting) })
    }

    /// The answer to one question.
    pub(crate) async fn ask(self: &Arc<Self>, question: A) -> Answer<B> {
        answered(self.put(vec![question]).pop()).await
    }

    /// The answers to questions, in their order. They are in the same call, as far as it serves so many.
    pub(crate) async fn ask_all(self: &Arc<Self>, questions: Vec<A>) -> Vec<Answer<B>> {
        let receivers = self.put(questions).into_iter();
        join_all(receivers.map(|receiver| answered(Some(receiver)))).await
    }

    fn put(self: &Arc<Self>, questions: Vec<A>) -> Vec<oneshot::Receiver<Answer<B>>> {
        if questions.is_empty() {
            return Vec::new();
        }
        let mut receivers = Vec::with_capacity(questions.len());
        let is_first = {
            let mut waiting = self.waiting();
            for question in questions {
                let (sender, receiver) = oneshot::channel();
                waiting.questions.push((question, sender));
                receivers.push(receiver);
            }
            !std::mem::replace(&mut waiting.is_served, true)
        };
        if is_first {
            // Not in this task: the one who asked may stop waiting.
            tokio::spawn(self.clone().serve());
        }
        receivers
    }

    async fn serve(self: Arc<Self>) {
        self.clock.sleep(MOMENT).await;
        loop {
            let is_early = self.waiting().from_ms.saturating_sub(self.clock.now_ms());
            if is_early > 0 {
                self.clock.sleep(Duration::from_millis(is_early)).await;
            }
            let questions = {
                let mut waiting = self.waiting();
                let count = waiting.questions.len().min(self.most);
                if count == 0 {
                    waiting.is_served = false;
                    return;
                }
                waiting.from_ms = self.clock.now_ms().saturating_add(self.pause_ms(count));
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

    fn pause_ms(&self, served: usize) -> u64 {
        let served = u32::try_from(served).unwrap_or(u32::MAX);
        let pause = self.pace.each.saturating_mul(served).min(self.pace.longest);
        u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<A, B>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes of a question; none is left where the program ends before its answer.
async fn answered<B>(receiver: Option<oneshot::Receiver<Answer<B>>>) -> Answer<B> {
    let received = match receiver {
        Some(receiver) => receiver.await.ok(),
        None => None,
    };
    received.unwrap_or_else(|| {
        let message = "the program ended before the answer";
        Err(ProviderError::new(ErrorClass::Transient, message).maybe_done())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use provider::TokioClock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn doubling(most: usize) -> (Arc<Gather<u32, u32>>, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let gather = Gather::new(Arc::new(TokioClock::new()), most, move |asked: Vec<u32>| {
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
    async fn questions_that_are_asked_as_one_are_one_call() {
        let (gather, calls) = doubling(1_000);
        let answers = gather.ask_all((0..1_000).collect()).await;
        assert_eq!(answers, (0..1_000).map(|number| Ok(number * 2)).collect::<Vec<_>>());
        assert_eq!(gather.ask_all(Vec::new()).await, []);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn where_it_is_paced_many_who_come_one_by_one_are_few_calls() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let pace = Pace { each: Duration::from_millis(50), longest: Duration::from_secs(1) };
        let clock = Arc::new(TokioClock::new());
        let gather = Gather::paced(clock.clone(), 1_000, pace, move |asked: Vec<u32>| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move { asked.into_iter().map(Ok).collect() }.boxed()
        });
        assert_eq!(gather.ask(0).await, Ok(0));
        assert!(clock.now_ms() < 50, "one alone is asked about at once");
        let each = (0..1_000_u32).map(|number| {
            let gather = gather.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(10) * number).await;
                gather.ask(number).await
            }
        });
        assert!(join_all(each).await.into_iter().all(|answer| answer.is_ok()));
        let calls = calls.load(Ordering::SeqCst);
        assert!(calls < 20, "one a second: {calls}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_serves_no_more_than_it_can() {
        let (gather, calls) = doubling(300);
        join_all((0..1_000).map(|number| gather.ask(number))).await;
        assert_eq!(calls.load(Ordering::SeqCst), 4);
    }
}
