//! Where everything of the local cloud lies: one directory, named here only.
//!
//! ```text
//! CLOUD/.lock                      short decisions: who has a name, an address
//! CLOUD/networks/NAME/             network.json holder.lock holder.json log
//! CLOUD/machines/NAME/             machine.json init.lock log root/ run/{init.json,ssh.sock,control.sock}
//! CLOUD/volumes/NAME/              volume.json data/
//! CLOUD/KIND/.deleting-NAME-X/     being removed; whoever comes next goes on
//! CLOUD/KIND/.creating-NAME/       not yet an object; whoever comes next removes it
//! ```

use crate::disk::{Lock, make_directory, names_in, random_hex, remove_tree, write_json};
use crate::error::{LocalError, failed_at};
use serde::Serialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The three kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A network.
    Network,
    /// A machine.
    Machine,
    /// A volume.
    Volume,
}

impl Kind {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Machine => "machine",
            Self::Volume => "volume",
        }
    }

    fn directory(self) -> &'static str {
        match self {
            Self::Network => "networks",
            Self::Machine => "machines",
            Self::Volume => "volumes",
        }
    }

    fn record(self) -> &'static str {
        match self {
            Self::Network => "network.json",
            Self::Machine => "machine.json",
            Self::Volume => "volume.json",
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

    /// The names of all objects of a kind.
    pub fn names(&self, kind: Kind) -> Result<Vec<String>, LocalError> {
        let mut names = names_in(&self.root.join(kind.directory()))?;
        names.retain(|name| !name.starts_with('.'));
        Ok(names)
    }

    /// Holds the cloud for a short decision.
    pub fn lock(&self) -> Result<Lock, LocalError> {
        Lock::take(&self.root.join(".lock"))
    }

    /// Makes an object's directory with its record in it, in one step. The caller holds the lock and
    /// has seen that the name is free.
    pub fn claim<T: Serialize>(
        &self,
        _lock: &Lock,
        kind: Kind,
        name: &str,
        record: &T,
    ) -> Result<PathBuf, LocalError> {
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
    pub fn discard(&self, kind: Kind, name: &str) -> Result<(), LocalError> {
        let directory = self.object(kind, name);
        let parent = self.root.join(kind.directory());
        let doomed = parent.join(format!(".deleting-{name}-{}", random_hex(4)?));
        match fs::rename(&directory, &doomed) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed_at("remove", &directory)(error));
            }
            _ => {}
        }
        self.sweep()
    }

    /// Goes on with every interrupted removal and removes directories that have become empty.
    pub fn sweep(&self) -> Result<(), LocalError> {
        if !self.root.exists() {
            return Ok(());
        }
        for kind in [Kind::Network, Kind::Machine, Kind::Volume] {
            let parent = self.root.join(kind.directory());
            for name in names_in(&parent)? {
                if name.starts_with(".deleting-") {
                    remove_tree(&parent.join(name))?;
                }
            }
        }
        let lock = self.lock()?;
        for kind in [Kind::Network, Kind::Machine, Kind::Volume] {
            let parent = self.root.join(kind.directory());
            for name in names_in(&parent)? {
                if name.starts_with(".creating-") {
                    remove_tree(&parent.join(name))?;
                }
            }
            // Fails while something is in it, and that is meant.
            let _ = fs::remove_dir(&parent);
        }
        if names_in(&self.root)? == [".lock"] {
            let path = self.root.join(".lock");
            fs::remove_file(&path).map_err(failed_at("remove", &path))?;
            let _ = fs::remove_dir(&self.root);
        }
        drop(lock);
        Ok(())
    }
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
