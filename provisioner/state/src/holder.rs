//! Who holds a lease, precisely enough to tell from the same host that it is gone.
//!
//! A number of a running program alone does not do: numbers are used again. So the start time of the program, the
//! boot of the kernel and the namespace of the numbers are recorded too; only when all of them are
//! the same and the program is not there is its owner *provably* gone. In every other case the lease
//! lives until it expires.

use serde::{Deserialize, Serialize};

/// One running program on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// User name.
    pub owner: String,
    /// Host name.
    pub host: String,
    /// The program's number on that host.
    pub pid: u32,
    /// When the program started, in the kernel's ticks since boot; 0 if that is not known.
    pub started: u64,
    /// Random identity of the kernel's current run; empty if that is not known.
    pub boot: String,
    /// Identity of the namespace that `pid` belongs to; empty if that is not known.
    pub pid_namespace: String,
}

impl Holder {
    /// The program that runs this code.
    pub fn current() -> Self {
        let pid = std::process::id();
        let namespace = std::fs::read_link("/proc/self/ns/pid");
        Self {
            owner: user_name(),
            host: host_name(),
            pid,
            started: start_time(pid).unwrap_or(0),
            boot: read_trimmed("/proc/sys/kernel/random/boot_id"),
            pid_namespace: namespace
                .map_or_else(|_| String::new(), |link| link.display().to_string()),
        }
    }

    /// Whether `other` is certainly not running any more, as seen from here.
    pub fn sees_gone(&self, other: &Self) -> bool {
        let comparable = self.started != 0
            && other.started != 0
            && !self.boot.is_empty()
            && !self.pid_namespace.is_empty();
        comparable
            && self.host == other.host
            && self.boot == other.boot
            && self.pid_namespace == other.pid_namespace
            && start_time(other.pid) != Some(other.started)
    }
}

fn read_trimmed(path: &str) -> String {
    std::fs::read_to_string(path).map_or_else(|_| String::new(), |text| text.trim().to_owned())
}

fn user_name() -> String {
    let uid = nix::unistd::geteuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => format!("user {uid}"),
    }
}

fn host_name() -> String {
    nix::unistd::gethostname()
        .map_or_else(|_| "an unnamed host".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Start time of a running program; none if there is no such program, or only its remains (a zombie).
/// Source: proc_pid_stat(5), fields 3 (state) and 22 (starttime).
fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses and may hold anything, so reading starts behind it.
    let fields: Vec<_> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    if matches!(fields.first(), Some(&("Z" | "X" | "x"))) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_program_is_not_gone() {
        let me = Holder::current();
        assert!(!me.sees_gone(&me));
    }

    #[test]
    fn a_reused_number_is_told_apart() {
        let me = Holder::current();
        let before = Holder { started: me.started.saturating_sub(1).max(1), ..me.clone() };
        assert!(me.sees_gone(&before));
    }

    #[test]
    fn nothing_is_assumed_about_another_host_boot_or_namespace() {
        let me = Holder::current();
        let gone = Holder { pid: u32::MAX, ..me.clone() };
        assert!(me.sees_gone(&gone));
        assert!(!me.sees_gone(&Holder { host: "elsewhere".to_owned(), ..gone.clone() }));
        assert!(!me.sees_gone(&Holder { boot: "earlier".to_owned(), ..gone.clone() }));
        assert!(!me.sees_gone(&Holder { pid_namespace: "pid:[1]".to_owned(), ..gone.clone() }));
        assert!(!me.sees_gone(&Holder { started: 0, ..gone }));
    }

    #[test]
    fn a_killed_program_is_gone_even_before_its_parent_looks() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let me = Holder::current();
        let holder =
            Holder { pid: child.id(), started: start_time(child.id()).unwrap(), ..me.clone() };
        assert!(!me.sees_gone(&holder));
        child.kill().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !me.sees_gone(&holder) {
            assert!(std::time::Instant::now() < deadline, "it should be gone");
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
