//! A real SSH server in this program: public keys, commands run by `sh`, TCP dialled for the client.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelMsg, ChannelOpenFailure};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};

/// The server, listening on TCP and on a unix socket until dropped.
pub struct SshServer {
    pub port: u16,
    pub socket: PathBuf,
    pub host_key: String,
    pub logins: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for SshServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// A host key from a seed, with its public line.
pub fn host_key(seed: u8) -> (PrivateKey, String) {
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]));
    let line = key.public_key().to_openssh().unwrap();
    (key, line)
}

impl SshServer {
    pub async fn start(directory: &Path, authorized: &str) -> Self {
        let (key, line) = host_key(7);
        let config = Config {
            keys: vec![key],
            auth_rejection_time: std::time::Duration::from_millis(1),
            inactivity_timeout: None,
            ..Config::default()
        };
        let config = Arc::new(config);
        let logins = Arc::new(AtomicUsize::new(0));
        let login = Login {
            authorized: PublicKey::from_openssh(authorized).unwrap(),
            root: directory.to_owned(),
            logins: Arc::clone(&logins),
        };
        let tcp = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = tcp.local_addr().unwrap().port();
        let socket = directory.join("ssh.sock");
        // A path beyond 108 bytes: bind by way of a short one.
        let short = tempfile::tempdir().unwrap();
        let bound = short.path().join("s");
        let unix = UnixListener::bind(&bound).unwrap();
        std::fs::rename(&bound, &socket).unwrap();
        let (unix_config, unix_login) = (Arc::clone(&config), login.clone());
        let tasks = vec![
            tokio::spawn(async move {
                while let Ok((stream, _)) = tcp.accept().await {
                    tokio::spawn(serve(Arc::clone(&config), stream, login.clone()));
                }
            }),
            tokio::spawn(async move {
                while let Ok((stream, _)) = unix.accept().await {
                    tokio::spawn(serve(Arc::clone(&unix_config), stream, unix_login.clone()));
                }
            }),
        ];
        Self { port, socket, host_key: line, logins, tasks }
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    config: Arc<Config>,
    stream: S,
    login: Login,
) {
    if let Ok(session) = run_stream(config, stream, login).await {
        let _ = session.await;
    }
}

#[derive(Clone)]
struct Login {
    authorized: PublicKey,
    root: PathBuf,
    logins: Arc<AtomicUsize>,
}

impl Handler for Login {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        _user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        if key.public_key.key_data() != self.authorized.key_data() {
            return Ok(Auth::reject());
        }
        self.logins.fetch_add(1, Ordering::SeqCst);
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        tokio::spawn(execute(channel, self.root.clone()));
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let (host, port) = (host.to_owned(), u16::try_from(port).unwrap());
        tokio::spawn(async move {
            let Ok(mut remote) = TcpStream::connect((host.as_str(), port)).await else {
                reply.reject(ChannelOpenFailure::ConnectFailed).await;
                return;
            };
            reply.accept().await;
            let mut local = channel.into_stream();
            let _ = tokio::io::copy_bidirectional(&mut local, &mut remote).await;
        });
        Ok(())
    }
}

/// Runs one command; `sh` where a shell is asked for.
async fn execute(mut channel: Channel<Msg>, root: PathBuf) {
    let command = loop {
        match channel.wait().await {
            Some(ChannelMsg::Exec { command, .. }) => break String::from_utf8(command).unwrap(),
            Some(ChannelMsg::RequestShell { .. }) => break "exec sh".to_owned(),
            Some(_) => {}
            None => return,
        }
    };
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", &command])
        .env("PROVISIONER_ROOT", root)
        .kill_on_drop(true)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output, mut errors) =
        (child.stdin.take(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (mut read, write) = channel.split();
    let feed = tokio::spawn(async move {
        while let Some(message) = read.wait().await {
            match message {
                ChannelMsg::Data { data } => {
                    if let Some(open) = &mut input
                        && open.write_all(&data).await.is_err()
                    {
                        input = None;
                    }
                }
                ChannelMsg::Eof => input = None,
                _ => {}
            }
        }
    });
    let (mut out, mut err) = (write.make_writer(), write.make_writer_ext(Some(1)));
    let (mut one, mut two) = (vec![0; 32768], vec![0; 32768]);
    let outputs = async {
        while let Ok(count @ 1..) = output.read(&mut one).await {
            out.write_all(&one[..count]).await.unwrap();
        }
    };
    let errors = async {
        while let Ok(count @ 1..) = errors.read(&mut two).await {
            err.write_all(&two[..count]).await.unwrap();
        }
    };
    tokio::join!(outputs, errors);
    let status = child.wait().await.unwrap();
    let _ = write.exit_status(u32::try_from(status.code().unwrap_or(255)).unwrap()).await;
    let _ = write.eof().await;
    let _ = write.close().await;
    feed.abort();
}
