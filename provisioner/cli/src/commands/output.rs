//! `output`: the outputs of the last apply, all or one.

use crate::arguments::Environment;
use crate::error::{CommandError, Exit};
use crate::project::Project;
use crate::session::Session;
use crate::store::Store;
use model::Diagnostic;
use model::suggest::did_you_mean;

/// Runs the command.
pub async fn run(
    session: &Session,
    environment: &Environment,
    name: Option<&str>,
    raw: bool,
) -> Result<Exit, CommandError> {
    let project = Project::load(session, environment)?;
    let outputs = Store::load_or_default(&project).await?.outputs;
    let console = &session.console;
    let Some(name) = name else {
        if session.json {
            console.json(&views::outputs::json(&outputs));
        } else {
            console.data(&views::outputs::human(&outputs, console.width()));
        }
        return Ok(Exit::Done);
    };
    let Some(output) = outputs.get(name) else {
        let known: Vec<_> = outputs.keys().map(String::as_str).collect();
        let diagnostic = Diagnostic::error("no-output", format!("there is no output `{name}`"));
        return Err(match known.as_slice() {
            [] => diagnostic.with_hint("the environment has no outputs; has it been applied?"),
            known => diagnostic.with_hint(
                did_you_mean(name, known.iter().copied())
                    .unwrap_or_else(|| format!("there are: {}", known.join(", "))),
            ),
        }
        .into());
    };
    let text = if session.json {
        output.value.to_plain_json().ok().map(|json| format!("{json:#}"))
    } else if raw {
        views::outputs::raw(&output.value)
    } else {
        Some(views::outputs::one(&output.value, console.width()))
    };
    let unknown =
        || Diagnostic::error("unknown-output", format!("the output `{name}` is not known"));
    console.data_line(&text.ok_or_else(unknown)?);
    Ok(Exit::Done)
}
