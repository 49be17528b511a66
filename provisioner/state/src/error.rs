//! What can go wrong with state: what happened, where, and what to do.

use crate::port::LeaseInfo;
use model::Diagnostic;

/// Why the state could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StateError {
    /// Another run holds the environment.
    #[error("the environment is held by another run: `{}` by {} on {} (process {}), since {}", .0.command, .0.owner, .0.host, .0.pid, .0.since)]
    Held(Box<LeaseInfo>),
    /// This run's lease was taken over; nothing was written.
    #[error(
        "this run no longer holds the environment (its lease, epoch {epoch}, was taken over); nothing was written"
    )]
    LeaseLost {
        /// The epoch this run had.
        epoch: u64,
    },
    /// The state file was written by a newer program.
    #[error("{path} has state format {found}, and this program knows formats up to {known}")]
    Newer {
        /// The file.
        path: String,
        /// Its format.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// The state is damaged; names what and where.
    #[error("{path} is damaged: {what}")]
    Corrupt {
        /// The file.
        path: String,
        /// What is damaged.
        what: String,
    },
    /// The state file belongs to another environment.
    #[error("{path} is the state of environment `{found}`, not of `{wanted}`")]
    Foreign {
        /// The file.
        path: String,
        /// The environment it belongs to.
        found: String,
        /// The environment that was asked for.
        wanted: String,
    },
    /// The file system refused to write (read-only, full, denied).
    #[error("cannot write {path}: {why}")]
    Storage {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
        /// What to do.
        hint: String,
    },
    /// The file system refused to read.
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
        /// What to do.
        hint: String,
    },
    /// A secret cannot be opened or sealed.
    #[error("{0}")]
    Key(String),
    /// A transition that the journal does not allow (an outcome without intent, say): a defect.
    #[error("the journal does not allow this: {0}")]
    Illegal(String),
}

impl StateError {
    /// A stable code that can be looked up.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Held(_) => "state-held",
            Self::LeaseLost { .. } => "state-lease-lost",
            Self::Newer { .. } => "state-newer",
            Self::Corrupt { .. } => "state-corrupt",
            Self::Foreign { .. } => "state-foreign",
            Self::Storage { .. } => "state-storage",
            Self::Unreadable { .. } => "state-unreadable",
            Self::Key(_) => "state-key",
            Self::Illegal(_) => "state-illegal",
        }
    }

    /// What to do, if there is anything.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Held(holder) => Some(format!(
                "wait until it is done; if it was killed on another host, its lease ends by itself at {}",
                holder.expires
            )),
            Self::LeaseLost { .. } => Some(
                "another run took over because this one did not renew its lease in time; run the command again: what was in flight is looked up first".to_owned(),
            ),
            Self::Newer { .. } => Some("use the version of provisioner that wrote it, or a later one".to_owned()),
            Self::Corrupt { path, .. } => Some(format!(
                "nothing was changed; put a good copy of {path} in its place, and keep the damaged one for inspection"
            )),
            Self::Foreign { path, .. } => Some(format!(
                "every environment has its own state file; move {path} back to where it belongs"
            )),
            Self::Storage { hint, .. } | Self::Unreadable { hint, .. } => Some(hint.clone()),
            Self::Key(_) => None,
            Self::Illegal(_) => Some("this is a defect in provisioner: please report it".to_owned()),
        }
    }

    /// The error for people.
    pub fn to_diagnostic(&self) -> Diagnostic {
        let diagnostic = Diagnostic::error(self.code(), self.to_string());
        match self.hint() {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        }
    }
}
