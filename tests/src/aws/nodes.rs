//! Instances that are real: each running instance is a machine of the local cloud, with its address in all answers.
//!
//! [`Backing::processes`] are directories and programs with an address of 127.0.1.0/24 each, private and public alike, which
//! whoever talks to the proxy can reach. [`Backing::namespaces`] have a network of their own, in which they reach each other at their
//! private addresses; from outside they are reached at the public one, by a door (`doors`). Their SSH port is [`SSH_PORT`]
//! there. Keys come from the key pair and from the user data, the host key from the user data, as
//! cloud-init reads them: `ssh_authorized_keys`, `ssh_keys.ed25519_private`. Refuses to know: the rest of the user data,
//! volumes and security groups.

use super::call::Call;
use super::doors::Door;
use super::moto::python;
use super::xml::Element;
use provider_local::{Cloud, Isolation, Kind, LocalError, MachineArguments, Owner, Removal};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The port of the nodes' SSH servers.
pub const SSH_PORT: u16 = 2222;

const NETWORK: &str = "aws";

/// Reads the part of user data that is for SSH: the keys of those who may log in, and the host key.
const READ: &str = "
import base64, json, sys, yaml
data = yaml.safe_load(base64.b64decode(sys.stdin.read())) or {}
data = data if isinstance(data, dict) else {}
users = [user for user in data.get('users') or [] if isinstance(user, dict)]
keys = list(data.get('ssh_authorized_keys') or [])
for user in users:
    keys += user.get('ssh_authorized_keys') or []
json.dump({'keys': keys, 'host_key': (data.get('ssh_keys') or {}).get('ed25519_private')}, sys.stdout)
";

/// What instances are.
#[derive(Clone, Debug)]
pub struct Backing {
    program: PathBuf,
    isolation: Isolation,
}

impl Backing {
    /// Process trees of a program that calls `provider_local::internal_main` before anything else.
    pub fn processes(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), isolation: Isolation::Processes }
    }

    /// Machines with a network of their own, of such a program.
    pub fn namespaces(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), isolation: Isolation::Namespaces }
    }
}

/// The machines behind the instances.
#[derive(Debug)]
pub(super) struct Nodes {
    cloud: Cloud,
    isolation: Isolation,
    machines: BTreeMap<String, Reached>,
    _directory: tempfile::TempDir,
}

/// How a machine is reached.
#[derive(Debug)]
struct Reached {
    private: Ipv4Addr,
    /// From outside, unless the private address does.
    door: Option<Door>,
}

/// Who is behind everything here.
fn owner(name: &str) -> Owner {
    Owner {
        lineage: "aws-for-tests".to_owned(),
        environment: "aws".to_owned(),
        address: name.to_owned(),
        token: name.to_owned(),
    }
}

impl Nodes {
    /// Without instances yet.
    pub(super) fn new(Backing { program, isolation }: Backing) -> Result<Self, LocalError> {
        let directory = tempfile::TempDir::with_prefix("aws-").expect("a temporary directory");
        let cloud = Cloud::new(directory.path().join("cloud"), program).with_isolation(isolation);
        cloud.create_network(&owner(NETWORK), NETWORK, "10.213.0.0/16")?;
        Ok(Self { cloud, isolation, machines: BTreeMap::new(), _directory: directory })
    }

    /// Starts the machine of an instance.
    pub(super) fn start(
        &mut self,
        id: &str,
        call: &Call,
        key_pair: Option<String>,
    ) -> Result<(), String> {
        let data = UserData::read(call.parameter("UserData"))?;
        let arguments = MachineArguments {
            name: id.to_owned(),
            network: NETWORK.to_owned(),
            authorized_keys: key_pair.into_iter().chain(data.keys).collect(),
            ..MachineArguments::default()
        };
        let failed = |error: LocalError| error.to_string();
        let machine = self.cloud.create_machine(&owner(id), &arguments).map_err(failed)?;
        if let Some(key) = data.host_key {
            // It is read when a machine starts, so this one starts again with it.
            let root = self.cloud.layout().object(Kind::Machine, id).join("root");
            write_secret(&root.join("etc/ssh/ssh_host_ed25519_key"), &key)
                .map_err(|error| format!("the host key cannot be written: {error}"))?;
            self.cloud.reboot_machine(id).map_err(failed)?;
        }
        let door = if self.isolation == Isolation::Processes {
            None
        } else {
            let door = Door::to(machine.socket.clone(), SSH_PORT);
            Some(door.map_err(|error| format!("no public address can be had: {error}"))?)
        };
        self.machines.insert(id.to_owned(), Reached { private: machine.record.address, door });
        Ok(())
    }

    /// Follows what a call does to machines that there are.
    pub(super) fn follow(&mut self, call: &Call) -> Result<(), String> {
        for id in call.list("InstanceId") {
            if !self.machines.contains_key(id) {
                continue;
            }
            let done = match call.operation.as_str() {
                "TerminateInstances" => self.cloud.delete_machine(&owner(id), id, Removal::Deleted),
                "RebootInstances" | "StartInstances" => self.cloud.reboot_machine(id).map(drop),
                _ => Ok(()),
            };
            done.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Tells the nodes' addresses in an answer. An instance without a public address stays so.
    pub(super) fn show(&self, answer: &mut Element) {
        let set = |element: &mut Element, reached: &Reached| {
            let public = reached.door.as_ref().map_or(reached.private, Door::address);
            element.each_mut(&mut |below| match below.name.as_str() {
                "privateIpAddress" => below.text = reached.private.to_string(),
                "ipAddress" | "publicIp" => below.text = public.to_string(),
                _ => {}
            });
        };
        answer.each_mut(&mut |element| {
            let is_instance = element.at("instanceState").is_some();
            let is_interface = element.at("networkInterfaceId").is_some();
            let id = match (is_instance, is_interface) {
                (true, _) => element.text_at("instanceId"),
                (_, true) => element.text_at("attachment/instanceId"),
                _ => return,
            };
            if let Some(reached) = self.machines.get(id) {
                set(element, reached);
            }
        });
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for id in self.machines.keys() {
            // It may be gone already.
            let _ = self.cloud.delete_machine(&owner(id), id, Removal::Deleted);
        }
        // Where machines have a network of their own, a program holds it.
        let ended = self.cloud.delete_network(&owner(NETWORK), NETWORK, Removal::Deleted);
        if !std::thread::panicking() {
            assert!(ended.is_ok(), "the network of the nodes stays: {ended:?}");
        }
    }
}

/// What is for SSH in user data.
#[derive(Debug, Default)]
struct UserData {
    keys: Vec<String>,
    host_key: Option<String>,
}

impl UserData {
    fn read(encoded: Option<&str>) -> Result<Self, String> {
        let Some(encoded) = encoded.filter(|encoded| !encoded.is_empty()) else {
            return Ok(Self::default());
        };
        let python = python().ok_or("there is no Python to read the user data with")?;
        let started = Command::new(python)
            .args(["-c", READ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = started.map_err(|error| error.to_string())?;
        if let Some(mut input) = child.stdin.take() {
            // If it does not read, it says nothing either, which is told below.
            let _ = input.write_all(encoded.as_bytes());
        }
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        // Its own words are not told: user data may be secret.
        let read: serde_json::Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| "its user data is not that of cloud-init".to_owned())?;
        let keys = read["keys"].as_array().into_iter().flatten();
        let keys = keys.filter_map(|key| key.as_str().map(str::to_owned)).collect();
        Ok(Self { keys, host_key: read["host_key"].as_str().map(str::to_owned) })
    }
}

fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{}", text.trim_end())
}
