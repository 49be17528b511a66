//! The local cloud: networks, machines, volumes and their snapshots on this machine, without an account, a daemon or
//! root. Machines are real: own address, host name, file system, programs and login.
//!
//! Invariants: everything lies in one directory and says whose it is; every call can be repeated after
//! the program was killed at any instant; nothing outlives a deletion; no address is routed off the
//! machine.
//! Refuses to know: plans, state, services of the mesh; how anything is shown.
//!
//! The program that uses this crate must call [`internal_main`] before anything else, because networks
//! and machines are this same program, started again.

mod alive;
mod arguments;
mod cloud;
mod control;
mod disk;
mod error;
mod filling;
mod launch;
mod layout;
mod link;
mod machine;
mod network;
mod node;
mod passing;
mod provider;
mod record;
mod schema;
mod snapshot;
mod tree;
mod validate;
mod volume;

pub use cloud::Cloud;
pub use error::LocalError;
pub use launch::FORBIDDEN_HINT;
pub use layout::{Kind, Layout, Removal};
pub use machine::{Machine, Status};
pub use network::{Cidr, Found};
pub use provider::LocalProvider;
pub use record::{Attachment, Captured, Content, Isolation, MachineArguments, Owner, Running};
pub use schema::provider_schema;
pub use snapshot::Snapshot;
pub use volume::Volume;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs this program as a part of the local cloud, if its arguments (without the program's name) say so.
/// Call it first in `main`, before there is a second thread; end with the code it gives.
pub fn internal_main(arguments: &[OsString]) -> Option<ExitCode> {
    let (mode, rest) = arguments.split_first()?;
    Some(match mode.to_str()? {
        "__local-launch" => launch::launch_main(rest),
        "__local-network" => launch::holder_main(),
        "__local-attach" => launch::attach_main(rest),
        "__local-probe" => launch::probe_main(rest),
        "__local-probe-inner" => launch::probe_inner_main(),
        "__node-init" => node::init_main(),
        "__node-run" => node::run_main(rest),
        "__node-ctl" => node::ctl_main(rest),
        _ => return None,
    })
}
