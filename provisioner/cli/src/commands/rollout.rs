//! `rollout ...`: looks at rollouts, drives them, and tells them what to do.

use crate::arguments::{Environment, EvidenceCommand, RolloutCommand, Running, Said};
use crate::error::{CommandError, Exit};
use crate::planning;
use crate::project::Project;
use crate::rollouts::{self, Fleet};
use crate::session::Session;
use crate::store::Store;
use ::rollout::evidence;
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
        RolloutCommand::Status { environment } => show(session, &environment).await,
        RolloutCommand::Watch { environment } => watch(session, &environment).await,
        RolloutCommand::Run { environment, running } => drive(session, &environment, running).await,
        RolloutCommand::Pause(said) => say(session, said, Verb::Pause).await,
        RolloutCommand::Resume(said) => say(session, said, Verb::Resume).await,
        RolloutCommand::Promote(said) => say(session, said, Verb::Promote).await,
        RolloutCommand::Abort(said) => say(session, said, Verb::Abort).await,
        RolloutCommand::Retry(said) => say(session, said, Verb::Retry).await,
        RolloutCommand::Approve { environment, plan } => {
            approve(session, &environment, &plan).await
        }
        RolloutCommand::History { environment, rollout } => {
            tell_history(session, &environment, rollout.as_deref()).await
        }
        RolloutCommand::Report { environment, rollout, out } => {
            report(session, &environment, rollout.as_deref(), &out).await
        }
        RolloutCommand::Evidence(EvidenceCommand::Export { environment, rollout, out }) => {
            export(session, &environment, rollout.as_deref(), &out).await
        }
        RolloutCommand::Evidence(EvidenceCommand::Keys { environment }) => {
            keys(session, &environment).await
        }
        RolloutCommand::Evidence(EvidenceCommand::Verify { file, keys }) => {
            verify(session, &file, &keys)
        }
    }
}

/// The rollout that is under way.
struct UnderWay {
    fleet: Fleet,
    id: String,
    head: RolloutHead,
}

async fn opened(session: &Session, environment: &Environment) -> Result<Fleet, CommandError> {
    let project = Project::load(session, environment)?;
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

async fn show(session: &Session, environment: &Environment) -> Result<Exit, CommandError> {
    let UnderWay { fleet, id, head } = under_way(opened(session, environment).await?).await?;
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

async fn watch(session: &Session, environment: &Environment) -> Result<Exit, CommandError> {
    let UnderWay { fleet, id, head } = under_way(opened(session, environment).await?).await?;
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
            () = fleet.clock.sleep(LOOK_EVERY) => {}
        }
    }
}

async fn drive(
    session: &Session,
    environment: &Environment,
    running: Running,
) -> Result<Exit, CommandError> {
    let project = planning::load(session, environment)?;
    let Some(store) = Store::open(&project).await? else {
        return Err(none_under_way(&project.environment));
    };
    let fleet = Fleet::new(session, project, store, running)?;
    let UnderWay { fleet, id, head } = under_way(fleet).await?;
    rollouts::resumed(fleet, &id, &head).await
}

async fn say(session: &Session, said: Said, verb: Verb) -> Result<Exit, CommandError> {
    let fleet = opened(session, &said.environment).await?;
    let UnderWay { fleet, id, .. } = under_way(fleet).await?;
    rollouts::say(&fleet, &id, verb, said.why).await?;
    told(&fleet, &id, views::rollout::telling::verb_name(verb)).await?;
    Ok(Exit::Done)
}

async fn approve(
    session: &Session,
    environment: &Environment,
    hash: &str,
) -> Result<Exit, CommandError> {
    let UnderWay { fleet, id, .. } = under_way(opened(session, environment).await?).await?;
    let what = |state: &::rollout::State| {
        let (stage, valid_ms) = ::rollout::approvable(state, None, hash)?;
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
    environment: &Environment,
    rollout: Option<&str>,
) -> Result<Exit, CommandError> {
    let fleet = opened(session, environment).await?;
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
    environment: &Environment,
    rollout: Option<&str>,
    out: &Path,
) -> Result<Exit, CommandError> {
    let fleet = opened(session, environment).await?;
    let (id, entries) = chosen(&fleet, rollout).await?;
    let head = evidence::head(&entries).map_err(unwritten)?;
    let report =
        html::Report { entries: &entries, now_ms: rollouts::now_ms(), evidence_head: Some(&head) };
    std::fs::write(out, html::render(&report)).map_err(|error| {
        Diagnostic::error("report", format!("cannot write {}: {error}", out.display()))
    })?;
    let text = format!("The report of rollout {id} is in {}.", out.display());
    session.console.message_line(&text);
    Ok(Exit::Done)
}

/// The entries of a rollout, of the last one if none is named.
async fn chosen(
    fleet: &Fleet,
    rollout: Option<&str>,
) -> Result<(String, Vec<Entry>), CommandError> {
    let entries = all(fleet).await?;
    let last = || entries.last().map(|entry| entry.rollout.clone());
    let Some(id) = rollout.map(str::to_owned).or_else(last) else {
        return Err(none_under_way(&fleet.project.environment));
    };
    let entries = of(&entries, &id)?;
    Ok((id, entries))
}

async fn export(
    session: &Session,
    environment: &Environment,
    rollout: Option<&str>,
    out: &Path,
) -> Result<Exit, CommandError> {
    let fleet = opened(session, environment).await?;
    let (id, entries) = chosen(&fleet, rollout).await?;
    let signer = evidence::signer(&fleet.store.sealer()?)
        .ok_or_else(|| Diagnostic::error("evidence", "this environment has no key to sign with"))?;
    let envelope = evidence::export(&entries, &signer).map_err(unwritten)?;
    std::fs::write(out, envelope).map_err(|error| {
        Diagnostic::error("evidence", format!("cannot write {}: {error}", out.display()))
    })?;
    let text = format!("The evidence of rollout {id} is in {}.", out.display());
    session.console.message_line(&text);
    Ok(Exit::Done)
}

async fn keys(session: &Session, environment: &Environment) -> Result<Exit, CommandError> {
    let fleet = opened(session, environment).await?;
    let keys = evidence::public_keys(&fleet.store.sealer()?);
    session.console.json(&readable(serde_json::to_value(keys))?);
    Ok(Exit::Done)
}

fn verify(session: &Session, file: &Path, keys: &Path) -> Result<Exit, CommandError> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| {
            Diagnostic::error("evidence", format!("cannot read {}: {error}", path.display()))
        })
    };
    let public: Vec<evidence::PublicKeys> =
        serde_json::from_str(&read(keys)?).map_err(|error| {
            Diagnostic::error("evidence", format!("{} holds no keys: {error}", keys.display()))
                .with_hint("`rollout evidence keys ENVIRONMENT` prints them")
        })?;
    let report = evidence::verify(&read(file)?, &public).map_err(unwritten)?;
    if session.json {
        let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
        session.console.json(&json!({
            "sound": report.is_sound(),
            "environment": report.environment,
            "rollout": report.rollout,
            "outcome": report.outcome,
            "records": report.records,
            "head": report.head,
            "plan_hash": report.plan_hash,
            "configuration_digest": report.configuration_digest,
            "faults": faults,
        }));
    }
    if report.is_sound() {
        let text = format!("{} is sound: every record is as it was signed.", file.display());
        session.console.message_line(&text);
        return Ok(Exit::Done);
    }
    let summary = format!("{} is not what was signed", file.display());
    let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    Err(Diagnostic::error("evidence-unsound", summary).with_detail(faults.join("\n")).into())
}

fn unwritten(error: impl std::fmt::Display) -> CommandError {
    Diagnostic::error("evidence", error.to_string()).into()
}

fn readable<T>(read: serde_json::Result<T>) -> Result<T, CommandError> {
    read.map_err(|error| {
        Diagnostic::error("rollout-entry", format!("an entry of a rollout does not read: {error}"))
            .into()
    })
}
