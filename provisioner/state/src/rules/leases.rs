//! Leases: who may write which part of the environment, fenced by epochs.

use super::{LeaseRow, NewEntry, Result, Tables, json_of};
use crate::error::StateError;
use crate::holder::Holder;
use crate::port::{Lease, LeaseInfo, LeaseRequest};
use crate::scope::Scope;
use jiff::{Timestamp, ToSpan as _};
use model::Address;
use serde_json::json;
use std::sync::Arc;

fn expiry(now: Timestamp, seconds: u32) -> String {
    now.checked_add(i64::from(seconds).seconds()).unwrap_or(Timestamp::MAX).to_string()
}

/// Takes a lease, unless one overlaps whose owner may still be there. Leases that are over go at the same time.
pub fn acquire(tables: &mut dyn Tables, request: &LeaseRequest, holder: &Holder) -> Result<Lease> {
    let now = tables.now();
    let (over, held): (Vec<_>, Vec<_>) =
        tables.leases()?.into_iter().partition(|row| is_over(row, holder, now));
    for row in &held {
        if let Some(addresses) = row.info.scope.overlap(&request.scope) {
            return Err(StateError::Held { by: Box::new(row.info.clone()), addresses });
        }
    }
    for row in &over {
        tables.remove_lease(row.info.epoch)?;
    }
    let info = LeaseInfo {
        run: request.run.clone(),
        owner: holder.owner.clone(),
        host: holder.host.clone(),
        pid: holder.pid,
        command: request.command.clone(),
        since: now.to_string(),
        expires: expiry(now, request.seconds),
        epoch: tables.next_epoch()?,
        scope: request.scope.clone(),
    };
    let row = LeaseRow { info: info.clone(), holder: holder.clone(), seconds: request.seconds };
    tables.put_lease(&row)?;
    let taken_over: Vec<_> = over.iter().map(|row| summary(&row.info)).collect();
    let started = json!({ "lease": summary(&info), "taken_over": taken_over });
    let entry = NewEntry { run: &info.run, kind: "run-started", address: None };
    tables.append(&entry, &|_| Ok(started.clone()))?;
    Ok(Lease { info })
}

/// A lease for the journal: the addresses are told by the entries that follow.
fn summary(info: &LeaseInfo) -> serde_json::Value {
    let LeaseInfo { run, owner, host, pid, command, since, epoch, scope, .. } = info;
    let addresses = match scope {
        Scope::Environment => None,
        Scope::Addresses { writes, .. } => Some(writes.len()),
        Scope::Rollout { .. } => Some(0),
    };
    let mut summary = json!({
        "run": run, "owner": owner, "host": host, "pid": pid, "command": command, "since": since,
        "epoch": epoch, "addresses": addresses,
    });
    if let Scope::Rollout { node_sets } = scope {
        summary["rollout"] = json!(node_sets.as_ref());
    }
    summary
}

fn is_over(row: &LeaseRow, seen_by: &Holder, now: Timestamp) -> bool {
    let expired = row.info.expires.parse::<Timestamp>().is_ok_and(|expires| expires <= now);
    expired || seen_by.sees_gone(&row.holder)
}

/// Who holds what, oldest first, without those that are over.
pub fn held(leases: Vec<LeaseRow>, seen_by: &Holder, now: Timestamp) -> Vec<LeaseInfo> {
    let mut held: Vec<_> =
        leases.into_iter().filter(|row| !is_over(row, seen_by, now)).map(|row| row.info).collect();
    held.sort_by_key(|info| info.epoch);
    held
}

/// Every write begins here: the lease must still be held, and cover what is written.
pub fn check_lease<'a>(
    tables: &dyn Tables,
    lease: &Lease,
    written: impl IntoIterator<Item = &'a Address>,
) -> Result<Arc<LeaseRow>> {
    let row = tables.lease(lease.info.epoch)?.filter(|row| row.info.run == lease.info.run);
    let row = row.ok_or(StateError::LeaseLost { epoch: lease.info.epoch })?;
    match written.into_iter().find(|address| !row.info.scope.covers(address)) {
        None => Ok(row),
        Some(address) => {
            super::illegal(format!("a write of {address}, which the lease leaves out"))
        }
    }
}

/// The same for what concerns all of the environment.
pub(super) fn check_whole(tables: &dyn Tables, lease: &Lease, what: &str) -> Result<()> {
    match &check_lease(tables, lease, [])?.info.scope {
        Scope::Environment => Ok(()),
        Scope::Addresses { .. } | Scope::Rollout { .. } => {
            super::illegal(format!("{what} with a lease of a part of the environment"))
        }
    }
}

/// Extends the lease.
pub fn renew(tables: &mut dyn Tables, lease: &Lease) -> Result<()> {
    let mut row = LeaseRow::clone(&*check_lease(tables, lease, [])?);
    row.info.expires = expiry(tables.now(), row.seconds);
    tables.put_lease(&row)
}

/// Gives the lease back.
pub fn release(tables: &mut dyn Tables, lease: &Lease) -> Result<()> {
    check_lease(tables, lease, [])?;
    tables.remove_lease(lease.info.epoch)?;
    let entry = NewEntry { run: &lease.info.run, kind: "run-finished", address: None };
    let body = json!({ "epoch": lease.info.epoch });
    tables.append(&entry, &|_| Ok(body.clone())).map(drop)
}

/// Takes a lease away from whoever holds it.
pub fn unlock(tables: &mut dyn Tables, epoch: u64, by: &str) -> Result<Option<LeaseInfo>> {
    let Some(row) = tables.lease(epoch)? else {
        return Ok(None);
    };
    tables.remove_lease(epoch)?;
    let body = json!({ "by": by, "lease": json_of(&summary(&row.info))? });
    let entry = NewEntry { run: &row.info.run, kind: "unlocked", address: None };
    tables.append(&entry, &|_| Ok(body.clone()))?;
    Ok(Some(row.info.clone()))
}
