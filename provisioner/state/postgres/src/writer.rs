//! The one task of a store that writes. Whatever was asked for while the last commit was on its way goes into the next one
//! together: two round trips for many.
//!
//! Invariants: a job is answered only after its transaction is durable; one that is refused leaves nothing of itself and
//! disturbs no other; when a commit's answer is lost, the journal tells whether it happened before anything is
//! done again.
//! Refuses to know: what the jobs are.

use crate::birth;
use crate::errors::Trouble;
use crate::fetch::{self, Fetched, Leases};
use crate::flush::{self, Flushed};
use crate::overlay::Overlay;
use crate::place::{Place, aside};
use crate::session::Session;
use state::StateError;
use state::clock::Clock;
use state::rules::{self, Tables};
use state::transaction::Needs;
use state::vault::{Secrets, Vault};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

type Result<T, E = StateError> = std::result::Result<T, E>;

/// At most this many jobs in one transaction.
const GROUP: usize = 256;
/// The waits between tries: doubled from the first to the last.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A server that never answered is given up sooner: the URL may be wrong.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);

/// Something to do within a transaction, and someone who waits for it.
trait Job: Send {
    fn needs(&self) -> &Needs;
    /// Does it; whether it succeeded and may be committed. Done anew when the transaction is.
    fn run(&mut self, tables: &mut dyn Tables) -> bool;
    /// Answers, after the commit or with why there was none.
    fn answer(self: Box<Self>, failure: Option<StateError>);
}

struct Task<T, F> {
    needs: Needs,
    work: F,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: Send + Fn(&mut dyn Tables) -> Result<T>> Job for Task<T, F> {
    fn needs(&self) -> &Needs {
        &self.needs
    }

    fn run(&mut self, tables: &mut dyn Tables) -> bool {
        self.result.insert((self.work)(tables)).is_ok()
    }

    fn answer(self: Box<Self>, failure: Option<StateError>) {
        let answer = match (self.result, failure) {
            (Some(Ok(value)), None) => Ok(value),
            // Its own error says more than the group's.
            (Some(Err(error)), _) | (_, Some(error)) => Err(error),
            (None, None) => Err(StateError::Illegal("a write was dropped".to_owned())),
        };
        // Whoever asked may be gone; the write stands all the same.
        let _ = self.reply.send(answer);
    }
}

/// Hands jobs to the task, which ends when the last of these is dropped.
#[derive(Clone)]
pub struct Queue(mpsc::Sender<Box<dyn Job>>);

impl Queue {
    /// Starts the task; it connects at the first job.
    pub fn start(place: Arc<Place>, clock: Option<Arc<dyn Clock>>) -> Self {
        let (sender, receiver) = mpsc::channel(GROUP);
        tokio::spawn(serve(
            receiver,
            Writer { place, clock, session: None, met: false, leases: Leases::new(), vault: None },
        ));
        Self(sender)
    }

    /// Whether the task is gone.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Does `work` in a transaction and returns when that is durable; none if the task is gone.
    pub async fn write<T: Send + 'static>(
        self,
        needs: Needs,
        work: impl Fn(&mut dyn Tables) -> Result<T> + Send + 'static,
    ) -> Option<Result<T>> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Box::new(Task { needs, work, result: None, reply })).await.ok()?;
        drop(self);
        answer.await.ok()
    }
}

async fn serve(mut receiver: mpsc::Receiver<Box<dyn Job>>, mut writer: Writer) {
    let mut waiting: Option<Box<dyn Job>> = None;
    loop {
        let first = match waiting.take() {
            Some(job) => job,
            None => match receiver.recv().await {
                Some(job) => job,
                None => return,
            },
        };
        let alone = first.needs().alone.is_some();
        let mut group = vec![first];
        while !alone
            && group.len() < GROUP
            && waiting.is_none()
            && let Ok(next) = receiver.try_recv()
        {
            if next.needs().alone.is_some() {
                waiting = Some(next);
            } else {
                group.push(next);
            }
        }
        let failure = writer.commit(&mut group).await.err();
        for job in group {
            job.answer(failure.clone());
        }
    }
}

/// A commit whose answer was lost: the first entry that it would have written.
struct Pending {
    sequence: u64,
    hash: Vec<u8>,
}

struct Writer {
    place: Arc<Place>,
    /// In place of the server's, for tests.
    clock: Option<Arc<dyn Clock>>,
    session: Option<Session>,
    /// Whether the server ever answered.
    met: bool,
    /// The leases that were fetched last.
    leases: Leases,
    /// The vault whose keys are known to open.
    vault: Option<Arc<Vault>>,
}

impl Writer {
    /// Commits a group, trying again while that may help and the run's leases may live.
    async fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<()> {
        let (started, mut pause, mut pending) = (Instant::now(), PAUSE, None);
        loop {
            let why = match self.try_commit(group, &mut pending).await {
                Ok(()) => return Ok(()),
                Err(trouble) => {
                    // Whatever was begun on this connection ends with it.
                    self.session = None;
                    match trouble {
                        Trouble::Passing(why) => why,
                        Trouble::Final(error) => return Err(error),
                    }
                }
            };
            let patience = if self.met { self.place.patience } else { FIRST_PATIENCE };
            if started.elapsed() + pause > patience.min(self.place.patience) {
                return Err(StateError::Unreachable { place: self.place.shown.clone(), why });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_commit(
        &mut self,
        group: &mut [Box<dyn Job>],
        pending: &mut Option<Pending>,
    ) -> Result<(), Trouble> {
        let mut session = match self.session.take() {
            Some(session) if !session.is_closed() => session,
            _ => self.connect().await?,
        };
        let mut asked = Needs::default();
        for job in group.iter() {
            asked.add(job.needs());
        }
        let fetched = self.begin(&mut session, asked, pending.as_ref()).await?;
        if let Some(lost) = pending.take() {
            if fetched.written.as_ref() == Some(&lost.hash) {
                session.command(&self.place, "ROLLBACK").await?;
                self.session = Some(session);
                return Ok(());
            }
            if fetched.written.is_none() && fetched.meta.serial >= lost.sequence {
                let why = "the journal was pruned before it could tell whether a write happened";
                let place = self.place.shown.clone();
                return Err(StateError::Unreachable { place, why: why.to_owned() }.into());
            }
        }
        self.open_keys(&fetched).await?;
        let (changes, meta) = self.run(group, &fetched);
        if changes.is_empty() {
            session.command(&self.place, "ROLLBACK").await?;
            self.session = Some(session);
            return Ok(());
        }
        match flush::flush(&session, &self.place, &fetched, &changes, &meta).await? {
            Flushed::Committed => {
                self.session = Some(session);
                Ok(())
            }
            Flushed::Fenced => {
                Err(Trouble::Passing("what was locked was changed by another program".to_owned()))
            }
            Flushed::Refused(trouble) => Err(trouble),
            Flushed::Unknown(why) => {
                // Without an entry (a renewal) it may simply be done again.
                *pending = changes
                    .journal
                    .first()
                    .map(|raw| Pending { sequence: raw.sequence, hash: raw.hash.clone() });
                Err(Trouble::Passing(why))
            }
        }
    }

    async fn connect(&mut self) -> Result<Session, Trouble> {
        let session = Session::open(&self.place, true).await?;
        let missing = || StateError::Illegal("the tables were not made".to_owned());
        let mut session = session.ok_or_else(missing)?;
        let statements = [&fetch::STATEMENTS[..], &flush::STATEMENTS].concat();
        session.prepare(&self.place, &statements).await?;
        self.met = true;
        Ok(session)
    }

    /// Locks the environment, and makes it first if it is not there.
    async fn begin(
        &mut self,
        session: &mut Session,
        asked: Needs,
        pending: Option<&Pending>,
    ) -> Result<Fetched, Trouble> {
        let (place, written) = (&self.place, pending.map(|pending| pending.sequence));
        let found = fetch::fetch(session, place, asked.clone(), &self.leases, written).await?;
        let fetched = if let Some(fetched) = found {
            fetched
        } else {
            session.command(place, "ROLLBACK").await?;
            birth::make(session, place).await?;
            let made = fetch::fetch(session, place, asked, &self.leases, written).await?;
            let why = "the environment vanished as soon as it was made";
            made.ok_or_else(|| Trouble::Passing(why.to_owned()))?
        };
        self.leases.clone_from(&fetched.leases);
        Ok(fetched)
    }

    /// Without the right keys nothing is begun that could not be finished.
    async fn open_keys(&mut self, fetched: &Fetched) -> Result<()> {
        let vault = &fetched.vault;
        if self.place.secrets == Secrets::Clear {
            return Ok(());
        }
        if self.vault.as_ref().is_some_and(|known| Arc::ptr_eq(known, vault)) {
            return Ok(());
        }
        let opened = vault.clone();
        aside(move || opened.sealer().map(drop)).await?;
        self.vault = Some(vault.clone());
        Ok(())
    }

    fn run(
        &self,
        group: &mut [Box<dyn Job>],
        fetched: &Fetched,
    ) -> (crate::overlay::Changes, crate::meta::Meta) {
        let now = self.clock.as_ref().map(|clock| rules::whole_milliseconds(clock.now()));
        let mut overlay = Overlay::new(&self.place, fetched, now.unwrap_or(fetched.now));
        for job in group {
            let succeeded = job.run(&mut overlay);
            overlay.end_job(succeeded);
        }
        overlay.into_changes()
    }
}
