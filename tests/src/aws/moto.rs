//! moto, the emulator of AWS: installed from PyPI into a cache below the system's temporary directory by
//! `tests/setup.sh`, and one server for whoever starts one.
//!
//! Invariant: the server ends with its `Moto`, and with the test program if that is killed. Where it cannot be had this
//! says so, and fails where CI is set.

use super::servers::{self, PATIENCE};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

/// Bytes of what a server says first that are kept, to be told if it does not start.
const REMEMBERED: usize = 10_000;

/// Images that a server has from the beginning: one for machines of either architecture.
const IMAGES: &str = r#"[
  {"ami_id": "ami-0123456789abcdef0", "name": "debian-12-amd64", "description": "Debian 12", "owner_id": "136693071363",
   "architecture": "x86_64", "public": true, "root_device_name": "/dev/xvda", "root_device_type": "ebs",
   "state": "available", "virtualization_type": "hvm", "hypervisor": "xen", "image_type": "machine",
   "creation_date": "2026-01-10T00:00:00.000Z"},
  {"ami_id": "ami-0123456789abcdef1", "name": "debian-12-arm64", "description": "Debian 12", "owner_id": "136693071363",
   "architecture": "arm64", "public": true, "root_device_name": "/dev/xvda", "root_device_type": "ebs",
   "state": "available", "virtualization_type": "hvm", "hypervisor": "xen", "image_type": "machine",
   "creation_date": "2026-01-10T00:00:00.000Z"}
]"#;

/// The image that every server has, of x86_64.
pub const IMAGE: &str = "ami-0123456789abcdef0";
/// The account that everything is in.
pub const ACCOUNT: &str = "123456789012";

static INSTALLED: LazyLock<Result<PathBuf, String>> = LazyLock::new(installed);

/// What a server says: its beginning, and the exceptions that it tells of.
#[derive(Clone, Debug, Default)]
pub(super) struct Said(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Debug, Default)]
struct Lines {
    first: String,
    exceptions: Vec<String>,
}

impl Said {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, line: &str) {
        let mut lines = self.lines();
        if lines.first.len() < REMEMBERED {
            lines.first.push_str(line);
            lines.first.push('\n');
        }
        if is_exception(line) {
            lines.exceptions.push(line.to_owned());
            self.0.1.notify_all();
        }
    }

    /// What was said first.
    pub(super) fn first(&self) -> String {
        self.lines().first.clone()
    }

    /// How many exceptions there were.
    pub(super) fn exceptions(&self) -> usize {
        self.lines().exceptions.len()
    }

    /// The exception after so many, for which it waits a little: an answer may be here before the words about it.
    pub(super) fn exception(&self, after: usize) -> Option<String> {
        let limit = Duration::from_secs(5);
        let waited = self
            .0
            .1
            .wait_timeout_while(self.lines(), limit, |lines| lines.exceptions.len() <= after);
        waited.unwrap_or_else(PoisonError::into_inner).0.exceptions.get(after).cloned()
    }
}

/// Whether a line ends a traceback.
fn is_exception(line: &str) -> bool {
    let name = line.split(':').next().unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    (name.ends_with("Error") || name.ends_with("Exception")) && name.chars().all(is_name)
}

/// A running server.
#[derive(Debug)]
pub struct Moto {
    line: UnixStream,
    port: u16,
    said: Said,
    /// What scripts came to.
    told: Mutex<mpsc::Receiver<String>>,
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.line.shutdown(Shutdown::Both);
    }
}

impl Moto {
    /// Starts one and waits until it answers. None, having said why, where it cannot be had and CI is not set.
    pub fn start() -> Option<Self> {
        let python = python()?;
        let line = servers::start(&python, IMAGES);
        let said = Said::default();
        let lines = BufReader::new(line.try_clone().expect("a line can be shared"));
        let (port, told) = heard(lines, said.clone());
        Some(Self { line, port, said, told: Mutex::new(told) })
    }

    /// What a script leaves in `answer` that runs in the server itself: to have there at once what would take thousands of
    /// calls. Panics if it fails.
    pub(super) fn inside(&self, script: &str) -> serde_json::Value {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let line = serde_json::Value::from(script).to_string();
        writeln!(&self.line, "{line}").expect("moto listens");
        let answer = told.recv_timeout(PATIENCE).expect("moto answers");
        let mut told: serde_json::Value =
            serde_json::from_str(&answer).expect("moto answers in JSON");
        assert!(told["error"].is_null(), "the script failed: {}", told["error"]);
        told["answer"].take()
    }

    /// What it says.
    pub(super) fn said(&self) -> Said {
        self.said.clone()
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// The port that a server says it listens on, and what scripts in it will come to. What it says afterwards is read too, or it
/// would stand still.
fn heard(lines: BufReader<UnixStream>, said: Said) -> (u16, mpsc::Receiver<String>) {
    let (found, port) = mpsc::channel();
    let (answers, told) = mpsc::channel();
    let first = said.clone();
    std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            if let Some(answer) = line.strip_prefix("told ") {
                // Whoever has asked may have given up.
                let _ = answers.send(answer.to_owned());
                continue;
            }
            let told = line.split("http://127.0.0.1:").nth(1);
            if let Some(port) = told.and_then(|port| port.trim().parse::<u16>().ok()) {
                // Nobody waits for it twice.
                let _ = found.send(port);
            }
            said.push(&line);
        }
    });
    match port.recv_timeout(PATIENCE) {
        Ok(port) => (port, told),
        Err(error) => {
            panic!("moto does not say where it listens ({error}):\n{}", first.first())
        }
    }
}

/// The Python that has moto and boto3. None, having said why, where it cannot be had and CI is not set.
pub fn python() -> Option<PathBuf> {
    match &*INSTALLED {
        Ok(home) => Some(home.join("bin/python")),
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "AWS is not tested: {why}");
            #[expect(clippy::print_stderr, reason = "whoever runs the tests must see it")]
            {
                eprintln!("NOT TESTED against AWS, as moto is not to be had here: {why}");
            }
            None
        }
    }
}

/// Where botocore's service models are.
pub(super) fn models() -> Result<PathBuf, String> {
    let home = INSTALLED.clone()?;
    let lib = std::fs::read_dir(home.join("lib")).map_err(|error| error.to_string())?;
    let data = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.ok().map(|entry| entry.path().join("site-packages/botocore/data"))
    };
    let found = lib.filter_map(data).find(|path| path.is_dir());
    found.ok_or_else(|| format!("{} has no botocore", home.display()))
}

/// Asks the script that knows how.
fn installed() -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("setup.sh");
    let output = Command::new(script).arg("moto").stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}
