//! The machine's file system: a directory of the host as its root, `/usr` of the host read-only, its own
//! `etc`, `var`, `opt`, `root`, `home` and `tmp`, fresh `/run`, `/dev` and `/proc`.
//!
//! Invariants: nothing of the host but `/usr`, a few read-only files of `/etc` and a few devices is
//! visible; nothing that the machine left in its own directory is followed as a link while mounting.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::{FsFlags, statvfs};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// Directories of every root.
const DIRECTORIES: [&str; 21] = [
    "dev",
    "etc",
    "etc/provisioner/services",
    "etc/ssh",
    "home",
    "mnt",
    "opt",
    "proc",
    "root",
    "root/.ssh",
    "run",
    "srv",
    "sys",
    "tmp",
    "usr",
    "var/cache",
    "var/lib/provisioner",
    "var/log/provisioner",
    "var/tmp",
    "var/spool",
    "usr/local",
];
/// Parts of the host that are links into `/usr` on most systems, and directories on others.
const PROGRAM_DIRECTORIES: [&str; 7] = ["bin", "sbin", "lib", "lib64", "lib32", "libx32", "nix"];
/// What programs of the host need from its `/etc`.
const SHARED_ETC: [&str; 5] = [
    "etc/alternatives",
    "etc/ssl/certs",
    "etc/ld.so.cache",
    "etc/localtime",
    "etc/ca-certificates",
];
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// A failed step, in words.
fn step<E: Into<io::Error>>(what: impl std::fmt::Display) -> impl FnOnce(E) -> io::Error {
    move |error| {
        let error = error.into();
        io::Error::new(error.kind(), format!("{what}: {error}"))
    }
}

/// Makes a directory below `root`, replacing whatever is in the way; a link is never followed.
fn directory(root: &Path, relative: &str) -> io::Result<PathBuf> {
    let mut path = root.to_owned();
    for part in relative.split('/') {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => continue,
            Ok(_) => fs::remove_file(&path)?,
            Err(_) => {}
        }
        fs::create_dir(&path).map_err(step(format!("create {}", path.display())))?;
    }
    Ok(path)
}

/// Makes an empty file below `root`, to be mounted over.
fn mount_point(root: &Path, relative: &str) -> io::Result<PathBuf> {
    let (parent, name) = relative.rsplit_once('/').unwrap_or(("", relative));
    let path =
        if parent.is_empty() { root.join(name) } else { directory(root, parent)?.join(name) };
    match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(metadata) if metadata.is_dir() => fs::remove_dir(&path)?,
        Ok(_) => fs::remove_file(&path)?,
        Err(_) => {}
    }
    if fs::symlink_metadata(&path).is_err() {
        fs::write(&path, "")?;
    }
    Ok(path)
}

/// Directories that exist on nodes with and without namespaces.
pub fn make_directories(root: &Path) -> io::Result<()> {
    for relative in DIRECTORIES {
        directory(root, relative)?;
    }
    fs::set_permissions(root.join("root"), fs::Permissions::from_mode(0o700))?;
    fs::set_permissions(root.join("root/.ssh"), fs::Permissions::from_mode(0o700))?;
    for shared in ["tmp", "var/tmp"] {
        fs::set_permissions(root.join(shared), fs::Permissions::from_mode(0o1777))?;
    }
    Ok(())
}

fn bind(source: &Path, target: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(source), target, None::<&str>, flags, None::<&str>).map_err(step(format!(
        "mount {} on {}",
        source.display(),
        target.display()
    )))
}

/// Makes a mount read-only, keeping the flags that a user namespace may not take away.
fn restrict(target: &Path) -> io::Result<()> {
    let present = statvfs(target)?.flags();
    let mut flags =
        MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID;
    for (has, keep) in [
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ] {
        if present.contains(has) {
            flags |= keep;
        }
    }
    mount(None::<&str>, target, None::<&str>, flags, None::<&str>)
        .map_err(step(format!("make {} read-only", target.display())))
}

fn bind_read_only(source: &Path, target: &Path) -> io::Result<()> {
    bind(source, target)?;
    restrict(target)?;
    for inner in mounts_below(target)? {
        restrict(&inner)?;
    }
    Ok(())
}

/// Mount points strictly below a path (see proc_pid_mountinfo(5): field 5; no names with spaces occur
/// below /usr, and an escaped one only stays writable by its owner).
fn mounts_below(path: &Path) -> io::Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    Ok(points.filter(|point| point.starts_with(path) && point != path).collect())
}

fn mount_new(kind: &str, target: &Path, flags: MsFlags, data: &str) -> io::Result<()> {
    mount(Some(kind), target, Some(kind), flags, Some(data))
        .map_err(step(format!("mount {kind} on {}", target.display())))
}

fn mount_programs(root: &Path) -> io::Result<()> {
    bind_read_only(Path::new("/usr"), &directory(root, "usr")?)?;
    for name in PROGRAM_DIRECTORIES {
        let (host, own) = (Path::new("/").join(name), root.join(name));
        let Ok(metadata) = fs::symlink_metadata(&host) else { continue };
        if metadata.is_symlink() {
            let target = fs::read_link(&host)?;
            if fs::read_link(&own).ok().as_ref() != Some(&target) {
                let _ = fs::remove_file(&own);
                symlink(&target, &own).map_err(step(format!("link {}", own.display())))?;
            }
        } else {
            bind_read_only(&host, &directory(root, name)?)?;
        }
    }
    for name in SHARED_ETC {
        let host = Path::new("/").join(name);
        let Ok(metadata) = fs::metadata(&host) else { continue };
        let target =
            if metadata.is_dir() { directory(root, name)? } else { mount_point(root, name)? };
        bind_read_only(&host, &target)?;
    }
    Ok(())
}

fn mount_devices(root: &Path) -> io::Result<()> {
    let dev = directory(root, "dev")?;
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_new("tmpfs", &dev, plain, "mode=755,size=1m")?;
    for name in DEVICES {
        let target = mount_point(&dev, name)?;
        bind(&Path::new("/dev").join(name), &target)?;
    }
    if Path::new("/dev/net/tun").exists() {
        bind(Path::new("/dev/net/tun"), &mount_point(&dev, "net/tun")?)?;
    }
    let pts = directory(&dev, "pts")?;
    mount_new("devpts", &pts, plain, "newinstance,ptmxmode=0666,mode=0620")?;
    let shm = directory(&dev, "shm")?;
    mount_new("tmpfs", &shm, plain | MsFlags::MS_NODEV, "mode=1777")?;
    for (link, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, dev.join(link))?;
    }
    Ok(())
}

fn mount_kernel(root: &Path) -> io::Result<()> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let proc = directory(root, "proc")?;
    mount_new("proc", &proc, plain, "")?;
    // The host's own switches are not the machine's to turn, even when root started it.
    for switches in ["sys", "irq", "bus", "fs", "sysrq-trigger"] {
        let path = proc.join(switches);
        if path.exists() {
            bind_read_only(&path, &path)?;
        }
    }
    let sys = directory(root, "sys")?;
    if mount_new("sysfs", &sys, plain | MsFlags::MS_RDONLY, "").is_err() {
        bind_read_only(Path::new("/sys"), &sys)?;
    }
    let run = directory(root, "run")?;
    mount_new("tmpfs", &run, MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=755")?;
    directory(root, "run/lock")?;
    directory(root, "run/provisioner")?;
    let var_run = root.join("var/run");
    if fs::symlink_metadata(&var_run).is_err() {
        symlink("/run", &var_run)?;
    }
    Ok(())
}

/// A volume of the machine: its directory on the host and its path.
pub fn mount_volume(root: &Path, source: &Path, path: &str) -> io::Result<()> {
    let target = directory(root, path.trim_start_matches('/'))?;
    bind(source, &target)
}

/// Makes `root` the file system of this program, in a mount namespace of its own.
pub fn enter(root: &Path, volumes: &[crate::record::VolumeOrder]) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(step("make a mount namespace"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .map_err(step("make mounts private"))?;
    bind(root, root)?;
    make_directories(root)?;
    mount_programs(root)?;
    mount_kernel(root)?;
    mount_devices(root)?;
    for volume in volumes {
        mount_volume(root, &volume.source, &volume.path)?;
    }
    std::env::set_current_dir(root)?;
    // The old root lands on top of the new one and is taken away (see pivot_root(2), NOTES).
    nix::unistd::pivot_root(".", ".").map_err(step("change the root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(step("leave the host's root"))?;
    std::env::set_current_dir("/")
}

/// What `/etc/hosts` says of the machine itself.
pub fn hosts_line(name: &str, address: std::net::Ipv4Addr) -> String {
    format!("{address} {name}\n")
}

/// Whether another machine that begins with the files of this one makes that file anew: what is gone after a boot, and what
/// nobody else may have.
pub fn is_own(relative: &Path) -> bool {
    let is_below_run = relative.starts_with("run") && relative != Path::new("run");
    is_below_run || super::ssh::is_host_key(relative)
}

/// Files of `/etc` that say who the machine is. `root` is `/` on a node with namespaces.
pub fn write_identity(root: &Path, name: &str, address: std::net::Ipv4Addr) -> io::Result<()> {
    let etc = root.join("etc");
    let write = |file: &str, text: &str| -> io::Result<()> {
        let path = etc.join(file);
        if path.is_symlink() {
            fs::remove_file(&path)?;
        }
        fs::write(&path, text).map_err(step(format!("write {}", path.display())))
    };
    let write_once = |file: &str, text: &str| -> io::Result<()> {
        if etc.join(file).exists() { Ok(()) } else { write(file, text) }
    };
    write("hostname", &format!("{name}\n"))?;
    write_once("hosts", &format!("127.0.0.1 localhost\n{}", hosts_line(name, address)))?;
    write_once(
        "passwd",
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    )?;
    write_once("group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n")?;
    write_once("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")?;
    // The cloud has no way out and no name server.
    write_once("resolv.conf", "")?;
    write_once("os-release", "NAME=\"local cloud\"\nID=local\n")
}
