//! What of a rollout can never work, found before it begins and told where it is written.
//!
//! Rules come from the language, which tells what is wrong with an argument, a block or two of them. Here is what hangs on more: the time,
//! the nodes and the stages they come with, how often a gate is measured in a bake. Of rules that did not come that way (a plan of another
//! version of the program, say) only those are refused that would let nodes go on unjudged. An error is what keeps the
//! rollout from ever ending well; a warning what its author should know. Refuses to know: syntax, whether a metric source can be reached.

use crate::foresee::{expected, rules, sizes};
use crate::selection::amount;
use crate::verdict::{compares, sample};
use crate::window::closed;
use crate::words::{duration, grouped};
use model::Diagnostic;
use model::diagnostic::Span;
use model::rollout::entry::{NodeChange, SetStart, StageNodes};
use model::rollout::{Check, Gate, Rollout, Stage, StageGate};
use std::collections::BTreeSet;

/// Findings, with the place they are about.
pub(crate) struct Findings(Vec<Diagnostic>);

impl Findings {
    /// Adds a finding about a place.
    pub(crate) fn add(&mut self, span: Option<&Span>, found: Diagnostic) {
        self.0.push(match span {
            Some(span) => found.with_label(span.clone(), ""),
            None => found,
        });
    }
}

/// What can never work of a rollout of these node sets, at a time (Unix milliseconds): their rules, and these rules with
/// these nodes.
pub fn validate(sets: &[SetStart], now_ms: i64) -> Vec<Diagnostic> {
    let mut found = Findings(Vec::new());
    let mut known: Vec<&Rollout> = Vec::new();
    for set in sets {
        // Rules that two sets share are told of once.
        if !known.contains(&&set.rollout) {
            known.push(&set.rollout);
            check_rules(&set.rollout, now_ms, &mut found);
        }
    }
    validate_nodes(sets, &mut found);
    found.0
}

/// What cannot work with these nodes, though the rules by themselves may be sound.
fn validate_nodes(sets: &[SetStart], found: &mut Findings) {
    let mut names = BTreeSet::new();
    for set in sets {
        check_nodes(set, found);
        for node in set.nodes.iter().filter(|node| !names.insert(node.name.as_str())) {
            let text = format!("node `{}` is in the rollout twice", node.name);
            found.add(set.rollout.span.as_ref(), Diagnostic::error("rollout-node-twice", text));
        }
    }
}

fn check_rules(rollout: &Rollout, now_ms: i64, found: &mut Findings) {
    if let Some(gap) = rollout.gap() {
        let text = format!("{} lets nodes go on unjudged: {gap}", rollout.name);
        let hint = "make a new plan: it tells what is wrong, and where";
        let error = Diagnostic::error("rollout-rules", text).with_hint(hint);
        found.add(rollout.span.as_ref(), error);
    }
    for stage in &rollout.stages {
        check_stage(rollout, stage, found);
    }
    if let Some(shut) = closed(&rollout.windows, now_ms).filter(|shut| shut.until_ms.is_none()) {
        let span = rollout.windows.iter().find_map(|window| window.span.as_ref());
        let text =
            format!("no stage may begin within a year: window `{}` never allows it", shut.name);
        let hint = "deny wins; with a window that allows, nothing outside of it is allowed";
        found.add(
            span.or(rollout.span.as_ref()),
            Diagnostic::error("rollout-window-never", text).with_hint(hint),
        );
    }
}

fn check_stage(rollout: &Rollout, stage: &Stage, found: &mut Findings) {
    if stage.gates.is_empty() {
        let text = format!("stage `{}` has no gate: only dead nodes stop it", stage.name);
        found.add(
            stage.span.as_ref(),
            Diagnostic::warning("rollout-no-gates", text)
                .with_hint("name gates that judge the candidate"),
        );
    }
    for gate in &stage.gates {
        if let Some(declared) = rollout.gates.get(&gate.gate) {
            check_gate(stage, gate, declared, found);
        }
    }
}

/// Whether a gate can be measured as often as it must, and its bounds leave room.
fn check_gate(stage: &Stage, gate: &StageGate, declared: &Gate, found: &mut Findings) {
    let span = gate.span.as_ref().or(stage.span.as_ref());
    let name = &gate.gate;
    if let Check::Value { proceed_above: Some(low), proceed_below: Some(high), .. } = gate.check
        && low >= high
    {
        let text = format!("gate `{name}`: nothing is above {low} and below {high}");
        found.add(span, Diagnostic::error("rollout-threshold", text));
    }
    let (Check::Value { consecutive, .. } | Check::Yes { consecutive }) = gate.check else {
        return;
    };
    let row_ms = declared.interval_ms.saturating_mul(u64::from(consecutive));
    let text = format!(
        "gate `{name}` needs {consecutive} measurements in a row, {}; stage `{}` bakes for {}",
        duration(row_ms),
        stage.name,
        duration(stage.bake_ms)
    );
    if row_ms > stage.bake_ms.saturating_add(stage.deadline_ms) {
        found.add(span, Diagnostic::error("rollout-consecutive", text));
    } else if row_ms > stage.bake_ms {
        let hint = match gate.check {
            Check::Yes { .. } => {
                "so many noes do not fit into the bake: the stage is over before they are harm"
            }
            _ => "the stage will be held beyond its bake",
        };
        found.add(span, Diagnostic::warning("rollout-consecutive", text).with_hint(hint));
    }
}

/// What cannot work with these nodes.
fn check_nodes(set: &SetStart, found: &mut Findings) {
    let rollout = &set.rollout;
    let changing = set.nodes.iter().filter(|node| node.change != NodeChange::None);
    let changing = u32::try_from(changing.count()).unwrap_or(u32::MAX);
    if changing == 0 {
        return;
    }
    for (stage, number) in rollout.stages.iter().zip(0_u32..) {
        if set.stages.iter().all(|it| it.stage != number) {
            let nodes = amount(stage.nodes, changing).max(1);
            let (name, set) = (&stage.name, &set.node_set);
            let text = format!(
                "stage `{name}` adds no node of `{set}`: {nodes} of {changing} are in other stages"
            );
            let hint = "it is left out; a larger share, or fewer stages, say what happens";
            found.add(
                stage.span.as_ref(),
                Diagnostic::warning("rollout-stage-adds-nothing", text).with_hint(hint),
            );
        }
    }
    check_domains(set, found);
    for (place, stage) in set.stages.iter().enumerate() {
        check_reach(set, place, stage, found);
    }
}

/// Domains in which no node may ever be down, though nodes must go down to be changed.
fn check_domains(set: &SetStart, found: &mut Findings) {
    let surges = crate::batch::surges(set);
    let stuck = set.nodes.iter().find(|node| {
        let goes = match node.change {
            NodeChange::Update => true,
            NodeChange::Replace => !surges,
            _ => false,
        };
        goes && crate::batch::unavailable(set, &node.domain) == 0
    });
    if let Some(node) = stuck {
        let text = format!(
            "max_unavailable is 0: node `{}` of `{}` can never be changed",
            node.name, set.node_set
        );
        let hint = "a node that is changed in place is down meanwhile: say at least 1";
        found.add(
            set.rollout.span.as_ref(),
            Diagnostic::error("rollout-max-unavailable", text).with_hint(hint),
        );
    }
}

/// Gates that cannot reach a verdict with the nodes of a stage.
fn check_reach(set: &SetStart, place: usize, stage: &StageNodes, found: &mut Findings) {
    let Some(rules) = rules(set, stage) else {
        return;
    };
    let (candidates, control) = sizes(set, place);
    for gate in &rules.gates {
        let span = gate.span.as_ref().or(rules.span.as_ref());
        let (name, at) = (&gate.gate, &rules.name);
        if compares(&gate.check) && control == 0 {
            let text = format!(
                "gate `{name}` compares with the control group, and there is none in stage `{at}` of `{}`",
                set.node_set
            );
            let hint = "compare in earlier stages only, or raise `holdback`";
            found.add(span, Diagnostic::error("rollout-no-control", text).with_hint(hint));
        }
        let Check::Rate { min_sample, .. } = &gate.check else {
            continue;
        };
        let budget = set.rollout.error_budget;
        let whole_ms = rules.bake_ms.saturating_add(rules.deadline_ms);
        let least = sample(*min_sample);
        let (Some(bake), Some(whole)) =
            (expected(budget, candidates, rules.bake_ms), expected(budget, candidates, whole_ms))
        else {
            continue;
        };
        let hint = "a longer bake, more nodes or a smaller `min_sample` reach it";
        let text = |events: f64, ms| {
            format!(
                "gate `{name}` needs {} events and {} are expected in {} of stage `{at}` of `{}`",
                grouped(least),
                grouped(events.floor()),
                duration(ms),
                set.node_set
            )
        };
        if whole < least {
            found.add(
                span,
                Diagnostic::error("rollout-sample", text(whole, whole_ms)).with_hint(hint),
            );
        } else if bake < least {
            found.add(
                span,
                Diagnostic::warning("rollout-sample", text(bake, rules.bake_ms)).with_hint(hint),
            );
        }
    }
}
