//! The one task of a store that writes. Whatever was asked for while the last segment was on its way goes into the next one
//! together: one request for many (group commit).
//!
//! Invariants: a job is answered only after its segment stands, or after it was seen that it changes nothing of what
//! stands now; a job that fails leaves nothing of itself and disturbs no other; when another program wrote first,
//! its segment is read and every job decides anew.
//! Refuses to know: what a job does.

use crate::birth::Birth;
use crate::checkpoint;
use crate::draft::{Changes, Draft, Mark};
use crate::format::{self, Rekeyed, Segment};
use crate::replica::{Live, Moment, Reading, Replica};
use jiff::Timestamp;
use state::StateError;
use state::holder::Holder;
use state::image::ImageTables;
use state::rows::Codec;
use state::rules::{self, Tables};
use state::vault::Secrets;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, oneshot};

type Result<T, E = StateError> = std::result::Result<T, E>;

/// At most this many jobs in one segment.
const GROUP: usize = 256;
/// Journal entries of at most about this many bytes in one segment, unless one job alone writes more.
const GROUP_BYTES: usize = 1 << 20;
/// How often a group is tried while other programs are faster.
const ROUNDS: u32 = 100;

/// Something to do in a segment, and someone who waits for it.
pub trait Job: Send {
    /// Does it, perhaps again on another state of things; whether it succeeded and may be committed.
    fn run(&mut self, tables: &mut dyn Tables) -> bool;
    /// Answers, after the commit or with why there was none.
    fn answer(self: Box<Self>, failure: Option<StateError>);
    /// Whether it needs the whole journal.
    fn needs_history(&self) -> bool;
}

struct Task<T, F> {
    work: F,
    needs_history: bool,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: Send + Fn(&mut dyn Tables) -> Result<T>> Job for Task<T, F> {
    fn run(&mut self, tables: &mut dyn Tables) -> bool {
        let result = self.result.insert((self.work)(tables));
        result.is_ok()
    }

    fn answer(self: Box<Self>, failure: Option<StateError>) {
        let answer = match (self.result, failure) {
            (Some(Ok(value)), None) => Ok(value),
            // Why nothing could be written comes first: an error of its own may be of a state that is past.
            (_, Some(error)) | (Some(Err(error)), None) => Err(error),
            (None, None) => Err(StateError::Illegal("a write was dropped".to_owned())),
        };
        // Whoever asked may be gone; the write stands all the same.
        let _ = self.reply.send(answer);
    }

    fn needs_history(&self) -> bool {
        self.needs_history
    }
}

/// Hands jobs to the task.
#[derive(Clone)]
pub struct Queue(mpsc::Sender<Box<dyn Job>>);

impl Queue {
    /// Starts the task; it ends when the last queue is dropped and all is done.
    pub fn start(shared: Arc<Shared>) -> Self {
        let (sender, receiver) = mpsc::channel(GROUP);
        tokio::spawn(serve(receiver, shared));
        Self(sender)
    }

    /// Whether the task still runs: it ends with the runtime that it was started in.
    pub fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// Does `work` and returns when that is durable; none if the task is gone.
    pub async fn write<T: Send + 'static>(
        self,
        needs_history: bool,
        work: impl Fn(&mut dyn Tables) -> Result<T> + Send + 'static,
    ) -> Option<Result<T>> {
        let (reply, answer) = oneshot::channel();
        let job = Task { work, needs_history, result: None, reply };
        self.0.send(Box::new(job)).await.ok()?;
        answer.await.ok()
    }
}

/// What reading and writing share.
pub struct Shared {
    /// What the environment is read with.
    pub reading: Reading,
    /// Who writes.
    pub holder: Holder,
    /// The copy in memory.
    pub replica: Mutex<Replica>,
}

async fn serve(mut receiver: mpsc::Receiver<Box<dyn Job>>, shared: Arc<Shared>) {
    while let Some(first) = receiver.recv().await {
        let mut waiting = VecDeque::from([first]);
        while !waiting.is_empty() {
            while waiting.len() < GROUP
                && let Ok(next) = receiver.try_recv()
            {
                waiting.push_back(next);
            }
            shared.commit(&mut waiting).await;
        }
    }
}

/// A segment that is to be written, and what takes back what it does.
pub struct Proposal {
    segment: Segment,
    changes: Changes,
    /// Made for it, if the environment is new.
    birth: Option<Birth>,
}

impl Proposal {
    /// One that is written or not, and changed nothing so far that is to be taken back.
    pub fn of(segment: Segment) -> Self {
        Self { segment, changes: Changes::default(), birth: None }
    }

    fn take_back(mut self, replica: &mut Replica, outcome_is_known: bool) {
        match (self.birth, &mut replica.live) {
            (Some(birth), _) => {
                replica.live = None;
                if outcome_is_known {
                    birth.discard();
                }
            }
            (None, Some(live)) => self.changes.back_to(Mark::default(), &mut live.image),
            (None, None) => {}
        }
    }
}

impl Shared {
    /// Commits the first of the jobs, as many as belong together, and answers them.
    async fn commit(&self, waiting: &mut VecDeque<Box<dyn Job>>) {
        let mut replica = self.replica.lock().await;
        let mut count = waiting.len();
        let group = self.group(&mut replica, waiting.make_contiguous(), &mut count).await;
        let mut failure = group.err();
        let rekeyed = replica.since.rekeyed;
        if failure.is_none() && replica.since.is_due(self.reading.tuning.segments) {
            let written = checkpoint::write(&mut replica, &self.reading).await;
            // It spares time only, but for this: what older keys sealed is sealed anew before they may go.
            if rekeyed {
                failure = written.err();
            }
        }
        drop(replica);
        for job in waiting.drain(..count) {
            job.answer(failure.clone());
        }
    }

    /// Tries until a segment with what the jobs do stands. Jobs after `count` are left alone.
    async fn group(
        &self,
        replica: &mut Replica,
        jobs: &mut [Box<dyn Job>],
        count: &mut usize,
    ) -> Result<()> {
        let reading = &self.reading;
        let mut is_fresh = false;
        if !reading.is_recent(replica.confirmed) {
            replica.follow(reading).await?;
            is_fresh = true;
        }
        if replica.since.rekeyed {
            checkpoint::write(replica, reading).await?;
        }
        for round in 1..=ROUNDS {
            if jobs.first().is_some_and(|job| job.needs_history()) {
                self.fetch_history(replica).await?;
            }
            let started = reading.moment();
            match self.propose(replica, jobs, count)? {
                None if is_fresh => return Ok(()),
                None => {}
                Some(proposal) => {
                    if self.put(replica, proposal, started).await? {
                        return Ok(());
                    }
                    if round > 2 {
                        reading.remote.wait(round.min(4)).await;
                    }
                }
            }
            replica.follow(reading).await?;
            is_fresh = true;
        }
        let why = format!("other programs wrote first, {ROUNDS} times");
        Err(StateError::Unreachable { place: reading.remote.shown(), why })
    }

    async fn fetch_history(&self, replica: &mut Replica) -> Result<()> {
        if let Some(live) = &mut replica.live
            && live.in_memory_after() > live.base_serial
        {
            live.image = live.whole(&self.reading).await?;
        }
        Ok(())
    }

    /// Lets the jobs do what they do on the copy; none if they change nothing.
    fn propose(
        &self,
        replica: &mut Replica,
        jobs: &mut [Box<dyn Job>],
        count: &mut usize,
    ) -> Result<Option<Proposal>> {
        let (birth, live) = match &mut replica.live {
            Some(live) => (None, live),
            none => {
                let birth = Birth::new(&self.reading)?;
                let live = Live::new(birth.identity().clone(), &self.reading);
                (Some(birth), none.insert(live))
            }
        };
        let now = rules::whole_milliseconds(self.reading.clock.now());
        if self.reading.secrets == Secrets::Sealed {
            // Without the right key nothing is begun that could not be finished.
            live.vault.sealer()?;
        }
        let serial = live.image.version.serial;
        let mut changes = Changes::default();
        let any = self.run(live, jobs, count, &mut changes, now);
        if changes.is_empty() && (birth.is_none() || !any) {
            if let Some(birth) = birth {
                birth.discard();
                replica.live = None;
            }
            return Ok(None);
        }
        let segment = self.segment(live, &changes, serial, now);
        let identity = birth.as_ref().map(|birth| birth.identity().clone());
        let segment = Segment {
            number: replica.number + 1,
            previous: replica.head.clone(),
            identity,
            ..segment
        };
        Ok(Some(Proposal { segment, changes, birth }))
    }

    /// Runs jobs until they fill a segment; whether any of them succeeded.
    fn run(
        &self,
        live: &mut Live,
        jobs: &mut [Box<dyn Job>],
        count: &mut usize,
        changes: &mut Changes,
        now: Timestamp,
    ) -> bool {
        let place = self.reading.remote.shown();
        let codec = Codec { place: &place, vault: &live.vault };
        let image = &mut live.image;
        let (mut any, mut bytes) = (false, 0);
        *count = 0;
        for job in jobs {
            // What is pruned, and what another keyring seals, stands in a segment of its own.
            if *count > 0 && (job.needs_history() || changes.alone() || bytes > GROUP_BYTES) {
                break;
            }
            let (mark, before) = (changes.mark(), image.journal.len());
            let tables = ImageTables { image: &mut *image, codec, now };
            let mut draft = Draft { tables, changes: &mut *changes, holder: &self.holder };
            if job.run(&mut draft) {
                any = true;
                let written = image.journal.get(before..).unwrap_or_default();
                bytes += written.iter().map(|raw| raw.body.len()).sum::<usize>();
            } else {
                changes.back_to(mark, image);
            }
            *count += 1;
        }
        any
    }

    fn segment(&self, live: &Live, changes: &Changes, serial: u64, now: Timestamp) -> Segment {
        let image = &live.image;
        let new = image.journal.iter().rev().take_while(|raw| raw.sequence > serial).count();
        let (held, released): (Vec<_>, Vec<_>) =
            changes.leases.iter().partition(|epoch| image.leases.contains_key(*epoch));
        let lease = |epoch: &u64| image.leases.get(epoch).cloned();
        let rekeyed = || Rekeyed { keyring: image.identity.keyring.clone() };
        Segment {
            entries: image.journal[image.journal.len() - new..].to_vec(),
            leases: held.iter().filter_map(lease).collect(),
            released,
            epoch: image.epoch,
            rekeyed: changes.rekeyed.then(rekeyed),
            base: image.base.clone().filter(|_| changes.pruned),
            ..self.empty_segment(now)
        }
    }

    /// A segment of this writer that says nothing yet.
    pub fn empty_segment(&self, now: Timestamp) -> Segment {
        Segment {
            nonce: self.reading.remote.chance().name(),
            at: now.to_string(),
            writer: format!("{} process {}", self.holder.host, self.holder.pid),
            ..Segment::default()
        }
    }

    /// Writes the segment; false if another one stands in its place, and then the copy is as it was.
    pub async fn put(
        &self,
        replica: &mut Replica,
        proposal: Proposal,
        started: Moment,
    ) -> Result<bool> {
        let reading = &self.reading;
        let (number, nonce) = (proposal.segment.number, proposal.segment.nonce.clone());
        let (body, hash) = match format::encode("segment", &proposal.segment) {
            Ok(encoded) => encoded,
            Err(error) => {
                proposal.take_back(replica, true);
                return Err(error);
            }
        };
        let name = format!("{}/{}", format::SEGMENTS, format::number(number));
        let created = reading.remote.create(&name, &body).await;
        let ours = match created {
            Ok(true) => Ok(true),
            Ok(false) => self.is_ours(number, &nonce).await.map(|ours| ours == Some(true)),
            // What became of it, the object tells. That there is none proves nothing: it may still be on its way.
            Err(error) => match self.is_ours(number, &nonce).await {
                Ok(Some(ours)) => Ok(ours),
                _ => Err(error),
            },
        };
        let removed = match ours {
            Ok(_) if !reading.is_recent(replica.confirmed) => is_replaced(reading, number).await,
            _ => Ok(false),
        };
        match (ours, removed) {
            (Ok(_), Ok(true)) => return self.settle(replica, proposal).await,
            (Ok(true), Ok(false)) => {}
            (Ok(false), Ok(false)) => {
                proposal.take_back(replica, true);
                return Ok(false);
            }
            (Err(error), _) | (_, Err(error)) => {
                proposal.take_back(replica, !matches!(error, StateError::Unreachable { .. }));
                return Err(error);
            }
        }
        self.accept(replica, proposal, hash, body.len() as u64);
        replica.confirmed = Some(started);
        Ok(true)
    }

    /// Whether the segment of this number is the one with this nonce; none if there is none.
    async fn is_ours(&self, number: u64, nonce: &str) -> Result<Option<bool>> {
        let found = self.reading.segment(number).await?;
        Ok(found.map(|(segment, _, _)| segment.nonce == nonce))
    }

    fn accept(&self, replica: &mut Replica, proposal: Proposal, hash: String, bytes: u64) {
        let Proposal { segment, changes, .. } = proposal;
        if let Some(live) = &mut replica.live {
            if changes.rekeyed {
                live.rekeyed(&self.reading);
            }
            if let Some(base) = segment.base {
                live.base_serial = base.serial;
                live.new_base = Some(base);
            }
        }
        replica.passed(hash, bytes, changes.rekeyed, changes.pruned);
    }

    /// This program stood still for so long that its segment may stand where a checkpoint has long replaced others, and
    /// where nobody looks any more. Whether it counts is seen in the journal.
    async fn settle(&self, replica: &mut Replica, proposal: Proposal) -> Result<bool> {
        *replica = Replica::default();
        replica.follow(&self.reading).await?;
        let counts = match (&replica.live, proposal.segment.entries.last()) {
            (Some(live), Some(ours)) => live.whole(&self.reading).await?.journal.contains(ours),
            _ => false,
        };
        if let (false, Some(birth)) = (counts, proposal.birth) {
            birth.discard();
        }
        Ok(counts)
    }
}

/// Whether a checkpoint stands after this segment.
async fn is_replaced(reading: &Reading, number: u64) -> Result<bool> {
    let newest = reading.newest_checkpoint().await?;
    Ok(newest.is_some_and(|(newest, _)| newest > number))
}
