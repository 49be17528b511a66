//! The catalogue: what is recorded of restore points, read and written. Pure.
//!
//! The catalogue is an environment of its own, recorded beside the one whose restore points it has, with a lineage of its own. So
//! whatever befalls that environment's state, the catalogue is there; and snapshots are objects like all others: journaled
//! before they are made, adopted after a crash, deleted by a plan.
//!
//! | address | what it is |
//! |---|---|
//! | `TYPE.captured["POINT/ADDRESS"]` | the snapshot of one object; clouds show this address on it, too |
//! | `terraform_data.state["POINT"]` | when it was begun, the version of the state as `state export` writes it, compressed, and what opens its secrets; it is there first |
//! | `terraform_data.restore_point["POINT"]` | the restore point; it depends on all that is above, so it is there last |
//!
//! Invariants: a restore point is whole exactly when its own record is there; what is read is checked against its digest and its
//! format; one that does not read hinders no other. Refuses to know: providers, calls, which restore points are worth keeping.

use crate::capture::{self, PLACE, Schemas, Wanted};
use crate::retention::Reason;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::graph::{Desired, Instance};
use model::record::{Record, Recorded};
use model::restore_point::{Captured, FORMAT, PointName, RestorePoint};
use model::{Address, InstanceKey, Value};
use planner::Planner;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

const DATA: &str = "terraform_data";
/// The provider of [`DATA`].
const DATA_PROVIDER: &str = "terraform";
const CAPTURED: &str = "captured";
const STATE: &str = "state";
const RESTORE_POINT: &str = "restore_point";

/// The format of the record of a state.
const STATE_FORMAT: u32 = 1;

/// What is wrong with what the catalogue has of a restore point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// A newer program wrote it.
    #[error("restore point `{point}` has format {format}, and this program knows {FORMAT}")]
    Newer {
        /// The restore point.
        point: String,
        /// Its format.
        format: u64,
    },
    /// There is one of that name already, made for something else.
    #[error("there is a restore point `{0}` already")]
    Taken(PointName),
    /// It was begun with other objects, and not finished.
    #[error("restore point `{0}` was begun with other objects, and never finished")]
    BegunOtherwise(PointName),
    /// Nobody knows how it is captured.
    #[error("{0} cannot be captured: its provider does not know how any more")]
    Uncapturable(Address),
    /// It must not go.
    #[error("restore point `{0}` stays: {1}")]
    Bound(PointName, Reason),
    /// It is not as it was when it was shown.
    #[error("restore point `{0}` has changed meanwhile")]
    Changed(PointName),
    /// It does not read.
    #[error("restore point `{point}` is damaged: {why}")]
    Damaged {
        /// The restore point.
        point: String,
        /// What is wrong.
        why: String,
    },
}

impl CatalogueError {
    /// What its explanation is found by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Newer { .. } => "restore-point-newer",
            Self::Taken(_) => "restore-point-exists",
            Self::BegunOtherwise(_) => "restore-point-unfinished",
            Self::Uncapturable(_) => "restore-point-uncapturable",
            Self::Bound(..) => "restore-point-bound",
            Self::Changed(_) => "restore-point-changed",
            Self::Damaged { .. } => "restore-point-damaged",
        }
    }
}

/// What an environment's catalogue has.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Restore points that are whole, by name.
    pub points: BTreeMap<PointName, Kept>,
    /// Those that were begun and are not whole, with the snapshots that are there.
    pub unfinished: BTreeMap<PointName, BTreeSet<Address>>,
    /// Those that do not read, and why.
    pub unreadable: BTreeMap<PointName, CatalogueError>,
}

/// A restore point as the catalogue has it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The restore point.
    pub point: RestorePoint,
    /// The records of its snapshots, by their addresses. One that is missing here is gone.
    pub records: BTreeMap<Address, Record>,
}

impl Kept {
    /// Snapshots with their records.
    pub fn snapshots(&self) -> impl Iterator<Item = (&Captured, Option<&Record>)> {
        let all = self.point.snapshots.iter();
        all.map(|captured| (captured, self.records.get(&captured.snapshot)))
    }
}

impl Catalogue {
    /// Reads what is recorded.
    pub fn of(recorded: &Recorded) -> Self {
        let mut catalogue = Self::default();
        let mut snapshots: BTreeMap<PointName, BTreeMap<Address, Record>> = BTreeMap::new();
        for (address, record) in &recorded.records {
            let Some((part, name)) = place(address) else { continue };
            let records = snapshots.entry(name.clone()).or_default();
            match part {
                Part::Snapshot => {
                    records.insert(address.clone(), record.clone());
                }
                Part::State => {}
                Part::Point => match read(&name, record) {
                    Ok(point) => {
                        catalogue.points.insert(name, Kept { point, records: BTreeMap::new() });
                    }
                    Err(error) => {
                        catalogue.unreadable.insert(name, error);
                    }
                },
            }
        }
        for (name, records) in snapshots {
            if let Some(kept) = catalogue.points.get_mut(&name) {
                kept.records = records;
            } else if !catalogue.unreadable.contains_key(&name) {
                catalogue.unfinished.insert(name, records.into_keys().collect());
            }
        }
        catalogue
    }

    /// Those that are whole, the latest first.
    pub fn latest_first(&self) -> Vec<&Kept> {
        let mut points: Vec<_> = self.points.values().collect();
        points.sort_by_key(|kept| Reverse((&kept.point.begun_at, &kept.point.name)));
        points
    }

    /// All names, of whole ones and of others.
    pub fn names(&self) -> impl Iterator<Item = &PointName> {
        self.points.keys().chain(self.unfinished.keys()).chain(self.unreadable.keys())
    }
}

/// What a restore point is recorded as: its addresses with their revisions. Whoever is about to change it sees by that whether
/// somebody else did.
pub(crate) fn standing(recorded: &Recorded, names: &BTreeSet<PointName>) -> BTreeMap<Address, u64> {
    let records = recorded.records.iter().filter(|(address, _)| is_of(address, names));
    records.map(|(address, record)| (address.clone(), record.revision)).collect()
}

/// A part of what is recorded. An edit leaves the rest out of its plan, whatever that is like: what of other restore points is half
/// made, or was made by an older program, is for whoever asks for those.
pub(crate) fn part(recorded: &Recorded, names: &BTreeSet<PointName>) -> Recorded {
    let mut part = recorded.clone();
    part.records.retain(|address, _| is_of(address, names));
    part.deposed.retain(|record| is_of(&record.address, names));
    part
}

/// Whether an address is of one of these restore points.
pub(crate) fn is_of(address: &Address, names: &BTreeSet<PointName>) -> bool {
    place(address).is_some_and(|(_, name)| names.contains(&name))
}

/// What every change of a restore point holds, so that there is one at a time.
pub(crate) fn held(name: &PointName) -> [Address; 2] {
    [data_of(STATE, name), data_of(RESTORE_POINT, name)]
}

/// What a record of the catalogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Snapshot,
    State,
    Point,
}

/// Which part of which restore point an address is of; none if the catalogue knows nothing of such addresses.
fn place(address: &Address) -> Option<(Part, PointName)> {
    let Some(InstanceKey::Name(key)) = address.key() else { return None };
    let (part, name) = match (address.kind(), address.name()) {
        (_, CAPTURED) => (Part::Snapshot, key.split_once('/')?.0),
        (DATA, STATE) => (Part::State, key.as_ref()),
        (DATA, RESTORE_POINT) => (Part::Point, key.as_ref()),
        _ => return None,
    };
    Some((part, PointName::parse(name).ok()?))
}

/// Where the catalogue has the snapshot of an object.
pub(crate) fn snapshot_of(point: &PointName, of: &Address, kind: &str) -> Address {
    let key = InstanceKey::Name(format!("{point}/{of}").into());
    Address::new(Vec::new(), kind, CAPTURED, Some(key))
}

/// What a snapshot at that address is of.
pub(crate) fn captured_object(snapshot: &Address) -> Option<Address> {
    let Some(InstanceKey::Name(key)) = snapshot.key() else { return None };
    Address::parse(key.split_once('/')?.1).ok()
}

fn data_of(name: &str, point: &PointName) -> Address {
    Address::new(Vec::new(), DATA, name, Some(InstanceKey::Name(point.as_str().into())))
}

fn read(name: &PointName, record: &Record) -> Result<RestorePoint, CatalogueError> {
    let point = name.to_string();
    let damaged = |why: String| CatalogueError::Damaged { point: point.clone(), why };
    let text = input(record).ok_or_else(|| damaged("it has no text".to_owned()))?;
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    let format = json.get("format").and_then(serde_json::Value::as_u64).unwrap_or_default();
    if format > u64::from(FORMAT) {
        return Err(CatalogueError::Newer { point, format });
    }
    let read: RestorePoint =
        serde_json::from_value(json).map_err(|error| damaged(error.to_string()))?;
    if read.name != *name {
        return Err(damaged(format!("it says that it is `{}`", read.name)));
    }
    Ok(read)
}

fn input(record: &Record) -> Option<String> {
    record.attributes.get("input")?.as_str().map(str::to_owned)
}

/// The state that belongs to a restore point, and what opens its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptState {
    /// As `state export` wrote it.
    pub text: String,
    /// The keyring of its environment, sealed as it is there; none where a key file opens it.
    pub keyring: Option<String>,
}

/// The record of a state.
#[derive(Serialize, Deserialize)]
struct Packed {
    format: u32,
    /// When the restore point was begun.
    begun_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyring: Option<String>,
    /// Compressed with zstd, in Base64.
    state: String,
}

/// The version of the state that belongs to a restore point: checked against its digest.
pub fn state_of(recorded: &Recorded, point: &RestorePoint) -> Result<KeptState, CatalogueError> {
    let damaged = |why: &str| CatalogueError::Damaged {
        point: point.name.to_string(),
        why: format!("its state {why}"),
    };
    let packed =
        packed(recorded, &point.name).ok_or_else(|| damaged("is gone, or does not read"))?;
    if packed.format > STATE_FORMAT {
        let (point, format) = (point.name.to_string(), u64::from(packed.format));
        return Err(CatalogueError::Newer { point, format });
    }
    let bytes = STANDARD.decode(packed.state).map_err(|_| damaged("does not read"))?;
    let text = zstd::decode_all(bytes.as_slice()).map_err(|_| damaged("does not unpack"))?;
    if model::digest::sha256_hex(&text) != point.state_digest {
        return Err(damaged("has another digest than it had"));
    }
    let text = String::from_utf8(text).map_err(|_| damaged("is no text"))?;
    Ok(KeptState { text, keyring: packed.keyring })
}

fn packed(recorded: &Recorded, name: &PointName) -> Option<Packed> {
    serde_json::from_str(&input(recorded.records.get(&data_of(STATE, name))?)?).ok()
}

/// When a restore point was begun that is not whole yet, so that whoever goes on with it claims no later time.
pub fn begun_at(recorded: &Recorded, name: &PointName) -> Option<String> {
    Some(packed(recorded, name)?.begun_at)
}

fn pack(begun_at: &str, state: &KeptState) -> Result<String, std::io::Error> {
    let bytes = zstd::encode_all(state.text.as_bytes(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
    let packed = Packed {
        format: STATE_FORMAT,
        begun_at: begun_at.to_owned(),
        keyring: state.keyring.clone(),
        state: STANDARD.encode(bytes),
    };
    Ok(serde_json::to_string(&packed)?)
}

/// What the catalogue is to have of some restore points, made from what it has.
pub struct Edit<'a> {
    desired: Desired,
    schemas: &'a Schemas,
}

impl<'a> Edit<'a> {
    /// Everything as it is recorded.
    pub fn of(recorded: &Recorded, planner: &Planner<'_>, schemas: &'a Schemas) -> Self {
        Self { desired: planner.stable(recorded, &BTreeSet::new(), &BTreeSet::new()), schemas }
    }

    /// With this restore point and nothing else of that name. `state` is the version that it names.
    pub fn add(
        &mut self,
        point: &RestorePoint,
        wanted: &Wanted,
        state: &KeptState,
    ) -> Result<(), CatalogueError> {
        let impossible =
            |why: String| CatalogueError::Damaged { point: point.name.to_string(), why };
        let json = serde_json::to_string(point).map_err(|error| impossible(error.to_string()))?;
        let packed = pack(&point.begun_at, state).map_err(|error| impossible(error.to_string()))?;
        self.remove(&point.name);
        let state = data(self.schemas, STATE, &point.name, &packed);
        let mut whole = data(self.schemas, RESTORE_POINT, &point.name, &json);
        whole.depends_on.insert(state.address.clone());
        for instance in &wanted.instances {
            let mut snapshot = instance.clone();
            snapshot.depends_on.insert(state.address.clone());
            whole.depends_on.insert(snapshot.address.clone());
            self.desired.instances.push(snapshot);
        }
        self.desired.providers.extend(wanted.providers.clone());
        self.desired.instances.extend([state, whole]);
        Ok(())
    }

    /// Without a restore point.
    pub fn remove(&mut self, point: &PointName) {
        let is_its = |address: &Address| place(address).is_some_and(|(_, name)| name == *point);
        self.desired.instances.retain(|instance| !is_its(&instance.address));
    }

    /// With a restore point locked, or not.
    pub fn lock(&mut self, point: &RestorePoint, locked: bool) -> Result<(), CatalogueError> {
        let address = data_of(RESTORE_POINT, &point.name);
        let whole = RestorePoint { locked, ..point.clone() };
        let json = serde_json::to_string(&whole).map_err(|error| CatalogueError::Damaged {
            point: point.name.to_string(),
            why: error.to_string(),
        })?;
        for instance in &mut self.desired.instances {
            if instance.address == address {
                let depends_on = std::mem::take(&mut instance.depends_on);
                *instance = Instance {
                    depends_on,
                    ..data(self.schemas, RESTORE_POINT, &point.name, &json)
                };
            }
        }
        Ok(())
    }

    /// The whole.
    pub fn into_desired(self) -> Desired {
        self.desired
    }
}

fn data(schemas: &Schemas, name: &str, point: &PointName, text: &str) -> Instance {
    let schema = capture::schema(schemas, DATA_PROVIDER, DATA).cloned();
    let given = |argument: &str| (argument == "input").then(|| Value::from(text));
    let (address, schema) = (data_of(name, point), schema.unwrap_or_default());
    Instance::given(address, DATA_PROVIDER, &schema, given, PLACE)
}
