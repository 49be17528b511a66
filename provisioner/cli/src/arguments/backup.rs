//! `backup ...` as data.

use super::{Calling, Environment, Meant, Running, duration};
use clap::{Args, Subcommand};
use model::restore_point::PointName;
use std::path::PathBuf;
use std::time::Duration;

/// Makes restore points, looks at them, deletes them.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Capture what is on the environment's machines and volumes, and the state that it belongs to
    Create {
        #[command(flatten)]
        environment: Environment,
        #[command(flatten)]
        meant: Meant,
        /// Its name; the time without it. One that was begun under that name and cut off is gone on with
        #[arg(long, value_name = "NAME", value_parser = PointName::parse)]
        name: Option<PointName>,
        /// What it is for, for the record
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
        #[command(flatten)]
        calling: Calling,
    },
    /// List all restore points, the latest first
    List {
        #[command(flatten)]
        environment: Environment,
    },
    /// Show a restore point with its snapshots
    Show {
        #[command(flatten)]
        environment: Environment,
        /// The restore point, as `backup list` gives it
        #[arg(value_parser = PointName::parse)]
        point: PointName,
        /// Write the state that belongs to it to this file, as `state export` does; `state import` takes it
        #[arg(long, value_name = "FILE")]
        state: Option<PathBuf>,
    },
    /// Look whether every snapshot is there and what it was
    Verify {
        #[command(flatten)]
        environment: Environment,
        /// Only this restore point
        #[arg(value_parser = PointName::parse)]
        point: Option<PointName>,
    },
    /// Delete old restore points, and what is left of those that were never whole. Never the only one, nor one that is locked
    /// or that a rollout under way may need
    Prune {
        #[command(flatten)]
        environment: Environment,
        /// Keep this many, the latest; this or --older-than, or both: then both must let one go
        #[arg(long, value_name = "POINTS", required_unless_present = "older_than")]
        keep: Option<usize>,
        /// Delete only what is older: `90d`, `12h`
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        older_than: Option<Duration>,
        /// Only say what would be deleted
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        running: Running,
    },
    /// Delete restore points by name, also the only one; not one that is locked or that a rollout under way may need
    Delete {
        #[command(flatten)]
        environment: Environment,
        /// The restore points, as `backup list` gives them
        #[arg(required = true, value_parser = PointName::parse)]
        points: Vec<PointName>,
        #[command(flatten)]
        running: Running,
    },
    /// Keep a restore point until it is unlocked
    Lock(Locking),
    /// Let a restore point go when its time comes
    Unlock(Locking),
}

/// Which restore point is locked or unlocked.
#[derive(Debug, Args)]
pub struct Locking {
    #[command(flatten)]
    pub environment: Environment,
    /// The restore point, as `backup list` gives it
    #[arg(value_parser = PointName::parse)]
    pub point: PointName,
}
