//! Telling people: a POST of JSON, or a command that gets it on its standard input.
//!
//! Invariants: each notice is sent once and has a time limit; no error holds the address, which may be secret. Refuses to
//! know: when people are told, and of what.

use crate::driver::Notice;
use crate::source::web::{self, Request};
use model::rollout::Notify;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// How long telling may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Sends a notice; an error is a sentence.
pub async fn notify(by: &Notify, notice: &Notice) -> Result<(), String> {
    let json = serde_json::to_string(notice).map_err(|error| error.to_string())?;
    match by {
        Notify::Webhook { url } => {
            let request = Request { url: url.clone(), json: Some(json), ..Request::default() };
            let answer = web::send(request, LIMIT).await?;
            if answer.status < 400 {
                return Ok(());
            }
            Err(format!("the webhook answers {}", answer.status))
        }
        Notify::Command { command } => run(command, json).await,
    }
}

async fn run(command: &[String], json: String) -> Result<(), String> {
    let [program, arguments @ ..] = command else { return Err("the command is empty".to_owned()) };
    let failed = |error: std::io::Error| format!("`{program}`: {error}");
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let input = child.stdin.take();
    let told = async {
        if let Some(mut input) = input {
            // A command that does not read has been told all the same.
            let _ = input.write_all(json.as_bytes()).await;
        }
        child.wait().await
    };
    match tokio::time::timeout(LIMIT, told).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("`{program}` ends with {status}")),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(format!("`{program}` did not end within {} s", LIMIT.as_secs())),
    }
}
