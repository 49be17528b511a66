//! Why a run did not happen or ended early. Failed operations are no such error: they are in the report.

use model::{Address, Diagnostic};
use provider::{ErrorClass, ProviderError};
use state::StateError;
use std::collections::BTreeSet;
use std::fmt;

/// One record that is not as it was when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleRecord {
    /// The instance.
    pub address: Address,
    /// Its revision when the plan was made; 0 means there was no record.
    pub planned: u64,
    /// Its revision now.
    pub found: u64,
}

impl fmt::Display for StaleRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, planned, found } = self;
        match (planned, found) {
            (0, _) => write!(formatter, "{address} has been made since (revision {found})"),
            (_, 0) => {
                write!(formatter, "{address} has been removed since (was revision {planned})")
            }
            _ => write!(formatter, "{address} has changed since (revision {planned} -> {found})"),
        }
    }
}

/// A call of an interrupted run whose end could not be found out.
#[derive(Clone, Debug)]
pub struct Unsettled {
    /// The instance.
    pub address: Address,
    /// Why.
    pub diagnostic: Diagnostic,
}

/// Why a run did not happen or ended early. Nothing that was done is lost.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The state cannot be read or written, or the lease is not ours.
    #[error(transparent)]
    State(#[from] StateError),
    /// The plan was made for another environment or by another version of the program.
    #[error("the plan does not belong here: {0}")]
    Foreign(String),
    /// Records that the plan relies on have changed.
    #[error("the plan no longer fits the state: {}", list(.0))]
    Stale(Vec<StaleRecord>),
    /// A run that ended after the plan was made has left calls about these without an outcome.
    #[error("another run has left calls whose end is not known: {}", list(&.0.iter().collect::<Vec<_>>()))]
    Overtaken(BTreeSet<Address>),
    /// The plan contradicts itself: a defect, or a changed file.
    #[error("the plan cannot be run as it stands: {}", list(.0))]
    Illegal(Vec<Diagnostic>),
    /// Calls of an interrupted run could not be settled.
    #[error("{} of an interrupted run could not be looked up: {}", calls(.0.len()), addresses(.0))]
    Unsettled(Vec<Unsettled>),
    /// The user stopped before the plan began to run.
    #[error("interrupted before the plan began; nothing of it was run")]
    Interrupted,
}

/// How many of many are named in one line.
const SHOWN: usize = 3;

fn list<T: fmt::Display>(items: &[T]) -> String {
    first(items, SHOWN, "; ")
}

/// So many of them, and how many more there are.
fn first<T: fmt::Display>(items: &[T], shown: usize, between: &str) -> String {
    let mut texts: Vec<_> = items.iter().take(shown).map(ToString::to_string).collect();
    if items.len() > shown {
        texts.push(format!("and {} more", items.len() - shown));
    }
    texts.join(between)
}

fn calls(count: usize) -> String {
    if count == 1 { "a call".to_owned() } else { format!("{count} calls") }
}

fn addresses(unsettled: &[Unsettled]) -> String {
    let texts: Vec<_> = unsettled.iter().map(|one| one.address.to_string()).collect();
    texts.join(", ")
}

impl ApplyError {
    /// Whether nothing was changed, because the plan was made before something happened: recovering, looking and planning
    /// again helps.
    pub fn is_outdated(&self) -> bool {
        matches!(self, Self::Stale(_) | Self::Overtaken(_))
    }

    /// The same as diagnostics: the error itself first, then what it is made of.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        match self {
            Self::State(error) => vec![error.to_diagnostic()],
            Self::Foreign(_) => vec![
                Diagnostic::error("foreign-plan", self.to_string())
                    .with_hint("make a new plan of this environment with `provisioner plan`"),
            ],
            Self::Stale(records) => vec![
                Diagnostic::error("stale-plan", "the plan no longer fits the state")
                    .with_detail(first(records, 20, "\n"))
                    .with_hint("nothing was changed; make a new plan and review it"),
            ],
            Self::Overtaken(_) => {
                vec![Diagnostic::error("overtaken", self.to_string()).with_hint(
                    "nothing was changed; run the command again: it looks them up first",
                )]
            }
            Self::Illegal(diagnostics) => diagnostics.clone(),
            Self::Unsettled(unsettled) => {
                let first = Diagnostic::error("unsettled", self.to_string()).with_hint(
                    "nothing is lost: run apply again once what is named below is mended",
                );
                std::iter::once(first)
                    .chain(unsettled.iter().map(|one| one.diagnostic.clone()))
                    .collect()
            }
            Self::Interrupted => vec![Diagnostic::error("interrupted", self.to_string())],
        }
    }
}

/// A provider's error about one instance, as a diagnostic.
pub(crate) fn provider_diagnostic(error: &ProviderError, address: &Address) -> Diagnostic {
    let code = match error.class {
        ErrorClass::Throttled => "provider-throttled",
        ErrorClass::Transient => "provider-transient",
        ErrorClass::Conflict => "provider-conflict",
        ErrorClass::Quota => "provider-quota",
        ErrorClass::Invalid => "provider-invalid",
        ErrorClass::Denied => "provider-denied",
        ErrorClass::NotFound => "provider-not-found",
    };
    let mut diagnostic = Diagnostic::error(code, error.message.clone())
        .with_detail(error.detail.clone())
        .about(address);
    diagnostic.hints.clone_from(&error.hints);
    if error.outcome_unknown {
        diagnostic.with_hint(
            "whether the call had its effect is not known; the next apply looks it up first",
        )
    } else {
        diagnostic
    }
}
