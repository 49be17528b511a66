//! How a rollout stands: for people the frame of the live view with what was asked and held so far, for programs an object.
//!
//! Refuses to know: which rollout is asked for.

use super::figures::{between, moment, plain, span};
use super::fold::{AgreedView, Model, NodeState};
use super::live::frame;
use super::telling;
use crate::console::Palette;
use model::restore_point::PointName;
use model::rollout::entry::{Hold, Outcome, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many of the last requests are told.
const ASKED_TOLD: usize = 5;

/// For people, at a moment (Unix milliseconds).
pub fn human(model: &Model, now_ms: i64, width: usize, palette: Palette) -> String {
    if model.entries == 0 {
        return "No rollout has begun yet.\n".to_owned();
    }
    let mut text = frame(model, now_ms, width, palette);
    if let Some(end) = &model.end {
        push!(text, "  ended {}: {}\n", moment(end.at_ms), plain(&end.why));
    }
    if let Some(point) = &model.restore_point {
        let line = format!("restore point {point} was made before the first wave");
        push!(text, "  {}\n", palette.dim(&line));
    }
    let past = model.holds.iter().filter_map(|hold| Some((hold, hold.until_ms?)));
    for (hold, until_ms) in past {
        let held = span(between(hold.from_ms, until_ms));
        let why = plain(&telling::hold(&hold.reason, model));
        push!(text, "  {}\n", palette.dim(&format!("was held for {held}: {why}")));
    }
    if let Some(start) = model.start.as_ref().filter(|_| asks_people(model)) {
        push!(text, "  plan {}\n", plain(&start.plan_hash));
    }
    for (place, agreed) in &model.agreed {
        for person in agreed {
            let (name, by) = (plain(&model.stages[*place].name), plain(&person.by));
            let until = moment(person.until_ms);
            let how = if person.until_ms > now_ms { "until" } else { "which expired" };
            push!(text, "  {}\n", palette.dim(&format!("{by} agreed to {name}, {how} {until}")));
        }
    }
    let skipped = model.asked.len().saturating_sub(ASKED_TOLD);
    for asked in &model.asked[skipped..] {
        let why = asked.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let verb = telling::verb_name(asked.verb);
        let at = moment(asked.at_ms);
        let said = format!("{at}  {}", plain(&format!("{} asked to {verb}{why}", asked.by)));
        push!(text, "  {}\n", palette.dim(&said));
    }
    text
}

/// Whether a stage begins only when people have agreed: they need the hash of the plan.
fn asks_people(model: &Model) -> bool {
    let sets = model.start.iter().flat_map(|start| &start.sets);
    sets.flat_map(|set| &set.rollout.stages).any(|stage| stage.approval.is_some())
}

/// For programs. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The rollout's id.
    pub rollout: String,
    /// The environment.
    pub environment: Option<String>,
    /// Who started it.
    pub by: Option<String>,
    /// SHA-256 of the plan that was agreed to.
    pub plan_hash: Option<String>,
    /// When it began.
    pub started_ms: i64,
    /// When its last entry was made.
    pub last_entry_ms: i64,
    /// How it ended, if it did.
    pub outcome: Option<Outcome>,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// Why it ended so.
    pub why: Option<String>,
    /// The stage that it is in, a place in `stages`.
    pub stage: Option<usize>,
    /// All stages in order.
    pub stages: Vec<StageStatus>,
    /// How many nodes are in each state.
    pub nodes: BTreeMap<&'static str, usize>,
    /// Nodes that do not answer, and why.
    pub down: BTreeMap<String, String>,
    /// What holds it up.
    pub hold: Option<Hold>,
    /// The rollback, if there is one.
    pub rollback: Option<RollbackStatus>,
    /// The restore point that was made before the first wave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_point: Option<PointName>,
}

/// A stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageStatus {
    /// The node set.
    pub node_set: String,
    /// Its name.
    pub name: String,
    /// The nodes that come with it.
    pub nodes: Vec<String>,
    /// When its nodes began to change.
    pub entered_ms: Option<i64>,
    /// When its bake began.
    pub bake_started_ms: Option<i64>,
    /// When its bake ends or ended.
    pub bake_ends_ms: Option<i64>,
    /// When it was left.
    pub left_ms: Option<i64>,
    /// Whether it was promoted.
    pub promoted: bool,
    /// Who agreed to it, whether or not that has expired.
    pub agreed: Vec<AgreedView>,
    /// How it was judged last.
    pub verdict: Option<Verdict>,
    /// Why.
    pub why: Option<String>,
    /// What each gate says, by name; none if it was not measured.
    pub gates: BTreeMap<String, GateStatus>,
}

/// A gate in a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateStatus {
    /// What it says.
    pub verdict: Option<Verdict>,
    /// How often it was measured.
    pub measurements: usize,
    /// The last number.
    pub value: Option<f64>,
    /// The last reason.
    pub why: Option<String>,
}

/// A rollback.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RollbackStatus {
    /// When what it is for was first seen.
    pub detected_ms: i64,
    /// When it was decided.
    pub decided_ms: i64,
    /// When the last node was restored.
    pub restored_ms: Option<i64>,
    /// Milliseconds from detected to restored.
    pub mttr_ms: Option<u64>,
    /// Why.
    pub why: String,
}

impl Status {
    /// Of a fold.
    pub fn of(model: &Model) -> Self {
        let start = model.start.as_ref();
        let end = model.end.as_ref();
        let down = |node: &super::fold::NodeView| Some((node.name.clone(), node.down.clone()?));
        Self {
            rollout: model.rollout.clone(),
            environment: start.map(|start| start.environment.clone()),
            by: start.map(|start| start.by.clone()),
            plan_hash: start.map(|start| start.plan_hash.clone()),
            started_ms: model.started_ms,
            last_entry_ms: model.last_ms,
            outcome: end.map(|end| end.outcome),
            ended_ms: end.map(|end| end.at_ms),
            why: end.map(|end| end.why.clone()),
            stage: model.current,
            stages: (0..model.stages.len()).map(|place| stage(model, place)).collect(),
            nodes: model.counts().into_iter().map(|(state, many)| (key(state), many)).collect(),
            down: model.nodes.iter().filter_map(down).collect(),
            hold: model.hold().map(|hold| hold.reason.clone()),
            rollback: model.rollback.as_ref().map(|rollback| RollbackStatus {
                detected_ms: rollback.detected_ms,
                decided_ms: rollback.decided_ms,
                restored_ms: rollback.restored_ms,
                mttr_ms: rollback.mttr_ms(),
                why: rollback.why.clone(),
            }),
            restore_point: model.restore_point.clone(),
        }
    }
}

/// For programs.
pub fn json(model: &Model) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(Status::of(model))
}

fn stage(model: &Model, place: usize) -> StageStatus {
    let stage = &model.stages[place];
    let set = model.start.as_ref().and_then(|start| start.sets.get(stage.set));
    let gate = |gate: &super::fold::GateView| {
        let last = gate.points.last();
        let status = GateStatus {
            verdict: gate.verdict,
            measurements: gate.points.len(),
            value: last.and_then(|point| point.value),
            why: last.map(|point| point.why.clone()),
        };
        (gate.name.clone(), status)
    };
    StageStatus {
        node_set: set.map(|set| set.node_set.clone()).unwrap_or_default(),
        name: stage.name.clone(),
        nodes: stage.nodes.clone(),
        entered_ms: stage.entered_ms,
        bake_started_ms: stage.bake_started_ms,
        bake_ends_ms: stage.bake_ends_ms(),
        left_ms: stage.left_ms,
        promoted: stage.promoted.is_some(),
        agreed: model.agreed.get(&place).cloned().unwrap_or_default(),
        verdict: stage.verdict.as_ref().map(|(verdict, _)| *verdict),
        why: stage.verdict.as_ref().map(|(_, why)| why.clone()),
        gates: stage.gates.iter().map(gate).collect(),
    }
}

fn key(state: NodeState) -> &'static str {
    match state {
        NodeState::RollingBack => "rolling_back",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::sample;
    use model::rollout::entry::{Entry, What};

    #[test]
    fn people_see_the_frame_and_what_was_before() {
        let model = Model::of(&sample::held());
        insta::assert_snapshot!(human(&model, model.last_ms + 60_000, 100, Palette::PLAIN));
        let none = human(&Model::default(), 0, 80, Palette::PLAIN);
        assert_eq!(none, "No rollout has begun yet.\n");
    }

    #[test]
    fn what_was_not_done_can_be_tried_again() {
        let why = "the node does not answer".to_owned();
        let error = Some(why.clone());
        let held = What::Held { reason: Hold::Manual { why: why.clone() } };
        let verbs = |undone: What| {
            let mut entries = sample::held();
            let last = entries.last().cloned().unwrap();
            let next = [What::ListsStarted { back: false }, undone, held.clone()];
            entries.extend(next.into_iter().map(|what| Entry { what, ..last.clone() }));
            let text = human(&Model::of(&entries), last.at_ms, 100, Palette::PLAIN);
            assert!(text.contains(&format!("a person decides: {why}")), "{text}");
            let known = ["retry", "promote", "abort"].into_iter();
            known.filter(|it| text.contains(&format!("rollout {it} "))).collect::<Vec<_>>()
        };
        let lists = What::ListsEnded { error: error.clone() };
        assert_eq!(verbs(lists), ["retry", "promote", "abort"]);
        assert_eq!(verbs(What::RestEnded { error }), ["retry", "abort"]);
        assert_eq!(verbs(What::ListsEnded { error: None }), ["promote", "abort"]);
    }

    #[test]
    fn programs_see_times_and_verdicts() {
        let json = json(&Model::of(&sample::rolled_back())).unwrap();
        assert_eq!(json["outcome"], "rolled_back");
        assert_eq!(json["nodes"]["restored"], 2);
        assert_eq!(json["rollback"]["mttr_ms"], 81_000);
        assert_eq!(json["stages"][0]["gates"]["errors"]["verdict"], "failed");
        assert_eq!(json["stages"][1]["entered_ms"], serde_json::Value::Null);
    }

    #[test]
    fn nothing_from_outside_steers_a_terminal() {
        let entries = sample::nasty();
        let model = Model::of(&entries);
        let rows = crate::rollout::history::rollouts(&entries);
        for text in [
            human(&model, model.last_ms, 100, Palette::PLAIN),
            crate::rollout::history::entries(&entries, Palette::PLAIN),
            crate::rollout::history::human(&rows, model.last_ms, Palette::PLAIN),
        ] {
            assert!(text.contains('\u{fffd}'), "the sample has such characters: {text}");
            assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
        }
    }
}
