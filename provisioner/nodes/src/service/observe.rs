//! What is on a node now: one script for all its services, read-only.
//!
//! Invariants: observing changes nothing; what cannot be read is reported as absent or damaged, never
//! guessed. Refuses to know what should be there.

use serde::{Deserialize, Serialize};

use super::scripts::check_name;
use crate::host::{Host, HostError, Phase, Script, quote};

/// The state that the supervisor reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It runs.
    Running,
    /// It was stopped.
    Stopped,
    /// It ended with an error.
    Failed,
    /// The supervisor does not know it, or there is no supervisor.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A service as found on a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// The service's name.
    pub name: String,
    /// The digest that `current` points to.
    pub current: Option<String>,
    /// The digest that passed its probes last.
    pub confirmed: Option<String>,
    /// The digest on trial: a dead-man timer is or was running for it.
    pub pending: Option<String>,
    /// The digest that was last taken back.
    pub reverted: Option<String>,
    /// Files that are missing or not as they were installed.
    pub damaged: Vec<String>,
    /// What the supervisor says.
    pub state: RunState,
    /// The main program's process id.
    pub pid: Option<u32>,
    /// How often the supervisor has started it again.
    pub restarts: u32,
}

impl Observed {
    /// Whether anything of it is installed.
    pub fn is_installed(&self) -> bool {
        self.current.is_some()
    }

    /// Whether `digest` is installed, confirmed, undamaged and running.
    pub fn is_healthy(&self, digest: &str) -> bool {
        self.current.as_deref() == Some(digest)
            && self.confirmed.as_deref() == Some(digest)
            && self.pending.is_none()
            && self.damaged.is_empty()
            && self.state == RunState::Running
    }
}

/// A node as found before an install.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inspection {
    /// The node's `$PROVISIONER_ROOT`.
    pub root: String,
    /// Whether provisioner's own init is there.
    pub has_ctl: bool,
    /// Whether the asked-for artifact is unpacked and unchanged.
    pub artifact_intact: bool,
    /// Whether the asked-for release is there and unchanged.
    pub release_intact: bool,
    /// The asked-for services.
    pub services: Vec<Observed>,
}

/// What to look for besides the services themselves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    pub artifact: Option<&'a str>,
    pub release: Option<(&'a str, &'a str)>,
}

const FUNCTIONS: &str = r#"
root="${PROVISIONER_ROOT:-}"
ctl="$root/run/provisioner/ctl"
base="$root/opt/provisioner"
list() { find . \( -type f -o -type l \) -exec stat -c '%n %s %Y %a' {} + | LC_ALL=C sort; }
artifact_intact() {
  [ -d "$base/artifacts/$1" ] && [ -f "$base/artifacts/$1.list" ] || return 1
  (cd "$base/artifacts/$1" && list) | cmp -s - "$base/artifacts/$1.list"
}
damage() { # of the release in directory $1
  (cd "$1" 2>/dev/null || { echo "damaged=$1"; exit; }
   [ -s manifest.sha256 ] || echo damaged=manifest.sha256
   sha256sum --quiet -c manifest.sha256 2>/dev/null | sed -n 's/^\(.*\): FAILED.*/damaged=\1/p'
   if [ -L artifact ]; then
     key=$(basename "$(readlink artifact)")
     artifact_intact "$key" || echo "damaged=artifact $key"
   fi)
}
inspect() {
  dir="$base/services/$1"; echo "service=$1"
  [ -d "$dir" ] || { printf 'status='; "$ctl" service status "$1" 2>/dev/null || true; echo; return; }
  current=$(readlink "$dir/current" 2>/dev/null || true)
  echo "current=${current#releases/}"
  for file in confirmed pending reverted; do
    [ -f "$dir/$file" ] && echo "$file=$(cat "$dir/$file")"
  done
  if [ -n "$current" ]; then
    damage "$dir/$current"
    [ "$(readlink "$root/etc/provisioner/services/$1.json" 2>/dev/null)" = "$dir/current/unit.json" ] || echo damaged=definition
  fi
  printf 'status='; "$ctl" service status "$1" 2>/dev/null || true; echo
}
echo "root=$root"
[ -x "$ctl" ] && echo ctl=yes
"#;

/// Looks at a node: its services by name, and what an install wants to know beforehand.
pub(crate) async fn inspect(
    host: &dyn Host,
    names: &[&str],
    wanted: Wanted<'_>,
) -> Result<Inspection, HostError> {
    use std::fmt::Write as _;
    let mut text = FUNCTIONS.to_owned();
    // Writing to a String cannot fail.
    if let Some(key) = wanted.artifact {
        let _ = writeln!(text, "artifact_intact {} && echo artifact=yes", quote(key));
    }
    if let Some((service, digest)) = wanted.release {
        let release = format!("\"$base\"/services/{service}/releases/{digest}");
        let _ = writeln!(
            text,
            "[ -d {release} ] && [ -z \"$(damage {release})\" ] && echo release=yes"
        );
    }
    for name in names {
        check_name(name).map_err(|message| HostError::invalid(host.name(), Phase::Run, message))?;
        let _ = writeln!(text, "inspect {}", quote(name));
    }
    text.push_str("exit 0\n");
    let completed = host.run(&Script::new(text)).await?;
    if !completed.success() {
        let message = format!("cannot look at the services: {}", completed.last_words());
        return Err(HostError::transient(host.name(), Phase::Run, message));
    }
    Ok(parse(&completed.stdout))
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    state: RunState,
    #[serde(default)]
    pid: Option<u32>,
    #[serde(default)]
    restarts: Option<u32>,
}

fn parse(text: &str) -> Inspection {
    let mut found = Inspection::default();
    for line in text.lines() {
        let Some((field, value)) = line.split_once('=') else { continue };
        let filled = (!value.is_empty()).then(|| value.to_owned());
        match field {
            "root" => value.clone_into(&mut found.root),
            "ctl" => found.has_ctl = true,
            "artifact" => found.artifact_intact = true,
            "release" => found.release_intact = true,
            "service" => {
                found.services.push(Observed { name: value.to_owned(), ..Observed::default() });
            }
            _ => {
                let Some(service) = found.services.last_mut() else { continue };
                match field {
                    "current" => service.current = filled,
                    "confirmed" => service.confirmed = filled,
                    "pending" => service.pending = filled,
                    "reverted" => service.reverted = filled,
                    "damaged" => service.damaged.extend(filled),
                    "status" => {
                        if let Ok(status) = serde_json::from_str::<Status>(value) {
                            service.state = status.state;
                            service.pid = status.pid;
                            service.restarts = status.restarts.unwrap_or(0);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    found
}
