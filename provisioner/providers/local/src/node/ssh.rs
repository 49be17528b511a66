//! Logins: public keys only, user root only; sessions and TCP dialled from the node.

use super::session::{self, Host};
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelOpenFailure, MethodKind, MethodSet, SshId};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// How long a dialled address may take to answer.
const DIAL_LIMIT: Duration = Duration::from_secs(10);

/// Where the machine's own key is; beside it, with extensions, its public line and one that is being made.
const HOST_KEY: &str = "/etc/ssh/ssh_host_ed25519_key";

/// Whether a file of the machine's root is its own key, or a part of it.
pub fn is_host_key(relative: &Path) -> bool {
    Path::new("/").join(relative).with_extension("") == Path::new(HOST_KEY)
}

/// The machine's own key: read, or made at its first boot. Gives the key and its public line.
pub fn host_key(place: &super::programs::Place) -> io::Result<(PrivateKey, String)> {
    let path = place.path(HOST_KEY);
    let key = match fs::read_to_string(&path) {
        Ok(text) => PrivateKey::from_openssh(text).map_err(io::Error::other)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_host_key(&path)?,
        Err(error) => return Err(error),
    };
    let mut public = key.public_key().clone();
    public.set_comment("");
    let line = public.to_openssh().map_err(io::Error::other)?.trim().to_owned();
    fs::write(path.with_extension("pub"), format!("{line}\n"))?;
    Ok((key, line))
}

fn make_host_key(path: &Path) -> io::Result<PrivateKey> {
    let mut seed = [0_u8; 32];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    let text = key.to_openssh(russh::keys::ssh_key::LineEnding::LF).map_err(io::Error::other)?;
    let temporary = path.with_extension("new");
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    Ok(key)
}

/// Writes who may log in.
pub fn write_keys(place: &super::programs::Place, keys: &[String]) -> io::Result<()> {
    let path = place.path("/root/.ssh/authorized_keys");
    let temporary = place.path("/root/.ssh/authorized_keys.new");
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    for key in keys {
        writeln!(file, "{}", key.trim())?;
    }
    file.sync_all()?;
    fs::rename(temporary, path)
}

/// How this node speaks SSH.
pub fn configuration(key: PrivateKey) -> Arc<Config> {
    Arc::new(Config {
        server_id: SshId::Standard("SSH-2.0-provisioner_local".into()),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        // Keys cannot be guessed, so a wrong one need not be slowed down much.
        auth_rejection_time: Duration::from_millis(200),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![key],
        inactivity_timeout: None,
        keepalive_interval: Some(Duration::from_secs(30)),
        keepalive_max: 4,
        nodelay: true,
        ..Config::default()
    })
}

/// One connection. Its death closes `alive`, which every session watches.
struct Login {
    host: Host,
    alive: watch::Sender<()>,
}

/// Serves one connection to its end.
pub async fn serve<S>(config: Arc<Config>, host: Host, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let login = Login { host, alive: watch::channel(()).0 };
    if let Ok(running) = russh::server::run_stream(config, stream, login).await {
        let _ = running.await;
    }
}

impl Login {
    fn is_authorized(&self, key: &PublicKey) -> bool {
        let path = self.host.place.path("/root/.ssh/authorized_keys");
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .filter_map(|line| PublicKey::from_openssh(line).ok())
            .any(|allowed| allowed.key_data() == key.key_data())
    }
}

impl Handler for Login {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let known = user == "root" && self.is_authorized(key.public_key);
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        let (host, handle, closed) = (self.host.clone(), session.handle(), self.alive.subscribe());
        tokio::spawn(session::serve(host, channel, handle, closed));
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host_to_connect: &str,
        port_to_connect: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let host = host_to_connect.to_owned();
        let mut closed = self.alive.subscribe();
        tokio::spawn(async move {
            let port = u16::try_from(port_to_connect).unwrap_or(0);
            let dialled =
                tokio::time::timeout(DIAL_LIMIT, TcpStream::connect((host.as_str(), port))).await;
            let Ok(Ok(mut remote)) = dialled else {
                reply.reject(ChannelOpenFailure::ConnectFailed).await;
                return;
            };
            reply.accept().await;
            let _ = remote.set_nodelay(true);
            let mut local = channel.into_stream();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut local, &mut remote) => {}
                _ = closed.changed() => {}
            }
        });
        Ok(())
    }
}
