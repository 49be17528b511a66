//! Trees of files that somebody else may be changing meanwhile.
//!
//! Invariants: what is looked at is held by an open file from the first look on, so that no link is ever followed and nothing
//! becomes something else between two looks; what vanishes before it is looked at was never there; entries come in
//! the order of the bytes of their names.
//! Refuses to know: what the trees are of.

mod copy;
mod summary;
#[cfg(test)]
mod tests;

pub use copy::copy;
pub use summary::{Fingerprint, Summary, fingerprint, summarize};

use crate::error::{LocalError, failed_at};
use rustix::fs::{CWD, Dir, Mode, OFlags, openat, readlinkat};
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The deepest tree: each level is an open directory.
const DEEPEST: usize = 128;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Folder,
    File,
    Link,
    /// A socket, a pipe or a device.
    Other,
}

/// A name of a tree, and what it stands for, held.
struct Entry {
    /// Where it is, for messages.
    path: PathBuf,
    /// Where it is in the tree; nothing for the tree itself.
    relative: PathBuf,
    metadata: Metadata,
    held: File,
}

impl Entry {
    /// The tree itself.
    fn root(path: &Path) -> Result<Self, LocalError> {
        let held =
            openat(CWD, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let held = File::from(held.map_err(failed_at("open", path))?);
        let metadata = held.metadata().map_err(failed_at("inspect", path))?;
        Ok(Self { path: path.to_owned(), relative: PathBuf::new(), metadata, held })
    }

    fn kind(&self) -> Kind {
        let kind = self.metadata.file_type();
        if kind.is_dir() {
            Kind::Folder
        } else if kind.is_file() {
            Kind::File
        } else if kind.is_symlink() {
            Kind::Link
        } else {
            Kind::Other
        }
    }

    /// Its last name.
    fn name(&self) -> &OsStr {
        self.relative.file_name().unwrap_or_default()
    }

    /// What is in this directory, in order.
    fn entries(&self) -> Result<impl Iterator<Item = Result<Self, LocalError>>, LocalError> {
        if self.relative.components().count() >= DEEPEST {
            let what = format!("{} is deeper than {DEEPEST} directories", self.path.display());
            return Err(LocalError::Invalid { what, hint: "make the tree less deep".into() });
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open =
            openat(&self.held, ".", flags, Mode::empty()).map_err(failed_at("list", &self.path))?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&open).map_err(failed_at("list", &self.path))? {
            let entry = entry.map_err(failed_at("list", &self.path))?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        let look = |name: Vec<u8>| self.entry(OsStr::from_bytes(&name)).transpose();
        Ok(names.into_iter().filter_map(look))
    }

    /// One of this directory; nothing if it has vanished.
    fn entry(&self, name: &OsStr) -> Result<Option<Self>, LocalError> {
        let path = self.path.join(name);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = match openat(&self.held, name, flags, Mode::empty()) {
            Ok(held) => File::from(held),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(failed_at("open", &path)(error)),
        };
        let metadata = held.metadata().map_err(failed_at("inspect", &path))?;
        Ok(Some(Self { relative: self.relative.join(name), path, metadata, held }))
    }

    /// A path of the very file that is held, whatever has its name by now.
    fn very(&self) -> String {
        format!("/proc/self/fd/{}", self.held.as_raw_fd())
    }

    /// Opens this file for reading.
    fn open(&self) -> Result<File, LocalError> {
        File::open(self.very()).map_err(failed_at("open", &self.path))
    }

    /// Where this link points.
    fn target(&self) -> Result<PathBuf, LocalError> {
        let target =
            readlinkat(&self.held, "", Vec::new()).map_err(failed_at("read", &self.path))?;
        Ok(std::ffi::OsString::from_vec(target.into_bytes()).into())
    }
}

/// Visits everything below a directory, each directory before what is in it.
fn walk(
    folder: &Entry,
    visit: &mut dyn FnMut(&Entry) -> Result<(), LocalError>,
) -> Result<(), LocalError> {
    for entry in folder.entries()? {
        let entry = entry?;
        visit(&entry)?;
        if entry.kind() == Kind::Folder {
            walk(&entry, visit)?;
        }
    }
    Ok(())
}

/// Changes a text file of a tree that nobody else has; none is fine.
pub fn edit(
    root: &Path,
    relative: &str,
    change: impl FnOnce(&str) -> String,
) -> Result<(), LocalError> {
    let mut entry = Entry::root(root)?;
    for name in relative.split('/') {
        let found =
            if entry.kind() == Kind::Folder { entry.entry(OsStr::new(name))? } else { None };
        match found {
            Some(found) => entry = found,
            None => return Ok(()),
        }
    }
    if entry.kind() != Kind::File {
        return Ok(());
    }
    let edit = || -> io::Result<()> {
        let very = entry.very();
        let Ok(text) = std::fs::read_to_string(&very) else { return Ok(()) };
        let changed = change(&text);
        if changed == text { Ok(()) } else { std::fs::write(&very, changed) }
    };
    edit().map_err(failed_at("write", &entry.path))
}

/// Whether a tree is there.
pub fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

/// What tells a tree from another one that has its name later.
pub fn identity(path: &Path) -> Result<(u64, u64), LocalError> {
    let found = Entry::root(path)?.metadata;
    Ok((found.dev(), found.ino()))
}

/// Has everything of the file system that the tree is on written to the disk.
pub fn write_through(path: &Path) -> Result<(), LocalError> {
    let written =
        File::open(path).and_then(|open| rustix::fs::syncfs(open).map_err(io::Error::from));
    written.map_err(failed_at("write", path))
}
