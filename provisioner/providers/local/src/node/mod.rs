//! The node's side: the first program of a machine. It mounts the machine's file system, supervises its
//! services, serves SSH, forwards published ports, and buries the dead.
//!
//! Invariants: it starts nothing before its order is complete, and ends when its launcher dies first;
//! after that it ends only when it is told or killed. All its work is on one thread.

mod ctl;
mod deadman;
mod init;
mod programs;
mod publish;
mod root;
mod run;
mod server;
mod services;
mod session;
mod ssh;

pub use ctl::ctl_main;
pub use init::init_main;
pub use root::{hosts_line, is_own};
pub use run::run_main;
