//! What a tree holds, in a few words: a digest of all of it, and a fingerprint that is there without reading any file.
//!
//! Invariants: two trees with the same names, kinds, modes, link targets and contents have the same digest, and no others;
//! a tree whose fingerprint is the same has not been written to through the file system.

use super::{Entry, Kind, walk};
use crate::disk::hex;
use crate::error::{LocalError, failed_at};
use sha2::{Digest as _, Sha256};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first of what a digest is of.
const FORMAT: &[u8] = b"tree of the local cloud 1\n";
/// How much of a file is in memory at a time, in bytes.
const PIECE: usize = 256 * 1024;
/// The kernel notes times in ticks: a tree that was written to just now may be written to again and look the same.
const SETTLED: Duration = Duration::from_millis(100);

/// What a tree holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// `sha256:...` over everything.
    pub digest: String,
    /// Bytes in all files.
    pub size: u64,
    /// How many files there are; directories and links are none.
    pub files: u64,
}

/// Reads all of a tree. A digest is over the entries in the order of their names, each directory before what is in it: kind, mode,
/// path, then the digest of the file or the target of the link; everything has its length before it.
pub fn summarize(path: &Path) -> Result<Summary, LocalError> {
    let root = Entry::root(path)?;
    let (mut whole, mut size, mut files) = (Sha256::new_with_prefix(FORMAT), 0, 0);
    add_head(&mut whole, &root);
    walk(&root, &mut |entry| {
        add_head(&mut whole, entry);
        match entry.kind() {
            Kind::Folder | Kind::Other => {}
            Kind::Link => add(&mut whole, entry.target()?.as_os_str().as_bytes()),
            Kind::File => {
                let (bytes, digest) = file(entry)?;
                add(&mut whole, &digest);
                size += bytes;
                files += 1;
            }
        }
        Ok(())
    })?;
    Ok(Summary { digest: format!("sha256:{}", hex(&whole.finalize())), size, files })
}

fn add(whole: &mut Sha256, part: &[u8]) {
    whole.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
    whole.update(part);
}

fn add_head(whole: &mut Sha256, entry: &Entry) {
    let (kind, mode) = match entry.kind() {
        Kind::Folder => (b'd', entry.metadata.mode() & 0o7777),
        Kind::File => (b'f', entry.metadata.mode() & 0o7777),
        // A link has no mode of its own.
        Kind::Link => (b'l', 0),
        Kind::Other => (b'o', 0),
    };
    whole.update([kind]);
    whole.update(mode.to_le_bytes());
    add(whole, entry.relative.as_os_str().as_bytes());
}

/// How long a file is, and its digest.
fn file(entry: &Entry) -> Result<(u64, [u8; 32]), LocalError> {
    let mut open = entry.open()?;
    let (mut digest, mut size, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
    loop {
        match open.read(&mut piece).map_err(failed_at("read", &entry.path))? {
            0 => return Ok((size, digest.finalize().into())),
            read => {
                digest.update(&piece[..read]);
                size += u64::try_from(read).unwrap_or_default();
            }
        }
    }
}

/// What every write to a tree changes.
pub type Fingerprint = [u8; 32];

/// The fingerprint of a tree: numbers, sizes, modes and times of change of all that is in it. None while the last change is too new to tell
/// it from another one.
pub fn fingerprint(path: &Path) -> Result<Option<Fingerprint>, LocalError> {
    let root = Entry::root(path)?;
    let (mut whole, mut newest) = (Sha256::new(), (0, 0));
    // The time of change of the tree itself is that of its name, too.
    whole.update(root.metadata.mode().to_le_bytes());
    for time in [root.metadata.mtime(), root.metadata.mtime_nsec()] {
        whole.update(time.to_le_bytes());
    }
    walk(&root, &mut |entry| {
        let it = &entry.metadata;
        add(&mut whole, entry.relative.as_os_str().as_bytes());
        for number in [it.dev(), it.ino(), it.size(), u64::from(it.mode())] {
            whole.update(number.to_le_bytes());
        }
        for time in [it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()] {
            whole.update(time.to_le_bytes());
        }
        newest = newest.max((it.ctime(), it.ctime_nsec()));
        Ok(())
    })?;
    let seconds = u64::try_from(newest.0).unwrap_or_default();
    let newest = Duration::new(seconds, u32::try_from(newest.1).unwrap_or_default());
    let age = SystemTime::now().duration_since(UNIX_EPOCH + newest);
    Ok(age.is_ok_and(|age| age > SETTLED).then(|| whole.finalize().into()))
}
