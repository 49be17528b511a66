//! Whose turn it is to commit, across programs: an advisory lock on a file beside the state file, and in that file a
//! mark of how far the last commit got.
//!
//! SQLite's own waiting starves (seconds with four writers); the kernel wakes whoever waits for this lock as soon as it
//! is free, and frees it when its holder dies. It is held for one commit and never while waiting for work. The mark is
//! written after a commit is durable and is not made durable itself, so it can be behind the state file and never ahead:
//! a state file that is behind its mark has lost commits.
//!
//! Refuses to know: what is committed.

use super::errors::{Doing, corrupt};
use super::format::with_suffix;
use super::meta::Meta;
use crate::error::StateError;
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// The turn is this program's until this is dropped.
pub struct Turn(Flock<File>);

/// The file that is locked.
pub fn lock_path(path: &Path) -> PathBuf {
    with_suffix(path, "-lock")
}

impl Turn {
    /// Waits for the turn, for at most `patience`.
    pub fn take(path: &Path, patience: Duration) -> Result<Self, StateError> {
        let lock = lock_path(path);
        let failed = |error: io::Error| Doing::Writing.io(&lock, &error);
        // Whoever may write the state file may write this one.
        let mode = path.metadata().map_or(0o600, |metadata| metadata.mode() & 0o666);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(mode);
        let file = options.open(&lock).map_err(failed)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Self(held)),
            Err((file, nix::errno::Errno::EWOULDBLOCK)) => {
                Self::wait(file, patience).map_err(failed)?.ok_or_else(|| blocked(path, &lock))
            }
            Err((_, error)) => Err(failed(error.into())),
        }
    }

    /// A lock cannot be waited for with a limit, so a thread waits for it; if that takes too long it is left alone, and gives
    /// back what it gets.
    fn wait(file: File, patience: Duration) -> io::Result<Option<Self>> {
        let (sender, receiver) = mpsc::sync_channel(1);
        std::thread::Builder::new().name("state-turn".to_owned()).spawn(move || {
            let held = loop {
                match Flock::lock(file.try_clone()?, FlockArg::LockExclusive) {
                    Err((_, nix::errno::Errno::EINTR)) => {}
                    held => break held,
                }
            };
            // Nobody is there any more after the limit; the lock is given back by dropping it.
            let _ = sender.send(held.map_err(|(_, error)| io::Error::from(error)));
            io::Result::Ok(())
        })?;
        match receiver.recv_timeout(patience) {
            Ok(held) => held.map(|held| Some(Self(held))),
            Err(_) => Ok(None),
        }
    }

    /// Notes how far the state file has got.
    pub fn mark(&self, meta: &Meta) {
        // A mark that is behind or cannot be read is no error: less is noticed.
        let _ = self.0.write_all_at(&Mark::of(meta).bytes(), 0);
    }

    /// Forgets the mark of a file that is not there any more.
    pub fn forget(path: &Path) {
        // Emptied, and not removed: somebody may wait for it.
        if let Ok(file) = OpenOptions::new().write(true).open(lock_path(path)) {
            let _ = file.set_len(0);
        }
    }
}

fn blocked(path: &Path, lock: &Path) -> StateError {
    let who = holder_of(lock)
        .map_or_else(|| "another program".to_owned(), |pid| format!("process {pid} on this host"));
    let why = format!("{who} is in the middle of writing it and does not get on");
    let hint = "if that program was stopped (^Z, SIGSTOP, a debugger), let it go on or kill it: what it had not written yet never happened".to_owned();
    Doing::Writing.failed(path, why, hint)
}

/// Who holds a lock, as far as the kernel tells. Source: proc_locks(5).
fn holder_of(lock: &Path) -> Option<u32> {
    let inode = format!(":{}", lock.metadata().ok()?.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let held = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    held.filter(|fields| fields.get(1) == Some(&"FLOCK"))
        .find(|fields| fields.get(5).is_some_and(|file| file.ends_with(&inode)))
        .and_then(|fields| fields.get(4)?.parse().ok())
}

/// How far the last commit got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    lineage: [u8; 32],
    commits: u64,
}

impl Mark {
    const LENGTH: usize = 72;

    fn of(meta: &Meta) -> Self {
        Self { lineage: Sha256::digest(meta.lineage.as_bytes()).into(), commits: meta.commits }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = [&self.lineage[..], &self.commits.to_le_bytes()].concat();
        let check = Sha256::digest(&bytes);
        bytes.extend(check);
        bytes
    }

    /// Reads the mark; none if there is none, or if it is not whole.
    pub fn read(path: &Path) -> Option<Self> {
        let mut bytes = [0; Self::LENGTH];
        File::open(lock_path(path)).ok()?.read_exact_at(&mut bytes, 0).ok()?;
        let mut mark = Self { lineage: [0; 32], commits: 0 };
        mark.lineage.copy_from_slice(&bytes[..32]);
        let mut commits = [0; 8];
        commits.copy_from_slice(&bytes[32..40]);
        mark.commits = u64::from_le_bytes(commits);
        (mark.bytes() == bytes).then_some(mark)
    }

    /// Refuses a state file that lacks commits which the mark tells of. The mark must have been read before the file.
    pub fn refuse_older(&self, meta: &Meta, path: &Path) -> Result<(), StateError> {
        let known = Self::of(meta);
        if self.lineage != known.lineage || self.commits <= known.commits {
            return Ok(());
        }
        Err(corrupt(
            path,
            format!(
                "its last {} commits are missing (it ends at journal entry {}): the write-ahead log {}-wal was damaged or removed, \
                 or an older copy was put in place (if that was on purpose, remove {} and look for objects that it does not know)",
                self.commits - known.commits,
                meta.serial,
                path.display(),
                lock_path(path).display()
            ),
        ))
    }
}
