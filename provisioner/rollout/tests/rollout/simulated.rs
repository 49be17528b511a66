//! A small part of the simulation (`cargo bench -p rollout`), with generous bounds on what comes of it.

use crate::world::polling::Polling;
use crate::world::simulation::{quantile, scenarios, simulate, simulate_polling};

/// Rollouts of each kind.
const COUNT: u64 = 2;

#[test]
fn good_candidates_are_promoted_and_bad_ones_are_not_whatever_happens() {
    for scenario in scenarios() {
        let tally = simulate(&scenario, COUNT);
        let wrong = if scenario.good { tally.rolled_back } else { tally.promoted };
        assert_eq!(tally.promoted + tally.rolled_back, tally.all, "{}", scenario.name);
        assert!(wrong <= 1, "{}: {tally:?}", scenario.name);
    }
}

#[test]
fn five_per_cent_errors_are_stopped_within_two_minutes_of_the_first_node() {
    let bad = scenarios().into_iter().find(|it| it.name == "bad: 5 % errors").unwrap();
    let tally = simulate(&bad, COUNT);
    assert!(quantile(&tally.seconds, 1.0).is_some_and(|seconds| seconds <= 120.0), "{tally:?}");
}

#[test]
fn polling_with_fixed_windows_stops_good_candidates() {
    let named = |name| scenarios().into_iter().find(|it| it.name == name).unwrap();
    let near = named("good: 0.08 % errors");
    let polled = simulate_polling(&near, Polling::Argo { limit: 0 }, 20);
    assert!(polled.percent(polled.promoted) < 10.0, "{polled:?}");
    let dark = named("good, 2 outages of 15 min");
    let polled = simulate_polling(&dark, Polling::Flagger { threshold: 5 }, 20);
    assert!(polled.percent(polled.rolled_back) > 90.0, "{polled:?}");
}
