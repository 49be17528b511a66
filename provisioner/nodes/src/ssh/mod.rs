//! SSH: how a node on the other side of a network becomes a [`Host`](crate::Host).
//!
//! Invariants: a host key is pinned before the first byte and an unknown or different key is refused;
//! we log in with one Ed25519 key and nothing else (no password, no agent); one pooled connection a
//! node; new connections are paced, because an SSH server drops bursts. Refuses to know where keys
//! and addresses are recorded: it gets a [`Connection`] and an [`Identity`].

mod connect;
mod pool;
mod session;

use std::fmt;
use std::path::PathBuf;

use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::{HashAlg, PrivateKey, PublicKey};
use serde::{Deserialize, Serialize};

pub use pool::{Pool, Settings, SshHost};
pub use session::{PtySize, Session};

pub(crate) use pool::{in_time, limited, write_script, written};

use crate::host::{HostError, Phase};

/// How to reach one node, and which key it must show. It holds no secret and may be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The node's name, for messages.
    pub name: String,
    /// Address or host name.
    pub address: String,
    /// TCP port of the SSH server.
    pub port: u16,
    /// The user to log in as.
    pub user: String,
    /// The pinned host key as one OpenSSH line, `ssh-ed25519 AAAA...`.
    pub host_key: String,
    /// A unix socket on this machine to connect to instead of `address:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
}

impl Connection {
    /// Where the connection goes, for messages.
    pub fn place(&self) -> String {
        match &self.socket {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", self.address, self.port),
        }
    }

    /// The pinned key, or an error that names the node.
    fn pinned(&self) -> Result<PublicKey, HostError> {
        PublicKey::from_openssh(self.host_key.trim()).map_err(|error| {
            HostError::invalid(
                &self.name,
                Phase::Connect,
                format!(
                    "the recorded host key {:?} is not an OpenSSH public key: {error}",
                    self.host_key
                ),
            )
            .hint("the machine's `host_key` must be one line, like `ssh-ed25519 AAAA...`")
        })
    }
}

/// The key that provisioner shows to nodes.
#[derive(Clone)]
pub struct Identity(PrivateKey);

impl Identity {
    /// The Ed25519 key of a 32-byte secret seed; the same seed always gives the same key.
    pub fn from_seed(seed: &[u8; 32], comment: &str) -> Self {
        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(seed));
        let key =
            PrivateKey::new(pair, comment).expect("an unencrypted pair is always a private key");
        Self(key)
    }

    /// The line for `authorized_keys`.
    pub fn public_line(&self) -> String {
        self.0.public_key().to_openssh().expect("an Ed25519 key has an OpenSSH form")
    }

    /// The public key's fingerprint, `SHA256:...`.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.0.public_key())
    }

    fn private(&self) -> PrivateKey {
        self.0.clone()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity({})", self.fingerprint())
    }
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}
