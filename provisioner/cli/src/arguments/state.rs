//! `state ...` as data.

use super::{Asking, Environment, duration};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Looks at what is recorded, and changes it by hand.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// List the addresses of all objects
    List {
        #[command(flatten)]
        environment: Environment,
        /// As it was in this version (see `state history`)
        #[arg(long, value_name = "VERSION")]
        at: Option<u64>,
    },
    /// Show one object, or all that is recorded
    Show {
        #[command(flatten)]
        environment: Environment,
        /// The object's address, as `state list` gives it
        address: Option<String>,
        /// As it was in this version (see `state history`)
        #[arg(long, value_name = "VERSION")]
        at: Option<u64>,
    },
    /// Show what happened to the state, run by run
    History {
        #[command(flatten)]
        environment: Environment,
        /// Show every journal entry
        #[arg(long)]
        entries: bool,
        /// Only the entries of this run
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
    },
    /// Look at every row, every hash and the journal's chain
    Check {
        #[command(flatten)]
        environment: Environment,
    },
    /// Show who holds what
    Leases {
        #[command(flatten)]
        environment: Environment,
    },
    /// Take a lease away from a run that is gone but cannot be seen to be
    Unlock {
        #[command(flatten)]
        environment: Environment,
        /// The lease's number, as `state leases` gives it
        lease: u64,
        #[command(flatten)]
        asking: Asking,
    },
    /// Record an earlier version as the present one; objects stay as they are
    Restore {
        #[command(flatten)]
        environment: Environment,
        /// The version, as `state history` gives it
        version: u64,
        #[command(flatten)]
        asking: Asking,
    },
    /// Drop old history
    Prune {
        #[command(flatten)]
        environment: Environment,
        /// Keep this many versions
        #[arg(long, value_name = "VERSIONS", required_unless_present = "older_than")]
        keep: Option<u64>,
        /// Drop only what is older: `90d`, `12h`
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        older_than: Option<Duration>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Give a record, or all below a module, another address
    Mv {
        #[command(flatten)]
        environment: Environment,
        /// An address, or what addresses begin with: `module.a`
        from: String,
        /// What stands in its place
        to: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Forget records; their objects stay
    Rm {
        #[command(flatten)]
        environment: Environment,
        /// Addresses, or what addresses begin with: `module.a`
        #[arg(required = true)]
        addresses: Vec<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Write the state as canonical JSON, secrets sealed
    Export {
        #[command(flatten)]
        environment: Environment,
        /// The file; standard output without it
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
        /// As it was in this version (see `state history`)
        #[arg(long, value_name = "VERSION")]
        at: Option<u64>,
    },
    /// Record what a file says: an export, or a Terraform state (format 4)
    Import {
        #[command(flatten)]
        environment: Environment,
        /// The file
        file: PathBuf,
        /// Leave out objects of resource types that no provider here offers
        #[arg(long)]
        skip_unknown: bool,
        #[command(flatten)]
        asking: Asking,
    },
    /// The environment's keys: what opens them, and new ones
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Copy the state with its history to another store
    Migrate {
        #[command(flatten)]
        environment: Environment,
        /// A path, or `postgres://...`, `s3://...`, `gs://...`, `az://...`
        #[arg(long, value_name = "PLACE")]
        to: String,
        /// What the `state` block will say beside the place: `endpoint=...`, `region=...`, `account=...`, `schema=...`
        #[arg(long = "with", value_name = "NAME=VALUE")]
        with: Vec<String>,
        #[command(flatten)]
        asking: Asking,
    },
}

/// The environment's keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Show which generations of keys there are, and what opens them
    Show {
        #[command(flatten)]
        environment: Environment,
    },
    /// Make new keys and seal everything recorded with them
    Rotate {
        #[command(flatten)]
        environment: Environment,
        #[command(flatten)]
        asking: Asking,
    },
    /// Add ways to open the keys
    Add {
        #[command(flatten)]
        environment: Environment,
        #[command(flatten)]
        ways: WaysIn,
        #[command(flatten)]
        asking: Asking,
    },
    /// Remove ways to open the keys
    Remove {
        #[command(flatten)]
        environment: Environment,
        #[command(flatten)]
        ways: WaysIn,
        #[command(flatten)]
        asking: Asking,
    },
    /// Forget an old generation of keys, and with it what only that one opens
    Forget {
        #[command(flatten)]
        environment: Environment,
        /// The generation: `k1`
        generation: String,
        /// Even the one that the login to the nodes comes from
        #[arg(long)]
        lose_login: bool,
        #[command(flatten)]
        asking: Asking,
    },
}

/// Ways to open the keys.
#[derive(Debug, Default, Args)]
#[group(required = true, multiple = true)]
pub struct WaysIn {
    /// Whoever has the identity of this age recipient (`age1...`); may be given several times
    #[arg(long, value_name = "RECIPIENT")]
    pub age: Vec<String>,
    /// Whoever knows the passphrase; a new one is in `PROVISIONER_NEW_PASSPHRASE`
    #[arg(long)]
    pub passphrase: bool,
    /// Whoever has the key file
    #[arg(long)]
    pub key_file: bool,
}
