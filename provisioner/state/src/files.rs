//! Writing files so that a crash leaves the old one, the new one or none, never half of one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Makes a directory and its parents; those that are made are for the owner alone if `private`.
pub fn make_directory(path: &Path, private: bool) -> io::Result<()> {
    let mode = if private { 0o700 } else { 0o777 };
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(path)
}

/// The directory that a file is in.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the entries of a directory durable.
pub fn make_durable(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// A name beside `path` that nothing else uses.
pub fn beside(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = format!(".{name}.{}.new", model::digest::hex(&random));
    Ok(directory_of(path).join(name))
}

/// Gives a finished file its name unless that name is taken, then drops the name it had.
pub fn publish_new(finished: &Path, path: &Path) -> io::Result<()> {
    let linked = match std::fs::hard_link(finished, path) {
        // Some file systems have no hard links. Between the check and the renaming another program could make
        // the file; such file systems are those where one cannot do better.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !path.exists() => {
            return std::fs::rename(finished, path).and_then(|()| make_durable(directory_of(path)));
        }
        linked => linked,
    };
    let removed = std::fs::remove_file(finished);
    linked.and(removed).and_then(|()| make_durable(directory_of(path)))
}

/// Writes a file that only the owner can read. With `replace` it takes the place of an older one; without,
/// an existing one is an error of kind `AlreadyExists`.
pub fn write_private(path: &Path, content: &[u8], replace: bool) -> io::Result<()> {
    let temporary = beside(path)?;
    let written = write_durably(&temporary, content).and_then(|()| {
        if replace {
            std::fs::rename(&temporary, path)?;
            make_durable(directory_of(path))
        } else {
            publish_new(&temporary, path)
        }
    });
    if written.is_err() {
        // It may be gone already; what matters is the first error.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// What to do about an error of the file system.
pub fn hint(error: &io::Error, path: &Path) -> String {
    let directory = directory_of(path).display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("give yourself the right to write in {directory}")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            format!(
                "{directory} is on a read-only file system; mount it writable or choose another place"
            )
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("make room on the file system of {directory} and run the command again")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::NotFound => {
            format!("check that {directory} is a directory")
        }
        _ => format!("check {directory} and run the command again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn private_files_are_private_and_leave_nothing_beside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        write_private(&path, b"one", false).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let taken = write_private(&path, b"two", false).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write_private(&path, b"three", true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
