//! SQLite's errors in the words of [`StateError`].

use crate::error::StateError;
use crate::files;
use rusqlite::ErrorCode;
use std::io;
use std::path::Path;

/// What was being done when an error came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Only reading.
    Reading,
    /// Writing, or preparing to.
    Writing,
}

impl Doing {
    /// An error of the file system.
    pub fn failed(self, path: &Path, why: impl Into<String>, hint: String) -> StateError {
        let (path, why) = (path.display().to_string(), why.into());
        match self {
            Self::Reading => StateError::Unreadable { path, why, hint },
            Self::Writing => StateError::Storage { path, why, hint },
        }
    }

    /// An error that Rust's own file functions gave.
    pub fn io(self, path: &Path, error: &io::Error) -> StateError {
        self.failed(path, error.to_string(), files::hint(error, path))
    }

    /// An error that SQLite gave.
    pub fn sqlite(self, path: &Path, error: &rusqlite::Error) -> StateError {
        let Some(code) = error.sqlite_error_code() else {
            // A column of another type than ours, or a row that must be there and is not.
            return corrupt(path, error.to_string());
        };
        let hint = match code {
            ErrorCode::NotADatabase => return corrupt(path, "it is not a state file"),
            // Our statements fit our tables: where they do not, it is not our table any more.
            ErrorCode::DatabaseCorrupt
            | ErrorCode::Unknown
            | ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch => return corrupt(path, error.to_string()),
            ErrorCode::DiskFull => files::hint(&io::ErrorKind::StorageFull.into(), path),
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
                let directory = files::directory_of(path).display();
                format!("give yourself the right to write {} and in {directory}", path.display())
            }
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                "another program has it locked; wait until that is done".to_owned()
            }
            _ => format!(
                "check the file system of {}: whether there is room, and whether it reports errors",
                path.display()
            ),
        };
        self.failed(path, error.to_string(), hint)
    }
}

/// The state is damaged.
pub fn corrupt(path: &Path, what: impl Into<String>) -> StateError {
    StateError::Corrupt { path: path.display().to_string(), what: what.into() }
}
