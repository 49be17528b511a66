//! `state ...`: looks at what is recorded, and changes it by hand. Objects are never touched.
//!
//! What changes the state takes a lease on what it changes, asks first, and is journaled.

mod edit;
mod history;
mod keys;
mod look;
mod terraform;
mod transfer;

use crate::arguments::{Asking, Environment, StateCommand};
use crate::error::{CommandError, Exit};
use crate::project::Project;
use crate::running::run_id;
use crate::session::Session;
use crate::settings;
use crate::store::Store;
use engine::{CancelToken, Queue, SystemClock};
use model::record::Recorded;
use model::suggest::did_you_mean;
use model::{Address, Diagnostic};
use state::{Lease, LeaseRequest, Scope};
use std::path::Path;

/// Nothing is recorded there; perhaps something is nearby.
fn nothing_at(recorded: &Recorded, wanted: &str) -> Diagnostic {
    let mut diagnostic = Diagnostic::error("no-object", format!("nothing is recorded at {wanted}"));
    let addresses: Vec<_> = recorded.records.keys().map(ToString::to_string).collect();
    diagnostic.hints.extend(did_you_mean(wanted, addresses.iter().map(String::as_str)));
    diagnostic
}

/// Runs the command.
pub async fn run(session: &Session, command: StateCommand) -> Result<Exit, CommandError> {
    match command {
        StateCommand::List { environment, at } => look::list(session, &environment, at).await,
        StateCommand::Show { environment, address, at } => {
            look::show(session, &environment, address.as_deref(), at).await
        }
        StateCommand::Check { environment } => look::check(session, &environment).await,
        StateCommand::Leases { environment } => look::leases(session, &environment).await,
        StateCommand::Unlock { environment, lease, asking } => {
            edit::unlock(session, &environment, lease, &asking).await
        }
        StateCommand::History { environment, entries, run } => {
            history::run(session, &environment, entries, run.as_deref()).await
        }
        StateCommand::Restore { environment, version, asking } => {
            edit::restore(session, &environment, version, &asking).await
        }
        StateCommand::Prune { environment, keep, older_than, asking } => {
            edit::prune(session, &environment, keep, older_than, &asking).await
        }
        StateCommand::Mv { environment, from, to, asking } => {
            edit::mv(session, &environment, &from, &to, &asking).await
        }
        StateCommand::Rm { environment, addresses, asking } => {
            edit::rm(session, &environment, &addresses, &asking).await
        }
        StateCommand::Export { environment, out, at } => {
            transfer::export(session, &environment, out.as_deref(), at).await
        }
        StateCommand::Import { environment, file, skip_unknown, asking } => {
            transfer::import(session, &environment, &file, skip_unknown, &asking).await
        }
        StateCommand::Keys(command) => keys::run(session, command).await,
        StateCommand::Migrate { environment, to, with, asking } => {
            let place = settings::place(&to, &with)?;
            transfer::migrate(session, &environment, &place, Path::new(&to), &asking).await
        }
    }
}

/// An environment that was written before.
pub async fn existing(
    session: &Session,
    environment: &Environment,
) -> Result<(Project, Store), CommandError> {
    let project = Project::load(session, environment)?;
    match Store::open(&project).await? {
        Some(store) => Ok((project, store)),
        None => Err(never_applied(&project).into()),
    }
}

fn never_applied(project: &Project) -> Diagnostic {
    let summary = format!("environment `{}` was never applied from here", project.environment);
    Diagnostic::error("no-state", summary).with_hint(format!(
        "its state would be at {}; run this in the project's directory",
        project.state_place()
    ))
}

/// An address that the user gave.
fn parsed(text: &str) -> Result<Address, CommandError> {
    let parsed = Address::parse(text);
    Ok(parsed.map_err(|error| Diagnostic::error("not-an-address", error.to_string()))?)
}

/// Calls whose end is not known must be settled before anything of theirs is changed by hand.
fn refuse_unfinished<'a>(
    recorded: &Recorded,
    touched: impl IntoIterator<Item = &'a Address>,
) -> Result<(), CommandError> {
    let is_open =
        |address: &&Address| recorded.unfinished.iter().any(|intent| intent.address == **address);
    match touched.into_iter().find(is_open) {
        None => Ok(()),
        Some(address) => Err(Diagnostic::error(
            "unfinished",
            format!("the end of a call for {address} is not known"),
        )
        .with_hint("run `apply` first: it looks up how the call ended")
        .into()),
    }
}

/// Takes a lease, waiting as long as the user said.
async fn take(
    session: &Session,
    store: &Store,
    asking: &Asking,
    command: &str,
    scope: Scope,
) -> Result<Lease, CommandError> {
    let wanted = LeaseRequest {
        run: run_id(),
        command: command.to_owned(),
        scope,
        seconds: store.lease_seconds,
    };
    // Whom one waits for is for people; what the command gives is one document.
    let events = views::progress::sink(&session.console, false);
    let queue =
        Queue { store: store.port.as_ref(), clock: &SystemClock::new(0), events: events.as_ref() };
    // Nothing is held yet, so an interrupt may end the program as it stands.
    let never = CancelToken::new();
    let (lease, _) = queue.acquire(wanted, asking.lock_timeout, &never).await?;
    Ok(lease)
}

/// Does something under a lease and gives it back, whatever came of it.
async fn under_lease<T>(
    session: &Session,
    store: &Store,
    asking: &Asking,
    command: &str,
    scope: Scope,
    work: impl AsyncFnOnce(&Lease) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let lease = take(session, store, asking, command, scope).await?;
    let done = work(&lease).await;
    let released = store.port.release(lease).await;
    let done = done?;
    released?;
    Ok(done)
}
