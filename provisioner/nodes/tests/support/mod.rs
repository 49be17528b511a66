//! What the tests share: a node that is a directory with a small supervisor of its own, artifacts made
//! on the spot, and an observer that keeps a list.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nodes::artifact::{Artifact, Cache, Selection, Source};
use nodes::fake::DirectoryHost;
use nodes::service::{FileSpec, StepEvent};
use nodes::{Installer, Observer, Probe, ProbeKind, ServiceSpec, Step};

/// Stands in for the node's init: it keeps for each service the state in a file and never runs
/// anything. A service whose command contains `crash` does not stay up.
const CTL: &str = r#"#!/bin/sh
root="$PROVISIONER_ROOT"; run="$root/run/provisioner/fake"; mkdir -p "$run"
echo "$*" >> "$run/log"
verb="$1 $2"; name="$3"
definition="$root/etc/provisioner/services/$name.json"
case "$verb" in
  "service reload") [ -f "$definition" ] || exit 1; cp "$definition" "$run/$name.unit" ;;
  "service restart"|"service start")
    [ -f "$run/$name.unit" ] || exit 1
    if grep -q crash "$run/$name.unit"; then echo failed > "$run/$name.state"
    else echo running > "$run/$name.state"; fi
    cp "$run/$name.unit" "$run/$name.running" ;;
  "service stop") [ -f "$run/$name.unit" ] || exit 1; echo stopped > "$run/$name.state" ;;
  "service remove") rm -f "$run/$name".* ;;
  "service status")
    state=$(cat "$run/$name.state" 2>/dev/null || echo unknown)
    echo "{\"name\":\"$name\",\"state\":\"$state\",\"pid\":7,\"restarts\":0}"
    [ "$state" = running ] || exit 3 ;;
  "deadman arm") shift 5; echo "$2" > "$run/$name.deadman" ;;
  "deadman disarm") rm -f "$run/$name.deadman" ;;
  "deadman status") [ -f "$run/$name.deadman" ] ;;
esac
"#;

/// A node in a directory of its own.
pub struct Node {
    pub directory: tempfile::TempDir,
    pub host: Arc<DirectoryHost>,
}

impl Node {
    pub fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ctl = directory.path().join("run/provisioner/ctl");
        std::fs::create_dir_all(ctl.parent().unwrap()).unwrap();
        std::fs::write(&ctl, CTL).unwrap();
        std::fs::set_permissions(&ctl, std::fs::Permissions::from_mode(0o755)).unwrap();
        let host = Arc::new(DirectoryHost::new(name, directory.path()));
        Self { directory, host }
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    pub fn read(&self, relative: &str) -> Option<String> {
        std::fs::read_to_string(self.path(relative)).ok()
    }

    /// What the dead-man timer would do now. It does nothing if none is armed.
    pub fn timer_runs_out(&self) {
        if let Some(command) = self.read("run/provisioner/fake/mesh.deadman") {
            let status = std::process::Command::new("sh")
                .args(["-c", &command])
                .env("PROVISIONER_ROOT", self.directory.path())
                .status()
                .unwrap();
            assert!(status.success());
            std::fs::remove_file(self.path("run/provisioner/fake/mesh.deadman")).unwrap();
        }
    }

    /// The configuration that the supervisor runs the service with, if it runs.
    pub fn running(&self, service: &str) -> Option<String> {
        let state = self.read(&format!("run/provisioner/fake/{service}.state"))?;
        if state.trim() != "running" {
            return None;
        }
        let unit = self.read(&format!("run/provisioner/fake/{service}.running"))?;
        let unit: serde_json::Value = serde_json::from_str(&unit).unwrap();
        let directory = unit["directory"].as_str().unwrap().trim_start_matches('/');
        std::fs::read_to_string(self.path(directory).join("config")).ok()
    }

    pub fn armed(&self) -> bool {
        self.path("run/provisioner/fake/mesh.deadman").exists()
    }

    pub fn releases(&self) -> usize {
        std::fs::read_dir(self.path("opt/provisioner/services/mesh/releases"))
            .map_or(0, Iterator::count)
    }
}

/// Keeps what it hears.
#[derive(Default)]
pub struct Log(Mutex<Vec<(Step, StepEvent)>>);

impl Observer for Log {
    fn step(&self, _node: &str, _service: &str, step: Step, event: StepEvent) {
        self.0.lock().unwrap().push((step, event));
    }
}

impl Log {
    pub fn done(&self) -> Vec<Step> {
        let events = self.0.lock().unwrap();
        events
            .iter()
            .filter(|(_, event)| *event == StepEvent::Done)
            .map(|(step, _)| *step)
            .collect()
    }
}

/// An installer with a cache of its own.
pub fn installer(directory: &Path) -> Installer {
    Installer::new(Arc::new(Cache::new(directory.join("cache"))))
}

/// A program as an artifact: a bare file.
pub fn program(directory: &Path, content: &str) -> Artifact {
    let path = directory.join("program");
    std::fs::write(&path, content).unwrap();
    Artifact {
        source: Source::File(path),
        sha256: model::digest::sha256_hex(content.as_bytes()),
        paths: vec![Selection::new("program", "bin/program")],
        declared_at: None,
    }
}

/// A service `mesh` whose probe accepts any configuration but `broken`, and whose check refuses `bad`.
pub fn mesh(artifact: Option<Artifact>, config: &str) -> ServiceSpec {
    let command = vec!["@artifact@/bin/program".to_owned(), "@release@/config".to_owned()];
    let mut spec = ServiceSpec::new("mesh", "1.0", command);
    if artifact.is_none() {
        spec.command = vec!["/bin/true".to_owned(), "@release@/config".to_owned()];
    }
    spec.artifact = artifact;
    spec.files.insert("config".to_owned(), FileSpec::text(config));
    spec.check = Some("! grep -q bad config".to_owned());
    let kind = ProbeKind::Command { command: "! grep -q broken @release@/config".to_owned() };
    let mut probe = Probe::new("answers", kind);
    probe.deadline_ms = 100;
    probe.interval_ms = 60;
    spec.probes.push(probe);
    spec
}
