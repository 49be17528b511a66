//! Copying a tree file by file while it is in use.
//!
//! Invariants: each file of the copy is what its original was at one moment, unless it never stands still: then it is its last copy;
//! modes, times of change and links are kept, and owners where the system allows it.

use super::{Entry, Kind};
use crate::error::{LocalError, failed_at};
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, chownat, fchmod, fchown,
    futimens, mkdirat, openat, symlinkat, utimensat,
};
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How often a file is copied that changes meanwhile.
const TRIES: usize = 4;
/// The pause before the second try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(10);
/// The kernel notes times in ticks: who writes twice within one changes a file that looks the same.
const TICK: Duration = Duration::from_millis(10);

/// Says what is left out of a copy: by its place in the tree and, for a link, where that points.
pub type LeaveOut<'a> = &'a dyn Fn(&Path, Option<&Path>) -> bool;

/// Copies what is in a directory into another one, which is there and empty.
pub fn copy(source: &Path, target: &Path, leave_out: LeaveOut<'_>) -> Result<(), LocalError> {
    folder(&Entry::root(source)?, &Entry::root(target)?, leave_out)
}

fn folder(source: &Entry, target: &Entry, leave_out: LeaveOut<'_>) -> Result<(), LocalError> {
    for entry in source.entries()? {
        let entry = entry?;
        let link = (entry.kind() == Kind::Link).then(|| entry.target()).transpose()?;
        if !leave_out(&entry.relative, link.as_deref()) {
            one(&entry, link.as_deref(), target, leave_out)?;
        }
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = openat(&target.held, ".", flags, Mode::empty()).map(File::from);
    let finished = open.map_err(io::Error::from).and_then(|open| finish(&open, &source.metadata));
    finished.map_err(failed_at("write", &target.path))
}

/// Makes one entry of a directory.
fn one(
    source: &Entry,
    link: Option<&Path>,
    into: &Entry,
    leave_out: LeaveOut<'_>,
) -> Result<(), LocalError> {
    let name = source.name();
    let failed = |error: io::Error| failed_at("write", &into.path.join(name))(error);
    match (source.kind(), link) {
        (Kind::Folder, _) => {
            mkdirat(&into.held, name, Mode::RWXU).map_err(|error| failed(error.into()))?;
            let made = into.entry(name)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
            folder(source, &made, leave_out)
        }
        (Kind::File, _) => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let made = openat(&into.held, name, flags, Mode::RUSR | Mode::WUSR);
            let made = File::from(made.map_err(|error| failed(error.into()))?);
            let metadata =
                steadily(&source.open()?, &made).map_err(failed_at("copy", &source.path))?;
            finish(&made, &metadata).map_err(failed)
        }
        (Kind::Link, Some(points_to)) => {
            let metadata = &source.metadata;
            symlinkat(points_to, &into.held, name).map_err(|error| failed(error.into()))?;
            keep_owner(metadata, &into.held.metadata().map_err(failed)?, |user, group| {
                chownat(&into.held, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)
            });
            let times = times(metadata);
            utimensat(&into.held, name, &times, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| failed(error.into()))
        }
        (Kind::Link | Kind::Other, _) => Ok(()),
    }
}

/// Copies a file as it is at one moment, and says how it was then.
fn steadily(source: &File, target: &File) -> io::Result<Metadata> {
    let mut before = source.metadata()?;
    let mut pause = PAUSE;
    for remaining in (0..TRIES).rev() {
        let is_fresh =
            SystemTime::now().duration_since(before.modified()?).is_ok_and(|age| age < TICK);
        target.set_len(0)?;
        { source }.rewind()?;
        { target }.rewind()?;
        // No more than that: who appends to it may do so for ever.
        let copied = io::copy(&mut source.take(before.len()), &mut { target })?;
        let after = source.metadata()?;
        let moment = |it: &Metadata| (it.len(), it.mtime(), it.mtime_nsec());
        let is_steady = copied == before.len() && moment(&before) == moment(&after);
        if (is_steady && !is_fresh) || remaining == 0 {
            break;
        }
        std::thread::sleep(pause);
        pause *= 2;
        before = source.metadata()?;
    }
    Ok(before)
}

/// Gives a copy what its original has beside its content. The content comes first: writing takes rights away.
fn finish(made: &File, original: &Metadata) -> io::Result<()> {
    keep_owner(original, &made.metadata()?, |user, group| fchown(made, Some(user), Some(group)));
    fchmod(made, Mode::from_raw_mode(original.mode() & 0o7777))?;
    Ok(futimens(made, &times(original))?)
}

/// Only root may give files away, and only where root runs machines they can be somebody else's.
fn keep_owner(
    original: &Metadata,
    made: &Metadata,
    give: impl FnOnce(Uid, Gid) -> rustix::io::Result<()>,
) {
    if (original.uid(), original.gid()) != (made.uid(), made.gid()) {
        let _ = give(Uid::from_raw(original.uid()), Gid::from_raw(original.gid()));
    }
}

fn times(original: &Metadata) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: original.mtime(), tv_nsec: original.mtime_nsec() },
    }
}
