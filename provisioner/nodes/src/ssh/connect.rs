//! One handshake with one node: transport, pinned host key, login; and the patience for a node that
//! is still booting.
//!
//! Invariants: a wrong host key or a refused login is final at once, and so is a socket of this machine
//! that nobody listens on (its node is made only once it listens, so it is down, not booting);
//! everything else is tried again, with a growing pause, until the deadline.

use std::borrow::Cow;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::{PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Preferred, cipher, compression};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{Connection, Identity, Settings, fingerprint};
use crate::host::{HostError, Phase, Stream, within};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Compares the key that the server shows with the pinned one.
pub(super) struct PinnedKey {
    expected: PublicKey,
    refused: Arc<Mutex<Option<String>>>,
}

impl client::Handler for PinnedKey {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let found = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                if key.key_data() == self.expected.key_data() {
                    return Ok(true);
                }
                fingerprint(key)
            }
            PublicKeyOrCertificate::Certificate(_) => "a certificate".to_owned(),
        };
        if let Ok(mut refused) = self.refused.lock() {
            *refused = Some(found);
        }
        Ok(false)
    }
}

/// Connects and logs in, again and again until `patience` has passed. Each attempt takes its turn in
/// `handshakes`; the pauses between them do not, so that absent nodes do not hold up the others.
pub(super) async fn connect(
    connection: &Connection,
    identity: &Identity,
    settings: &Settings,
    patience: Duration,
    handshakes: &Semaphore,
) -> Result<Handle<PinnedKey>, HostError> {
    let name = &connection.name;
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        let turn = handshakes
            .acquire()
            .await
            .map_err(|_closed| HostError::transient(name, Phase::Connect, "the pool is closed"))?;
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = settings.handshake_limit.min(left);
        let attempt = handshake(connection, identity, settings);
        let result = within(name, Phase::Connect, limit, attempt).await;
        drop(turn);
        let error = match result {
            Ok(handle) => return Ok(handle),
            Err(error) => error,
        };
        let final_answer =
            matches!(error.retry, crate::host::Retry::Denied | crate::host::Retry::Invalid);
        let is_down = connection.socket.is_some() && !listens(connection).await;
        if final_answer || is_down || Instant::now() + pause >= deadline {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether anybody listens on the node's socket.
async fn listens(connection: &Connection) -> bool {
    match transport(connection).await {
        Ok(_) => true,
        Err(error) => {
            !matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
        }
    }
}

async fn handshake(
    connection: &Connection,
    identity: &Identity,
    settings: &Settings,
) -> Result<Handle<PinnedKey>, HostError> {
    let expected = connection.pinned()?;
    let name = &connection.name;
    let stream = transport(connection).await.map_err(|error| unreachable(connection, &error))?;
    let refused = Arc::new(Mutex::new(None));
    let pinned = PinnedKey { expected: expected.clone(), refused: Arc::clone(&refused) };
    let config = Arc::new(config(settings, &expected));
    let mut handle = match client::connect_stream(config, stream, pinned).await {
        Ok(handle) => handle,
        Err(error) => {
            let found = refused.lock().ok().and_then(|mut found| found.take());
            return Err(match found {
                Some(found) => wrong_key(connection, &expected, &found),
                None => unreachable(connection, &error),
            });
        }
    };
    let key = PrivateKeyWithHashAlg::new(Arc::new(identity.private()), None);
    let answer = handle
        .authenticate_publickey(connection.user.clone(), key)
        .await
        .map_err(|error| HostError::transient(name, Phase::Login, error.to_string()))?;
    if answer.success() {
        return Ok(handle);
    }
    Err(HostError::denied(
        name,
        Phase::Login,
        format!("{}@{} refuses our key {}", connection.user, connection.place(), identity.fingerprint()),
    )
    .hint("the node must list this environment's public key in authorized_keys; a key from another copy of the environment does not fit"))
}

fn unreachable(connection: &Connection, error: &dyn std::error::Error) -> HostError {
    let message = format!("{} does not answer as an SSH server: {error}", connection.place());
    HostError::transient(&connection.name, Phase::Connect, message)
        .hint("is the machine running? `plan` refreshes it and shows what is missing")
}

fn wrong_key(connection: &Connection, expected: &PublicKey, found: &str) -> HostError {
    let message = format!(
        "{} shows host key {found}, expected {}",
        connection.place(),
        fingerprint(expected)
    );
    HostError::denied(&connection.name, Phase::Connect, message).hint(
        "nothing was sent. If the machine was rebuilt on purpose, replace its resource so that the new key is recorded; otherwise another machine answers at this address",
    )
}

fn config(settings: &Settings, expected: &PublicKey) -> client::Config {
    client::Config {
        keepalive_interval: Some(settings.keepalive),
        keepalive_max: 3,
        nodelay: true,
        preferred: Preferred {
            // Only the pinned kind of key: a server with several must show that one.
            key: Cow::Owned(vec![expected.algorithm()]),
            cipher: Cow::Borrowed(&[cipher::AES_256_GCM, cipher::CHACHA20_POLY1305]),
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}

async fn transport(connection: &Connection) -> io::Result<Stream> {
    if let Some(socket) = &connection.socket {
        return Ok(Box::new(unix_socket(socket).await?));
    }
    let stream = TcpStream::connect((connection.address.as_str(), connection.port)).await?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

/// A socket's path may have only 108 bytes, an environment's directory may be longer: connect by way
/// of an open directory.
async fn unix_socket(path: &Path) -> io::Result<UnixStream> {
    let (Some(directory), Some(file)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the path of a socket"));
    };
    let directory = std::fs::File::open(directory)?;
    let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(file);
    UnixStream::connect(short).await
}
