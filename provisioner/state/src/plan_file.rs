//! Plan files: a plan on disk, whole, for this environment only, without a secret in clear.
//!
//! Four parts: a line with the format's version; the statement, a line of JSON that says what the plan is, whose, what
//! it was made from and until when it may be used; a line with the signatures of that line (see [`signature`]); the
//! content, the plan as JSON with its sensitive parts sealed. The statement has the content's SHA-256, so the
//! signatures are over everything. Only the environment's current keys can make them.
//!
//! Refuses to know: whether a plan still fits the state (the engine checks revisions), what time it is.

mod signature;

use crate::files;
use crate::keys::Generation;
use crate::seal::{self, Sealer};
use jiff::{SignedDuration, Timestamp};
use model::Diagnostic;
use model::digest::sha256_hex;
use model::graph::Output;
use model::plan::{FORMAT_VERSION, Plan};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use signature::{Signatures, Signer};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The oldest format that can be read: its plans say less and mean the same.
const OLDEST: u32 = 2;
const MAGIC: &str = "provisioner plan, format ";
/// What the sealed parts of a plan are bound to.
const CONTEXT: &str = "plan";

/// Why a plan file cannot be written or used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PlanFileError {
    /// It is something else.
    #[error("{path} is not a plan file")]
    NotAPlan {
        /// The file.
        path: String,
    },
    /// A newer program wrote it.
    #[error("{path} has plan format {found}, and this program knows formats up to {known}")]
    Newer {
        /// The file.
        path: String,
        /// Its format.
        found: u64,
        /// The newest format known.
        known: u32,
    },
    /// An older program wrote it.
    #[error(
        "{path} has plan format {found}, made by an older version of provisioner: such plans are not signed"
    )]
    Older {
        /// The file.
        path: String,
        /// Its format.
        found: u64,
    },
    /// Its end is missing.
    #[error("{path} is incomplete: its end is missing")]
    Truncated {
        /// The file.
        path: String,
    },
    /// It is not as it was written.
    #[error("{path} was changed after it was written: {what}")]
    Tampered {
        /// The file.
        path: String,
        /// What does not fit.
        what: String,
    },
    /// It was made for another environment, or for an earlier life of this one.
    #[error("{path} is a plan for {found}, not for {wanted}")]
    Foreign {
        /// The file.
        path: String,
        /// What it is for.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// A signature of it is not the environment's.
    #[error("{path} is not signed by this environment: its {which} signature does not fit")]
    Signature {
        /// The file.
        path: String,
        /// Ed25519 or ML-DSA-65.
        which: &'static str,
    },
    /// Other keys are current now than those it was signed with.
    #[error(
        "{path} was signed with the keys of generation {found}, and the environment's keys were rotated since (they are of generation {current} now)"
    )]
    Rotated {
        /// The file.
        path: String,
        /// The generation that signed it.
        found: Generation,
        /// The current generation.
        current: Generation,
    },
    /// It is too old.
    #[error("{path} could be applied until {expired_at}, and it is {now}")]
    Expired {
        /// The file.
        path: String,
        /// When that was, RFC 3339.
        expired_at: String,
        /// The time now, RFC 3339.
        now: String,
    },
    /// It was made with other versions of providers.
    #[error("{path} was made with other versions of providers: {}", changes.join(", "))]
    Providers {
        /// The file.
        path: String,
        /// One text a provider: what it was and what it is.
        changes: Vec<String>,
    },
    /// The file system refused.
    #[error("cannot {doing} the plan file {path}: {why}")]
    Storage {
        /// The file.
        path: String,
        /// `read` or `write`.
        doing: &'static str,
        /// What the system said.
        why: String,
        /// What to do.
        hint: String,
    },
    /// Its secrets could not be sealed, or it could not be signed.
    #[error("the plan cannot be sealed and signed: {0}")]
    Seal(String),
}

impl PlanFileError {
    /// A stable code that can be looked up.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAPlan { .. } => "plan-file-unknown",
            Self::Newer { .. } => "plan-file-newer",
            Self::Older { .. } => "plan-file-older",
            Self::Truncated { .. } => "plan-file-truncated",
            Self::Tampered { .. } => "plan-file-tampered",
            Self::Foreign { .. } => "plan-file-foreign",
            Self::Signature { .. } => "plan-file-signature",
            Self::Rotated { .. } => "plan-file-rotated",
            Self::Expired { .. } => "plan-file-expired",
            Self::Providers { .. } => "plan-file-providers",
            Self::Storage { .. } => "plan-file-storage",
            Self::Seal(_) => "plan-file-seal",
        }
    }

    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Newer { .. } => {
                "use the version of provisioner that wrote it, or plan again with this one"
                    .to_owned()
            }
            Self::Foreign { .. } => {
                "name the environment that it was made for, or plan again".to_owned()
            }
            Self::Providers { .. } => {
                "use the version of provisioner that made the plan, or plan again with this one"
                    .to_owned()
            }
            Self::Signature { .. } => {
                "do not trust this file: plan again, and find out who changed it".to_owned()
            }
            Self::Storage { hint, .. } => hint.clone(),
            _ => "plan again and apply the new file".to_owned(),
        }
    }

    /// The error for people.
    pub fn to_diagnostic(&self) -> Diagnostic {
        Diagnostic::error(self.code(), self.to_string()).with_hint(self.hint())
    }
}

type Result<T, E = PlanFileError> = std::result::Result<T, E>;

/// What a plan is bound to besides what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The version of every provider that the plan uses, by name.
    pub provider_versions: BTreeMap<String, String>,
    /// For how long after it was made the plan may be applied.
    pub valid_for: SignedDuration,
}

/// What a plan file says about itself. What is signed is this, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The environment it is for.
    pub environment: String,
    /// That environment's lineage.
    pub lineage: String,
    /// SHA-256 of the revisions that the plan was made from, as JSON.
    base_revisions: String,
    /// SHA-256 of the configuration and variables.
    configuration: String,
    /// The version of every provider, by name.
    provider_versions: BTreeMap<String, String>,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// Until when it may be applied, RFC 3339.
    pub expires_at: String,
    /// The generation of keys that signs it.
    generation: Generation,
    /// Bytes of the content.
    length: u64,
    /// SHA-256 of the content.
    sha256: String,
}

/// Writes a plan; takes the place of an older file.
pub fn write(path: &Path, plan: &Plan, sealer: &Sealer, binding: &Binding) -> Result<()> {
    let bytes = encode(plan, sealer, binding)?;
    files::write_private(path, &bytes, true).map_err(|error| storage(path, "write", &error))
}

/// Whose plan it is, after checking that it is whole. Needs no key, so it proves nothing.
pub fn inspect(path: &Path) -> Result<Statement> {
    let bytes = std::fs::read(path).map_err(|error| storage(path, "read", &error))?;
    Ok(Parts::of(&bytes, &path.display().to_string())?.statement)
}

/// What a plan must fit to be read.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The environment's name.
    pub environment: &'a str,
    /// Its keys.
    pub sealer: &'a Sealer,
    /// The time now.
    pub now: Timestamp,
    /// The version of every provider of this program, by name.
    pub provider_versions: &'a BTreeMap<String, String>,
}

/// Reads the plan of an environment: whole, for it, signed with its current keys by both methods, not expired, made
/// with the same versions of its providers.
pub fn read(path: &Path, expected: &Expected) -> Result<Plan> {
    let bytes = std::fs::read(path).map_err(|error| storage(path, "read", &error))?;
    decode(&bytes, &path.display().to_string(), expected)
}

fn storage(path: &Path, doing: &'static str, error: &io::Error) -> PlanFileError {
    PlanFileError::Storage {
        path: path.display().to_string(),
        doing,
        why: error.to_string(),
        hint: files::hint(error, path),
    }
}

fn encode(plan: &Plan, sealer: &Sealer, binding: &Binding) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| PlanFileError::Seal(error.to_string());
    let json = serde_json::to_value(with_outputs_marked(plan)).map_err(|e| failed(&e))?;
    let content = seal::seal_json(&json, sealer, CONTEXT).map_err(|e| failed(&e))?.to_string();
    let created_at: Timestamp = plan.created_at.parse().map_err(|e: jiff::Error| failed(&e))?;
    let expires_at = created_at.checked_add(binding.valid_for).map_err(|e| failed(&e))?;
    let statement = Statement {
        environment: plan.environment.clone(),
        lineage: sealer.lineage().to_owned(),
        base_revisions: base_revisions(plan).map_err(|e| failed(&e))?,
        configuration: plan.configuration_digest.clone(),
        provider_versions: binding.provider_versions.clone(),
        created_at: plan.created_at.clone(),
        expires_at: expires_at.to_string(),
        generation: sealer.generation(),
        length: content.len() as u64,
        sha256: sha256_hex(content.as_bytes()),
    };
    let statement = serde_json::to_string(&statement).map_err(|e| failed(&e))?;
    let signer = Signer::of(sealer).ok_or_else(|| failed(&"the current keys are missing"))?;
    let signatures = signer.sign(statement.as_bytes()).map_err(|e| failed(&e))?;
    Ok(format!("{MAGIC}{FORMAT_VERSION}\n{statement}\n{signatures}\n{content}").into_bytes())
}

/// A sensitive output is sealed even where its value carries no mark.
fn with_outputs_marked(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for output in plan.outputs.values_mut().filter(|output| output.sensitive) {
        let value = output.value.clone().into_sensitive();
        *output = Output { value, ..output.clone() };
    }
    plan
}

/// Digest of everything recorded that a plan was made from.
fn base_revisions(plan: &Plan) -> serde_json::Result<String> {
    let revisions = (plan.serial, &plan.base_revisions, &plan.output_revisions);
    Ok(sha256_hex(serde_json::to_string(&revisions)?.as_bytes()))
}

/// A whole file, taken apart.
struct Parts<'a> {
    /// Of the format.
    version: u64,
    statement: Statement,
    /// The statement as it is written: what the signatures are over.
    signed: &'a [u8],
    signatures: Signatures,
    content: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8], path: &str) -> Result<Self> {
        let path = || path.to_owned();
        let truncated = || PlanFileError::Truncated { path: path() };
        let tampered = |what: &str| PlanFileError::Tampered { path: path(), what: what.to_owned() };
        let rest = bytes
            .strip_prefix(MAGIC.as_bytes())
            .ok_or_else(|| PlanFileError::NotAPlan { path: path() })?;
        let (version, rest) = line(rest).ok_or_else(truncated)?;
        let version = std::str::from_utf8(version).ok().and_then(|version| version.parse().ok());
        let known = u64::from(FORMAT_VERSION);
        let version = match version {
            Some(found) if found > known => {
                return Err(PlanFileError::Newer { path: path(), found, known: FORMAT_VERSION });
            }
            Some(found) if found >= u64::from(OLDEST) => found,
            Some(found @ 1..) => return Err(PlanFileError::Older { path: path(), found }),
            _ => return Err(tampered("its format version is not a number that was ever used")),
        };
        let (signed, rest) = line(rest).ok_or_else(truncated)?;
        let (signatures, content) = line(rest).ok_or_else(truncated)?;
        let unreadable = || tampered("its statement does not read");
        let statement: Statement = serde_json::from_slice(signed).map_err(|_| unreadable())?;
        let signatures = Signatures::parse(signatures, signed)
            .ok_or_else(|| tampered("its statement does not fit its checksum"))?;
        match (content.len() as u64).cmp(&statement.length) {
            std::cmp::Ordering::Less => return Err(truncated()),
            std::cmp::Ordering::Greater => return Err(tampered("something follows its end")),
            std::cmp::Ordering::Equal => {}
        }
        if sha256_hex(content) != statement.sha256 {
            return Err(tampered("its checksum does not fit"));
        }
        Ok(Self { version, statement, signed, signatures, content })
    }

    /// Whether it is for this environment in its present life.
    fn expect_ours(&self, path: &str, expected: &Expected) -> Result<()> {
        let (environment, lineage) = (expected.environment, expected.sealer.lineage());
        let foreign = |found: String, wanted: String| {
            Err(PlanFileError::Foreign { path: path.to_owned(), found, wanted })
        };
        let Statement { environment: found, lineage: life, .. } = &self.statement;
        if found != environment {
            return foreign(format!("environment `{found}`"), format!("`{environment}`"));
        }
        if life != lineage {
            let found = format!("another life of environment `{environment}` ({life})");
            return foreign(found, format!("the present one ({lineage})"));
        }
        Ok(())
    }

    /// Whether the environment's current keys signed it.
    fn expect_signed(&self, path: &str, sealer: &Sealer) -> Result<()> {
        let (found, current) = (self.statement.generation, sealer.generation());
        if found != current {
            return Err(PlanFileError::Rotated { path: path.to_owned(), found, current });
        }
        let refused = |which| PlanFileError::Signature { path: path.to_owned(), which };
        let signer = Signer::of(sealer).ok_or_else(|| refused("Ed25519"))?;
        signer.verify(self.signed, &self.signatures).map_err(refused)
    }

    /// Whether it may be applied now, by this program.
    fn expect_fitting(&self, path: &str, expected: &Expected) -> Result<()> {
        let Statement { expires_at, provider_versions: made, .. } = &self.statement;
        let path = || path.to_owned();
        let until: Timestamp = expires_at.parse().map_err(|_| PlanFileError::Tampered {
            path: path(),
            what: "when it expires does not read".to_owned(),
        })?;
        if expected.now >= until {
            let (expired_at, now) = (expires_at.clone(), expected.now.to_string());
            return Err(PlanFileError::Expired { path: path(), expired_at, now });
        }
        let changes: Vec<String> = made
            .iter()
            .filter_map(|(name, made)| match expected.provider_versions.get(name) {
                Some(now) if now == made => None,
                Some(now) => Some(format!("{name} was {made} and is {now}")),
                None => Some(format!("{name} {made} is not there")),
            })
            .collect();
        if changes.is_empty() {
            return Ok(());
        }
        Err(PlanFileError::Providers { path: path(), changes })
    }
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// As deep as it was written: what is unknown holds what it is computed from, and that again. Only for what is signed.
fn json_of(content: &[u8]) -> serde_json::Result<Json> {
    let mut reader = serde_json::Deserializer::from_slice(content);
    reader.disable_recursion_limit();
    let json = Json::deserialize(&mut reader)?;
    reader.end()?;
    Ok(json)
}

fn decode(bytes: &[u8], path: &str, expected: &Expected) -> Result<Plan> {
    let parts = Parts::of(bytes, path)?;
    parts.expect_ours(path, expected)?;
    parts.expect_signed(path, expected.sealer)?;
    parts.expect_fitting(path, expected)?;
    let tampered = |what: String| PlanFileError::Tampered { path: path.to_owned(), what };
    let json = json_of(parts.content).map_err(|error| tampered(error.to_string()))?;
    let json = seal::open_json(&json, expected.sealer, CONTEXT);
    let json = json.map_err(|error| tampered(error.to_string()))?;
    let mut plan: Plan =
        serde_json::from_value(json).map_err(|error| tampered(error.to_string()))?;
    let statement = &parts.statement;
    let fits = plan.environment == statement.environment
        && (plan.lineage.is_empty() || plan.lineage == statement.lineage)
        && plan.configuration_digest == statement.configuration
        && base_revisions(&plan).is_ok_and(|digest| digest == statement.base_revisions)
        && u64::from(plan.format_version) == parts.version;
    if !fits {
        return Err(tampered("its statement and its content differ".to_owned()));
    }
    plan.format_version = FORMAT_VERSION;
    Ok(plan)
}

#[cfg(test)]
mod tests;
