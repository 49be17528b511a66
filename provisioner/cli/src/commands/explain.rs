//! `explain`: what a diagnostic code means, or all codes that there are.

use crate::catalogue;
use crate::error::{CommandError, Exit};
use crate::session::Session;
use model::Diagnostic;
use model::suggest::did_you_mean;

/// Runs the command.
pub fn run(session: &Session, code: Option<&str>) -> Result<Exit, CommandError> {
    let entries = catalogue::all();
    let Some(code) = code else {
        list(session, &entries);
        return Ok(Exit::Done);
    };
    // People copy the code with what stands around it.
    let wanted = code.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_lowercase();
    let Some(entry) = entries.iter().find(|entry| entry.code == wanted) else {
        let hint = did_you_mean(&wanted, entries.iter().map(|entry| entry.code))
            .unwrap_or_else(|| "`provisioner explain` lists all codes".to_owned());
        let diagnostic =
            Diagnostic::error("unknown-code", format!("there is no diagnostic code `{code}`"));
        return Err(diagnostic.with_hint(hint).into());
    };
    if session.json {
        session.console.json(&entry.json());
    } else {
        session.console.data(&entry.human());
    }
    Ok(Exit::Done)
}

fn list(session: &Session, entries: &[&catalogue::Entry]) {
    if session.json {
        session.console.json(&entries.iter().map(|entry| entry.json()).collect());
        return;
    }
    let widest = entries.iter().map(|entry| entry.code.len()).max().unwrap_or(0);
    for entry in entries {
        session.console.data_line(&format!("{:widest$}  {}", entry.code, entry.title));
    }
}
