//! `restore ...` as data.

use super::{Environment, Meant, Running};
use clap::{Args, Subcommand};
use model::restore_point::PointName;

/// Brings back what a restore point has.
#[derive(Debug, Subcommand)]
pub enum RestoreCommand {
    /// Show what would be made anew with what was captured, what would be lost, and about how long it takes
    Plan {
        #[command(flatten)]
        what: Restoring,
    },
    /// Bring it back to what was recorded and captured then; all else stays as it is. A state that is lost is recorded anew first
    Apply {
        #[command(flatten)]
        what: Restoring,
        #[command(flatten)]
        running: Running,
    },
}

/// What is restored from where.
#[derive(Debug, Args)]
pub struct Restoring {
    #[command(flatten)]
    pub environment: Environment,
    /// The restore point, as `backup list` gives it
    #[arg(long = "from", value_name = "POINT", value_parser = PointName::parse)]
    pub point: PointName,
    #[command(flatten)]
    pub meant: Meant,
    /// Also what began with these very snapshots before
    #[arg(long)]
    pub again: bool,
}
