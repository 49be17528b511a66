//! An environment's directory, loaded: its configuration, the values of its variables, its name, and where it is
//! recorded.

use crate::arguments::Variables;
use crate::error::CommandError;
use crate::places;
use crate::session::Session;
use crate::variables;
use lang::{Configuration, FileSystem, Inputs, VariableInput};
use model::{Diagnostic, SourceMap};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
    /// Its state file, whether or not it exists.
    pub state_file: PathBuf,
    values: BTreeMap<String, VariableInput>,
}

impl Project {
    /// Loads the environment that the user means, for a command that needs no more than its name: mistakes in its
    /// files do not stop one from looking at what is recorded.
    pub fn load(session: &Session, target: &Path) -> Result<Self, CommandError> {
        let (project, _) = Self::read(session, target)?;
        Ok(project)
    }

    /// The same for a command whose meaning depends on what the files say. Warnings are shown; errors of all files
    /// come together.
    pub fn load_sound(session: &Session, target: &Path) -> Result<Self, CommandError> {
        let (project, diagnostics) = Self::read(session, target)?;
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(CommandError::new(diagnostics, &project.sources));
        }
        session.show(&diagnostics, &project.sources);
        Ok(project)
    }

    /// The same with the values of its variables, and everything that is wrong so far.
    pub fn read_with(
        session: &Session,
        target: &Path,
        variables: &Variables,
    ) -> Result<(Self, Vec<Diagnostic>), CommandError> {
        let (mut project, mut diagnostics) = Self::read(session, target)?;
        let directory = places::environment_directory(target, &session.working)?;
        let gathered =
            variables::gather(&directory, variables, std::env::vars_os(), &mut project.sources);
        diagnostics.extend(gathered.diagnostics);
        project.values = gathered.values;
        Ok((project, diagnostics))
    }

    fn read(session: &Session, target: &Path) -> Result<(Self, Vec<Diagnostic>), CommandError> {
        let directory = places::environment_directory(target, &session.working)?;
        let loaded = lang::load(&directory, &FileSystem);
        let Some(configuration) = loaded.configuration else {
            return Err(CommandError::new(loaded.diagnostics, &loaded.sources));
        };
        let environment = configuration.environment_name();
        let project = Self {
            target: target.display().to_string(),
            state_file: places::state_file(&directory, &environment, &session.working),
            configuration,
            sources: loaded.sources,
            environment,
            values: BTreeMap::new(),
        };
        Ok((project, loaded.diagnostics))
    }

    /// What evaluation starts from.
    pub fn inputs(&self, login_key: &str) -> Inputs {
        Inputs { variables: self.values.clone(), login_key: login_key.to_owned() }
    }
}
