//! Debian packages by way of this machine's own apt, as an ordinary user.
//!
//! Apt knows the mirrors, their keys, proxies and pinning, so it does the asking: first with the
//! system's package lists, then, where they are missing or too old, with private lists under the cache
//! directory. Invariants: we write nothing outside the cache; no mirror is named here; two runs at
//! once take turns. The package is only downloaded: it is unpacked by [`super::archive`], never
//! installed, and its scripts never run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::Cause;
use super::cache::directory;

const APT_LIMIT: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(20);

/// The wanted package.
pub(super) struct Package<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub architecture: Option<&'a str>,
}

impl Package<'_> {
    fn qualified(&self) -> String {
        match self.architecture {
            Some(architecture) => format!("{}:{architecture}", self.name),
            None => self.name.to_owned(),
        }
    }
}

/// Downloads a package into the file `to`, with `apt` as the directory for apt's own files.
pub(super) fn download(apt: &Path, package: &Package<'_>, to: &Path) -> Result<(), Cause> {
    check_words(package)?;
    if !on_path("apt-get") {
        return Err(Cause::NoApt);
    }
    let _turn = turn(apt)?;
    let inbox = directory(apt, "inbox")?;
    if let Ok(file) = Apt::system(apt)?.download(package, &inbox) {
        return deliver(&file, to);
    }
    let private = Apt::private(apt)?;
    // One source of several may fail; what counts is whether the package is there afterwards.
    let update = private.run("apt-get", &["update", "-qq"], apt)?;
    match private.download(package, &inbox) {
        Ok(file) => deliver(&file, to),
        Err(reason) => Err(explain(&private, package, apt, &update, reason)),
    }
}

/// Waits until no other run uses apt in this cache.
fn turn(apt: &Path) -> Result<File, Cause> {
    let cache = |error: std::io::Error| Cause::Cache(format!("{}: {error}", apt.display()));
    let lock = File::create(apt.join("lock")).map_err(cache)?;
    let deadline = Instant::now() + 2 * APT_LIMIT;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(POLL);
            }
            Err(fs::TryLockError::WouldBlock) => return Err(Cause::Busy(2 * APT_LIMIT.as_secs())),
            Err(fs::TryLockError::Error(error)) => return Err(cache(error)),
        }
    }
}

fn explain(
    private: &Apt,
    package: &Package<'_>,
    apt: &Path,
    update: &Output,
    reason: String,
) -> Cause {
    let candidates = private.candidates(package, apt);
    if candidates.iter().any(|candidate| candidate == package.version) {
        return Cause::Apt(reason);
    }
    if candidates.is_empty() && !update.status.success() {
        return Cause::Apt(last_words(update));
    }
    Cause::NoVersion {
        package: package.name.to_owned(),
        version: package.version.to_owned(),
        candidates,
    }
}

fn deliver(file: &Path, to: &Path) -> Result<(), Cause> {
    fs::rename(file, to).map_err(|error| Cause::Cache(format!("{}: {error}", file.display())))
}

/// Names and versions become arguments of apt: nothing that it could take for an option or a path.
fn check_words(package: &Package<'_>) -> Result<(), Cause> {
    let plain = |text: &str| {
        text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.:~".contains(&byte))
    };
    let good =
        plain(package.name) && plain(package.version) && package.architecture.is_none_or(plain);
    if good {
        return Ok(());
    }
    Err(Cause::NoVersion {
        package: package.name.to_owned(),
        version: package.version.to_owned(),
        candidates: Vec::new(),
    })
}

fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    })
}

fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(4)..].join("; ")
}

/// One way of calling apt: the options that decide where it reads and writes.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// The system's package lists, with writes going to the cache.
    fn system(apt: &Path) -> Result<Self, Cause> {
        let cache = directory(apt, "system-cache")?;
        directory(&cache, "archives/partial")?;
        // Without a sandbox user apt does not try to give files to one, as it would when run by root.
        let options =
            vec![format!("Dir::Cache={}", cache.display()), "APT::Sandbox::User=root".to_owned()];
        Ok(Self { options })
    }

    /// Lists and state of our own.
    fn private(apt: &Path) -> Result<Self, Cause> {
        let mut private = Self::system(apt)?;
        let state = directory(apt, "state")?;
        let lists = directory(&state, "lists")?;
        directory(&lists, "partial")?;
        let status = state.join("status");
        File::options()
            .create(true)
            .append(true)
            .open(&status)
            .map_err(|error| Cause::Cache(format!("{}: {error}", status.display())))?;
        let cache = directory(apt, "cache")?;
        directory(&cache, "archives/partial")?;
        private.options = vec![
            format!("Dir::State={}", state.display()),
            format!("Dir::State::lists={}", lists.display()),
            format!("Dir::State::status={}", status.display()),
            format!("Dir::Cache={}", cache.display()),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ];
        Ok(private)
    }

    fn download(&self, package: &Package<'_>, inbox: &Path) -> Result<PathBuf, String> {
        clear(inbox).map_err(|error| error.to_string())?;
        let wanted = format!("{}={}", package.qualified(), package.version);
        let output = self
            .run("apt-get", &["download", "-qq", &wanted], inbox)
            .map_err(|cause| cause.to_string())?;
        if !output.status.success() {
            return Err(last_words(&output));
        }
        let files = fs::read_dir(inbox).map_err(|error| error.to_string())?;
        let deb = files
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|end| end == "deb"));
        deb.ok_or_else(|| "apt-get download left no package".to_owned())
    }

    fn candidates(&self, package: &Package<'_>, apt: &Path) -> Vec<String> {
        let Ok(output) = self.run("apt-cache", &["madison", &package.qualified()], apt) else {
            return Vec::new();
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut versions: Vec<String> = text
            .lines()
            .filter_map(|line| line.split('|').nth(1))
            .map(|version| version.trim().to_owned())
            .collect();
        versions.dedup();
        versions
    }

    fn run(&self, program: &str, arguments: &[&str], directory: &Path) -> Result<Output, Cause> {
        let mut command = Command::new(program);
        for option in &self.options {
            command.args(["-o", option]);
        }
        command
            .args(arguments)
            .current_dir(directory)
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        bounded(command, program)
    }
}

/// Runs a command to its end, or kills it after [`APT_LIMIT`].
fn bounded(mut command: Command, program: &str) -> Result<Output, Cause> {
    let failed = |error: std::io::Error| Cause::Apt(format!("{program}: {error}"));
    let mut child = command.spawn().map_err(failed)?;
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let deadline = Instant::now() + APT_LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Cause::Unreachable(format!(
                "{program} did not end within {} s",
                APT_LIMIT.as_secs()
            )));
        }
        std::thread::sleep(POLL);
    };
    let read = |reader: std::thread::JoinHandle<Vec<u8>>| reader.join().unwrap_or_default();
    Ok(Output { status, stdout: read(stdout), stderr: read(stderr) })
}

fn drain(pipe: Option<impl std::io::Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn clear(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}
