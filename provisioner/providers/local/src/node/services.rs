//! The node's services: started at boot, started again when they end, logged, stopped politely.
//!
//! Invariants: one task owns one service and answers for it in turn; a service that keeps failing is
//! tried again ever more slowly and then left as failed; its definition is a file, so a boot knows it.

use super::programs::{Ended, Place, Program, Programs, exists_on};
use crate::disk::{names_in, read_json};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Where definitions lie.
const DEFINITIONS: &str = "/etc/provisioner/services";
/// A log beyond this is kept once as `.1` and started anew.
const LOG_LIMIT: u64 = 4 << 20;
const LOG_CHECK: Duration = Duration::from_secs(20);
/// A service that ran this long was well.
const WELL_AFTER: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Failures in a row after which it is left alone.
const MOST_FAILURES: u32 = 20;

/// When a service is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Whenever it ends.
    #[default]
    Always,
    /// When it ends with another code than 0, or by a signal.
    OnFailure,
    /// Never.
    Never,
}

fn terminate() -> String {
    "SIGTERM".to_owned()
}

fn ten() -> u64 {
    10
}

/// What a definition file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The name of the service and of its file.
    pub name: String,
    /// Program and arguments. `${PROVISIONER_ROOT}` stands for what comes before the node's paths.
    pub command: Vec<String>,
    /// Where it runs; `/` if absent.
    #[serde(default)]
    pub directory: Option<String>,
    /// Its environment besides the usual.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// When it is started again.
    #[serde(default)]
    pub restart: Restart,
    /// How it is asked to stop.
    #[serde(default = "terminate")]
    pub stop_signal: String,
    /// How long it may take to stop.
    #[serde(default = "ten")]
    pub stop_timeout_s: u64,
}

/// What `service status` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The service.
    pub name: String,
    /// `running`, `stopped`, `failed` or `unknown`.
    pub state: String,
    /// Its program while it runs.
    pub pid: Option<i32>,
    /// Since when it is in this state, in seconds since 1970.
    pub since: u64,
    /// How its program last ended.
    pub exit_code: Option<i32>,
    /// How often it was started again by itself.
    pub restarts: u32,
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What can be asked of a service.
#[derive(Debug)]
enum Wish {
    Start,
    Stop,
    Restart,
    Define(Box<Definition>),
    Status,
}

type Reply = Result<Status, String>;

#[derive(Debug)]
struct Request {
    wish: Wish,
    reply: oneshot::Sender<Reply>,
}

/// All services of the node.
#[derive(Clone)]
pub struct Services {
    place: Place,
    programs: Programs,
    running: Arc<Mutex<BTreeMap<String, mpsc::Sender<Request>>>>,
}

/// Names become file names.
fn check_name(name: &str) -> Result<(), String> {
    let fits = !name.is_empty()
        && name.len() <= 100
        && !name.starts_with(['.', '-'])
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@'));
    if fits { Ok(()) } else { Err(format!("`{name}` is not a name for a service")) }
}

impl Services {
    /// No services yet.
    pub fn new(place: Place, programs: Programs) -> Self {
        Self { place, programs, running: Arc::default() }
    }

    fn definition(&self, name: &str) -> Result<Definition, String> {
        check_name(name)?;
        let path = self.place.path(&format!("{DEFINITIONS}/{name}.json"));
        let definition: Definition = read_json(&path)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("service `{name}` has no definition ({})", path.display()))?;
        if definition.name != name {
            return Err(format!("{} defines `{}`", path.display(), definition.name));
        }
        if definition.command.is_empty() {
            return Err(format!("{} has an empty command", path.display()));
        }
        signal_named(&definition.stop_signal)?;
        Ok(definition)
    }

    fn sender(&self, name: &str) -> Option<mpsc::Sender<Request>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(name).cloned()
    }

    async fn ask(&self, name: &str, wish: Wish) -> Reply {
        let sender = self.sender(name).ok_or_else(|| format!("service `{name}` is not known"))?;
        let (reply, answer) = oneshot::channel();
        let gone = || format!("service `{name}` is being removed");
        sender.send(Request { wish, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Reads a definition, anew if it was read before. Does not start or stop anything.
    pub async fn reload(&self, name: &str) -> Reply {
        let definition = Box::new(self.definition(name)?);
        if self.sender(name).is_none() {
            let (sender, requests) = mpsc::channel(16);
            let task = Task::new(self, (*definition).clone());
            tokio::spawn(task.run(requests));
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.insert(name.to_owned(), sender);
        }
        self.ask(name, Wish::Define(definition)).await
    }

    /// Knows the service, reading its definition if need be.
    async fn known(&self, name: &str) -> Result<(), String> {
        if self.sender(name).is_none() {
            self.reload(name).await?;
        }
        Ok(())
    }

    /// Starts it, unless it runs.
    pub async fn start(&self, name: &str) -> Reply {
        self.known(name).await?;
        self.ask(name, Wish::Start).await
    }

    /// Stops it.
    pub async fn stop(&self, name: &str) -> Reply {
        self.known(name).await?;
        self.ask(name, Wish::Stop).await
    }

    /// Stops it and starts it.
    pub async fn restart(&self, name: &str) -> Reply {
        self.known(name).await?;
        self.ask(name, Wish::Restart).await
    }

    /// How it is.
    pub async fn status(&self, name: &str) -> Status {
        self.ask(name, Wish::Status).await.unwrap_or_else(|_| Status {
            name: name.to_owned(),
            state: "unknown".to_owned(),
            pid: None,
            since: 0,
            exit_code: None,
            restarts: 0,
        })
    }

    /// Stops it and forgets it with its definition.
    pub async fn remove(&self, name: &str) -> Result<(), String> {
        check_name(name)?;
        if self.sender(name).is_some() {
            self.ask(name, Wish::Stop).await?;
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.remove(name);
        }
        let path = self.place.path(&format!("{DEFINITIONS}/{name}.json"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("cannot remove {}: {error}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Starts everything that has a definition.
    #[expect(clippy::print_stderr, reason = "standard error is the node's log")]
    pub async fn boot(&self) {
        let files = names_in(&self.place.path(DEFINITIONS)).unwrap_or_default();
        for name in files.iter().filter_map(|file| file.strip_suffix(".json")) {
            if let Err(error) = self.start(name).await {
                eprintln!("{error}");
            }
        }
    }

    /// Stops everything, all at once.
    pub async fn stop_all(&self) {
        let names: Vec<String> = {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.keys().cloned().collect()
        };
        let stops = names.iter().map(|name| self.ask(name, Wish::Stop));
        futures::future::join_all(stops).await;
    }
}

fn signal_named(name: &str) -> Result<Signal, String> {
    Ok(match name.strip_prefix("SIG").unwrap_or(name) {
        "TERM" => Signal::TERM,
        "INT" => Signal::INT,
        "HUP" => Signal::HUP,
        "QUIT" => Signal::QUIT,
        "KILL" => Signal::KILL,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        _ => return Err(format!("`{name}` is not a signal to stop a service with")),
    })
}

/// What a service is doing.
enum State {
    Stopped,
    Running {
        program: Program,
        started: Instant,
    },
    /// Ended by itself; to be started again at this time.
    Pausing {
        until: Instant,
    },
    Failed,
}

/// The owner of one service.
struct Task {
    place: Place,
    programs: Programs,
    definition: Definition,
    state: State,
    since: u64,
    exit_code: Option<i32>,
    restarts: u32,
    failures: u32,
}

/// What happens next to a service.
enum Next {
    Asked(Request),
    Forgotten,
    Ended(Ended),
    PauseOver,
    CheckLog,
}

impl Task {
    fn new(services: &Services, definition: Definition) -> Self {
        Self {
            place: services.place.clone(),
            programs: services.programs.clone(),
            definition,
            state: State::Stopped,
            since: now_s(),
            exit_code: None,
            restarts: 0,
            failures: 0,
        }
    }

    async fn next(&mut self, requests: &mut mpsc::Receiver<Request>) -> Next {
        let happens = async {
            match &mut self.state {
                State::Running { program, .. } => tokio::select! {
                    ended = program.ended() => Next::Ended(ended),
                    () = tokio::time::sleep(LOG_CHECK) => Next::CheckLog,
                },
                State::Pausing { until } => {
                    tokio::time::sleep_until(*until).await;
                    Next::PauseOver
                }
                State::Stopped | State::Failed => std::future::pending().await,
            }
        };
        tokio::select! {
            request = requests.recv() => request.map_or(Next::Forgotten, Next::Asked),
            next = happens => next,
        }
    }

    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            match self.next(&mut requests).await {
                Next::Asked(request) => {
                    let answer = self.answer(request.wish).await;
                    let _ = request.reply.send(answer.map(|()| self.status()));
                }
                Next::Forgotten => return self.stop().await,
                Next::Ended(ended) => self.after_end(ended),
                Next::PauseOver => {
                    self.restarts += 1;
                    if let Err(error) = self.start() {
                        self.note(&error);
                        self.pause_or_fail();
                    }
                }
                Next::CheckLog => self.rotate_log(),
            }
        }
    }

    async fn answer(&mut self, wish: Wish) -> Result<(), String> {
        match wish {
            Wish::Status => Ok(()),
            Wish::Define(definition) => {
                self.definition = *definition;
                Ok(())
            }
            Wish::Start if matches!(self.state, State::Running { .. }) => Ok(()),
            Wish::Start => {
                self.failures = 0;
                self.start()
            }
            Wish::Stop => {
                self.stop().await;
                Ok(())
            }
            Wish::Restart => {
                self.stop().await;
                self.failures = 0;
                self.start()
            }
        }
    }

    fn set(&mut self, state: State) {
        self.state = state;
        self.since = now_s();
    }

    fn log(&self) -> io::Result<File> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.place.path(&format!("/var/log/provisioner/{}.log", self.definition.name));
        OpenOptions::new().append(true).create(true).mode(0o640).open(path)
    }

    fn note(&self, text: &str) {
        use std::io::Write as _;
        if let Ok(mut log) = self.log() {
            let _ = writeln!(log, "provisioner: {text}");
        }
    }

    fn start(&mut self) -> Result<(), String> {
        let name = &self.definition.name;
        let failed = |error: io::Error| format!("service `{name}` cannot be started: {error}");
        let place = &self.place;
        let mut words: Vec<String> =
            self.definition.command.iter().map(|word| place.expand(word)).collect();
        // Without a root of its own, a program of the node is found below its directory.
        if exists_on(place, &self.definition.command[0]) {
            words[0] = place.path(&words[0]).to_string_lossy().into_owned();
        } else if words[0].starts_with('/') && !Path::new(&words[0]).exists() {
            let missing = io::Error::new(io::ErrorKind::NotFound, "there is no such program");
            return Err(format!("{} ({})", failed(missing), words[0]));
        }
        let log = self.log().map_err(failed)?;
        let mut command = place.command(&words, false);
        let directory = self.definition.directory.as_deref().unwrap_or("/");
        command.current_dir(place.path(&place.expand(directory)));
        for (name, value) in &self.definition.environment {
            command.env(name, place.expand(value));
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log);
        let program = self.programs.start(&mut command).map_err(failed)?;
        self.set(State::Running { program, started: Instant::now() });
        Ok(())
    }

    async fn stop(&mut self) {
        let limit = Duration::from_secs(self.definition.stop_timeout_s.min(100));
        let signal = signal_named(&self.definition.stop_signal).unwrap_or(Signal::TERM);
        if let State::Running { program, .. } = &mut self.state {
            program.signal(signal);
            let in_time = tokio::time::timeout(limit, program.ended()).await;
            let ended = if let Ok(ended) = in_time {
                ended
            } else {
                program.signal(Signal::KILL);
                program.ended().await
            };
            // What it started may have stayed behind.
            program.signal(Signal::KILL);
            self.exit_code = Some(ended.as_code());
        }
        self.set(State::Stopped);
    }

    fn after_end(&mut self, ended: Ended) {
        let was_well = match &self.state {
            State::Running { program, started } => {
                program.signal(Signal::KILL);
                started.elapsed() >= WELL_AFTER
            }
            _ => false,
        };
        self.exit_code = Some(ended.as_code());
        if was_well {
            self.failures = 0;
        }
        let again = match self.definition.restart {
            Restart::Always => true,
            Restart::OnFailure => ended != Ended::Code(0),
            Restart::Never => false,
        };
        if again {
            self.pause_or_fail();
        } else if ended == Ended::Code(0) {
            self.set(State::Stopped);
        } else {
            self.set(State::Failed);
        }
    }

    fn pause_or_fail(&mut self) {
        self.failures += 1;
        if self.failures > MOST_FAILURES {
            self.note("failed too often in a row; start it again when it is mended");
            return self.set(State::Failed);
        }
        let factor = 1_u32 << (self.failures - 1).min(10);
        let pause = (FIRST_PAUSE * factor).min(LONGEST_PAUSE);
        self.set(State::Pausing { until: Instant::now() + pause });
    }

    /// The program appends to the open file, so the file is copied and emptied, not renamed.
    fn rotate_log(&self) {
        let path = self.place.path(&format!("/var/log/provisioner/{}.log", self.definition.name));
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > LOG_LIMIT) {
            let _ = fs::copy(&path, path.with_extension("log.1"));
            let _ = OpenOptions::new().write(true).truncate(true).open(&path);
        }
    }

    fn status(&self) -> Status {
        let (state, pid) = match &self.state {
            State::Running { program, .. } => ("running", Some(program.pid())),
            State::Stopped => ("stopped", None),
            State::Pausing { .. } | State::Failed => ("failed", None),
        };
        Status {
            name: self.definition.name.clone(),
            state: state.to_owned(),
            pid,
            since: self.since,
            exit_code: self.exit_code,
            restarts: self.restarts,
        }
    }
}
