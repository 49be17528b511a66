//! Changes by hand and upkeep: edits, keys, pruning.

use super::leases::{check_lease, check_whole};
use super::writes::put_results;
use super::{NewEntry, Result, Tables, illegal, json_of};
use crate::port::{Edit, Lease};
use model::record::Record;
use serde_json::json;

/// Makes an edit, journaled as it was made.
pub fn edit(tables: &mut dyn Tables, lease: &Lease, edit: &Edit) -> Result<()> {
    let put = edit.put.iter().chain(&edit.depose).map(|record| &record.address);
    let deposed = edit.remove_deposed.iter().map(|(address, _)| address);
    check_lease(tables, lease, edit.remove.iter().chain(put).chain(deposed))?;
    for address in edit.put.iter().map(|record| &record.address).chain(&edit.remove) {
        if let Some(open) = tables.unfinished_at(address)?.first() {
            return illegal(format!(
                "an edit of {address} while intent {} for it has no outcome",
                open.sequence
            ));
        }
    }
    for address in &edit.remove {
        tables.remove_record(address)?;
    }
    let mut stored = Vec::with_capacity(edit.put.len());
    for record in &edit.put {
        let revision = record.revision.max(tables.last_revision(&record.address)? + 1);
        let record = Record { revision, ..record.clone() };
        tables.put_record(&record)?;
        stored.push(record);
    }
    for (address, id) in &edit.remove_deposed {
        tables.remove_deposed(address, id)?;
    }
    for record in &edit.depose {
        tables.add_deposed(record)?;
    }
    let results = put_results(tables, &edit.results)?;
    let body = json!({
        "reason": edit.reason,
        "remove": json_of(&edit.remove)?,
        "put": json_of(&stored)?,
        "remove_deposed": json_of(&edit.remove_deposed)?,
        "depose": json_of(&edit.depose)?,
        "results": json_of(&results)?,
    });
    let entry = NewEntry { run: &lease.info.run, kind: "edited", address: None };
    tables.append(&entry, &|_| Ok(body.clone())).map(drop)
}

/// Puts another keyring in place.
pub fn rekey(tables: &mut dyn Tables, lease: &Lease, keyring: Option<&str>) -> Result<()> {
    check_whole(tables, lease, "other keys")?;
    tables.rekey(keyring)?;
    let entry = NewEntry { run: &lease.info.run, kind: "rekeyed", address: None };
    tables.append(&entry, &|_| Ok(json!({}))).map(drop)
}

/// Drops the oldest part of the journal.
pub fn prune(tables: &mut dyn Tables, lease: &Lease, serial: u64) -> Result<u64> {
    check_whole(tables, lease, "pruning")?;
    let open = tables.first_unfinished()?.map_or(u64::MAX, |sequence| sequence - 1);
    let needed = super::prunable(tables.rollouts()?.values());
    let serial = serial.min(open).min(needed).min(tables.serial()?);
    let entries = tables.prune(serial)?;
    if entries == 0 {
        return Ok(0);
    }
    let body = json!({ "up_to": serial, "entries": entries });
    let entry = NewEntry { run: &lease.info.run, kind: "pruned", address: None };
    tables.append(&entry, &|_| Ok(body.clone()))?;
    Ok(entries)
}
