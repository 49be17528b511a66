//! `rollout ...`: looks at rollouts, drives them, and tells them what to do.

use crate::arguments::{RolloutCommand, Running, Said, Variables};
use crate::error::{CommandError, Exit};
use crate::planning;
use crate::project::Project;
use crate::rollouts::{self, Begun, Fleet};
use crate::session::Session;
use crate::store::Store;
use model::Diagnostic;
use model::rollout::entry::{Entry, RolloutHead, Verb, What};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use views::rollout::live::Live;
use views::rollout::{Model, history, html, status};

/// How often `rollout watch` looks for new entries.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs the command.
pub async fn run(session: &Session, command: RolloutCommand) -> Result<Exit, CommandError> {
    match command {
        RolloutCommand::Status { environment } => show(session, &environment.target).await,
        RolloutCommand::Watch { environment } => watch(session, &environment.target).await,
        RolloutCommand::Run { environment, variables, running } => {
            drive(session, &environment.target, &variables, running).await
        }
        RolloutCommand::Pause(said) => say(session, said, Verb::Pause).await,
        RolloutCommand::Resume(said) => say(session, said, Verb::Resume).await,
        RolloutCommand::Promote(said) => say(session, said, Verb::Promote).await,
        RolloutCommand::Abort(said) => say(session, said, Verb::Abort).await,
        RolloutCommand::Retry(said) => say(session, said, Verb::Retry).await,
        RolloutCommand::Approve { environment, plan } => {
            approve(session, &environment.target, &plan).await
        }
        RolloutCommand::History { environment, rollout } => {
            tell_history(session, &environment.target, rollout.as_deref()).await
        }
        RolloutCommand::Report { environment, rollout, out } => {
            report(session, &environment.target, rollout.as_deref(), &out).await
        }
    }
}

/// The rollout that is under way.
struct UnderWay {
    fleet: Fleet,
    id: String,
    head: RolloutHead,
}

async fn opened(session: &Session, target: &Path) -> Result<Fleet, CommandError> {
    let project = Project::load(session, target)?;
    let Some(store) = Store::open(&project).await? else {
        return Err(none_under_way(&project.environment));
    };
    Fleet::new(session, project, store, Running::default())
}

async fn under_way(fleet: Fleet) -> Result<UnderWay, CommandError> {
    let recorded = fleet.store.load().await?;
    let Some((id, head)) = recorded.rollouts.into_iter().next() else {
        return Err(none_under_way(&fleet.project.environment));
    };
    Ok(UnderWay { fleet, id, head })
}

fn none_under_way(environment: &str) -> CommandError {
    Diagnostic::error("no-rollout", format!("no rollout of `{environment}` is under way"))
        .with_hint("`apply` begins one where nodes with a rollout change; `rollout history` lists those that are over")
        .into()
}

async fn show(session: &Session, target: &Path) -> Result<Exit, CommandError> {
    let UnderWay { fleet, id, head } = under_way(opened(session, target).await?).await?;
    let entries = rollouts::entries(&fleet, &id, &head).await?;
    let model = Model::of(&entries);
    let console = &session.console;
    if session.json {
        console.json(&readable(status::json(&model))?);
    } else {
        let (palette, width) = (console.out_palette(), console.width());
        console.data(&status::human(&model, rollouts::now_ms(), width, palette));
    }
    Ok(Exit::Done)
}

async fn watch(session: &Session, target: &Path) -> Result<Exit, CommandError> {
    let UnderWay { fleet, id, head } = under_way(opened(session, target).await?).await?;
    let live = Live::new(&session.console, session.json);
    let mut seen = 0;
    loop {
        let entries = rollouts::entries(&fleet, &id, &head).await?;
        entries.iter().skip(seen).for_each(|entry| live.take(entry));
        seen = entries.len();
        live.tick(rollouts::now_ms());
        let is_over = matches!(entries.last(), Some(Entry { what: What::Ended { .. }, .. }));
        if is_over {
            live.finish(rollouts::now_ms());
            return Ok(Exit::Done);
        }
        tokio::select! {
            () = fleet.cancel.reached(engine::Level::Finish) => {
                live.finish(rollouts::now_ms());
                return Ok(Exit::Interrupted);
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn drive(
    session: &Session,
    target: &Path,
    variables: &Variables,
    running: Running,
) -> Result<Exit, CommandError> {
    let project = planning::load(session, target, variables)?;
    let Some(store) = Store::open(&project).await? else {
        return Err(none_under_way(&project.environment));
    };
    let fleet = Fleet::new(session, project, store, running)?;
    let UnderWay { fleet, id, head } = under_way(fleet).await?;
    match rollouts::resumed(fleet, &id, &head).await? {
        Begun::Ended(_, exit) => Ok(exit),
        Begun::Plain(_) => Ok(Exit::Done),
    }
}

async fn say(session: &Session, said: Said, verb: Verb) -> Result<Exit, CommandError> {
    let fleet = opened(session, &said.environment.target).await?;
    let UnderWay { fleet, id, .. } = under_way(fleet).await?;
    rollouts::say(&fleet, &id, verb, said.why).await?;
    told(&fleet, &id, views::rollout::telling::verb_name(verb)).await?;
    Ok(Exit::Done)
}

async fn approve(session: &Session, target: &Path, hash: &str) -> Result<Exit, CommandError> {
    let UnderWay { fleet, id, .. } = under_way(opened(session, target).await?).await?;
    let what = |state: &rollout::State| {
        let (stage, valid_ms) = rollout::approvable(state, None, hash)?;
        let valid_ms = i64::try_from(valid_ms).unwrap_or(i64::MAX);
        let until_ms = rollouts::now_ms().saturating_add(valid_ms);
        Ok(What::Approved { stage, by: rollouts::who(), until_ms, plan_hash: hash.to_owned() })
    };
    rollouts::speak(&fleet, &id, what).await?;
    told(&fleet, &id, "approve").await?;
    Ok(Exit::Done)
}

/// What was said is durable; whether anybody hears it now is told.
async fn told(fleet: &Fleet, id: &str, verb: &str) -> Result<(), CommandError> {
    let leases = fleet.store.port.leases().await?;
    let driver = leases.iter().find(|info| matches!(info.scope, state::Scope::Rollout { .. }));
    let (session, target) = (&fleet.session, &fleet.project.target);
    let text = match driver {
        Some(info) => format!(
            "`{verb}` is recorded; {} on {} (process {}) drives rollout {id} and follows it.",
            info.owner, info.host, info.pid
        ),
        None => format!(
            "`{verb}` is recorded, and nobody drives rollout {id} now: {} rollout run {target}",
            session.program
        ),
    };
    if session.json {
        let is_driven = driver.is_some();
        session.console.json(&json!({ "rollout": id, "said": verb, "driven": is_driven }));
    } else {
        session.console.message_line(&text);
    }
    Ok(())
}

/// All entries of all rollouts, as far as the journal goes back.
async fn all(fleet: &Fleet) -> Result<Vec<Entry>, CommandError> {
    let journal = fleet.store.port.journal(0).await?;
    let rollouts = journal.into_iter().filter(|entry| entry.kind == "rollout");
    rollouts.map(|entry| readable(serde_json::from_value(entry.body))).collect()
}

async fn tell_history(
    session: &Session,
    target: &Path,
    rollout: Option<&str>,
) -> Result<Exit, CommandError> {
    let fleet = opened(session, target).await?;
    let entries = all(&fleet).await?;
    let console = &session.console;
    let Some(id) = rollout else {
        let rows = history::rollouts(&entries);
        if session.json {
            console.json(&readable(history::json(&rows))?);
        } else {
            console.data(&history::human(&rows, rollouts::now_ms(), console.out_palette()));
        }
        return Ok(Exit::Done);
    };
    let entries = of(&entries, id)?;
    if session.json {
        console.json(&readable(history::json(&entries))?);
    } else {
        console.data(&history::entries(&entries, console.out_palette()));
    }
    Ok(Exit::Done)
}

fn of(entries: &[Entry], id: &str) -> Result<Vec<Entry>, CommandError> {
    let found: Vec<Entry> = entries.iter().filter(|it| it.rollout == id).cloned().collect();
    if found.is_empty() {
        let summary = format!("there is no rollout `{id}` in this environment's history");
        let known: Vec<String> =
            history::rollouts(entries).into_iter().map(|row| row.rollout).collect();
        let hint = model::suggest::did_you_mean(id, known.iter().map(String::as_str));
        let hint = hint.unwrap_or_else(|| "`rollout history` lists them".to_owned());
        return Err(Diagnostic::error("no-rollout", summary).with_hint(hint).into());
    }
    Ok(found)
}

async fn report(
    session: &Session,
    target: &Path,
    rollout: Option<&str>,
    out: &Path,
) -> Result<Exit, CommandError> {
    let fleet = opened(session, target).await?;
    let entries = all(&fleet).await?;
    let last = || entries.last().map(|entry| entry.rollout.clone());
    let Some(id) = rollout.map(str::to_owned).or_else(last) else {
        return Err(none_under_way(&fleet.project.environment));
    };
    let entries = of(&entries, &id)?;
    let report =
        html::Report { entries: &entries, now_ms: rollouts::now_ms(), evidence_head: None };
    std::fs::write(out, html::render(&report)).map_err(|error| {
        Diagnostic::error("report", format!("cannot write {}: {error}", out.display()))
    })?;
    let text = format!("The report of rollout {id} is in {}.", out.display());
    session.console.message_line(&text);
    Ok(Exit::Done)
}

fn readable<T>(read: serde_json::Result<T>) -> Result<T, CommandError> {
    read.map_err(|error| {
        Diagnostic::error("rollout-entry", format!("an entry of a rollout does not read: {error}"))
            .into()
    })
}
