//! The command line as data.
//!
//! Invariant: what is written here is what `--help` says, exit codes included. Refuses to know: what the commands do.

mod backup;
mod restore;
mod rollout;
mod state;

pub use backup::{BackupCommand, Locking};
pub use restore::{RestoreCommand, Restoring};
pub use rollout::{EvidenceCommand, RolloutCommand, Said};
pub use state::{KeysCommand, StateCommand, WaysIn};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

const AFTER_HELP: &str = "\
Exit codes:
  0    done; for `plan --detailed-exitcode`: nothing to change
  1    an error, in the configuration, in the state or while applying
  2    `plan --detailed-exitcode`: there are changes (also: wrong usage of the command line)
  3    `fmt --check`: files are not in their canonical form
  130  interrupted
`ssh NODE -- COMMAND` ends with the command's own exit code.

An ENVIRONMENT is a directory, or the name of one under `environments/`. Data goes to standard output, all else to
standard error.";

/// Turns HCL environments into running fleets.
#[derive(Debug, Parser)]
#[command(name = "provisioner", version, about, after_help = AFTER_HELP)]
pub struct Arguments {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Copy, Debug, Args)]
pub struct Global {
    /// Give JSON: one document on standard output; for `apply` and `destroy` one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Show everything: each node by itself, all attributes
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// In a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a configuration, without looking at anything else
    Validate {
        #[command(flatten)]
        environment: Environment,
    },
    /// Show what `apply` would do
    Plan {
        #[command(flatten)]
        environment: Environment,
        #[command(flatten)]
        planning: Planning,
        /// Save the plan, for `apply FILE`
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Exit with 2 when there are changes
        #[arg(long)]
        detailed_exitcode: bool,
    },
    /// Make the environment as configured
    Apply {
        /// The environment, or a plan that was saved with `plan -o`
        #[arg(value_name = "ENVIRONMENT|PLAN")]
        target: PathBuf,
        #[command(flatten)]
        variables: Variables,
        #[command(flatten)]
        planning: Planning,
        #[command(flatten)]
        running: Running,
        /// Where nodes have a rollout: begin it and leave driving it to `rollout run`
        #[arg(long)]
        detach: bool,
    },
    /// Delete everything of an environment
    Destroy {
        #[command(flatten)]
        environment: Environment,
        #[command(flatten)]
        targets: Targets,
        /// What to do with objects that carry this environment's mark and that the state does not know
        #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
        strays: Strays,
        #[command(flatten)]
        running: Running,
    },
    /// Show what is recorded of an environment, or a saved plan
    Show {
        /// The environment, or a plan that was saved with `plan -o`
        #[arg(value_name = "ENVIRONMENT|PLAN")]
        target: PathBuf,
        #[command(flatten)]
        variables: Variables,
    },
    /// Show the outputs of the last apply
    Output {
        #[command(flatten)]
        environment: Environment,
        /// Only this one; its value is shown even if it is sensitive
        name: Option<String>,
        /// A text as it is, without quotes
        #[arg(long, requires = "name")]
        raw: bool,
    },
    /// Look at what is recorded, and change it by hand
    #[command(subcommand)]
    State(StateCommand),
    /// Look at rollouts, drive them, and tell them what to do
    #[command(subcommand)]
    Rollout(RolloutCommand),
    /// Make restore points, look at them, delete them
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Make objects anew with what a restore point has of them
    #[command(subcommand)]
    Restore(RestoreCommand),
    /// Bring files into their canonical form
    Fmt(Formatting),
    /// Print the graph of instances in the DOT language
    Graph {
        #[command(flatten)]
        environment: Environment,
    },
    /// Evaluate expressions in the scope of an environment
    Console {
        #[command(flatten)]
        environment: Environment,
        /// Evaluate this and end; may be given several times. Without it expressions are read from the terminal, or one a
        /// line from standard input
        #[arg(long = "eval", value_name = "EXPRESSION", allow_hyphen_values = true)]
        expressions: Vec<String>,
        /// Read an expression a line as a JSON string, and answer each with a line of JSON
        #[arg(long, conflicts_with = "expressions")]
        json_lines: bool,
    },
    /// Say what a diagnostic code means
    Explain {
        /// The code, as it stands before an error; all codes without it
        code: Option<String>,
    },
    /// Log in to a node, or run a command on it
    Ssh {
        #[command(flatten)]
        environment: Environment,
        /// The node's name, as `show` lists it
        node: String,
        /// A command instead of a login shell
        #[arg(last = true)]
        command: Vec<String>,
    },
}

/// What is formatted, and how.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct Formatting {
    /// Files, and directories of `*.hcl` and `*.hclvars` files; `-` is standard input, whose result is printed
    #[arg(default_value = ".", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Write nothing; exit with 3 when a file is not in its canonical form
    #[arg(long)]
    pub check: bool,
    /// Show what changes
    #[arg(long)]
    pub diff: bool,
    /// Whether files are written
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub write: bool,
    /// Look into the directories below, too
    #[arg(long, short)]
    pub recursive: bool,
}

/// How a change by hand is agreed to.
#[derive(Debug, Default, Args)]
pub struct Asking {
    /// Do not ask
    #[arg(long)]
    pub auto_approve: bool,
    /// Wait that long for another run that holds what this one changes: `90s`, `5m`
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub lock_timeout: Duration,
}

/// Which environment, with which values of its variables.
#[derive(Debug, Args)]
pub struct Environment {
    /// A directory with HCL files, or the name of one under `environments/`
    #[arg(value_name = "ENVIRONMENT")]
    pub target: PathBuf,
    /// Even where nothing is planned: the place of the state may hang on them.
    #[command(flatten)]
    pub variables: Variables,
}

/// Values of variables. Each overrides what comes before it: `PROVISIONER_VAR_NAME`, `*.auto.hclvars`, `--var-file`, `--var`.
#[derive(Debug, Default, Args)]
pub struct Variables {
    /// Set a variable
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub values: Vec<String>,
    /// Set variables from a file of `name = value` lines
    #[arg(long = "var-file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// What a plan is limited to.
#[derive(Debug, Default, Args)]
pub struct Targets {
    /// Only this and what it needs, nothing else; may be given several times. An address, an address without its key, or
    /// what stands below `module.NAME`, `node_set.NAME` or `node_set.NAME.node["NODE"]`
    #[arg(long = "target", value_name = "ADDRESS")]
    pub targets: Vec<String>,
}

/// What is meant of what there is.
#[derive(Debug, Args)]
pub struct Meant {
    /// Only this; may be given several times. An address, an address without its key, or what stands below `module.NAME`,
    /// `node_set.NAME` or `node_set.NAME.node["NODE"]`
    #[arg(long = "target", value_name = "ADDRESS")]
    pub targets: Vec<String>,
}

/// What becomes of objects that carry the environment's mark and that the state does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Strays {
    /// Tell them
    #[default]
    Tell,
    /// Record them: those that are configured are kept
    Adopt,
    /// Delete them
    Delete,
    /// Do not look for them
    Ignore,
}

/// How a plan is made.
#[derive(Debug, Args)]
pub struct Planning {
    #[command(flatten)]
    pub limits: Targets,
    /// What to do with objects that carry this environment's mark and that the state does not know
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub strays: Strays,
    /// Replace this object even if nothing forces it
    #[arg(long, value_name = "ADDRESS")]
    pub replace: Vec<String>,
    /// Look at what is really there
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub refresh: bool,
}

/// How a plan is run.
#[derive(Clone, Debug, Default, Args)]
pub struct Running {
    /// Do not ask
    #[arg(long)]
    pub auto_approve: bool,
    #[command(flatten)]
    pub calling: Calling,
}

impl Default for Calling {
    fn default() -> Self {
        Self { parallelism: 16, lock_timeout: Duration::ZERO }
    }
}

/// How much is done at once, and whom one waits for.
#[derive(Clone, Copy, Debug, Args)]
pub struct Calling {
    /// Operations at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub parallelism: u16,
    /// Wait that long for another run that holds what this one changes: `90s`, `5m`
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub lock_timeout: Duration,
}

/// A duration as people write it.
fn duration(text: &str) -> Result<Duration, String> {
    let units = |_| "write it with a unit: `90s`, `5m`, `12h`, `90d`".to_owned();
    // A day has 24 hours here, whatever a calendar says.
    let days = text.trim().strip_suffix('d').and_then(|days| days.trim().parse::<u32>().ok());
    if let Some(days) = days {
        return Ok(Duration::from_hours(24 * u64::from(days)));
    }
    let read = text.parse::<jiff::SignedDuration>().map_err(units)?;
    Duration::try_from(read).map_err(|_| "it must not be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(words: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(words.split_whitespace())
    }

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_are_understood_where_people_write_them() {
        let parsed = parse(
            "provisioner plan staging --json -o x.plan --var size=7 --var a=b --refresh=false",
        )
        .unwrap();
        assert!(parsed.global.json);
        let Command::Plan { out, environment, planning, .. } = parsed.command else {
            panic!("{parsed:?}")
        };
        assert_eq!(out, Some(PathBuf::from("x.plan")));
        assert_eq!(environment.variables.values, ["size=7", "a=b"]);
        assert!(!planning.refresh);

        let parsed = parse("provisioner destroy staging --target module.a --target a.b").unwrap();
        let Command::Destroy { targets, .. } = parsed.command else { panic!("{parsed:?}") };
        assert_eq!(targets.targets, ["module.a", "a.b"]);

        let parsed = parse("provisioner ssh staging edge-001 -- systemctl --failed").unwrap();
        let Command::Ssh { command, .. } = parsed.command else { panic!("{parsed:?}") };
        assert_eq!(command, ["systemctl", "--failed"]);
        assert!(parse("provisioner ssh staging edge-001").is_ok());
        assert!(parse("provisioner output staging --raw").is_err());
        assert!(parse("provisioner apply staging --parallelism 0").is_err());
    }

    #[test]
    fn help_tells_the_exit_codes() {
        let help = Arguments::command().render_help().to_string();
        for code in ["0 ", "1 ", "2 ", "130 "] {
            assert!(help.contains(&format!("\n  {code}")), "{help}");
        }
    }
}
