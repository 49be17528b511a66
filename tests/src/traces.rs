//! What a run has left on this machine: processes, mounts, namespaces, files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Everything on this machine that belongs to one workbench.
#[derive(Debug)]
pub struct Traces {
    root: PathBuf,
    /// Process id and command line of every process that runs the workbench's binary or lives in its
    /// directory.
    pub processes: Vec<(i32, String)>,
}

impl Traces {
    /// Looks at every process of this machine.
    pub(crate) fn of(root: &Path) -> Self {
        let mut processes = Vec::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if belongs(&entry.path(), root) {
                let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                processes.push((pid, line));
            }
        }
        Self { root: root.to_owned(), processes }
    }

    /// The network namespaces that these processes are in, other than this process's own.
    pub fn network_namespaces(&self) -> BTreeSet<String> {
        let namespace = |pid: &str| {
            let link = std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
            Some(link.to_string_lossy().into_owned())
        };
        let own = namespace("self");
        let all = self.processes.iter().filter_map(|(pid, _)| namespace(&pid.to_string()));
        all.filter(|one| Some(one) != own.as_ref()).collect()
    }

    /// Mount points of this machine inside the workbench.
    pub fn mounts(&self) -> Vec<String> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let root = self.root.to_string_lossy().into_owned();
        let point = |line: &str| line.split(' ').nth(1).unwrap_or_default().to_owned();
        mounts.lines().map(point).filter(|point| point.starts_with(&root)).collect()
    }

    /// Files and directories under the local cloud's directory.
    pub fn cloud_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        list(&self.root.join("home/data/provisioner/local"), &mut files);
        files
    }

    /// Panics, listing what there is, unless nothing at all is left.
    #[track_caller]
    pub fn assert_none(&self) {
        assert!(self.processes.is_empty(), "processes are left: {:#?}", self.processes);
        assert!(self.mounts().is_empty(), "mounts are left: {:#?}", self.mounts());
        assert!(self.cloud_files().is_empty(), "files are left: {:#?}", self.cloud_files());
    }

    /// Ends every process, for the end of a test.
    pub(crate) fn kill_all(&self) {
        for (pid, _) in &self.processes {
            let pid = nix::unistd::Pid::from_raw(*pid);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// A process belongs to a workbench when it runs its binary or was started in its directory.
fn belongs(process: &Path, root: &Path) -> bool {
    let inside = |link: &str| {
        std::fs::read_link(process.join(link)).is_ok_and(|target| target.starts_with(root))
    };
    let root = root.to_string_lossy();
    let named = |file: &str| {
        let bytes = std::fs::read(process.join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(root.as_ref())
    };
    let own = process.file_name().is_some_and(|pid| pid == std::process::id().to_string().as_str());
    !own && (inside("exe") || named("cmdline") || named("environ") || named("mountinfo"))
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        files.push(entry.path());
        if entry.path().is_dir() && !entry.path().is_symlink() {
            list(&entry.path(), files);
        }
    }
}
