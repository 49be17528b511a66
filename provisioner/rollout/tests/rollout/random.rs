//! Random rules, nodes and mishaps: what must hold of every rollout holds, and every rollout ends.
//!
//! [`crate::world::check`] looks at every entry and command: nothing is promoted without data, no limit is exceeded, nothing goes on
//! in a closed window, and the entries tell the state.

use crate::world::rules::{self, MINUTE};
use crate::world::{Mishaps, Truth, World};
use model::rollout::entry::{NodeChange, NodeStart, Outcome, Start, Verb, What};
use model::rollout::{Amount, Approval, Check, RollbackRule, Window, WindowEffect, WindowTime};
use proptest::prelude::*;
use rollout::{Observation, PATIENCE_MS, Phase, step};
use std::collections::{BTreeMap, BTreeSet};

const HOUR: u64 = 60 * MINUTE;
const DAY: i64 = 86_400_000;
const BEGIN: i64 = 1_767_225_600_000;

fn change() -> impl Strategy<Value = NodeChange> {
    prop_oneof![
        5 => Just(NodeChange::Update),
        2 => Just(NodeChange::Replace),
        1 => Just(NodeChange::Create),
        1 => Just(NodeChange::Delete),
        1 => Just(NodeChange::None),
    ]
}

fn some_nodes() -> impl Strategy<Value = Vec<NodeStart>> {
    prop::collection::vec((0..4_u8, change()), 1..40).prop_map(|nodes| {
        let node = |(at, (domain, change)): (usize, (u8, NodeChange))| NodeStart {
            name: format!("edge-{at:03}"),
            domain: char::from(b'a' + domain).to_string(),
            change,
        };
        nodes.into_iter().enumerate().map(node).collect()
    })
}

fn shares() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(1..100_u32, 0..5).prop_map(|mut shares| {
        shares.sort_unstable();
        shares.push(100);
        shares.into_iter().map(f64::from).collect()
    })
}

prop_compose! {
    fn window()(deny in any::<bool>(), weekly in any::<bool>(), from in 0..20_i64, long in 1..10_i64,
        days in prop::collection::btree_set(0..7_u8, 1..7), minute in 0..1_440_u16) -> Window {
        let effect = if deny { WindowEffect::Deny } else { WindowEffect::Allow };
        let time = if weekly {
            let (timezone, until_minute) = ("Europe/Berlin".to_owned(), (minute + 400) % 1_440);
            WindowTime::Weekly { days: days.into_iter().collect(), from_minute: minute, until_minute, timezone }
        } else {
            let from_ms = BEGIN + from * DAY / 4;
            WindowTime::Once { from_ms, until_ms: from_ms + long * DAY / 4 }
        };
        Window { name: "window".to_owned(), effect, time, span: None }
    }
}

prop_compose! {
    fn start()(seed in any::<u64>(), nodes in some_nodes(), shares in shares(), hours in 1..6_u64,
        deadline in 1..8_u64, parallel in 1..8_u32, unavailable in prop_oneof![
            (1..3_u32).prop_map(Amount::Count), (1..60_u32).prop_map(|it| Amount::Percent(f64::from(it)))],
        surge in prop_oneof![Just(0_u32), 1..3_u32], holdback in 0..3_u32,
        apart in prop::collection::vec((0..20_usize, 0..20_usize), 0..20),
        windows in prop::collection::vec(window(), 0..2),
        (manual, people, notify, snapshot) in (any::<bool>(), 0..3_u32, any::<bool>(), any::<bool>()),
        listed in any::<bool>(),
        compares in any::<bool>()) -> Start {
        let mut errors = rules::rate(0.001, 0.01, 1_000);
        if let (Check::Rate { worse_than_control, .. }, true) = (&mut errors, compares) {
            *worse_than_control = Some(0.001);
        }
        let gates = || vec![("errors", errors.clone()), ("healthy", Check::Yes { consecutive: 3 })];
        let mut stages = Vec::new();
        for (at, share) in shares.into_iter().enumerate() {
            let mut stage = rules::stage(&format!("stage-{at}"), share, hours * HOUR, gates());
            stage.deadline_ms = deadline * HOUR;
            stages.push(stage);
        }
        if let Some(last) = stages.last_mut() {
            last.rollback = if manual { RollbackRule::Manual } else { RollbackRule::Automatic };
        }
        stages[0].approval = (people > 0).then_some(Approval { people, valid_ms: 2 * HOUR });
        let gates = vec![rules::counts("errors", 20 * MINUTE, compares), rules::answer("healthy", 30 * MINUTE)];
        let mut rules = rules::rules(stages, gates);
        (rules.max_parallel, rules.max_unavailable, rules.holdback) = (parallel, unavailable, holdback);
        rules.max_surge = Amount::Count(surge);
        let name = |at: usize| format!("edge-{at:03}");
        let pairs = apart.into_iter().filter(|(one, other)| one != other);
        rules.apart = pairs.map(|(one, other)| (name(one), name(other))).collect();
        (rules.windows, rules.snapshot_before) = (windows, snapshot);
        rules.interval_ms = 30 * MINUTE;
        if notify {
            rules.notify = vec![model::rollout::Notify::Command { command: vec!["tell".to_owned()] }];
        }
        let mut start = rules::start(&format!("rollout-{seed}"), rules, nodes);
        start.lists = if listed { rules::lists() } else { BTreeSet::new() };
        start
    }
}

prop_compose! {
    fn mishaps()(parts in prop::array::uniform11(prop_oneof![3 => Just(0_u64), 2 => 1..30_u64, 1 => 30..400_u64]),
        outage in 0..40_i64, long in 0..30_i64) -> Mishaps {
        let from = BEGIN + outage * DAY / 24;
        let [missing, errors, crashes, refusals, deaths, returns, stuck, verbs, rest, approvals, absent] = parts;
        Mishaps {
            outages: vec![(from, from + long * DAY / 24)],
            missing, errors, crashes: crashes / 4, absent_ms: absent * MINUTE, refusals: refusals / 4,
            deaths: deaths / 8, returns, stuck, verbs, rest, approvals,
        }
    }
}

fn truth(errors: f64) -> Truth {
    let rates = BTreeMap::from([("errors".to_owned(), (errors, 0.000_4))]);
    Truth { rates, values: BTreeMap::new(), load: 20.0 }
}

fn names(nodes: &[NodeStart], is: impl Fn(NodeChange) -> bool) -> BTreeSet<&str> {
    nodes.iter().filter(|node| is(node.change)).map(|node| node.name.as_str()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_it_ends_and_never_does_what_it_must_not(
        start in start(), seed in any::<u64>(), errors in prop_oneof![Just(0.000_3), Just(0.004), Just(0.05)], mishaps in mishaps()
    ) {
        let stages = i64::try_from(start.stages().count()).unwrap() + 2;
        let mut world = World::new(start, seed, truth(errors), mishaps);
        world.run(400_000);
        let outcome = world.finished;
        prop_assert!(outcome.is_some(), "{:?} {:?}", world.state.phase(), world.state.held());
        let bound = stages * (i64::try_from(PATIENCE_MS).unwrap() + 4 * DAY);
        prop_assert!(world.now_ms - BEGIN < bound);
        if outcome == Some(Outcome::RolledBack) {
            prop_assert_eq!(world.changed(), 0);
        }
        let decided = world.first(|what| matches!(what, What::RollbackDecided { .. }));
        prop_assert_eq!(decided.is_some(), matches!(outcome, Some(Outcome::RolledBack | Outcome::RollbackFailed)));
        // Whoever judges it anew from what is kept comes to the same verdicts.
        prop_assert_eq!(rollout::evidence::judge(&world.entries), None);
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_not_seen_is_never_promoted(start in start(), seed in any::<u64>()) {
        let mishaps = Mishaps { outages: vec![(0, i64::MAX)], approvals: 100, ..Mishaps::default() };
        let mut world = World::new(start, seed, truth(0.0), mishaps);
        let moves = world.state.stage_count() > 0;
        let outcome = world.run(400_000);
        prop_assert_eq!(world.first(|what| matches!(what, What::Promoted { .. })), None);
        prop_assert_eq!(outcome, Some(if moves { Outcome::RolledBack } else { Outcome::Committed }));
    }

    #[test]
    fn the_way_back_needs_no_window(start in start(), seed in any::<u64>()) {
        let mut start = start;
        for set in &mut start.sets {
            set.rollout.windows.clear();
            set.rollout.stages[0].approval = None;
        }
        let mut world = World::new(start, seed, truth(0.000_3), Mishaps::default());
        while world.finished.is_none() && world.state.phase() != Phase::Baking {
            world.turn();
        }
        prop_assume!(world.finished.is_none());
        // From now on everything is frozen: the state is made anew, as the windows are part of how it began.
        let time = WindowTime::Once { from_ms: world.now_ms, until_ms: i64::MAX };
        let freeze = Window { name: "freeze".to_owned(), effect: WindowEffect::Deny, time, span: None };
        if let What::Started(start) = &mut world.entries[0].what {
            start.sets[0].rollout.windows = vec![freeze];
        }
        world.state = rollout::State::fold(&world.entries).unwrap();
        world.crash();
        let (by, verb) = ("ada".to_owned(), Verb::Abort);
        world.observe(&Observation::Asked { verb, by, why: None });
        prop_assert_eq!(world.run(10_000), Some(Outcome::RolledBack));
    }

    #[test]
    fn the_nodes_of_a_stage_are_among_those_of_the_next_and_are_all_in_the_end(start in start()) {
        let set = &start.sets[0];
        let mut seen = BTreeSet::new();
        let mut last = None;
        for stage in &set.stages {
            prop_assert!(!stage.nodes.is_empty());
            prop_assert!(last.is_none_or(|last| last < stage.stage));
            last = Some(stage.stage);
            for node in &stage.nodes {
                prop_assert!(seen.insert(node.as_str()), "{node} comes twice");
            }
        }
        prop_assert_eq!(&seen, &names(&set.nodes, |change| change != NodeChange::None));
        let again = rollout::select(&start_id(&start), "edge", set.rollout.clone(), set.nodes.clone());
        let twice = rollout::select(&start_id(&start), "edge", set.rollout.clone(), set.nodes.clone());
        prop_assert_eq!(again, twice);
    }

    #[test]
    fn no_domain_is_all_new_before_three_quarters_and_the_holdback_stays_to_the_last(start in start()) {
        let set = &start.sets[0];
        let end = set.rollout.stages.len() - 1;
        let mut new: BTreeSet<&str> = BTreeSet::new();
        for stage in &set.stages {
            new.extend(stage.nodes.iter().map(String::as_str));
            let Amount::Percent(share) = set.rollout.stages[stage.stage as usize].nodes else { unreachable!() };
            if stage.stage as usize == end {
                continue;
            }
            let only = set.nodes.iter().all(|it| matches!(it.change, NodeChange::Update | NodeChange::None));
            prop_assume!(only);
            for domain in set.nodes.iter().map(|node| node.domain.as_str()).collect::<BTreeSet<_>>() {
                let all = set.nodes.iter().filter(|node| node.domain == domain && node.change == NodeChange::Update);
                let size = all.clone().count();
                let left = all.filter(|node| !new.contains(node.name.as_str())).count();
                let held = usize::try_from(set.rollout.holdback).unwrap();
                let least = if share < 75.0 { held.max(1) } else { held }.min(size.saturating_sub(1));
                prop_assert!(left >= least, "{domain}: {left} of {size} left, {least} are to stay at {share}");
            }
        }
    }

    #[test]
    fn an_observation_that_nobody_asked_for_changes_nothing(start in start(), seed in any::<u64>(), turns in 0..60_u32) {
        let mut world = World::new(start, seed, truth(0.000_3), Mishaps::default());
        for _ in 0..turns {
            if world.finished.is_none() {
                world.turn();
            }
        }
        let reading = model::rollout::entry::Reading::Yes;
        let gate = "of nobody".to_owned();
        for observation in [
            Observation::Measured { gate, queries: Vec::new(), from_ms: 0, to_ms: world.now_ms, reading },
            Observation::Notified { of: "nothing".to_owned(), error: None },
            Observation::Approved { stage: Some(900), by: "ada".to_owned(), plan_hash: "p".repeat(64) },
        ] {
            // Time has passed already: what a tick brings is had before.
            let (state, _) = step(&world.state, &Observation::Tick, world.now_ms);
            let (after, _) = step(&state, &observation, world.now_ms);
            prop_assert_eq!(after, state);
        }
    }
}

fn start_id(start: &Start) -> String {
    start.configuration_digest.clone()
}
