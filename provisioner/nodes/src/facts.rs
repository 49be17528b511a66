//! Facts: what a node says about itself, and what it makes for itself.
//!
//! A fact is the trimmed output of a command on the node. Keys are made this way: the command writes
//! the private half into the service's state directory and prints the public half, so that the private
//! one never leaves the node. Invariants: fact commands must be idempotent, for they run whenever facts
//! are wanted; each has a time limit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::host::{Host, Script, quote};
use crate::service::{
    InstallCause, InstallError, Installer, Layout, Observer, Places, Step, Steps, Wanted,
    check_name,
};

/// A command whose output is a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactCommand {
    /// The fact's name.
    pub name: String,
    /// A shell command; `@artifact@` and `@state@` are replaced as in a service.
    pub command: String,
    /// How long it may take, seconds.
    #[serde(default = "limit_s")]
    pub limit_s: u64,
}

fn limit_s() -> u64 {
    30
}

impl FactCommand {
    /// A fact with the default time limit.
    pub fn new(name: impl Into<String>, command: impl Into<String>) -> Self {
        Self { name: name.into(), command: command.into(), limit_s: limit_s() }
    }
}

impl Installer {
    /// Brings an artifact onto a node, unpacked and verified, without installing anything. Returns its
    /// absolute path there.
    pub async fn stage(
        &self,
        host: &Arc<dyn Host>,
        service: &str,
        artifact: &Artifact,
        observer: &dyn Observer,
    ) -> Result<String, InstallError> {
        let steps = Steps { host, service, observer };
        check_name(service)
            .map_err(|message| steps.failed(Step::Inspect, InstallCause::Invalid(message)))?;
        artifact.check().map_err(|error| steps.failed(Step::Fetch, error.into()))?;
        let key = artifact.key();
        let found = steps.look(Wanted { artifact: Some(&key), release: None }).await?;
        let layout = Layout::new(&found.root, service);
        if found.artifact_intact {
            steps.skip(Step::Fetch, "already unpacked on the node");
        } else {
            let bundle = self
                .cache
                .bundle(artifact)
                .await
                .map_err(|error| steps.failed(Step::Fetch, error.into()))?;
            steps.bring(&layout, &bundle).await?;
        }
        Ok(layout.artifact(&key))
    }

    /// Stages `artifact`, runs `commands` one after the other in the service's state directory, and
    /// returns their outputs by name.
    pub async fn facts(
        &self,
        host: &Arc<dyn Host>,
        service: &str,
        artifact: Option<&Artifact>,
        commands: &[FactCommand],
        observer: &dyn Observer,
    ) -> Result<BTreeMap<String, String>, InstallError> {
        if let Some(artifact) = artifact {
            self.stage(host, service, artifact, observer).await?;
        }
        let steps = Steps { host, service, observer };
        let key = artifact.map(Artifact::key);
        let found = steps.look(Wanted::default()).await?;
        run_all(steps, &Layout::new(&found.root, service), key.as_deref(), commands).await
    }

    /// Runs `commands` as [`Installer::facts`] does, but brings nothing onto the node: none if the artifact
    /// that they use is not there whole.
    pub async fn ask(
        &self,
        host: &Arc<dyn Host>,
        service: &str,
        artifact: Option<&Artifact>,
        commands: &[FactCommand],
    ) -> Result<Option<BTreeMap<String, String>>, InstallError> {
        let steps = Steps { host, service, observer: &() };
        let key = artifact.map(Artifact::key);
        let found = steps.look(Wanted { artifact: key.as_deref(), release: None }).await?;
        if key.is_some() && !found.artifact_intact {
            return Ok(None);
        }
        let layout = Layout::new(&found.root, service);
        run_all(steps, &layout, key.as_deref(), commands).await.map(Some)
    }
}

/// Runs the commands one after the other in the service's state directory.
async fn run_all(
    steps: Steps<'_>,
    layout: &Layout,
    key: Option<&str>,
    commands: &[FactCommand],
) -> Result<BTreeMap<String, String>, InstallError> {
    let state = layout.state();
    let artifact = key.map(|key| layout.artifact(key));
    let places = Places { release: None, state: state.clone(), live: None, artifact };
    let mut facts = BTreeMap::new();
    for fact in commands {
        let text = format!(
            "umask 077; mkdir -p {state} && chmod 755 {state}/.. && cd {state} || exit 1\n{command}",
            state = quote(&state),
            command = places.expand(&fact.command)
        );
        let script = Script::new(text).limit(Duration::from_secs(fact.limit_s));
        let completed = steps
            .script(Step::Facts, script)
            .await
            .map_err(|cause| steps.failed(Step::Facts, cause))?;
        facts.insert(fact.name.clone(), completed.stdout.trim().to_owned());
    }
    Ok(facts)
}
