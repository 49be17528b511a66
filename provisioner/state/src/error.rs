//! What can go wrong with state: what happened, where, and what to do.

use crate::port::LeaseInfo;
use crate::scope::Scope;
use model::{Address, Diagnostic};

/// Why the state could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StateError {
    /// Another run holds what this one wants.
    #[error("{} held by another run: `{}` by {} on {} (process {}), since {}", told(.by, .addresses), .by.command, .by.owner, .by.host, .by.pid, .by.since)]
    Held {
        /// Who.
        by: Box<LeaseInfo>,
        /// What both want; empty for the whole environment, and for a rollout.
        addresses: Vec<Address>,
    },
    /// This run's lease was taken over; nothing was written.
    #[error(
        "this run no longer holds what it changes (its lease, epoch {epoch}, was taken over or taken away); nothing was written"
    )]
    LeaseLost {
        /// The epoch this run had.
        epoch: u64,
    },
    /// Somebody else wrote an entry of the rollout first; nothing was written.
    #[error("rollout `{rollout}` went on meanwhile: entry {number} cannot follow{}", .expected.map_or_else(|| ", it is over".to_owned(), |next| format!(", the next one is {next}")))]
    RolloutWentOn {
        /// The rollout's id.
        rollout: String,
        /// The number that was to be written.
        number: u64,
        /// The number of the next entry; none if no such rollout is going on.
        expected: Option<u64>,
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
    /// The store cannot be reached, or the connection to it broke.
    #[error("cannot reach the state at {place}: {why}")]
    Unreachable {
        /// Where the environment is recorded, without secrets.
        place: String,
        /// What was said.
        why: String,
    },
    /// A version that the history does not hold.
    #[error("there is no version {serial}: the history goes from {first} to {last}")]
    NoVersion {
        /// What was asked for.
        serial: u64,
        /// The oldest version.
        first: u64,
        /// The present one.
        last: u64,
    },
    /// The environment is recorded there already.
    #[error("environment `{environment}` is recorded at {place} already")]
    Exists {
        /// The environment.
        environment: String,
        /// Where.
        place: String,
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
            Self::Held { .. } => "state-held",
            Self::Unreachable { .. } => "state-unreachable",
            Self::NoVersion { .. } => "state-no-version",
            Self::Exists { .. } => "state-exists",
            Self::LeaseLost { .. } => "state-lease-lost",
            Self::RolloutWentOn { .. } => "state-rollout-went-on",
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
            Self::Held { by, .. } => Some(format!(
                "wait until it is done (--lock-timeout 5m waits for you); if it was killed on another host, its lease ends by itself at {}",
                by.expires
            )),
            Self::Unreachable { .. } => Some(
                "everything that was reported as done is recorded; when the store can be reached again, run the command again".to_owned(),
            ),
            Self::NoVersion { .. } => Some("`state history` lists the versions".to_owned()),
            Self::Exists { .. } => Some(
                "name another place, or remove what is recorded there if it is not needed any more".to_owned(),
            ),
            Self::LeaseLost { .. } => Some(
                "another run took over because this one did not renew its lease in time; run the command again: what was in flight is looked up first".to_owned(),
            ),
            Self::RolloutWentOn { .. } => Some(
                "somebody asked for something or drives it elsewhere: read what it came to, and decide again".to_owned(),
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

/// What is held, in the words of a sentence: a few addresses, and how many more.
fn told(by: &LeaseInfo, addresses: &[Address]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = addresses.iter().take(SHOWN).map(Address::to_string).collect();
    match addresses.len() {
        0 => match &by.scope {
            Scope::Rollout { node_sets } => {
                let names: Vec<_> = node_sets.iter().map(String::as_str).collect();
                format!("the rollout of {} is", names.join(", "))
            }
            _ => "the environment is".to_owned(),
        },
        1 => format!("{} is", shown[0]),
        few if few <= SHOWN => format!("{} are", shown.join(", ")),
        many => format!("{} and {} more are", shown.join(", "), many - SHOWN),
    }
}
