//! Volumes of the local cloud: directories that outlive machines.

use crate::cloud::Cloud;
use crate::disk::{make_directory, read_json};
use crate::error::LocalError;
use crate::layout::{Kind, Layout, Removal, check_name};
use crate::network::{check_environment, check_owner};
use crate::record::{Attachment, FORMAT, MachineRecord, Owner, Running, VolumeRecord};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A volume as it is on disk.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Its record.
    pub record: VolumeRecord,
    /// Its directory on the host.
    pub path: PathBuf,
}

impl Cloud {
    /// Makes a volume, or finishes making it.
    pub fn create_volume(
        &self,
        owner: &Owner,
        name: &str,
        size_gib: u64,
        snapshot: Option<&str>,
    ) -> Result<Volume, LocalError> {
        check_name(Kind::Volume, name)?;
        let lock = self.layout().lock()?;
        let found: Option<VolumeRecord> = read_json(&self.layout().record(Kind::Volume, name))?;
        if let Some(found) = found {
            check_owner(Kind::Volume, name, &found.owner, owner)?;
        } else {
            if let Some(snapshot) = snapshot {
                self.check_snapshot(Kind::Volume, snapshot)?;
            }
            let record = VolumeRecord {
                format: FORMAT,
                owner: owner.clone(),
                name: name.to_owned(),
                size_gib,
                snapshot: snapshot.map(str::to_owned),
            };
            self.layout().claim(&lock, (Kind::Volume, name), &owner.token, &record)?;
        }
        let data = self.layout().volume_data(name);
        match snapshot {
            None => make_directory(&data)?,
            Some(snapshot) => {
                drop(lock);
                self.begin_with(owner, (Kind::Volume, name), snapshot, &data, |_, _| Ok(()))?;
            }
        }
        self.find_volume(name)?
            .ok_or_else(|| LocalError::Missing { kind: Kind::Volume.word(), name: name.to_owned() })
    }

    /// Reads a volume. One whose content is gone is gone.
    pub fn find_volume(&self, name: &str) -> Result<Option<Volume>, LocalError> {
        let record = read_json::<VolumeRecord>(&self.layout().record(Kind::Volume, name))?;
        let path = self.layout().volume_data(name);
        Ok(record.filter(|_| path.is_dir()).map(|record| Volume { record, path }))
    }

    /// Deletes a volume with its content, unless a machine has it; an absent one is fine.
    pub fn delete_volume(
        &self,
        owner: &Owner,
        name: &str,
        removal: Removal,
    ) -> Result<(), LocalError> {
        let Some(record) = read_json::<VolumeRecord>(&self.layout().record(Kind::Volume, name))?
        else {
            return self.layout().sweep();
        };
        check_environment(Kind::Volume, name, &record.owner, owner)?;
        if let Some(machine) = self.machines_with(name)?.first() {
            return Err(LocalError::Refused {
                what: format!("volume `{name}` is attached to machine `{machine}`"),
                hint: "detach it, or delete the machine, first".into(),
            });
        }
        self.layout().discard(Kind::Volume, name, removal)
    }
}

/// Whether a path of a running machine is the content of a volume.
fn is_attached(layout: &Layout, machine: &str, running: &Running, attachment: &Attachment) -> bool {
    let relative = attachment.path.trim_start_matches('/');
    let data = layout.volume_data(&attachment.volume);
    let here = if running.namespaces {
        PathBuf::from(format!("/proc/{}/root", running.identity.pid))
    } else {
        layout.object(Kind::Machine, machine).join("root")
    };
    is_same(&here.join(relative), &data)
}

fn is_same(left: &Path, right: &Path) -> bool {
    match (fs::metadata(left), fs::metadata(right)) {
        (Ok(left), Ok(right)) => (left.dev(), left.ino()) == (right.dev(), right.ino()),
        _ => false,
    }
}

/// The recorded volumes that a running machine really has.
pub(crate) fn attached(
    layout: &Layout,
    record: &MachineRecord,
    running: &Running,
) -> Vec<Attachment> {
    let name = &record.arguments.name;
    let wanted = record.arguments.volumes.iter();
    wanted.filter(|it| is_attached(layout, name, running, it)).cloned().collect()
}
