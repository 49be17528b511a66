//! `validate`: everything that can be said of a configuration without looking at anything else.

use crate::arguments::Environment;
use crate::error::{CommandError, Exit};
use crate::planning::{self, Workshop};
use crate::session::Session;
use crate::store::LOGIN_KEY_LATER;
use crate::wiring::Factory;
use model::{Diagnostic, SourceMap};
use serde_json::json;

/// Runs the command.
pub fn run(session: &Session, environment: &Environment) -> Result<Exit, CommandError> {
    if !session.json {
        let instances = validate(session, environment)?;
        session
            .console
            .message_line(&format!("The configuration is valid ({instances} instances)."));
        return Ok(Exit::Done);
    }
    let (diagnostics, sources, result) = match validate(session, environment) {
        Ok(_) => (Vec::new(), SourceMap::default(), Ok(Exit::Done)),
        // The document tells all of it, so nothing is left to be rendered.
        Err(error) => (error.diagnostics, error.sources, Err(CommandError::default())),
    };
    session.console.json(&json!({
        "valid": !diagnostics.iter().any(Diagnostic::is_error),
        "diagnostics": views::diagnostics::json(&diagnostics, &sources),
    }));
    result
}

fn validate(session: &Session, environment: &Environment) -> Result<usize, CommandError> {
    let project = planning::load(session, environment)?;
    let inputs = project.inputs(LOGIN_KEY_LATER);
    let factory = Factory::for_checking(session)?;
    let projection = lang::validation_projection(factory.schemas());
    let desired = Workshop::new(session, &project, &inputs, &factory).evaluate("", &projection)?;
    let instances = desired.instances.len();
    // The program ends here. To give back a large configuration piece by piece would take a quarter of its time.
    std::mem::forget((desired, project));
    Ok(instances)
}
