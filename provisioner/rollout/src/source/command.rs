//! A command on the machine of whoever drives the rollout: exit code 0 is a yes, 1 a no, anything else is no answer.
//!
//! Invariants: it runs in a process group of its own, which is killed at the time limit and when nobody waits any more;
//! its input is empty; of its output only the beginning is kept.

use super::ask::empty_group;
use super::{Ask, MetricSource, Problem, fill, web};
use async_trait::async_trait;
use model::rollout::entry::Reading;
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes of each stream that are kept.
const KEPT: usize = 16 << 10;
/// How long output is waited for when the command has ended but somebody else holds its streams.
const LINGER: Duration = Duration::from_millis(500);

/// A command.
#[derive(Clone, Debug)]
pub struct Command {
    command: Vec<String>,
    limit: Duration,
}

/// Kills a process group when it goes, unless its leader has ended before.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may be gone already, which is as good.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Command {
    /// A source that runs a program with arguments, in which groups and window are filled in.
    pub fn new(command: Vec<String>, limit: Duration) -> Self {
        Self { command, limit }
    }

    async fn run(&self, ask: &Ask) -> Result<Reading, String> {
        let words: Vec<_> = self.command.iter().map(|word| fill(word, ask).text).collect();
        let [program, arguments @ ..] = words.as_slice() else {
            return Err("the command is empty".to_owned());
        };
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("`{program}` does not start: {error}"))?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let mut group = Group(pid);
        let stdout = tokio::spawn(beginning(child.stdout.take()));
        let stderr = tokio::spawn(beginning(child.stderr.take()));
        let Ok(ended) = tokio::time::timeout(self.limit, child.wait()).await else {
            return Err(format!("`{program}` did not end within {} ms", self.limit.as_millis()));
        };
        let status = ended.map_err(|error| format!("`{program}`: {error}"))?;
        group.0 = None;
        let said = last_line(&[output(stderr).await, output(stdout).await]);
        let told = said.as_deref().map_or_else(String::new, |said| format!(": {said}"));
        match status.code() {
            Some(0) => Ok(Reading::Yes),
            Some(1) => {
                Ok(Reading::No { why: said.unwrap_or_else(|| format!("`{program}` says no")) })
            }
            Some(code) => Err(format!("`{program}` exits with {code}{told}")),
            None => Err(format!("`{program}` ends by a signal{told}")),
        }
    }
}

/// The beginning of a stream; the rest is read and forgotten, so that nobody waits to write it.
async fn beginning(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return kept };
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let room = KEPT.saturating_sub(kept.len()).min(count);
        kept.extend_from_slice(&buffer[..room]);
    }
    kept
}

async fn output(stream: tokio::task::JoinHandle<Vec<u8>>) -> Vec<u8> {
    let abort = stream.abort_handle();
    let output = tokio::time::timeout(LINGER, stream).await;
    abort.abort();
    output.ok().and_then(Result::ok).unwrap_or_default()
}

/// The last line of the first stream that has one.
fn last_line(streams: &[Vec<u8>]) -> Option<String> {
    let last = |bytes: &Vec<u8>| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().rev().find(|line| !line.trim().is_empty()).map(web::excerpt)
    };
    streams.iter().find_map(last)
}

#[async_trait]
impl MetricSource for Command {
    async fn measure(&self, ask: &Ask) -> Reading {
        if let Some(why) = empty_group(self.command.iter().map(String::as_str), &ask.selectors) {
            return Reading::Missing { why: why.to_owned() };
        }
        self.run(ask).await.unwrap_or_else(|why| Reading::Error { why })
    }

    fn queries(&self, ask: &Ask) -> Vec<String> {
        let words: Vec<_> = self.command.iter().map(|word| fill(word, ask).text).collect();
        vec![words.join(" ")]
    }

    async fn check_syntax(&self, _ask: &Ask) -> Option<Vec<Problem>> {
        // Whether a program is on the machine that will drive the rollout cannot be told on this one.
        Some(Vec::new())
    }
}
