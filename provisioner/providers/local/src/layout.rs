//! Where everything of the local cloud lies: one directory, named here only.
//!
//! ```text
//! CLOUD/.lock                      short decisions: who has a name, an address
//! CLOUD/networks/NAME/             network.json holder.lock holder.json log
//! CLOUD/machines/NAME/             machine.json init.lock log root/ run/{init.json,ssh.sock,control.sock}
//! CLOUD/volumes/NAME/              volume.json data/
//! CLOUD/snapshots/NAME/            snapshot.json content/
//! CLOUD/KIND/NAME/.filling-X/      what becomes root/, data/ or content/ and is not whole yet; filling.lock: by whom
//! CLOUD/.spent/TOKEN               its object was deleted: a request that comes late makes it no second time
//! CLOUD/KIND/.deleting-NAME-X/     being removed; whoever comes next goes on
//! CLOUD/KIND/.creating-NAME/       not yet an object; whoever comes next removes it
//! ```

use crate::disk::{Lock, make_directory, names_in, random_hex, read_json, remove_tree, write_json};
use crate::error::{LocalError, failed_at};
use crate::record::Owner;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long whoever needs the cloud waits for another program that has it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The directory of tokens whose objects were deleted.
const SPENT: &str = ".spent";
/// They are kept so long: no program stands still longer and goes on.
const SPENT_FOR: Duration = Duration::from_hours(7 * 24);

/// What the records of all kinds have.
#[derive(Deserialize)]
struct Marker {
    owner: Owner,
}

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A network.
    Network,
    /// A machine.
    Machine,
    /// A volume.
    Volume,
    /// A snapshot.
    Snapshot,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Network, Self::Machine, Self::Volume, Self::Snapshot];

    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Machine => "machine",
            Self::Volume => "volume",
            Self::Snapshot => "snapshot",
        }
    }

    fn directory(self) -> &'static str {
        match self {
            Self::Network => "networks",
            Self::Machine => "machines",
            Self::Volume => "volumes",
            Self::Snapshot => "snapshots",
        }
    }

    fn record(self) -> &'static str {
        match self {
            Self::Network => "network.json",
            Self::Machine => "machine.json",
            Self::Volume => "volume.json",
            Self::Snapshot => "snapshot.json",
        }
    }
}

/// The cloud directory.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// A cloud in an absolute directory, which need not exist.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The cloud directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of one object.
    pub fn object(&self, kind: Kind, name: &str) -> PathBuf {
        self.root.join(kind.directory()).join(name)
    }

    /// The record of one object.
    pub fn record(&self, kind: Kind, name: &str) -> PathBuf {
        self.object(kind, name).join(kind.record())
    }

    /// A volume's content.
    pub fn volume_data(&self, name: &str) -> PathBuf {
        self.object(Kind::Volume, name).join("data")
    }

    /// A machine's own files.
    pub fn machine_root(&self, name: &str) -> PathBuf {
        self.object(Kind::Machine, name).join("root")
    }

    /// What was captured.
    pub fn snapshot_content(&self, name: &str) -> PathBuf {
        self.object(Kind::Snapshot, name).join("content")
    }

    /// The names of all objects of a kind.
    pub fn names(&self, kind: Kind) -> Result<Vec<String>, LocalError> {
        let mut names = names_in(&self.root.join(kind.directory()))?;
        names.retain(|name| !name.starts_with('.'));
        Ok(names)
    }

    /// Holds the cloud for a short decision.
    pub fn lock(&self) -> Result<Lock, LocalError> {
        Lock::take(&self.root.join(".lock"), PATIENCE)
    }

    /// Makes an object's directory with its record in it, in one step. The caller holds the lock and
    /// has seen that the name is free. Refused if an object of the same creation was deleted before.
    pub fn claim<T: Serialize>(
        &self,
        _lock: &Lock,
        (kind, name): (Kind, &str),
        token: &str,
        record: &T,
    ) -> Result<PathBuf, LocalError> {
        if self.root.join(SPENT).join(token).exists() {
            return Err(LocalError::Refused {
                what: format!(
                    "{} `{name}` was made by this very request before, and deleted since",
                    kind.word()
                ),
                hint: "plan again".into(),
            });
        }
        let parent = self.root.join(kind.directory());
        let temporary = parent.join(format!(".creating-{name}"));
        remove_tree(&temporary)?;
        make_directory(&temporary)?;
        write_json(&temporary.join(kind.record()), record)?;
        let directory = parent.join(name);
        fs::rename(&temporary, &directory).map_err(failed_at("create", &directory))?;
        let flushed = fs::File::open(&parent).and_then(|parent| parent.sync_all());
        flushed.map_err(failed_at("write", &parent))?;
        Ok(directory)
    }

    /// Removes an object's directory, and what earlier removals left. The first step takes the name
    /// away, so that a half-removed object is never mistaken for one.
    pub fn discard(&self, kind: Kind, name: &str, removal: Removal) -> Result<(), LocalError> {
        let directory = self.object(kind, name);
        let parent = self.root.join(kind.directory());
        let doomed = parent.join(format!(".deleting-{name}-{}", random_hex(4)?));
        if removal == Removal::Deleted {
            self.spend(kind, name)?;
        }
        match fs::rename(&directory, &doomed) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed_at("remove", &directory)(error));
            }
            _ => {}
        }
        self.sweep()
    }

    /// Notes the token of an object that is about to go. Whoever was frozen while asking for the object may still ask when
    /// others have settled its call, used the object and deleted it.
    fn spend(&self, kind: Kind, name: &str) -> Result<(), LocalError> {
        let Some(Marker { owner }) = read_json(&self.record(kind, name))? else { return Ok(()) };
        let is_name = |token: &str| {
            (1..=128).contains(&token.len())
                && token.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if !is_name(&owner.token) {
            return Ok(());
        }
        let directory = self.root.join(SPENT);
        make_directory(&directory)?;
        for name in names_in(&directory)? {
            let path = directory.join(name);
            let age = path.metadata().ok().and_then(|it| it.modified().ok()?.elapsed().ok());
            if age.is_some_and(|age| age > SPENT_FOR) {
                // Another program may have removed it.
                let _ = fs::remove_file(path);
            }
        }
        let path = directory.join(owner.token);
        fs::write(&path, []).map_err(failed_at("write", &path))
    }

    /// Goes on with every interrupted removal and removes directories that have become empty.
    pub fn sweep(&self) -> Result<(), LocalError> {
        if !self.root.exists() {
            return Ok(());
        }
        for kind in Kind::ALL {
            let parent = self.root.join(kind.directory());
            for name in names_in(&parent)? {
                if name.starts_with(".deleting-") {
                    remove_tree(&parent.join(name))?;
                }
            }
        }
        let lock = self.lock()?;
        for kind in Kind::ALL {
            let parent = self.root.join(kind.directory());
            for name in names_in(&parent)? {
                if name.starts_with(".creating-") {
                    remove_tree(&parent.join(name))?;
                }
            }
            // Fails while something is in it, and that is meant.
            let _ = fs::remove_dir(&parent);
        }
        let is_ours = |name: &String| name == ".lock" || name == SPENT;
        if names_in(&self.root)?.iter().all(is_ours) {
            remove_tree(&self.root.join(SPENT))?;
            let path = self.root.join(".lock");
            fs::remove_file(&path).map_err(failed_at("remove", &path))?;
            let _ = fs::remove_dir(&self.root);
        }
        drop(lock);
        Ok(())
    }
}

/// Why an object goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is deleted: the request that made it makes nothing any more.
    Deleted,
    /// It was never whole: the same request may make it again, and does when its end is looked up.
    Undone,
}

/// A name becomes a directory, a host name and a part of messages.
pub fn check_name(kind: Kind, name: &str) -> Result<(), LocalError> {
    let fits = (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && name.as_bytes()[0].is_ascii_alphanumeric();
    if fits {
        return Ok(());
    }
    Err(LocalError::Invalid {
        what: format!("`{name}` is not a name for a {}", kind.word()),
        hint: "use 1 to 63 letters, digits, `-` and `_`, beginning with a letter or digit".into(),
    })
}
