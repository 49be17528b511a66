//! What of an environment is captured, and which snapshots that takes. Pure.
//!
//! What holds data is told by the schemas ([`model::schema::Capture`]), and nothing else: a new provider is captured as soon as it
//! says how. Refuses to know: providers, calls, where snapshots are recorded.

use crate::catalogue::{self, CatalogueError};
use engine::Lasting;
use model::graph::{Instance, ProviderConfig};
use model::record::{Record, Recorded};
use model::restore_point::{Captured, PointName};
use model::schema::{Capture, ProviderSchema, ResourceSchema};
use model::{Address, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Digits of the digests in names of snapshots and in keys of provider configurations.
const DIGITS: usize = 16;

/// Stands for the block that asks for a snapshot.
pub(crate) const PLACE: &str = "a restore point";

/// What providers declare, by name.
pub type Schemas = BTreeMap<String, ProviderSchema>;

/// An object that can be captured, and how.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its record.
    pub record: &'a Record,
    /// How.
    pub capture: &'a Capture,
}

/// Everything recorded that can be captured, in the order of addresses.
pub fn everything<'a>(recorded: &'a Recorded, schemas: &'a Schemas) -> Vec<Source<'a>> {
    let records = recorded.records.values();
    records.filter_map(|record| source(record, schemas)).collect()
}

/// What would be captured if it were usable: its creation was not finished.
pub fn unfit<'a>(recorded: &'a Recorded, schemas: &'a Schemas) -> Vec<&'a Address> {
    let tainted = recorded.records.values().filter(|record| record.tainted);
    let has_data = |record: &&Record| {
        let schema = schema(schemas, &record.provider, record.address.kind());
        schema.is_some_and(|schema| schema.captured_by.is_some())
    };
    tainted.filter(has_data).map(|record| &record.address).collect()
}

/// What of nodes (by node set and name) can be captured: their own objects, and those outside of nodes that these stand on, such
/// as a volume that one of them has attached. In the order of addresses.
pub fn of_nodes<'a>(
    recorded: &'a Recorded,
    schemas: &'a Schemas,
    nodes: &BTreeSet<(String, String)>,
) -> Vec<Source<'a>> {
    let is_theirs = |address: &Address| {
        let node = address.node().map(|(set, node)| (set.to_owned(), node.to_owned()));
        node.is_some_and(|node| nodes.contains(&node))
    };
    let mut wanted: BTreeSet<&Address> =
        recorded.records.keys().filter(|address| is_theirs(address)).collect();
    let mut open: Vec<&Address> = wanted.iter().copied().collect();
    while let Some(address) = open.pop() {
        let Some(record) = recorded.records.get(address) else { continue };
        let shared = record.dependencies.iter().filter(|it| it.node().is_none());
        open.extend(shared.filter(|address| wanted.insert(address)));
    }
    let records = wanted.into_iter().filter_map(|address| recorded.records.get(address));
    records.filter_map(|record| source(record, schemas)).collect()
}

fn source<'a>(record: &'a Record, schemas: &'a Schemas) -> Option<Source<'a>> {
    let capture = schema(schemas, &record.provider, record.address.kind())?.captured_by.as_ref()?;
    // What is not usable has nothing worth keeping, and most clouds refuse to capture it.
    (!record.tainted).then_some(Source { record, capture })
}

/// How objects of a resource type are captured, and restored.
pub fn of_kind<'a>(schemas: &'a Schemas, kind: &str) -> Option<&'a Capture> {
    schemas.values().find_map(|schema| schema.resources.get(kind))?.captured_by.as_ref()
}

pub(crate) fn schema<'a>(
    schemas: &'a Schemas,
    provider: &str,
    kind: &str,
) -> Option<&'a ResourceSchema> {
    schemas.get(provider_name(provider))?.resources.get(kind)
}

fn provider_name(key: &str) -> &str {
    key.split('.').next().unwrap_or(key)
}

/// The snapshots of a restore point as a configuration would have them.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What is captured.
    pub captured: Vec<Captured>,
    /// The snapshots.
    pub instances: Vec<Instance>,
    /// The provider configurations that they are made with, by the keys that [`Self::instances`] have.
    pub providers: BTreeMap<String, ProviderConfig>,
}

/// The snapshots that a restore point of these objects takes. `providers` has the configurations of their providers by the keys that
/// the records have; `lineage` is the catalogue's.
pub fn wanted(
    point: &PointName,
    lineage: &str,
    sources: &[Source<'_>],
    providers: &BTreeMap<String, Lasting>,
    schemas: &Schemas,
) -> Result<Wanted, CatalogueError> {
    let mut wanted = Wanted::default();
    for Source { record, capture } in sources {
        let schema = schema(schemas, &record.provider, &capture.resource_type);
        let (Some(schema), Some(lasting)) = (schema, providers.get(&record.provider)) else {
            return Err(CatalogueError::Uncapturable(record.address.clone()));
        };
        let provider = lasting_key(&record.provider, lasting);
        let snapshot = catalogue::snapshot_of(point, &record.address, &capture.resource_type);
        let object = record.attributes.get("id");
        let object = object.as_ref().and_then(Value::as_str).unwrap_or(&record.id).to_owned();
        let mut given = capture.arguments.clone();
        given.insert(capture.source.clone(), Value::from(object.as_str()));
        if let Some(argument) = &capture.name {
            let name = name(point, lineage, &record.address);
            given.insert(argument.clone(), Value::from(name.as_str()));
        }
        let given = |name: &str| given.get(name).cloned();
        let instance = Instance::given(snapshot.clone(), &provider, schema, given, PLACE);
        wanted.instances.push(instance);
        wanted.captured.push(Captured { of: record.address.clone(), object, snapshot });
        wanted.providers.insert(provider, lasting.config.clone());
    }
    Ok(wanted)
}

/// Under which key the catalogue has a provider configuration of that key. Snapshots outlive configurations: where the environment moves
/// to another region, those of the old one must still be found there. Who asks is no part of it, since credentials are rotated and
/// the old ones end: those of the latest restore point are for all that are in the same place.
fn lasting_key(key: &str, lasting: &Lasting) -> String {
    let mut text = format!("{key}\n");
    for (name, value) in &lasting.place {
        let json = value.to_plain_json().unwrap_or_default();
        let _ = writeln!(text, "{name}={json}");
    }
    format!("{}.{}", lasting.config.name, digest(&text))
}

/// A name that no other snapshot has, of no other environment either, and that is the same whenever the same restore point is made
/// again.
fn name(point: &PointName, lineage: &str, of: &Address) -> String {
    format!("{point}-{}", digest(&format!("{lineage}/{of}")))
}

fn digest(text: &str) -> String {
    let mut digest = model::digest::sha256_hex(text.as_bytes());
    digest.truncate(DIGITS);
    digest
}
