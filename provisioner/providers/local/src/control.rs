//! The words between an init and those who ask something of it: one JSON line each way over a unix
//! socket. On the node the asker is `ctl`; on the host it is the provider.

use crate::error::{LocalError, failed_at};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The longest line.
pub const LONGEST: usize = 256 * 1024;
/// How long an answer may take: a service may take its time to stop.
const ANSWER_LIMIT: Duration = Duration::from_mins(2);

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// The words behind `ctl`.
    Words(Vec<String>),
    /// These may log in, and nobody else.
    Keys(Vec<String>),
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The exit code of `ctl`.
    pub code: u8,
    /// Its standard output.
    #[serde(default)]
    pub output: String,
    /// Its standard error.
    #[serde(default)]
    pub error: String,
}

impl Answer {
    /// Done; nothing to say.
    pub fn done() -> Self {
        Self::default()
    }

    /// Not done.
    pub fn refused(code: u8, error: impl Into<String>) -> Self {
        Self { code, output: String::new(), error: error.into() }
    }
}

/// Asks the init whose socket `name` lies in `directory`.
pub fn ask(directory: &Path, name: &str, question: &Question) -> io::Result<Answer> {
    let open = File::open(directory)?;
    // The way through the open directory has no limit of 108 bytes.
    let path = format!("/proc/self/fd/{}/{name}", open.as_raw_fd());
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

/// Tells a running machine who may log in.
pub fn replace_keys(run: &Path, keys: &[String]) -> Result<(), LocalError> {
    let question = Question::Keys(keys.to_vec());
    let answer = ask(run, "control.sock", &question).map_err(failed_at("ask the init at", run))?;
    if answer.code == 0 {
        return Ok(());
    }
    Err(failed_at("change the keys at", run)(io::Error::other(answer.error)))
}
