//! Giving records other addresses: the edit that does it, and what it writes.
//!
//! Invariant: what depends on a record that moves names its new address afterwards; objects are not touched.
//! Refuses to know: why something moves.

use crate::port::Edit;
use model::Address;
use model::record::{Record, Recorded};
use std::collections::{BTreeMap, BTreeSet};

/// The edit that moves records, with their deposed objects; `moves` has new addresses by old ones.
pub fn moving(recorded: &Recorded, moves: &BTreeMap<Address, Address>, reason: String) -> Edit {
    let new = |address: &Address| moves.get(address).unwrap_or(address).clone();
    let renamed = |record: &Record| Record {
        address: new(&record.address),
        dependencies: record.dependencies.iter().map(new).collect(),
        ..record.clone()
    };
    let is_known = |address: &&Address| recorded.records.contains_key(*address);
    let remove = moves.keys().filter(is_known).cloned().collect();
    let mut edit = Edit { reason, remove, ..Edit::default() };
    let put = recorded.records.values().map(|record| (record, renamed(record)));
    edit.put = put.filter(|(old, new)| *old != new).map(|(_, new)| new).collect();
    for record in &recorded.deposed {
        let moved = renamed(record);
        if moved != *record {
            edit.remove_deposed.push((record.address.clone(), record.id.clone()));
            edit.depose.push(moved);
        }
    }
    edit
}

/// What such an edit writes: both addresses, and what depends on what moves.
pub fn touched(recorded: &Recorded, moves: &BTreeMap<Address, Address>) -> BTreeSet<Address> {
    let depends =
        |record: &&Record| record.dependencies.iter().any(|address| moves.contains_key(address));
    let all = recorded.records.values().chain(&recorded.deposed);
    let dependents = all.filter(depends).map(|record| &record.address);
    moves.keys().chain(moves.values()).chain(dependents).cloned().collect()
}
