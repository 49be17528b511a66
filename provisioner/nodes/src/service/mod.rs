//! Services: what runs on a node, and the order in which it gets there.
//!
//! Layout on the node, all under `$PROVISIONER_ROOT` (empty on ordinary machines):
//!
//! ```text
//! /opt/provisioner/artifacts/KEY/                       unpacked bundle, shared by releases
//! /opt/provisioner/artifacts/KEY.list                   size, time and mode of each of its files
//! /opt/provisioner/services/NAME/releases/DIGEST/       files, unit.json, manifest.sha256, artifact -> ...
//! /opt/provisioner/services/NAME/current -> releases/DIGEST
//! /opt/provisioner/services/NAME/state/                 survives releases: keys, databases
//! /opt/provisioner/services/NAME/confirmed              digest that passed its probes last
//! /opt/provisioner/services/NAME/pending                digest on trial, until confirmed or reverted
//! /opt/provisioner/services/NAME/reverted               digest that was last taken back
//! /opt/provisioner/services/NAME/revert                 the dead-man's script while a digest is on trial
//! /etc/provisioner/services/NAME.json -> .../NAME/current/unit.json
//! ```
//!
//! Invariants: `current` is switched by one rename; while `pending` exists, the `revert` script alone,
//! with nothing from outside, brings the confirmed release back; a release is never changed in place;
//! the confirmed release and the one before it stay on disk. Refuses to know what the service is for.

mod install;
mod live;
mod observe;
mod report;
mod scripts;
mod spec;
mod supervisor;

pub use install::Installer;
pub use observe::{Observed, RunState};
pub use report::{Aftermath, InstallCause, InstallError, Installed, Observer, Step, StepEvent};
pub use spec::{FileSpec, Restart, ServiceSpec};

pub(crate) use install::Steps;
pub(crate) use observe::{Inspection, Wanted, inspect};
pub(crate) use scripts::{Layout, Places, check_name};
