//! The fold: what entries make of stages, nodes, gates and times, and that what does not fit changes nothing.

use super::*;
use crate::rollout::sample;
use model::rollout::entry::Reading;

#[test]
fn a_good_rollout_ends_with_every_node_baked() {
    let model = Model::of(&sample::good());
    assert_eq!(model.counts(), [(NodeState::Baked, 24)]);
    assert!(model.stages.iter().all(|stage| stage.promoted == Some(None)));
    assert_eq!(model.end.as_ref().map(|end| end.outcome), Some(Outcome::Committed));
    let sizes: Vec<usize> = model.stages.iter().map(|stage| stage.nodes.len()).collect();
    assert_eq!(sizes, [2, 4, 6, 6, 6]);
    let first = &model.stages[0];
    assert_eq!(first.gates[0].points.len(), 15);
    assert_eq!(first.left_ms, first.bake_ends_ms());
    assert_eq!(
        model.nodes[0].past.iter().map(|(_, state)| *state).collect::<Vec<_>>(),
        [NodeState::Stable, NodeState::Changing, NodeState::Candidate, NodeState::Baked,]
    );
}

#[test]
fn a_rollback_has_its_three_times() {
    let model = Model::of(&sample::rolled_back());
    let rollback = model.rollback.as_ref().unwrap();
    assert_eq!(between_all(rollback), (60_000, 81_000));
    assert_eq!(rollback.mttr_ms(), Some(81_000));
    assert_eq!(model.counts(), [(NodeState::Stable, 22), (NodeState::Restored, 2)]);
    assert_eq!(model.stages[0].promoted, None);
}

fn between_all(rollback: &RollbackView) -> (i64, i64) {
    let restored = rollback.restored_ms.unwrap();
    (rollback.decided_ms - rollback.detected_ms, restored - rollback.detected_ms)
}

#[test]
fn a_rollback_that_failed_restored_nothing() {
    let mut entries = sample::rolled_back();
    let last = entries.last_mut().unwrap();
    last.what = What::Ended {
        outcome: Outcome::RollbackFailed,
        why: "a node is lost".to_owned(),
        reason: None,
    };
    assert_eq!(Model::of(&entries).rollback.unwrap().mttr_ms(), None);
}

#[test]
fn a_hold_ends_where_the_next_begins() {
    let model = Model::of(&sample::held());
    assert_eq!(model.holds.len(), 2);
    assert_eq!(model.holds[0].until_ms, Some(model.holds[1].from_ms));
    assert_eq!(model.hold().map(|hold| &hold.reason), Some(&Hold::Paused));
    let errors = &model.stages[1].gates[0];
    assert_eq!(errors.points.iter().filter(|point| point.value.is_none()).count(), 12);
    assert!(errors.points.iter().any(|point| point.reading == Answer::Error));
    assert_eq!(model.nodes[20].state(), NodeState::Down);
}

#[test]
fn nodes_that_answer_again_are_what_they_were() {
    let mut entries = sample::held();
    let mut last = entries.last().unwrap().clone();
    last.what = What::NodesSeen { down: BTreeMap::new() };
    entries.push(last);
    let model = Model::of(&entries);
    assert_eq!(model.nodes[20].state(), NodeState::Stable);
    assert_eq!(model.nodes[20].past.len(), 3);
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let entries = sample::held();
    let before = Model::of(&entries);
    let mut model = before.clone();
    let entry = |what: What| Entry { what, ..entries[0].clone() };
    let nodes = vec!["nobody".to_owned()];
    let Some(What::Measured(measurement)) = entries
        .iter()
        .map(|entry| &entry.what)
        .find(|what| matches!(what, What::Measured(_)))
        .cloned()
    else {
        panic!("the sample has measurements");
    };
    let mut unknown_gate = measurement.clone();
    unknown_gate.gate = "nothing".to_owned();
    let mut unknown_stage = measurement;
    unknown_stage.stage = 77;
    for what in [
        What::WaveStarted { stage: 99, wave: 0, nodes: nodes.clone() },
        What::RollbackWaveStarted { wave: 0, nodes },
        What::StageEntered { stage: u32::MAX },
        What::Promoted { stage: 9, by: None },
        What::Measured(unknown_gate),
        What::Measured(unknown_stage),
        entries[0].what.clone(),
    ] {
        model.take(&entry(what));
    }
    let foreign = Entry { rollout: "other".to_owned(), ..entries[3].clone() };
    model.take(&foreign);
    model.entries = before.entries;
    assert_eq!(model, before);
}

#[test]
fn any_order_of_entries_folds() {
    let entries = sample::held();
    let model = Model::of(entries.iter().rev());
    assert_eq!(model.nodes.len(), 24);
    let without_start = Model::of(&entries[1..]);
    assert!(without_start.start.is_none() && without_start.stages.is_empty());
}

#[test]
fn numbers_are_told_with_their_unit() {
    let model = Model::of(&sample::good());
    let [errors, _, throughput, alerts] = &model.stages[0].gates[..] else {
        panic!("four gates");
    };
    assert_eq!(errors.rule(), "proceed < 0.1 %, roll back > 1 %");
    assert_eq!(throughput.rule(), "proceed > 6 800, from a load of 7 000");
    assert_eq!(alerts.rule(), "roll back after 2 × no in a row");
    let none = Reading::Counts { bad: 0.0, total: 0.0, control: None };
    assert_eq!(crate::rollout::telling::reading(&none), "0 of 0 events");
}
