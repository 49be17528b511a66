//! What a plan means for nodes with a rollout, before anything is done.

use crate::error::CommandError;
use crate::project::Project;
use crate::running::point;
use model::plan::{Action, Plan};
use model::record::Recorded;
use model::restore_point::PointName;
use model::rollout::entry::{NodeChange, SetStart, Start};
use model::rollout::foresight::{Foresight, PlannedPoint};
use model::rollout::{Gate, Rollout, Source};
use model::{Address, Diagnostic, Severity, SourceMap};
use recovery::capture::{self, Schemas};
use rollout::changes::SharedChange;
use rollout::source::{Ask, Selectors, source_for};
use std::collections::{BTreeMap, BTreeSet};

/// A rollout that a plan asks for.
pub struct Foreseen {
    /// What is told of it.
    pub foresight: Foresight,
    /// Its rules, by node set, with what is secret in them.
    pub rules: BTreeMap<String, Rollout>,
    /// The hash of the plan, which approvals are bound to.
    pub plan_hash: String,
    /// The state version that the stable revision is read from.
    pub stable_serial: u64,
    /// The rollout that is under way and whose place it would take.
    pub under_way: Option<String>,
    /// What belongs to no node and changes with the waves that need it.
    pub shared: Vec<SharedChange>,
    /// A service that may list the machines that come, and learns of them at the end, or with its own node.
    pub late_list: Option<Address>,
    /// Why it does not follow them wave by wave; empty where that was not tried.
    pub late_because: String,
    /// Node sets that ask for a restore point, of whose nodes nothing can be captured.
    pub uncaptured: BTreeSet<String>,
}

/// What a restore point before the first wave has, and the node sets that ask for one in vain: their nodes are there, and no
/// provider says how what is on them is captured.
pub fn planned_point(
    rollout: &str,
    sets: &[SetStart],
    recorded: &Recorded,
    schemas: &Schemas,
) -> (Option<PlannedPoint>, BTreeSet<String>) {
    let asking = || sets.iter().filter(|set| set.rollout.snapshot_before);
    let Some(name) = asking().next().and_then(|_| PointName::of_rollout(rollout).ok()) else {
        return (None, BTreeSet::new());
    };
    let (mut objects, mut uncaptured) = (BTreeSet::new(), BTreeSet::new());
    for set in asking() {
        let there = set.nodes.iter().filter(|node| node.change != NodeChange::Create);
        let nodes = there.map(|node| (set.node_set.clone(), node.name.clone()));
        let nodes: BTreeSet<_> = nodes.collect();
        let sources = capture::of_nodes(recorded, schemas, &nodes);
        if sources.is_empty() && !nodes.is_empty() {
            uncaptured.insert(set.node_set.clone());
        }
        objects.extend(sources.into_iter().map(|source| source.record.address.clone()));
    }
    (Some(PlannedPoint { name, objects }), uncaptured)
}

impl Foreseen {
    /// What the rollout begins with; `answers` are digests of what data sources said.
    pub fn start(&self, plan: &Plan, answers: BTreeMap<Address, String>, by: String) -> Start {
        Start {
            environment: plan.environment.clone(),
            sets: self.foresight.sets.clone(),
            configuration_digest: plan.configuration_digest.clone(),
            plan_hash: self.plan_hash.clone(),
            stable_serial: self.stable_serial,
            by,
            lists: self.foresight.lists.clone(),
            answers,
        }
    }
}

/// The rollout that a plan asks for; none if it changes no node of a set with a rollout. `recorded` is what the plan was
/// made from, `stable_serial` the version that the nodes go back to.
pub fn foresee(
    plan: &Plan,
    recorded: &Recorded,
    (rules, order): (BTreeMap<String, Rollout>, &[String]),
    stable_serial: u64,
    schemas: &Schemas,
) -> Result<Option<Foreseen>, CommandError> {
    // The same plan of the same state chooses the same nodes, in `plan` and in `apply`.
    let seed = format!("{}\n{}\n{}", recorded.lineage, plan.configuration_digest, recorded.serial);
    let id = model::digest::sha256_hex(seed.as_bytes())[..12].to_owned();
    let sets = rollout::changes::sets(&id, plan, recorded, &rules, order);
    if sets.is_empty() {
        return Ok(None);
    }
    let mut foresight = rollout::foresee(&id, &sets);
    let (restore_point, uncaptured) = planned_point(&id, &sets, recorded, schemas);
    foresight.restore_point = restore_point;
    let plan_hash = hash(plan, &sets)?;
    let under_way = recorded.rollouts.keys().next().cloned();
    let shared = rollout::changes::shared(plan, recorded, &sets);
    let late_list = rollout::changes::late_list(plan, &sets, &foresight.lists).cloned();
    Ok(Some(Foreseen {
        foresight,
        rules,
        plan_hash,
        stable_serial,
        under_way,
        shared,
        late_list,
        late_because: String::new(),
        uncaptured,
    }))
}

/// The hash of what is going to happen: what changes, and in which stages.
fn hash(plan: &Plan, sets: &[SetStart]) -> Result<String, CommandError> {
    let what = (&plan.configuration_digest, &plan.operations, sets);
    let json = serde_json::to_vec(&what).map_err(|error| {
        Diagnostic::error("rollout-entry", format!("the plan cannot be written as JSON: {error}"))
    })?;
    Ok(model::digest::sha256_hex(&json))
}

/// Refuses what can never work; warnings are given back. Whoever answers queries is asked whether they read.
pub async fn check(
    project: &Project,
    foreseen: &Foreseen,
    now_ms: i64,
) -> Result<Vec<Diagnostic>, CommandError> {
    let sets = &foreseen.foresight.sets;
    let mut found = rollout::validate(sets, now_ms);
    found.extend(foreseen.shared.iter().map(|shared| told(shared, &project.sources)));
    for set in sets {
        let late = foreseen.late_list.iter();
        found.extend(late.flat_map(|list| unseen(set, list, foreseen)));
        if foreseen.uncaptured.contains(&set.node_set) {
            let summary = format!("nothing of the nodes of `{}` can be captured", set.node_set);
            let mut error = Diagnostic::error("rollout-snapshot", summary)
                .with_detail(
                    "no resource type of theirs says how what is on its objects is captured",
                )
                .with_hint("leave `snapshot_before` out");
            if let Some(span) = &set.rollout.span {
                error = error.with_label(span.clone(), "asked for here");
            }
            found.push(error);
        }
        found.extend(misread(set, now_ms, &foreseen.rules).await);
    }
    if found.iter().any(|it| it.severity == Severity::Error) {
        return Err(CommandError::new(found, &project.sources));
    }
    Ok(found)
}

/// Gates that ask for the metrics of new machines, which nobody may be collecting yet.
fn unseen(set: &SetStart, list: &Address, foreseen: &Foreseen) -> Vec<Diagnostic> {
    let Some(node) = rollout::changes::new_machine(set) else { return Vec::new() };
    let gates = set.rollout.gates.values();
    let asking = gates.filter(|gate| matches!(gate.source, Source::Prometheus { .. }));
    let (when, instead) = if rollout::changes::is_of(list, &foreseen.foresight.sets) {
        ("with its own node, in stages of their own", "give the nodes that watch no `rollout`")
    } else {
        ("at the end of the rollout", "change the rest of it alone, before the nodes")
    };
    let late = format!("{list} changes {when}: until then it may not know them");
    let because = &foreseen.late_because;
    let detail = if because.is_empty() { late } else { format!("{late}\n{because}") };
    let warning = |gate: &Gate| {
        let summary = format!(
            "gate `{}` asks for metrics of new machines, such as {}'s, that may not be collected yet",
            gate.name, node.name
        );
        let mut warning = Diagnostic::warning("rollout-unseen", summary)
            .with_detail(detail.clone())
            .with_hint(format!("if it is what collects them, the gate has no data and the stage is rolled back at its deadline: {instead}; or let them be judged by `nodes` or `http` gates"));
        if let Some(span) = &gate.span {
            warning = warning.with_label(span.clone(), "in this gate");
        }
        warning
    };
    asking.map(warning).collect()
}

/// What happens to all nodes at once is no rollout of them.
fn told(shared: &SharedChange, sources: &SourceMap) -> Diagnostic {
    let SharedChange { address, action, nodes, place } = shared;
    let (count, first) = (nodes.len(), nodes.first().map(String::as_str).unwrap_or_default());
    let detail = format!("{count} nodes stand on it, {first} among them\ndeclared at {place}");
    let mut told = if *action == Action::Update {
        let summary = format!("the first wave that needs {address} changes it for all nodes");
        Diagnostic::warning("rollout-shared", summary)
            .with_hint("what belongs to no node has no stages; if it can do harm, apply it alone before the nodes change")
    } else {
        let summary = format!("{address} cannot be replaced in a rollout: other nodes stand on it");
        Diagnostic::error("rollout-shared", summary).with_hint(
            "make a new one beside it under another name, let the node set use that, and take the old one out of the configuration: it goes when no node is on it any more",
        )
    };
    told = told.with_detail(detail).about(address);
    point(&mut told, sources);
    told
}

/// Queries that do not read, as far as somebody can be asked.
async fn misread(
    set: &SetStart,
    now_ms: i64,
    rules: &BTreeMap<String, Rollout>,
) -> Vec<Diagnostic> {
    let Some(rules) = rules.get(&set.node_set) else { return Vec::new() };
    let names: Vec<String> = set.nodes.iter().map(|node| node.name.clone()).collect();
    let selectors = Selectors { candidate: names.clone(), control: names.clone(), stage: names };
    let mut found = Vec::new();
    for (name, gate) in &rules.gates {
        let Some(source) = source_for(gate) else { continue };
        let ask = Ask { selectors: selectors.clone(), window_ms: gate.interval_ms, now_ms };
        for problem in source.check_syntax(&ask).await.into_iter().flatten() {
            let summary = format!("`{}` of gate `{name}` does not read", problem.text);
            let at = problem.at.map(|at| format!(" (byte {at})")).unwrap_or_default();
            let mut error = Diagnostic::error("gate-query", summary)
                .with_detail(format!("{}{at}", problem.message));
            if let Some(span) = &gate.span {
                error = error.with_label(span.clone(), "in this gate");
            }
            found.push(error);
        }
    }
    found
}
