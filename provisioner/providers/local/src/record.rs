//! What the local cloud writes down about its objects, and the orders it gives to what it starts.
//!
//! Invariant: a record is written before anything of the object exists and says whose it is; every
//! record carries the number of its format.

use crate::alive::Identity;
use crate::error::LocalError;
use crate::layout::{Kind, Layout};
use crate::tree::Summary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// The format of all records of this crate.
pub const FORMAT: u32 = 1;

/// Whose object it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The environment's lineage.
    pub lineage: String,
    /// The environment's name, for people.
    #[serde(default)]
    pub environment: String,
    /// The address of the instance.
    pub address: String,
    /// The idempotency token of the operation that made it.
    pub token: String,
}

impl Owner {
    /// Whether both are of the same environment. The state knows which object belongs to which instance, and `state mv`
    /// may have given the instance another address since the object was made.
    pub fn is_same_environment(&self, other: &Self) -> bool {
        self.lineage == other.lineage
    }

    /// Whether both are the same instance of the same environment.
    pub fn is_same_instance(&self, other: &Self) -> bool {
        self.lineage == other.lineage && self.address == other.address
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of environment ", self.address)?;
        if self.environment.is_empty() {
            write!(formatter, "lineage {}", self.lineage)
        } else {
            write!(formatter, "`{}` (lineage {})", self.environment, self.lineage)
        }
    }
}

/// How nodes are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Namespaces inside one unprivileged user namespace.
    Namespaces,
    /// Namespaces made by root, where the kernel forbids user namespaces.
    RootNamespaces,
    /// A directory and a loopback address a node.
    Processes,
}

impl Isolation {
    /// The value of the attribute `isolation`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespaces | Self::RootNamespaces => "namespaces",
            Self::Processes => "processes",
        }
    }

    /// Whether nodes have namespaces.
    pub fn has_namespaces(self) -> bool {
        self != Self::Processes
    }
}

/// `network.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// [`FORMAT`].
    pub format: u32,
    /// Whose it is.
    pub owner: Owner,
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub cidr: String,
    /// How its machines are kept apart; decided once.
    pub isolation: Isolation,
}

/// A volume at a path of a machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Attachment {
    /// The volume's name.
    pub volume: String,
    /// The absolute path on the machine.
    pub path: String,
}

/// What the configuration says about a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineArguments {
    /// Its name, which is its host name too.
    pub name: String,
    /// The network's name.
    pub network: String,
    /// The failure domain.
    pub domain: Option<String>,
    /// The wanted address.
    pub address: Option<Ipv4Addr>,
    /// Who may log in.
    pub authorized_keys: Vec<String>,
    /// Node port to host port on 127.0.0.1.
    pub publish: BTreeMap<u16, u16>,
    /// Volumes by path.
    pub volumes: Vec<Attachment>,
    /// The snapshot that its files began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// `machine.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineRecord {
    /// [`FORMAT`].
    pub format: u32,
    /// Whose it is.
    pub owner: Owner,
    /// What was asked for.
    pub arguments: MachineArguments,
    /// The address it has.
    pub address: Ipv4Addr,
}

impl MachineRecord {
    /// Whether its files are there that it needs before its first start: the others are made by that.
    pub fn has_files(&self, layout: &Layout) -> bool {
        self.arguments.snapshot.is_none() || layout.machine_root(&self.arguments.name).is_dir()
    }
}

/// `volume.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeRecord {
    /// [`FORMAT`].
    pub format: u32,
    /// Whose it is.
    pub owner: Owner,
    /// Its name.
    pub name: String,
    /// Its size in GiB: recorded, not enforced.
    pub size_gib: u64,
    /// The snapshot that its content began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Captured {
    /// A machine.
    Machine {
        /// Its name.
        name: String,
        /// The address it had.
        address: Option<Ipv4Addr>,
    },
    /// A volume.
    Volume {
        /// Its name.
        name: String,
    },
}

impl Captured {
    /// What kind of object it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Machine { .. } => Kind::Machine,
            Self::Volume { .. } => Kind::Volume,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Machine { name, .. } | Self::Volume { name } => name,
        }
    }

    /// The error that says that it is not there.
    pub(crate) fn missing(&self) -> LocalError {
        LocalError::Missing { kind: self.kind().word(), name: self.name().to_owned() }
    }
}

/// What was captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// `sha256:...` over all of it.
    pub digest: String,
    /// Bytes in all files.
    pub size: u64,
    /// How many files.
    pub files: u64,
    /// When the first was copied, as RFC 3339 has it.
    pub created_at: String,
}

impl Content {
    /// Whether a tree is this.
    pub fn is(&self, found: &Summary) -> bool {
        self.digest == found.digest
    }
}

/// `snapshot.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    /// [`FORMAT`].
    pub format: u32,
    /// Whose it is.
    pub owner: Owner,
    /// Its name.
    pub name: String,
    /// What it is of, as it was when it was taken.
    pub of: Captured,
    /// What is in it; written before the content has its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// `holder.json` and `run/init.json`: what runs, believed only while the lock beside it is held. Written by
/// the launcher, before the program is told to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The program on the host.
    pub identity: Identity,
    /// Made anew with every start.
    pub boot_id: String,
    /// For a machine: the boot of the network it is connected to.
    #[serde(default)]
    pub network_boot_id: String,
    /// For a machine: whether it has namespaces.
    #[serde(default)]
    pub namespaces: bool,
    /// For a machine: node port to host port, as it was started.
    #[serde(default)]
    pub publish: BTreeMap<u16, u16>,
    /// What the program said once it was up.
    #[serde(skip)]
    pub up: Option<Up>,
}

/// `up.json` beside it: written by the program itself once it is up, so that it is known whoever of the
/// others was killed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Up {
    /// The boot that is up; an older one says nothing about the present.
    pub boot_id: String,
    /// For a machine: the public host key, `ssh-ed25519 AAAA...`.
    #[serde(default)]
    pub host_key: Option<String>,
    /// What works only in part, for example a missing tunnel device.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What the launcher tells a network's holder. Its files: the lock, and the directory for [`Up`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HolderOrder {
    /// Made anew with every start.
    pub boot_id: String,
    /// Whether to make a user namespace first.
    pub user_namespace: bool,
    /// The bridge's own address.
    pub gateway: Ipv4Addr,
    /// Length of the network's prefix.
    pub prefix: u8,
}

/// A volume for the init: where it is on the host and where it goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VolumeOrder {
    /// The directory on the host.
    pub source: PathBuf,
    /// The absolute path on the machine.
    pub path: String,
}

/// What the launcher tells a machine's init. Its files: the lock, the directory for [`Up`], the SSH
/// listener, the control listener, and one listener a published port, in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BootOrder {
    /// How the machine is kept apart.
    pub isolation: Isolation,
    /// The machine's directory on the host, the value of the mark.
    pub directory: PathBuf,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// The SSH port on that address.
    pub ssh_port: u16,
    /// Who may log in.
    pub authorized_keys: Vec<String>,
    /// The node ports behind the published listeners.
    pub publish: Vec<u16>,
    /// Volumes to mount.
    pub volumes: Vec<VolumeOrder>,
    /// Made anew with every start.
    pub boot_id: String,
}

/// The answer of a holder or init to its order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// It works.
    Up,
    /// It does not, and ends.
    Failed {
        /// Why.
        detail: String,
    },
}

impl Running {
    /// Something that is about to be started.
    pub fn starting(boot_id: String) -> Self {
        Self {
            identity: Identity { pid: 0, start_ticks: 0 },
            boot_id,
            network_boot_id: String::new(),
            namespaces: false,
            publish: BTreeMap::new(),
            up: None,
        }
    }

    /// What stands for the holder of a network that needs none.
    pub fn without_program() -> Self {
        Self { up: Some(Up::default()), ..Self::starting("loopback".to_owned()) }
    }

    /// The public host key of a machine that is up.
    pub fn host_key(&self) -> Option<&str> {
        self.up.as_ref().and_then(|up| up.host_key.as_deref())
    }
}
