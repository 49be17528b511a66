//! The program: reads the command line, wires the rooms together, ends with an exit code.
//!
//! Invariants: the local cloud's own entry points come before anything else (they need a process without threads); an
//! error is rendered once, here. Refuses to know: everything that a room knows.

mod arguments;
mod candidate;
mod catalogue;
mod commands;
mod error;
mod interrupt;
mod places;
mod planning;
mod project;
mod restore_points;
mod rollouts;
mod running;
mod session;
mod settings;
mod store;
mod usage;
mod variables;
mod wiring;

use arguments::{Arguments, Command, Environment};
use clap::Parser as _;
use error::{CommandError, Exit};
use model::Diagnostic;
use session::Session;
use std::ffi::OsString;
use std::process::ExitCode;

/// What values are nested in is worked through level by level; threads get as much stack for it as the first one has.
const STACK_BYTES: usize = 8 << 20;

/// A large configuration is millions of small allocations; the allocator of the C library takes a fifth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(code) = provider_local::internal_main(&words) {
        return code;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage::tell(&error, &words),
    };
    let session = Session::new(arguments.global);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.enable_all().thread_stack_size(STACK_BYTES).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let diagnostic = Diagnostic::error("runtime", format!("cannot start: {error}"));
            return failed(&session, &diagnostic.into());
        }
    };
    let result = runtime.block_on(run(&session, arguments.command));
    // A thread may wait for input that never comes.
    runtime.shutdown_background();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => failed(&session, &error),
    }
}

fn failed(session: &Session, error: &CommandError) -> ExitCode {
    session.show(&error.diagnostics, &error.sources);
    if !session.json
        && let Some(hint) = views::diagnostics::where_to_read(&error.diagnostics)
    {
        session.console.message_line(&hint);
    }
    ExitCode::FAILURE
}

async fn run(session: &Session, command: Command) -> Result<Exit, CommandError> {
    match command {
        Command::Validate { environment } => commands::validate::run(session, &environment),
        Command::Plan { environment, planning, out, detailed_exitcode } => {
            let saving = commands::plan::Saving { out, detailed_exitcode };
            commands::plan::run(session, &environment, &planning, saving).await
        }
        Command::Apply { target, variables, planning, running, detach } => {
            let running = commands::apply::Way { running, detach };
            let environment = Environment { target, variables };
            commands::apply::run(session, environment, &planning, running).await
        }
        Command::Destroy { environment, targets, strays, running } => {
            commands::destroy::run(session, &environment, &targets, strays, &running).await
        }
        Command::Show { target, variables } => {
            commands::show::run(session, target, variables).await
        }
        Command::Output { environment, name, raw } => {
            commands::output::run(session, &environment, name.as_deref(), raw).await
        }
        Command::State(command) => commands::state::run(session, command).await,
        Command::Rollout(command) => commands::rollout::run(session, command).await,
        Command::Backup(command) => commands::backup::run(session, command).await,
        Command::Restore(command) => commands::restore::run(session, command).await,
        Command::Fmt(formatting) => commands::fmt::run(session, &formatting),
        Command::Graph { environment } => commands::graph::run(session, &environment),
        Command::Console { environment, expressions, json_lines } => {
            let asked = commands::console::Asked { expressions, json_lines };
            commands::console::run(session, &environment, asked).await
        }
        Command::Explain { code } => commands::explain::run(session, code.as_deref()),
        Command::Ssh { environment, node, command } => {
            commands::ssh::run(session, &environment, &node, &command).await
        }
    }
}
