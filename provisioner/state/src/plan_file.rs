//! Plan files: a plan on disk, whole, for this environment only, without a secret in clear.
//!
//! Three parts: a line with the format's version; a line of JSON that says whose plan it is, how long the
//! content is and what its SHA-256 is; the content, the plan as JSON with its sensitive parts sealed. The
//! second line also has a tag that only the environment's key can make, so a changed plan is refused even
//! if its checksum was made to fit.
//!
//! Refuses to know: whether a plan still fits the state (the engine checks revisions).

use crate::files;
use crate::seal::{self, SealError, Sealer};
use model::Diagnostic;
use model::graph::Output;
use model::plan::{FORMAT_VERSION, Plan};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::Path;

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
    /// Its secrets could not be sealed.
    #[error("the plan's secrets cannot be sealed: {0}")]
    Seal(String),
}

impl PlanFileError {
    /// A stable code that can be looked up.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAPlan { .. } => "plan-file-unknown",
            Self::Newer { .. } => "plan-file-newer",
            Self::Truncated { .. } => "plan-file-truncated",
            Self::Tampered { .. } => "plan-file-tampered",
            Self::Foreign { .. } => "plan-file-foreign",
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

/// What a plan file says about itself without a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The environment it is for.
    pub environment: String,
    /// That environment's lineage.
    pub lineage: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// Bytes of the content.
    length: u64,
    /// Over everything but the tag, in hexadecimal.
    sha256: String,
    /// Made with the environment's key over the checksum.
    tag: String,
}

/// Writes a plan; takes the place of an older file.
pub fn write(path: &Path, plan: &Plan, sealer: &Sealer) -> Result<()> {
    let bytes = encode(plan, sealer).map_err(|error| PlanFileError::Seal(error.to_string()))?;
    files::write_private(path, &bytes, true).map_err(|error| storage(path, "write", &error))
}

/// Whose plan it is, after checking that it is whole.
pub fn inspect(path: &Path) -> Result<Header> {
    let bytes = std::fs::read(path).map_err(|error| storage(path, "read", &error))?;
    Ok(split(&bytes, &path.display().to_string())?.0)
}

/// Reads the plan of an environment.
pub fn read(path: &Path, environment: &str, sealer: &Sealer) -> Result<Plan> {
    let bytes = std::fs::read(path).map_err(|error| storage(path, "read", &error))?;
    decode(&bytes, &path.display().to_string(), environment, sealer)
}

fn storage(path: &Path, doing: &'static str, error: &io::Error) -> PlanFileError {
    PlanFileError::Storage {
        path: path.display().to_string(),
        doing,
        why: error.to_string(),
        hint: files::hint(error, path),
    }
}

fn encode(plan: &Plan, sealer: &Sealer) -> Result<Vec<u8>, SealError> {
    let unreadable = |_| SealError::Malformed { place: CONTEXT.to_owned() };
    let json = serde_json::to_value(with_outputs_marked(plan)).map_err(unreadable)?;
    let content = seal::seal_json(&json, sealer, CONTEXT)?.to_string();
    let mut header = Header {
        environment: plan.environment.clone(),
        lineage: sealer.lineage().to_owned(),
        created_at: plan.created_at.clone(),
        length: content.len() as u64,
        sha256: String::new(),
        tag: String::new(),
    };
    header.sha256 = checksum(&header, content.as_bytes());
    header.tag = sealer.seal(b"", &tag_place(&header))?;
    let header = serde_json::to_string(&header).map_err(unreadable)?;
    Ok(format!("{MAGIC}{FORMAT_VERSION}\n{header}\n{content}").into_bytes())
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

fn checksum(header: &Header, content: &[u8]) -> String {
    let Header { environment, lineage, created_at, .. } = header;
    let mut hash = Sha256::new();
    for part in [environment.as_bytes(), lineage.as_bytes(), created_at.as_bytes(), content] {
        // With its length, so that nothing can move from one part to the next unnoticed.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    model::digest::hex(&hash.finalize())
}

fn tag_place(header: &Header) -> String {
    format!("plan file {FORMAT_VERSION} {}", header.sha256)
}

/// Header and content of a whole, unchanged file.
fn split<'a>(bytes: &'a [u8], path: &str) -> Result<(Header, &'a [u8])> {
    let path = || path.to_owned();
    let truncated = || PlanFileError::Truncated { path: path() };
    let tampered = |what: &str| PlanFileError::Tampered { path: path(), what: what.to_owned() };
    let rest = bytes
        .strip_prefix(MAGIC.as_bytes())
        .ok_or_else(|| PlanFileError::NotAPlan { path: path() })?;
    let (version, rest) = line(rest).ok_or_else(truncated)?;
    let version = std::str::from_utf8(version).ok().and_then(|version| version.parse().ok());
    match version {
        Some(found) if found > u64::from(FORMAT_VERSION) => {
            return Err(PlanFileError::Newer { path: path(), found, known: FORMAT_VERSION });
        }
        Some(found) if found == u64::from(FORMAT_VERSION) => {}
        _ => return Err(tampered("its format version is not a number that was ever used")),
    }
    let (header, content) = line(rest).ok_or_else(truncated)?;
    let header: Header =
        serde_json::from_slice(header).map_err(|_| tampered("its header does not read"))?;
    match (content.len() as u64).cmp(&header.length) {
        std::cmp::Ordering::Less => return Err(truncated()),
        std::cmp::Ordering::Greater => return Err(tampered("something follows its end")),
        std::cmp::Ordering::Equal => {}
    }
    if checksum(&header, content) != header.sha256 {
        return Err(tampered("its checksum does not fit"));
    }
    Ok((header, content))
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn decode(bytes: &[u8], path: &str, environment: &str, sealer: &Sealer) -> Result<Plan> {
    let (header, content) = split(bytes, path)?;
    let foreign = |found: String, wanted: String| {
        Err(PlanFileError::Foreign { path: path.to_owned(), found, wanted })
    };
    if header.environment != environment {
        let (found, wanted) = (&header.environment, environment);
        return foreign(format!("environment `{found}`"), format!("`{wanted}`"));
    }
    if header.lineage != sealer.lineage() {
        let found = format!("another life of environment `{environment}` ({})", header.lineage);
        return foreign(found, format!("the present one ({})", sealer.lineage()));
    }
    let tampered = |what: String| PlanFileError::Tampered { path: path.to_owned(), what };
    sealer
        .open(&header.tag, &tag_place(&header))
        .map_err(|_| tampered("its tag was not made with this environment's key".to_owned()))?;
    let json = serde_json::from_slice(content).map_err(|error| tampered(error.to_string()))?;
    let json = seal::open_json(&json, sealer, CONTEXT).map_err(|e| tampered(e.to_string()))?;
    let plan: Plan = serde_json::from_value(json).map_err(|error| tampered(error.to_string()))?;
    let fits = plan.environment == header.environment
        && (plan.lineage.is_empty() || plan.lineage == header.lineage)
        && plan.format_version == FORMAT_VERSION;
    if fits { Ok(plan) } else { Err(tampered("its header and its content differ".to_owned())) }
}

#[cfg(test)]
mod tests;
