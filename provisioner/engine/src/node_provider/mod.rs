//! The provider `node`: services, facts and reachability, which happen on the nodes of every cloud alike.
//!
//! It puts the crate `nodes` behind the Provider port. Invariants: an object's identity is its address; an
//! install, a gathering of facts and a reachability check can all be sent again at any time; refresh never takes a
//! node that does not answer for one that has lost its services. Refuses to know: clouds, plans, where
//! connections come from.

mod arguments;
mod failure;
mod fleet;
mod read;
pub mod schema;

pub use fleet::Fleet;
pub use schema::node_schema;

use arguments::{FactsArguments, MemberArguments, ReachabilityArguments, ServiceArguments};
use async_trait::async_trait;
use model::plan::Observation;
use model::schema::ProviderSchema;
use model::value::Entries;
use model::{Address, Diagnostic, Number, Value};
use nodes::probe::From;
use nodes::{
    Cache, Connection, Host, Installer, Member, Observer, PairOptions, Pool, Step, StepEvent,
    Target, all_pairs,
};
use provider::{
    CreateRequest, DeleteRequest, ErrorClass, FindRequest, Found, Object, Progress, Provider,
    ProviderError, ReadRequest, UpdateRequest,
};
use schema::REACHED;
pub use schema::RUNNING;
use std::sync::Arc;

/// Peers that a probe may start from.
const PEERS: usize = 2;

/// Gives the node at a connection. [`Pool`] is the real one.
pub trait Hosts: Send + Sync {
    /// The node; nothing is opened yet.
    fn host(&self, connection: &Connection) -> Arc<dyn Host>;
}

impl Hosts for Pool {
    fn host(&self, connection: &Connection) -> Arc<dyn Host> {
        Pool::host(self, connection)
    }
}

/// What the node provider works with.
pub struct NodePorts {
    /// Connections, shared by everything that talks to nodes.
    pub hosts: Arc<dyn Hosts>,
    /// Verified artifacts on this machine.
    pub cache: Arc<Cache>,
    /// Which other nodes run a service.
    pub fleet: Arc<dyn Fleet>,
}

/// The provider `node`.
pub struct NodeProvider {
    schema: ProviderSchema,
    hosts: Arc<dyn Hosts>,
    fleet: Arc<dyn Fleet>,
    installer: Installer,
}

/// The resource types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Facts,
    Service,
    Reachability,
}

impl Kind {
    fn of(address: &Address) -> Result<Self, ProviderError> {
        match address.kind() {
            "facts" => Ok(Self::Facts),
            "service" => Ok(Self::Service),
            "reachability" => Ok(Self::Reachability),
            other => {
                let message =
                    format!("the provider `{}` has no resource type `{other}`", schema::NAME);
                Err(ProviderError::new(ErrorClass::Invalid, message))
            }
        }
    }
}

impl NodeProvider {
    /// A provider over these ports.
    pub fn new(ports: NodePorts) -> Self {
        let NodePorts { hosts, cache, fleet } = ports;
        Self { schema: node_schema(), hosts, fleet, installer: Installer::new(cache) }
    }

    /// Makes or mends an object: all three types do the same for both.
    async fn bring_about(
        &self,
        address: &Address,
        arguments: &Value,
        progress: Arc<dyn Progress>,
    ) -> Result<Object, ProviderError> {
        match Kind::of(address)? {
            Kind::Facts => self.gather(address, arguments, progress).await,
            Kind::Service => self.install(address, arguments, progress).await,
            Kind::Reachability => self.reach(address, arguments, progress.as_ref()).await,
        }
    }

    async fn gather(
        &self,
        address: &Address,
        arguments: &Value,
        progress: Arc<dyn Progress>,
    ) -> Result<Object, ProviderError> {
        let facts: FactsArguments = arguments::read(arguments, &address.to_string())?;
        let host = self.hosts.host(&facts.connection);
        let artifact = facts.artifact()?;
        let steps = Steps { progress, peers: Vec::new() };
        let values = self
            .installer
            .facts(&host, address.name(), artifact.as_ref(), &facts.commands(), &steps)
            .await
            .map_err(|error| failure::install(&error))?;
        let computed = [("values", arguments::fact_values(arguments, &values))];
        Ok(object(address, arguments, computed, None))
    }

    async fn install(
        &self,
        address: &Address,
        arguments: &Value,
        progress: Arc<dyn Progress>,
    ) -> Result<Object, ProviderError> {
        let service: ServiceArguments = arguments::read(arguments, &address.to_string())?;
        let spec = service.spec(address.name())?;
        let asks_peers = spec.probes.iter().any(|probe| probe.from == From::Peer);
        let mut peers =
            if asks_peers { self.fleet.peers(address.name(), &service.node) } else { Vec::new() };
        peers.truncate(PEERS);
        let steps = Steps {
            progress: progress.clone(),
            peers: peers.iter().map(|peer| peer.name.clone()).collect(),
        };
        let target = Target {
            host: self.hosts.host(&service.connection),
            address: Some(service.connection.address.clone()),
            peers: peers.iter().map(|peer| self.hosts.host(peer)).collect(),
        };
        let installed = self
            .installer
            .install(&target, &spec, &steps)
            .await
            .map_err(|error| failure::install(&error))?;
        for probe in &installed.skipped_probes {
            progress.step(&format!("probe {probe} skipped: no other node runs {} yet", spec.name));
        }
        let computed = [("digest", installed.digest.into()), ("status", RUNNING.into())];
        Ok(object(address, arguments, computed, None))
    }

    async fn reach(
        &self,
        address: &Address,
        arguments: &Value,
        progress: &dyn Progress,
    ) -> Result<Object, ProviderError> {
        let wanted: ReachabilityArguments = arguments::read(arguments, &address.to_string())?;
        let member = |member: &MemberArguments| Member {
            name: member.node.clone(),
            host: self.hosts.host(&member.connection),
            address: member.address.clone(),
        };
        let members: Vec<Member> = wanted.members.iter().map(member).collect();
        let count = members.len();
        progress.step(&format!("connecting {} pairs", count * count.saturating_sub(1)));
        let options = PairOptions { port: wanted.port, ..PairOptions::default() };
        let report = all_pairs(&members, options).await;
        if !report.failed.is_empty() {
            return Err(failure::pairs(&wanted.service, &report));
        }
        let pairs = i64::try_from(report.pairs).unwrap_or(i64::MAX);
        let computed = [("pairs", Value::from(Number::from(pairs))), ("status", REACHED.into())];
        let note = format!("{} of {} pairs reached", report.reached, report.pairs);
        Ok(object(address, arguments, computed, Some(note)))
    }

    /// Takes a service off its node. Its lasting state goes with its facts, if it has any.
    async fn remove(&self, request: &DeleteRequest, kind: Kind) -> Result<(), ProviderError> {
        let subject = request.address.to_string();
        let service = request.address.name();
        let steps = Steps { progress: request.progress.clone(), peers: Vec::new() };
        let (connection, drain, keep_state) = if kind == Kind::Facts {
            let facts: FactsArguments = arguments::read(&request.attributes, &subject)?;
            (facts.connection, None, false)
        } else {
            let installed: ServiceArguments = arguments::read(&request.attributes, &subject)?;
            let keep_state = self.fleet.has_facts(service, &installed.node);
            (installed.connection, installed.drain, keep_state)
        };
        let host = self.hosts.host(&connection);
        self.installer
            .remove(&host, service, drain.as_deref(), keep_state, &steps)
            .await
            .map(drop)
            .map_err(|error| failure::install(&error))
    }

    fn check(address: &Address, arguments: &Value) -> Result<(), ProviderError> {
        match Kind::of(address)? {
            Kind::Facts => {
                let facts: FactsArguments = arguments::read(arguments, &address.to_string())?;
                facts.artifact().map(drop)
            }
            Kind::Service => {
                let service: ServiceArguments = arguments::read(arguments, &address.to_string())?;
                service.spec(address.name()).map(drop)
            }
            Kind::Reachability => Ok(()),
        }
    }
}

#[async_trait]
impl Provider for NodeProvider {
    fn schema(&self) -> &ProviderSchema {
        &self.schema
    }

    /// Services and facts are found on their node by name alone.
    fn deletes_half_made(&self, _resource_type: &str) -> bool {
        true
    }

    fn validate(&self, address: &Address, arguments: &Value) -> Vec<Diagnostic> {
        // What is not known yet is checked when it is.
        if !arguments.is_wholly_known() {
            return Vec::new();
        }
        let problem = Self::check(address, arguments).err();
        problem
            .map(|error| crate::error::provider_diagnostic(&error, address))
            .into_iter()
            .collect()
    }

    async fn read_many(&self, requests: &[ReadRequest]) -> Vec<Result<Observation, ProviderError>> {
        read::read_many(self, requests).await
    }

    async fn create(&self, request: CreateRequest) -> Result<Object, ProviderError> {
        self.bring_about(&request.address, &request.arguments, request.progress).await
    }

    async fn update(&self, request: UpdateRequest) -> Result<Object, ProviderError> {
        self.bring_about(&request.address, &request.arguments, request.progress).await
    }

    async fn delete(&self, request: DeleteRequest) -> Result<(), ProviderError> {
        match Kind::of(&request.address)? {
            // A statement leaves nothing behind.
            Kind::Reachability => Ok(()),
            kind => self.remove(&request, kind).await,
        }
    }

    async fn find(&self, request: FindRequest) -> Result<Found, ProviderError> {
        if Kind::of(&request.address)? != Kind::Service {
            // Asking again is all there is to finding.
            return Ok(Found::Nothing);
        }
        let service: ServiceArguments =
            arguments::read(&request.arguments, &request.address.to_string())?;
        let digest = service.spec(request.address.name())?.digest();
        let host = self.hosts.host(&service.connection);
        let names = [request.address.name()];
        let found =
            self.installer.observe(&host, &names).await.map_err(|error| failure::host(&error))?;
        let is_done = found.first().is_some_and(|observed| observed.is_healthy(&digest));
        let computed = [("digest", digest.into()), ("status", RUNNING.into())];
        let done = is_done.then(|| object(&request.address, &request.arguments, computed, None));
        Ok(done.map_or(Found::Nothing, Found::One))
    }
}

fn object(
    address: &Address,
    arguments: &Value,
    computed: impl IntoIterator<Item = (&'static str, Value)>,
    note: Option<String>,
) -> Object {
    Object { id: address.to_string(), attributes: with(arguments, computed), note }
}

/// The object with these attributes set.
fn with(attributes: &Value, computed: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let mut entries: Entries = attributes.as_entries().cloned().unwrap_or_default();
    entries.extend(computed.into_iter().map(|(name, value)| (name.into(), value)));
    Value::object(entries)
}

/// Passes the steps of an install on, in the words that people see.
struct Steps {
    progress: Arc<dyn Progress>,
    peers: Vec<String>,
}

impl Observer for Steps {
    fn step(&self, _node: &str, _service: &str, step: Step, event: StepEvent) {
        match event {
            StepEvent::Started if step == Step::Probe && !self.peers.is_empty() => {
                self.progress.step(&format!("probe from {}", self.peers.join(", ")));
            }
            StepEvent::Started => self.progress.step(&step.to_string()),
            StepEvent::Failed(why) => self.progress.step(&format!("{step} failed: {why}")),
            StepEvent::Done | StepEvent::Skipped(_) => {}
        }
    }
}
