//! The catalogue: what is recorded of restore points, read and written. Pure.
//!
//! The catalogue is an environment of its own, recorded beside the one whose restore points it has, with a lineage of its own. So
//! whatever befalls that environment's state, the catalogue is there; and snapshots are objects like all others: journaled
//! before they are made, adopted after a crash, deleted by a plan.
//!
//! | address | what it is |
//! |---|---|
//! | `TYPE.captured["POINT/ADDRESS"]` | the snapshot of one object; clouds show this address on it, too |
//! | `terraform_data.state["POINT"]` | when it was begun, and the version of the state as `state export` writes it, compressed; it is there first |
//! | `terraform_data.restore_point["POINT"]` | the restore point; it depends on all that is above, so it is there last |
//! | `terraform_data.locked["POINT"]` | there while the restore point is locked; it depends on that |
//!
//! Invariants: a restore point is whole exactly when its own record is there; what is read is checked against its digest and its
//! format, and one that cannot be read stands in nobody's way but its own. Refuses to know: providers, calls, which restore points are worth keeping.

use crate::capture::{self, PLACE, Schemas, Wanted};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::graph::{Desired, Instance};
use model::record::{Record, Recorded};
use model::restore_point::{Captured, FORMAT, PointName, RestorePoint};
use model::{Address, InstanceKey, Value};
use planner::Planner;
use std::collections::{BTreeMap, BTreeSet};

const DATA: &str = "terraform_data";
/// The provider of [`DATA`].
const DATA_PROVIDER: &str = "terraform";
const CAPTURED: &str = "captured";
const STATE: &str = "state";
const RESTORE_POINT: &str = "restore_point";
const LOCKED: &str = "locked";

/// Stands between the time and the state in a record of a state.
const BETWEEN: char = ' ';

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
    /// It does not read.
    #[error("restore point `{point}` is damaged: {why}")]
    Damaged {
        /// The restore point.
        point: String,
        /// What is wrong.
        why: String,
    },
}

/// What an environment's catalogue has.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Restore points that are whole, by name.
    pub points: BTreeMap<PointName, Kept>,
    /// Those whose own record this program cannot use. The others are as good as ever.
    pub damaged: BTreeMap<PointName, Damaged>,
    /// Those that were begun and are not whole, with the snapshots that are there.
    pub unfinished: BTreeMap<PointName, Vec<Address>>,
}

/// A restore point whose record cannot be used.
#[derive(Clone, Debug)]
pub struct Damaged {
    /// Why.
    pub error: CatalogueError,
    /// How many of its snapshots are recorded.
    pub snapshots: usize,
    /// Whether a person locked it.
    pub locked: bool,
}

/// A restore point as the catalogue has it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The restore point.
    pub point: RestorePoint,
    /// Whether a person locked it.
    pub locked: bool,
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
        let mut locked = BTreeSet::new();
        for (address, record) in &recorded.records {
            let Some((part, name)) = place(address) else { continue };
            match part {
                Part::Snapshot => {
                    let records = snapshots.entry(name).or_default();
                    records.insert(address.clone(), record.clone());
                }
                Part::State => {
                    snapshots.entry(name).or_default();
                }
                Part::Point => catalogue.read(name, record),
                Part::Lock => {
                    locked.insert(name);
                }
            }
        }
        for (name, records) in snapshots {
            if let Some(kept) = catalogue.points.get_mut(&name) {
                kept.records = records;
            } else if let Some(damaged) = catalogue.damaged.get_mut(&name) {
                damaged.snapshots = records.len();
            } else {
                catalogue.unfinished.insert(name, records.into_keys().collect());
            }
        }
        for name in locked {
            if let Some(kept) = catalogue.points.get_mut(&name) {
                kept.locked = true;
            }
            if let Some(damaged) = catalogue.damaged.get_mut(&name) {
                damaged.locked = true;
            }
        }
        catalogue
    }

    fn read(&mut self, name: PointName, record: &Record) {
        match read(&name, record) {
            Ok(point) => {
                self.points.insert(name, Kept { point, locked: false, records: BTreeMap::new() });
            }
            Err(error) => {
                self.damaged.insert(name, Damaged { error, snapshots: 0, locked: false });
            }
        }
    }

    /// Whether a person locked it.
    pub fn is_locked(&self, name: &PointName) -> bool {
        self.points.get(name).is_some_and(|kept| kept.locked)
            || self.damaged.get(name).is_some_and(|damaged| damaged.locked)
    }

    /// All names, of whole ones and of others.
    pub fn names(&self) -> impl Iterator<Item = &PointName> {
        self.points.keys().chain(self.damaged.keys()).chain(self.unfinished.keys())
    }
}

/// What a record of the catalogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Snapshot,
    State,
    Point,
    Lock,
}

/// Which part of which restore point an address is of; none if the catalogue knows nothing of such addresses.
fn place(address: &Address) -> Option<(Part, PointName)> {
    let Some(InstanceKey::Name(key)) = address.key() else { return None };
    let (part, name) = match (address.kind(), address.name()) {
        (_, CAPTURED) => (Part::Snapshot, key.split_once('/')?.0),
        (DATA, STATE) => (Part::State, key.as_ref()),
        (DATA, RESTORE_POINT) => (Part::Point, key.as_ref()),
        (DATA, LOCKED) => (Part::Lock, key.as_ref()),
        _ => return None,
    };
    Some((part, PointName::parse(name).ok()?))
}

/// Where the catalogue has the snapshot of an object.
pub(crate) fn snapshot_of(point: &PointName, of: &Address, kind: &str) -> Address {
    let key = InstanceKey::Name(format!("{point}/{of}").into());
    Address::new(Vec::new(), kind, CAPTURED, Some(key))
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

/// The version of the state that belongs to a restore point, as `state export` wrote it: checked against its digest.
pub fn state_text(recorded: &Recorded, point: &RestorePoint) -> Result<String, CatalogueError> {
    let damaged = |why: &str| CatalogueError::Damaged {
        point: point.name.to_string(),
        why: format!("its state {why}"),
    };
    let record = recorded.records.get(&data_of(STATE, &point.name));
    let text = record.and_then(input).ok_or_else(|| damaged("is gone"))?;
    let (_, packed) = text.split_once(BETWEEN).ok_or_else(|| damaged("does not read"))?;
    let bytes = STANDARD.decode(packed).map_err(|_| damaged("does not read"))?;
    let text = zstd::decode_all(bytes.as_slice()).map_err(|_| damaged("does not unpack"))?;
    if model::digest::sha256_hex(&text) != point.state_digest {
        return Err(damaged("has another digest than it had"));
    }
    String::from_utf8(text).map_err(|_| damaged("is no text"))
}

/// When a restore point was begun that is not whole yet, so that whoever goes on with it claims no later time.
pub fn begun_at(recorded: &Recorded, point: &PointName) -> Option<String> {
    let text = input(recorded.records.get(&data_of(STATE, point))?)?;
    Some(text.split_once(BETWEEN)?.0.to_owned())
}

/// What the state record has: when the restore point was begun, and the packed state.
fn packed(begun_at: &str, text: &str) -> Result<String, std::io::Error> {
    let bytes = zstd::encode_all(text.as_bytes(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
    Ok(format!("{begun_at}{BETWEEN}{}", STANDARD.encode(bytes)))
}

/// A part of what is recorded. An edit leaves the rest out of its plan, whatever that is like: what of other restore points is half
/// made, or was made by an older program, is for whoever asks for those.
pub(crate) fn part(recorded: &Recorded, is_in: &dyn Fn(&Address) -> bool) -> Recorded {
    let mut part = recorded.clone();
    part.records.retain(|address, _| is_in(address));
    part.deposed.retain(|record| is_in(&record.address));
    part
}

/// Whether an address is of one of these restore points.
pub(crate) fn is_of(address: &Address, names: &BTreeSet<PointName>) -> bool {
    place(address).is_some_and(|(_, name)| names.contains(&name))
}

/// Whether an address is what a restore point is locked by: its own record, and the lock.
pub(crate) fn is_locking(address: &Address, name: &PointName) -> bool {
    let is_either = |part| matches!(part, Part::Point | Part::Lock);
    place(address).is_some_and(|(part, own)| own == *name && is_either(part))
}

/// What the catalogue is to have of some restore points, made from what it has.
pub struct Edit<'a> {
    desired: Desired,
    schemas: &'a Schemas,
}

impl<'a> Edit<'a> {
    /// All that is recorded there as it is.
    pub fn of(recorded: &Recorded, planner: &Planner<'_>, schemas: &'a Schemas) -> Self {
        Self { desired: planner.stable(recorded, &BTreeSet::new(), &BTreeSet::new()), schemas }
    }

    /// With this restore point and nothing else of that name. `state` is the version that it names.
    pub fn add(
        &mut self,
        point: &RestorePoint,
        wanted: &Wanted,
        state: &str,
    ) -> Result<(), CatalogueError> {
        let impossible =
            |why: String| CatalogueError::Damaged { point: point.name.to_string(), why };
        let json = serde_json::to_string(point).map_err(|error| impossible(error.to_string()))?;
        let packed =
            packed(&point.begun_at, state).map_err(|error| impossible(error.to_string()))?;
        self.remove(&point.name);
        let state = self.data(STATE, &point.name, &packed);
        let mut whole = self.data(RESTORE_POINT, &point.name, &json);
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
    pub fn lock(&mut self, point: &PointName, locked: bool) {
        let address = data_of(LOCKED, point);
        self.desired.instances.retain(|instance| instance.address != address);
        if locked {
            let mut lock = self.data(LOCKED, point, "");
            // Who locks relies on it: nobody deletes it meanwhile.
            lock.depends_on.insert(data_of(RESTORE_POINT, point));
            self.desired.instances.push(lock);
        }
    }

    /// The whole.
    pub fn into_desired(self) -> Desired {
        self.desired
    }

    fn data(&self, name: &str, point: &PointName, text: &str) -> Instance {
        let schema = capture::schema(self.schemas, DATA_PROVIDER, DATA).cloned();
        let given = |argument: &str| (argument == "input").then(|| Value::from(text));
        let (address, schema) = (data_of(name, point), schema.unwrap_or_default());
        Instance::given(address, DATA_PROVIDER, &schema, given, PLACE)
    }
}
