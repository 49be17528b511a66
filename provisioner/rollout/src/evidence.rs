//! Evidence of a rollout that others can check: its entries as a chain of records in a signed statement.
//!
//! A *record* is an entry of the journal with what it rests on beside it: the hash of the plan, the thresholds of the gates
//! (as the rollout began with them), for a verdict the hash of all measurements that it was made from, and the hash of the
//! record before. Records are canonical JSON and hashed with SHA-256. The statement is an in-toto Statement v1
//! about the plan and the configuration, in a DSSE envelope with two signatures, Ed25519 and ML-DSA-65; both must fit.
//!
//! What protects what. Until an export the entries are protected by the journal: it is append-only, written under a fenced lease,
//! and hashed entry by entry by the store, so damage and edits from outside are found. It is not signed entry by entry: whoever
//! holds the environment's keys and the store could write another history before it is exported. An export binds all
//! entries up to then: who has it, or has kept the hash of its last record ([`head`]), finds every later change, and who has
//! only the public keys knows that the environment's keys signed it. So export when a rollout ends, and keep it elsewhere.
//! A signature says who signed and what, not that the metric source told the truth.
//!
//! Invariants: an export is verified before it is given out; the same entries and keys give the same bytes; records have no
//! gap and begin with the start of the rollout; a byte of a record that is changed makes [`verify`] name that record.
//! Refuses to know: where entries and envelopes are kept.

mod anew;
mod canonical;
mod chain;
mod envelope;

pub use anew::{Unfounded, judge};
pub use chain::RecordFault;

use chain::{Chain, Walked};
use envelope::Envelope;
use model::digest::sha256_hex;
use model::rollout::entry::{Entry, Outcome, Start, What};
use serde::{Deserialize, Serialize};
use state::keys::Generation;
use state::seal::Sealer;
pub use state::signing::{PublicKeys, Signer};

/// The format that is written. Older ones are read.
pub const FORMAT_VERSION: u32 = 1;
/// What the signing keys are for.
const USAGE: &str = "provisioner rollout evidence 1";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "urn:provisioner:rollout-evidence:v1";
/// How a statement goes on after its first line.
const END: &str = "]}}";

/// Why there is no evidence, or what is given is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The entries are not those of one rollout from its beginning.
    #[error("there is no evidence of entries that {0}")]
    Entries(String),
    /// It is something else.
    #[error("this is not the evidence of a rollout: {0}")]
    Foreign(String),
    /// A newer program wrote it.
    #[error(
        "this evidence has format {found}, and this program knows formats up to {FORMAT_VERSION}"
    )]
    Newer {
        /// Its format.
        found: u64,
    },
    /// It could not be signed.
    #[error("the evidence cannot be signed: {0}")]
    Signing(String),
}

type Result<T, E = EvidenceError> = std::result::Result<T, E>;

/// What signs evidence of an environment; none if its current keys are missing.
pub fn signer(sealer: &Sealer) -> Option<Signer> {
    Signer::of(sealer, USAGE)
}

/// What evidence of an environment is verified with: the public keys of every generation that is kept.
pub fn public_keys(sealer: &Sealer) -> Vec<PublicKeys> {
    PublicKeys::all(sealer, USAGE)
}

/// The hash of the last record that entries make.
pub fn head(entries: &[Entry]) -> Result<String> {
    Ok(Chain::of(entries)?.head)
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    name: String,
    digest: Digest,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Digest {
    sha256: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Predicate {
    format: u32,
    environment: String,
    rollout: String,
    outcome: Option<Outcome>,
    /// How many records there are.
    records: u64,
    /// The hash of the last one.
    head: String,
    /// The records follow, a line each.
    chain: [(); 0],
}

impl Statement {
    fn about(
        start: &Start,
        rollout: &str,
        outcome: Option<Outcome>,
        records: u64,
        head: &str,
    ) -> Self {
        let subject = |name: &str, sha256: &str| Subject {
            name: name.to_owned(),
            digest: Digest { sha256: sha256.to_owned() },
        };
        Self {
            kind: STATEMENT_TYPE.to_owned(),
            subject: vec![
                subject("plan", &start.plan_hash),
                subject("configuration", &start.configuration_digest),
            ],
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: Predicate {
                format: FORMAT_VERSION,
                environment: start.environment.clone(),
                rollout: rollout.to_owned(),
                outcome,
                records,
                head: head.to_owned(),
                chain: [],
            },
        }
    }
}

/// The signed evidence of a rollout, from all its entries: a DSSE envelope, one line of JSON and a line feed.
pub fn export(entries: &[Entry], signer: &Signer) -> Result<String> {
    let chain = Chain::of(entries)?;
    let start = start_of(entries)?;
    let rollout = &entries[0].rollout;
    let statement =
        Statement::about(start, rollout, outcome_of(entries), entries.len() as u64, &chain.head);
    let unwritable = |error: serde_json::Error| EvidenceError::Entries(error.to_string());
    let text = serde_json::to_string(&statement).map_err(unwritable)?;
    let opening = text.strip_suffix(END).unwrap_or(&text);
    let payload = format!("{opening}\n{}\n{END}", chain.lines.join(",\n"));
    let exported = Envelope::sign(&payload, signer)
        .and_then(|envelope| envelope.text())
        .map_err(|why| EvidenceError::Signing(why.to_string()))?;
    let report = verify(&exported, &[signer.public()])?;
    match report.faults.first() {
        None => Ok(exported),
        Some(fault) => Err(EvidenceError::Entries(format!("do not read back: {fault}"))),
    }
}

/// What is wrong with evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A signature is missing, is not by any of the keys that were given, or does not fit.
    #[error("the {method} signature {what}")]
    Signature {
        /// Ed25519 or ML-DSA-65.
        method: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The first record that does not fit.
    #[error(transparent)]
    Record(#[from] RecordFault),
    /// Records are missing at the end, or there are more than there should be.
    #[error("it has {found} records and says that they are {said}: record {} is the first that is not as said", found.min(said))]
    Length {
        /// Records that are there.
        found: u64,
        /// Records that it says there are.
        said: u64,
    },
    /// What it says about the records is not what they say.
    #[error("it says another {what} than its records do")]
    Statement {
        /// Of what.
        what: &'static str,
    },
}

/// What evidence says, and whether that can be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The environment.
    pub environment: String,
    /// The rollout.
    pub rollout: String,
    /// How it ended; none if that is not among the records.
    pub outcome: Option<Outcome>,
    /// Records that are there.
    pub records: u64,
    /// The hash of the last record that fits.
    pub head: String,
    /// SHA-256 of the plan.
    pub plan_hash: String,
    /// SHA-256 of the configuration and variables.
    pub configuration_digest: String,
    /// The generation of keys that both signatures are by.
    pub signed_by: Option<Generation>,
    /// Everything that is wrong; at most one of them is a record's.
    pub faults: Vec<Fault>,
    /// The first verdict, rollback or end that what is kept before it does not give, as far as the records fit. It may have been
    /// signed all the same: by a program that decided otherwise, or by somebody who wrote another history.
    pub unfounded: Option<Unfounded>,
}

impl Report {
    /// Whether both signatures fit, and every record, and every verdict follows from what it rests on.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty() && self.unfounded.is_none()
    }
}

/// Checks evidence: both signatures, with any of the keys; every record, from the first on; what the statement says of
/// them; and judges every verdict, rollback and end anew from what is kept before it. Needs no secret.
pub fn verify(text: &str, keys: &[PublicKeys]) -> Result<Report> {
    let foreign = |why: &str| EvidenceError::Foreign(why.to_owned());
    let envelope = Envelope::parse(text).map_err(EvidenceError::Foreign)?;
    let payload = envelope.payload().ok_or_else(|| foreign("its payload does not read"))?;
    let (opening, rest) =
        payload.split_once('\n').ok_or_else(|| foreign("its payload has no records"))?;
    let statement = parse_opening(opening)?;
    let mut faults = Vec::new();
    let signed_by = envelope.signed_by(&payload, keys, &mut faults);
    let (records, ended) = match rest.strip_suffix(END).and_then(|rest| rest.strip_suffix('\n')) {
        Some(records) => (records, true),
        None => (rest, false),
    };
    if !ended {
        faults.push(Fault::Statement { what: "end" });
    }
    let Walked { number, head, start, outcome, rollout, entries, fault } = chain::walk(records);
    let whole = fault.is_none();
    faults.extend(fault.map(Fault::Record));
    let predicate = &statement.predicate;
    if whole && number != predicate.records {
        faults.push(Fault::Length { found: number, said: predicate.records });
    } else if whole && let Some(start) = &start {
        let wanted = Statement::about(start, &rollout, outcome, number, &head);
        let same_rollout = (&predicate.rollout, &predicate.environment)
            == (&wanted.predicate.rollout, &wanted.predicate.environment);
        for (fits, what) in [
            (predicate.head == head, "last record"),
            (statement.subject == wanted.subject, "plan or configuration"),
            (same_rollout, "rollout"),
            (predicate.outcome == outcome, "outcome"),
        ] {
            if !fits {
                faults.push(Fault::Statement { what });
            }
        }
    }
    let subject = |place: usize| statement.subject.get(place).map(|one| one.digest.sha256.clone());
    Ok(Report {
        environment: statement.predicate.environment.clone(),
        rollout: statement.predicate.rollout.clone(),
        outcome,
        records: number,
        head,
        plan_hash: subject(0).unwrap_or_default(),
        configuration_digest: subject(1).unwrap_or_default(),
        signed_by,
        faults,
        unfounded: anew::judge(&entries),
    })
}

fn parse_opening(opening: &str) -> Result<Statement> {
    /// What every format has, so that newer ones are told apart from damage.
    #[derive(Deserialize)]
    struct AnyFormat {
        predicate: AnyPredicate,
    }
    #[derive(Deserialize)]
    struct AnyPredicate {
        format: u64,
    }
    let foreign = |why: String| EvidenceError::Foreign(why);
    let text = format!("{opening}{END}");
    let any: AnyFormat = serde_json::from_str(&text).map_err(|error| foreign(error.to_string()))?;
    if any.predicate.format > u64::from(FORMAT_VERSION) {
        return Err(EvidenceError::Newer { found: any.predicate.format });
    }
    let statement: Statement =
        serde_json::from_str(&text).map_err(|error| foreign(error.to_string()))?;
    if statement.kind != STATEMENT_TYPE || statement.predicate_type != PREDICATE_TYPE {
        return Err(foreign(format!("it is a statement of {}", statement.predicate_type)));
    }
    Ok(statement)
}

fn start_of(entries: &[Entry]) -> Result<&Start> {
    let Some(What::Started(start)) = entries.first().map(|entry| &entry.what) else {
        return Err(EvidenceError::Entries("do not begin with a rollout's start".to_owned()));
    };
    let is_digest = |text: &str| {
        text.len() == sha256_hex(b"").len() && text.bytes().all(|b| b.is_ascii_hexdigit())
    };
    if is_digest(&start.plan_hash) && is_digest(&start.configuration_digest) {
        return Ok(start);
    }
    Err(EvidenceError::Entries("have no SHA-256 of the plan and the configuration".to_owned()))
}

fn outcome_of(entries: &[Entry]) -> Option<Outcome> {
    entries.iter().rev().find_map(|entry| match entry.what {
        What::Ended { outcome, .. } => Some(outcome),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
