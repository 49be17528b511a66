//! The dialect of a node's supervisor: how to reload, restart, stop, and arm the dead-man timer.
//!
//! Invariants: each verb is a line of `sh` with quoted words; no verb starts or ends anything itself.
//! One dialect exists, that of provisioner's own init (`run/provisioner/ctl`); systemd will be another.

use crate::host::quote;

/// What can be asked of a supervisor, as lines of `sh`.
pub(crate) trait Supervisor: Send + Sync {
    /// Reads the definition again.
    fn reload(&self, service: &str) -> String;
    /// Starts it, or ends and starts it.
    fn restart(&self, service: &str) -> String;
    /// Ends it.
    fn stop(&self, service: &str) -> String;
    /// Forgets it.
    fn remove(&self, service: &str) -> String;
    /// Prints its state as a line of JSON; exits with 0 only if it runs.
    fn status(&self, service: &str) -> String;
    /// Prints the last lines that the service wrote.
    fn log(&self, service: &str) -> String;
    /// Runs `revert` after `timeout_s` unless disarmed before, also after a reboot.
    fn arm(&self, service: &str, timeout_s: u64, revert: &str) -> String;
    /// Takes the timer away; no error if there is none.
    fn disarm(&self, service: &str) -> String;
}

/// Provisioner's own init.
pub(crate) struct Ctl {
    program: String,
    logs: String,
}

impl Ctl {
    /// The dialect of the init whose control program is under `root`.
    pub(crate) fn new(root: &str) -> Self {
        Self {
            program: quote(&format!("{root}/run/provisioner/ctl")),
            logs: format!("{root}/var/log/provisioner"),
        }
    }

    fn service(&self, verb: &str, service: &str) -> String {
        format!("{} service {verb} {}", self.program, quote(service))
    }
}

impl Supervisor for Ctl {
    fn reload(&self, service: &str) -> String {
        self.service("reload", service)
    }

    fn restart(&self, service: &str) -> String {
        self.service("restart", service)
    }

    fn stop(&self, service: &str) -> String {
        self.service("stop", service)
    }

    fn remove(&self, service: &str) -> String {
        self.service("remove", service)
    }

    fn status(&self, service: &str) -> String {
        self.service("status", service)
    }

    fn log(&self, service: &str) -> String {
        format!("tail -n 3 {}", quote(&format!("{}/{service}.log", self.logs)))
    }

    fn arm(&self, service: &str, timeout_s: u64, revert: &str) -> String {
        let (service, revert) = (quote(service), quote(revert));
        format!("{} deadman arm {service} --timeout-s {timeout_s} --revert {revert}", self.program)
    }

    fn disarm(&self, service: &str) -> String {
        format!("{} deadman disarm {}", self.program, quote(service))
    }
}
