//! A cloud in a temporary directory, logins to its machines, and the proof that nothing stays behind.

use provider_local::{Cloud, Isolation, Machine, MachineArguments, Owner, Removal};
use russh::client::{self, Handle};
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, Disconnect};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::UnixStream;

pub type TestResult<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The program that the tests give to be started again.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_provider-local-node");

pub struct Fixture {
    pub cloud: Cloud,
    pub key: Arc<PrivateKey>,
    pub directory: TempDir,
}

pub struct Said {
    pub output: String,
    pub errors: String,
    pub code: Option<u32>,
    pub signal: Option<String>,
}

/// Looks again until something is so.
pub async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !condition().await {
        assert!(Instant::now() < end, "not so in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn owner(name: &str) -> Owner {
    Owner {
        lineage: "lineage".into(),
        environment: "test".into(),
        address: format!("local.{name}"),
        token: format!("token-{name}"),
    }
}

impl Fixture {
    pub fn new() -> TestResult<Self> {
        let directory = tempfile::tempdir()?;
        let cloud = Cloud::new(directory.path().join("cloud"), PROGRAM.into());
        Ok(Self {
            cloud,
            key: Arc::new(PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]))),
            directory,
        })
    }

    pub fn without_namespaces() -> TestResult<Self> {
        let mut fixture = Self::new()?;
        fixture.cloud = fixture.cloud.clone().with_isolation(Isolation::Processes);
        Ok(fixture)
    }

    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(Cloud) -> T + Send + 'static,
    ) -> TestResult<T> {
        let cloud = self.cloud.clone();
        Ok(tokio::task::spawn_blocking(move || work(cloud)).await?)
    }

    pub async fn network(&self, name: &str) -> TestResult {
        let name = name.to_owned();
        self.blocking(move |cloud| cloud.create_network(&owner(&name), &name, "10.77.0.0/24"))
            .await??;
        Ok(())
    }

    pub fn arguments(&self, name: &str) -> MachineArguments {
        MachineArguments {
            name: name.to_owned(),
            network: "main".to_owned(),
            authorized_keys: self.key.public_key().to_openssh().into_iter().collect(),
            ..MachineArguments::default()
        }
    }

    pub async fn machine(
        &self,
        name: &str,
        change: impl FnOnce(&mut MachineArguments),
    ) -> TestResult<Machine> {
        let mut arguments = self.arguments(name);
        change(&mut arguments);
        Ok(self
            .blocking(move |cloud| cloud.create_machine(&owner(&arguments.name), &arguments))
            .await??)
    }

    pub async fn update(
        &self,
        name: &str,
        change: impl FnOnce(&mut MachineArguments),
    ) -> TestResult<Machine> {
        let mut arguments = self.arguments(name);
        change(&mut arguments);
        Ok(self
            .blocking(move |cloud| cloud.update_machine(&owner(&arguments.name), &arguments))
            .await??)
    }

    pub async fn login(&self, machine: &Machine) -> TestResult<Login> {
        Login::open(&machine.socket, self.key.clone(), machine).await
    }

    /// Deletes everything and looks for leftovers.
    pub fn end(self) -> TestResult {
        for name in self.cloud.layout().names(provider_local::Kind::Machine)? {
            self.cloud.delete_machine(&owner(&name), &name, Removal::Deleted)?;
        }
        for name in self.cloud.layout().names(provider_local::Kind::Volume)? {
            self.cloud.delete_volume(&owner(&name), &name, Removal::Deleted)?;
        }
        for name in self.cloud.layout().names(provider_local::Kind::Network)? {
            self.cloud.delete_network(&owner(&name), &name, Removal::Deleted)?;
        }
        let directory = self.cloud.layout().root();
        assert!(!directory.exists(), "{} still exists", directory.display());
        assert_eq!(programs_about(directory), Vec::<String>::new());
        Ok(())
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // After a failed test: what a test started never outlives it.
        for (number, _) in programs_in(self.directory.path()) {
            let _ = std::process::Command::new("kill").args(["-9", &number]).status();
        }
    }
}

/// Numbers and command lines of programs that name something in a directory.
fn programs_in(directory: &Path) -> Vec<(String, String)> {
    let needle = directory.to_string_lossy().into_owned();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    entries
        .filter_map(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let both = [line.as_slice(), environment.as_slice()].concat();
            let number = entry.file_name().to_string_lossy().into_owned();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            String::from_utf8_lossy(&both).contains(&needle).then_some((number, line))
        })
        .collect()
}

/// Command lines that name something in a directory.
pub fn programs_about(directory: &Path) -> Vec<String> {
    programs_in(directory).into_iter().map(|(_, line)| line).collect()
}

pub struct Pinned(String);

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        Ok(key.to_openssh().is_ok_and(|line| line.trim() == self.0))
    }
}

pub struct Login {
    pub handle: Handle<Pinned>,
}

impl Login {
    async fn open(socket: &Path, key: Arc<PrivateKey>, machine: &Machine) -> TestResult<Self> {
        let stream = UnixStream::connect(socket).await?;
        let config = Arc::new(client::Config::default());
        let pinned = Pinned(machine.host_key.clone().ok_or("no host key")?);
        let mut handle = client::connect_stream(config, stream, pinned).await?;
        let key = PrivateKeyWithHashAlg::new(key, None);
        if !handle.authenticate_publickey("root", key).await?.success() {
            return Err("refused".into());
        }
        Ok(Self { handle })
    }

    pub async fn run(&self, command: &str, input: &[u8]) -> TestResult<Said> {
        let mut channel = self.handle.channel_open_session().await?;
        channel.exec(true, command).await?;
        channel.data(input).await?;
        channel.eof().await?;
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let (mut code, mut signal) = (None, None);
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => output.extend_from_slice(&data),
                ChannelMsg::ExtendedData { data, .. } => errors.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status),
                ChannelMsg::ExitSignal { signal_name, .. } => {
                    signal = Some(format!("{signal_name:?}"));
                }
                _ => {}
            }
        }
        Ok(Said {
            output: String::from_utf8(output)?,
            errors: String::from_utf8(errors)?,
            code,
            signal,
        })
    }

    /// What a shell on a terminal of 99 columns and 33 rows says to this input.
    pub async fn terminal(&self, input: &str) -> TestResult<Said> {
        let mut channel = self.handle.channel_open_session().await?;
        channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await?;
        channel.request_shell(true).await?;
        channel.window_change(99, 33, 0, 0).await?;
        channel.data(input.as_bytes()).await?;
        let (mut output, mut code) = (Vec::new(), None);
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => output.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status),
                _ => {}
            }
        }
        let output = String::from_utf8(output)?;
        Ok(Said { output, errors: String::new(), code, signal: None })
    }

    /// The first line that a TCP peer of the node says.
    pub async fn dial(&self, host: &str, port: u32) -> TestResult<String> {
        use tokio::io::AsyncBufReadExt as _;
        let channel = self.handle.channel_open_direct_tcpip(host, port, "127.0.0.1", 0).await?;
        let mut line = String::new();
        tokio::io::BufReader::new(channel.into_stream()).read_line(&mut line).await?;
        Ok(line)
    }

    pub async fn close(self) -> TestResult {
        self.handle.disconnect(Disconnect::ByApplication, "", "").await?;
        Ok(())
    }
}
