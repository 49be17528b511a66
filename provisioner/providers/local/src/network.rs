//! Networks of the local cloud, from the host's side: a record and a holder.
//!
//! Invariant: the record comes first and says whose the network is; whether it runs is asked of the
//! holder's lock.

use crate::alive::wait_for;
use crate::cloud::Cloud;
use crate::disk::{Lock, read_json};
use crate::error::LocalError;
use crate::launch::{Launched, UP_FILE, launch};
use crate::layout::{Kind, Layout, Removal, check_name};
use crate::record::{FORMAT, Isolation, NetworkRecord, Owner, Running, Up};
use ipnet::Ipv4Net;
use rustix::process::Signal;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

/// How long a start by somebody else may take.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a killed program may take to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(Ipv4Net);

impl Cidr {
    /// Reads `10.42.0.0/24`.
    pub fn parse(text: &str) -> Result<Self, LocalError> {
        let invalid = |what: String| LocalError::Invalid {
            what,
            hint: "write it like 10.42.0.0/24: a network address and a prefix of 8 to 29".into(),
        };
        let net: Ipv4Net = text
            .parse()
            .map_err(|_| invalid(format!("`{text}` is not a range of IPv4 addresses")))?;
        if !(8..=29).contains(&net.prefix_len()) {
            return Err(invalid(format!("the prefix of `{text}` is not usable for a network")));
        }
        if net.trunc() != net {
            let right = net.trunc();
            return Err(invalid(format!("`{text}` is an address inside the range {right}")));
        }
        Ok(Self(net))
    }

    /// The bridge's own address: the first one.
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.0.network()) + 1)
    }

    /// The length of the prefix.
    pub fn prefix(self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether a machine may have this address.
    pub fn is_for_machines(self, address: Ipv4Addr) -> bool {
        self.0.contains(&address)
            && ![self.0.network(), self.0.broadcast(), self.gateway()].contains(&address)
    }

    /// The addresses for machines: from the eleventh on, the first ten are left to people.
    pub fn machine_addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        let hosts: u32 = self.0.hosts().count().try_into().unwrap_or(u32::MAX);
        let skipped = if hosts > 30 { 10 } else { 1 };
        let first = u32::from(self.0.network()) + 1;
        (skipped..hosts).map(move |index| Ipv4Addr::from(first + index))
    }
}

/// A network as it is on disk and in the kernel.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its record.
    pub record: NetworkRecord,
    /// Its holder, if it runs.
    pub running: Option<Running>,
}

/// Reads what a launcher and what it started wrote down; true only while the lock is held.
pub(crate) fn read_running(state: &Path) -> Result<Option<Running>, LocalError> {
    let Some(mut running) = read_json::<Running>(state)? else {
        return Ok(None);
    };
    let up = read_json::<Up>(&state.with_file_name(UP_FILE))?;
    running.up = up.filter(|up| up.boot_id == running.boot_id);
    Ok(Some(running))
}

/// Reads what runs behind a lock. While something is just starting, waits for it.
pub(crate) fn running_behind(lock: &Path, state: &Path) -> Result<Option<Running>, LocalError> {
    let mut failure = None;
    let seen = wait_for(START_LIMIT, || {
        if !Lock::is_held(lock) {
            return Some(None);
        }
        match read_running(state) {
            Ok(Some(running)) if running.up.is_some() && running.identity.is_alive() => {
                Some(Some(running))
            }
            Ok(_) => None,
            Err(error) => {
                failure = Some(error);
                Some(None)
            }
        }
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(seen.flatten()),
    }
}

/// Ends what runs behind a lock and returns the lock, so that nothing starts again.
pub(crate) fn end_behind(
    lock: &Path,
    state: &Path,
    polite: Option<Duration>,
) -> Result<Lock, LocalError> {
    let mut failure = None;
    let taken = wait_for(START_LIMIT + END_LIMIT, || {
        match Lock::try_take(lock) {
            Ok(None) => {}
            Ok(Some(lock)) => return Some(lock),
            Err(error) => {
                failure = Some(error);
                return None;
            }
        }
        // Not there yet while the launcher has just taken the lock.
        let running = read_running(state).ok().flatten()?;
        let politely = polite.is_some_and(|limit| {
            running.up.is_some() && running.identity.end(Signal::TERM, limit).unwrap_or(false)
        });
        if !politely && let Err(error) = running.identity.end(Signal::KILL, END_LIMIT) {
            failure = Some(error);
        }
        None
    });
    // The lock goes before the last of its programs: wait for the end itself, too.
    if taken.is_some()
        && let Some(running) = read_json::<Running>(state)?
    {
        running.identity.end(Signal::KILL, END_LIMIT)?;
    }
    taken.ok_or_else(|| {
        failure.unwrap_or_else(|| LocalError::Refused {
            what: format!("what holds {} does not end", lock.display()),
            hint: "look for it with `fuser` and end it".into(),
        })
    })
}

/// Reads a network.
pub fn find(layout: &Layout, name: &str) -> Result<Option<Found>, LocalError> {
    let Some(record) = read_json(&layout.record(Kind::Network, name))? else {
        return Ok(None);
    };
    let directory = layout.object(Kind::Network, name);
    let running = running_behind(&directory.join("holder.lock"), &directory.join("holder.json"))?;
    Ok(Some(Found { record, running }))
}

impl Cloud {
    /// Makes a network, or finishes making it.
    pub fn create_network(
        &self,
        owner: &Owner,
        name: &str,
        cidr: &str,
    ) -> Result<Found, LocalError> {
        check_name(Kind::Network, name)?;
        Cidr::parse(cidr)?;
        let isolation = self.isolation()?.0;
        let lock = self.layout().lock()?;
        let found: Option<NetworkRecord> = read_json(&self.layout().record(Kind::Network, name))?;
        if let Some(found) = found {
            check_owner(Kind::Network, name, &found.owner, owner)?;
        } else {
            let record = NetworkRecord {
                format: FORMAT,
                owner: owner.clone(),
                name: name.to_owned(),
                cidr: cidr.to_owned(),
                isolation,
            };
            self.layout().claim(&lock, (Kind::Network, name), &owner.token, &record)?;
        }
        drop(lock);
        self.start_network(name)
    }

    /// Starts a network that has stopped; its machines then have to be started anew.
    pub fn mend_network(&self, owner: &Owner, name: &str) -> Result<Found, LocalError> {
        let found = self.network(name)?;
        check_environment(Kind::Network, name, &found.record.owner, owner)?;
        self.start_network(name)
    }

    /// Whose the object of a name is, by its record.
    pub fn owner_of(&self, kind: Kind, name: &str) -> Result<Option<Owner>, LocalError> {
        #[derive(serde::Deserialize)]
        struct Marker {
            owner: Owner,
        }
        let marker = read_json::<Marker>(&self.layout().record(kind, name))?;
        Ok(marker.map(|found| found.owner))
    }

    /// Whether the record of a name says that the very same operation made it.
    pub fn is_owned(&self, kind: Kind, name: &str, asking: &Owner) -> Result<bool, LocalError> {
        let owner = self.owner_of(kind, name)?;
        Ok(owner.is_some_and(|it| it.is_same_instance(asking) && it.token == asking.token))
    }

    /// Whether a network has ever worked. One without a program needs nothing but its record.
    pub fn was_network_up(&self, name: &str) -> Result<bool, LocalError> {
        let Some(found) = self.find_network(name)? else { return Ok(false) };
        let up = self.layout().object(Kind::Network, name).join(UP_FILE);
        Ok(found.running.is_some() || up.exists())
    }

    /// Starts the holder of an existing network, unless it runs.
    fn start_network(&self, name: &str) -> Result<Found, LocalError> {
        for _ in 0..3 {
            let found = self.network(name)?;
            let in_processes = found.record.isolation == Isolation::Processes;
            if found.running.is_some() || in_processes {
                return Ok(found);
            }
            if let Launched::Up = launch(self.executable(), self.layout(), Kind::Network, name)? {
                return self.network(name);
            }
        }
        let found = self.network(name)?;
        if found.running.is_some() {
            return Ok(found);
        }
        Err(LocalError::Start {
            kind: Kind::Network.word(),
            name: name.to_owned(),
            detail: "its holder ends again and again".to_owned(),
            hint: format!(
                "see {}",
                self.layout().object(Kind::Network, name).join("log").display()
            ),
        })
    }

    /// Reads a network that must exist.
    pub fn network(&self, name: &str) -> Result<Found, LocalError> {
        self.find_network(name)?.ok_or_else(|| LocalError::Missing {
            kind: Kind::Network.word(),
            name: name.to_owned(),
        })
    }

    /// Reads a network.
    pub fn find_network(&self, name: &str) -> Result<Option<Found>, LocalError> {
        find(self.layout(), name).map(|found| {
            found.map(|mut found| {
                if found.record.isolation == Isolation::Processes {
                    found.running = Some(Running::without_program());
                }
                found
            })
        })
    }

    /// Deletes a network, unless machines are in it; an absent one is fine.
    pub fn delete_network(
        &self,
        owner: &Owner,
        name: &str,
        removal: Removal,
    ) -> Result<(), LocalError> {
        let Some(record) = read_json::<NetworkRecord>(&self.layout().record(Kind::Network, name))?
        else {
            return self.layout().sweep();
        };
        check_environment(Kind::Network, name, &record.owner, owner)?;
        let inside = self.machines_in(name)?;
        if let Some(first) = inside.first() {
            return Err(LocalError::Refused {
                what: format!(
                    "network `{name}` still has {} machine(s), for example `{first}`",
                    inside.len()
                ),
                hint: "delete its machines first".into(),
            });
        }
        let directory = self.layout().object(Kind::Network, name);
        let lock =
            end_behind(&directory.join("holder.lock"), &directory.join("holder.json"), None)?;
        self.layout().discard(Kind::Network, name, removal)?;
        drop(lock);
        Ok(())
    }
}

/// A creation may go on with an object only if the very same operation began it.
pub(crate) fn check_owner(
    kind: Kind,
    name: &str,
    found: &Owner,
    asking: &Owner,
) -> Result<(), LocalError> {
    if found.is_same_instance(asking) && found.token == asking.token {
        return Ok(());
    }
    Err(conflict(kind, name, found))
}

/// A deletion or update may touch any object of the same instance.
pub(crate) fn check_environment(
    kind: Kind,
    name: &str,
    found: &Owner,
    asking: &Owner,
) -> Result<(), LocalError> {
    if found.is_same_environment(asking) {
        return Ok(());
    }
    Err(conflict(kind, name, found))
}

fn conflict(kind: Kind, name: &str, found: &Owner) -> LocalError {
    LocalError::Conflict { kind: kind.word(), name: name.to_owned(), owner: found.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked() {
        let cidr = Cidr::parse("10.42.0.0/24").unwrap();
        assert_eq!(cidr.gateway(), Ipv4Addr::new(10, 42, 0, 1));
        assert_eq!(cidr.machine_addresses().next(), Some(Ipv4Addr::new(10, 42, 0, 11)));
        assert_eq!(cidr.machine_addresses().last(), Some(Ipv4Addr::new(10, 42, 0, 254)));
        assert!(!cidr.is_for_machines(Ipv4Addr::new(10, 42, 0, 255)));
        for bad in ["10.42.0.1/24", "10.42.0.0", "10.0.0.0/30", "x"] {
            assert!(Cidr::parse(bad).unwrap_err().hint().is_some(), "{bad}");
        }
    }
}
