//! Bridge and virtual Ethernet pairs, through rtnetlink; the `ip` program is not needed.
//!
//! Invariant: a connection belongs to the network namespace in which it was opened, wherever the
//! program moves afterwards. That is how one launcher works on both ends of a cable.

use crate::disk::hex;
use futures::TryStreamExt as _;
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth};
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth};
use sha2::{Digest as _, Sha256};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// The bridge's name inside its network namespace.
pub const BRIDGE: &str = "br0";
/// The machine's end of the cable.
const INTERFACE: &str = "eth0";

/// Names and address of one machine's cable: the same for every boot, because a new hardware address
/// on an old network address leaves stale neighbours for a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cable {
    /// The bridge's end (15 characters at most).
    pub port: String,
    /// The machine's hardware address.
    pub hardware: [u8; 6],
}

impl Cable {
    /// The cable of a machine in a network.
    pub fn of(network: &str, machine: &str) -> Self {
        let digest = Sha256::digest(format!("{network}/{machine}"));
        let mut hardware = [0x02, 0, 0, 0, 0, 0];
        hardware[1..].copy_from_slice(&digest[..5]);
        Self { port: format!("v{}", hex(&digest[5..12])), hardware }
    }
}

/// Opens a connection to the present network namespace; call it inside a runtime.
pub fn connect() -> io::Result<Handle> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    tokio::spawn(connection);
    Ok(handle)
}

async fn index_of(handle: &Handle, name: &str) -> io::Result<Option<u32>> {
    let mut links = handle.link().get().match_name(name.to_owned()).execute();
    match links.try_next().await {
        Ok(link) => Ok(link.map(|link| link.header.index)),
        Err(rtnetlink::Error::NetlinkError(message))
            if message.raw_code() == -nix::libc::ENODEV =>
        {
            Ok(None)
        }
        Err(error) => Err(io::Error::other(error)),
    }
}

async fn existing(handle: &Handle, name: &str) -> io::Result<u32> {
    index_of(handle, name).await?.ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("there is no interface {name}"))
    })
}

async fn bring_up(handle: &Handle, name: &str) -> io::Result<()> {
    let message = LinkUnspec::new_with_name(name).up().build();
    handle.link().set(message).execute().await.map_err(io::Error::other)
}

async fn add_address(handle: &Handle, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    let request = handle.address().add(index, address.into(), prefix);
    request.execute().await.map_err(io::Error::other)
}

/// Makes the bridge with its address, in the present namespace.
pub async fn make_bridge(handle: &Handle, gateway: Ipv4Addr, prefix: u8) -> io::Result<()> {
    bring_up(handle, "lo").await?;
    let bridge = LinkBridge::new(BRIDGE).up().build();
    handle.link().add(bridge).execute().await.map_err(io::Error::other)?;
    let index = existing(handle, BRIDGE).await?;
    add_address(handle, index, gateway, prefix).await
}

/// Connects a machine: `bridge_side` speaks to the bridge's namespace, `namespace` is the machine's.
pub async fn plug(
    bridge_side: &Handle,
    namespace: BorrowedFd<'_>,
    cable: &Cable,
) -> io::Result<()> {
    let bridge = existing(bridge_side, BRIDGE).await?;
    if let Some(stale) = index_of(bridge_side, &cable.port).await? {
        // It may vanish by itself at the same time, with the dead machine's namespace.
        let _ = bridge_side.link().del(stale).execute().await;
    }
    let peer = LinkUnspec::new_with_name(INTERFACE)
        .address(cable.hardware.to_vec())
        .setns_by_fd(namespace.as_raw_fd())
        .build();
    let message = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
        .name(cable.port.clone())
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .controller(bridge)
        .up()
        .build();
    bridge_side.link().add(message).execute().await.map_err(io::Error::other)
}

/// Gives the machine's end its address; `machine_side` speaks to the machine's namespace.
pub async fn configure(machine_side: &Handle, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    bring_up(machine_side, "lo").await?;
    let index = existing(machine_side, INTERFACE).await?;
    add_address(machine_side, index, address, prefix).await?;
    bring_up(machine_side, INTERFACE).await
}

#[cfg(test)]
mod tests {
    use super::Cable;

    #[test]
    fn a_cable_is_the_same_for_every_boot() {
        let cable = Cable::of("main", "edge-a-001");
        assert_eq!(cable, Cable::of("main", "edge-a-001"));
        assert_ne!(cable.hardware, Cable::of("main", "edge-a-002").hardware);
        assert_eq!(cable.port.len(), 15);
        assert_eq!(cable.hardware[0] & 3, 2, "locally administered, not multicast");
    }
}
