//! Puts the rooms together: providers behind one factory, the language's `resolve` behind the engine's port, and an
//! engine for one environment.

use crate::error::CommandError;
use crate::places::Homes;
use crate::session::Session;
use crate::store::{self, Store};
use engine::{
    Engine, LiveRecords, NodePorts, NodeProvider, Ports, ProviderFactory, Resolver, SystemClock,
};
use model::event::EventSink;
use model::graph::ProviderConfig;
use model::schema::ProviderSchema;
use model::{Address, Diagnostic, Value};
use nodes::ssh::Settings;
use nodes::{Cache, Identity, Pool};
use provider::{ErrorClass, Owner, Provider, ProviderError};
use provider_builtin::{
    Builtin,
    tls::{self, Tls},
};
use provider_local::LocalProvider;
use provider_nebula::{Nebula, OperatingSystem};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use views::progress::Progress;

/// An engine with what it was made from.
pub struct Wired {
    /// Runs plans and reads objects.
    pub engine: Engine,
    /// Makes providers and knows their schemas.
    pub factory: Arc<Factory>,
    /// Shows events.
    pub progress: Arc<dyn Progress>,
}

/// An engine for an environment that exists.
pub fn wire(session: &Session, store: &Store) -> Result<Wired, CommandError> {
    let progress = views::progress::sink(&session.console, session.json);
    wire_with(session, store, progress)
}

/// The same with events shown in a way of the caller's choice.
pub fn wire_with(
    session: &Session,
    store: &Store,
    progress: Arc<dyn Progress>,
) -> Result<Wired, CommandError> {
    let login = store.login()?;
    wired(session, store, login, progress)
}

/// An engine for a catalogue of restore points, which logs in to no node: the key is needed for secrets alone.
pub fn wire_catalogue(
    session: &Session,
    store: &Store,
    progress: Arc<dyn Progress>,
) -> Result<Wired, CommandError> {
    wired(session, store, nobody(), progress)
}

/// An identity for those who log in nowhere.
fn nobody() -> Identity {
    store::identity(&[0; 32], "nobody")
}

fn wired(
    session: &Session,
    store: &Store,
    login: Identity,
    progress: Arc<dyn Progress>,
) -> Result<Wired, CommandError> {
    let records = Arc::new(LiveRecords::default());
    let factory = Arc::new(Factory::new(session, login, records.clone())?);
    let events: Arc<dyn EventSink> = progress.clone();
    let ports = Ports {
        store: store.port.clone(),
        factory: factory.clone(),
        resolver: Arc::new(Language),
        events,
        clock: Arc::new(SystemClock::new(seed())),
        records,
    };
    Ok(Wired { engine: Engine::new(&store.identity.environment, ports), factory, progress })
}

/// Spreads the retries of programs that run at the same time.
fn seed() -> u64 {
    let nanoseconds = jiff::Timestamp::now().as_nanosecond().unsigned_abs();
    u64::try_from(nanoseconds & u128::from(u64::MAX)).unwrap_or_default()
        ^ u64::from(std::process::id())
}

/// Evaluates residual expressions with the language.
struct Language;

impl Resolver for Language {
    fn resolve(
        &self,
        value: &Value,
        outputs: &dyn Fn(&Address) -> Option<Value>,
        time: &str,
    ) -> Result<Value, Diagnostic> {
        lang::resolve(value, outputs, time)
    }
}

/// What every provider declares, by name.
fn schemas() -> BTreeMap<String, ProviderSchema> {
    let schemas = [
        provider_builtin::schema(),
        provider_builtin::tls::schema(),
        provider_local::provider_schema(),
        provider_nebula::schema(),
        engine::node_schema(),
        #[cfg(feature = "aws")]
        provider_aws::provider_schema(),
    ];
    schemas.into_iter().map(|schema| (schema.name.clone(), schema)).collect()
}

/// The version of every provider, by name: they are part of this program and have its version.
pub fn provider_versions() -> BTreeMap<String, String> {
    schemas().into_keys().map(|name| (name, env!("CARGO_PKG_VERSION").to_owned())).collect()
}

/// Knows every provider by name.
pub struct Factory {
    schemas: BTreeMap<String, ProviderSchema>,
    executable: PathBuf,
    homes: Homes,
    hosts: Arc<Pool>,
    cache: Arc<Cache>,
    records: Arc<LiveRecords>,
    #[cfg(feature = "aws")]
    limiters: provider::limits::Limiters,
}

impl Factory {
    /// Providers that can be called.
    fn new(
        session: &Session,
        identity: Identity,
        records: Arc<LiveRecords>,
    ) -> Result<Self, CommandError> {
        let homes = Homes::of_user()?;
        Ok(Self {
            schemas: schemas(),
            executable: session.executable.clone(),
            hosts: Arc::new(Pool::new(identity, Settings::default())),
            cache: Arc::new(Cache::new(&homes.cache)),
            homes,
            records,
            #[cfg(feature = "aws")]
            limiters: provider::limits::Limiters::new(Arc::new(provider::TokioClock::new())),
        })
    }

    /// Providers that only check arguments: they log in nowhere, so any identity will do.
    pub fn for_checking(session: &Session) -> Result<Self, CommandError> {
        Self::new(session, nobody(), Arc::new(LiveRecords::default()))
    }

    /// What every provider declares, by name.
    pub fn schemas(&self) -> &BTreeMap<String, ProviderSchema> {
        &self.schemas
    }
}

impl ProviderFactory for Factory {
    fn schema(&self, name: &str) -> Option<ProviderSchema> {
        self.schemas.get(name).cloned()
    }

    fn configure(
        &self,
        config: &ProviderConfig,
        owner: &Owner,
    ) -> Result<Arc<dyn Provider>, ProviderError> {
        Ok(match config.name.as_str() {
            "local" => {
                let directory = self.homes.local_cloud(&owner.environment, &owner.lineage);
                let executable = self.executable.clone();
                Arc::new(LocalProvider::from_configuration(
                    &config.arguments,
                    directory,
                    executable,
                    owner.clone(),
                )?)
            }
            "nebula" => {
                let clock = Arc::new(jiff::Timestamp::now);
                Arc::new(Nebula::new(
                    &config.arguments,
                    owner.clone(),
                    clock,
                    Arc::new(OperatingSystem),
                )?)
            }
            "node" => Arc::new(NodeProvider::new(NodePorts {
                hosts: self.hosts.clone(),
                cache: self.cache.clone(),
                fleet: self.records.clone(),
            })),
            "terraform" => Arc::new(Builtin::new()),
            "tls" => Arc::new(Tls::new(Arc::new(tls::OperatingSystem))),
            #[cfg(feature = "aws")]
            "aws" => Arc::new(provider_aws::Aws::from_configuration(
                &config.arguments,
                owner.clone(),
                self.limiters.of(config, &self.schemas["aws"]),
                Arc::new(provider::TokioClock::new()),
            )?),
            other => {
                let known = self.schemas.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let message = format!("there is no provider `{other}`");
                return Err(ProviderError::new(ErrorClass::Invalid, message)
                    .with_hint(format!("there are: {known}")));
            }
        })
    }
}
