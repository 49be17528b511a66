//! What of a rollout can never work, found before it begins and told where it is written.
//!
//! [`validate_rules`] needs the rules alone; [`validate`] the nodes and the stages they come with too. An error is what
//! keeps the rollout from ever ending well; a warning what its author should know. Refuses to know: syntax, whether a metric
//! source can be reached.

mod gates;

use crate::foresee::{expected, rules, sizes};
use crate::selection::amount;
use crate::verdict::{compares, sample};
use crate::window::{closed, zone};
use crate::words::{duration, grouped};
use model::Diagnostic;
use model::diagnostic::Span;
use model::rollout::entry::{NodeChange, SetStart, StageNodes};
use model::rollout::{Amount, Check, Rollout, Stage, Window, WindowTime};
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
    found.0.extend(validate_nodes(sets));
    found.0
}

/// What cannot work with these nodes, though the rules by themselves may be sound.
pub fn validate_nodes(sets: &[SetStart]) -> Vec<Diagnostic> {
    let mut found = Findings(Vec::new());
    let mut names = BTreeSet::new();
    for set in sets {
        check_nodes(set, &mut found);
        for node in set.nodes.iter().filter(|node| !names.insert(node.name.as_str())) {
            let text = format!("node `{}` is in the rollout twice", node.name);
            found.add(set.rollout.span.as_ref(), Diagnostic::error("rollout-node-twice", text));
        }
    }
    found.0
}

/// What can never work of a rollout's rules, whatever the nodes are.
pub fn validate_rules(rollout: &Rollout, now_ms: i64) -> Vec<Diagnostic> {
    let mut found = Findings(Vec::new());
    check_rules(rollout, now_ms, &mut found);
    found.0
}

fn check_rules(rollout: &Rollout, now_ms: i64, found: &mut Findings) {
    check_limits(rollout, found);
    check_order(rollout, found);
    for stage in &rollout.stages {
        check_stage(rollout, stage, found);
    }
    for gate in rollout.gates.values() {
        gates::check_source(gate, found);
    }
    for window in &rollout.windows {
        check_window(window, found);
    }
    let sound = rollout.windows.iter().all(|window| window_fault(window).is_none());
    if let Some(shut) =
        closed(&rollout.windows, now_ms).filter(|shut| sound && shut.until_ms.is_none())
    {
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

fn check_limits(rollout: &Rollout, found: &mut Findings) {
    let span = rollout.span.as_ref();
    if rollout.max_parallel == 0 {
        let text = "max_parallel is 0: no node would ever be changed".to_owned();
        found.add(span, Diagnostic::error("rollout-max-parallel", text));
    }
    for (name, value) in
        [("max_unavailable", rollout.max_unavailable), ("max_surge", rollout.max_surge)]
    {
        if let Amount::Percent(percent) = value
            && !(0.0..=100.0).contains(&percent)
        {
            found.add(
                span,
                Diagnostic::error(
                    "rollout-percent",
                    format!("{name} is {percent} %, not from 0 to 100"),
                ),
            );
        }
    }
    let none = |value| matches!(value, Amount::Count(0)) || value == Amount::Percent(0.0);
    if none(rollout.max_unavailable) && none(rollout.max_surge) {
        let text = "max_unavailable and max_surge are 0: no node could ever be changed".to_owned();
        found.add(span, Diagnostic::error("rollout-max-unavailable", text));
    }
    if rollout.interval_ms == 0 {
        found.add(
            span,
            Diagnostic::error("rollout-interval", "the interval of measurements is 0".to_owned()),
        );
    }
    if let Some(budget) = rollout.error_budget {
        let share = budget.tolerated > 0.0 && budget.tolerated < 1.0;
        if !share
            || budget.period_ms == 0
            || budget.per_node_rate.is_nan()
            || budget.per_node_rate <= 0.0
        {
            let text =
                "an error budget needs a share between 0 and 1, a period and a rate".to_owned();
            found.add(span, Diagnostic::error("rollout-error-budget", text));
        }
    }
    for (one, other) in rollout.apart.iter().filter(|(one, other)| one == other) {
        let text = format!("node `{one}` is to be kept apart from itself (`{other}`)");
        found.add(span, Diagnostic::error("rollout-apart", text));
    }
}

fn check_order(rollout: &Rollout, found: &mut Findings) {
    let Some(last) = rollout.stages.last() else {
        let text = "a rollout needs at least one stage".to_owned();
        found.add(rollout.span.as_ref(), Diagnostic::error("rollout-no-stages", text));
        return;
    };
    if matches!(last.nodes, Amount::Percent(percent) if percent < 100.0) {
        let text = format!("the last stage, `{}`, does not hold all nodes", last.name);
        found.add(
            last.span.as_ref(),
            Diagnostic::error("rollout-last-stage", text).with_hint("say `nodes = \"100%\"`"),
        );
    }
    for pair in rollout.stages.windows(2) {
        let [before, after] = pair else {
            continue;
        };
        let fewer = match (before.nodes, after.nodes) {
            (Amount::Percent(before), Amount::Percent(after)) => after < before,
            (Amount::Count(before), Amount::Count(after)) => after < before,
            _ => false,
        };
        if fewer {
            let text = format!(
                "stage `{}` holds fewer nodes than `{}` before it",
                after.name, before.name
            );
            found.add(after.span.as_ref(), Diagnostic::error("rollout-stage-order", text));
        }
    }
    let mut names = BTreeSet::new();
    for stage in rollout.stages.iter().filter(|stage| !names.insert(&stage.name)) {
        let text = format!("there are two stages `{}`", stage.name);
        found.add(stage.span.as_ref(), Diagnostic::error("rollout-stage-twice", text));
    }
}

fn check_stage(rollout: &Rollout, stage: &Stage, found: &mut Findings) {
    let (span, name) = (stage.span.as_ref(), &stage.name);
    match stage.nodes {
        Amount::Percent(percent) if !(percent > 0.0 && percent <= 100.0) => {
            let text = format!("stage `{name}` holds {percent} % of the nodes, not above 0 to 100");
            found.add(span, Diagnostic::error("rollout-percent", text));
        }
        Amount::Count(0) => {
            let text = format!("stage `{name}` holds no node");
            found.add(span, Diagnostic::error("rollout-percent", text));
        }
        _ => {}
    }
    if stage.gates.is_empty() {
        let text = format!("stage `{name}` has no gate: only dead nodes stop it");
        found.add(
            span,
            Diagnostic::warning("rollout-no-gates", text)
                .with_hint("name gates that judge the candidate"),
        );
    } else if stage.deadline_ms == 0 {
        let text = format!("stage `{name}` has no deadline: what is inconclusive aborts at once");
        found.add(
            span,
            Diagnostic::error("rollout-deadline", text)
                .with_hint("say how long it is held, like `deadline = \"1h\"`"),
        );
    }
    if let Some(approval) = &stage.approval {
        if approval.people == 0 {
            let text = format!("stage `{name}` is to be approved by nobody");
            found.add(span, Diagnostic::error("rollout-approval", text));
        }
        if approval.valid_ms == 0 {
            let text = format!("an approval of stage `{name}` expires at once");
            found.add(span, Diagnostic::error("rollout-approval", text));
        }
    }
    let mut names = BTreeSet::new();
    for gate in &stage.gates {
        let span = gate.span.as_ref().or(stage.span.as_ref());
        if !names.insert(&gate.gate) {
            let text = format!("stage `{name}` names gate `{}` twice", gate.gate);
            found.add(span, Diagnostic::error("rollout-gate-twice", text));
        }
        if let Some(declared) = rollout.gates.get(&gate.gate) {
            gates::check_gate(stage, gate, declared, found);
        } else {
            let text = format!("stage `{name}` names gate `{}`, which there is not", gate.gate);
            found.add(span, Diagnostic::error("rollout-unknown-gate", text));
        }
    }
}

/// What is wrong with a window by itself.
fn window_fault(window: &Window) -> Option<String> {
    match &window.time {
        WindowTime::Once { from_ms, until_ms } if until_ms <= from_ms => {
            Some("it ends before it begins".to_owned())
        }
        WindowTime::Once { .. } => None,
        WindowTime::Weekly { days, from_minute, until_minute, timezone } => {
            if days.is_empty() {
                Some("it has no days".to_owned())
            } else if days.iter().any(|day| *day > 6) {
                Some("a week has seven days".to_owned())
            } else if *from_minute >= 1_440 || *until_minute > 1_440 {
                Some("a day has 24 hours".to_owned())
            } else if zone(timezone).is_none() {
                Some(format!("there is no time zone `{timezone}`"))
            } else {
                None
            }
        }
    }
}

fn check_window(window: &Window, found: &mut Findings) {
    if let Some(fault) = window_fault(window) {
        let text = format!("window `{}`: {fault}", window.name);
        found.add(window.span.as_ref(), Diagnostic::error("rollout-window", text));
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
    if let Some(Stage { nodes: Amount::Count(count), name, span, .. }) = rollout.stages.last()
        && *count < changing
    {
        let text = format!("the last stage, `{name}`, holds {count} of {changing} nodes");
        found.add(
            span.as_ref(),
            Diagnostic::error("rollout-last-stage", text).with_hint("say `nodes = \"100%\"`"),
        );
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
