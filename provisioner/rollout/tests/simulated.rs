//! A small part of the simulation (`cargo bench -p rollout`), with generous bounds on what comes of it.

mod world;

use world::polling::Polling;
use world::simulation::{scenarios, simulate, simulate_polling};

/// Rollouts of each kind.
const COUNT: u64 = 3;

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
fn polling_with_fixed_windows_stops_good_candidates() {
    let near = scenarios().into_iter().find(|it| it.name == "good: 0.08 % errors").unwrap();
    let polled = simulate_polling(&near, Polling::Argo { limit: 0 }, COUNT);
    assert_eq!(polled.promoted, 0, "{polled:?}");
}
