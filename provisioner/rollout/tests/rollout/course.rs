//! The course of rollouts in the cases that the design names: good and bad candidates, outages, crashes, dead nodes, people,
//! windows, approvals.

use crate::world::rules::{
    MINUTE, answer, counts, lists, nodes, rate, rules, stage, standard, start, value,
};
use crate::world::{Mishaps, Truth, World};
use model::rollout::entry::{Entry, Hold, NodeChange, Outcome, Reading, Verb, Verdict, What};
use model::rollout::reason::{EndReason, RollbackReason, Said};
use model::rollout::{Approval, Check, RollbackRule, Rollout, Window, WindowEffect, WindowTime};
use rollout::{Observation, Phase, Revision, State, admissible};
use std::collections::BTreeMap;

const MOST: u64 = 200_000;

fn truth(errors: f64, slow: f64) -> Truth {
    let rates = [("errors".to_owned(), (errors, 0.000_4)), ("slow".to_owned(), (slow, 0.01))];
    Truth { rates: rates.into(), values: BTreeMap::new(), load: 100.0 }
}

fn world(rules: Rollout, truth: Truth, mishaps: Mishaps) -> World {
    let nodes = nodes(24, 3, NodeChange::Update);
    World::new(start("rollout-7", rules, nodes), 7, truth, mishaps)
}

/// Two stages, one gate that counts errors, one minute between measurements.
fn small() -> Rollout {
    let gates = || vec![("errors", rate(0.001, 0.01, 1_000))];
    let stages = vec![
        stage("canary", 5.0, 15 * MINUTE, gates()),
        stage("full", 100.0, 15 * MINUTE, gates()),
    ];
    rules(stages, vec![counts("errors", MINUTE, false)])
}

fn stages_promoted(world: &World) -> Vec<u32> {
    let promoted = |what: &What| match what {
        What::Promoted { stage, by: None } => Some(*stage),
        _ => None,
    };
    world.entries.iter().filter_map(|entry| promoted(&entry.what)).collect()
}

fn hold_until(world: &mut World, is: impl Fn(&Hold) -> bool) {
    for _ in 0..MOST {
        if world.state.held().is_some_and(|held| is(&held.reason)) {
            return;
        }
        assert_eq!(world.finished, None, "{:?}", world.state.outcome());
        world.turn();
    }
    panic!("it was never held: {:?}", world.state.held());
}

fn until(world: &mut World, is: impl Fn(&State) -> bool) {
    for _ in 0..MOST {
        if is(&world.state) {
            return;
        }
        assert_eq!(world.finished, None, "{:?}", world.state.outcome());
        world.turn();
    }
    panic!("that never came: {:?} {:?}", world.state.phase(), world.state.held());
}

fn ask(world: &mut World, verb: Verb) {
    admissible(&world.state, verb).expect("admissible");
    world.observe(&Observation::Asked { verb, by: "ada".to_owned(), why: None });
}

#[test]
fn a_good_candidate_goes_through_all_five_stages_by_itself() {
    let mut world = world(standard(60 * MINUTE), truth(0.000_3, 0.01), Mishaps::default());
    assert_eq!(world.run(MOST), Some(Outcome::Committed), "{:?}", world.state.outcome());
    assert_eq!(stages_promoted(&world), [0, 1, 2, 3, 4]);
    assert_eq!(world.changed(), 24);
}

#[test]
fn five_per_cent_errors_are_stopped_at_the_canary_within_two_measurements() {
    let mut world = world(standard(60 * MINUTE), truth(0.05, 0.01), Mishaps::default());
    assert_eq!(world.run(MOST), Some(Outcome::RolledBack), "{:?}", world.state.outcome());
    assert_eq!(world.changed(), 0);
    let bake = world.first(|what| matches!(what, What::BakeStarted { .. })).unwrap();
    let decided = world.first(|what| matches!(what, What::RollbackDecided { .. })).unwrap();
    assert!(decided - bake <= 130_000, "{}", decided - bake);
    let touched = world.entries.iter().filter_map(|entry| match &entry.what {
        What::WaveStarted { nodes, .. } => Some(nodes.len()),
        _ => None,
    });
    assert_eq!(touched.sum::<usize>(), 2);
    let rollback = world.state.rollback().unwrap();
    assert!(rollback.detected_ms <= rollback.decided_ms);
}

#[test]
fn a_candidate_between_proceed_and_roll_back_is_held_until_the_deadline_and_aborted() {
    let mut rules = small();
    rules.stages[0].deadline_ms = 20 * MINUTE;
    let mut world = world(rules, truth(0.004, 0.01), Mishaps::default());
    hold_until(&mut world, |hold| matches!(hold, Hold::Inconclusive { .. }));
    assert_eq!(world.run(MOST), Some(Outcome::RolledBack));
    let bake = world.first(|what| matches!(what, What::BakeStarted { .. })).unwrap();
    let decided = world.first(|what| matches!(what, What::RollbackDecided { .. })).unwrap();
    assert_eq!(decided - bake, i64::try_from(35 * MINUTE).unwrap());
}

#[test]
fn an_outage_holds_and_goes_on_when_metrics_are_back() {
    let mut world = world(small(), truth(0.000_3, 0.01), Mishaps::default());
    until(&mut world, |state| state.phase() == Phase::Baking);
    let from = world.now_ms + 200_000;
    let back = from + i64::try_from(30 * MINUTE).unwrap();
    world.mishaps.outages = vec![(from, back)];
    hold_until(&mut world, |hold| matches!(hold, Hold::Inconclusive { .. }));
    assert_eq!(world.run(MOST), Some(Outcome::Committed), "{:?}", world.state.outcome());
    let promoted = world.first(|what| matches!(what, What::Promoted { .. })).unwrap();
    assert!(promoted > back);
    // Nobody measured for half an hour, and twelve of fifteen minutes are needed.
    assert!(promoted > back + i64::try_from(5 * MINUTE).unwrap());
}

#[test]
fn an_outage_without_end_aborts_at_the_deadline_and_promotes_nothing() {
    let outages = vec![(0, i64::MAX)];
    let mut world = world(small(), truth(0.0, 0.0), Mishaps { outages, ..Mishaps::default() });
    assert_eq!(world.run(MOST), Some(Outcome::RolledBack));
    assert_eq!(stages_promoted(&world), [0; 0]);
}

#[test]
fn a_blind_gap_while_no_controller_ran_counts_as_missing() {
    let mut world = world(small(), truth(0.000_3, 0.01), Mishaps::default());
    until(&mut world, |state| state.phase() == Phase::Baking);
    world.now_ms += i64::try_from(14 * MINUTE).unwrap();
    world.crash();
    let bake = world.state.bake_ends_ms().unwrap();
    hold_until(&mut world, |hold| matches!(hold, Hold::Inconclusive { .. }));
    assert!(world.now_ms >= bake);
    assert_eq!(world.run(MOST), Some(Outcome::Committed));
    let promoted = world.first(|what| matches!(what, What::Promoted { .. })).unwrap();
    assert!(promoted >= bake + i64::try_from(10 * MINUTE).unwrap());
}

/// A crash after every single entry, one run each: all end like the run without a crash.
#[test]
fn whichever_entry_is_the_last_one_another_controller_comes_to_the_same_end() {
    for (errors, outcome) in [(0.000_3, Outcome::Committed), (0.05, Outcome::RolledBack)] {
        let mut whole = world(small(), truth(errors, 0.01), Mishaps::default());
        assert_eq!(whole.run(MOST), Some(outcome));
        for last in 1..whole.entries.len() - 1 {
            let mut world = world(small(), truth(errors, 0.01), Mishaps::default());
            while world.entries.len() < last {
                world.turn();
            }
            // What was decided in the same step and is not durable is lost with the controller.
            world.entries.truncate(last);
            world.state = State::fold(&world.entries).unwrap();
            world.crash();
            assert_eq!(world.run(MOST), Some(outcome), "after entry {last}");
            assert_eq!(world.changed(), whole.changed(), "after entry {last}");
        }
    }
}

#[test]
fn a_node_that_refuses_its_change_rolls_back_at_once() {
    let mishaps = Mishaps { refusals: 1_000, ..Mishaps::default() };
    let mut world = world(small(), truth(0.0, 0.0), mishaps);
    assert_eq!(world.run(MOST), Some(Outcome::RolledBack));
    assert_eq!(world.first(|what| matches!(what, What::BakeStarted { .. })), None);
}

#[test]
fn a_node_that_dies_within_the_budget_is_left_out_and_the_rollout_goes_on() {
    let mut world = world(small(), truth(0.000_3, 0.01), Mishaps::default());
    until(&mut world, |state| state.stage() == 1 && state.phase() == Phase::Waves);
    let node = world.state.on(Revision::Stable).next().unwrap().to_owned();
    world.dead.insert(node.clone());
    assert_eq!(world.run(MOST), Some(Outcome::Committed), "{:?}", world.state.outcome());
    assert!(world.state.excluded().contains(&node));
    assert!(world.state.outcome().unwrap().1.contains(&node));
    assert_eq!(world.state.nodes()[&node].revision, Revision::Stable);
}

#[test]
fn more_dead_nodes_on_the_candidate_than_may_be_roll_back_in_the_last_stage_too() {
    let mut world = world(small(), truth(0.000_3, 0.01), Mishaps::default());
    until(&mut world, |state| state.stage() == 1 && state.phase() == Phase::Baking);
    let domain = world.state.nodes().values().next().unwrap().domain.clone();
    let nodes = world.state.nodes().iter().filter(|(_, node)| node.domain == domain);
    let dead: Vec<_> = nodes.take(3).map(|(name, _)| name.clone()).collect();
    world.dead.extend(dead);
    until(&mut world, |state| state.phase() == Phase::RollingBack);
    world.dead.clear();
    assert_eq!(world.run(MOST), Some(Outcome::RolledBack), "{:?}", world.state.outcome());
}

#[test]
fn a_stage_that_is_left_to_people_is_held_until_they_say_something() {
    let mut rules = small();
    rules.stages[0].rollback = RollbackRule::Manual;
    for (verb, outcome) in [(Verb::Promote, None), (Verb::Abort, Some(Outcome::RolledBack))] {
        let mut world = world(rules.clone(), truth(0.05, 0.01), Mishaps::default());
        hold_until(&mut world, |hold| matches!(hold, Hold::Manual { .. }));
        ask(&mut world, verb);
        match outcome {
            Some(outcome) => assert_eq!(world.run(MOST), Some(outcome)),
            None => assert_eq!(world.state.stage(), 1),
        }
    }
}

#[test]
fn a_freeze_stops_promotion_and_not_the_way_back() {
    let mut rules = small();
    let (from_ms, until_ms) = (1_767_225_600_000 + 120_000, 1_767_225_600_000 + 86_400_000);
    rules.windows = vec![Window {
        name: "freeze".to_owned(),
        effect: WindowEffect::Deny,
        time: WindowTime::Once { from_ms, until_ms },
        span: None,
    }];
    let mut good = world(rules.clone(), truth(0.000_3, 0.01), Mishaps::default());
    hold_until(&mut good, |hold| matches!(hold, Hold::Window { .. }));
    until(&mut good, |state| state.stage() == 1);
    assert_eq!(good.now_ms, until_ms);
    // What turns bad while it waits is taken back at once.
    let mut bad = world(rules, truth(0.000_3, 0.01), Mishaps::default());
    hold_until(&mut bad, |hold| matches!(hold, Hold::Window { .. }));
    bad.truth = truth(0.2, 0.01);
    assert_eq!(bad.run(MOST), Some(Outcome::RolledBack));
    assert!(bad.now_ms < until_ms);
}

#[test]
fn approvals_are_bound_to_the_plan_are_of_different_people_and_expire() {
    let mut rules = small();
    rules.stages[0].approval = Some(Approval { people: 2, valid_ms: 600_000 });
    let mut world = world(rules, truth(0.000_3, 0.01), Mishaps::default());
    hold_until(&mut world, |hold| matches!(hold, Hold::Approval { missing: 2, .. }));
    let approve = |world: &mut World, by: &str, hash: char| {
        let (by, plan_hash) = (by.to_owned(), hash.to_string().repeat(64));
        world.observe(&Observation::Approved { stage: None, by, plan_hash });
    };
    approve(&mut world, "ada", 'x');
    hold_until(&mut world, |hold| matches!(hold, Hold::Approval { missing: 2, .. }));
    approve(&mut world, "ada", 'p');
    approve(&mut world, "ada", 'p');
    hold_until(&mut world, |hold| matches!(hold, Hold::Approval { missing: 1, .. }));
    hold_until(&mut world, |hold| matches!(hold, Hold::Approval { missing: 2, .. }));
    approve(&mut world, "ada", 'p');
    approve(&mut world, "grace", 'p');
    assert_eq!(world.state.phase(), Phase::Waves);
}

#[test]
fn a_pause_stops_before_the_next_wave_and_promotion_and_not_what_is_shown() {
    let mut world = world(small(), truth(0.000_3, 0.01), Mishaps::default());
    until(&mut world, |state| state.phase() == Phase::Baking);
    ask(&mut world, Verb::Pause);
    let ends = world.state.bake_ends_ms().unwrap();
    until(&mut world, |state| state.at_ms() > ends + 600_000);
    assert_eq!(world.state.stage(), 0);
    ask(&mut world, Verb::Resume);
    until(&mut world, |state| state.stage() == 1);
    ask(&mut world, Verb::Pause);
    world.truth = truth(0.2, 0.01);
    assert_eq!(world.run(MOST), Some(Outcome::RolledBack));
}

#[test]
fn a_newer_change_takes_its_place_after_the_wave_under_way() {
    let mut world = world(small(), truth(0.000_3, 0.01), Mishaps::default());
    until(&mut world, |state| state.stage() == 1 && state.wave().is_some());
    world.observe(&Observation::Superseded { by: "ada".to_owned(), why: None });
    assert_eq!(world.finished, None);
    assert_eq!(world.run(MOST), Some(Outcome::Superseded));
    assert!(world.changed() > 2);
}

#[test]
fn abort_in_the_middle_of_a_wave_waits_for_it_and_takes_back_the_newest_first() {
    let mut world = world(small(), truth(0.000_3, 0.01), Mishaps::default());
    until(&mut world, |state| state.stage() == 1 && state.wave().is_some_and(|it| it.number == 2));
    ask(&mut world, Verb::Abort);
    assert_eq!(world.state.phase(), Phase::RollingBack);
    assert!(world.state.wave().is_some_and(|wave| !wave.back));
    let order = world.state.to_restore();
    assert_eq!(world.run(MOST), Some(Outcome::RolledBack));
    let back: Vec<_> = world
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::RollbackWaveStarted { nodes, .. } => Some(nodes.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(back.first().and_then(|nodes| nodes.first()), order.first());
    assert_eq!(back.last().and_then(|nodes| nodes.last()), order.last());
}

#[test]
fn a_rollback_that_fails_is_tried_again_then_held_for_a_person() {
    let mut world =
        world(small(), truth(0.05, 0.01), Mishaps { stuck: 1_000, ..Mishaps::default() });
    hold_until(&mut world, |hold| matches!(hold, Hold::Manual { .. }));
    world.mishaps.stuck = 0;
    ask(&mut world, Verb::Retry);
    assert_eq!(world.run(MOST), Some(Outcome::RolledBack));
    let mut world =
        self::world(small(), truth(0.05, 0.01), Mishaps { stuck: 1_000, ..Mishaps::default() });
    hold_until(&mut world, |hold| matches!(hold, Hold::Manual { .. }));
    ask(&mut world, Verb::Abort);
    assert_eq!(world.run(MOST), Some(Outcome::RollbackFailed));
}

#[test]
fn growth_is_judged_against_the_nodes_that_stay() {
    let mut all = nodes(12, 3, NodeChange::None);
    all.extend(nodes(42, 3, NodeChange::Create).split_off(12));
    let check = Check::Value {
        proceed_above: Some(0.9),
        proceed_below: None,
        rollback_below: Some(0.5),
        rollback_above: None,
        relative: true,
        min_load: Some(10.0),
        consecutive: 3,
    };
    let stages = vec![
        stage("canary", 10.0, 15 * MINUTE, vec![("throughput", check.clone())]),
        stage("full", 100.0, 15 * MINUTE, vec![("throughput", check)]),
    ];
    let rules = rules(stages, vec![value("throughput", MINUTE, true)]);
    for (of_new, load, outcome) in [
        (98.0, 100.0, Outcome::Committed),
        (40.0, 100.0, Outcome::RolledBack),
        // At night nobody asks for anything, and that is no fault.
        (40.0, 1.0, Outcome::Committed),
    ] {
        let values = BTreeMap::from([("throughput".to_owned(), (of_new, 100.0))]);
        let truth = Truth { rates: BTreeMap::new(), values, load };
        let start = start("rollout-9", rules.clone(), all.clone());
        let mut world = World::new(start, 9, truth, Mishaps::default());
        assert_eq!(world.run(MOST), Some(outcome), "{of_new} {load}");
        assert_eq!(world.changed(), if outcome == Outcome::Committed { 30 } else { 0 });
    }
}

#[test]
fn several_node_sets_go_in_their_order_and_back_in_the_other() {
    let mut start = start("rollout-3", small(), nodes(6, 2, NodeChange::Update));
    let core = nodes(4, 2, NodeChange::Replace).into_iter().map(|mut node| {
        node.name = node.name.replace("edge", "core");
        node
    });
    start.sets.push(rollout::select("rollout-3", "core", small(), core.collect()));
    let truth = truth(0.000_3, 0.01);
    let mut world = World::new(start.clone(), 3, truth.clone(), Mishaps::default());
    assert_eq!(world.run(MOST), Some(Outcome::Committed));
    assert_eq!(stages_promoted(&world), [0, 1, 2, 3]);
    let mut world = World::new(start, 3, truth, Mishaps::default());
    until(&mut world, |state| state.stage() == 3 && state.phase() == Phase::Baking);
    ask(&mut world, Verb::Abort);
    assert_eq!(world.run(MOST), Some(Outcome::RolledBack));
    let first_back = world.entries.iter().find_map(|entry| match &entry.what {
        What::RollbackWaveStarted { nodes, .. } => Some(nodes.clone()),
        _ => None,
    });
    assert!(first_back.unwrap().iter().all(|node| node.starts_with("core")));
}

#[test]
fn a_yes_gate_rolls_back_after_noes_in_a_row() {
    let gates = || vec![("healthy", Check::Yes { consecutive: 2 })];
    let stages = vec![stage("full", 100.0, 10 * MINUTE, gates())];
    let mut world =
        world(rules(stages, vec![answer("healthy", MINUTE)]), truth(0.0, 0.0), Mishaps::default());
    until(&mut world, |state| state.phase() == Phase::Baking);
    let mut noes = 0;
    while world.state.phase() == Phase::Baking {
        let (from_ms, to_ms) = (world.now_ms, world.now_ms + 60_000);
        world.now_ms = to_ms;
        world.observe(&Observation::Tick);
        let reading = Reading::No { why: "503".to_owned() };
        let (gate, queries) = ("healthy".to_owned(), Vec::new());
        world.observe(&Observation::Measured { gate, queries, from_ms, to_ms, reading });
        noes += 1;
    }
    assert_eq!(noes, 2);
    assert!(world.state.rollback().unwrap().why.contains("503"));
}

#[test]
fn what_was_measured_is_not_counted_twice() {
    let mut world = world(small(), truth(0.000_3, 0.01), Mishaps::default());
    until(&mut world, |state| state.phase() == Phase::Baking);
    until(&mut world, |state| state.evidence()["errors"].data_ms().is_some());
    let before = world.state.evidence()["errors"].counts();
    let (from_ms, to_ms) = (world.now_ms - 60_000, world.now_ms + 60_000);
    world.now_ms = to_ms;
    // The driver is asked for the time since the last data, and answers for more than that.
    world.observe(&Observation::Tick);
    let reading = Reading::Counts { bad: 0.0, total: 50_000.0, control: None };
    let (gate, queries) = ("errors".to_owned(), Vec::new());
    world.observe(&Observation::Measured { gate, queries, from_ms, to_ms, reading });
    assert_eq!(world.state.evidence()["errors"].counts(), before);
}

#[test]
fn who_cannot_agree_is_told_why() {
    let mut rules = small();
    rules.stages[1].approval = Some(Approval { people: 1, valid_ms: 600_000 });
    let mut world = world(rules, truth(0.000_3, 0.01), Mishaps::default());
    let hash = "p".repeat(64);
    let ask = |world: &World, stage, hash: &str| rollout::approvable(&world.state, stage, hash);
    assert!(ask(&world, Some(0), &hash).unwrap_err().contains("needs no approval"));
    assert!(ask(&world, Some(1), "x").unwrap_err().contains("another plan"));
    assert_eq!(ask(&world, Some(1), &hash), Ok((1, 600_000)));
    until(&mut world, |state| state.phase() == Phase::Baking);
    assert_eq!(ask(&world, None, &hash), Ok((1, 600_000)));
    assert!(ask(&world, Some(0), &hash).unwrap_err().contains("has begun"));
}

#[test]
fn nobody_waits_for_longer_than_thirty_days() {
    let mut rules = small();
    rules.interval_ms = 60 * MINUTE;
    let mut world = world(rules, truth(0.000_3, 0.01), Mishaps::default());
    ask(&mut world, Verb::Pause);
    let begun = world.now_ms;
    assert_eq!(world.run(MOST), Some(Outcome::RolledBack));
    let waited = world.now_ms - begun;
    let (least, most) = (30 * 86_400_000, 31 * 86_400_000);
    assert!((least..most).contains(&waited), "{waited}");
}

#[test]
fn dead_nodes_do_not_keep_the_others_of_their_domain_from_being_brought_back() {
    let mut world = world(small(), truth(0.000_3, 0.01), Mishaps::default());
    until(&mut world, |state| state.stage() == 1 && state.phase() == Phase::Baking);
    let domain = world.state.nodes().values().next().unwrap().domain.clone();
    let nodes = world.state.nodes().iter().filter(|(_, node)| node.domain == domain);
    let dead: Vec<_> = nodes.take(3).map(|(name, _)| name.clone()).collect();
    world.dead.extend(dead.clone());
    assert_eq!(world.run(MOST), Some(Outcome::RollbackFailed));
    let mut left = world.state.to_restore();
    left.sort();
    assert_eq!(left, dead);
}

#[test]
fn a_rollback_is_verified_by_a_look_of_its_own() {
    let mut world = world(small(), truth(0.05, 0.01), Mishaps::default());
    until(&mut world, |state| state.phase() == Phase::RollingBack && state.to_restore().is_empty());
    let restored = world.entries.iter().find_map(|entry| match &entry.what {
        What::RollbackWaveEnded { restored, .. } => restored.first().cloned(),
        _ => None,
    });
    world.dead.extend(restored.clone());
    assert_eq!(world.run(MOST), Some(Outcome::RollbackFailed));
    assert!(world.state.outcome().unwrap().1.contains(&restored.unwrap()));
}

/// Another verdict than the counts beside it give is found where it stands, whoever signs it.
#[test]
fn a_verdict_that_its_counts_do_not_give_is_named() {
    let mut world = world(small(), truth(0.000_3, 0.01), Mishaps::default());
    assert_eq!(world.run(MOST), Some(Outcome::Committed));
    assert_eq!(rollout::evidence::judge(&world.entries), None);
    let forged = |change: &dyn Fn(&mut What) -> bool| {
        let mut entries = world.entries.clone();
        let changed = entries.iter_mut().position(|entry| change(&mut entry.what)).unwrap();
        (rollout::evidence::judge(&entries).unwrap(), u64::try_from(changed).unwrap())
    };
    let (found, at) = forged(&|what| match what {
        What::Measured(it) if it.verdict == Verdict::Successful => {
            it.verdict = Verdict::Inconclusive;
            true
        }
        _ => false,
    });
    assert_eq!(found.number, at);
    assert!(found.what.contains("is inconclusive, and its counts are successful"), "{found}");
    let (found, at) = forged(&|what| match what {
        What::Measured(it) => match &mut it.reading {
            Reading::Counts { bad, total, .. } => {
                *bad = *total / 2.0;
                true
            }
            _ => false,
        },
        _ => false,
    });
    assert_eq!(found.number, at, "{found}");
    let (found, at) = forged(&|what| match what {
        What::Judged { verdict, .. } => {
            *verdict = Verdict::Inconclusive;
            true
        }
        _ => false,
    });
    assert_eq!(found.number, at, "{found}");
    // A stage that was not judged successful is promoted by people only.
    let judged =
        world.entries.iter().position(|it| matches!(it.what, What::Judged { .. })).unwrap();
    let mut entries = world.entries.clone();
    entries.remove(judged);
    for (number, entry) in (0..).zip(&mut entries) {
        entry.number = number;
    }
    let found = rollout::evidence::judge(&entries).unwrap();
    assert!(found.what.contains("not judged successful"), "{found}");
}

/// Another reason for going back than what was seen is found where it stands, and so is another end.
#[test]
fn a_reason_that_nothing_before_it_gives_is_named() {
    let mut rules = small();
    rules.stages[0].deadline_ms = 20 * MINUTE;
    let mut manual = small();
    manual.stages[0].rollback = RollbackRule::Manual;
    let cases = [
        (small(), truth(0.05, 0.01), Mishaps::default()),
        (small(), truth(0.000_3, 0.01), Mishaps { refusals: 1_000, ..Mishaps::default() }),
        (small(), truth(0.000_3, 0.01), Mishaps { deaths: 900, ..Mishaps::default() }),
        (rules, truth(0.004, 0.01), Mishaps::default()),
        (manual, truth(0.05, 0.01), Mishaps::default()),
    ];
    let mut aborted = world(small(), truth(0.000_3, 0.01), Mishaps::default());
    until(&mut aborted, |state| state.phase() == Phase::Baking);
    ask(&mut aborted, Verb::Abort);
    let worlds = cases.map(|(rules, truth, mishaps)| world(rules, truth, mishaps));
    for mut world in worlds.into_iter().chain([aborted]) {
        let outcome = world.run(MOST);
        assert!(matches!(outcome, Some(Outcome::RolledBack | Outcome::RollbackFailed)));
        assert_eq!(rollout::evidence::judge(&world.entries), None);
        let forged = |change: &dyn Fn(&mut What) -> bool| {
            let mut entries = world.entries.clone();
            let changed = entries.iter_mut().position(|entry| change(&mut entry.what)).unwrap();
            let found = rollout::evidence::judge(&entries).unwrap();
            assert_eq!(found.number, u64::try_from(changed).unwrap(), "{found}");
            found.what
        };
        let found = forged(&|what| match what {
            What::RollbackDecided { reason, .. } => {
                *reason = Some(RollbackReason::NoProgress { within_ms: 1 });
                true
            }
            _ => false,
        });
        assert!(found.contains("no_progress"), "{found}");
        forged(&|what| match what {
            What::RollbackDecided { detected_ms, .. } => {
                *detected_ms -= 1;
                true
            }
            _ => false,
        });
        let found = forged(&|what| match what {
            What::RollbackDecided { nodes, .. } => {
                nodes.push("edge-900".to_owned());
                true
            }
            _ => false,
        });
        assert!(found.contains("of other nodes"), "{found}");
        let found = forged(&|what| match what {
            What::Ended { outcome, .. } => {
                *outcome = Outcome::Committed;
                true
            }
            _ => false,
        });
        assert!(found.contains("ended otherwise"), "{found}");
        forged(&|what| match what {
            What::Ended { reason, .. } => {
                *reason = Some(EndReason::Superseded(ada()));
                true
            }
            _ => false,
        });
    }
}

fn ada() -> Said {
    Said { by: "ada".to_owned(), why: None }
}

/// The sentences of the decisions are worded otherwise; without reasons as data entries are as past versions wrote them.
fn reworded(world: &World, is_data: bool) -> Vec<Entry> {
    let mut entries = world.entries.clone();
    for entry in &mut entries {
        match &mut entry.what {
            What::RollbackDecided { why, .. } | What::Ended { why, .. } if is_data => {
                "in the words of another version".clone_into(why);
            }
            What::RollbackDecided { reason, .. } => *reason = None,
            What::Ended { reason, .. } => *reason = None,
            _ => {}
        }
    }
    entries
}

#[test]
fn reasons_are_judged_as_data_whatever_their_words_and_as_sentences_where_that_is_all_there_is() {
    let bad = world(small(), truth(0.05, 0.01), Mishaps::default());
    let good = world(small(), truth(0.000_3, 0.01), Mishaps::default());
    let stuck = world(small(), truth(0.05, 0.01), Mishaps { stuck: 1_000, ..Mishaps::default() });
    for mut world in [bad, good, stuck] {
        world.run(MOST).unwrap();
        assert_eq!(rollout::evidence::judge(&reworded(&world, true)), None);
        let past = reworded(&world, false);
        assert_eq!(rollout::evidence::judge(&past), None);
        for at in 0..past.len() {
            let mut other = past.clone();
            let (What::RollbackDecided { why, .. } | What::Ended { why, .. }) = &mut other[at].what
            else {
                continue;
            };
            why.insert_str(0, "another: ");
            let found = rollout::evidence::judge(&other).unwrap();
            assert_eq!(found.number, u64::try_from(at).unwrap());
            assert!(found.what.contains("another: "), "{found}");
            assert!(found.what.contains("the sentences were compared"), "{found}");
        }
    }
}

#[test]
fn a_rollback_that_nothing_asks_for_and_a_promotion_that_nobody_asked_for_are_named() {
    let mut world = world(small(), truth(0.000_3, 0.01), Mishaps::default());
    assert_eq!(world.run(MOST), Some(Outcome::Committed));
    let at = world.entries.iter().position(|it| matches!(it.what, What::Promoted { .. })).unwrap();
    let instead = |what| {
        let mut entries = world.entries[..=at].to_vec();
        entries[at].what = what;
        rollout::evidence::judge(&entries).unwrap()
    };
    let (detected_ms, why) = (world.entries[at].at_ms, "gate errors: too many".to_owned());
    let found = instead(What::RollbackDecided {
        detected_ms,
        why,
        reason: Some(RollbackReason::Aborted(ada())),
        nodes: Vec::new(),
    });
    assert!(found.what.contains("nothing before it asks for one"), "{found}");
    let found = instead(What::Promoted { stage: 0, by: Some("ada".to_owned()) });
    assert!(found.what.contains("who did not ask"), "{found}");
    let why = "it is over".to_owned();
    let found = instead(What::Ended { outcome: Outcome::RolledBack, why, reason: None });
    assert!(found.what.contains("nothing before lets it end"), "{found}");
    assert_eq!(found.number, u64::try_from(at).unwrap());
}

#[test]
fn an_approval_is_to_one_stage() {
    let mut rules = small();
    for stage in &mut rules.stages {
        stage.approval = Some(Approval { people: 1, valid_ms: 86_400_000 });
    }
    let mut world = world(rules, truth(0.000_3, 0.01), Mishaps::default());
    let approve = |world: &mut World, stage| {
        let (by, plan_hash) = ("ada".to_owned(), "p".repeat(64));
        world.observe(&Observation::Approved { stage: Some(stage), by, plan_hash });
    };
    approve(&mut world, 1);
    hold_until(&mut world, |hold| matches!(hold, Hold::Approval { stage: 0, missing: 1 }));
    approve(&mut world, 0);
    // The other one was given before it was due, and still counts.
    assert_eq!(world.run(MOST), Some(Outcome::Committed));
}

/// The journal holds JSON, in which there is no NaN.
#[test]
fn entries_can_be_written_and_read_whatever_a_source_answers() {
    let mut world =
        world(small(), truth(0.000_3, 0.01), Mishaps { missing: 100, ..Mishaps::default() });
    until(&mut world, |state| state.phase() == Phase::Baking);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let (from_ms, to_ms) = (world.now_ms, world.now_ms + 60_000);
        world.now_ms = to_ms;
        world.observe(&Observation::Tick);
        let reading = Reading::Counts { bad, total: 1_000.0, control: Some((bad, bad)) };
        let (gate, queries) = ("errors".to_owned(), Vec::new());
        let measured = Observation::Measured { gate, queries, from_ms, to_ms, reading };
        let before = world.entries.len();
        world.observe(&measured);
        assert!(matches!(&world.entries[before].what,
            What::Measured(it) if matches!(it.reading, Reading::Missing { .. })));
    }
    assert_eq!(world.run(MOST), Some(Outcome::Committed));
    let read: Vec<model::rollout::entry::Entry> = world
        .entries
        .iter()
        .map(|entry| serde_json::from_str(&serde_json::to_string(entry).unwrap()).unwrap())
        .collect();
    let state = State::fold(&read).unwrap();
    assert_eq!((state.phase(), state.outcome()), (world.state.phase(), world.state.outcome()));
}

/// A set that grows from 12 nodes to 24 and is listed somewhere.
fn growing(mishaps: Mishaps) -> World {
    let mut all = nodes(24, 3, NodeChange::Create);
    all.iter_mut().take(12).for_each(|node| node.change = NodeChange::None);
    let mut start = start("rollout-7", small(), all);
    start.lists = lists();
    World::new(start, 7, truth(0.000_3, 0.01), mishaps)
}

#[test]
fn nodes_that_come_are_judged_when_what_lists_nodes_knows_them() {
    let mut world = growing(Mishaps::default());
    assert_eq!(world.run(MOST), Some(Outcome::Committed), "{:?}", world.state.outcome());
    let mut known = true;
    let (mut waves, mut brought) = (0, 0);
    for entry in &world.entries {
        match &entry.what {
            What::WaveEnded { .. } => (known, waves) = (false, waves + 1),
            What::ListsEnded { error } => {
                (known, brought) = (true, brought + 1);
                assert_eq!(*error, None);
            }
            What::WaveStarted { .. } | What::BakeStarted { .. } => assert!(known, "{entry:?}"),
            _ => {}
        }
    }
    assert_eq!((waves, brought), (4, 4), "after each wave");
}

#[test]
fn a_list_that_fails_holds_the_stage_until_it_is_tried_again_or_rolled_back() {
    let mut world = growing(Mishaps { rest: 1_000, ..Mishaps::default() });
    hold_until(
        &mut world,
        |hold| matches!(hold, Hold::Manual { why } if why.ends_with("up to date: no")),
    );
    let measured = |what: &What| matches!(what, What::Measured(_));
    assert!(!world.entries.iter().any(|it| measured(&it.what)), "nobody is judged unlisted");
    world.mishaps.rest = 0;
    ask(&mut world, Verb::Retry);
    assert_eq!(world.run(MOST), Some(Outcome::Committed), "{:?}", world.state.outcome());

    let mut world = growing(Mishaps { rest: 1_000, ..Mishaps::default() });
    hold_until(&mut world, |hold| matches!(hold, Hold::Manual { .. }));
    until(&mut world, |state| state.phase() == Phase::RollingBack);
    world.mishaps.rest = 0;
    assert_eq!(world.run(MOST), Some(Outcome::RolledBack), "{:?}", world.state.outcome());
    let last = world.entries.iter().rev().find_map(|it| match &it.what {
        What::ListsStarted { back } => Some(*back),
        _ => None,
    });
    assert_eq!(last, Some(true), "what lists nodes goes back behind them");

    let mut world = growing(Mishaps { rest: 1_000, ..Mishaps::default() });
    let outcome = world.run(MOST);
    assert_eq!(outcome, Some(Outcome::RollbackFailed), "{:?}", world.state.outcome());
}

#[test]
fn nodes_that_change_in_place_are_listed_already() {
    let all = nodes(24, 3, NodeChange::Update);
    let mut start = start("rollout-7", small(), all);
    start.lists = lists();
    let mut world = World::new(start, 7, truth(0.000_3, 0.01), Mishaps::default());
    assert_eq!(world.run(MOST), Some(Outcome::Committed));
    assert!(!world.entries.iter().any(|it| matches!(it.what, What::ListsStarted { .. })));
}
