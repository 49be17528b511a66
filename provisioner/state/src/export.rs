//! The state as one text: canonical JSON, keys sorted, secrets sealed so that the same content gives the same bytes. For
//! copies, comparisons, and for making an environment anew from one.
//!
//! Invariants: export, import, export gives the same bytes; nothing secret stands in it. History, leases and
//! rollouts are left out: `migrate` takes those along. Refuses to know: files, stores.

use crate::error::StateError;
use crate::port::{Edit, Identity};
use crate::seal::{self, Sealer};
use crate::version::Version;
use model::Address;
use model::graph::{Node, Output, ProviderConfig};
use model::record::Record;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What the first member of an export says.
const FORMAT: &str = "provisioner-state";
/// The version of the export format that this program writes.
const VERSION: u32 = 1;
/// Where sealed values of an export belong.
const PLACE: &str = "export";

type Result<T, E = StateError> = std::result::Result<T, E>;

/// An environment as a text tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Export {
    format: String,
    version: u32,
    /// The environment's name.
    pub environment: String,
    /// Its lineage; its key is needed to open the secrets.
    pub lineage: String,
    /// Records by address.
    pub records: BTreeMap<Address, Record>,
    /// The last revision of addresses that have no record any more.
    #[serde(default)]
    pub removed: BTreeMap<Address, u64>,
    /// Objects to be deleted.
    pub deposed: Vec<Record>,
    /// Root outputs.
    pub outputs: BTreeMap<String, Output>,
    /// Provider configurations.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Nodes by node set.
    pub node_sets: BTreeMap<String, Vec<Node>>,
}

/// The text of a version. A sealer is needed only where there are secrets.
pub fn write(
    identity: &Identity,
    version: &Version,
    sealer: impl FnOnce() -> Result<Sealer>,
) -> Result<String> {
    let export = Export {
        format: FORMAT.to_owned(),
        version: VERSION,
        environment: identity.environment.clone(),
        lineage: identity.lineage.clone(),
        records: version.records.clone(),
        removed: version.removed.clone(),
        deposed: version.deposed.clone(),
        outputs: version.outputs.clone(),
        providers: version.providers.clone(),
        node_sets: version.node_sets.clone(),
    };
    let mut json = crate::rules::json_of(&export)?;
    if seal::has_tag(&json, "$sensitive") {
        let sealer = sealer()?.derived();
        json = seal::seal_json(&json, &sealer, PLACE)
            .map_err(|error| StateError::Key(error.to_string()))?;
    }
    let text = serde_json::to_string_pretty(&sorted(json))
        .map_err(|error| StateError::Illegal(format!("an export cannot be written: {error}")))?;
    Ok(text + "\n")
}

/// Whether a text claims to be an export.
pub fn is_export(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Head {
        format: String,
    }
    serde_json::from_str::<Head>(text).is_ok_and(|head| head.format == FORMAT)
}

/// Whose state an export is: environment and lineage.
pub fn inspect(text: &str, place: &str) -> Result<(String, String)> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
        environment: String,
        lineage: String,
    }
    let head: Head = serde_json::from_str(text).map_err(|error| damaged(place, &error))?;
    if head.version > VERSION {
        let path = place.to_owned();
        return Err(StateError::Newer { path, found: head.version, known: VERSION });
    }
    Ok((head.environment, head.lineage))
}

/// What a text tells, with its secrets open.
pub fn read(text: &str, place: &str, sealer: impl FnOnce() -> Result<Sealer>) -> Result<Export> {
    inspect(text, place)?;
    let mut json: Json = serde_json::from_str(text).map_err(|error| damaged(place, &error))?;
    if seal::has_tag(&json, "$sealed") {
        json = seal::open_json(&json, &sealer()?, PLACE)
            .map_err(|error| StateError::Key(format!("{place}: {error}")))?;
    }
    serde_json::from_value(json).map_err(|error| damaged(place, &error))
}

fn damaged(place: &str, error: &serde_json::Error) -> StateError {
    StateError::Corrupt { path: place.to_owned(), what: format!("it does not read: {error}") }
}

impl Export {
    /// The same as a version of a state that has one entry.
    pub fn into_version(self) -> Version {
        Version {
            serial: 1,
            records: self.records,
            removed: self.removed,
            deposed: self.deposed,
            outputs: self.outputs,
            providers: self.providers,
            node_sets: self.node_sets,
            unfinished: BTreeMap::new(),
            rollouts: BTreeMap::new(),
        }
    }

    /// The edit that makes what is recorded now what the export says.
    pub fn edit_from(self, now: &Version, reason: String) -> Edit {
        now.edit_towards(&self.into_version(), reason)
    }
}

/// The same JSON with the members of every object in order.
fn sorted(json: Json) -> Json {
    match json {
        Json::Array(items) => items.into_iter().map(sorted).collect(),
        Json::Object(members) => {
            let members: BTreeMap<String, Json> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.into_iter().collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{CANARY, record};
    use model::Sensitive;
    use proptest::prelude::*;

    fn identity() -> Identity {
        Identity {
            environment: "staging".to_owned(),
            lineage: "0123".to_owned(),
            key_check: String::new(),
            keyring: None,
        }
    }

    fn key() -> Sealer {
        Sealer::new(Sensitive::new([7; 32]), "0123")
    }

    fn version(names: &[(String, u64)]) -> Version {
        let mut version = Version::default();
        for (index, (name, revision)) in names.iter().enumerate() {
            let record = record(&format!("a.x[{index}]"), name);
            version.put(Record { revision: *revision, ..record });
        }
        version
    }

    #[test]
    fn it_shows_no_secret_and_says_what_it_is() {
        let text = write(&identity(), &version(&[("one".to_owned(), 3)]), || Ok(key())).unwrap();
        assert!(!text.contains(CANARY), "{text}");
        assert!(is_export(&text) && !is_export("{\"version\": 4}"));
        let first = text.lines().nth(1).unwrap();
        assert!(first.contains("deposed"), "members are in order: {first}");
        let wrong = || Ok(Sealer::new(Sensitive::new([8; 32]), "0123"));
        assert!(matches!(read(&text, "file", wrong), Err(StateError::Key(_))));
        let newer = text.replace("\"version\": 1", "\"version\": 9");
        assert!(matches!(
            read(&newer, "file", || Ok(key())),
            Err(StateError::Newer { found: 9, .. })
        ));
    }

    proptest! {
        #[test]
        fn export_import_export_is_the_same(
            names in proptest::collection::vec(("[a-z]{1,8}", 1_u64..50), 0..6),
        ) {
            let names: Vec<_> = names;
            let text = write(&identity(), &version(&names), || Ok(key())).unwrap();
            let back = read(&text, "file", || Ok(key())).unwrap().into_version();
            prop_assert_eq!(write(&identity(), &back, || Ok(key())).unwrap(), text);
        }
    }
}
