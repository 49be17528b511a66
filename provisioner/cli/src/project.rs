//! An environment's directory, loaded: its configuration, the values of its variables, its name, and where it is
//! recorded.

use crate::arguments::Environment;
use crate::candidate::{AnswerBook, Candidate};
use crate::error::CommandError;
use crate::places;
use crate::planning;
use crate::session::Session;
use crate::settings::{self, Backend, Settings};
use crate::store::{self, LOGIN_KEY_LATER};
use crate::variables;
use lang::{
    Configuration, FileSystem, Inputs, Kept, Loaded, Moment, Replayed, SourceLoader, VariableInput,
};
use model::{Diagnostic, SourceMap};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An environment as its directory describes it.
pub struct Project {
    /// How the user named it.
    pub target: String,
    /// What the files say.
    pub configuration: Configuration,
    /// Their texts.
    pub sources: SourceMap,
    /// Its name.
    pub environment: String,
    /// Its state file, whether or not it exists, unless its settings name another place.
    pub state_file: PathBuf,
    /// Where it is recorded, and how.
    pub settings: Settings,
    /// When it was read, and what chance its evaluation has.
    pub moment: Moment,
    /// What data sources say to it.
    pub answers: AnswerBook,
    /// Its directory.
    directory: PathBuf,
    values: BTreeMap<String, VariableInput>,
}

impl Project {
    /// Loads the environment that the user means, for a command that needs no more than its name: mistakes in its
    /// files do not stop one from looking at what is recorded.
    pub fn load(session: &Session, environment: &Environment) -> Result<Self, CommandError> {
        let (project, _) = Self::read(session, environment, &FileSystem)?;
        Ok(project)
    }

    /// The same for a command whose meaning depends on what the files say. Warnings are shown; errors of all files
    /// come together.
    pub fn load_sound(session: &Session, environment: &Environment) -> Result<Self, CommandError> {
        let (project, diagnostics) = Self::read(session, environment, &FileSystem)?;
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(CommandError::new(diagnostics, &project.sources));
        }
        session.show(&diagnostics, &project.sources);
        Ok(project)
    }

    /// An environment as a saved plan keeps it; `target` is what the user can call it.
    pub fn of_candidate(
        session: &Session,
        candidate: Candidate,
        target: String,
    ) -> Result<Self, CommandError> {
        let directory = candidate.directory.clone();
        let (values, moment, answers) =
            (candidate.values(), candidate.moment(), candidate.answers());
        let replayed = Replayed::new(candidate.sources, Arc::new(FileSystem));
        let Loaded { configuration, sources, diagnostics } = lang::load(&directory, &replayed);
        let Some(configuration) =
            configuration.filter(|_| !diagnostics.iter().any(Diagnostic::is_error))
        else {
            return Err(CommandError::new(diagnostics, &sources));
        };
        let environment = configuration.environment_name();
        let mut project = Self {
            target,
            state_file: places::state_file(&directory, &environment, &session.working),
            settings: Settings::default(),
            configuration,
            sources,
            environment,
            moment,
            answers,
            directory,
            values,
        };
        project.settings = project.read_settings(&project.directory)?;
        Ok(project)
    }

    /// What a saved plan keeps of it; `kept` is what the loader has read.
    pub fn candidate(&self, kept: Kept) -> Candidate {
        let directory = self.directory.clone();
        Candidate::new(directory, kept, &self.values, &self.moment, &self.answers)
    }

    /// The same, and everything that is wrong so far; its files are read by `loader`.
    pub fn read(
        session: &Session,
        Environment { target, variables }: &Environment,
        loader: &dyn SourceLoader,
    ) -> Result<(Self, Vec<Diagnostic>), CommandError> {
        let directory = places::environment_directory(target, &session.working)?;
        let loaded = lang::load(&directory, loader);
        let Some(configuration) = loaded.configuration else {
            return Err(CommandError::new(loaded.diagnostics, &loaded.sources));
        };
        let mut diagnostics = loaded.diagnostics;
        let mut sources = loaded.sources;
        let gathered = variables::gather(&directory, variables, std::env::vars_os(), &mut sources);
        diagnostics.extend(gathered.diagnostics);
        let environment = configuration.environment_name();
        if store::is_catalogue(&environment) {
            return Err(reserved(&environment).into());
        }
        let mut project = Self {
            target: target.display().to_string(),
            state_file: places::state_file(&directory, &environment, &session.working),
            settings: Settings::default(),
            configuration,
            sources,
            environment,
            moment: moment()?,
            answers: AnswerBook::default(),
            directory,
            values: gathered.values,
        };
        project.settings = project.read_settings(&project.directory)?;
        Ok((project, diagnostics))
    }

    /// Without them nobody knows where the environment is recorded, so mistakes in them end every command.
    fn read_settings(&self, directory: &Path) -> Result<Settings, CommandError> {
        let inputs = self.inputs(LOGIN_KEY_LATER);
        let found = lang::settings(&self.configuration, &inputs);
        let failed = |diagnostics| CommandError::new(diagnostics, &self.sources);
        if found.diagnostics.iter().any(Diagnostic::is_error) {
            return Err(failed(found.diagnostics));
        }
        let settings = settings::read(found.state.as_ref(), found.secrets.as_ref());
        let mut settings = settings.map_err(failed)?;
        if let Backend::Sqlite { path: Some(path) } = &mut settings.backend {
            *path = directory.join(&*path);
        }
        Ok(settings)
    }

    /// Where the environment is recorded, for people.
    pub fn state_place(&self) -> String {
        match &self.settings.backend {
            Backend::Sqlite { path } => {
                path.as_ref().unwrap_or(&self.state_file).display().to_string()
            }
            Backend::Postgres { .. } => {
                "the PostgreSQL database that its `state` block names".to_owned()
            }
            Backend::Object { url, .. } => url.clone(),
        }
    }

    /// What evaluation starts from.
    pub fn inputs(&self, login_key: &str) -> Inputs {
        Inputs {
            variables: self.values.clone(),
            login_key: login_key.to_owned(),
            moment: self.moment.clone(),
        }
    }
}

/// Its restore points would be taken for the environment, and deleted as what no configuration asks for.
fn reserved(environment: &str) -> Diagnostic {
    let summary = format!("`{environment}` is what a catalogue of restore points is recorded as");
    Diagnostic::error("environment-name", summary).with_hint("give the environment another name")
}

/// Now, with chance that nobody can guess.
fn moment() -> Result<Moment, CommandError> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(|error| {
        Diagnostic::error("no-randomness", format!("the system gives no random numbers: {error}"))
    })?;
    Ok(Moment {
        time: planning::now().into(),
        seed: format!("{:032x}", u128::from_be_bytes(seed)).into(),
        is_final: false,
    })
}
