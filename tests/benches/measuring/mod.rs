//! What one run of a program costs, as the kernel counted it: time, processor time, peak memory, bytes written.
//!
//! A run is started by a second run of the benchmark itself, which has no other child: so the kernel's account of
//! children is the account of that one program. Bytes are counted twice: as the program hands them over, and where they leave
//! for a disk. A program that writes the same file again and again without waiting for the disk hands over more than leaves; a
//! file system in memory lets none leave.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::Read as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The word that makes the benchmark run one program and account for it.
const WORD: &str = "__measure";

/// The kernel's unit of bytes sent to a disk.
const BLOCK_BYTES: i64 = 512;

/// What a run cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// From start to end.
    pub wall_s: f64,
    /// Processor time, in the program and in the kernel for it.
    pub cpu_s: f64,
    /// The most memory it had at once.
    pub peak_bytes: f64,
    /// Handed to the kernel by calls that write, the messages among them.
    pub written_bytes: f64,
    /// Sent to disks.
    pub disk_bytes: f64,
}

/// Runs a program and writes what it cost, if these are the arguments of such a run; to be called first in `main`.
pub fn measuring_main() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != WORD {
        return None;
    }
    let report = arguments.next()?;
    let program = arguments.next()?;
    let started = Instant::now();
    // The messages are read as a terminal would read them, and kept for the case that it fails.
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut said = Vec::new();
    let mut messages = child.stderr.take().expect("it is piped");
    messages.read_to_end(&mut said).expect("a pipe can be read");
    let written_bytes = written_at_the_end(i32::try_from(child.id()).expect("it is a number"));
    let status = child.wait().expect("it can be waited for");
    let wall_s = started.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel counts children");
    let seconds = |time: nix::sys::time::TimeVal| {
        Duration::new(u64::try_from(time.tv_sec()).unwrap_or_default(), 0).as_secs_f64()
            + f64::from(i32::try_from(time.tv_usec()).unwrap_or_default()) / 1e6
    };
    let cost = json!({
        "success": status.success(),
        "said": String::from_utf8_lossy(&said),
        "wall_s": wall_s,
        "cpu_s": seconds(usage.user_time()) + seconds(usage.system_time()),
        "peak_bytes": usage.max_rss() * 1024,
        "written_bytes": written_bytes,
        "disk_bytes": usage.block_writes() * BLOCK_BYTES,
    });
    std::fs::write(report, cost.to_string()).expect("the temporary file is ours");
    Some(ExitCode::SUCCESS)
}

/// Waits for the end of a child and gives the bytes that it wrote. It is still to be waited for: after that the kernel
/// forgets them.
fn written_at_the_end(pid: i32) -> u64 {
    let id = Id::Pid(Pid::from_raw(pid));
    waitid(id, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).expect("it is our child");
    let account = std::fs::read_to_string(format!("/proc/{pid}/io")).expect("it can be read");
    let written = account.lines().find_map(|line| line.strip_prefix("wchar: "));
    written.and_then(|text| text.parse().ok()).expect("the kernel counts what is written")
}

/// Runs a command to its end, which must be a success.
pub fn cost_of(command: &Command) -> Cost {
    let report = tempfile::NamedTempFile::new().expect("a temporary file");
    let itself = std::env::current_exe().expect("a program knows its file");
    let mut measuring = Command::new(itself);
    measuring.arg(WORD).arg(report.path()).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => measuring.env(name, value),
            None => measuring.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        measuring.current_dir(directory);
    }
    let status = measuring.status().expect("the benchmark can run itself");
    assert!(status.success(), "measuring {command:?} failed");
    let text = std::fs::read_to_string(report.path()).expect("the report is ours");
    let report: Value = serde_json::from_str(&text).expect("the report is JSON");
    let said = report["said"].as_str().unwrap_or_default();
    assert!(report["success"] == true, "{command:?} failed: {said}");
    let number = |name: &str| report[name].as_f64().expect("the report has all figures");
    Cost {
        wall_s: number("wall_s"),
        cpu_s: number("cpu_s"),
        peak_bytes: number("peak_bytes"),
        written_bytes: number("written_bytes"),
        disk_bytes: number("disk_bytes"),
    }
}
