//! Where an environment is recorded, its keys, and saved plans.
//!
//! Invariant: asking never creates anything; only [`Store::create`] does.

use crate::arguments::{Environment, Variables};
use crate::error::CommandError;
use crate::places::{self, Homes};
use crate::project::Project;
use crate::session::Session;
use crate::settings::{Backend, Settings};
use crate::wiring;
use model::plan::Plan;
use model::record::Recorded;
use model::{Diagnostic, Sensitive, SourceMap};
use nodes::Identity;
use state::keyring::{Keyring, NewWrap, Unlock};
use state::keys::Keys;
use state::plan_file::{self, Binding, Expected};
use state::rows::Codec;
use state::seal::Sealer;
use state::sqlite::SqliteStore;
use state::vault::Vault;
use state::{Dump, StateError, StateStore, export};
use state_object::ObjectStateStore;
use state_postgres::{PostgresOptions, PostgresStore};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Stands for the login key of an environment that has none yet: it is made with the environment, by the first apply.
pub const LOGIN_KEY_LATER: &str = "ssh-ed25519 (made by the first apply)";

/// Comes after an environment's name in that of its catalogue of restore points.
const CATALOGUE: &str = ".restore-points";

/// For how long after it was made a saved plan may be applied: a week gives people time to agree to it.
const PLAN_VALID: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);

/// An environment that exists.
pub struct Store {
    /// Where it is recorded.
    pub port: Arc<dyn StateStore>,
    /// What it is.
    pub identity: state::Identity,
    /// Seconds that a lease lives unless it is renewed.
    pub lease_seconds: u32,
    vault: Vault,
}

impl Store {
    /// The store of an environment that was written before; none if it was not.
    pub async fn open(project: &Project) -> Result<Option<Self>, CommandError> {
        Self::opened(port(project)?, &project.settings).await
    }

    /// The store of an environment, made now if there is none.
    pub async fn create(session: &Session, project: &Project) -> Result<Self, CommandError> {
        Self::created(session, project, port(project)?).await
    }

    /// What is recorded of an environment; nothing if it was never written. Needs the key only for secrets.
    pub async fn load_or_default(project: &Project) -> Result<Recorded, CommandError> {
        Ok(port(project)?.load().await?)
    }

    /// The catalogue of an environment's restore points; none if none was ever made. The environment's own state need not be
    /// there.
    pub async fn open_catalogue(project: &Project) -> Result<Option<Self>, CommandError> {
        Self::opened(catalogue(project)?, &project.settings).await
    }

    /// The same, made now if there is none.
    pub async fn create_catalogue(
        session: &Session,
        project: &Project,
    ) -> Result<Self, CommandError> {
        Self::created(session, project, catalogue(project)?).await
    }

    async fn created(
        session: &Session,
        project: &Project,
        port: Arc<dyn StateStore>,
    ) -> Result<Self, CommandError> {
        project.settings.ways.with(Homes::of_user()?.passphrase.as_ref())?;
        port.prepare().await?;
        if let Some(warning) = port.warning() {
            session.show(&[Diagnostic::warning("state-place", warning)], &SourceMap::default());
        }
        let vanished =
            || Diagnostic::error("state-vanished", "the state vanished as soon as it was made");
        Ok(Self::opened(port, &project.settings).await?.ok_or_else(vanished)?)
    }

    async fn opened(
        port: Arc<dyn StateStore>,
        settings: &Settings,
    ) -> Result<Option<Self>, CommandError> {
        let Some(identity) = port.identity().await? else { return Ok(None) };
        let vault = Vault::unlocked_by(
            Homes::of_user()?.unlock()?,
            identity.keyring.clone(),
            settings.secrets,
            identity.lineage.clone(),
            identity.key_check.clone(),
        );
        Ok(Some(Self { port, identity, lease_seconds: settings.lease_seconds, vault }))
    }

    /// What is recorded.
    pub async fn load(&self) -> Result<Recorded, CommandError> {
        Ok(self.port.load().await?)
    }

    /// The environment's keys, opened.
    pub fn keys(&self) -> Result<Keys, CommandError> {
        Ok(self.vault.keys()?)
    }

    /// The identity with which nodes are logged in to.
    pub fn login(&self) -> Result<Identity, CommandError> {
        let seed = self.keys()?.login().login_seed();
        Ok(identity(seed.expose(), &self.identity.environment))
    }

    /// What seals and opens for this environment.
    pub fn sealer(&self) -> Result<Sealer, state::StateError> {
        self.vault.sealer().cloned()
    }

    /// The public part of the login, as nodes know it.
    pub fn login_key(&self) -> Result<String, CommandError> {
        Ok(self.login()?.public_line())
    }
}

/// An identity with the environment in its comment.
pub fn identity(seed: &[u8; 32], environment: &str) -> Identity {
    Identity::from_seed(seed, &format!("provisioner {environment}"))
}

/// Where a project's environment is recorded, whether or not it was ever written.
fn port(project: &Project) -> Result<Arc<dyn StateStore>, CommandError> {
    let settings = &project.settings;
    backend(&settings.backend, &project.state_file, &project.environment, settings)
}

/// What the catalogue of an environment's restore points is recorded as, beside the environment.
pub fn catalogue_name(environment: &str) -> String {
    format!("{environment}{CATALOGUE}")
}

/// Whether that is what a catalogue is recorded as.
pub fn is_catalogue(environment: &str) -> bool {
    environment.ends_with(CATALOGUE)
}

/// The embedded catalogue's file beside an environment's.
fn catalogue_file(file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = catalogue_name(&stem);
    file.with_file_name(match file.extension() {
        Some(extension) => format!("{name}.{}", extension.to_string_lossy()),
        None => name,
    })
}

/// Where a project's catalogue is recorded, whether or not it was ever written: where its state is, under another name.
fn catalogue(project: &Project) -> Result<Arc<dyn StateStore>, CommandError> {
    let Project { settings, state_file, environment, .. } = project;
    catalogue_at(&settings.backend, state_file, environment, settings)
}

/// A place for the catalogue of an environment of that name, beside what [`backend`] gives for the same.
pub fn catalogue_at(
    place: &Backend,
    file: &Path,
    environment: &str,
    settings: &Settings,
) -> Result<Arc<dyn StateStore>, CommandError> {
    let place = match place {
        Backend::Sqlite { path } => Backend::Sqlite { path: path.as_deref().map(catalogue_file) },
        elsewhere => elsewhere.clone(),
    };
    backend(&place, &catalogue_file(file), &catalogue_name(environment), settings)
}

/// A place for an environment of that name; `file` is the embedded one's own.
pub fn backend(
    backend: &Backend,
    file: &Path,
    environment: &str,
    settings: &Settings,
) -> Result<Arc<dyn StateStore>, CommandError> {
    let homes = Homes::of_user()?;
    let unlock = homes.unlock()?;
    // Its passphrase is needed only where an environment is made.
    let ways = settings.ways.with(homes.passphrase.as_ref()).unwrap_or_default();
    Ok(match backend {
        Backend::Sqlite { path } => {
            let path = path.as_deref().unwrap_or(file);
            let store = SqliteStore::open(path, environment, unlock)?;
            Arc::new(store.with_secrets(settings.secrets).with_initial_keyring(ways))
        }
        Backend::Postgres { url, options } => {
            Arc::new(database(url, options, environment, unlock, settings, ways)?)
        }
        Backend::Object { url, options } => {
            let options = options.iter().map(|(k, v)| (k.clone(), v.expose().clone())).collect();
            let store = ObjectStateStore::open(url, &options, environment, unlock)?;
            Arc::new(store.with_secrets(settings.secrets).with_initial_keyring(ways))
        }
    })
}

fn database(
    url: &Sensitive<String>,
    options: &BTreeMap<String, Sensitive<String>>,
    environment: &str,
    unlock: Unlock,
    settings: &Settings,
    ways: Vec<NewWrap>,
) -> Result<PostgresStore, CommandError> {
    let mut opened = PostgresOptions::new(unlock);
    opened.secrets = settings.secrets;
    opened.initial_keyring = ways;
    opened.patience = Duration::from_secs(u64::from(settings.lease_seconds / 2));
    for (name, value) in options {
        match name.as_str() {
            "schema" => opened.schema.clone_from(value.expose()),
            "password" => opened.password = Some(value.clone()),
            _ => {
                let summary = format!("postgres has no argument `{name}`");
                return Err(Diagnostic::error("settings-unknown", summary)
                    .with_hint("there are: url, schema, password, lease_s")
                    .into());
            }
        }
    }
    Ok(PostgresStore::open(url.expose(), environment, opened)?)
}

/// Records an environment anew from an export; its key file must be there, or what opens its keyring. How many objects it has.
pub async fn found(
    project: &Project,
    text: &str,
    place: &str,
    lineage: &str,
    keyring: Option<&str>,
) -> Result<usize, CommandError> {
    let unlock = Homes::of_user()?.unlock()?;
    let key_check = match keyring {
        Some(keyring) => Keyring::parse(keyring).map_err(StateError::from)?.origin().to_owned(),
        None => unlock.key_source().read(lineage)?.check_value(),
    };
    let keyring = keyring.map(str::to_owned);
    let identity = state::Identity {
        environment: project.environment.clone(),
        lineage: lineage.to_owned(),
        key_check,
        keyring: keyring.clone(),
    };
    let vault = Vault::unlocked_by(
        unlock,
        keyring,
        project.settings.secrets,
        identity.lineage.clone(),
        identity.key_check.clone(),
    );
    let export = export::read(text, place, || vault.sealer().cloned())?;
    let version = export.into_version();
    let count = version.records.len();
    let codec = Codec { place, vault: &vault };
    let base = Some(codec.encode_base(&version, Vec::new())?);
    let dump = Dump { identity, epoch: 0, base, journal: Vec::new() };
    port(project)?.take_over(dump).await?;
    Ok(count)
}

/// Reads a text file that the user named.
pub fn read_file(path: &Path) -> Result<String, Diagnostic> {
    std::fs::read_to_string(path).map_err(|error| {
        Diagnostic::error("unreadable", format!("cannot read {}: {error}", path.display()))
    })
}

/// Writes a file that the user named; only they can read it.
pub fn write_file(path: &Path, text: &str) -> Result<(), Diagnostic> {
    state::write_private(path, text.as_bytes()).map_err(|error| {
        Diagnostic::error("unwritable", format!("cannot write {}: {error}", path.display()))
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
pub fn save_plan(path: &Path, plan: &Plan, store: &Store) -> Result<(), CommandError> {
    let binding = Binding { provider_versions: wiring::provider_versions(), valid_for: PLAN_VALID };
    Ok(plan_file::write(path, plan, &store.sealer()?, &binding)?)
}

/// Opens a saved plan, and the environment that it was made for: the embedded state at or above the working directory
/// or the plan, else what the environment's own directory names.
pub async fn load_plan(
    session: &Session,
    path: &Path,
    variables: Variables,
) -> Result<Saved, CommandError> {
    let statement = plan_file::inspect(path)?;
    let environment = &statement.environment;
    let named = places::environment_directory(Path::new(environment), &session.working).ok();
    let load = |target| Project::load(session, &Environment { target, variables });
    let project = named.clone().map(load).transpose()?;
    let mut found = Vec::new();
    if let Some(project) = &project {
        found.push((port(project)?, project.settings.clone()));
    }
    for candidate in places::state_candidates(path, environment, &session.working) {
        let settings = project.as_ref().map(|project| project.settings.clone()).unwrap_or_default();
        let file = Backend::Sqlite { path: Some(PathBuf::from(&candidate)) };
        found.push((backend(&file, &candidate, environment, &settings)?, settings));
    }
    for (port, settings) in found {
        let Some(store) = Store::opened(port, &settings).await? else { continue };
        if store.identity.lineage != statement.lineage {
            continue;
        }
        let fit = Expected {
            environment,
            sealer: &store.sealer()?,
            now: jiff::Timestamp::now(),
            provider_versions: &wiring::provider_versions(),
        };
        let plan = plan_file::read(path, &fit)?;
        let target = named.map(|directory| directory.display().to_string());
        return Ok(Saved { plan, store, target });
    }
    let short = statement.lineage.get(..8).unwrap_or(&statement.lineage);
    Err(Diagnostic::error(
        "no-state-for-plan",
        format!("no state of environment `{environment}`, lineage {short}, for {}", path.display()),
    )
    .with_detail("a plan runs only in the environment that it was made for")
    .with_hint("run this in the project's directory, where the plan was made")
    .into())
}
