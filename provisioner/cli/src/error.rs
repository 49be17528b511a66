//! The one error of the command line: diagnostics, the sources they point into, and how the program ends.
//!
//! Invariant: every error of every room becomes diagnostics here and is rendered once, last, by `main`.

use engine::ApplyError;
use model::{Diagnostic, SourceMap};
use provider::ProviderError;
use state::StateError;
use state::plan_file::PlanFileError;
use std::process::ExitCode;

/// How a command ends when nothing is wrong, or when what is wrong has been said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// `plan --detailed-exitcode`: there are changes.
    Changes,
    /// `fmt --check`: files are not in their canonical form.
    Unformatted,
    /// Interrupted by the user.
    Interrupted,
    /// What the command on a node ended with.
    Remote(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Changes => 2,
            Exit::Unformatted => 3,
            Exit::Interrupted => 130,
            Exit::Remote(code) => code,
        })
    }
}

/// Why a command failed.
#[derive(Debug, Default)]
pub struct CommandError {
    /// What to tell, all of it.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics point into.
    pub sources: SourceMap,
}

impl CommandError {
    /// Of several diagnostics about configuration.
    pub fn new(diagnostics: Vec<Diagnostic>, sources: &SourceMap) -> Self {
        Self { diagnostics, sources: sources.clone() }
    }
}

impl From<Diagnostic> for CommandError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: vec![diagnostic], sources: SourceMap::default() }
    }
}

impl From<StateError> for CommandError {
    fn from(error: StateError) -> Self {
        error.to_diagnostic().into()
    }
}

impl From<PlanFileError> for CommandError {
    fn from(error: PlanFileError) -> Self {
        error.to_diagnostic().into()
    }
}

impl From<ApplyError> for CommandError {
    fn from(error: ApplyError) -> Self {
        Self { diagnostics: error.diagnostics(), sources: SourceMap::default() }
    }
}

impl From<ProviderError> for CommandError {
    fn from(error: ProviderError) -> Self {
        let mut diagnostic = Diagnostic::error("provider", error.message).with_detail(error.detail);
        diagnostic.hints = error.hints;
        diagnostic.into()
    }
}

impl From<nodes::HostError> for CommandError {
    fn from(error: nodes::HostError) -> Self {
        let diagnostic = Diagnostic::error("node", error.to_string());
        match error.hint {
            Some(hint) => diagnostic.with_hint(hint).into(),
            None => diagnostic.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_code() {
        let codes = [
            (Exit::Done, 0),
            (Exit::Changes, 2),
            (Exit::Unformatted, 3),
            (Exit::Interrupted, 130),
            (Exit::Remote(7), 7),
        ];
        for (exit, code) in codes {
            assert_eq!(ExitCode::from(exit), ExitCode::from(code), "{exit:?}");
        }
    }
}
