//! The one thread of a store that writes. Whatever was asked for while the last commit was on its way to the disk
//! goes into the next one together: one fsync for many (group commit).
//!
//! Invariant: a job is answered only after its transaction is durable; a job that fails leaves nothing of itself
//! and disturbs no other.

use super::errors::{Doing, corrupt};
use super::format::{self, Birth, Meta};
use super::tables::SqlTables;
use crate::error::StateError;
use crate::files;
use crate::keys::KeySource;
use crate::clock::Clock;
use crate::rows::Codec;
use crate::rules::{self, Tables};
use crate::seal::Nonces;
use crate::vault::Vault;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::os::unix::fs::MetadataExt as _;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

type Result<T, E = StateError> = std::result::Result<T, E>;

/// At most this many jobs in one transaction.
const GROUP: usize = 256;

/// Something to do within a transaction, and someone who waits for it.
trait Job: Send {
    /// Does it; whether it succeeded and may be committed.
    fn run(&mut self, tables: &mut dyn Tables) -> bool;
    /// Answers, after the commit or with why there was none.
    fn answer(self: Box<Self>, failure: Option<StateError>);
}

struct Task<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: Send + FnOnce(&mut dyn Tables) -> Result<T>> Job for Task<T, F> {
    fn run(&mut self, tables: &mut dyn Tables) -> bool {
        self.result = self.work.take().map(|work| work(tables));
        matches!(self.result, Some(Ok(_)))
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

/// The handle on the thread. Dropping it waits until the last commit is done and the file is closed.
pub struct Writer {
    sender: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; the file is opened, and made if need be, at the first job.
    pub fn start(place: Place) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(GROUP);
        let thread = std::thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn(move || serve(receiver, place))?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// A way to hand jobs in.
    pub fn queue(&self) -> Option<Queue> {
        self.sender.clone().map(Queue)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported to whoever waited for it.
            let _ = thread.join();
        }
    }
}

/// Hands jobs to the thread.
pub struct Queue(mpsc::Sender<Box<dyn Job>>);

impl Queue {
    /// Does `work` in a transaction and returns when that is durable; none if the thread is gone.
    pub async fn write<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut dyn Tables) -> Result<T> + Send + 'static,
    ) -> Option<Result<T>> {
        let (reply, answer) = oneshot::channel();
        let job = Task { work: Some(work), result: None, reply };
        self.0.send(Box::new(job)).await.ok()?;
        // The thread ends when the last sender is gone: this one must not outlive the job.
        drop(self);
        answer.await.ok()
    }
}

fn serve(mut receiver: mpsc::Receiver<Box<dyn Job>>, mut place: Place) {
    while let Some(first) = receiver.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(next) = receiver.try_recv()
        {
            group.push(next);
        }
        place.commit(group);
    }
}

/// Where the thread writes.
pub struct Place {
    pub path: PathBuf,
    pub environment: String,
    pub keys: KeySource,
    pub clock: Arc<dyn Clock>,
    pub nonces: Nonces,
    /// The lineage of a new environment; random if none is given.
    pub lineage: Option<String>,
    /// What an open file needs to stay within, for tests of a full disk.
    pub max_pages: Option<u32>,
    pub open: Option<Open>,
}

/// The open state file.
pub struct Open {
    connection: Connection,
    vault: Vault,
    /// Device and inode: another file under the same name is not ours.
    identity: (u64, u64),
}

impl Place {
    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        let failure = self.transaction(&mut group).err();
        for job in group {
            job.answer(failure.clone());
        }
    }

    fn transaction(&mut self, group: &mut [Box<dyn Job>]) -> Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.connect()?,
        };
        if identity(&self.path) != Some(open.identity) {
            let what = "it was replaced or removed while this program had it open";
            return Err(corrupt(&self.path, what));
        }
        let written = write_group(&mut open, &self.path, rules::whole_milliseconds(self.clock.now()), group);
        self.open = Some(open);
        written
    }

    fn connect(&self) -> Result<Open> {
        let path = &self.path;
        if !format::inspect(path, Doing::Writing)? {
            let Self { environment, keys, .. } = self;
            format::create(&Birth { path, environment, keys, lineage: self.lineage.as_deref() })?;
            format::inspect(path, Doing::Writing)?;
        }
        super::filesystem::refuse_unfit(path)?;
        let connection =
            open(path, self.max_pages).map_err(|error| Doing::Writing.sqlite(path, &error))?;
        if connection.is_readonly("main").unwrap_or(true) {
            let error = std::io::ErrorKind::PermissionDenied.into();
            return Err(Doing::Writing.failed(path, "it is read-only", files::hint(&error, path)));
        }
        check_integrity(&connection, path)?;
        let meta = Meta::read(&connection, path, Doing::Writing)?;
        meta.expect_environment(path, &self.environment)?;
        let nonces = self.nonces.clone();
        let vault = Vault::new(self.keys.clone(), meta.lineage, meta.key_check, nonces);
        // Without the right key nothing is begun that could not be finished.
        vault.sealer()?;
        let identity = identity(path).ok_or_else(|| corrupt(path, "it vanished"))?;
        Ok(Open { connection, vault, identity })
    }
}

fn open(path: &Path, max_pages: Option<u32>) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(super::BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    if let Some(pages) = max_pages {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(connection)
}

fn check_integrity(connection: &Connection, path: &Path) -> Result<()> {
    let found = connection
        .pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0))
        .map_err(|error| Doing::Writing.sqlite(path, &error))?;
    if found == "ok" { Ok(()) } else { Err(corrupt(path, found.replace('\n', "; "))) }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn write_group(
    open: &mut Open,
    path: &Path,
    now: Timestamp,
    group: &mut [Box<dyn Job>],
) -> Result<()> {
    let failed = |error: rusqlite::Error| Doing::Writing.sqlite(path, &error);
    let place = path.display().to_string();
    let codec = Codec { place: &place, vault: &open.vault };
    let connection = &mut open.connection;
    let mut transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    for job in group {
        run_alone(&mut transaction, job.as_mut(), codec, path, now).map_err(failed)?;
        // On some errors (a full disk) SQLite rolls all back; what followed would commit by itself.
        if transaction.is_autocommit() {
            return Err(Doing::Writing.failed(
                path,
                "another write of the same transaction failed",
                "see the other error; run the command again".to_owned(),
            ));
        }
    }
    transaction.commit().map_err(failed)
}

/// Runs one job so that its failure leaves nothing of it.
fn run_alone(
    transaction: &mut Transaction,
    job: &mut dyn Job,
    codec: Codec,
    path: &Path,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut savepoint = transaction.savepoint()?;
    if job.run(&mut SqlTables::new(&savepoint, codec, path, now)) {
        return savepoint.commit();
    }
    if savepoint.is_autocommit() {
        return Ok(());
    }
    savepoint.rollback()?;
    savepoint.commit()
}
