//! Which restore points may go, whatever the catalogue looks like.

use crate::bed::point;
use model::restore_point::{FORMAT, Origin, PointName, RestorePoint};
use proptest::prelude::*;
use recovery::retention::{Reason, fates};
use recovery::{Catalogue, CatalogueError, Kept, Retention};
use std::collections::{BTreeMap, BTreeSet};

/// Days, so few that many are the same.
fn day(day: u8) -> String {
    format!("2026-11-{day:02}T00:00:00Z")
}

fn kept(name: &PointName, begun: u8, locked: bool, rollout: Option<u8>) -> Kept {
    let origin = match rollout {
        Some(rollout) => Origin::Rollout { rollout: format!("r{rollout}") },
        None => Origin::Person { who: "alice".to_owned(), why: String::new() },
    };
    let point = RestorePoint {
        format: FORMAT,
        name: name.clone(),
        environment: "test".to_owned(),
        lineage: "l".to_owned(),
        serial: 1,
        state_digest: String::new(),
        begun_at: day(begun),
        origin,
        locked,
        snapshots: Vec::new(),
    };
    Kept { point, records: BTreeMap::new() }
}

fn newer(name: &PointName) -> CatalogueError {
    CatalogueError::Newer { point: name.to_string(), format: 2 }
}

prop_compose! {
    /// Restore points of people and of rollouts `r0` to `r3`, ones that cannot be read, and some that were never finished.
    fn catalogues()(
        whole in prop::collection::btree_map(
            0..30_u8, (1..9_u8, prop::bool::weighted(0.2), prop::option::of(0..4_u8)), 0..8,
        ),
        unreadable in prop::collection::btree_set(30..33_u8, 0..2),
        unfinished in prop::collection::btree_set(33..36_u8, 0..3),
        of_rollouts in prop::collection::btree_set(0..4_u8, 0..3),
    ) -> Catalogue {
        let name = |number: &u8| point(&format!("p{number}"));
        let unfinished = unfinished.iter().map(name);
        let of_rollouts = of_rollouts.iter().map(|it| point(&format!("rollout-r{it}")));
        let whole = whole.iter().map(|(number, (begun, locked, rollout))| {
            (name(number), kept(&name(number), *begun, *locked, *rollout))
        });
        let unreadable = unreadable.iter().map(|it| (name(it), newer(&name(it))));
        Catalogue {
            points: whole.collect(),
            unreadable: unreadable.collect(),
            unfinished: unfinished.chain(of_rollouts).map(|name| (name, BTreeSet::new())).collect(),
        }
    }
}

prop_compose! {
    fn rules()(last in 0..5_usize, since in prop::option::of(1..9_u8)) -> Retention {
        Retention { last, since: since.map(day) }
    }
}

fn under_way() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set(0..4_u8, 0..3)
        .prop_map(|all| all.into_iter().map(|it| format!("r{it}")).collect())
}

/// The catalogue after what goes has gone.
fn pruned(catalogue: &Catalogue, retention: &Retention, rollouts: &BTreeSet<String>) -> Catalogue {
    let mut left = catalogue.clone();
    for fate in fates(catalogue, retention, rollouts) {
        if fate.stays.is_none() {
            left.points.remove(&fate.name);
            left.unreadable.remove(&fate.name);
            left.unfinished.remove(&fate.name);
        }
    }
    left
}

fn all(catalogue: &Catalogue) -> BTreeSet<PointName> {
    catalogue.names().cloned().collect()
}

proptest! {
    #[test]
    fn each_has_one_fate(catalogue in catalogues(), rules in rules(), rollouts in under_way()) {
        let fates = fates(&catalogue, &rules, &rollouts);
        let named: BTreeSet<_> = fates.iter().map(|fate| fate.name.clone()).collect();
        prop_assert_eq!(fates.len(), named.len());
        prop_assert_eq!(named, all(&catalogue));
    }

    #[test]
    fn what_is_bound_stays(catalogue in catalogues(), rules in rules(), rollouts in under_way()) {
        let left = pruned(&catalogue, &rules, &rollouts);
        for (name, kept) in &catalogue.points {
            let needed = match &kept.point.origin {
                Origin::Rollout { rollout } => rollouts.contains(rollout),
                Origin::Person { .. } => false,
            };
            prop_assert!(left.points.contains_key(name) || !(kept.point.locked || needed), "{}", name);
        }
        for rollout in &rollouts {
            let name = point(&format!("rollout-{rollout}"));
            let was_begun = catalogue.unfinished.contains_key(&name);
            prop_assert_eq!(left.unfinished.contains_key(&name), was_begun, "{}", name);
        }
        prop_assert_eq!(left.unreadable.len(), catalogue.unreadable.len());
        prop_assert_eq!(left.points.is_empty(), catalogue.points.is_empty(), "one always stays");
    }

    #[test]
    fn the_rules_are_kept(catalogue in catalogues(), rules in rules(), rollouts in under_way()) {
        let left = pruned(&catalogue, &rules, &rollouts);
        let mut latest: Vec<_> = catalogue.points.values().collect();
        latest.sort_by_key(|kept| (&kept.point.begun_at, &kept.point.name));
        let young = |kept: &&&Kept| rules.since.as_ref().is_some_and(|it| kept.point.begun_at >= *it);
        for kept in latest.iter().rev().take(rules.last).chain(latest.iter().filter(young)) {
            prop_assert!(left.points.contains_key(&kept.point.name), "{}", kept.point.name);
        }
        let told = fates(&left, &rules, &rollouts);
        // Nothing stays without a reason, and no more than one because there is no other.
        let only = told.iter().filter(|fate| fate.stays == Some(Reason::Only)).count();
        prop_assert!(only <= 1);
    }

    #[test]
    fn to_prune_twice_is_to_prune_once(
        catalogue in catalogues(), rules in rules(), rollouts in under_way(),
    ) {
        let once = pruned(&catalogue, &rules, &rollouts);
        prop_assert_eq!(all(&pruned(&once, &rules, &rollouts)), all(&once));
    }

    #[test]
    fn when_a_rollout_ends_no_more_stays(
        catalogue in catalogues(), rules in rules(), rollouts in under_way(),
    ) {
        let with = all(&pruned(&catalogue, &rules, &rollouts));
        let without = all(&pruned(&catalogue, &rules, &BTreeSet::new()));
        let more: Vec<_> = without.difference(&with).collect();
        // The latest stays where no other has a reason to.
        prop_assert!(more.len() <= 1, "{:?}", more);
    }
}
