//! What a rollout journals, and what of the journal it still needs.
//!
//! Invariant: the entries of a rollout are one sequence: whoever writes without having seen the last one is refused. So
//! nothing is decided in ignorance of what a person asked for meanwhile.
//! Refuses to know: what an entry means, but for the first and the last.

use super::leases::check_lease;
use super::{NewEntry, Result, ResultRow, Tables, as_read_back, illegal, json_of};
use crate::error::StateError;
use crate::port::Lease;
use crate::scope::Scope;
use model::rollout::entry::{Entry, RolloutHead, What};

/// Journals an entry of a rollout. What people say may be written under any lease; the rest only by who drives it.
pub fn append(tables: &mut dyn Tables, lease: &Lease, entry: &Entry) -> Result<u64> {
    let row = check_lease(tables, lease, [])?;
    let before = tables.rollouts()?.remove(&entry.rollout);
    let is_started = matches!(entry.what, What::Started(_));
    let expected = before.as_ref().map(|head| head.number + 1);
    if !is_started && expected != Some(entry.number) {
        let (rollout, number) = (entry.rollout.clone(), entry.number);
        return Err(StateError::RolloutWentOn { rollout, number, expected });
    }
    let sequence = tables.serial()? + 1;
    let after = RolloutHead::after(before.as_ref(), entry, sequence);
    let after = after.map_err(StateError::Illegal)?;
    let head = after.as_ref().or(before.as_ref());
    let drives = head.is_some_and(|head| row.info.scope.drives(&head.node_sets));
    if !entry.what.is_said() && !drives {
        let rollout = &entry.rollout;
        return illegal(format!(
            "an entry of rollout `{rollout}` under a lease that is not for it"
        ));
    }
    // A number that JSON cannot hold would be a journal that does not read.
    let _: Entry = as_read_back(entry)?;
    let body = json_of(entry)?;
    match after {
        Some(head) => tables.put_result(&entry.rollout, &ResultRow::Rollout(head))?,
        None => tables.remove_result("rollout", &entry.rollout)?,
    }
    let new = NewEntry { run: &lease.info.run, kind: "rollout", address: None };
    tables.append(&new, &|_| Ok(body.clone()))
}

/// Up to which entry the journal may be pruned, as far as rollouts go.
pub fn prunable<'a>(rollouts: impl IntoIterator<Item = &'a RolloutHead>) -> u64 {
    rollouts.into_iter().map(RolloutHead::prunable).min().unwrap_or(u64::MAX)
}

impl Scope {
    /// Whether a holder drives rollouts of these node sets.
    fn drives(&self, node_sets: &[String]) -> bool {
        match self {
            Self::Rollout { node_sets: held } => node_sets.iter().all(|set| held.contains(set)),
            Self::Environment | Self::Addresses { .. } => false,
        }
    }
}
