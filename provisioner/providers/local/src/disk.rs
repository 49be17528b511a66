//! Files of the local cloud: atomic writes, locks that can be asked about, and removal that can be
//! interrupted anywhere.
//!
//! Invariant: a record is either absent, the old one or the new one, whenever the program dies.
//! Locks are open-file-description locks: they live exactly as long as somebody holds the open file,
//! so "is it locked" is the truth about "is it alive", which a number in a file never is.

use crate::error::{LocalError, failed_at};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// Writes a file so that a crash leaves the old or the new content, never a part.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), LocalError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = parent.join(format!(".{name}.new"));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(parent)?.sync_all()
    };
    write().map_err(failed_at("write", path))
}

/// Writes a value as JSON, atomically.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), LocalError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| LocalError::Damaged {
        path: path.to_owned(),
        detail: error.to_string(),
    })?;
    text.push(b'\n');
    write_atomically(path, &text)
}

/// Reads a JSON file; `None` when there is none.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LocalError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(failed_at("read", path)(error)),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| LocalError::Damaged { path: path.to_owned(), detail: error.to_string() })
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Makes a directory that only its owner may enter, and its parents. Whoever deletes the last object of a cloud removes
/// the directories that became empty, at any moment: what was there when it was found in the way may be gone when it is
/// looked at, and a parent may go before its child is made. Then it is made anew.
pub fn make_directory(path: &Path) -> Result<(), LocalError> {
    use std::os::unix::fs::DirBuilderExt as _;
    const ATTEMPTS: usize = 1_000;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    let mut made = builder.create(path);
    for _ in 1..ATTEMPTS {
        match &made {
            Err(error) if went_meanwhile(error, path) => made = builder.create(path),
            _ => break,
        }
    }
    made.map_err(failed_at("create directory", path))
}

fn went_meanwhile(error: &io::Error, path: &Path) -> bool {
    match error.kind() {
        io::ErrorKind::NotFound => true,
        // A file in the way stays there; a directory has gone, or is back and will do.
        io::ErrorKind::AlreadyExists => fs::metadata(path).map_or(true, |found| found.is_dir()),
        _ => false,
    }
}

/// Names in a directory, sorted; none when the directory is absent.
pub fn names_in(path: &Path) -> Result<Vec<String>, LocalError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed_at("list", path)(error)),
    };
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Removes a tree, whatever permissions its directories were given; an absent one is fine.
pub fn remove_tree(path: &Path) -> Result<(), LocalError> {
    // Somebody else may be removing the same tree: both go on until it is gone.
    const ROUNDS: usize = 5;
    for _ in 1..ROUNDS {
        if fs::symlink_metadata(path).is_err() || remove_tree_once(path).is_ok() {
            break;
        }
    }
    remove_tree_once(path)
}

fn remove_tree_once(path: &Path) -> Result<(), LocalError> {
    let result = match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_permissions(path, 0);
            fs::remove_dir_all(path)
        }
        other => other,
    };
    match result {
        Err(error) if !is_absent(&error) => Err(failed_at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// A node may have left directories that their owner cannot write.
fn open_permissions(path: &Path, depth: usize) {
    const DEEPEST: usize = 256;
    let is_directory = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    if !is_directory || depth > DEEPEST {
        return;
    }
    let _ = fs::set_permissions(path, Permissions::from_mode(0o700));
    for entry in fs::read_dir(path).into_iter().flatten().filter_map(Result::ok) {
        open_permissions(&entry.path(), depth + 1);
    }
}

/// The longest pause between two tries at a lock.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// An exclusive lock on a file, held until the last copy of its descriptor closes.
#[derive(Debug)]
pub struct Lock(File);

fn lock_of(kind: i32) -> libc::flock {
    libc::flock {
        l_type: i16::try_from(kind).unwrap_or_default(),
        l_whence: 0,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

impl Lock {
    /// Takes the lock; `None` when somebody else has it.
    pub fn try_take(path: &Path) -> Result<Option<Self>, LocalError> {
        let file = open_lock(path).map_err(failed_at("open lock", path))?;
        match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&lock_of(libc::F_WRLCK))) {
            Ok(_) => Ok(Some(Self(file))),
            Err(nix::Error::EAGAIN | nix::Error::EACCES) => Ok(None),
            Err(error) => Err(failed_at("lock", path)(error)),
        }
    }

    /// Takes the lock, waiting for it up to `patience`. The holder works for milliseconds only, unless it was stopped.
    /// A lock file that its holder removed meanwhile is not the lock any more, so it is taken anew.
    pub fn take(path: &Path, patience: Duration) -> Result<Self, LocalError> {
        let end = Instant::now() + patience;
        // The kernel waits without a limit or not at all.
        let mut pause = Duration::from_micros(200);
        while Instant::now() < end {
            if let Some(parent) = path.parent() {
                make_directory(parent)?;
            }
            let file = match open_lock(path) {
                Ok(file) => file,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(failed_at("open lock", path)(error)),
            };
            match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&lock_of(libc::F_WRLCK))) {
                Ok(_) => {}
                Err(nix::Error::EAGAIN | nix::Error::EACCES) => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
                Err(nix::Error::EINTR) => continue,
                Err(error) => return Err(failed_at("lock", path)(error)),
            }
            let held = file.metadata().map_err(failed_at("inspect", path))?;
            if fs::metadata(path).is_ok_and(|named| named.ino() == held.ino()) {
                return Ok(Self(file));
            }
        }
        Err(LocalError::Busy { path: path.to_owned(), waited_s: patience.as_secs() })
    }

    /// Whether somebody holds the lock; asking never takes it.
    pub fn is_held(path: &Path) -> bool {
        let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else {
            return false;
        };
        let mut answer = lock_of(libc::F_WRLCK);
        fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut answer)).is_ok()
            && i32::from(answer.l_type) != libc::F_UNLCK
    }

    /// The open file, to be handed to whoever keeps the lock alive.
    pub fn into_descriptor(self) -> OwnedFd {
        self.0.into()
    }
}

/// Bytes from the system's random source, as lower-case hexadecimal text.
pub fn random_hex(bytes: usize) -> Result<String, LocalError> {
    let mut buffer = vec![0_u8; bytes];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut buffer))
        .map_err(failed_at("read", Path::new("/dev/urandom")))?;
    Ok(hex(&buffer))
}

/// Lower-case hexadecimal text.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_seen_by_others_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        assert!(!Lock::is_held(&path));
        let lock = Lock::try_take(&path).unwrap().unwrap();
        assert!(Lock::is_held(&path));
        assert!(Lock::try_take(&path).unwrap().is_none());
        drop(lock);
        assert!(!Lock::is_held(&path));
    }

    #[test]
    fn a_lock_that_is_not_given_back_is_not_waited_for_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let _held = Lock::try_take(&path).unwrap().unwrap();
        let error = Lock::take(&path, Duration::from_millis(20)).unwrap_err();
        assert!(matches!(error, LocalError::Busy { .. }), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("SIGSTOP")));
    }

    #[test]
    fn a_directory_is_made_while_others_remove_it() {
        const ROUNDS: usize = 20_000;
        let directory = tempfile::tempdir().unwrap();
        let (parent, path) =
            (directory.path().join("cloud"), directory.path().join("cloud/volumes"));
        std::thread::scope(|threads| {
            let removing = threads.spawn(|| {
                for _ in 0..ROUNDS {
                    let _ = fs::remove_dir(&path);
                    let _ = fs::remove_dir(&parent);
                }
            });
            while !removing.is_finished() {
                make_directory(&path).unwrap();
            }
        });
        make_directory(&path).unwrap();
        assert!(path.is_dir());
        fs::write(path.join("file"), []).unwrap();
        make_directory(&path.join("file")).unwrap_err();
    }

    #[test]
    fn a_tree_without_write_permission_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("a");
        fs::create_dir_all(tree.join("b")).unwrap();
        fs::write(tree.join("b/c"), "x").unwrap();
        fs::set_permissions(tree.join("b"), Permissions::from_mode(0o500)).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        remove_tree(&tree).unwrap();
    }
}
