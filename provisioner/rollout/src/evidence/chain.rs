//! Entries as a chain of records, and the walk along it.
//!
//! A record is a line `{"hash":"...","record":{...}}`; the hash is over the bytes of the record as they are written, and each
//! record holds the hash of the one before, the first one a hash of the rollout's id. So a line can be checked without
//! reading numbers back exactly, and a changed, missing or moved line is found at its place.
//!
//! Refuses to know: signatures.

use super::canonical::canonical;
use super::{EvidenceError, Result};
use model::digest::sha256_hex;
use model::rollout::Check;
use model::rollout::entry::{Entry, Outcome, Start, What};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The first record that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {number} {what}")]
pub struct RecordFault {
    /// Its number, from 0: that of its entry.
    pub number: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// An entry and what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    entry: Entry,
    /// SHA-256 of the plan of the rollout.
    plan_hash: String,
    /// What must hold, by gate: of a measurement its gate's, of a verdict those of its stage.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    checks: BTreeMap<String, Check>,
    /// Of a verdict: SHA-256 of the hashes of all measurements of its stage so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inputs: Option<String>,
    /// The hash of the record before.
    previous: String,
}

/// The lines of a chain and the hash of the last one.
#[derive(Debug)]
pub struct Chain {
    /// A record each.
    pub lines: Vec<String>,
    /// The hash of the last one.
    pub head: String,
}

impl Chain {
    /// The chain of all entries of a rollout.
    pub fn of(entries: &[Entry]) -> Result<Self> {
        let refused = |why: &str| EvidenceError::Entries(why.to_owned());
        let mut context: Option<Context> = None;
        let mut lines = Vec::with_capacity(entries.len());
        for (number, entry) in (0_u64..).zip(entries) {
            if entry.number != number || entry.rollout != entries[0].rollout {
                return Err(refused("are not all of one rollout, in order"));
            }
            let context = match &mut context {
                Some(context) => context,
                none => none.insert(
                    Context::begin(entry)
                        .ok_or_else(|| refused("do not begin with a rollout's start"))?,
                ),
            };
            let record = context.record(entry);
            let value = serde_json::to_value(&record);
            let value = value.map_err(|error| EvidenceError::Entries(error.to_string()))?;
            let body = canonical(&value);
            let hash = sha256_hex(body.as_bytes());
            lines.push(format!("{{\"hash\":\"{hash}\",\"record\":{body}}}"));
            context.add(entry, hash);
        }
        let head = context.map(|context| context.previous);
        Ok(Self { lines, head: head.ok_or_else(|| refused("are none"))? })
    }
}

/// What records rest on that came before them.
struct Context {
    start: Start,
    previous: String,
    /// Hashes of measurements, by stage.
    measured: BTreeMap<u32, Vec<String>>,
    /// The stage that was entered last.
    stage: u32,
}

impl Context {
    /// None if the entry does not begin a rollout.
    fn begin(entry: &Entry) -> Option<Self> {
        let What::Started(start) = &entry.what else {
            return None;
        };
        let previous = sha256_hex(format!("{}\n{}", super::USAGE, entry.rollout).as_bytes());
        let start = Start::clone(start);
        Some(Self { start, previous, measured: BTreeMap::new(), stage: 0 })
    }

    fn record(&self, entry: &Entry) -> Record {
        let (stage, gate) = match &entry.what {
            What::Measured(measurement) => (Some(measurement.stage), Some(&measurement.gate)),
            What::Judged { stage, .. } | What::Promoted { stage, .. } => (Some(*stage), None),
            What::RollbackDecided { .. } => (Some(self.stage), None),
            _ => (None, None),
        };
        let inputs = match (stage, gate) {
            (Some(stage), None) => Some(self.inputs(stage)),
            _ => None,
        };
        let checks = stage.map(|stage| self.checks(stage, gate)).unwrap_or_default();
        let (plan_hash, previous) = (self.start.plan_hash.clone(), self.previous.clone());
        Record { entry: entry.clone(), plan_hash, checks, inputs, previous }
    }

    fn inputs(&self, stage: u32) -> String {
        let hashes = self.measured.get(&stage).map(|hashes| hashes.join("\n"));
        sha256_hex(hashes.unwrap_or_default().as_bytes())
    }

    fn checks(&self, stage: u32, gate: Option<&String>) -> BTreeMap<String, Check> {
        let rules = self
            .start
            .stage(stage)
            .and_then(|(set, nodes)| set.rollout.stages.get(usize::try_from(nodes.stage).ok()?));
        let gates = rules.map_or(&[][..], |rules| &rules.gates);
        let wanted = gates.iter().filter(|one| gate.is_none_or(|gate| one.gate == *gate));
        wanted.map(|one| (one.gate.clone(), one.check.clone())).collect()
    }

    fn add(&mut self, entry: &Entry, hash: String) {
        match &entry.what {
            What::StageEntered { stage } => self.stage = *stage,
            What::Measured(measurement) => {
                self.measured.entry(measurement.stage).or_default().push(hash.clone());
            }
            _ => {}
        }
        self.previous = hash;
    }
}

/// How far a chain fits.
#[derive(Debug, Default)]
pub struct Walked {
    /// Records that fit.
    pub number: u64,
    /// The hash of the last one.
    pub head: String,
    /// What the rollout began with.
    pub start: Option<Start>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Its id.
    pub rollout: String,
    /// The entries of the records that fit.
    pub entries: Vec<Entry>,
    /// The first record that does not fit.
    pub fault: Option<RecordFault>,
}

/// Walks along the lines of a chain, up to the first record that does not fit.
pub fn walk(text: &str) -> Walked {
    let mut walked = Walked::default();
    let mut context: Option<Context> = None;
    let lines: Vec<&str> = text.split('\n').collect();
    for (index, line) in lines.iter().enumerate() {
        let line = if index + 1 == lines.len() { Some(*line) } else { line.strip_suffix(',') };
        let taken = line.ok_or("does not read").and_then(|line| walked.take(line, &mut context));
        if let Err(what) = taken {
            walked.fault = Some(RecordFault { number: walked.number, what });
            break;
        }
        walked.number += 1;
    }
    walked
}

impl Walked {
    fn take(&mut self, line: &str, context: &mut Option<Context>) -> Result<(), &'static str> {
        let (hash, body) = parts(line).ok_or("does not read")?;
        if sha256_hex(body.as_bytes()) != hash {
            return Err("is not what its hash is of");
        }
        let record: Record = serde_json::from_str(body).map_err(|_| "does not read")?;
        let context = match context {
            Some(context) => context,
            none => {
                self.rollout.clone_from(&record.entry.rollout);
                none.insert(Context::begin(&record.entry).ok_or("is not the start of a rollout")?)
            }
        };
        let wanted = context.record(&record.entry);
        if record.entry.number != self.number || record.entry.rollout != self.rollout {
            return Err("is not the entry that comes here");
        }
        for (fits, what) in [
            (record.previous == wanted.previous, "does not follow the record before it"),
            (record.plan_hash == wanted.plan_hash, "is about another plan"),
            (record.checks == wanted.checks, "has other thresholds than the rollout began with"),
            (record.inputs == wanted.inputs, "rests on other measurements than came before it"),
        ] {
            if !fits {
                return Err(what);
            }
        }
        if let What::Started(start) = &record.entry.what {
            if self.number > 0 {
                return Err("starts the rollout again");
            }
            self.start = Some(Start::clone(start));
        }
        if let What::Ended { outcome, .. } = record.entry.what {
            self.outcome = Some(outcome);
        }
        context.add(&record.entry, hash.to_owned());
        hash.clone_into(&mut self.head);
        self.entries.push(record.entry);
        Ok(())
    }
}

/// The hash and the bytes of the record of a line.
fn parts(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("{\"hash\":\"")?;
    let (hash, rest) = rest.split_at_checked(64)?;
    let body = rest.strip_prefix("\",\"record\":")?.strip_suffix('}')?;
    Some((hash, body))
}
