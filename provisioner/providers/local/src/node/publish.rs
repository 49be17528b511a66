//! Published ports: connections to 127.0.0.1 of the host, accepted on a listener that was opened there,
//! are carried to a port of the node.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at a time for one port.
const MOST: usize = 256;

async fn dial(own: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    // A service may listen on the loopback address, on the node's own, or on both.
    match TcpStream::connect((IpAddr::from(Ipv4Addr::LOCALHOST), port)).await {
        Ok(stream) => Ok(stream),
        Err(_) => TcpStream::connect((IpAddr::from(own), port)).await,
    }
}

/// Carries connections for ever.
pub async fn carry(listener: TcpListener, own: Ipv4Addr, port: u16) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Ok((mut outside, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others must end first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        tokio::spawn(async move {
            if let Ok(mut inside) = dial(own, port).await {
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            }
            drop(place);
        });
    }
}
