//! Answers what is asked of the init: by `ctl` on the node and by the provider on the host.

use super::deadman::{DeadMen, Pending};
use super::programs::Place;
use super::services::{Services, Status};
use super::ssh;
use crate::control::{Answer, LONGEST, Question};
use serde::Serialize;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

const USAGE: &str = "usage: ctl service reload|start|stop|restart|status|remove NAME\n\
       ctl deadman arm NAME --timeout-s N --revert COMMAND\n\
       ctl deadman disarm|status NAME";
/// A question is asked at once or not at all.
const QUESTION_LIMIT: Duration = Duration::from_secs(10);
/// The exit code of `status` when it is not running or not pending.
const NOT_SO: u8 = 3;

/// What answers need.
#[derive(Clone)]
pub struct Server {
    /// Where files are.
    pub place: Place,
    /// The services.
    pub services: Services,
    /// The timers.
    pub dead_men: DeadMen,
}

fn line<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).map(|text| text + "\n").unwrap_or_default()
}

fn about(status: &Status) -> Answer {
    let code = if status.state == "running" { 0 } else { NOT_SO };
    Answer { code, output: line(status), error: String::new() }
}

fn done<T>(result: Result<T, String>) -> Answer {
    match result {
        Ok(_) => Answer::done(),
        Err(error) => Answer::refused(1, error),
    }
}

impl Server {
    /// Answers for ever on one socket.
    pub async fn listen(self, listener: UnixListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let server = self.clone();
            tokio::spawn(async move { server.serve(stream).await });
        }
    }

    async fn serve(&self, stream: UnixStream) {
        let (read, mut write) = stream.into_split();
        let mut text = String::new();
        let mut reader = BufReader::new(read.take(LONGEST as u64));
        let asked = tokio::time::timeout(QUESTION_LIMIT, reader.read_line(&mut text)).await;
        if !matches!(asked, Ok(Ok(_))) {
            return;
        }
        let answer = match serde_json::from_str(&text) {
            Ok(Question::Words(words)) => self.obey(&words).await,
            Ok(Question::Keys(keys)) => {
                done(ssh::write_keys(&self.place, &keys).map_err(|error| error.to_string()))
            }
            Err(error) => Answer::refused(2, error.to_string()),
        };
        let _ = write.write_all(line(&answer).as_bytes()).await;
    }

    async fn obey(&self, words: &[String]) -> Answer {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["service", "reload", name] => done(self.services.reload(name).await),
            ["service", "start", name] => done(self.services.start(name).await),
            ["service", "stop", name] => done(self.services.stop(name).await),
            ["service", "restart", name] => done(self.services.restart(name).await),
            ["service", "remove", name] => done(self.services.remove(name).await),
            ["service", "status", name] => about(&self.services.status(name).await),
            ["deadman", "arm", name, options @ ..] => self.arm(name, options),
            ["deadman", "disarm", name] => done(self.dead_men.disarm(name)),
            ["deadman", "status", name] => match self.dead_men.status(name) {
                Ok(Some(pending)) => {
                    Answer { code: 0, output: line(&pending), error: String::new() }
                }
                Ok(None) => Answer::refused(NOT_SO, ""),
                Err(error) => Answer::refused(1, error),
            },
            _ => Answer::refused(2, USAGE),
        }
    }

    fn arm(&self, name: &str, options: &[&str]) -> Answer {
        let value = |option: &str| {
            let mut pairs = options.chunks_exact(2);
            pairs.find(|pair| pair[0] == option).map(|pair| pair[1])
        };
        let timeout_s = value("--timeout-s").and_then(|text| text.parse::<u64>().ok());
        let (Some(timeout_s), Some(revert), true) =
            (timeout_s, value("--revert"), options.len() == 4)
        else {
            return Answer::refused(2, USAGE);
        };
        let (name, revert) = (name.to_owned(), revert.to_owned());
        done(self.dead_men.arm(Pending { name, timeout_s, revert }))
    }
}
