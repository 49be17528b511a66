//! What the kernel allows, found by trying it in a program of its own.

use super::{SELF, SHOWN_NAME, holder::enter_user_namespace};
use crate::error::{LocalError, failed_at};
use crate::record::Isolation;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// How to allow user namespaces.
pub const FORBIDDEN_HINT: &str = "to give nodes their own network and file system, allow \
user namespaces (as root): `sysctl -w user.max_user_namespaces=15000`, and where they exist \
`sysctl -w kernel.unprivileged_userns_clone=1` and \
`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`; \
in a container, its own rules must allow unshare(2) and mount(2)";

/// What the kernel allows, and why not more.
pub fn find_isolation(executable: &Path) -> Result<(Isolation, Option<String>), LocalError> {
    let refused = match attempt(executable, "user")? {
        Ok(()) => return Ok((Isolation::Namespaces, None)),
        Err(refused) => refused,
    };
    if rustix::process::geteuid().is_root() && attempt(executable, "root")?.is_ok() {
        return Ok((Isolation::RootNamespaces, None));
    }
    Ok((Isolation::Processes, Some(refused)))
}

/// Tries; says what was refused.
fn attempt(executable: &Path, how: &str) -> Result<Result<(), String>, LocalError> {
    let output = Command::new(executable)
        .arg0(SHOWN_NAME)
        .args(["__local-probe", how])
        .stdin(Stdio::null())
        .output()
        .map_err(failed_at("run", executable))?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(Err(if said.is_empty() { output.status.to_string() } else { said }))
}

fn try_namespaces(how: Option<&str>) -> Result<(), String> {
    let said = |step: &'static str| move |error: io::Error| format!("{step}: {error}");
    if how == Some("user") {
        enter_user_namespace(CloneFlags::empty()).map_err(said("make a user namespace"))?;
    }
    let all = CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWPID;
    unshare(all).map_err(|error| format!("make namespaces: {error}"))?;
    let status = Command::new(SELF)
        .arg("__local-probe-inner")
        .status()
        .map_err(said("start a program in them"))?;
    status.success().then_some(()).ok_or_else(|| "mount /proc in them: refused".to_owned())
}

/// `__local-probe user|root`.
#[expect(clippy::print_stderr, reason = "the answer of a program of its own")]
pub fn probe_main(arguments: &[OsString]) -> ExitCode {
    match try_namespaces(arguments.first().and_then(|how| how.to_str())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// `__local-probe-inner`: the first program of the new namespaces mounts its own /proc.
pub fn inner_main() -> ExitCode {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    let mounted = mount(None::<&str>, "/", None::<&str>, private, None::<&str>).and_then(|()| {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)
    });
    ExitCode::from(u8::from(mounted.is_err()))
}
