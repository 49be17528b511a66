//! `__node-init`: from the boot order to a working node, and its end.

use super::ctl::SOCKET;
use super::deadman::DeadMen;
use super::programs::{Place, Programs};
use super::server::Server;
use super::services::Services;
use super::session::Host;
use super::{publish, root, ssh};
use crate::passing;
use crate::record::{Attachment, BootOrder, Isolation, Report, Up};
use russh::keys::PrivateKey;
use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};

/// What the launcher handed over.
struct Sockets {
    /// Keeps the machine's lock.
    _lock: OwnedFd,
    state: OwnedFd,
    ssh: OwnedFd,
    control: OwnedFd,
    published: Vec<OwnedFd>,
}

impl Sockets {
    fn from(mut files: Vec<OwnedFd>) -> Option<Self> {
        if files.len() < 4 {
            return None;
        }
        let published = files.split_off(4);
        let mut first = files.into_iter();
        Some(Self {
            _lock: first.next()?,
            state: first.next()?,
            ssh: first.next()?,
            control: first.next()?,
            published,
        })
    }
}

/// The machine's files are in place; nothing runs yet.
struct Prepared {
    place: Place,
    key: PrivateKey,
    public_key: String,
    warnings: Vec<String>,
}

/// `__node-init`: the node itself.
#[expect(clippy::print_stderr, reason = "standard error is the node's log")]
pub fn init_main() -> ExitCode {
    let Ok(Some((order, files))) = passing::receive::<BootOrder>(io::stdin()) else {
        return ExitCode::FAILURE;
    };
    let Some(sockets) = Sockets::from(files) else {
        return ExitCode::FAILURE;
    };
    let _ = rustix::process::setsid();
    let result = prepare(&order).and_then(|prepared| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(live(&order, prepared, sockets))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let detail = error.to_string();
            let _ = passing::send(io::stdin(), &Report::Failed { detail }, &[]);
            ExitCode::FAILURE
        }
    }
}

fn prepare(order: &BootOrder) -> io::Result<Prepared> {
    let directory = order.directory.join("root");
    let place = if order.isolation.has_namespaces() {
        root::enter(&directory, &order.volumes)?;
        rustix::system::sethostname(order.name.as_bytes())?;
        Place { prefix: PathBuf::new(), mark: None }
    } else {
        prepare_directory(order, &directory)?;
        Place { prefix: directory, mark: Some(order.directory.clone()) }
    };
    root::write_identity(&place.path("/"), &order.name, order.address)?;
    ssh::write_keys(&place, &order.authorized_keys)?;
    let (key, public_key) = ssh::host_key(&place)?;
    write_ctl(&place)?;
    Ok(Prepared { place, key, public_key, warnings: warnings(order.isolation) })
}

/// A node without namespaces: a directory, and the parenthood of everything it starts.
fn prepare_directory(order: &BootOrder, directory: &Path) -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    root::make_directories(directory)?;
    let run = directory.join("run/provisioner");
    let _ = fs::remove_dir_all(&run);
    fs::create_dir_all(&run)?;
    for volume in &order.volumes {
        let attachment = Attachment { volume: String::new(), path: volume.path.clone() };
        crate::launch::change_link(directory, &volume.source, &attachment, true)
            .map_err(io::Error::other)?;
    }
    Ok(())
}

/// `ctl` is this program, found through the init itself: it works whatever became of its file.
fn write_ctl(place: &Place) -> io::Result<()> {
    let directory = place.path("/run/provisioner");
    let own_number = std::process::id();
    let shown = directory.display().to_string().replace('\'', "'\\''");
    let script = format!("#!/bin/sh\nexec /proc/{own_number}/exe __node-ctl '{shown}' \"$@\"\n");
    let path = directory.join("ctl");
    fs::write(&path, script)?;
    fs::set_permissions(&path, Permissions::from_mode(0o755))
}

fn warnings(isolation: Isolation) -> Vec<String> {
    let tunnel = Path::new("/dev/net/tun");
    match OpenOptions::new().read(true).write(true).open(tunnel) {
        Ok(_) if isolation.has_namespaces() => Vec::new(),
        Ok(_) => vec!["without user namespaces a mesh daemon cannot make its tunnel".to_owned()],
        Err(error) => vec![format!(
            "/dev/net/tun cannot be opened ({error}), so no mesh daemon can make its tunnel; \
             as root: `modprobe tun && chmod 0666 /dev/net/tun`"
        )],
    }
}

fn unix(listener: OwnedFd) -> io::Result<UnixListener> {
    let listener = std::os::unix::net::UnixListener::from(listener);
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

fn tcp(listener: OwnedFd) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(listener);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn live(order: &BootOrder, prepared: Prepared, sockets: Sockets) -> io::Result<()> {
    let Prepared { place, key, public_key, warnings } = prepared;
    let mut end = signal(SignalKind::terminate())?;
    let programs = Programs::default();
    tokio::spawn(programs.clone().bury_forever());
    let server = Server {
        place: place.clone(),
        services: Services::new(place.clone(), programs.clone()),
        dead_men: DeadMen::new(place.clone(), programs.clone()),
    };
    let own_socket = bind_own_socket(&place)?;
    tokio::spawn(server.clone().listen(own_socket));
    tokio::spawn(server.clone().listen(unix(sockets.control)?));

    let own = if place.mark.is_some() { order.address } else { Ipv4Addr::UNSPECIFIED };
    let ssh_tcp = TcpListener::bind((own, order.ssh_port)).await.map_err(|error| {
        io::Error::new(error.kind(), format!("listen on {own}:{}: {error}", order.ssh_port))
    })?;
    let config = ssh::configuration(key);
    let host = Host { place, programs };
    tokio::spawn(serve_tcp(config.clone(), host.clone(), ssh_tcp));
    tokio::spawn(serve_unix(config, host, unix(sockets.ssh)?));
    for (listener, port) in sockets.published.into_iter().zip(&order.publish) {
        tokio::spawn(publish::carry(tcp(listener)?, order.address, *port));
    }

    let up = Up { boot_id: order.boot_id.clone(), host_key: Some(public_key), warnings };
    crate::launch::report_up(&sockets.state, &up)?;
    let boot = server.clone();
    let booting = tokio::spawn(async move {
        boot.dead_men.boot().await;
        boot.services.boot().await;
    });
    end.recv().await;
    booting.abort();
    server.services.stop_all().await;
    Ok(())
}

/// The socket of `ctl`; its path may be longer than a socket's name may be.
fn bind_own_socket(place: &Place) -> io::Result<UnixListener> {
    use std::os::fd::AsRawFd as _;
    let directory = fs::File::open(place.path("/run/provisioner"))?;
    let path = format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd());
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

type SshConfig = std::sync::Arc<russh::server::Config>;

async fn serve_tcp(config: SshConfig, host: Host, listener: TcpListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(ssh::serve(config.clone(), host.clone(), stream));
        } else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}

async fn serve_unix(config: SshConfig, host: Host, listener: UnixListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(ssh::serve(config.clone(), host.clone(), stream));
        } else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}
