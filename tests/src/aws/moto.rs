//! moto, the emulator of AWS: installed from PyPI into a cache below the system's temporary directory by
//! `tests/setup.sh`, and one server for whoever starts one.
//!
//! Invariant: the server ends with its `Moto`, and with the test program if that is killed. Where it cannot be had this
//! says so, and fails where CI is set.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

/// How long an installation or a start may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Bytes of what a server says first that are kept, to be told if it does not start.
const REMEMBERED: usize = 10_000;

/// What runs the server: it ends when its standard input does, so that it outlives nobody. Each line there is a script, which
/// leaves its answer in `answer`. For the tags of one object it looks at that object's: by itself moto looks through those of
/// all, for each object that it describes.
const SERVE: &str = "
import json, os, sys, threading, traceback
def listen():
    for line in sys.stdin:
        names = {'answer': None}
        try:
            exec(json.loads(line), names)
            told = {'answer': names['answer']}
        except Exception:
            told = {'error': traceback.format_exc()}
        print('told ' + json.dumps(told), flush=True)
    os._exit(0)
threading.Thread(target=listen, daemon=True).start()
from moto.server import main
from moto.ec2.models.tags import TagBackend
look_through_all = TagBackend.describe_tags
def describe_tags(self, filters=None):
    if filters is None or list(filters) != ['resource-id']:
        return look_through_all(self, filters)
    few = TagBackend()
    few.tags.update((id, self.tags[id]) for id in filters['resource-id'] if id in self.tags)
    return look_through_all(few, filters)
TagBackend.describe_tags = describe_tags
main(['-H', '127.0.0.1', '-p', '0'])
";

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

    fn push(&self, line: &str) {
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
    child: Child,
    port: u16,
    said: Said,
    inside: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _images: tempfile::NamedTempFile,
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    /// Starts one and waits until it answers. None, having said why, where it cannot be had and CI is not set.
    pub fn start() -> Option<Self> {
        let python = python()?;
        let images = tempfile::NamedTempFile::new().expect("a file can be made");
        std::fs::write(images.path(), IMAGES).expect("a file can be written");
        let mut child = Command::new(python)
            .args(["-u", "-c", SERVE])
            .env("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
            .env("MOTO_AMIS_PATH", images.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto starts");
        let said = Said::default();
        let port = told_port(&mut child, said.clone());
        let stdin = child.stdin.take().expect("it is a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
        Some(Self { child, port, said, inside: Mutex::new((stdin, stdout)), _images: images })
    }

    /// What a script leaves in `answer` that runs in the server itself: to have there at once what would take thousands of
    /// calls. Panics if it fails.
    pub(super) fn inside(&self, script: &str) -> serde_json::Value {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let (stdin, stdout) = &mut *inside;
        let line = serde_json::Value::from(script).to_string();
        writeln!(stdin, "{line}").expect("moto listens");
        let mut line = String::new();
        // It says other things there too, at its start.
        while !line.starts_with("told ") {
            line.clear();
            let read = stdout.read_line(&mut line).expect("moto answers");
            assert!(read > 0, "moto has ended");
        }
        let mut told: serde_json::Value =
            serde_json::from_str(&line["told ".len()..]).expect("moto answers in JSON");
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

/// The port that the server says it listens on. What it says afterwards is read too, or it would stand still.
fn told_port(child: &mut Child, said: Said) -> u16 {
    let errors = BufReader::new(child.stderr.take().expect("it is a pipe"));
    let (found, port) = mpsc::channel();
    std::thread::spawn(move || {
        for line in errors.lines().map_while(Result::ok) {
            let told = line.split("http://127.0.0.1:").nth(1);
            if let Some(port) = told.and_then(|port| port.trim().parse::<u16>().ok()) {
                // Nobody waits for it twice.
                let _ = found.send(Ok(port));
            }
            said.push(&line);
        }
        let _ = found.send(Err(said.lines().first.clone()));
    });
    match port.recv_timeout(PATIENCE) {
        Ok(Ok(port)) => port,
        Ok(Err(said)) => panic!("moto does not start:\n{said}"),
        Err(error) => panic!("moto does not say where it listens: {error}"),
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
