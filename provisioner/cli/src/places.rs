//! Where things are on this machine: environments, state files, keys, caches, the local cloud.
//!
//! Invariants: the environment of the process is read once, into [`Homes`]; nothing is created by asking where it is.

use model::{Diagnostic, Sensitive};
use state::keyring::Unlock;
use state::keys::KeySource;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The directories of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Homes {
    /// Keys of environments.
    pub keys: PathBuf,
    /// A key file for every environment, if the user names one.
    pub key_file: Option<PathBuf>,
    /// The passphrase of keyrings.
    pub passphrase: Option<Sensitive<String>>,
    /// An age identity, as a text.
    pub age_identity: Option<Sensitive<String>>,
    /// A file with age identities.
    pub age_identity_file: Option<PathBuf>,
    /// Artifacts that were fetched.
    pub cache: PathBuf,
    /// Clouds on this machine.
    pub local: PathBuf,
    /// What was typed into the console.
    pub console_history: PathBuf,
}

impl Homes {
    /// Those of the user who runs this program.
    pub fn of_user() -> Result<Self, Diagnostic> {
        Self::find(|name| std::env::var_os(name))
    }

    /// By the XDG base directory specification, from the variables that `variable` gives.
    fn find(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Diagnostic> {
        let home = variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let base = |name: &str, fallback: &str| {
            let given = variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
            given.or_else(|| home.as_ref().map(|home| home.join(fallback))).ok_or_else(|| {
                Diagnostic::error(
                    "no-home",
                    format!("neither HOME nor {name} says where your files are"),
                )
                .with_hint("set HOME to your home directory")
            })
        };
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let secret = |name: &str| {
            given(name).map(|value| Sensitive::new(value.to_string_lossy().into_owned()))
        };
        Ok(Self {
            keys: base("XDG_CONFIG_HOME", ".config")?.join("provisioner/keys"),
            key_file: given("PROVISIONER_KEY_FILE").map(PathBuf::from),
            passphrase: secret("PROVISIONER_PASSPHRASE"),
            age_identity: secret("PROVISIONER_AGE_IDENTITY"),
            age_identity_file: given("PROVISIONER_AGE_IDENTITY_FILE").map(PathBuf::from),
            cache: base("XDG_CACHE_HOME", ".cache")?.join("provisioner"),
            local: base("XDG_DATA_HOME", ".local/share")?.join("provisioner/local"),
            console_history: base("XDG_STATE_HOME", ".local/state")?
                .join("provisioner/console-history"),
        })
    }

    /// What the user can open secrets with: the key file, and what the environment of this process holds.
    pub fn unlock(&self) -> Result<Unlock, Diagnostic> {
        let key = match &self.key_file {
            Some(file) => KeySource::File(file.clone()),
            None => KeySource::Directory(self.keys.clone()),
        };
        let mut unlock = Unlock::new(key);
        if let Some(passphrase) = &self.passphrase {
            unlock = unlock.with_passphrase(passphrase.clone());
        }
        let mut identities: Vec<_> = self.age_identity.iter().cloned().collect();
        if let Some(path) = &self.age_identity_file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                let summary = format!("cannot read {}: {error}", path.display());
                Diagnostic::error("age-identity", summary)
                    .with_hint("PROVISIONER_AGE_IDENTITY_FILE names it")
            })?;
            identities.push(Sensitive::new(text));
        }
        for identity in identities {
            unlock = unlock.with_age_identities(identity);
        }
        Ok(unlock)
    }

    /// The directory of an environment's local cloud.
    pub fn local_cloud(&self, environment: &str, lineage: &str) -> PathBuf {
        let short = lineage.get(..8).unwrap_or(lineage);
        self.local.join(format!("{environment}-{short}"))
    }
}

/// The directory that the user means: itself, or the environment of that name.
pub fn environment_directory(target: &Path, working: &Path) -> Result<PathBuf, Diagnostic> {
    if target.is_dir() {
        return Ok(target.to_owned());
    }
    let is_name = target.components().count() == 1 && target.extension().is_none();
    let roots = || std::iter::once(Path::new("")).chain(working.ancestors().skip(1));
    if is_name {
        let mut candidates = roots().map(|root| root.join("environments").join(target));
        if let Some(found) = candidates.find(|candidate| candidate.is_dir()) {
            return Ok(found);
        }
    }
    Err(missing(target, is_name, &known_environments(roots())))
}

fn missing(target: &Path, is_name: bool, known: &[String]) -> Diagnostic {
    let shown = target.display();
    let diagnostic = if target.exists() {
        Diagnostic::error("no-environment", format!("`{shown}` is not a directory"))
    } else if is_name {
        Diagnostic::error("no-environment", format!("there is no environment `{shown}`"))
            .with_detail("an environment is a directory with HCL files, or the name of one under `environments/`")
    } else {
        Diagnostic::error("no-environment", format!("there is no directory `{shown}`"))
    };
    if known.is_empty() {
        diagnostic
    } else {
        diagnostic.with_hint(format!("there are: {}", known.join(", ")))
    }
}

fn known_environments<'a>(mut roots: impl Iterator<Item = &'a Path>) -> Vec<String> {
    let entries = roots.find_map(|root| std::fs::read_dir(root.join("environments")).ok());
    let directories = entries.into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> =
        directories.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The state file of an environment: in the `state/` of the nearest directory above it that has one, or else in its
/// own `.provisioner/state/`. Shown relative to the working directory where possible.
pub fn state_file(directory: &Path, environment: &str, working: &Path) -> PathBuf {
    let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let absolute = absolute.canonicalize().unwrap_or(absolute);
    let shared =
        absolute.ancestors().skip(1).map(|above| above.join("state")).find(|state| state.is_dir());
    let home = shared.unwrap_or_else(|| absolute.join(".provisioner/state"));
    let file = home.join(format!("{environment}.sqlite"));
    file.strip_prefix(working).map(Path::to_owned).unwrap_or(file)
}

/// Where the state of a saved plan's environment may be: at or above the working directory, at or above the plan.
pub fn state_candidates(plan: &Path, environment: &str, working: &Path) -> Vec<PathBuf> {
    let name = format!("{environment}.sqlite");
    let beside = plan.canonicalize().unwrap_or_else(|_| plan.to_owned());
    let above = working.ancestors().chain(beside.ancestors().skip(1));
    let homes =
        above.flat_map(|directory| [directory.join("state"), directory.join(".provisioner/state")]);
    let mut found: Vec<PathBuf> = Vec::new();
    for file in homes.map(|home| home.join(&name)).filter(|file| file.is_file()) {
        let file = file.strip_prefix(working).map(Path::to_owned).unwrap_or(file);
        if !found.contains(&file) {
            found.push(file);
        }
    }
    found
}

/// How to call this program again: by its name if the user did, else by a path that works from here.
pub fn program(called: &Path, executable: Option<&Path>, working: &Path) -> String {
    let by_name = called.components().count() == 1;
    let path = match executable {
        Some(executable) if !by_name => executable.strip_prefix(working).unwrap_or(executable),
        _ => called,
    };
    // A bare name would be looked for elsewhere.
    let here = if !by_name && path.components().count() == 1 { "./" } else { "" };
    format!("{here}{}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_follow_the_variables() {
        let with = |pairs: &'static [(&str, &str)]| {
            move |name: &str| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            }
        };
        let homes = Homes::find(with(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")])).unwrap();
        assert_eq!(homes.keys, Path::new("/h/.config/provisioner/keys"));
        assert_eq!(homes.cache, Path::new("/c/provisioner"));
        assert_eq!(
            homes.local_cloud("staging", "0123456789"),
            Path::new("/h/.local/share/provisioner/local/staging-01234567")
        );
        assert!(Homes::find(with(&[])).unwrap_err().summary.contains("HOME"));
    }

    #[test]
    fn an_environment_is_a_directory_or_a_name() {
        let project = tempfile::tempdir().unwrap();
        let root = project.path().canonicalize().unwrap();
        let staging = root.join("environments/staging");
        std::fs::create_dir_all(&staging).unwrap();
        assert_eq!(environment_directory(&staging, &root).unwrap(), staging);
        let below = staging.join("below");
        let found = environment_directory(Path::new("staging"), &below).unwrap();
        assert_eq!(found, staging);
        let error = environment_directory(Path::new("stagging"), &below).unwrap_err();
        assert_eq!(error.hints, ["there are: staging"]);
    }

    #[test]
    fn state_is_kept_in_the_project() {
        let project = tempfile::tempdir().unwrap();
        let root = project.path().canonicalize().unwrap();
        let directory = root.join("environments/e");
        std::fs::create_dir_all(&directory).unwrap();
        let elsewhere = Path::new("/nowhere");
        assert_eq!(
            state_file(&directory, "e", elsewhere),
            directory.join(".provisioner/state/e.sqlite")
        );
        std::fs::create_dir(root.join("state")).unwrap();
        assert_eq!(state_file(&directory, "e", elsewhere), root.join("state/e.sqlite"));
        assert_eq!(state_file(&directory, "e", &root), Path::new("state/e.sqlite"));
    }

    #[test]
    fn the_program_is_named_so_that_it_can_be_called() {
        let working = Path::new("/w");
        assert_eq!(
            program(Path::new("provisioner"), Some(Path::new("/usr/bin/provisioner")), working),
            "provisioner"
        );
        let here = program(Path::new("./provisioner"), Some(Path::new("/w/provisioner")), working);
        assert_eq!(here, "./provisioner");
        let built = Path::new("/w/target/debug/provisioner");
        assert_eq!(
            program(Path::new("target/debug/provisioner"), Some(built), working),
            "target/debug/provisioner"
        );
    }
}
