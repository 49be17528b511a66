//! `rollout ...` as data.

use super::{Environment, Running};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Looks at rollouts, drives them, and tells them what to do.
#[derive(Debug, Subcommand)]
pub enum RolloutCommand {
    /// Show where the rollout that is under way is
    Status {
        #[command(flatten)]
        environment: Environment,
    },
    /// Watch the rollout that is under way until it is over; drives nothing
    Watch {
        #[command(flatten)]
        environment: Environment,
    },
    /// Drive the rollout that is under way; its configuration and variables must be those that it began with. Takes the saved
    /// plan that began it, too, which has both
    Run {
        #[command(flatten)]
        environment: Environment,
        #[command(flatten)]
        running: Running,
    },
    /// Stop before the next wave or promotion
    Pause(Said),
    /// Go on after a pause
    Resume(Said),
    /// Go to the next stage now, whatever the gates say
    Promote(Said),
    /// Roll back
    Abort(Said),
    /// Try again what has failed
    Retry(Said),
    /// Agree to the stage that waits for it, or to the next one that will
    Approve {
        #[command(flatten)]
        environment: Environment,
        /// The hash of the plan that you agree to, as `rollout status` shows it
        #[arg(long, value_name = "HASH")]
        plan: String,
        /// Who agrees, where this program runs as another user (in CI, say); without it the user that runs it
        #[arg(long = "as", value_name = "NAME")]
        person: Option<String>,
    },
    /// List all rollouts of an environment, or the entries of one
    History {
        #[command(flatten)]
        environment: Environment,
        /// The rollout
        rollout: Option<String>,
    },
    /// Write a report in HTML: every metric over time, verdicts, nodes
    Report {
        #[command(flatten)]
        environment: Environment,
        /// The rollout; the last one without it
        rollout: Option<String>,
        /// The file to write
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// What a rollout decided, and on what grounds, as a signed file
    #[command(subcommand)]
    Evidence(EvidenceCommand),
}

/// What a rollout decided, and on what grounds.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Write an in-toto statement of every entry, chained and signed with the environment's keys
    Export {
        #[command(flatten)]
        environment: Environment,
        /// The rollout; the last one without it
        rollout: Option<String>,
        /// The file to write
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Print the public keys that evidence of this environment is verified with, as JSON
    Keys {
        #[command(flatten)]
        environment: Environment,
    },
    /// Verify a file of evidence
    Verify {
        /// The file
        file: PathBuf,
        /// The public keys, as `rollout evidence keys` prints them
        #[arg(long, value_name = "FILE")]
        keys: PathBuf,
    },
}

/// What a person says to a rollout.
#[derive(Debug, Args)]
pub struct Said {
    #[command(flatten)]
    pub environment: Environment,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
}
