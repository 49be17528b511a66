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
    /// Loads the environment that the user means. Warnings are shown; errors of all files come together.
    pub fn load(session: &Session, target: &Path) -> Result<Self, CommandError> {
        let directory = places::environment_directory(target, &session.working)?;
        let loaded = lang::load(&directory, &FileSystem);
        let failed = loaded.diagnostics.iter().any(Diagnostic::is_error);
        let Some(configuration) = loaded.configuration.filter(|_| !failed) else {
            return Err(CommandError::new(loaded.diagnostics, &loaded.sources));
        };
        session.show(&loaded.diagnostics, &loaded.sources);
        let environment = configuration.environment_name();
        Ok(Self {
            target: target.display().to_string(),
            state_file: places::state_file(&directory, &environment, &session.working),
            configuration,
            sources: loaded.sources,
            environment,
            values: BTreeMap::new(),
        })
    }

    /// The same with the values of its variables.
    pub fn load_with(
        session: &Session,
        target: &Path,
        variables: &Variables,
    ) -> Result<Self, CommandError> {
        let mut project = Self::load(session, target)?;
        let directory = places::environment_directory(target, &session.working)?;
        let gathered =
            variables::gather(&directory, variables, std::env::vars_os(), &mut project.sources);
        if !gathered.diagnostics.is_empty() {
            return Err(CommandError::new(gathered.diagnostics, &project.sources));
        }
        project.values = gathered.values;
        Ok(project)
    }

    /// What evaluation starts from.
    pub fn inputs(&self, login_key: &str) -> Inputs {
        Inputs { variables: self.values.clone(), login_key: login_key.to_owned() }
    }
}
