//! Dead-man timers: a command that undoes a change unless somebody confirms the change in time.
//!
//! Invariant: a timer is a file from before it is armed until its command has run or it was disarmed;
//! a boot with a timer pending runs the command at once, because nobody can have confirmed.

use super::programs::{Ended, Place, Programs};
use crate::disk::{names_in, read_json, write_json};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;

const DIRECTORY: &str = "/var/lib/provisioner/deadman";
/// How long undoing may take.
const REVERT_LIMIT: Duration = Duration::from_mins(1);

/// A pending timer, as it is on disk and as `deadman status` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Its name.
    pub name: String,
    /// How long it waits.
    pub timeout_s: u64,
    /// The shell command that undoes the change.
    pub revert: String,
}

/// All timers of the node.
#[derive(Clone)]
pub struct DeadMen {
    place: Place,
    programs: Programs,
    waiting: Arc<Mutex<HashMap<String, AbortHandle>>>,
}

impl DeadMen {
    /// No timers yet.
    pub fn new(place: Place, programs: Programs) -> Self {
        Self { place, programs, waiting: Arc::default() }
    }

    fn file(&self, name: &str) -> Result<PathBuf, String> {
        let fits = !name.is_empty()
            && name.len() <= 100
            && !name.starts_with('.')
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@'));
        if !fits {
            return Err(format!("`{name}` is not a name for a dead-man timer"));
        }
        Ok(self.place.path(&format!("{DIRECTORY}/{name}.json")))
    }

    /// Arms a timer; one of the same name is replaced.
    pub fn arm(&self, pending: Pending) -> Result<(), String> {
        let path = self.file(&pending.name)?;
        fs::create_dir_all(self.place.path(DIRECTORY)).map_err(|error| error.to_string())?;
        write_json(&path, &pending).map_err(|error| error.to_string())?;
        self.stop_waiting(&pending.name);
        let (dead_men, name) = (self.clone(), pending.name.clone());
        let task = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(pending.timeout_s)).await;
            // From here on it cannot be disarmed: a task of its own undoes the change.
            tokio::spawn(async move { dead_men.revert(&pending).await });
        });
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(name, task.abort_handle());
        Ok(())
    }

    fn stop_waiting(&self, name: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = waiting.remove(name) {
            task.abort();
        }
    }

    /// The change is confirmed.
    pub fn disarm(&self, name: &str) -> Result<(), String> {
        let path = self.file(name)?;
        self.stop_waiting(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("cannot remove {}: {error}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// The pending timer of this name.
    pub fn status(&self, name: &str) -> Result<Option<Pending>, String> {
        read_json(&self.file(name)?).map_err(|error| error.to_string())
    }

    fn log(&self) -> io::Result<File> {
        let path = self.place.path("/var/log/provisioner/deadman.log");
        OpenOptions::new().append(true).create(true).open(path)
    }

    async fn revert(&self, pending: &Pending) {
        let words = ["/bin/sh", "-c", pending.revert.as_str()].map(str::to_owned);
        let ended = match self.log() {
            Ok(log) => {
                let run = self.programs.run(&self.place, &words, log);
                tokio::time::timeout(REVERT_LIMIT, run).await
            }
            Err(error) => Ok(Err(error)),
        };
        let said = match ended {
            Ok(Ok(Ended::Code(0))) => "reverted".to_owned(),
            Ok(Ok(ended)) => format!("the revert command ended with {}", ended.as_code()),
            Ok(Err(error)) => format!("the revert command did not run: {error}"),
            Err(_) => format!("the revert command took longer than {} s", REVERT_LIMIT.as_secs()),
        };
        if let Ok(mut log) = self.log() {
            let _ = writeln!(log, "provisioner: {}: {said}", pending.name);
        }
        let _ = self.file(&pending.name).map(fs::remove_file);
    }

    /// Undoes everything that was not confirmed before the last boot ended.
    pub async fn boot(&self) {
        let files = names_in(&self.place.path(DIRECTORY)).unwrap_or_default();
        for name in files.iter().filter_map(|file| file.strip_suffix(".json")) {
            if let Ok(Some(pending)) = self.status(name) {
                self.revert(&pending).await;
            }
        }
    }
}
