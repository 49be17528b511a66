//! The one thread of a store that writes. Whatever was asked for while the last commit was on its way to the disk
//! goes into the next one together: one fsync for many (group commit).
//!
//! Invariant: a job is answered only after its transaction is durable; a job that fails leaves nothing of itself
//! and disturbs no other.

use super::errors::{Doing, corrupt};
use super::format::{self, Birth, FORMAT};
use super::meta::Meta;
use super::tables::{Present, SqlTables};
use super::turn::{Mark, Turn};
use super::{Access, migrate};
use crate::clock::Clock;
use crate::error::StateError;
use crate::files;
use crate::keyring::NewWrap;
use crate::rows::Codec;
use crate::rules::{self, Tables};
use crate::vault::Secrets;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

type Result<T, E = StateError> = std::result::Result<T, E>;

/// At most this many jobs in one transaction.
const GROUP: usize = 256;

/// Something to do within a transaction, and someone who waits for it.
trait Job: Send {
    /// Does it; the error if it failed and must not be committed.
    fn run(&mut self, tables: &mut dyn Tables) -> Result<()>;
    /// Answers, after the commit or with why there was none.
    fn answer(self: Box<Self>, failure: Option<StateError>);
}

struct Task<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: Send + FnOnce(&mut dyn Tables) -> Result<T>> Job for Task<T, F> {
    fn run(&mut self, tables: &mut dyn Tables) -> Result<()> {
        self.result = self.work.take().map(|work| work(tables));
        match &self.result {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(()),
        }
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
    pub access: Access,
    pub clock: Arc<dyn Clock>,
    /// The lineage of a new environment; random if none is given.
    pub lineage: Option<String>,
    /// Ways into the keyring of a new environment.
    pub ways: Vec<NewWrap>,
    /// What an open file needs to stay within, for tests of a full disk.
    pub max_pages: Option<u32>,
    pub open: Option<Open>,
}

/// The open state file.
pub struct Open {
    connection: Connection,
    /// As it was after the last commit here; others may have written since.
    present: Present,
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
        let turn = Turn::take(&self.path, super::BUSY)?;
        if identity(&self.path) != Some(open.identity) {
            let what = "it was replaced or removed while this program had it open";
            return Err(corrupt(&self.path, what));
        }
        let written = self.write_group(&mut open, group);
        if let Ok(true) = written {
            turn.mark(&open.present.meta);
        }
        self.open = Some(open);
        written.map(drop)
    }

    fn connect(&self) -> Result<Open> {
        let path = &self.path;
        if !format::exists(path, Doing::Writing)? {
            let Self { environment, access, ways, .. } = self;
            let lineage = self.lineage.as_deref();
            format::create(&Birth { path, environment, access, lineage, ways })?;
        }
        super::filesystem::refuse_unfit(path)?;
        let mark = Mark::read(path);
        let connection =
            open(path, self.max_pages).map_err(|error| Doing::Writing.sqlite(path, &error))?;
        if connection.is_readonly("main").unwrap_or(true) {
            let error = std::io::ErrorKind::PermissionDenied.into();
            return Err(Doing::Writing.failed(path, "it is read-only", files::hint(&error, path)));
        }
        let format = format::identify(&connection, path, Doing::Writing)?;
        let meta = Meta::read(&connection, path, Doing::Writing, format)?;
        meta.expect_environment(path, &self.environment)?;
        mark.map_or(Ok(()), |mark| mark.refuse_older(&meta, path))?;
        check_integrity(&connection, path)?;
        let vault = Arc::new(self.access.vault(&meta));
        if self.access.secrets == Secrets::Sealed {
            // Without the right key nothing is begun that could not be finished.
            vault.sealer()?;
        }
        let identity = identity(path).ok_or_else(|| corrupt(path, "it vanished"))?;
        Ok(Open { connection, present: Present { meta, vault, lease: None }, identity })
    }

    /// One transaction; whether anything was written.
    fn write_group(&self, open: &mut Open, group: &mut [Box<dyn Job>]) -> Result<bool> {
        let path = &self.path;
        let failed = |error: rusqlite::Error| Doing::Writing.sqlite(path, &error);
        let behavior = TransactionBehavior::Immediate;
        let mut transaction =
            open.connection.transaction_with_behavior(behavior).map_err(failed)?;
        let mut present = self.present(&transaction, &open.present)?;
        let (before, mut any) = (present.meta.clone(), false);
        for job in group {
            let done = self.run_alone(&mut transaction, &mut present, job.as_mut())?;
            any |= done.is_ok();
            // On some errors (a full disk) SQLite rolls all back; what followed would commit by itself.
            if transaction.is_autocommit() {
                return Err(done.err().unwrap_or_else(|| {
                    corrupt(path, "its transaction ended before it was committed")
                }));
            }
        }
        if !any || present.meta == before {
            // A file of an older format stays as it is until something is written.
            return transaction.rollback().map(|()| false).map_err(failed);
        }
        present.meta.commits += 1;
        present.meta.write(&transaction).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        open.present = present;
        Ok(true)
    }

    /// What the transaction that was just begun sees.
    fn present(&self, connection: &Connection, last: &Present) -> Result<Present> {
        let path = &self.path;
        let format: u32 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|error| Doing::Writing.sqlite(path, &error))?;
        format::refuse_newer(path, format)?;
        let meta = if format == FORMAT {
            Meta::read(connection, path, Doing::Writing, format)?
        } else {
            let place = path.display().to_string();
            let codec = Codec { place: &place, vault: &last.vault };
            migrate::to_today(connection, path, format, codec)?
        };
        let same_keys = meta.keyring == last.meta.keyring;
        let vault = if same_keys { last.vault.clone() } else { Arc::new(self.access.vault(&meta)) };
        Ok(Present { meta, vault, lease: last.lease.clone() })
    }

    /// Runs one job so that its failure leaves nothing of it. The inner error is the job's.
    fn run_alone(
        &self,
        transaction: &mut Transaction,
        present: &mut Present,
        job: &mut dyn Job,
    ) -> Result<Result<()>> {
        let failed = |error: rusqlite::Error| Doing::Writing.sqlite(&self.path, &error);
        let mut savepoint = transaction.savepoint().map_err(failed)?;
        let before = present.clone();
        let done = job.run(&mut SqlTables {
            connection: &savepoint,
            present,
            access: &self.access,
            path: &self.path,
            place: &self.path.to_string_lossy(),
            now: rules::whole_milliseconds(self.clock.now()),
        });
        if done.is_err() {
            *present = before;
            if savepoint.is_autocommit() {
                return Ok(done);
            }
            savepoint.rollback().map_err(failed)?;
        }
        savepoint.commit().map_err(failed)?;
        Ok(done)
    }
}

fn open(path: &Path, max_pages: Option<u32>) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // More than there are statements here, so that none is prepared twice.
    connection.set_prepared_statement_cache_capacity(64);
    connection.busy_timeout(super::BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // What a savepoint may have to undo is not worth a file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    if let Some(pages) = max_pages {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(connection)
}

/// Looks at every page once, before the first write. Loading sees every row, but not what only a writer trusts: indexes,
/// lists of free pages, where a page says that its free space begins. Without this look, 4 of 2 261 flipped bits that no
/// reader could notice had the next write destroy rows. It costs a twentieth of a load.
fn check_integrity(connection: &Connection, path: &Path) -> Result<()> {
    let found = connection
        .pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0))
        .map_err(|error| Doing::Writing.sqlite(path, &error))?;
    if found == "ok" { Ok(()) } else { Err(corrupt(path, found.replace('\n', "; "))) }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
