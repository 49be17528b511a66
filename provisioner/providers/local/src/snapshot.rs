//! Snapshots of the local cloud: what was in a machine or a volume, kept apart from it, and new ones that begin with it.
//!
//! Invariants: a snapshot is whole exactly when its content has its name, and its digest was written down before; what it was
//! taken of may be anybody's, and goes its own way afterwards; nothing begins with content that is not what was captured.

use crate::cloud::Cloud;
use crate::disk::{read_json, write_json};
use crate::error::LocalError;
use crate::layout::{Kind, Removal, check_name};
use crate::network::{check_environment, check_owner};
use crate::node;
use crate::record::{Captured, Content, FORMAT, MachineRecord, Owner, SnapshotRecord};
use crate::tree::{self, Fingerprint, Summary};
use jiff::Timestamp;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A snapshot as it is on disk.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its record.
    pub record: SnapshotRecord,
    /// What was captured.
    pub content: Content,
    /// The directory of its content on the host.
    pub path: PathBuf,
    /// Whether its content is what was captured.
    pub is_whole: bool,
}

/// What the content of snapshots was when it was read last, by its name. All of it is read once in a program, and again when
/// its fingerprint is another: what decays on the disk without being written to is seen by the next program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Arc<Mutex<HashMap<String, Read>>>);

#[derive(Clone, Debug)]
struct Read {
    fingerprint: Fingerprint,
    summary: Summary,
}

impl Known {
    fn reads(&self) -> MutexGuard<'_, HashMap<String, Read>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a content is, read only if that is not known.
    fn summary(&self, name: &str, content: &Path) -> Result<Summary, LocalError> {
        let fingerprint = tree::fingerprint(content)?;
        let known = self.reads().get(name).cloned();
        if let Some(known) = known
            && Some(known.fingerprint) == fingerprint
        {
            return Ok(known.summary);
        }
        let summary = tree::summarize(content)?;
        self.note(name, fingerprint, &summary);
        Ok(summary)
    }

    fn note(&self, name: &str, fingerprint: Option<Fingerprint>, summary: &Summary) {
        if let Some(fingerprint) = fingerprint {
            let read = Read { fingerprint, summary: summary.clone() };
            self.reads().insert(name.to_owned(), read);
        }
    }
}

impl Cloud {
    /// Captures what is in a machine or a volume, or finishes doing so.
    pub fn create_snapshot(
        &self,
        owner: &Owner,
        name: &str,
        of: &Captured,
    ) -> Result<Snapshot, LocalError> {
        check_name(Kind::Snapshot, name)?;
        let path = self.layout().record(Kind::Snapshot, name);
        let lock = self.layout().lock()?;
        let record = if let Some(found) = read_json::<SnapshotRecord>(&path)? {
            check_owner(Kind::Snapshot, name, &found.owner, owner)?;
            found
        } else {
            // Nothing is begun of what is not there.
            self.source(of)?;
            let (owner, name, of) = (owner.clone(), name.to_owned(), of.clone());
            let record = SnapshotRecord { format: FORMAT, owner, name, of, content: None };
            let claimed = (Kind::Snapshot, record.name.as_str());
            self.layout().claim(&lock, claimed, &record.owner.token, &record)?;
            record
        };
        drop(lock);
        let content = self.layout().snapshot_content(name);
        let capture = |into: &Path| {
            let created_at = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            let of = self.with_address(&record.of)?;
            self.capture(&of, into)?;
            let summary = tree::summarize(into)?;
            // Nobody else has the directory yet, so it is still what was read.
            self.known.note(name, tree::fingerprint(into)?, &summary);
            let Summary { digest, size, files } = summary;
            let content = Some(Content { digest, size, files, created_at });
            Ok(SnapshotRecord { of, content, ..record.clone() })
        };
        let seal = |record: SnapshotRecord| write_json(&path, &record);
        self.fill(owner, (Kind::Snapshot, name), &content, capture, seal)?;
        self.snapshot(name)
    }

    /// Where what is captured lies.
    fn source(&self, of: &Captured) -> Result<PathBuf, LocalError> {
        let path = match of {
            Captured::Machine { name, .. } => self.layout().machine_root(name),
            Captured::Volume { name } => self.layout().volume_data(name),
        };
        let is_there = self.layout().record(of.kind(), of.name()).exists() && tree::exists(&path);
        is_there.then_some(path).ok_or_else(|| of.missing())
    }

    fn with_address(&self, of: &Captured) -> Result<Captured, LocalError> {
        let Captured::Machine { name, .. } = of else { return Ok(of.clone()) };
        let record = read_json::<MachineRecord>(&self.layout().record(Kind::Machine, name))?;
        let address = record.map(|record| record.address);
        Ok(Captured::Machine { name: name.clone(), address })
    }

    fn capture(&self, of: &Captured, into: &Path) -> Result<(), LocalError> {
        let source = self.source(of)?;
        let before = tree::identity(&source)?;
        match of {
            Captured::Volume { .. } => tree::copy(&source, into, &|_, _| false)?,
            Captured::Machine { .. } => {
                let cloud = self.layout().root();
                // Without namespaces a volume of the machine is a link, which would lead another machine to the same one.
                let is_volume =
                    |link: Option<&Path>| link.is_some_and(|link| link.starts_with(cloud));
                let leave_out =
                    |at: &Path, link: Option<&Path>| node::is_own(at) || is_volume(link);
                tree::copy(&source, into, &leave_out)?;
            }
        }
        // A deletion takes the name away first: what has it still was there all the time.
        if tree::identity(&self.source(of)?)? == before {
            return Ok(());
        }
        Err(of.missing())
    }

    /// Reads a snapshot that must exist.
    pub fn snapshot(&self, name: &str) -> Result<Snapshot, LocalError> {
        self.find_snapshot(name)?.ok_or_else(|| LocalError::Missing {
            kind: Kind::Snapshot.word(),
            name: name.to_owned(),
        })
    }

    /// Reads a snapshot, and whether it is what was captured. One whose content is gone is gone.
    pub fn find_snapshot(&self, name: &str) -> Result<Option<Snapshot>, LocalError> {
        let Some((record, content)) = self.captured(name)? else { return Ok(None) };
        let path = self.layout().snapshot_content(name);
        let is_whole = match self.known.summary(name, &path) {
            Ok(summary) => content.is(&summary),
            // The disk does not give it back.
            Err(LocalError::Io { source, .. }) if is_lost(&source) => false,
            Err(error) => return Err(error),
        };
        Ok(Some(Snapshot { record, content, path, is_whole }))
    }

    /// Whether there is a snapshot that was finished; its content is not read.
    pub fn has_snapshot(&self, name: &str) -> Result<bool, LocalError> {
        self.captured(name).map(|found| found.is_some())
    }

    fn captured(&self, name: &str) -> Result<Option<(SnapshotRecord, Content)>, LocalError> {
        let record = read_json::<SnapshotRecord>(&self.layout().record(Kind::Snapshot, name))?;
        let is_there = tree::exists(&self.layout().snapshot_content(name));
        let finished =
            |record: SnapshotRecord| record.content.clone().map(|content| (record, content));
        Ok(record.filter(|_| is_there).and_then(finished))
    }

    /// Deletes a snapshot; an absent one is fine. What began with it has its own copy.
    pub fn delete_snapshot(
        &self,
        owner: &Owner,
        name: &str,
        removal: Removal,
    ) -> Result<(), LocalError> {
        let Some(record) =
            read_json::<SnapshotRecord>(&self.layout().record(Kind::Snapshot, name))?
        else {
            return self.layout().sweep();
        };
        check_environment(Kind::Snapshot, name, &record.owner, owner)?;
        self.layout().discard(Kind::Snapshot, name, removal)
    }

    /// Checks that an object of that kind may begin with a snapshot.
    pub(crate) fn check_snapshot(&self, kind: Kind, snapshot: &str) -> Result<(), LocalError> {
        self.snapshot_for(kind, snapshot).map(drop)
    }

    fn snapshot_for(
        &self,
        kind: Kind,
        snapshot: &str,
    ) -> Result<(SnapshotRecord, Content), LocalError> {
        let Some((record, content)) = self.captured(snapshot)? else {
            let (kind, name) = (Kind::Snapshot.word(), snapshot.to_owned());
            return Err(LocalError::Missing { kind, name });
        };
        let of = record.of.kind();
        if of != kind {
            let (of, kind) = (of.word(), kind.word());
            return Err(LocalError::Invalid {
                what: format!(
                    "a {kind} cannot begin with snapshot `{snapshot}`, which is of a {of}"
                ),
                hint: format!("give it a snapshot of a {kind}"),
            });
        }
        Ok((record, content))
    }

    /// Makes a machine or volume whole that begins with a snapshot.
    pub(crate) fn begin_with(
        &self,
        owner: &Owner,
        (kind, name): (Kind, &str),
        snapshot: &str,
        filled: &Path,
        identity: impl FnOnce(&Path, &Captured) -> Result<(), LocalError>,
    ) -> Result<(), LocalError> {
        if tree::exists(filled) {
            return Ok(());
        }
        let (record, content) = self.snapshot_for(kind, snapshot)?;
        let begin = |into: &Path| {
            tree::copy(&self.layout().snapshot_content(snapshot), into, &|_, _| false)?;
            // The copy is read, so that it is what was captured if the snapshot was.
            if !content.is(&tree::summarize(into)?) {
                // Unless it was deleted meanwhile.
                self.check_snapshot(kind, snapshot)?;
                return Err(LocalError::Invalid {
                    what: format!(
                        "snapshot `{snapshot}` is damaged: its content is not what was captured"
                    ),
                    hint: "use another snapshot".into(),
                });
            }
            identity(into, &record.of)
        };
        self.fill(owner, (kind, name), filled, begin, |()| Ok(()))
    }
}

/// Whether the system says that what was on the disk there cannot be read any more.
fn is_lost(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(nix::libc::EIO)
}

/// The files of a machine that began with another one's say its name and address where they said the other's.
pub(crate) fn take_over(
    root: &Path,
    of: &Captured,
    (name, address): (&str, Ipv4Addr),
) -> Result<(), LocalError> {
    let Captured::Machine { name: before, address: Some(at) } = of else { return Ok(()) };
    let (before, now) = (node::hosts_line(before, *at), node::hosts_line(name, address));
    tree::edit(root, "etc/hosts", |text| text.replace(&before, &now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::{Duration, Instant};

    fn settled(content: &Path) -> Option<Fingerprint> {
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            assert!(Instant::now() < end, "never settles");
            if let Some(fingerprint) = tree::fingerprint(content).unwrap() {
                return Some(fingerprint);
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_is_known_is_not_read_again_until_it_is_written_to() {
        let place = tempfile::tempdir().unwrap();
        let content = place.path().join("before");
        fs::create_dir(&content).unwrap();
        fs::write(content.join("file"), "1").unwrap();
        let known = Known::default();
        let real = known.summary("s", &content).unwrap();
        let told = Summary { digest: "as it was told".to_owned(), ..real.clone() };
        known.note("s", settled(&content), &told);
        assert_eq!(known.summary("s", &content).unwrap(), told);
        // Its last name is no change of it.
        let content = place.path().join("content");
        fs::rename(place.path().join("before"), &content).unwrap();
        assert_eq!(known.summary("s", &content).unwrap(), told);
        assert_eq!(known.summary("other", &content).unwrap(), real);
        fs::write(content.join("file"), "1").unwrap();
        assert_eq!(known.summary("s", &content).unwrap(), real);
    }
}
