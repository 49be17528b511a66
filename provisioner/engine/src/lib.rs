//! The engine: reads what is (refresh), runs a plan (executor), settles what an interrupted run left
//! (recovery), and journals every step.
//!
//! Invariants: nothing that changes anything outside the state is called before its intent is durable, and no event of success is
//! published before its outcome is; a run holds what it writes from the check of its plan to its last write; the engine may refuse a plan, it never chooses. Refuses to know: the language's syntax, concrete
//! providers and stores, the terminal.

mod caller;
mod cancel;
mod clock;
mod configured;
mod conform;
mod error;
mod executor;
mod identity;
mod lease;
mod live;
mod lookup;
pub mod node_provider;
mod recover;
mod redact;
mod refresh;
mod retry;
mod run;
mod send;
mod settle;
mod sweep;

pub use cancel::{CancelToken, Level};
pub use clock::{Clock, SystemClock};
pub use error::{ApplyError, StaleRecord, Unsettled};
pub use executor::{Failure, RunReport, Skipped};
pub use identity::{Lasting, differing, identities, lasting};
pub use lease::Queue;
pub use live::LiveRecords;
pub use lookup::Lookups;
pub use node_provider::{Fleet, NodePorts, NodeProvider, node_schema};
pub use recover::Purpose;
pub use redact::without_secrets;
pub use retry::RetryPolicy;
pub use run::{Run, RunRequest, scope_of};
pub use sweep::{adopted, adopting, with_adopted};

pub use provider::Owner;

use configured::Configured;
use model::event::EventSink;
use model::graph::ProviderConfig;
use model::record::Recorded;
use model::schema::ProviderSchema;
use model::{Address, Diagnostic, Value};
use provider::{Provider, ProviderError};
use state::{StateError, StateStore};
use std::sync::Arc;

/// Evaluates what was unknown when the plan was made. The command line wires the language's own
/// `resolve` in.
pub trait Resolver: Send + Sync {
    /// `value` with every unknown part replaced; `outputs` gives the attributes of an instance, `time` is when the run
    /// began.
    fn resolve(
        &self,
        value: &Value,
        outputs: &dyn Fn(&Address) -> Option<Value>,
        time: &str,
    ) -> Result<Value, Diagnostic>;
}

/// Knows every provider by name.
pub trait ProviderFactory: Send + Sync {
    /// What a provider declares.
    fn schema(&self, name: &str) -> Option<ProviderSchema>;

    /// A provider, configured.
    fn configure(
        &self,
        config: &ProviderConfig,
        owner: &Owner,
    ) -> Result<Arc<dyn Provider>, ProviderError>;
}

/// Everything outside that the engine talks to.
#[derive(Clone)]
pub struct Ports {
    /// Where the environment is recorded.
    pub store: Arc<dyn StateStore>,
    /// The providers.
    pub factory: Arc<dyn ProviderFactory>,
    /// Evaluates residual expressions.
    pub resolver: Arc<dyn Resolver>,
    /// Takes events.
    pub events: Arc<dyn EventSink>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// Records as they are now; shared with the node provider, which picks peers from them.
    pub records: Arc<LiveRecords>,
}

/// Runs plans against one environment.
#[derive(Clone)]
pub struct Engine {
    environment: Arc<str>,
    ports: Ports,
    retry: RetryPolicy,
    configured: Arc<Configured>,
}

impl Engine {
    /// An engine for the environment of that name.
    pub fn new(environment: &str, ports: Ports) -> Self {
        Self {
            environment: environment.into(),
            ports,
            retry: RetryPolicy::default(),
            configured: Arc::default(),
        }
    }

    /// With other bounds on retries.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Reads the state; takes no lease.
    pub async fn load(&self) -> Result<Recorded, StateError> {
        let recorded = self.ports.store.load().await?;
        self.ports.records.replace_all(&recorded);
        Ok(recorded)
    }

    /// The provider of a configuration, made on first use.
    fn provider(
        &self,
        config: &ProviderConfig,
        lineage: &str,
    ) -> Result<Arc<dyn Provider>, ProviderError> {
        let owner =
            Owner { environment: self.environment.to_string(), lineage: lineage.to_owned() };
        self.configured.get(self.ports.factory.as_ref(), config, &owner)
    }
}
