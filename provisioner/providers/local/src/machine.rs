//! Machines of the local cloud, from the host's side: a record, a directory, and an init.

use crate::cloud::Cloud;
use crate::control;
use crate::disk::{Lock, read_json, write_json};
use crate::error::LocalError;
use crate::launch::{Launched, UP_FILE, change_attachments, launch};
use crate::layout::{Kind, Removal, check_name};
use crate::network::{Cidr, check_environment, check_owner, end_behind, running_behind};
use crate::record::{
    Attachment, FORMAT, Isolation, MachineArguments, MachineRecord, NetworkRecord, Owner, Running,
    Up,
};
use crate::snapshot::take_over;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long services may take to stop before a machine is switched off.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The SSH port of a machine without namespaces.
pub(crate) const LOOPBACK_PORT: u16 = 2222;

/// Whether a machine works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Running,
    /// It has no init.
    Stopped,
    /// Its network was started anew, or is down.
    Disconnected,
}

impl Status {
    /// The value of the attribute `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Disconnected => "disconnected",
        }
    }
}

/// A machine as it is on disk and in the kernel.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its record.
    pub record: MachineRecord,
    /// Its network's record, if that exists.
    pub network: Option<NetworkRecord>,
    /// Whether it works.
    pub status: Status,
    /// What runs, unless it is stopped.
    pub running: Option<Running>,
    /// Its public host key, also while it is stopped.
    pub host_key: Option<String>,
    /// The SSH socket on the host.
    pub socket: PathBuf,
    /// The volumes that are really there.
    pub attached: Vec<Attachment>,
}

impl Machine {
    /// How it is kept apart: as it was started, or as its network says.
    pub fn isolation(&self) -> Isolation {
        match (&self.network, &self.running) {
            (Some(network), _) => network.isolation,
            (None, Some(running)) if !running.namespaces => Isolation::Processes,
            _ => Isolation::Namespaces,
        }
    }
}

impl Cloud {
    /// The names of the machines in a network.
    pub fn machines_in(&self, network: &str) -> Result<Vec<String>, LocalError> {
        let mut inside = Vec::new();
        for record in self.machine_records()? {
            if record.arguments.network == network {
                inside.push(record.arguments.name);
            }
        }
        Ok(inside)
    }

    /// The names of the machines that have a volume.
    pub fn machines_with(&self, volume: &str) -> Result<Vec<String>, LocalError> {
        let records = self.machine_records()?.into_iter();
        let with = records
            .filter(|record| record.arguments.volumes.iter().any(|a| a.volume == volume))
            .map(|record| record.arguments.name);
        Ok(with.collect())
    }

    fn machine_records(&self) -> Result<Vec<MachineRecord>, LocalError> {
        let mut records = Vec::new();
        for name in self.layout().names(Kind::Machine)? {
            records.extend(read_json(&self.layout().record(Kind::Machine, &name))?);
        }
        Ok(records)
    }

    /// Makes and starts a machine, or finishes doing so.
    pub fn create_machine(
        &self,
        owner: &Owner,
        arguments: &MachineArguments,
    ) -> Result<Machine, LocalError> {
        let name = &arguments.name;
        check_name(Kind::Machine, name)?;
        check_arguments(arguments)?;
        let lock = self.layout().lock()?;
        let found: Option<MachineRecord> = read_json(&self.layout().record(Kind::Machine, name))?;
        if let Some(found) = found {
            check_owner(Kind::Machine, name, &found.owner, owner)?;
        } else {
            if let Some(snapshot) = &arguments.snapshot {
                self.check_snapshot(Kind::Machine, snapshot)?;
            }
            let record = MachineRecord {
                format: FORMAT,
                owner: owner.clone(),
                arguments: arguments.clone(),
                address: self.choose_address(arguments)?,
            };
            self.layout().claim(&lock, (Kind::Machine, name), &owner.token, &record)?;
        }
        drop(lock);
        if let Some(snapshot) = &arguments.snapshot {
            self.begin_machine_with(owner, name, snapshot)?;
        }
        self.first_start(name)
    }

    /// Its files are those of the snapshot; who it is, it is itself.
    fn begin_machine_with(
        &self,
        owner: &Owner,
        name: &str,
        snapshot: &str,
    ) -> Result<(), LocalError> {
        let record = read_json::<MachineRecord>(&self.layout().record(Kind::Machine, name))?;
        let Some(MachineRecord { address, .. }) = record else { return Ok(()) };
        let root = self.layout().machine_root(name);
        self.begin_with(owner, (Kind::Machine, name), snapshot, &root, |root, of| {
            take_over(root, of, (name, address))
        })
    }

    /// Nodes without namespaces share the loopback with other clouds, which may take an address between
    /// its choice and its use; then another is chosen.
    fn first_start(&self, name: &str) -> Result<Machine, LocalError> {
        const CHOICES: usize = 20;
        for _ in 0..CHOICES {
            let error = match self.start_machine(name) {
                Err(error @ LocalError::Start { .. }) => error,
                other => return other,
            };
            let mut machine = self.machine(name)?;
            let listening = format!("{}:{LOOPBACK_PORT}", machine.record.address);
            let is_taken = machine.isolation() == Isolation::Processes
                && error.to_string().contains(&listening);
            if !is_taken {
                return Err(error);
            }
            let _lock = self.layout().lock()?;
            machine.record.address = self.choose_address(&machine.record.arguments)?;
            write_json(&self.layout().record(Kind::Machine, name), &machine.record)?;
        }
        self.start_machine(name)
    }

    /// Gives a machine other arguments, and starts it if it does not work. Name, network and address
    /// stay as they are.
    pub fn update_machine(
        &self,
        owner: &Owner,
        arguments: &MachineArguments,
    ) -> Result<Machine, LocalError> {
        let name = &arguments.name;
        check_arguments(arguments)?;
        let before = self.machine(name)?;
        check_environment(Kind::Machine, name, &before.record.owner, owner)?;
        let mut record = before.record.clone();
        record.arguments = MachineArguments {
            network: before.record.arguments.network.clone(),
            address: before.record.arguments.address,
            snapshot: before.record.arguments.snapshot.clone(),
            ..arguments.clone()
        };
        let path = self.layout().record(Kind::Machine, name);
        let Some(running) = before.running.as_ref().filter(|running| {
            before.status == Status::Running && running.publish == record.arguments.publish
        }) else {
            write_json(&path, &record)?;
            return self.reboot_machine(name);
        };
        // What is done is recorded after it is done: until then a reading shows what is missing.
        let keys = &record.arguments.authorized_keys;
        control::replace_keys(&self.run_directory(name), keys)?;
        let changed = record.arguments.volumes == before.attached
            || change_attachments(self, &before, running, &record.arguments.volumes)?;
        write_json(&path, &record)?;
        if changed { self.machine(name) } else { self.reboot_machine(name) }
    }

    /// Stops a machine and starts it again with the same files.
    pub fn reboot_machine(&self, name: &str) -> Result<Machine, LocalError> {
        drop(self.stop_machine(name, Some(STOP_LIMIT))?);
        self.start_machine(name)
    }

    fn start_machine(&self, name: &str) -> Result<Machine, LocalError> {
        for _ in 0..3 {
            match self.machine(name)? {
                found if found.status == Status::Running => return Ok(found),
                found if found.status == Status::Disconnected => {
                    drop(self.stop_machine(name, Some(STOP_LIMIT))?);
                }
                _ => {}
            }
            if let Launched::Up = launch(self.executable(), self.layout(), Kind::Machine, name)? {
                return self.machine(name);
            }
        }
        let found = self.machine(name)?;
        if found.status == Status::Running {
            return Ok(found);
        }
        Err(LocalError::Start {
            kind: Kind::Machine.word(),
            name: name.to_owned(),
            detail: format!("it is {} again and again", found.status.as_str()),
            hint: format!(
                "see {}",
                self.layout().object(Kind::Machine, name).join("log").display()
            ),
        })
    }

    fn run_directory(&self, name: &str) -> PathBuf {
        self.layout().object(Kind::Machine, name).join("run")
    }

    fn stop_machine(&self, name: &str, polite: Option<Duration>) -> Result<Lock, LocalError> {
        let directory = self.layout().object(Kind::Machine, name);
        let lock = directory.join("init.lock");
        let held = end_behind(&lock, &directory.join("run/init.json"), polite)?;
        // Only nodes without namespaces leave something behind, but the record of the network that
        // says so may be gone.
        crate::alive::end_marked(&directory)?;
        Ok(held)
    }

    /// Reads a machine that must exist.
    pub fn machine(&self, name: &str) -> Result<Machine, LocalError> {
        self.find_machine(name)?.ok_or_else(|| LocalError::Missing {
            kind: Kind::Machine.word(),
            name: name.to_owned(),
        })
    }

    /// Reads a machine. One whose files have not all come from its snapshot is none yet.
    pub fn find_machine(&self, name: &str) -> Result<Option<Machine>, LocalError> {
        let Some(record) = read_json::<MachineRecord>(&self.layout().record(Kind::Machine, name))?
        else {
            return Ok(None);
        };
        if !record.has_files(self.layout()) {
            return Ok(None);
        }
        let network = self.find_network(&record.arguments.network)?;
        let directory = self.layout().object(Kind::Machine, name);
        let state = directory.join("run/init.json");
        let running = running_behind(&directory.join("init.lock"), &state)?;
        let network_boot = network.as_ref().and_then(|found| found.running.as_ref());
        let status = match (&running, network_boot) {
            (None, _) => Status::Stopped,
            (Some(running), Some(network)) if running.network_boot_id == network.boot_id => {
                Status::Running
            }
            _ => Status::Disconnected,
        };
        let attached = running
            .as_ref()
            .map(|running| crate::volume::attached(self.layout(), &record, running))
            .unwrap_or_default();
        Ok(Some(Machine {
            record,
            network: network.map(|found| found.record),
            status,
            host_key: read_json::<Up>(&state.with_file_name(UP_FILE))?.and_then(|up| up.host_key),
            running,
            socket: directory.join("run/ssh.sock"),
            attached,
        }))
    }

    /// Deletes a machine with its files; an absent one is fine.
    pub fn delete_machine(
        &self,
        owner: &Owner,
        name: &str,
        removal: Removal,
    ) -> Result<(), LocalError> {
        let Some(record) = read_json::<MachineRecord>(&self.layout().record(Kind::Machine, name))?
        else {
            return self.layout().sweep();
        };
        check_environment(Kind::Machine, name, &record.owner, owner)?;
        let lock = self.stop_machine(name, None)?;
        self.layout().discard(Kind::Machine, name, removal)?;
        drop(lock);
        Ok(())
    }

    fn choose_address(&self, arguments: &MachineArguments) -> Result<Ipv4Addr, LocalError> {
        let network = self.network(&arguments.network)?.record;
        let records = self.machine_records()?;
        let taken: BTreeSet<Ipv4Addr> = records
            .iter()
            .filter(|record| {
                !network.isolation.has_namespaces() || record.arguments.network == arguments.network
            })
            .map(|record| record.address)
            .collect();
        if !network.isolation.has_namespaces() {
            return choose_loopback(self.layout().root(), arguments, &taken);
        }
        let cidr = Cidr::parse(&network.cidr)?;
        match arguments.address {
            None => {
                cidr.machine_addresses().find(|address| !taken.contains(address)).ok_or_else(|| {
                    LocalError::Invalid {
                        what: format!("network `{}` has no free address", network.name),
                        hint: "give the network a shorter prefix".into(),
                    }
                })
            }
            Some(address) if !cidr.is_for_machines(address) => Err(LocalError::Invalid {
                what: format!("{address} is not an address for machines of {}", network.cidr),
                hint: "leave `address` out to have one chosen".into(),
            }),
            Some(address) if taken.contains(&address) => Err(LocalError::Invalid {
                what: format!("{address} belongs to another machine of `{}`", network.name),
                hint: "leave `address` out to have one chosen".into(),
            }),
            Some(address) => Ok(address),
        }
    }
}

/// Nodes without namespaces share the host's loopback, so a free address is one where nobody listens.
fn choose_loopback(
    cloud: &Path,
    arguments: &MachineArguments,
    taken: &BTreeSet<Ipv4Addr>,
) -> Result<Ipv4Addr, LocalError> {
    if let Some(address) = arguments.address {
        return Err(LocalError::Invalid {
            what: format!(
                "machine `{}` cannot have the address {address}: without user namespaces nodes have loopback addresses",
                arguments.name
            ),
            hint: "leave `address` out".into(),
        });
    }
    // Every cloud and machine begins elsewhere, so that clouds seldom meet.
    let digest = Sha256::digest(format!("{}/{}", cloud.display(), arguments.name));
    let first = u16::from(digest[0]);
    let addresses = (0..254_u16).map(|step| {
        let last = u8::try_from(1 + (first + step) % 254).unwrap_or(1);
        Ipv4Addr::new(127, 0, 1, last)
    });
    let mut addresses = addresses.filter(|address| !taken.contains(address));
    addresses.find(|address| TcpListener::bind((*address, LOOPBACK_PORT)).is_ok()).ok_or_else(
        || LocalError::Invalid {
            what: "no address of 127.0.1.0/24 is free".into(),
            hint: "destroy another environment of the local cloud".into(),
        },
    )
}

/// Checks what needs no look at the cloud.
pub(crate) fn check_arguments(arguments: &MachineArguments) -> Result<(), LocalError> {
    let invalid = |what: String, hint: &str| LocalError::Invalid { what, hint: hint.to_owned() };
    for key in &arguments.authorized_keys {
        if russh::keys::ssh_key::PublicKey::from_openssh(key).is_err() {
            return Err(invalid(
                format!(
                    "machine `{}`: an entry of `authorized_keys` is not a public key",
                    arguments.name
                ),
                "write it as in a .pub file: `ssh-ed25519 AAAA... comment`",
            ));
        }
    }
    let mut paths = BTreeSet::new();
    for attachment in &arguments.volumes {
        let path = &attachment.path;
        let usable = path.starts_with('/')
            && path.len() > 1
            && path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
        if !usable || !paths.insert(path) {
            return Err(invalid(
                format!("volume `{}` cannot be attached at `{path}`", attachment.volume),
                "give each volume its own absolute path such as /var/lib/data",
            ));
        }
    }
    let hosts: BTreeSet<u16> = arguments.publish.values().copied().collect();
    if hosts.len() != arguments.publish.len() || hosts.contains(&0) {
        return Err(invalid(
            format!("machine `{}` publishes two ports as one host port, or port 0", arguments.name),
            "give each node port its own host port",
        ));
    }
    Ok(())
}
