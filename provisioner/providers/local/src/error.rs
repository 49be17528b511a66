//! What can go wrong in the local cloud, with what to do about it.
//!
//! Invariant: every error says what happened and to which object; advice is data (`hint`).
//! Refuses to know: how errors are shown.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the local cloud.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A system call failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried, with the object: `write /x/y`.
        action: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The name is taken by an object of somebody else.
    #[error("{kind} `{name}` exists and belongs to {owner}")]
    Conflict {
        /// Network, machine, volume or snapshot.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Who made it.
        owner: String,
    },
    /// Another program keeps the lock and does not get on.
    #[error("another program has held {} for {waited_s} s and does not get on", path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
        /// Seconds that were waited.
        waited_s: u64,
    },
    /// There is no such object.
    #[error("{kind} `{name}` does not exist in the local cloud")]
    Missing {
        /// Network, machine, volume or snapshot.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// An argument has a value that cannot be used.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The request is understood and not done.
    #[error("{what}")]
    Refused {
        /// Why.
        what: String,
        /// What to do.
        hint: String,
    },
    /// A network or machine did not start.
    #[error("{kind} `{name}` did not start: {detail}")]
    Start {
        /// Network or machine.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What its start said.
        detail: String,
        /// What to do.
        hint: String,
    },
    /// A file of the local cloud cannot be understood.
    #[error("{} is not readable: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
}

impl LocalError {
    /// What to do about it, if there is advice.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Invalid { hint, .. } | Self::Refused { hint, .. } | Self::Start { hint, .. } => {
                Some(hint.as_str()).filter(|hint| !hint.is_empty())
            }
            Self::Conflict { .. } => {
                Some("choose another name, or destroy the environment that owns it")
            }
            Self::Busy { .. } => Some(
                "if that program was stopped (^Z, SIGSTOP, a debugger), let it go on or kill it: the next apply looks up what it had under way",
            ),
            Self::Damaged { .. } => Some("remove the object's directory and apply again"),
            Self::Io { .. } | Self::Missing { .. } => None,
        }
    }
}

/// Turns a failed system call into an error that says what was tried.
pub(crate) fn failed<E: Into<io::Error>>(
    action: impl Into<String>,
) -> impl FnOnce(E) -> LocalError {
    let action = action.into();
    move |source| LocalError::Io { action, source: source.into() }
}

/// As [`failed`], for an action on a path.
pub(crate) fn failed_at<E: Into<io::Error>>(
    verb: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> LocalError {
    let action = format!("{verb} {}", path.display());
    move |source| LocalError::Io { action, source: source.into() }
}
