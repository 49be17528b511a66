//! The environment's state file, its key, and saved plans.
//!
//! Invariant: asking never creates anything; only [`Store::create`] does.

use crate::error::CommandError;
use crate::places::{self, Homes};
use crate::project::Project;
use crate::session::Session;
use crate::wiring;
use model::plan::Plan;
use model::record::Recorded;
use model::{Diagnostic, SourceMap};
use nodes::Identity;
use state::StateStore as _;
use state::keys::{EnvironmentKey, KeySource};
use state::plan_file::{self, Binding, Expected};
use state::seal::Sealer;
use state::sqlite::SqliteStore;
use std::path::Path;
use std::sync::Arc;

/// Stands for the login key of an environment that has none yet: it is made with the environment, by the first apply.
pub const LOGIN_KEY_LATER: &str = "ssh-ed25519 (made by the first apply)";

/// For how long after it was made a saved plan may be applied: a week gives people time to agree to it.
const PLAN_VALID: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);

/// An environment that exists, with its key.
pub struct Store {
    /// The store itself.
    pub port: Arc<SqliteStore>,
    /// The environment's name.
    pub environment: String,
    key: EnvironmentKey,
}

impl Store {
    /// The store of an environment that was written before; none if it was not.
    pub async fn open(project: &Project) -> Result<Option<Self>, CommandError> {
        let port = port(&project.state_file, &project.environment)?;
        Self::opened(port, &project.environment).await
    }

    /// The store of an environment, made now if there is none.
    pub async fn create(session: &Session, project: &Project) -> Result<Self, CommandError> {
        let port = port(&project.state_file, &project.environment)?;
        port.prepare().await?;
        if let Some(warning) = port.warning() {
            session.show(&[Diagnostic::warning("state-place", warning)], &SourceMap::default());
        }
        let vanished = || {
            Diagnostic::error("state-vanished", "the state file vanished as soon as it was made")
        };
        Ok(Self::opened(port, &project.environment).await?.ok_or_else(vanished)?)
    }

    /// What is recorded of an environment; nothing if it was never written. Needs the key only for secrets.
    pub async fn load_or_default(project: &Project) -> Result<Recorded, CommandError> {
        Ok(port(&project.state_file, &project.environment)?.load().await?)
    }

    async fn opened(port: SqliteStore, environment: &str) -> Result<Option<Self>, CommandError> {
        let key = port.key().await?;
        let environment = environment.to_owned();
        Ok(key.map(|key| Self { port: Arc::new(port), environment, key }))
    }

    /// What is recorded.
    pub async fn load(&self) -> Result<Recorded, CommandError> {
        Ok(self.port.load().await?)
    }

    /// The identity with which nodes are logged in to.
    pub fn identity(&self) -> Identity {
        identity(self.key.login_seed().expose(), &self.environment)
    }

    async fn sealer(&self) -> Result<Sealer, CommandError> {
        let gone = || Diagnostic::error("state-vanished", "the state file is gone");
        Ok(self.port.sealer().await?.ok_or_else(gone)?)
    }

    /// The public part of the identity, as nodes know it.
    pub fn login_key(&self) -> String {
        self.identity().public_line()
    }
}

/// An identity with the environment in its comment.
pub fn identity(seed: &[u8; 32], environment: &str) -> Identity {
    Identity::from_seed(seed, &format!("provisioner {environment}"))
}

fn port(path: &Path, environment: &str) -> Result<SqliteStore, CommandError> {
    Ok(SqliteStore::open(path, environment, key_source()?)?)
}

fn key_source() -> Result<KeySource, CommandError> {
    let homes = Homes::of_user()?;
    Ok(match homes.key_file {
        Some(file) => KeySource::File(file),
        None => KeySource::Directory(homes.keys),
    })
}

/// A plan that was saved, with the environment it belongs to.
pub struct Saved {
    /// The plan.
    pub plan: Plan,
    /// The environment's store.
    pub store: Store,
    /// How the environment can be named, if it has a name that is found from here.
    pub target: Option<String>,
}

/// Saves a plan, sealed and signed with the environment's keys.
pub async fn save_plan(path: &Path, plan: &Plan, store: &Store) -> Result<(), CommandError> {
    let binding = Binding { provider_versions: wiring::provider_versions(), valid_for: PLAN_VALID };
    Ok(plan_file::write(path, plan, &store.sealer().await?, &binding)?)
}

/// Opens a saved plan, and the environment that it was made for.
pub async fn load_plan(session: &Session, path: &Path) -> Result<Saved, CommandError> {
    let header = plan_file::inspect(path)?;
    let environment = header.environment;
    for candidate in places::state_candidates(path, &environment, &session.working) {
        let port = port(&candidate, &environment)?;
        if port.lineage().await?.as_ref() != Some(&header.lineage) {
            continue;
        }
        if let Some(store) = Store::opened(port, &environment).await? {
            let fit = Expected {
                environment: &environment,
                sealer: &store.sealer().await?,
                now: jiff::Timestamp::now(),
                provider_versions: &wiring::provider_versions(),
            };
            let plan = plan_file::read(path, &fit)?;
            let named = places::environment_directory(Path::new(&environment), &session.working);
            let target = named.ok().map(|directory| directory.display().to_string());
            return Ok(Saved { plan, store, target });
        }
    }
    let short = header.lineage.get(..8).unwrap_or(&header.lineage);
    Err(Diagnostic::error(
        "no-state-for-plan",
        format!("no state of environment `{environment}`, lineage {short}, for {}", path.display()),
    )
    .with_detail("a plan runs only in the environment that it was made for")
    .with_hint("run this in the project's directory, where the plan was made")
    .into())
}
