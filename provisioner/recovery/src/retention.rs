//! Which restore points may be deleted. Pure.
//!
//! Invariants: a restore point that is locked, that a rollout under way may still need, or that is the only whole one is never
//! deleted by a rule; what is not whole is of no use, and goes unless its rollout is under way; what does not read is for people to delete. Refuses to know: the catalogue's
//! records, the clock.

use crate::catalogue::Catalogue;
use model::restore_point::{Origin, PointName};
use std::collections::BTreeSet;
use std::fmt;

/// Which restore points are kept. Both rules must agree that one goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// So many of the latest.
    pub last: usize,
    /// All that were begun at that RFC 3339 time, in UTC, or later; none for no such rule.
    pub since: Option<String>,
}

/// What becomes of a restore point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The restore point.
    pub name: PointName,
    /// Why it stays; none if it goes.
    pub stays: Option<Reason>,
}

/// Why a restore point stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is one of the latest.
    Recent,
    /// It is not old enough.
    Young,
    /// A person locked it.
    Locked,
    /// The rollout that it was made for is under way.
    Rollout,
    /// There is no other.
    Only,
    /// What is recorded of it cannot be read, perhaps by this version of the program alone.
    Unreadable,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Recent => "one of the latest",
            Self::Young => "not old enough",
            Self::Locked => "locked",
            Self::Rollout => "its rollout is under way",
            Self::Only => "there is no other",
            Self::Unreadable => "it cannot be read",
        })
    }
}

impl Reason {
    /// As programs read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Recent => "recent",
            Self::Young => "young",
            Self::Locked => "locked",
            Self::Rollout => "rollout",
            Self::Only => "only",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What becomes of every restore point, the latest first; those that cannot be read and those that are not whole come last. `rollouts` are under way.
pub fn fates(
    catalogue: &Catalogue,
    retention: &Retention,
    rollouts: &BTreeSet<String>,
) -> Vec<Fate> {
    let points = catalogue.latest_first();
    let is_only = points.len() == 1;
    let whole = points.into_iter().enumerate().map(|(place, kept)| {
        let is_young = retention.since.as_ref().is_some_and(|since| kept.point.begun_at >= *since);
        let stays = bound(catalogue, &kept.point.name, rollouts)
            .or((place < retention.last).then_some(Reason::Recent))
            .or(is_young.then_some(Reason::Young))
            .or(is_only.then_some(Reason::Only));
        Fate { name: kept.point.name.clone(), stays }
    });
    let mut fates: Vec<_> = whole.collect();
    // Of several that are whole, the latest stays whatever the rules say.
    if !fates.is_empty() && fates.iter().all(|fate| fate.stays.is_none()) {
        fates[0].stays = Some(Reason::Only);
    }
    fates.extend(catalogue.unreadable.keys().map(|name| {
        let stays = bound(catalogue, name, rollouts).or(Some(Reason::Unreadable));
        Fate { name: name.clone(), stays }
    }));
    fates.extend(catalogue.unfinished.keys().map(|name| {
        let stays = bound(catalogue, name, rollouts);
        Fate { name: name.clone(), stays }
    }));
    fates
}

/// Why a restore point stays even if a person asks for its end by name.
pub fn bound(
    catalogue: &Catalogue,
    name: &PointName,
    rollouts: &BTreeSet<String>,
) -> Option<Reason> {
    let kept = catalogue.points.get(name);
    let is_of = |rollout: &String| match kept.map(|kept| &kept.point.origin) {
        Some(Origin::Rollout { rollout: own }) => own == rollout,
        Some(Origin::Person { .. }) => false,
        None => PointName::of_rollout(rollout).is_ok_and(|own| own == *name),
    };
    if rollouts.iter().any(is_of) {
        return Some(Reason::Rollout);
    }
    kept.is_some_and(|kept| kept.point.locked).then_some(Reason::Locked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Kept;
    use model::restore_point::{FORMAT, RestorePoint};
    use std::collections::BTreeMap;

    fn catalogue(points: &[(&str, &str, bool, Option<&str>)], unfinished: &[&str]) -> Catalogue {
        let kept = |&(name, begun_at, locked, rollout): &(&str, &str, bool, Option<&str>)| {
            let origin = match rollout {
                Some(rollout) => Origin::Rollout { rollout: rollout.to_owned() },
                None => Origin::Person { who: "alice".to_owned(), why: String::new() },
            };
            let point = RestorePoint {
                format: FORMAT,
                name: PointName::parse(name).unwrap(),
                environment: "e".to_owned(),
                lineage: "l".to_owned(),
                serial: 1,
                state_digest: String::new(),
                begun_at: begun_at.to_owned(),
                origin,
                locked,
                snapshots: Vec::new(),
            };
            (point.name.clone(), Kept { point, records: BTreeMap::new() })
        };
        let begun = |name: &&str| (PointName::parse(name).unwrap(), BTreeSet::new());
        Catalogue {
            points: points.iter().map(kept).collect(),
            unfinished: unfinished.iter().map(begun).collect(),
            unreadable: BTreeMap::new(),
        }
    }

    fn told(catalogue: &Catalogue, retention: &Retention, rollouts: &[&str]) -> Vec<String> {
        let rollouts = rollouts.iter().map(|id| (*id).to_owned()).collect();
        let fates = fates(catalogue, retention, &rollouts);
        let word = |fate: &Fate| fate.stays.map_or("goes", Reason::word);
        fates.iter().map(|fate| format!("{} {}", fate.name, word(fate))).collect()
    }

    #[test]
    fn the_latest_stay_and_what_is_bound_too() {
        let catalogue = catalogue(
            &[
                ("a", "2026-11-01T00:00:00Z", false, None),
                ("b", "2026-11-02T00:00:00Z", true, None),
                ("c", "2026-11-03T00:00:00Z", false, Some("r1")),
                ("d", "2026-11-04T00:00:00Z", false, Some("r2")),
                ("e", "2026-11-05T00:00:00Z", false, None),
            ],
            &["x", "rollout-r3"],
        );
        let retention = Retention { last: 1, since: None };
        assert_eq!(
            told(&catalogue, &retention, &["r1", "r3"]),
            [
                "e recent",
                "d goes",
                "c rollout",
                "b locked",
                "a goes",
                "rollout-r3 rollout",
                "x goes"
            ]
        );
        let retention = Retention { last: 0, since: Some("2026-11-04T00:00:00Z".to_owned()) };
        assert_eq!(
            told(&catalogue, &retention, &[])[..5],
            ["e young", "d young", "c goes", "b locked", "a goes"]
        );
    }

    #[test]
    fn the_only_one_always_stays() {
        let one = catalogue(&[("a", "2026-11-01T00:00:00Z", false, None)], &[]);
        assert_eq!(told(&one, &Retention::default(), &[]), ["a only"]);
        let two = catalogue(
            &[
                ("a", "2026-11-01T00:00:00Z", false, None),
                ("b", "2026-11-02T00:00:00Z", false, None),
            ],
            &[],
        );
        assert_eq!(told(&two, &Retention::default(), &[]), ["b only", "a goes"]);
    }
}
