//! Attaching and detaching volumes while a machine runs: a copy of the mount is made in the user
//! namespace that owns the machine, and moved into the machine's mount namespace.

use super::SHOWN_NAME;
use crate::cloud::Cloud;
use crate::error::{LocalError, failed, failed_at};
use crate::layout::Kind;
use crate::machine::Machine;
use crate::record::{Attachment, Isolation, Running};
use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::CWD;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags, move_mount, open_tree, unmount};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// The exit code that says: in use, only a reboot helps.
const BUSY: u8 = 3;

/// Gives a running machine exactly the wanted volumes; false when only a reboot can.
pub fn change_attachments(
    cloud: &Cloud,
    machine: &Machine,
    running: &Running,
    wanted: &[Attachment],
) -> Result<bool, LocalError> {
    for old in machine.attached.iter().filter(|old| !wanted.contains(old)) {
        if !change(cloud, machine, running, old, false)? {
            return Ok(false);
        }
    }
    for new in wanted.iter().filter(|new| !machine.attached.contains(new)) {
        if !cloud.layout().volume_data(&new.volume).is_dir() {
            return Err(LocalError::Missing {
                kind: Kind::Volume.word(),
                name: new.volume.clone(),
            });
        }
        if !change(cloud, machine, running, new, true)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn change(
    cloud: &Cloud,
    machine: &Machine,
    running: &Running,
    attachment: &Attachment,
    attach: bool,
) -> Result<bool, LocalError> {
    let source = cloud.layout().volume_data(&attachment.volume);
    let name = &machine.record.arguments.name;
    if !running.namespaces {
        let root = cloud.layout().object(Kind::Machine, name).join("root");
        return change_link(&root, &source, attachment, attach).map(|()| true);
    }
    let network = machine.network.as_ref();
    let in_user_namespace =
        network.is_none_or(|network| network.isolation == Isolation::Namespaces);
    let output = Command::new(cloud.executable())
        .arg0(SHOWN_NAME)
        .arg("__local-attach")
        .arg(running.identity.pid.to_string())
        .arg(if in_user_namespace { "user" } else { "root" })
        .arg(&attachment.path)
        .args(attach.then_some(&source))
        .stdin(Stdio::null())
        .output()
        .map_err(failed(format!("run {}", cloud.executable().display())))?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(code) if code == i32::from(BUSY) => Ok(false),
        _ => Err(LocalError::Refused {
            what: format!(
                "volume `{}` cannot be {} `{name}` at {}: {}",
                attachment.volume,
                if attach { "attached to" } else { "detached from" },
                attachment.path,
                String::from_utf8_lossy(&output.stderr).trim(),
            ),
            hint: String::new(),
        }),
    }
}

/// On a node without namespaces a volume is a symbolic link.
pub(crate) fn change_link(
    root: &Path,
    source: &Path,
    attachment: &Attachment,
    attach: bool,
) -> Result<(), LocalError> {
    let path = root.join(attachment.path.trim_start_matches('/'));
    if path.is_symlink() {
        fs::remove_file(&path).map_err(failed_at("detach", &path))?;
    }
    if !attach {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed_at("create directory", parent))?;
    }
    // An empty directory in the way is a mount point of before.
    let _ = fs::remove_dir(&path);
    std::os::unix::fs::symlink(source, &path).map_err(failed_at("attach", &path))
}

fn enter(pid: &str, how: &str) -> io::Result<File> {
    let open = |kind: &str| File::open(format!("/proc/{pid}/ns/{kind}"));
    let mounts = open("mnt")?;
    if how == "user" {
        setns(open("user")?, CloneFlags::CLONE_NEWUSER)?;
    }
    Ok(mounts)
}

fn attach(pid: &str, how: &str, path: &Path, source: &Path) -> io::Result<()> {
    let mounts = enter(pid, how)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    let tree =
        open_tree(CWD, source, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
    setns(mounts, CloneFlags::CLONE_NEWNS)?;
    if fs::metadata(path).is_ok_and(|found| found.nlink() == 0) {
        // A lost volume is still mounted here, and programs may have it open: a reboot frees them.
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    fs::create_dir_all(path)?;
    move_mount(&tree, "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    Ok(())
}

fn detach(pid: &str, how: &str, path: &Path) -> io::Result<()> {
    let mounts = enter(pid, how)?;
    setns(mounts, CloneFlags::CLONE_NEWNS)?;
    unmount(path, UnmountFlags::empty())?;
    Ok(())
}

/// `__local-attach PID user|root PATH [SOURCE]`: without a source, detaches.
#[expect(clippy::print_stderr, reason = "the answer of a program of its own")]
pub fn attach_main(arguments: &[OsString]) -> ExitCode {
    let [pid, how, path, source @ ..] = arguments else {
        return ExitCode::from(2);
    };
    let (pid, how) = (pid.to_string_lossy(), how.to_string_lossy());
    let result = match source.first() {
        Some(source) => attach(&pid, &how, Path::new(path), Path::new(source)),
        None => detach(&pid, &how, Path::new(path)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => ExitCode::from(BUSY),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
