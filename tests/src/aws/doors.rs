//! Public addresses of machines that have a network of their own: what connects to one on this machine is led to the
//! machine's SSH server.
//!
//! Invariant: a door that is dropped is closed. Refuses to know: what is said through it.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Where public addresses are looked for: a network of loopback addresses that nothing else of the tests uses.
const PUBLIC: [u8; 2] = [127, 213];

/// A public address that leads to a machine.
#[derive(Debug)]
pub(super) struct Door {
    at: SocketAddrV4,
    is_closed: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Door {
    /// A door to the server on a unix socket, at the first address that is free.
    pub(super) fn to(socket: PathBuf, port: u16) -> io::Result<Self> {
        let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
        for number in 1..=u16::MAX {
            let [high, low] = number.to_be_bytes();
            let at = SocketAddrV4::new(Ipv4Addr::new(PUBLIC[0], PUBLIC[1], high, low), port);
            match TcpListener::bind(at) {
                Ok(listener) => return Ok(Self::open(listener, at, socket)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => refused = error,
                Err(error) => return Err(error),
            }
        }
        Err(refused)
    }

    fn open(listener: TcpListener, at: SocketAddrV4, socket: PathBuf) -> Self {
        let is_closed = Arc::new(AtomicBool::new(false));
        let closed = is_closed.clone();
        let listening = std::thread::spawn(move || {
            for guest in listener.incoming() {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever cannot be led on is sent away: the connection ends.
                let _ = guest.and_then(|guest| lead(guest, &socket));
            }
        });
        Self { at, is_closed, listening: Some(listening) }
    }

    /// Its address.
    pub(super) fn address(&self) -> Ipv4Addr {
        *self.at.ip()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::SeqCst);
        // Wakes the one who listens.
        let _ = TcpStream::connect(self.at);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

/// Carries bytes both ways until either side has said all.
fn lead(guest: TcpStream, socket: &Path) -> io::Result<()> {
    let host = UnixStream::connect(socket)?;
    let (mut from_guest, mut to_guest) = (guest.try_clone()?, guest);
    let (mut from_host, mut to_host) = (host.try_clone()?, host);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from_guest, &mut to_host);
        let _ = to_host.shutdown(Shutdown::Write);
    });
    std::thread::spawn(move || {
        let _ = io::copy(&mut from_host, &mut to_guest);
        let _ = to_guest.shutdown(Shutdown::Write);
    });
    Ok(())
}
