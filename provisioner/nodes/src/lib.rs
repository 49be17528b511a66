//! Nodes: the way from a plan to a program that runs on a machine.
//!
//! - [`Host`] is the port: run a script, put a file, dial from the node. [`ssh`] implements it with
//!   pinned keys and one pooled connection a node; [`fake`] has hosts without machines, a fault wrapper
//!   and the port's conformance suite.
//! - [`artifact`] turns urls, files and Debian packages into verified, deterministic bundles.
//! - [`Installer`] brings services and facts onto nodes, each step idempotent, each failure undone on
//!   the node by the node itself if need be ([`service`], [`facts`]).
//! - [`probe`] asks whether it works, from the node and from its peers.
//!
//! Invariants: every call has a time limit; nothing unverified is unpacked or run; whatever fails, the
//! release that ran before runs on. The crate refuses to know plans, state, clouds and configuration
//! files; it prints nothing (except for [`terminal`], whose purpose is a person's session).

pub mod artifact;
pub mod facts;
pub mod fake;
pub mod host;
pub mod probe;
pub mod service;
pub mod ssh;
pub mod terminal;

pub use artifact::{Artifact, ArtifactError, Cache, Selection, Source};
pub use facts::FactCommand;
pub use host::{Completed, Content, Host, HostError, Retry, Script, Stream, Upload, quote};
pub use probe::{Member, PairOptions, PairReport, Probe, ProbeKind, Target, all_pairs};
pub use service::{
    FileSpec, InstallError, Installed, Installer, Observed, Observer, ServiceSpec, Step, StepEvent,
};
pub use ssh::{Connection, Identity, Pool, SshHost};
