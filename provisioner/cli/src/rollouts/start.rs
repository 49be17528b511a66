//! `apply` where nodes have a rollout: it starts one, goes on with the one that is under way, or takes its place.
//!
//! Invariants: nothing is changed before the first entry is durable; a rollout that is under way ends before another of its
//! node sets begins, and what its nodes go back to stays the last stable revision.

use super::drive::{self, HANDOVER};
use super::foresee::{Foreseen, check, foresee};
use super::lists;
use super::world::Fleet;
use crate::arguments::Planning;
use crate::error::{CommandError, Exit};
use crate::planning::{self, Rules, Wishes, World};
use crate::running::Looking;
use engine::{ApplyError, Clock as _, Level, Purpose, Run, RunRequest, SystemClock};
use model::plan::{Actual, Plan};
use model::record::Recorded;
use model::rollout::entry::{RolloutHead, Start, Verb, What};
use model::{Address, Diagnostic};
use planner::Renamed;
use rollout::driver;
use serde_json::json;
use state::Scope;
use state::holder::Holder;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What became of an `apply`.
pub enum Begun {
    /// No node with a rollout changes: it is an ordinary apply, of this plan if it still fits.
    Plain(Box<Fleet>, Box<Plan>),
    /// A rollout that was under way has ended, with nodes changed by then: everything is to be looked at once more.
    Again(Box<Fleet>),
    /// It was a rollout's.
    Ended(Arc<Fleet>, Exit),
}

/// What was planned.
struct Planned {
    plan: Plan,
    rules: Rules,
    recorded: Recorded,
}

/// Starts a rollout, or goes on with one.
pub async fn apply(
    mut fleet: Fleet,
    planning: &Planning,
    wishes: &Wishes,
    detach: bool,
) -> Result<Begun, CommandError> {
    let Some(Planned { plan, rules, recorded }) = look(&fleet, planning, wishes).await? else {
        fleet.session.console.message_line("Interrupted; nothing was done.");
        return Ok(Begun::Ended(Arc::new(fleet), Exit::Interrupted));
    };
    let under_way = recorded.rollouts.iter().next();
    let under_way = under_way.map(|(id, head)| (id.clone(), head.clone()));
    let order = rules.order.clone();
    take(&mut fleet, rules, &recorded);
    let serial = under_way.as_ref().map_or(recorded.serial, |(_, head)| head.stable_serial);
    let schemas = fleet.wired.factory.schemas();
    let foreseen = foresee(&plan, &recorded, (fleet.rules.clone(), &order), serial, schemas)?;
    if let Some((id, head)) = &under_way {
        refuse_targets(wishes, &head.node_sets)?;
        let (_, state) =
            driver::folded(fleet.store.port.as_ref(), id).await.map_err(drive::told)?;
        let same_answers = other_answers(&fleet, state.started()).is_empty();
        if state.started().configuration_digest == plan.configuration_digest && same_answers {
            let text = format!("Rollout {id} is under way; this goes on with it.");
            fleet.session.console.message_line(&text);
            let (fleet, exit) = go_on(fleet, id, head).await?;
            return Ok(Begun::Ended(fleet, exit));
        }
    }
    let Some(mut foreseen) = foreseen else {
        if let Some((id, head)) = under_way {
            let fleet = end_running(Arc::new(fleet), &id, &head).await?;
            let fleet = Arc::into_inner(fleet).ok_or_else(busy)?;
            return Ok(Begun::Again(Box::new(fleet)));
        }
        return Ok(Begun::Plain(Box::new(fleet), Box::new(plan)));
    };
    let sets: Vec<String> =
        foreseen.foresight.sets.iter().map(|set| set.node_set.clone()).collect();
    refuse_targets(wishes, &sets)?;
    lists::find(&fleet.workshop(), &fleet.store, &plan, &recorded, &mut foreseen).await?;
    let warnings = check(&fleet.project, &foreseen, now_ms()).await?;
    fleet.session.show(&warnings, &fleet.project.sources);
    fleet.ready().announce(&plan);
    announce(&fleet, &foreseen);
    if !fleet.ready().is_agreed(&plan, &fleet.cancel).await {
        let early = fleet.cancel.level() > Level::Running;
        let text = if early { "Interrupted; nothing was done." } else { "Nothing was done." };
        fleet.session.console.message_line(text);
        let declined = || CommandError::default();
        return if early {
            Ok(Begun::Ended(Arc::new(fleet), Exit::Interrupted))
        } else {
            Err(declined())
        };
    }
    let mut fleet = Arc::new(fleet);
    if let Some((id, head)) = under_way {
        fleet = end_running(fleet, &id, &head).await?;
    }
    begin(fleet, &plan, &foreseen, detach).await
}

/// Makes the first entry durable and drives the rollout, unless that is left to others.
pub(super) async fn begin(
    fleet: Arc<Fleet>,
    plan: &Plan,
    foreseen: &Foreseen,
    detach: bool,
) -> Result<Begun, CommandError> {
    fleet.project.answers.keep();
    let id = foreseen.foresight.rollout.clone();
    let sets = foreseen.foresight.sets.iter().map(|set| set.node_set.clone()).collect();
    let run = hold(&fleet, sets, fleet.running.calling.lock_timeout).await?;
    if let Err(error) = record_start(&fleet, &run, plan, foreseen).await {
        run.finish().await?;
        return Err(error);
    }
    if detach {
        run.finish().await?;
        let (program, what) = (&fleet.session.program, &fleet.resumed_with);
        fleet.session.console.message_line(&format!(
            "Rollout {id} has begun and waits for whoever drives it: {program} rollout run {what}"
        ));
        return Ok(Begun::Ended(fleet, Exit::Done));
    }
    let driven = drive::drive(fleet.clone(), &id, run, false).await?;
    let exit = drive::ended(&fleet, &id, &driven)?;
    Ok(Begun::Ended(fleet, exit))
}

/// The first entry; a saved plan must still fit what is recorded by then.
async fn record_start(
    fleet: &Fleet,
    run: &Run,
    plan: &Plan,
    foreseen: &Foreseen,
) -> Result<(), CommandError> {
    if fleet.agreed.is_some() {
        fleet.wired.engine.check_beginning(plan).await?;
    }
    let (store, id) = (fleet.store.port.as_ref(), &foreseen.foresight.rollout);
    let answers = fleet.project.answers.digests(fleet.wired.factory.schemas());
    let start = foreseen.start(plan, answers, who());
    Ok(driver::begin(store, run.lease()?, start, id, now_ms()).await?)
}

/// The data sources that say something else than when the rollout began.
fn other_answers(fleet: &Fleet, start: &Start) -> Vec<Address> {
    let now = fleet.project.answers.digests(fleet.wired.factory.schemas());
    let differs = |(address, digest): &(&Address, &String)| {
        start.answers.get(*address).is_some_and(|before| before != *digest)
    };
    now.iter().filter(differs).map(|(address, _)| address.clone()).collect()
}

/// All waves are of one candidate, so data sources, which whoever goes on has asked once, must say what they said when the
/// rollout began. What a saved plan brought with it was not asked for.
fn expect_same_answers(fleet: &Fleet, id: &str, start: &Start) -> Result<(), CommandError> {
    let others = other_answers(fleet, start);
    let Some(first) = others.first() else { return Ok(()) };
    let names: Vec<_> = others.iter().map(ToString::to_string).collect();
    let summary =
        format!("rollout {id} began when data sources said something else: {}", names.join(", "));
    Err(Diagnostic::error("rollout-other-data", summary)
        .with_detail(
            "The nodes that are left would get something else than those that were judged.",
        )
        .with_hint("`apply` takes its place, with what they say now; or `rollout abort`")
        .about(first)
        .into())
}

/// Goes on with a rollout whose configuration is still the one that it began with.
pub async fn resumed(
    mut fleet: Fleet,
    id: &str,
    head: &RolloutHead,
) -> Result<(Arc<Fleet>, Exit), CommandError> {
    let recorded = fleet.store.load().await?;
    let (_, state) = driver::folded(fleet.store.port.as_ref(), id).await.map_err(drive::told)?;
    let is_going_back = state.phase() == rollout::Phase::RollingBack;
    let renamed = planning::renamed(&fleet.session, &fleet.project, &recorded);
    let digest = match take_rules(&mut fleet, &renamed, true).await {
        // The way back does not hang on what data sources say now.
        Err(_) if is_going_back => take_rules(&mut fleet, &renamed, false).await?,
        taken => taken?,
    };
    if let (Some(plan), false) = (&fleet.agreed, is_going_back) {
        super::saved::expect_whole(plan, &digest)?;
    }
    if state.started().configuration_digest != digest && !is_going_back {
        let summary =
            format!("rollout {id} began with another configuration, or with other variables");
        return Err(Diagnostic::error("rollout-other-configuration", summary)
            .with_hint("give the files and the variables that it began with; or `apply`, which takes its place; or `rollout abort`")
            .into());
    }
    if fleet.agreed.is_none() && !is_going_back {
        expect_same_answers(&fleet, id, state.started())?;
    }
    go_on(fleet, id, head).await
}

/// Goes on with a rollout that nobody drives, or waits for whoever does.
async fn go_on(
    fleet: Fleet,
    id: &str,
    head: &RolloutHead,
) -> Result<(Arc<Fleet>, Exit), CommandError> {
    fleet.project.answers.keep();
    let fleet = Arc::new(fleet);
    let sets = head.node_sets.iter().cloned().collect();
    let run = hold(&fleet, sets, fleet.running.calling.lock_timeout).await?;
    let driven = drive::drive(fleet.clone(), id, run, true).await?;
    let exit = drive::ended(&fleet, id, &driven)?;
    Ok((fleet, exit))
}

/// Ends a rollout because something newer takes its place: whoever drives it is asked to, and if nobody does it is ended
/// here.
pub async fn end_running(
    fleet: Arc<Fleet>,
    id: &str,
    head: &RolloutHead,
) -> Result<Arc<Fleet>, CommandError> {
    let text =
        format!("Rollout {id} is under way and is superseded; its wave comes to its end first.");
    fleet.session.console.message_line(&text);
    say(&fleet, id, Verb::Supersede, Some(fleet.ready().command)).await?;
    let run = hold(&fleet, head.node_sets.iter().cloned().collect(), HANDOVER).await?;
    let recorded = fleet.store.load().await?;
    if recorded.rollouts.contains_key(id) {
        drive::drive(fleet.clone(), id, run, true).await?;
    } else {
        run.finish().await?;
    }
    Ok(fleet)
}

/// Says something to a rollout, as the user.
pub async fn say(
    fleet: &Fleet,
    id: &str,
    verb: Verb,
    why: Option<String>,
) -> Result<(), CommandError> {
    let what = |state: &rollout::State| {
        rollout::admissible(state, verb)?;
        Ok(What::Asked { verb, by: who(), why: why.clone() })
    };
    speak(fleet, id, what).await
}

/// Writes an entry on behalf of the user.
pub async fn speak(
    fleet: &Fleet,
    id: &str,
    what: impl Fn(&rollout::State) -> Result<What, String>,
) -> Result<(), CommandError> {
    let scope = Scope::of(BTreeSet::new(), BTreeSet::new());
    let request = RunRequest { wait: Duration::from_secs(10), ..fleet.ready().request() };
    let run = fleet.wired.engine.begin_run(&request, scope, &fleet.cancel).await?;
    let said = driver::say(fleet.store.port.as_ref(), run.lease()?, id, now_ms(), what).await;
    run.finish().await?;
    match said.map_err(drive::told)? {
        Ok(()) => Ok(()),
        Err(why) => {
            let summary = format!("rollout {id} does not take that now: {why}");
            Err(Diagnostic::error("rollout-not-now", summary)
                .with_hint("`rollout status` shows where it is")
                .into())
        }
    }
}

/// Takes the rollouts of node sets.
async fn hold(fleet: &Fleet, sets: BTreeSet<String>, wait: Duration) -> Result<Run, CommandError> {
    let request = RunRequest { wait, ..fleet.ready().request() };
    Ok(fleet.wired.engine.begin_run(&request, Scope::rollout(sets), &fleet.cancel).await?)
}

/// Looks at what is there and plans everything.
async fn look(
    fleet: &Fleet,
    planning: &Planning,
    wishes: &Wishes,
) -> Result<Option<Planned>, CommandError> {
    let ready = fleet.ready();
    let engine = &fleet.wired.engine;
    let recorded = match engine.recover(&ready.request(), Purpose::Apply, &fleet.cancel).await {
        Err(ApplyError::Interrupted) => return Ok(None),
        recovered => recovered?,
    };
    let rename = |recorded: Recorded| planning::renamed(&fleet.session, &fleet.project, &recorded);
    let renamed = rename(recorded);
    let looking = Looking {
        refresh: planning.refresh,
        targets: &wishes.targets,
        strays: planning.strays,
        rename: &rename,
    };
    // The rules of the last plan that was made: what is decided by data sources is in them.
    let rules = RefCell::new(None);
    let make = async |seen: &World<'_>| {
        let made = fleet.workshop().make(seen, wishes.clone()).await?;
        rules.replace(Some(made.rules));
        Ok(made.plan)
    };
    let plan = ready.look_and_plan(&renamed, &looking, &fleet.cancel, make).await?;
    let Renamed { recorded, .. } = renamed;
    Ok(plan.zip(rules.into_inner()).map(|(plan, rules)| Planned { plan, rules, recorded }))
}

/// Takes the rules and the nodes of the configuration into the fleet where no plan is made; gives the configuration's digest. Data sources
/// are asked if that is wished.
pub(super) async fn take_rules(
    fleet: &mut Fleet,
    Renamed { recorded, moved, .. }: &Renamed,
    asks: bool,
) -> Result<String, CommandError> {
    let world = World { recorded, actual: &Actual::new(), moved };
    let rules = fleet.workshop().rules(&world, asks).await?;
    let digest = rules.configuration_digest.clone();
    take(fleet, rules, recorded);
    Ok(digest)
}

fn take(fleet: &mut Fleet, rules: Rules, recorded: &Recorded) {
    fleet.rules = rules.rollouts;
    fleet.nodes = rules.nodes;
    for (set, nodes) in &recorded.node_sets {
        let names = nodes.iter().map(|node| node.name.clone());
        fleet.nodes.entry(set.clone()).or_default().extend(names);
    }
}

pub(super) fn announce(fleet: &Fleet, foreseen: &Foreseen) {
    let console = &fleet.session.console;
    if fleet.session.json {
        let line = json!({ "event": "rollout_planned", "rollout": foreseen.foresight });
        console.data_line(&line.to_string());
    } else {
        let (palette, width) = (console.err_palette(), console.width());
        console.message(&views::rollout::foresight::human(&foreseen.foresight, palette, width));
        console.message("\n");
    }
}

/// A part of a rollout is none: what is left out would be changed in one go, or never.
pub(super) fn refuse_targets(wishes: &Wishes, sets: &[String]) -> Result<(), CommandError> {
    if wishes.targets.is_empty() && wishes.replace.is_empty() {
        return Ok(());
    }
    let sets = sets.join("`, `");
    let summary =
        format!("changes of node set `{sets}` are rolled out, and that takes all of the plan");
    Err(Diagnostic::error("rollout-targets", summary)
        .with_hint(
            "leave --target and --replace out; `rollout abort` ends a rollout that is under way",
        )
        .into())
}

/// What was begun before is still held.
pub fn busy() -> CommandError {
    Diagnostic::error("rollout-driver", "the rollout before has not come to rest")
        .with_hint("run the command again")
        .into()
}

/// The user, host and process of this program.
pub fn who() -> String {
    let Holder { owner, host, pid, .. } = Holder::current();
    format!("{owner} on {host} (process {pid})")
}

/// The time, Unix milliseconds.
pub fn now_ms() -> i64 {
    i64::try_from(SystemClock::new(0).wall_ms()).unwrap_or(i64::MAX)
}
