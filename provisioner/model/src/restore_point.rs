//! Restore points: what was captured of an environment at one time, and what the catalogue of them knows.
//!
//! A *snapshot* is what was on one object (a disk, a machine); a *restore point* is a set of snapshots together with the version
//! of the recorded state that they belong to.
//! Invariant: what is written down of a restore point says which format it has. Refuses to know: how snapshots are made.

use crate::address::Address;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The format of [`RestorePoint`] that this program writes.
pub const FORMAT: u32 = 1;

/// The longest name of a restore point: snapshots are named after it.
const LONGEST: usize = 40;

/// The name of a restore point, unique in its environment: 1 to 40 small letters, digits and `-`, the first no `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PointName(Arc<str>);

/// Why a text is not the name of a restore point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a name for a restore point: use 1 to {LONGEST} small letters, digits and `-`, beginning with a letter or digit"
)]
pub struct PointNameError(String);

impl PointName {
    /// The name that a text says.
    pub fn parse(text: &str) -> Result<Self, PointNameError> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = (1..=LONGEST).contains(&text.len())
            && text.bytes().all(|byte| is_word(byte) || byte == b'-')
            && text.bytes().next().is_some_and(is_word);
        if fits { Ok(Self(text.into())) } else { Err(PointNameError(text.to_owned())) }
    }

    /// The restore point that a rollout makes before its first wave. Whoever takes the rollout over goes on with the same.
    pub fn of_rollout(rollout: &str) -> Result<Self, PointNameError> {
        Self::parse(&format!("rollout-{rollout}"))
    }

    /// Whether it is a name as rollouts give them.
    pub fn is_of_rollout(&self) -> bool {
        self.0.starts_with("rollout-")
    }

    /// As a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PointName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for PointName {
    type Error = PointNameError;

    fn try_from(text: String) -> Result<Self, PointNameError> {
        Self::parse(&text)
    }
}

impl From<PointName> for String {
    fn from(name: PointName) -> Self {
        name.0.to_string()
    }
}

/// A restore point, as it is written down when all of its snapshots are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePoint {
    /// [`FORMAT`].
    pub format: u32,
    /// Its name.
    pub name: PointName,
    /// The environment's name.
    pub environment: String,
    /// The environment's lineage.
    pub lineage: String,
    /// The version of the recorded state that belongs to it.
    pub serial: u64,
    /// SHA-256 of that version as `state export` writes it, which is kept with the restore point.
    pub state_digest: String,
    /// RFC 3339 time at which capturing began: nothing that happened before is missing from it.
    pub begun_at: String,
    /// What it was made for.
    pub origin: Origin,
    /// Whether a person keeps it from being deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub locked: bool,
    /// What was captured.
    pub snapshots: Vec<Captured>,
}

/// What a restore point was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Origin {
    /// A rollout, before its first wave.
    Rollout {
        /// The rollout.
        rollout: String,
    },
    /// A person, or a program that they run.
    Person {
        /// User and host.
        who: String,
        /// What they said it is for; empty if nothing.
        #[serde(default)]
        why: String,
    },
}

/// One snapshot of a restore point.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Captured {
    /// The instance whose object was captured.
    pub of: Address,
    /// That object's identity.
    pub object: String,
    /// Where the catalogue has the snapshot.
    pub snapshot: Address,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_stand_in_names_of_snapshots() {
        assert_eq!(PointName::of_rollout("0123456789ab").unwrap().as_str(), "rollout-0123456789ab");
        assert_eq!(PointName::parse("20261129t143000z").unwrap().as_str(), "20261129t143000z");
        for wrong in ["", "-a", "a/b", "A", "a b", &"a".repeat(41)] {
            PointName::parse(wrong).unwrap_err();
        }
    }

    #[test]
    fn a_restore_point_reads_as_it_was_written() {
        let text = include_str!("../fixtures/restore-point-format-1.json");
        let point: RestorePoint = serde_json::from_str(text).unwrap();
        assert_eq!(point.format, FORMAT);
        assert_eq!(point.snapshots[0].of.node(), Some(("edge", "edge-main-001")));
        assert_eq!(serde_json::to_string_pretty(&point).unwrap() + "\n", text);
    }
}
