//! The scripts of an install, one a step, and the paths they work on.
//!
//! Invariants: each script may run any number of times with the same end; each fails as a whole (`set
//! -e`) and leaves either the state before it or the state after it, by making things beside their
//! place and renaming them. Everything here is pure text.

use std::fmt::Write as _;

use super::spec::{Restart, ServiceSpec};
use super::supervisor::Supervisor;
use crate::artifact::Bundle;
use crate::host::quote;

/// Files of a release that a service cannot bring itself.
const RESERVED: [&str; 3] = ["unit.json", "manifest.sha256", "artifact"];
/// What an interrupted run left behind, and artifacts that nothing uses, go after this many minutes.
const STALE_MIN: u32 = 60;
/// The exit status by which a script says that the node reverted on its own.
pub(super) const REVERTED_STATUS: u32 = 9;

/// Checks that a service's name can be a file name and a word.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let good = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
        })
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if good {
        return Ok(());
    }
    Err(format!("{name:?} is not a service name: use lower-case letters, digits, - and _"))
}

/// Checks a spec as far as that is possible without a node.
pub(super) fn check_spec(spec: &ServiceSpec) -> Result<(), String> {
    check_name(&spec.name)?;
    if spec.command.first().is_none_or(String::is_empty) {
        return Err("`command` is empty".to_owned());
    }
    for path in spec.files.keys() {
        let first = path.split('/').next().unwrap_or_default();
        let odd = path
            .split('/')
            .any(|part| part.is_empty() || part == "." || part == ".." || part.starts_with('-'));
        if odd || path.contains(['\n', '\\']) || RESERVED.contains(&first) {
            return Err(format!("{path:?} cannot be the path of a file of a service"));
        }
    }
    if spec.artifact.is_none() && format!("{spec:?}").contains("@artifact@") {
        return Err("`@artifact@` is used, but the service has no artifact".to_owned());
    }
    Ok(())
}

/// Where one service lies on one node.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: String,
    service: String,
}

impl Layout {
    pub(crate) fn new(root: &str, service: &str) -> Self {
        Self { root: root.to_owned(), service: service.to_owned() }
    }

    pub(crate) fn artifacts(&self) -> String {
        format!("{}/opt/provisioner/artifacts", self.root)
    }

    pub(crate) fn artifact(&self, key: &str) -> String {
        format!("{}/{key}", self.artifacts())
    }

    /// Where a bundle lies before its digest was compared.
    pub(crate) fn unverified(&self, key: &str) -> String {
        format!("{}/{key}.{}.unverified", self.artifacts(), self.service)
    }

    pub(crate) fn home(&self) -> String {
        format!("{}/opt/provisioner/services/{}", self.root, self.service)
    }

    pub(crate) fn state(&self) -> String {
        format!("{}/state", self.home())
    }

    pub(super) fn live(&self) -> String {
        format!("{}/live", self.home())
    }

    pub(crate) fn release(&self, digest: &str) -> String {
        format!("{}/releases/{digest}", self.home())
    }

    /// The release's directory as the node's own supervisor names it, which knows the root itself.
    fn working_directory(&self, digest: &str) -> String {
        format!("/opt/provisioner/services/{}/releases/{digest}", self.service)
    }

    fn definition(&self) -> String {
        format!("{}/etc/provisioner/services/{}.json", self.root, self.service)
    }

    /// The command of the dead-man timer.
    pub(super) fn revert_command(&self) -> String {
        format!("sh {}", quote(&format!("{}/revert", self.home())))
    }
}

/// The values of `@release@`, `@state@`, `@live@` and `@artifact@`.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) release: Option<String>,
    pub(crate) state: String,
    pub(crate) live: Option<String>,
    pub(crate) artifact: Option<String>,
}

impl Places {
    pub(crate) fn expand(&self, text: &str) -> String {
        let mut text = text.replace("@state@", &self.state);
        if let Some(release) = &self.release {
            text = text.replace("@release@", release);
        }
        if let Some(live) = &self.live {
            text = text.replace("@live@", live);
        }
        if let Some(artifact) = &self.artifact {
            text = text.replace("@artifact@", artifact);
        }
        text
    }
}

/// Makes room for an upload.
pub(crate) fn make_room(layout: &Layout) -> String {
    format!("set -e; mkdir -p {}", quote(&layout.artifacts()))
}

/// Compares the digest of an uploaded bundle.
pub(crate) fn verify(layout: &Layout, bundle: &Bundle) -> String {
    let file = quote(&layout.unverified(&bundle.key));
    format!(
        r#"found=$(sha256sum < {file}) || exit 1
found=${{found%% *}}
[ "$found" = {expected} ] && exit 0
rm -f {file}
echo "sha256 of the uploaded bundle is $found, expected {expected}" >&2
exit 1"#,
        expected = bundle.sha256
    )
}

/// Unpacks a verified bundle and records what its files look like.
pub(crate) fn unpack(layout: &Layout, key: &str) -> String {
    let (file, place) = (quote(&layout.unverified(key)), quote(&layout.artifact(key)));
    let partial = quote(&format!("{}.{}.partial", layout.artifact(key), layout.service));
    format!(
        r"set -e; umask 022
rm -rf {partial}; mkdir {partial}
tar -x -z -f {file} -C {partial} --no-same-owner
(cd {partial} && find . \( -type f -o -type l \) -exec stat -c '%n %s %Y %a' {{}} + | LC_ALL=C sort) > {partial}.list
# A damaged artifact makes way; running programs keep the old files open.
if [ -e {place} ]; then rm -rf {place}.old; mv -T {place} {place}.old; fi
mv -f {partial}.list {place}.list
mv -T {partial} {place}
rm -rf {place}.old {file}"
    )
}

/// Marks an artifact as in use, so that it is not taken for stale before its release exists.
pub(crate) fn touch(layout: &Layout, key: &str) -> String {
    format!("touch {}", quote(&layout.artifact(key)))
}

/// The definition that the supervisor reads.
fn unit(spec: &ServiceSpec, places: &Places, directory: &str) -> String {
    let restart = match spec.restart {
        Restart::Always => "always",
        Restart::OnFailure => "on-failure",
        Restart::Never => "never",
    };
    let command: Vec<String> = spec.command.iter().map(|word| places.expand(word)).collect();
    let environment: std::collections::BTreeMap<_, _> =
        spec.environment.iter().map(|(name, value)| (name, places.expand(value))).collect();
    let unit = serde_json::json!({
        "name": spec.name,
        "command": command,
        "directory": directory,
        "environment": environment,
        "restart": restart,
        "stop_signal": spec.stop_signal,
        "stop_timeout_s": spec.stop_timeout_s,
    });
    format!("{unit:#}\n")
}

/// A release as a tar archive, for the standard input of [`configure`].
pub(super) fn release_archive(
    spec: &ServiceSpec,
    places: &Places,
    layout: &Layout,
    digest: &str,
) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut manifest = String::new();
    let unit = unit(spec, places, &layout.working_directory(digest));
    let mut files = vec![("unit.json".to_owned(), unit, 0o600)];
    for (path, file) in spec.release_files() {
        files.push((path.clone(), places.expand(&file.content), file.mode));
    }
    for (path, content, mode) in &files {
        // Writing to a String cannot fail.
        let _ = writeln!(manifest, "{}  {path}", model::digest::sha256_hex(content.as_bytes()));
        append(&mut builder, path, content, *mode)?;
    }
    append(&mut builder, "manifest.sha256", &manifest, 0o644)?;
    if let Some(artifact) = &spec.artifact {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        builder.append_link(
            &mut header,
            "artifact",
            format!("../../../../artifacts/{}", artifact.key()),
        )?;
    }
    builder.into_inner()
}

pub(super) fn append(
    builder: &mut tar::Builder<Vec<u8>>,
    path: &str,
    content: &str,
    mode: u32,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    builder.append_data(&mut header, path, content.as_bytes())
}

/// Puts a release (a tar archive on standard input) beside the others.
pub(super) fn configure(layout: &Layout, digest: &str) -> String {
    let (home, release, state) =
        (quote(&layout.home()), quote(&layout.release(digest)), quote(&layout.state()));
    format!(
        r"set -e; umask 022
mkdir -p {home}/releases {state}; chmod 700 {state}
rm -rf {release}.partial; mkdir {release}.partial
tar -x -p -f - -C {release}.partial --no-same-owner
# A release of this digest that is there already was damaged.
if [ -e {release} ]; then rm -rf {release}.old; mv -T {release} {release}.old; fi
mv -T {release}.partial {release}
rm -rf {release}.old"
    )
}

/// Runs the service's own check of its configuration in the new release.
pub(super) fn check_config(
    layout: &Layout,
    digest: &str,
    spec: &ServiceSpec,
    places: &Places,
    check: &str,
) -> String {
    let mut text = String::new();
    for (name, value) in &spec.environment {
        let _ = writeln!(text, "export {name}={}", quote(&places.expand(value)));
    }
    let _ =
        write!(text, "cd {} || exit 1\n{}", quote(&layout.release(digest)), places.expand(check));
    text
}

/// What taking a release back means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Back {
    /// The confirmed release becomes current again.
    To(String),
    /// There was none: stop and remove the service.
    Nothing,
    /// The release on trial is the confirmed one (it is being mended): leave it.
    Same,
}

/// The script that takes `digest` back, with all it needs inside.
pub(super) fn revert(
    layout: &Layout,
    digest: &str,
    back: &Back,
    supervisor: &dyn Supervisor,
) -> String {
    let (home, service) = (quote(&layout.home()), &layout.service);
    let steps = match back {
        Back::To(previous) => format!(
            r#"if [ "$(readlink current)" != releases/{previous} ]; then
  rm -f current.revert
  ln -s releases/{previous} current.revert
  mv -T current.revert current
  {reload} && {restart} || failed=1
fi
echo {digest} > reverted"#,
            reload = supervisor.reload(service),
            restart = supervisor.restart(service),
        ),
        Back::Nothing => format!(
            "{stop} || true\n{remove} || true\n{status} > /dev/null 2>&1 && failed=1\nrm -f {definition} current\necho {digest} > reverted",
            status = supervisor.status(service),
            stop = supervisor.stop(service),
            remove = supervisor.remove(service),
            definition = quote(&layout.definition()),
        ),
        Back::Same => String::new(),
    };
    format!(
        r#"# Written by provisioner. Takes release {digest} of {service} back unless it was confirmed.
cd {home} || exit 1
[ "$(cat pending 2>/dev/null)" = {digest} ] || exit 0
failed=0
{steps}
rm -f pending
exit $failed
"#
    )
}

/// Runs the revert script now and takes its timer away. A release that is current without being on
/// trial or confirmed (its timer ran out while it was switched) is put on trial first, so that it is
/// taken back too.
pub(super) fn take_back(layout: &Layout, digest: &str, supervisor: &dyn Supervisor) -> String {
    format!(
        r#"cd {home} || exit 1
if [ "$(readlink current)" = releases/{digest} ] && [ "$(cat confirmed 2>/dev/null)" != {digest} ]; then
  echo {digest} > pending
fi
{revert} || exit 1
{disarm}"#,
        home = quote(&layout.home()),
        revert = layout.revert_command(),
        disarm = supervisor.disarm(&layout.service),
    )
}

/// Starts the trial of `digest`: the revert script (on standard input), the mark, the timer.
pub(super) fn arm(
    layout: &Layout,
    digest: &str,
    timeout_s: u64,
    supervisor: &dyn Supervisor,
) -> String {
    format!(
        r"set -e; umask 022; cd {home}
cat > revert.new; mv -f revert.new revert
echo {digest} > pending.new; mv -f pending.new pending
{arm}",
        home = quote(&layout.home()),
        arm = supervisor.arm(&layout.service, timeout_s, &layout.revert_command()),
    )
}

/// Makes `digest` the current release.
pub(super) fn switch(layout: &Layout, digest: &str) -> String {
    let definition = layout.definition();
    format!(
        r"set -e; cd {home}
rm -f current.new; ln -s releases/{digest} current.new; mv -T current.new current
mkdir -p {directory}; rm -f {new}; ln -s {unit} {new}; mv -T {new} {definition}",
        home = quote(&layout.home()),
        directory = quote(definition.rsplit_once('/').map_or("/", |(directory, _)| directory)),
        new = quote(&format!("{definition}.new")),
        unit = quote(&format!("{}/current/unit.json", layout.home())),
        definition = quote(&definition),
    )
}

/// Restarts the service and waits until it stays up: the same state, running, twice.
pub(super) fn restart(layout: &Layout, supervisor: &dyn Supervisor) -> String {
    let service = &layout.service;
    format!(
        r#"set -e
{reload}
{restart}
set +e
before=none; tries=0
while [ $tries -lt 40 ]; do
  now=$({status}) && [ "$now" = "$before" ] && exit 0
  before=$now; tries=$((tries + 1)); sleep 0.25
done
echo "it does not stay up: $now; the end of its log:" >&2
{log} >&2
exit 1"#,
        log = supervisor.log(service),
        reload = supervisor.reload(service),
        restart = supervisor.restart(service),
        status = supervisor.status(service),
    )
}

/// Ends the trial well, if it is still going on.
pub(super) fn confirm(layout: &Layout, digest: &str) -> String {
    format!(
        r#"cd {home} || exit 1
[ "$(cat pending 2>/dev/null)" = {digest} ] && [ "$(readlink current)" = releases/{digest} ] || exit {REVERTED_STATUS}
set -e
echo {digest} > confirmed.new; mv -f confirmed.new confirmed
rm -f pending reverted"#,
        home = quote(&layout.home()),
    )
}

/// Takes the timer away and removes what is no longer needed: all releases but the confirmed and the
/// previous one, and artifacts that no release uses.
pub(super) fn disarm(
    layout: &Layout,
    digest: &str,
    previous: Option<&str>,
    supervisor: &dyn Supervisor,
) -> String {
    format!(
        r#"set -e
{disarm}
cd {home}; rm -f revert
for release in releases/*; do
  case "$release" in releases/{digest}|releases/{previous}) ;; *) rm -rf "$release" ;; esac
done
{prune}"#,
        disarm = supervisor.disarm(&layout.service),
        home = quote(&layout.home()),
        previous = previous.unwrap_or(digest),
        prune = prune_artifacts(layout),
    )
}

fn prune_artifacts(layout: &Layout) -> String {
    format!(
        r#"cd {artifacts} 2>/dev/null || exit 0
used=$(readlink ../services/*/releases/*/artifact 2>/dev/null || true)
find . -mindepth 1 -maxdepth 1 -mmin +{STALE_MIN} | while read -r old; do
  key=${{old#./}}; key=${{key%.list}}
  case "$used" in *"$key"*) ;; *) rm -rf "$old" ;; esac
done"#,
        artifacts = quote(&layout.artifacts()),
    )
}

/// Takes a service off the node.
pub(super) fn remove(layout: &Layout, keep_state: bool, supervisor: &dyn Supervisor) -> String {
    let service = &layout.service;
    let files = if keep_state {
        "find . -mindepth 1 -maxdepth 1 ! -name state -exec rm -rf {} +".to_owned()
    } else {
        format!("cd /; rm -rf {}", quote(&layout.home()))
    };
    format!(
        r"{disarm} || true
rm -f {home}/pending
{stop} || true
{remove} || true
if {status} > /dev/null 2>&1; then echo 'it still runs' >&2; exit 1; fi
set -e
rm -f {definition}
if cd {home} 2>/dev/null; then {files}; fi
{prune}",
        disarm = supervisor.disarm(service),
        stop = supervisor.stop(service),
        remove = supervisor.remove(service),
        status = supervisor.status(service),
        definition = quote(&layout.definition()),
        home = quote(&layout.home()),
        prune = prune_artifacts(layout),
    )
}
