//! Nodes.
pub mod artifact;
pub mod host;
pub mod ssh;
pub mod terminal;

pub use host::{Completed, Content, Host, HostError, Script, Stream, Upload, quote};
