//! What an install says while it runs and when it ends: steps, results, errors.
//!
//! Invariant: an error names node, service and step, and always says what runs now.

use std::fmt;

use crate::artifact::ArtifactError;
use crate::host::HostError;
use crate::probe::ProbeFailure;

/// A step of an install or a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Looking at what is there.
    Inspect,
    /// Writing the files that the service reads anew by itself.
    Live,
    /// Getting the bundle and sending it to the node as `.unverified`.
    Fetch,
    /// Comparing its digest on the node.
    Verify,
    /// Unpacking it into a directory named by digest.
    Unpack,
    /// Writing the release beside the others.
    Configure,
    /// Running the service's own check.
    CheckConfig,
    /// Starting the dead-man timer.
    Arm,
    /// Making the release current.
    Switch,
    /// Restarting the service.
    Restart,
    /// Probing from the node and from a peer.
    Probe,
    /// Declaring the release good.
    Confirm,
    /// Stopping the dead-man timer.
    Disarm,
    /// Going back to the previous release.
    Revert,
    /// Asking the node for facts.
    Facts,
    /// Taking the service out of use.
    Drain,
    /// Removing it.
    Remove,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Inspect => "inspect",
            Self::Live => "live-files",
            Self::Fetch => "fetch",
            Self::Verify => "verify",
            Self::Unpack => "unpack",
            Self::Configure => "configure",
            Self::CheckConfig => "check-config",
            Self::Arm => "arm",
            Self::Switch => "switch",
            Self::Restart => "restart",
            Self::Probe => "probe",
            Self::Confirm => "confirm",
            Self::Disarm => "disarm",
            Self::Revert => "revert",
            Self::Facts => "facts",
            Self::Drain => "drain",
            Self::Remove => "remove",
        })
    }
}

/// What happened to a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepEvent {
    /// It starts.
    Started,
    /// It is done.
    Done,
    /// It was not needed; why.
    Skipped(String),
    /// It failed; how.
    Failed(String),
}

/// Hears of each step as it happens. Called from many tasks at once; it must not block.
pub trait Observer: Send + Sync {
    /// A step of `service` on `node` has something to report.
    fn step(&self, node: &str, service: &str, step: Step, event: StepEvent);
}

/// The observer that listens to nothing.
impl Observer for () {
    fn step(&self, _node: &str, _service: &str, _step: Step, _event: StepEvent) {}
}

/// A finished install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The release that runs.
    pub digest: String,
    /// The release that ran before and can be gone back to.
    pub previous: Option<String>,
    /// Whether anything on the node was changed.
    pub changed: bool,
    /// Probes that had no peer to start from.
    pub skipped_probes: Vec<String>,
}

/// What runs on the node after a failed install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aftermath {
    /// Nothing running was touched.
    Untouched,
    /// The previous release runs again.
    Restored {
        /// Its digest.
        previous: String,
    },
    /// There was no previous release: the service was stopped and removed.
    Stopped,
    /// The failed release is the only one there is and stays.
    Unchanged,
    /// We could not take it back; the node does so by itself when its timer runs out.
    LeftToTimer {
        /// At most this many seconds after it was armed.
        timeout_s: u64,
        /// Why we could not.
        why: String,
    },
}

impl fmt::Display for Aftermath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untouched => formatter.write_str("what runs there was not touched"),
            Self::Restored { previous } => {
                write!(
                    formatter,
                    "the previous release {} runs again",
                    previous.get(..12).unwrap_or(previous)
                )
            }
            Self::Stopped => formatter
                .write_str("there was no previous release; the service was stopped and removed"),
            Self::Unchanged => {
                formatter.write_str("there is no other release to go back to; it was left in place")
            }
            Self::LeftToTimer { timeout_s, why } => {
                write!(
                    formatter,
                    "the node takes it back by itself within {timeout_s} s (it could not be told to: {why})"
                )
            }
        }
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum InstallCause {
    /// The declaration cannot be installed.
    #[error("{0}")]
    Invalid(String),
    /// The artifact cannot be had.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The node could not be asked.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A script of the step failed.
    #[error("exit status {status}: {output}")]
    Script {
        /// Its exit status.
        status: u32,
        /// Its last words.
        output: String,
    },
    /// A probe did not succeed.
    #[error(transparent)]
    Probe(Box<ProbeFailure>),
    /// The node took the release back before it was confirmed.
    #[error("the node's dead-man timer had already taken the release back")]
    RevertedByNode,
    /// The node has no supervisor that we know.
    #[error("the node has no supervisor: there is no run/provisioner/ctl")]
    NoSupervisor,
}

/// A failed install or removal.
#[derive(Debug, thiserror::Error)]
#[error("service {service} on node {node}: {step} failed: {cause}; {aftermath}")]
pub struct InstallError {
    /// The node.
    pub node: String,
    /// The service.
    pub service: String,
    /// The failed step.
    pub step: Step,
    /// Why.
    #[source]
    pub cause: Box<InstallCause>,
    /// What runs now.
    pub aftermath: Aftermath,
}

impl InstallError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match &*self.cause {
            InstallCause::Artifact(error) => Some(error.hint()),
            InstallCause::Host(error) => error.hint.clone(),
            InstallCause::Script { .. } if self.step == Step::CheckConfig => Some(
                "the service's own check refuses the new configuration; nothing was switched"
                    .to_owned(),
            ),
            InstallCause::Probe(_) => Some(format!(
                "look at the service's log on the node: `provisioner ssh {}`; then correct the configuration and apply again",
                self.node
            )),
            InstallCause::RevertedByNode => {
                Some("raise `dead_man_s` if the probes need longer, and apply again".to_owned())
            }
            _ => None,
        }
    }

    /// Whether the same install may work later as it is.
    pub fn is_transient(&self) -> bool {
        match &*self.cause {
            InstallCause::Artifact(error) => error.is_transient(),
            InstallCause::Host(error) => {
                matches!(error.retry, crate::host::Retry::Transient | crate::host::Retry::TimedOut)
            }
            InstallCause::RevertedByNode => true,
            _ => false,
        }
    }
}
