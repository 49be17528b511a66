//! `rollout ...`: looks at rollouts, drives them, and tells them what to do.

use crate::arguments::{Environment, EvidenceCommand, RolloutCommand, Running, Said, Variables};
use crate::error::{CommandError, Exit};
use crate::planning;
use crate::project::Project;
use crate::rollouts::{self, Fleet};
use crate::running;
use crate::session::Session;
use crate::store::{self, Store};
use ::rollout::evidence;
use engine::{Clock as _, Level, SystemClock};
use model::Diagnostic;
use model::rollout::entry::{Entry, RolloutHead, Verb, What};
use serde_json::json;
use state::holder::Holder;
use state::rollout_entries;
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
        RolloutCommand::Approve { environment, plan, person } => {
            approve(session, &environment, &plan, person).await
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

/// What is recorded of an environment, to look at: nothing secret is read, so no key is needed.
struct Records {
    project: Project,
    store: Store,
}

async fn looked(session: &Session, environment: &Environment) -> Result<Records, CommandError> {
    let project = Project::load(session, environment)?;
    let Some(store) = Store::open(&project).await? else {
        return Err(none_under_way(&project.environment));
    };
    Ok(Records { project, store })
}

impl Records {
    /// The rollout that is under way.
    async fn under_way(&self) -> Result<(String, RolloutHead), CommandError> {
        let first = self.store.load().await?.rollouts.into_iter().next();
        first.ok_or_else(|| none_under_way(&self.project.environment))
    }

    /// All entries of all rollouts, as far as the journal goes back.
    async fn all(&self) -> Result<Vec<Entry>, CommandError> {
        let journal = self.store.port.journal(0).await?;
        let rollouts = journal.into_iter().filter(|entry| entry.kind == "rollout");
        rollouts.map(|entry| readable(serde_json::from_value(entry.body))).collect()
    }

    /// The entries of a rollout, of the last one if none is named.
    async fn chosen(&self, rollout: Option<&str>) -> Result<(String, Vec<Entry>), CommandError> {
        let entries = self.all().await?;
        let last = || entries.last().map(|entry| entry.rollout.clone());
        let Some(id) = rollout.map(str::to_owned).or_else(last) else {
            return Err(none_under_way(&self.project.environment));
        };
        let entries = of(&entries, &id)?;
        Ok((id, entries))
    }
}

/// The rollout that is under way, with all that it takes to drive it or to tell it something.
struct UnderWay {
    fleet: Fleet,
    id: String,
    head: RolloutHead,
}

async fn opened(session: &Session, environment: &Environment) -> Result<Fleet, CommandError> {
    let Records { project, store } = looked(session, environment).await?;
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
    let records = looked(session, environment).await?;
    let (id, head) = records.under_way().await?;
    let entries = rollout_entries(records.store.port.as_ref(), &id, head.began).await?;
    let model = Model::of(entries.iter().map(|(_, entry)| entry));
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
    let records = looked(session, environment).await?;
    let (id, head) = records.under_way().await?;
    let (cancel, clock) = (running::listen()?, SystemClock::new(0));
    let live = Live::new(&session.console, session.json);
    let mut next = head.began;
    loop {
        let entries = rollout_entries(records.store.port.as_ref(), &id, next).await?;
        for (_, entry) in &entries {
            live.take(entry);
        }
        next = entries.last().map_or(next, |(sequence, _)| sequence + 1);
        live.tick(rollouts::now_ms());
        if matches!(entries.last(), Some((_, Entry { what: What::Ended { .. }, .. }))) {
            live.finish(rollouts::now_ms());
            return Ok(Exit::Done);
        }
        tokio::select! {
            () = cancel.reached(Level::Finish) => {
                live.finish(rollouts::now_ms());
                return Ok(Exit::Interrupted);
            }
            () = clock.sleep(LOOK_EVERY) => {}
        }
    }
}

async fn drive(
    session: &Session,
    environment: &Environment,
    running: Running,
) -> Result<Exit, CommandError> {
    let Environment { target, variables } = environment;
    if target.is_file() {
        refuse_variables(variables)?;
        let saved = store::load_plan(session, target, Variables::default()).await?;
        return rollouts::saved::run(session, saved, target, running).await;
    }
    let project = planning::load(session, environment)?;
    let Some(store) = Store::open(&project).await? else {
        return Err(none_under_way(&project.environment));
    };
    let fleet = Fleet::new(session, project, store, running)?;
    let UnderWay { fleet, id, head } = under_way(fleet).await?;
    let (_, exit) = rollouts::resumed(fleet, &id, &head).await?;
    Ok(exit)
}

/// A saved plan has the values of its variables.
fn refuse_variables(variables: &Variables) -> Result<(), CommandError> {
    if variables.values.is_empty() && variables.files.is_empty() {
        return Ok(());
    }
    Err(Diagnostic::error("plan-is-complete", "a saved plan holds the values of its variables")
        .with_hint("leave --var and --var-file out")
        .into())
}

async fn say(session: &Session, said: Said, verb: Verb) -> Result<Exit, CommandError> {
    let fleet = opened(session, &said.environment).await?;
    let UnderWay { fleet, id, .. } = under_way(fleet).await?;
    rollouts::say(&fleet, &id, verb, said.why).await?;
    told(&fleet, &id, views::rollout::telling::verb_name(verb), None).await?;
    Ok(Exit::Done)
}

async fn approve(
    session: &Session,
    environment: &Environment,
    hash: &str,
    person: Option<String>,
) -> Result<Exit, CommandError> {
    let holder = Holder::current();
    // The same person counts once, from whatever host and however often.
    let (by, through) = match person {
        Some(name) => (named(&name)?, Some(format!("{} on {}", holder.owner, holder.host))),
        None => (holder.owner, None),
    };
    let UnderWay { fleet, id, .. } = under_way(opened(session, environment).await?).await?;
    let what = |state: &::rollout::State| {
        let (stage, valid_ms) = ::rollout::approvable(state, None, hash)?;
        let valid_ms = i64::try_from(valid_ms).unwrap_or(i64::MAX);
        let until_ms = rollouts::now_ms().saturating_add(valid_ms);
        let (by, through, plan_hash) = (by.clone(), through.clone(), hash.to_owned());
        Ok(What::Approved { stage, by, through, until_ms, plan_hash })
    };
    rollouts::speak(&fleet, &id, what).await?;
    told(&fleet, &id, "approve", Some(&by)).await?;
    Ok(Exit::Done)
}

/// A name that can be counted and shown.
fn named(name: &str) -> Result<String, CommandError> {
    let name = name.trim();
    if !name.is_empty() && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(Diagnostic::error("rollout-person", "`--as` names nobody")
        .with_hint("write a name: --as alice")
        .into())
}

/// What was said is durable, `by` somebody who counts; whether anybody hears it now is told.
async fn told(fleet: &Fleet, id: &str, verb: &str, by: Option<&str>) -> Result<(), CommandError> {
    let leases = fleet.store.port.leases().await?;
    let driver = leases.iter().find(|info| matches!(info.scope, state::Scope::Rollout { .. }));
    let (session, target) = (&fleet.session, &fleet.project.target);
    let person = by.map(|name| format!(" by {name}")).unwrap_or_default();
    let text = match driver {
        Some(info) => format!(
            "`{verb}`{person} is recorded; {} on {} (process {}) drives rollout {id} and follows it.",
            info.owner, info.host, info.pid
        ),
        None => format!(
            "`{verb}`{person} is recorded, and nobody drives rollout {id} now: {} rollout run {target}",
            session.program
        ),
    };
    if session.json {
        let is_driven = driver.is_some();
        session
            .console
            .json(&json!({ "rollout": id, "said": verb, "by": by, "driven": is_driven }));
    } else {
        session.console.message_line(&text);
    }
    Ok(())
}

async fn tell_history(
    session: &Session,
    environment: &Environment,
    rollout: Option<&str>,
) -> Result<Exit, CommandError> {
    let entries = looked(session, environment).await?.all().await?;
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
    let (id, entries) = looked(session, environment).await?.chosen(rollout).await?;
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

async fn export(
    session: &Session,
    environment: &Environment,
    rollout: Option<&str>,
    out: &Path,
) -> Result<Exit, CommandError> {
    let records = looked(session, environment).await?;
    let (id, entries) = records.chosen(rollout).await?;
    let signer = evidence::signer(&records.store.sealer()?)
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
    let keys = evidence::public_keys(&looked(session, environment).await?.store.sealer()?);
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
            "unfounded": report.unfounded.as_ref().map(ToString::to_string),
        }));
    }
    if report.is_sound() {
        let text = format!(
            "{} is sound: every record is as it was signed, and every verdict, rollback and end follows from what was measured and seen before it.",
            file.display()
        );
        session.console.message_line(&text);
        return Ok(Exit::Done);
    }
    let summary = match &report.unfounded {
        Some(_) if report.faults.is_empty() => {
            format!(
                "{} has a verdict or a reason that does not follow from what is in it",
                file.display()
            )
        }
        _ => format!("{} is not what was signed", file.display()),
    };
    let mut faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    faults.extend(report.unfounded.iter().map(ToString::to_string));
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
