//! Starting a machine: listeners are opened on the host, the cable is plugged between the network's
//! namespace and a new one, and the init is the first program of its own process namespace.

use super::{Failure, Launched, Start, start};
use crate::alive::end_marked;
use crate::disk::{Lock, make_directory, random_hex, read_json};
use crate::layout::{Kind, Layout};
use crate::link::{self, Cable};
use crate::machine::LOOPBACK_PORT;
use crate::network::{self, Cidr, Found};
use crate::record::{BootOrder, Isolation, MachineRecord, NetworkRecord, Running, VolumeOrder};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// The SSH port of a node with its own address, and of one on a loopback address.
pub fn ssh_port(isolation: Isolation) -> u16 {
    if isolation.has_namespaces() { 22 } else { LOOPBACK_PORT }
}

/// The launcher's side.
pub fn launch(layout: &Layout, name: &str) -> Result<Launched, Failure> {
    let directory = layout.object(Kind::Machine, name);
    let Some(lock) = Lock::try_take(&directory.join("init.lock"))? else {
        return Ok(Launched::AlreadyRunning);
    };
    let record: MachineRecord = read_json(&layout.record(Kind::Machine, name))?
        .ok_or_else(|| Failure::new("it has no record"))?;
    if !record.has_files(layout) {
        return Err(Failure::new("its files have not all come from its snapshot"));
    }
    let network = running_network(layout, &record.arguments.network)?;
    let run = directory.join("run");
    make_directory(&run)?;
    make_directory(&directory.join("root"))?;
    let state = run.join("init.json");
    let running = Running {
        network_boot_id: network.running.boot_id.clone(),
        namespaces: network.record.isolation.has_namespaces(),
        publish: record.arguments.publish.clone(),
        ..Running::starting(random_hex(8)?)
    };
    // An old state must not be believed while the lock is held again.
    let _ = fs::remove_file(&state);
    if !network.record.isolation.has_namespaces() {
        // What the dead init could not take along.
        end_marked(&directory)?;
    }

    let mut listeners =
        vec![unix_listener(&run, "ssh.sock")?.into(), unix_listener(&run, "control.sock")?.into()];
    listeners.extend(published(&record)?);
    let order = boot_order(layout, &directory, &record, &network, &running)?;
    if network.record.isolation.has_namespaces() {
        plug_in(&record, &network)?;
    }
    start(Start {
        mode: "__node-init",
        order: &order,
        lock,
        listeners: &listeners,
        state: &state,
        log: &directory.join("log"),
        running,
    })
}

struct Network {
    record: NetworkRecord,
    running: Running,
}

fn running_network(layout: &Layout, name: &str) -> Result<Network, Failure> {
    match network::find(layout, name)? {
        Some(Found { record, .. }) if record.isolation == Isolation::Processes => {
            Ok(Network { record, running: Running::without_program() })
        }
        Some(Found { record, running: Some(running) }) => Ok(Network { record, running }),
        Some(_) => Err(Failure {
            detail: format!("its network `{name}` is not running"),
            hint: "apply again: the network is started first".into(),
        }),
        None => Err(Failure::new(format!("its network `{name}` does not exist"))),
    }
}

fn boot_order(
    layout: &Layout,
    directory: &Path,
    record: &MachineRecord,
    network: &Network,
    running: &Running,
) -> Result<BootOrder, Failure> {
    let mut volumes = Vec::new();
    for attachment in &record.arguments.volumes {
        let source = layout.volume_data(&attachment.volume);
        if !source.is_dir() {
            return Err(Failure::new(format!("volume `{}` does not exist", attachment.volume)));
        }
        volumes.push(VolumeOrder { source, path: attachment.path.clone() });
    }
    Ok(BootOrder {
        isolation: network.record.isolation,
        directory: directory.to_owned(),
        name: record.arguments.name.clone(),
        address: record.address,
        ssh_port: ssh_port(network.record.isolation),
        authorized_keys: record.arguments.authorized_keys.clone(),
        publish: record.arguments.publish.keys().copied().collect(),
        volumes,
        boot_id: running.boot_id.clone(),
    })
}

/// Binds a socket in a directory whose path may be longer than a socket's name may be (108 bytes):
/// the directory is reached through its open file.
fn unix_listener(directory: &Path, name: &str) -> Result<UnixListener, Failure> {
    let path = directory.join(name);
    let _ = fs::remove_file(&path);
    let open = File::open(directory)?;
    let short = format!("/proc/self/fd/{}/{name}", open.as_raw_fd());
    let said = format!("listen on {}", path.display());
    let listener = UnixListener::bind(short).map_err(Failure::at(said))?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn published(record: &MachineRecord) -> Result<Vec<OwnedFd>, Failure> {
    let ports = record.arguments.publish.iter();
    ports
        .map(|(node_port, host_port)| {
            TcpListener::bind((Ipv4Addr::LOCALHOST, *host_port)).map(OwnedFd::from).map_err(
                |error| Failure {
                    detail: format!(
                        "cannot publish its port {node_port} as 127.0.0.1:{host_port}: {error}"
                    ),
                    hint: "choose another host port, or stop what listens there".into(),
                },
            )
        })
        .collect()
}

/// Leaves the launcher in the network's user namespace, in new namespaces of most other kinds; the next
/// program it starts is number 1 of the new process namespace. Only the mount namespace is the init's
/// own doing: it changes its root, and the launcher still has to write files.
fn plug_in(record: &MachineRecord, network: &Network) -> Result<(), Failure> {
    let open = |kind: &str| -> Result<File, Failure> {
        let path = format!("/proc/{}/ns/{kind}", network.running.identity.pid);
        File::open(&path).map_err(Failure::at(format!("open {path}")))
    };
    let (user, net) = (open("user")?, open("net")?);
    if !network.running.identity.is_alive() {
        return Err(Failure::new(format!("its network `{}` has just ended", network.record.name)));
    }
    if network.record.isolation == Isolation::Namespaces {
        setns(user, CloneFlags::CLONE_NEWUSER).map_err(Failure::at("enter the user namespace"))?;
    }
    setns(net, CloneFlags::CLONE_NEWNET).map_err(Failure::at("enter the network namespace"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let bridge_side = link::connect()?;
        unshare(
            CloneFlags::CLONE_NEWNET
                | CloneFlags::CLONE_NEWUTS
                | CloneFlags::CLONE_NEWIPC
                | CloneFlags::CLONE_NEWPID,
        )
        .map_err(Failure::at("make the machine's namespaces"))?;
        let machine_side = link::connect()?;
        let own = File::open("/proc/self/ns/net")?;
        let cable = Cable::of(&network.record.name, &record.arguments.name);
        link::plug(&bridge_side, own.as_fd(), &cable)
            .await
            .map_err(Failure::at("plug the machine into the bridge"))?;
        let prefix = Cidr::parse(&network.record.cidr)?.prefix();
        link::configure(&machine_side, record.address, prefix)
            .await
            .map_err(Failure::at("give the machine its address"))
    })
}
