//! How long a plan takes, from how long such calls took before. Pure.
//!
//! Invariants: no call that was never seen counts as taking no time without being named; an estimate is of the plan's own order and of so
//! many calls at once. Refuses to know: the clock, stores.

use model::plan::{Operation, OperationKind};
use state::JournalEntry;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// How long calls took: milliseconds by resource type and by what was called.
#[derive(Clone, Debug, Default)]
pub struct Experience(BTreeMap<(String, Call), Vec<u64>>);

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    Create,
    Update,
    Delete,
}

/// How long a plan takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Milliseconds, without what is not known.
    pub ms: u64,
    /// Resource types with calls of a kind that was never seen.
    pub unknown: BTreeSet<String>,
}

impl Experience {
    /// What a journal tells: the time between an intent and its outcome.
    ///
    /// `milliseconds` reads the RFC 3339 time of an entry as milliseconds since some moment.
    pub fn of(journal: &[JournalEntry], milliseconds: impl Fn(&str) -> Option<u64>) -> Self {
        let mut open = BTreeMap::new();
        let mut seen: BTreeMap<(String, Call), Vec<u64>> = BTreeMap::new();
        for entry in journal {
            let Some(address) = &entry.address else { continue };
            match entry.kind.as_str() {
                "intent" => {
                    let action = entry.body.get("action").and_then(serde_json::Value::as_str);
                    open.insert(address, (call(action.unwrap_or_default()), entry.at.as_str()));
                }
                "outcome" => {
                    let failed = entry.body.pointer("/outcome/failed").is_some();
                    let Some((call, began)) = open.remove(address).filter(|_| !failed) else {
                        continue;
                    };
                    let took = milliseconds(&entry.at)
                        .zip(milliseconds(began))
                        .map(|(end, began)| end.saturating_sub(began));
                    let of = (address.kind().to_owned(), call);
                    seen.entry(of).or_default().extend(took);
                }
                _ => {}
            }
        }
        for took in seen.values_mut() {
            took.sort_unstable();
        }
        Self(seen)
    }

    /// What a call takes that is longer than nine of ten; none if none was seen.
    fn of_call(&self, kind: &str, call: Call) -> Option<u64> {
        let took = self.0.get(&(kind.to_owned(), call))?;
        took.get((took.len() * 9 / 10).min(took.len().checked_sub(1)?)).copied()
    }

    /// How long the operations of a plan take with so many calls at once.
    pub fn estimate(&self, operations: &[Operation], parallelism: usize) -> Estimate {
        let mut estimate = Estimate::default();
        let mut waiting: BTreeMap<u32, usize> = BTreeMap::new();
        let mut behind: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut lengths = BTreeMap::new();
        for operation in operations {
            let kind = operation.address.kind();
            let took = match operation.kind {
                OperationKind::Read | OperationKind::Forget => Some(0),
                OperationKind::Create | OperationKind::CreateReplacement => {
                    self.of_call(kind, Call::Create)
                }
                OperationKind::Update => self.of_call(kind, Call::Update),
                OperationKind::Delete | OperationKind::DeleteDeposed => {
                    self.of_call(kind, Call::Delete)
                }
            };
            if took.is_none() {
                estimate.unknown.insert(kind.to_owned());
            }
            lengths.insert(operation.id, took.unwrap_or_default());
            waiting.insert(operation.id, operation.needs.len());
            for need in &operation.needs {
                behind.entry(*need).or_default().push(operation.id);
            }
        }
        let ready = waiting.iter().filter(|(_, needs)| **needs == 0).map(|(id, _)| Reverse(*id));
        let mut ready: BinaryHeap<Reverse<u32>> = ready.collect();
        let mut running: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
        loop {
            while running.len() < parallelism.max(1)
                && let Some(Reverse(id)) = ready.pop()
            {
                running.push(Reverse((estimate.ms + lengths[&id], id)));
            }
            let Some(Reverse((end_ms, id))) = running.pop() else { return estimate };
            estimate.ms = end_ms;
            for next in behind.remove(&id).into_iter().flatten() {
                let Some(needs) = waiting.get_mut(&next) else { continue };
                *needs -= 1;
                if *needs == 0 {
                    ready.push(Reverse(next));
                }
            }
        }
    }
}

fn call(action: &str) -> Call {
    match action {
        "create" => Call::Create,
        "update" => Call::Update,
        _ => Call::Delete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Address;
    use model::graph::Lifecycle;
    use serde_json::json;

    fn entry(at: &str, kind: &str, address: &str, body: serde_json::Value) -> JournalEntry {
        JournalEntry {
            sequence: 0,
            run: "run".to_owned(),
            at: at.to_owned(),
            kind: kind.to_owned(),
            address: Some(Address::parse(address).unwrap()),
            body,
        }
    }

    /// Creations of disks that took so long each, and one that failed.
    fn experience(took: &[u64]) -> Experience {
        let mut journal = Vec::new();
        for (number, ms) in took.iter().enumerate() {
            let address = format!("sim_disk.a[{number}]");
            journal.push(entry("0", "intent", &address, json!({ "action": "create" })));
            let done = json!({ "outcome": { "recorded": {} } });
            journal.push(entry(&ms.to_string(), "outcome", &address, done));
        }
        journal.push(entry("0", "intent", "sim_disk.b", json!({ "action": "create" })));
        let failed = json!({ "outcome": { "failed": {} } });
        journal.push(entry("99999", "outcome", "sim_disk.b", failed));
        Experience::of(&journal, |at| at.parse().ok())
    }

    fn creations(of: &[(&str, &[u32])]) -> Vec<Operation> {
        let operation = |(id, (address, needs)): (usize, &(&str, &[u32]))| Operation {
            id: u32::try_from(id).unwrap(),
            address: Address::parse(address).unwrap(),
            kind: OperationKind::Create,
            provider: "sim".to_owned(),
            needs: needs.iter().copied().collect(),
            arguments: None,
            prior: None,
            dependencies: BTreeSet::new(),
            lifecycle: Lifecycle::default(),
            must_not_differ: BTreeSet::new(),
            only_checked: false,
            place: String::new(),
        };
        of.iter().enumerate().map(operation).collect()
    }

    #[test]
    fn what_waits_comes_after_and_the_rest_at_the_same_time() {
        let experience = experience(&[100]);
        let disks = creations(&[("sim_disk.a", &[]), ("sim_disk.b", &[]), ("sim_disk.c", &[0])]);
        let ms = |parallelism| experience.estimate(&disks, parallelism).ms;
        assert_eq!((ms(16), ms(1)), (200, 300));
    }

    #[test]
    fn nine_of_ten_took_no_longer_and_what_failed_does_not_count() {
        let took: Vec<u64> = (1..=100).collect();
        let estimate = experience(&took).estimate(&creations(&[("sim_disk.a", &[])]), 1);
        assert_eq!(estimate, Estimate { ms: 91, unknown: BTreeSet::new() });
    }

    #[test]
    fn what_was_never_seen_is_named() {
        let two = creations(&[("sim_disk.a", &[]), ("sim_host.a", &[0])]);
        let estimate = experience(&[100]).estimate(&two, 1);
        assert_eq!(
            estimate,
            Estimate { ms: 100, unknown: BTreeSet::from(["sim_host".to_owned()]) }
        );
    }
}
