//! `graph`: which instance needs which, in the DOT language.

use crate::arguments::Environment;
use crate::error::{CommandError, Exit};
use crate::planning::{self, Workshop};
use crate::session::Session;
use crate::store::LOGIN_KEY_LATER;
use crate::wiring::Factory;
use serde_json::json;

/// Runs the command.
pub fn run(session: &Session, environment: &Environment) -> Result<Exit, CommandError> {
    let project = planning::load(session, environment)?;
    let inputs = project.inputs(LOGIN_KEY_LATER);
    let factory = Factory::for_checking(session)?;
    let projection = lang::validation_projection(factory.schemas());
    let desired = Workshop::new(session, &project, &inputs, &factory).evaluate("", &projection)?;
    if session.json {
        let node = |instance: &model::graph::Instance| json!({ "address": instance.address, "needs": instance.dependencies() });
        let instances: serde_json::Value = desired.instances.iter().map(node).collect();
        session
            .console
            .json(&json!({ "environment": desired.environment, "instances": instances }));
    } else {
        session.console.data(&planner::dot(&desired));
    }
    Ok(Exit::Done)
}
