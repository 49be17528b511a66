//! An environment's restore points, for the commands that make them and look at them, and for rollouts.
//!
//! Invariants: looking makes no catalogue; a restore point is of one version of the state, and has that version with it. Refuses
//! to know: how snapshots are made, what is printed.

use crate::arguments::Calling;
use crate::error::CommandError;
use crate::planning;
use crate::project::Project;
use crate::running::run_id;
use crate::session::Session;
use crate::store::{self, Store};
use crate::wiring::{self, Wired};
use engine::{CancelToken, Owner, RunRequest};
use model::Diagnostic;
use model::record::Recorded;
use model::restore_point::{PointName, PointNameError, RestorePoint};
use recovery::{
    Asked, Catalogue, CatalogueError, Changed, Environment, KeptState, Recovery, RecoveryError,
};
use state::export;
use std::sync::Arc;
use views::progress::Progress;

/// The catalogue of an environment, opened.
pub struct Points {
    store: Store,
    wired: Wired,
    /// The environment that they are of.
    environment: String,
    /// For people who meet the lease.
    command: String,
    calling: Calling,
}

/// An environment as it is recorded at one version.
pub struct Present {
    /// RFC 3339 time before it was read.
    at: String,
    owner: Owner,
    recorded: Recorded,
    state: KeptState,
}

impl Present {
    /// What is recorded of an environment now. The key is needed only where there are secrets.
    pub async fn of(store: &Store) -> Result<Self, CommandError> {
        let at = planning::now();
        let serial = store.load().await?.serial;
        let version = store.port.version(serial).await?;
        let text = export::write(&store.identity, &version, || store.sealer())?;
        let state::Identity { environment, lineage, keyring, .. } = &store.identity;
        let owner = Owner { environment: environment.clone(), lineage: lineage.clone() };
        let state = KeptState { text, keyring: keyring.clone() };
        Ok(Self { at, owner, recorded: version.into_recorded(lineage.clone()), state })
    }

    /// What is recorded.
    pub fn recorded(&self) -> &Recorded {
        &self.recorded
    }
}

impl Points {
    /// Those that were made; none if there is no catalogue.
    pub async fn open(
        session: &Session,
        project: &Project,
        command: &str,
        calling: Calling,
        progress: Arc<dyn Progress>,
    ) -> Result<Option<Self>, CommandError> {
        let Some(store) = Store::open_catalogue(project).await? else { return Ok(None) };
        Self::wired(session, project, store, command, calling, progress).map(Some)
    }

    /// The same; a catalogue is made where there is none.
    pub async fn create(
        session: &Session,
        project: &Project,
        command: &str,
        calling: Calling,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, CommandError> {
        let store = Store::create_catalogue(session, project).await?;
        Self::wired(session, project, store, command, calling, progress)
    }

    fn wired(
        session: &Session,
        project: &Project,
        store: Store,
        command: &str,
        calling: Calling,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, CommandError> {
        let wired = wiring::wire_catalogue(session, &store, progress)?;
        let (environment, command) = (project.environment.clone(), command.to_owned());
        Ok(Self { store, wired, environment, command, calling })
    }

    /// Makes a restore point, or goes on with one that was begun.
    pub async fn capture(
        &self,
        present: &Present,
        asked: &Asked<'_>,
        cancel: &CancelToken,
    ) -> Result<Changed<RestorePoint>, RecoveryError> {
        let Present { at, owner, recorded, state } = present;
        let environment = Environment { owner, recorded, state, at };
        self.with(async |recovery| recovery.create(environment, asked, cancel).await).await
    }

    /// Does something with the catalogue.
    pub async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&Recovery<'_>) -> Result<T, RecoveryError>,
    ) -> Result<T, RecoveryError> {
        let request = || RunRequest {
            run: run_id(),
            command: self.command.clone(),
            wait: self.calling.lock_timeout,
            lease_seconds: self.store.lease_seconds,
        };
        let expect = |operations| self.wired.progress.expect(operations);
        let recovery = Recovery {
            engine: &self.wired.engine,
            factory: self.wired.factory.as_ref(),
            schemas: self.wired.factory.schemas(),
            owner: self.owner(),
            request: &request,
            expect: &expect,
            parallelism: usize::from(self.calling.parallelism),
            now: planning::now(),
        };
        work(&recovery).await
    }

    /// Whose the snapshots are.
    pub fn owner(&self) -> Owner {
        let environment = store::catalogue_name(&self.environment);
        Owner { environment, lineage: self.store.identity.lineage.clone() }
    }

    /// What is recorded of them.
    pub async fn recorded(&self) -> Result<Recorded, CommandError> {
        self.store.load().await
    }

    /// What is wrong with the catalogue itself.
    pub async fn check(&self) -> Result<Vec<String>, CommandError> {
        Ok(self.store.port.check().await?.findings)
    }

    /// What there is.
    pub async fn catalogue(&self) -> Result<Catalogue, CommandError> {
        Ok(Catalogue::of(&self.recorded().await?))
    }
}

/// A text that names no restore point.
pub fn misnamed(error: &PointNameError) -> CommandError {
    Diagnostic::error("restore-point-name", error.to_string()).into()
}

/// None was ever made of an environment.
pub fn none_of(environment: &str) -> CommandError {
    Diagnostic::error("no-restore-point", format!("`{environment}` has no restore point"))
        .with_hint("`backup create` makes one")
        .into()
}

/// There is no restore point of that name.
pub fn unknown(name: &PointName, catalogue: &Catalogue) -> CommandError {
    let summary = format!("there is no restore point `{name}`");
    let mut diagnostic = Diagnostic::error("no-restore-point", summary);
    let names: Vec<_> = catalogue.names().map(PointName::as_str).collect();
    let near = model::suggest::did_you_mean(name.as_str(), names.iter().copied());
    diagnostic.hints.extend(near);
    diagnostic.with_hint("`backup list` shows them all").into()
}

impl From<RecoveryError> for CommandError {
    fn from(error: RecoveryError) -> Self {
        match error {
            RecoveryError::Apply(error) => error.into(),
            RecoveryError::State(error) => error.into(),
            RecoveryError::Planned(diagnostics) => Self { diagnostics, ..Self::default() },
            RecoveryError::Catalogue(error) => told(&error).into(),
        }
    }
}

/// What cannot be done with a restore point, and what can be done about it.
fn told(error: &CatalogueError) -> Diagnostic {
    let hint = match error {
        CatalogueError::Newer { .. } => "use the program that made it, or a newer one",
        CatalogueError::Taken(_) => "give it another name, or leave --name out",
        CatalogueError::BegunOtherwise(_) => {
            "ask for the same as before (--target), or delete it first: `backup delete`"
        }
        CatalogueError::Bound(..) => {
            "`backup unlock` lets a locked one go; a rollout lets its own go when it is over"
        }
        CatalogueError::Changed(_) => {
            "`backup list` shows what there is now; then run the command again"
        }
        CatalogueError::Uncapturable(_) => "`--target` leaves out what is not meant",
        CatalogueError::Damaged { .. } => {
            "`backup verify` looks at all of them; `backup delete` removes one"
        }
    };
    Diagnostic::error(error.code(), error.to_string()).with_hint(hint)
}
