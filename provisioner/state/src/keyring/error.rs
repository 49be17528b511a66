//! What can go wrong with a keyring: what happened and what to do. Never shows a secret.

use super::age::NotAge;
use super::wrap::WrapName;
use crate::error::StateError;
use crate::keys::Generation;
use crate::seal::SealError;

/// Why a keyring cannot be read, opened or changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeyringError {
    /// A newer program wrote it.
    #[error("the keyring has format {found}, and this program knows formats up to {known}")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// It is not as it was written, by accident.
    #[error("the keyring is damaged: {what}")]
    Damaged {
        /// What does not fit.
        what: String,
    },
    /// It is not as it was written, on purpose.
    #[error("the keyring was changed by someone who could not open it: {what}")]
    Forged {
        /// What does not fit.
        what: String,
    },
    /// It belongs to another state.
    #[error("the keyring is not the one this state was made with: {what}")]
    Foreign {
        /// What differs.
        what: String,
    },
    /// None of the ways in worked.
    #[error("the environment's keyring cannot be opened: {}", list(tried))]
    Locked {
        /// Each way in, and why it did not work.
        tried: Vec<(WrapName, String)>,
    },
    /// A way in stays whose secret is needed and was not given.
    #[error("the keyring gets a new key of its own, which {name} must open too: {why}")]
    NeedsSecret {
        /// The way in.
        name: WrapName,
        /// Why its secret cannot be used.
        why: String,
    },
    /// It has this way in already.
    #[error("the keyring has {name} already")]
    Twice {
        /// The way in.
        name: WrapName,
    },
    /// It does not have this way in.
    #[error("the keyring does not have {name}")]
    NoSuchWrap {
        /// The way in.
        name: WrapName,
    },
    /// Nothing could open it.
    #[error("a keyring needs at least one way in: a passphrase, an age recipient or a key file")]
    NoWayIn,
    /// It does not have this generation.
    #[error("the keyring has no generation {generation}")]
    NoGeneration {
        /// The generation.
        generation: Generation,
    },
    /// The current generation cannot be forgotten.
    #[error("generation {generation} is the one that seals now")]
    Current {
        /// The generation.
        generation: Generation,
    },
    /// The login to the nodes comes from it.
    #[error("the login to the nodes comes from generation {generation}")]
    Login {
        /// The generation.
        generation: Generation,
    },
    /// The passphrase for a new way in protects too little.
    #[error("the passphrase has fewer than {least} characters")]
    WeakPassphrase {
        /// The least length.
        least: usize,
    },
    /// A recipient or an identity does not read.
    #[error("{0}")]
    Age(#[from] NotAge),
    /// Sealing failed.
    #[error("{0}")]
    Seal(String),
}

impl KeyringError {
    /// What to do, if there is anything.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Newer { .. } => "use the version of provisioner that wrote it, or a later one",
            Self::Damaged { .. } | Self::Forged { .. } | Self::Foreign { .. } => {
                "put a good copy of the state in its place"
            }
            Self::Locked { .. } => {
                "give one of these secrets: PROVISIONER_PASSPHRASE, PROVISIONER_AGE_IDENTITY or PROVISIONER_AGE_IDENTITY_FILE, PROVISIONER_KEY_FILE"
            }
            Self::NeedsSecret { .. } => "give that secret too, or take that way in away as well",
            Self::Twice { .. } => "to change it, take the old one away in the same step",
            Self::NoSuchWrap { .. } | Self::NoGeneration { .. } => "look at what it has first",
            Self::Current { .. } => "rotate the keys first",
            Self::Login { .. } => "forget it only if no node needs to be logged in to, and say so",
            Self::WeakPassphrase { .. } => "take a longer one, say six random words",
            Self::NoWayIn | Self::Age(_) | Self::Seal(_) => return None,
        })
    }
}

fn list(tried: &[(WrapName, String)]) -> String {
    let tried = tried.iter().map(|(name, why)| format!("{name}: {why}"));
    tried.collect::<Vec<_>>().join("; ")
}

impl From<KeyringError> for StateError {
    fn from(error: KeyringError) -> Self {
        Self::Key(match error.hint() {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        })
    }
}

impl From<SealError> for KeyringError {
    fn from(error: SealError) -> Self {
        Self::Seal(error.to_string())
    }
}

impl From<getrandom::Error> for KeyringError {
    fn from(error: getrandom::Error) -> Self {
        SealError::NoRandomness(error.to_string()).into()
    }
}
