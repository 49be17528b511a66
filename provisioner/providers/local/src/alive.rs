//! Who is alive, and ending it: a holder or init is named by its number and start time, reached
//! through a file descriptor of it, so that a reused number is never hit.

use crate::error::{LocalError, failed};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// One running program on the host, named beyond doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number in the host's namespace.
    pub pid: i32,
    /// When it started, in clock ticks since the host's boot.
    pub start_ticks: u64,
}

impl Identity {
    /// The identity behind a number, if it runs.
    pub fn of(pid: i32) -> Option<Self> {
        let (state, start_ticks) = status_of(pid)?;
        (!matches!(state, 'Z' | 'X')).then_some(Self { pid, start_ticks })
    }

    /// Whether it still runs.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// A descriptor of it; `None` when it is gone.
    fn open(self) -> Option<OwnedFd> {
        let descriptor = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        self.is_alive().then_some(descriptor)
    }

    /// Sends a signal and waits for its end; whether it ended in time.
    pub fn end(self, signal: Signal, limit: Duration) -> Result<bool, LocalError> {
        let Some(descriptor) = self.open() else {
            return Ok(true);
        };
        match pidfd_send_signal(&descriptor, signal) {
            Ok(()) => {}
            Err(rustix::io::Errno::SRCH) => return Ok(true),
            Err(error) => return Err(failed(format!("send a signal to {}", self.pid))(error)),
        }
        Ok(wait_readable(&descriptor, limit))
    }
}

fn wait_readable(descriptor: &OwnedFd, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// State letter and start time from `/proc/PID/stat` (see proc_pid_stat(5): the name may hold spaces
/// and brackets, so fields count from the last bracket).
fn status_of(pid: i32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?.chars().next()?;
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some((state, start_ticks))
}

/// The environment variable that marks everything that runs on a node without namespaces.
pub const NODE_MARK: &str = "PROVISIONER_NODE";

/// Everything that carries the mark of the machine in `directory`.
pub fn marked(directory: &Path) -> Vec<Identity> {
    let wanted = format!("{NODE_MARK}={}", directory.display());
    let numbers = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    numbers
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
                environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
            })
        })
        .filter_map(Identity::of)
        .collect()
}

/// Ends everything that carries the mark of the machine in `directory`.
pub fn end_marked(directory: &Path) -> Result<(), LocalError> {
    const ROUNDS: usize = 50;
    for _ in 0..ROUNDS {
        let found = marked(directory);
        if found.is_empty() {
            break;
        }
        for identity in found {
            identity.end(Signal::KILL, Duration::from_secs(5))?;
        }
    }
    Ok(())
}

/// Looks again until `condition` gives something or the time is over.
pub fn wait_for<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = condition() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_living_from_the_dead() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let identity = Identity::of(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(identity.is_alive());
        assert!(identity.end(Signal::KILL, Duration::from_secs(5)).unwrap());
        child.wait().unwrap();
        assert!(!identity.is_alive());
        assert!(identity.end(Signal::KILL, Duration::from_secs(5)).unwrap());
    }
}
