//! Arguments of the node provider's types, read from values into what the crate `nodes` works with.
//!
//! Invariant: what is wrong is said with the argument's name, and no content of a file is ever part of a message.

use super::schema::NAME;
use model::{Type, Value};
use nodes::probe::{From, Probe, ProbeKind};
use nodes::service::Restart;
use nodes::{Artifact, Connection, FactCommand, FileSpec, Selection, ServiceSpec, Source};
use provider::{ErrorClass, ProviderError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Arguments of `facts`.
#[derive(Deserialize)]
pub(super) struct FactsArguments {
    pub(super) connection: Connection,
    artifact: Option<ArtifactArguments>,
    commands: BTreeMap<String, String>,
}

/// What the commands of `facts` printed; secret where the command is.
pub(super) fn fact_values<'a>(
    arguments: &Value,
    printed: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Value {
    let commands = arguments.get("commands");
    let secret = |name: &str| {
        let all = commands.as_ref().is_some_and(|commands| commands.marks().sensitive);
        let one = commands.as_ref().and_then(|commands| commands.get(name));
        all || one.is_some_and(|command| command.deep_marks().sensitive)
    };
    let value = |(name, printed): (&'a String, &'a String)| {
        let value = Value::from(printed.as_str());
        (name.as_str(), if secret(name) { value.into_sensitive() } else { value })
    };
    Value::map(Type::String, printed.into_iter().map(value))
}

/// Arguments of `service`.
#[derive(Deserialize)]
pub(super) struct ServiceArguments {
    pub(super) node: String,
    pub(super) connection: Connection,
    version: Option<String>,
    artifact: Option<ArtifactArguments>,
    files: Option<BTreeMap<String, FileArguments>>,
    command: Vec<String>,
    environment: Option<BTreeMap<String, String>>,
    check: Option<String>,
    pub(super) drain: Option<String>,
    restart: Option<String>,
    dead_man_s: Option<u64>,
    probes: Option<Vec<ProbeArguments>>,
}

/// Arguments of `reachability`.
#[derive(Deserialize)]
pub(super) struct ReachabilityArguments {
    pub(super) service: String,
    pub(super) port: u16,
    pub(super) members: Vec<MemberArguments>,
}

/// A member of a reachability.
#[derive(Deserialize)]
pub(super) struct MemberArguments {
    pub(super) node: String,
    pub(super) connection: Connection,
    pub(super) address: String,
}

#[derive(Deserialize)]
struct ArtifactArguments {
    url: Option<String>,
    file: Option<String>,
    package: Option<String>,
    package_version: Option<String>,
    sha256: Option<String>,
    paths: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct FileArguments {
    content: String,
    mode: Option<String>,
    live: Option<bool>,
}

#[derive(Deserialize)]
struct ProbeArguments {
    name: String,
    from: Option<String>,
    http: Option<HttpArguments>,
    tcp: Option<TcpArguments>,
    command: Option<String>,
    timeout_ms: Option<u64>,
    deadline_ms: Option<u64>,
}

#[derive(Deserialize)]
struct HttpArguments {
    port: u16,
    path: Option<String>,
    status: Option<u16>,
}

#[derive(Deserialize)]
struct TcpArguments {
    port: u16,
    host: Option<String>,
}

fn invalid(message: impl Into<String>) -> ProviderError {
    ProviderError::new(ErrorClass::Invalid, message)
}

/// Reads a value of known shape. Serde's messages name fields and types; of contents they may show only what
/// is no string, so that nothing secret gets out.
pub(super) fn read<T: DeserializeOwned>(value: &Value, what: &str) -> Result<T, ProviderError> {
    let json = value
        .to_plain_json()
        .map_err(|error| invalid(format!("the arguments of {what} are not known: {error}")))?;
    serde_json::from_value(json).map_err(|error| {
        let message = error.to_string();
        // `invalid type: string "..."` would show the string.
        let shown = if message.contains("string \"") {
            "a text stands where it does not fit"
        } else {
            message.as_str()
        };
        invalid(format!("the arguments of {what} do not fit the provider `{NAME}`: {shown}"))
    })
}

impl FactsArguments {
    pub(super) fn artifact(&self) -> Result<Option<Artifact>, ProviderError> {
        self.artifact.as_ref().map(ArtifactArguments::artifact).transpose()
    }

    pub(super) fn commands(&self) -> Vec<FactCommand> {
        self.commands.iter().map(|(name, command)| FactCommand::new(name, command)).collect()
    }
}

impl ServiceArguments {
    /// The service as `nodes` installs it.
    pub(super) fn spec(&self, name: &str) -> Result<ServiceSpec, ProviderError> {
        let version = self.version.clone().unwrap_or_default();
        let mut spec = ServiceSpec::new(name, version, self.command.clone());
        spec.artifact = self.artifact.as_ref().map(ArtifactArguments::artifact).transpose()?;
        for (path, file) in self.files.iter().flatten() {
            spec.files.insert(path.clone(), file.spec(path)?);
        }
        spec.environment = self.environment.clone().unwrap_or_default();
        spec.check.clone_from(&self.check);
        spec.drain.clone_from(&self.drain);
        spec.dead_man_s = self.dead_man_s.unwrap_or(spec.dead_man_s);
        spec.restart = match self.restart.as_deref() {
            None | Some("always") => Restart::Always,
            Some("on-failure") => Restart::OnFailure,
            Some("never") => Restart::Never,
            Some(other) => {
                let message = format!("`restart` of service {name} is {other:?}");
                return Err(
                    invalid(message).with_hint("it is \"always\", \"on-failure\" or \"never\"")
                );
            }
        };
        let probes = self.probes.iter().flatten();
        spec.probes = probes.map(ProbeArguments::probe).collect::<Result<_, _>>()?;
        Ok(spec)
    }
}

impl ArtifactArguments {
    fn artifact(&self) -> Result<Artifact, ProviderError> {
        let one = "give exactly one of `url`, `file` and `package` (with `package_version`)";
        let source = match (&self.url, &self.file, &self.package, &self.package_version) {
            (Some(url), None, None, None) => Source::Url(url.clone()),
            (None, Some(file), None, None) => Source::File(file.into()),
            (None, None, Some(package), Some(version)) => Source::Deb {
                package: package.clone(),
                version: version.clone(),
                architecture: None,
            },
            _ => return Err(invalid("the artifact names no single source").with_hint(one)),
        };
        let Some(sha256) = self.sha256.clone() else {
            let message = format!("the artifact {source} has no `sha256`");
            return Err(invalid(message)
                .with_hint("write the output of `sha256sum FILE`: nothing unverified is run"));
        };
        let paths = self.paths.iter().flatten();
        let paths = paths.map(|(from, to)| Selection::new(from, to)).collect();
        let artifact = Artifact { source, sha256, paths, declared_at: None };
        artifact.check().map_err(|error| invalid(error.to_string()).with_hint(error.hint()))?;
        Ok(artifact)
    }
}

impl FileArguments {
    fn spec(&self, path: &str) -> Result<FileSpec, ProviderError> {
        let mode = match &self.mode {
            None => 0o644,
            Some(text) => u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| *mode <= 0o7777)
                .ok_or_else(|| {
                    invalid(format!("`mode` of file {path} is {text:?}"))
                        .with_hint("it is octal, like \"0600\"")
                })?,
        };
        // Whatever the marks say: contents of configuration files never belong in a message.
        Ok(FileSpec {
            content: self.content.clone(),
            mode,
            sensitive: true,
            live: self.live.unwrap_or(false),
        })
    }
}

impl ProbeArguments {
    fn probe(&self) -> Result<Probe, ProviderError> {
        let kind = match (&self.http, &self.tcp, &self.command) {
            (Some(http), None, None) => ProbeKind::Http {
                port: http.port,
                path: http.path.clone().unwrap_or_else(|| "/".to_owned()),
                host: None,
                expect_status: http.status.unwrap_or(200),
                expect_body: None,
            },
            (None, Some(tcp), None) => ProbeKind::Tcp { port: tcp.port, host: tcp.host.clone() },
            (None, None, Some(command)) => ProbeKind::Command { command: command.clone() },
            _ => {
                let message = format!("probe {:?} does not say what is asked", self.name);
                return Err(
                    invalid(message).with_hint("give exactly one of `http`, `tcp` and `command`")
                );
            }
        };
        let mut probe = Probe::new(self.name.clone(), kind);
        probe.from = match self.from.as_deref() {
            None | Some("node") => From::Node,
            Some("peer") => From::Peer,
            Some(other) => {
                let message = format!("`from` of probe {:?} is {other:?}", self.name);
                return Err(invalid(message).with_hint("it is \"node\" or \"peer\""));
            }
        };
        probe.timeout_ms = self.timeout_ms.unwrap_or(probe.timeout_ms);
        probe.deadline_ms = self.deadline_ms.unwrap_or(probe.deadline_ms);
        Ok(probe)
    }
}
