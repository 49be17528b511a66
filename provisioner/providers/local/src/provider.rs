//! The local cloud behind the Provider port.
//!
//! Invariants: identities are names, so every look-up goes by name, and the record of the object, written
//! before anything else of it, says whose it is; a creation that fails takes away what it began; a half-made object
//! that a killed creation left is taken away when it is looked up.

use crate::arguments;
use crate::cloud::Cloud;
use crate::error::LocalError;
use crate::layout::Removal;
use crate::machine::Machine;
use crate::network::Found as Network;
use crate::record::{Isolation, Owner};
use crate::schema::{MACHINE, NETWORK, SNAPSHOT, VOLUME, provider_schema};
use crate::snapshot::Snapshot;
use async_trait::async_trait;
use model::plan::Observation;
use model::schema::ProviderSchema;
use model::{Address, Diagnostic, Value};
use provider::{
    CreateRequest, DataRequest, DeleteRequest, ErrorClass, FindRequest, Found, ImportRequest,
    Object, Owned, Provider, ProviderError, ReadRequest, UpdateRequest,
};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// The local cloud for one environment.
pub struct LocalProvider {
    cloud: Cloud,
    owner: provider::Owner,
    schema: ProviderSchema,
}

impl From<LocalError> for ProviderError {
    fn from(error: LocalError) -> Self {
        let class = match &error {
            LocalError::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    ErrorClass::Denied
                }
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorClass::Quota,
                _ => ErrorClass::Transient,
            },
            LocalError::Busy { .. } => ErrorClass::Transient,
            LocalError::Missing { .. } => ErrorClass::NotFound,
            LocalError::Invalid { .. } | LocalError::Damaged { .. } => ErrorClass::Invalid,
            LocalError::Conflict { .. } | LocalError::Refused { .. } | LocalError::Start { .. } => {
                ErrorClass::Conflict
            }
        };
        let made = Self::new(class, error.to_string());
        match error.hint() {
            Some(hint) => made.with_hint(hint),
            None => made,
        }
    }
}

impl LocalProvider {
    /// The local cloud of one environment.
    pub fn new(cloud: Cloud, owner: provider::Owner) -> Self {
        Self { cloud, owner, schema: provider_schema() }
    }

    /// As [`Self::new`], from the arguments of a `provider` block (an object, or null). The default
    /// directory is for a block that names none; the executable must call
    /// [`crate::internal_main`] first thing.
    pub fn from_configuration(
        configuration: &Value,
        default_directory: PathBuf,
        executable: PathBuf,
        owner: provider::Owner,
    ) -> Result<Self, ProviderError> {
        let given = |name: &str| {
            configuration.get(name).and_then(|value| value.as_str().map(str::to_owned))
        };
        let directory = given("directory").map_or(default_directory, PathBuf::from);
        if !directory.is_absolute() {
            let what = format!(
                "`directory` of the provider `local` must be an absolute path, not `{}`",
                directory.display()
            );
            return Err(ProviderError::new(ErrorClass::Invalid, what));
        }
        let cloud = Cloud::new(directory, executable);
        let cloud = match given("isolation").as_deref() {
            None => cloud,
            Some("processes") => cloud.with_isolation(Isolation::Processes),
            Some("namespaces") => cloud.with_isolation(Isolation::Namespaces),
            Some(other) => {
                let what = format!("`isolation` of the provider `local` cannot be `{other}`");
                return Err(ProviderError::new(ErrorClass::Invalid, what)
                    .with_hint("use `namespaces` or `processes`, or leave it out"));
            }
        };
        Ok(Self::new(cloud, owner))
    }

    fn owner_of(&self, address: &Address, token: &str) -> Owner {
        Owner {
            lineage: self.owner.lineage.clone(),
            environment: self.owner.environment.clone(),
            address: address.to_string(),
            token: token.to_owned(),
        }
    }

    /// Runs blocking work where it hinders nobody.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(Cloud) -> Result<T, LocalError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let cloud = self.cloud.clone();
        match tokio::task::spawn_blocking(move || work(cloud)).await {
            Ok(result) => result.map_err(ProviderError::from),
            Err(error) => {
                Err(ProviderError::new(ErrorClass::Transient, error.to_string()).maybe_done())
            }
        }
    }
}

/// The resource types, so that every call decides once.
#[derive(Clone, Copy)]
enum Resource {
    Network,
    Machine,
    Volume,
    Snapshot,
}

impl Resource {
    const ALL: [Self; 4] = [Self::Network, Self::Machine, Self::Volume, Self::Snapshot];
}

fn resource(address: &Address) -> Result<Resource, LocalError> {
    match address.kind() {
        NETWORK => Ok(Resource::Network),
        MACHINE => Ok(Resource::Machine),
        VOLUME => Ok(Resource::Volume),
        SNAPSHOT => Ok(Resource::Snapshot),
        other => Err(LocalError::Invalid {
            what: format!("the local cloud has no `{other}`"),
            hint: format!("it has {NETWORK}, {MACHINE}, {VOLUME} and {SNAPSHOT}"),
        }),
    }
}

fn network_object(cloud: &Cloud, found: &Network) -> Result<Object, LocalError> {
    let why = cloud.isolation().ok().and_then(|(_, why)| why.clone());
    let note = (found.record.isolation == Isolation::Processes).then(|| {
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        format!("nodes are kept apart by directories only{why}; {}", crate::FORBIDDEN_HINT)
    });
    let id = found.record.name.clone();
    Ok(Object { id, attributes: arguments::network_attributes(found)?, note })
}

fn machine_object(machine: &Machine, given: &Value) -> Object {
    let up = machine.running.as_ref().and_then(|running| running.up.as_ref());
    let warnings = up.map(|up| up.warnings.join("; "));
    Object {
        id: machine.record.arguments.name.clone(),
        attributes: arguments::machine_attributes(machine, given),
        note: warnings.filter(|warnings| !warnings.is_empty()),
    }
}

fn snapshot_object(snapshot: &Snapshot) -> Object {
    let attributes = arguments::snapshot_attributes(snapshot);
    Object { id: snapshot.record.name.clone(), attributes, note: None }
}

/// A creation that fails takes away what it began, and says why it failed.
fn or_undo<T>(
    cloud: &Cloud,
    owner: &Owner,
    (kind, name): (Resource, &str),
    made: Result<T, LocalError>,
) -> Result<T, LocalError> {
    if let Err(
        LocalError::Start { .. }
        | LocalError::Io { .. }
        | LocalError::Missing { .. }
        | LocalError::Invalid { .. },
    ) = made
    {
        // What cannot be taken away now is taken away by the next creation or look-up.
        let _ = take_away(cloud, owner, (kind, name));
    }
    made
}

/// Takes away what this very creation has begun.
fn take_away(
    cloud: &Cloud,
    owner: &Owner,
    (kind, name): (Resource, &str),
) -> Result<(), LocalError> {
    if cloud.is_owned(kind.into(), name, owner)? {
        return delete(cloud, owner, (kind, name), Removal::Undone);
    }
    cloud.layout().sweep()
}

fn create(
    cloud: &Cloud,
    owner: &Owner,
    kind: Resource,
    given: &Value,
) -> Result<Object, LocalError> {
    let name = arguments::text(given, "name")?;
    match kind {
        Resource::Network => {
            let made = cloud.create_network(owner, &name, &arguments::text(given, "cidr")?);
            let found = or_undo(cloud, owner, (kind, &name), made)?;
            network_object(cloud, &found)
        }
        Resource::Machine => {
            let made = cloud.create_machine(owner, &arguments::machine(given)?);
            let machine = or_undo(cloud, owner, (kind, &name), made)?;
            Ok(machine_object(&machine, given))
        }
        Resource::Volume => {
            let (size_gib, snapshot) = (arguments::size_gib(given)?, arguments::snapshot(given));
            let made = cloud.create_volume(owner, &name, size_gib, snapshot.as_deref());
            let volume = or_undo(cloud, owner, (kind, &name), made)?;
            Ok(Object { id: name, attributes: arguments::volume_attributes(&volume), note: None })
        }
        Resource::Snapshot => {
            let made = cloud.create_snapshot(owner, &name, &arguments::captured(given)?);
            let snapshot = or_undo(cloud, owner, (kind, &name), made)?;
            Ok(snapshot_object(&snapshot))
        }
    }
}

fn update(
    cloud: &Cloud,
    owner: &Owner,
    kind: Resource,
    given: &Value,
) -> Result<Object, LocalError> {
    let name = arguments::text(given, "name")?;
    match kind {
        Resource::Network => {
            let found = cloud.mend_network(owner, &name)?;
            network_object(cloud, &found)
        }
        Resource::Machine => {
            let machine = cloud.update_machine(owner, &arguments::machine(given)?)?;
            Ok(machine_object(&machine, given))
        }
        Resource::Volume => {
            let volume =
                cloud.find_volume(&name)?.ok_or(LocalError::Missing { kind: "volume", name })?;
            if volume.record.size_gib != arguments::size_gib(given)? {
                return Err(LocalError::Refused {
                    what: format!("volume `{}` cannot be resized", volume.record.name),
                    hint: "make a new volume of another name, copy, and remove the old one".into(),
                });
            }
            let attributes = arguments::volume_attributes(&volume);
            Ok(Object { id: volume.record.name, attributes, note: None })
        }
        Resource::Snapshot => {
            let snapshot = cloud.snapshot(&name)?;
            if !snapshot.is_whole {
                return Err(LocalError::Refused {
                    what: format!("snapshot `{name}` is damaged, and nothing can mend it"),
                    hint: "take another one, and remove this one".into(),
                });
            }
            Ok(snapshot_object(&snapshot))
        }
    }
}

/// What is there: the owner, the attributes, and whether it is complete.
fn look(
    cloud: &Cloud,
    kind: Resource,
    name: &str,
    given: &Value,
) -> Result<Option<(Owner, Object, bool)>, LocalError> {
    Ok(match kind {
        Resource::Network => match cloud.find_network(name)? {
            Some(found) => {
                let object = network_object(cloud, &found)?;
                Some((found.record.owner, object, found.running.is_some()))
            }
            None => None,
        },
        Resource::Machine => cloud.find_machine(name)?.map(|machine| {
            let is_up = machine.status == crate::Status::Running;
            (machine.record.owner.clone(), machine_object(&machine, given), is_up)
        }),
        Resource::Volume => match cloud.find_volume(name)? {
            Some(volume) => {
                let attributes = arguments::volume_attributes(&volume);
                let object = Object { id: name.to_owned(), attributes, note: None };
                Some((volume.record.owner, object, true))
            }
            None => None,
        },
        Resource::Snapshot => cloud.find_snapshot(name)?.map(|snapshot| {
            let object = snapshot_object(&snapshot);
            (snapshot.record.owner, object, true)
        }),
    })
}

fn read(cloud: &Cloud, owner: &Owner, request: &ReadRequest) -> Result<Observation, LocalError> {
    let kind = resource(&request.address)?;
    Ok(match look(cloud, kind, &request.id, &request.attributes)? {
        Some((found, object, _)) if found.is_same_environment(owner) => {
            Observation::Present(object.attributes)
        }
        Some((found, ..)) => Observation::Absent(format!("`{}` is now one of {found}", request.id)),
        None => Observation::Absent(format!("`{}` does not exist in the local cloud", request.id)),
    })
}

/// An object by its name, if it is this environment's.
fn import(
    cloud: &Cloud,
    owner: &Owner,
    request: &ImportRequest,
) -> Result<Option<Object>, ProviderError> {
    let kind = resource(&request.address)?;
    // Left-out arguments read as such.
    let nothing = Value::object::<&str>([]);
    match look(cloud, kind, &request.id, &nothing)? {
        None => Ok(None),
        Some((found, object, _)) if found.is_same_environment(owner) => Ok(Some(object)),
        Some((found, ..)) => {
            let message = format!("`{}` is one of {found}", request.id);
            Err(ProviderError::new(ErrorClass::Denied, message)
                .with_hint("an object of the local cloud belongs to the environment that made it"))
        }
    }
}

/// An object by its name, whoever made it.
fn read_data(cloud: &Cloud, request: &DataRequest) -> Result<Value, ProviderError> {
    let kind = resource(&request.address)?;
    let name = arguments::text(&request.arguments, "name")?;
    let nothing = Value::object::<&str>([]);
    let found = look(cloud, kind, &name, &nothing)?;
    found.map(|(_, object, _)| object.attributes).ok_or_else(|| {
        let message = format!("the local cloud has no {} `{name}`", request.address.kind());
        ProviderError::new(ErrorClass::NotFound, message)
    })
}

fn delete(
    cloud: &Cloud,
    owner: &Owner,
    (kind, name): (Resource, &str),
    removal: Removal,
) -> Result<(), LocalError> {
    match kind {
        Resource::Network => cloud.delete_network(owner, name, removal),
        Resource::Machine => cloud.delete_machine(owner, name, removal),
        Resource::Volume => cloud.delete_volume(owner, name, removal),
        Resource::Snapshot => cloud.delete_snapshot(owner, name, removal),
    }
}

fn find(
    cloud: &Cloud,
    owner: &Owner,
    kind: Resource,
    given: &Value,
) -> Result<Option<Object>, LocalError> {
    let name = arguments::text(given, "name")?;
    let ours = |found: &Owner| found.is_same_instance(owner) && found.token == owner.token;
    match look(cloud, kind, &name, given)? {
        Some((found, object, true)) if ours(&found) => Ok(Some(object)),
        Some((found, _, false)) if ours(&found) => {
            delete(cloud, owner, (kind, &name), Removal::Undone)?;
            Ok(None)
        }
        Some(_) => Ok(None),
        None => {
            // What has no content yet is not seen, but its record may be ours.
            take_away(cloud, owner, (kind, &name)).map(|()| None)
        }
    }
}

/// Whether what is there once was whole: what never was is half made, what stopped since is not.
fn was_finished(cloud: &Cloud, kind: Resource, name: &str) -> Result<bool, LocalError> {
    Ok(match kind {
        Resource::Network => cloud.was_network_up(name)?,
        Resource::Machine => cloud.find_machine(name)?.is_some_and(|it| it.host_key.is_some()),
        Resource::Volume => cloud.find_volume(name)?.is_some(),
        Resource::Snapshot => cloud.has_snapshot(name)?,
    })
}

/// Every object of this lineage.
fn owned(cloud: &Cloud, lineage: &str) -> Result<Vec<Owned>, LocalError> {
    let mut owned = Vec::new();
    for kind in Resource::ALL {
        for name in cloud.layout().names(kind.into())? {
            // It may be deleted by somebody else while this looks.
            let Some(owner) = cloud.owner_of(kind.into(), &name)? else { continue };
            if owner.lineage != lineage {
                continue;
            }
            let address = Address::parse(&owner.address).map_err(|error| LocalError::Damaged {
                path: cloud.layout().record(kind.into(), &name),
                detail: format!("`{}` is no address: {error}", owner.address),
            })?;
            // Left-out arguments read as such.
            let nothing = Value::object::<&str>([]);
            let object = if was_finished(cloud, kind, &name)? {
                look(cloud, kind, &name, &nothing)?.map(|(_, object, _)| object)
            } else {
                None
            };
            owned.push(Owned { address, id: name, token: owner.token, object });
        }
    }
    owned.sort_by(|left, right| (&left.address, &left.id).cmp(&(&right.address, &right.id)));
    Ok(owned)
}

impl From<Resource> for crate::Kind {
    fn from(resource: Resource) -> Self {
        match resource {
            Resource::Network => Self::Network,
            Resource::Machine => Self::Machine,
            Resource::Volume => Self::Volume,
            Resource::Snapshot => Self::Snapshot,
        }
    }
}

#[async_trait]
impl Provider for LocalProvider {
    fn schema(&self) -> &ProviderSchema {
        &self.schema
    }

    async fn surroundings(&self) -> Result<BTreeMap<String, Value>, ProviderError> {
        let directory = self.cloud.layout().root().display().to_string();
        Ok(BTreeMap::from([("directory".to_owned(), Value::from(directory.as_str()))]))
    }

    fn validate(&self, address: &Address, given: &Value) -> Vec<Diagnostic> {
        let problem = match resource(address) {
            Ok(kind) => crate::validate::problem(kind.into(), address, given),
            Err(error) => Some(error),
        };
        let diagnostic = |error: LocalError| {
            let made = Diagnostic::error("local-argument", error.to_string()).about(address);
            match error.hint() {
                Some(hint) => made.with_hint(hint),
                None => made,
            }
        };
        problem.map(diagnostic).into_iter().collect()
    }

    async fn read_many(&self, requests: &[ReadRequest]) -> Vec<Result<Observation, ProviderError>> {
        let asked: Vec<(Owner, ReadRequest)> = requests
            .iter()
            .map(|request| (self.owner_of(&request.address, ""), request.clone()))
            .collect();
        let count = asked.len();
        let read_all = move |cloud: Cloud| {
            let read_one = |(owner, request): &(Owner, ReadRequest)| {
                read(&cloud, owner, request).map_err(ProviderError::from)
            };
            Ok(asked.iter().map(read_one).collect::<Vec<_>>())
        };
        match self.blocking(read_all).await {
            Ok(answers) => answers,
            Err(error) => vec![Err(error); count],
        }
    }

    async fn import(
        &self,
        requests: &[ImportRequest],
    ) -> Vec<Result<Option<Object>, ProviderError>> {
        let asked: Vec<(Owner, ImportRequest)> = requests
            .iter()
            .map(|request| (self.owner_of(&request.address, ""), request.clone()))
            .collect();
        let count = asked.len();
        let all = move |cloud: Cloud| {
            let one = |(owner, request): &(Owner, ImportRequest)| import(&cloud, owner, request);
            Ok(asked.iter().map(one).collect::<Vec<_>>())
        };
        match self.blocking(all).await {
            Ok(answers) => answers,
            Err(error) => vec![Err(error); count],
        }
    }

    async fn read_data(&self, requests: &[DataRequest]) -> Vec<Result<Value, ProviderError>> {
        let asked = requests.to_vec();
        let count = asked.len();
        let all = move |cloud: Cloud| {
            Ok(asked.iter().map(|it| read_data(&cloud, it)).collect::<Vec<_>>())
        };
        match self.blocking(all).await {
            Ok(answers) => answers,
            Err(error) => vec![Err(error); count],
        }
    }

    async fn create(&self, request: CreateRequest) -> Result<Object, ProviderError> {
        let owner = self.owner_of(&request.address, &request.token);
        self.blocking(move |cloud| {
            create(&cloud, &owner, resource(&request.address)?, &request.arguments)
        })
        .await
    }

    async fn update(&self, request: UpdateRequest) -> Result<Object, ProviderError> {
        let owner = self.owner_of(&request.address, &request.token);
        self.blocking(move |cloud| {
            update(&cloud, &owner, resource(&request.address)?, &request.arguments)
        })
        .await
    }

    async fn delete(&self, request: DeleteRequest) -> Result<(), ProviderError> {
        let owner = self.owner_of(&request.address, "");
        self.blocking(move |cloud| {
            let object = (resource(&request.address)?, request.id.as_str());
            delete(&cloud, &owner, object, Removal::Deleted)
        })
        .await
    }

    async fn find(&self, request: FindRequest) -> Result<Found, ProviderError> {
        let owner = self.owner_of(&request.address, &request.token);
        let found = self.blocking(move |cloud| {
            find(&cloud, &owner, resource(&request.address)?, &request.arguments)
        });
        Ok(found.await?.map_or(Found::Nothing, Found::One))
    }

    async fn list_owned(&self) -> Result<Vec<Owned>, ProviderError> {
        let lineage = self.owner.lineage.clone();
        self.blocking(move |cloud| owned(&cloud, &lineage)).await
    }
}
