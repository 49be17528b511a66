//! A network is a holder: a program that owns a user and a network namespace with a bridge in it, and
//! sleeps. When it ends, the kernel removes the bridge.

use super::{Failure, Launched, Start, report_up, start};
use crate::disk::{Lock, random_hex, read_json};
use crate::layout::{Kind, Layout};
use crate::link;
use crate::network::Cidr;
use crate::passing;
use crate::record::{HolderOrder, Isolation, NetworkRecord, Report, Running, Up};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::io;
use std::process::ExitCode;

/// The launcher's side.
pub fn launch(layout: &Layout, name: &str) -> Result<Launched, Failure> {
    let directory = layout.object(Kind::Network, name);
    let Some(lock) = Lock::try_take(&directory.join("holder.lock"))? else {
        return Ok(Launched::AlreadyRunning);
    };
    let record: NetworkRecord = read_json(&layout.record(Kind::Network, name))?
        .ok_or_else(|| Failure::new("it has no record"))?;
    let cidr = Cidr::parse(&record.cidr)?;
    let state = directory.join("holder.json");
    // An old state must not be believed while the lock is held again.
    let _ = fs::remove_file(&state);
    let running = Running::starting(random_hex(8)?);
    let order = HolderOrder {
        boot_id: running.boot_id.clone(),
        user_namespace: record.isolation == Isolation::Namespaces,
        gateway: cidr.gateway(),
        prefix: cidr.prefix(),
    };
    start(Start {
        mode: "__local-network",
        order: &order,
        lock,
        listeners: &[],
        state: &state,
        log: &directory.join("log"),
        running,
    })
}

/// Moves into a new user namespace in which this user is root.
pub(super) fn enter_user_namespace(also: CloneFlags) -> io::Result<()> {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    unshare(CloneFlags::CLONE_NEWUSER | also)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}

fn set_up(order: &HolderOrder) -> io::Result<()> {
    if order.user_namespace {
        enter_user_namespace(CloneFlags::CLONE_NEWNET)?;
    } else {
        unshare(CloneFlags::CLONE_NEWNET)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let handle = link::connect()?;
        link::make_bridge(&handle, order.gateway, order.prefix).await
    })
}

/// `__local-network`: the holder itself.
pub fn holder_main() -> ExitCode {
    let Ok(Some((order, files))) = passing::receive::<HolderOrder>(io::stdin()) else {
        return ExitCode::FAILURE;
    };
    let _ = rustix::process::setsid();
    let [_, directory, ..] = files.as_slice() else {
        return ExitCode::FAILURE;
    };
    let up = Up { boot_id: order.boot_id.clone(), ..Up::default() };
    if let Err(error) = set_up(&order).and_then(|()| report_up(directory, &up)) {
        let detail = format!("make the bridge: {error}");
        let _ = passing::send(io::stdin(), &Report::Failed { detail }, &[]);
        return ExitCode::FAILURE;
    }
    loop {
        // `files` keeps the lock; a signal ends the program in its default way.
        std::thread::park();
        std::hint::black_box(&files);
    }
}
