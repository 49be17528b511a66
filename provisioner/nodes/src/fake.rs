//! Hosts without machines: an in-memory one with prepared answers, one that is a directory of this
//! machine, and a wrapper that fails on purpose. For tests of this crate and of those above it.
//!
//! Invariants: no fake reaches beyond this machine; the fault wrapper counts every call of every verb.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::host::{
    Completed, Content, Host, HostError, Phase, Script, Stream, Upload, quote, within,
};
use crate::ssh::{in_time, limited, write_script, written};

/// A call that a [`FakeHost`] received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A script's text.
    Run(String),
    /// An upload's path.
    Upload(String),
    /// An address and port.
    Dial(String, u16),
}

/// A node in memory: scripts are answered by the first rule whose text they contain, and with success
/// and no output if none does.
#[derive(Debug, Default)]
pub struct FakeHost {
    name: String,
    rules: Mutex<Vec<(String, Completed)>>,
    open: Mutex<Vec<(String, u16, String)>>,
    calls: Mutex<Vec<Call>>,
}

impl FakeHost {
    /// A node with a name.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Answers scripts that contain `text`. Later rules come first.
    #[must_use]
    pub fn answer(self, text: &str, completed: Completed) -> Self {
        lock(&self.rules).insert(0, (text.to_owned(), completed));
        self
    }

    /// Accepts connections to `address:port` and says `greeting` on them; one that starts with `HTTP/`
    /// comes after the request.
    #[must_use]
    pub fn listening(self, address: &str, port: u16, greeting: &str) -> Self {
        lock(&self.open).push((address.to_owned(), port, greeting.to_owned()));
        self
    }

    /// What was called so far.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Host for FakeHost {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, script: &Script) -> Result<Completed, HostError> {
        lock(&self.calls).push(Call::Run(script.text.clone()));
        let rules = lock(&self.rules);
        let rule = rules.iter().find(|(text, _)| script.text.contains(text));
        Ok(rule.map(|(_, completed)| completed.clone()).unwrap_or_default())
    }

    async fn upload(&self, upload: &Upload) -> Result<(), HostError> {
        lock(&self.calls).push(Call::Upload(upload.path.clone()));
        Ok(())
    }

    async fn dial(&self, address: &str, port: u16, _limit: Duration) -> Result<Stream, HostError> {
        lock(&self.calls).push(Call::Dial(address.to_owned(), port));
        let greeting = lock(&self.open)
            .iter()
            .find(|(host, open, _)| host == address && *open == port)
            .map(|(_, _, greeting)| greeting.clone());
        let Some(greeting) = greeting else {
            return Err(HostError::transient(
                &self.name,
                Phase::Dial,
                format!("{address}:{port} refused"),
            ));
        };
        let (ours, mut theirs) = tokio::io::duplex(4096);
        tokio::spawn(async move {
            // An HTTP server speaks when it is spoken to, all others at once.
            if greeting.starts_with("HTTP/") {
                let _ = theirs.read(&mut [0; 4096]).await;
            }
            let _ = theirs.write_all(greeting.as_bytes()).await;
        });
        Ok(Box::new(ours))
    }
}

/// A node that is a directory of this machine: scripts run here, with `PROVISIONER_ROOT` set to it.
#[derive(Debug)]
pub struct DirectoryHost {
    name: String,
    root: PathBuf,
}

impl DirectoryHost {
    /// A node with its files under `root`.
    pub fn new(name: &str, root: impl Into<PathBuf>) -> Self {
        Self { name: name.to_owned(), root: root.into() }
    }

    async fn execute(
        &self,
        phase: Phase,
        text: &str,
        stdin: Vec<u8>,
    ) -> Result<Completed, HostError> {
        let failed =
            |error: std::io::Error| HostError::transient(&self.name, phase, error.to_string());
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", text])
            .env("PROVISIONER_ROOT", &self.root)
            .current_dir(&self.root)
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut input = child.stdin.take();
        let feed = async move {
            if let Some(input) = &mut input {
                // A script may end without reading its input.
                let _ = input.write_all(&stdin).await;
            }
        };
        let (output, ()) = tokio::join!(child.wait_with_output(), feed);
        let output = output.map_err(failed)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let status = output.status.code().and_then(|code| u32::try_from(code).ok()).unwrap_or(128);
        Ok(Completed { status, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }
}

#[async_trait]
impl Host for DirectoryHost {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, script: &Script) -> Result<Completed, HostError> {
        let text = limited(&script.rendered(), script.limit);
        let work = self.execute(Phase::Run, &text, script.stdin.to_vec());
        let completed = within(&self.name, Phase::Run, script.limit * 2, work).await?;
        in_time(&self.name, script, completed)
    }

    async fn upload(&self, upload: &Upload) -> Result<(), HostError> {
        let bytes = match &upload.content {
            Content::Bytes(bytes) => bytes.to_vec(),
            Content::File(path) => tokio::fs::read(path).await.map_err(|error| {
                HostError::invalid(
                    &self.name,
                    Phase::Upload,
                    format!("cannot read {}: {error}", path.display()),
                )
            })?,
        };
        let text = write_script(&upload.path, upload.mode);
        let work = self.execute(Phase::Upload, &text, bytes);
        let completed = within(&self.name, Phase::Upload, upload.limit, work).await?;
        written(&self.name, upload, &completed)
    }

    async fn dial(&self, address: &str, port: u16, limit: Duration) -> Result<Stream, HostError> {
        let work = async {
            let stream = TcpStream::connect((address, port)).await;
            let stream = stream.map_err(|error| {
                HostError::transient(&self.name, Phase::Dial, error.to_string())
            })?;
            Ok(Box::new(stream) as Stream)
        };
        within(&self.name, Phase::Dial, limit, work).await
    }
}

/// Fails the call with a given number (from 1), before or after it did its work, and lets the others
/// through.
#[derive(Debug)]
pub struct FaultyHost {
    inner: Arc<dyn Host>,
    fails_at: u32,
    after: bool,
    count: AtomicU32,
}

impl FaultyHost {
    /// Fails call `number` without passing it on.
    pub fn before(inner: Arc<dyn Host>, number: u32) -> Self {
        Self { inner, fails_at: number, after: false, count: AtomicU32::new(0) }
    }

    /// Lets call `number` do its work and then loses the answer.
    pub fn after(inner: Arc<dyn Host>, number: u32) -> Self {
        Self { inner, fails_at: number, after: true, count: AtomicU32::new(0) }
    }

    /// How many calls there were.
    pub fn count(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }

    async fn pass<T>(
        &self,
        phase: Phase,
        work: impl Future<Output = Result<T, HostError>>,
    ) -> Result<T, HostError> {
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        let fault = || {
            HostError::transient(
                self.inner.name(),
                phase,
                format!("fault injected into call {number}"),
            )
        };
        if number != self.fails_at {
            return work.await;
        }
        if self.after {
            let _ = work.await;
        }
        Err(fault())
    }
}

#[async_trait]
impl Host for FaultyHost {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn run(&self, script: &Script) -> Result<Completed, HostError> {
        self.pass(Phase::Run, self.inner.run(script)).await
    }

    async fn upload(&self, upload: &Upload) -> Result<(), HostError> {
        self.pass(Phase::Upload, self.inner.upload(upload)).await
    }

    async fn dial(&self, address: &str, port: u16, limit: Duration) -> Result<Stream, HostError> {
        self.pass(Phase::Dial, self.inner.dial(address, port, limit)).await
    }
}

/// The conformance suite of the port: what every [`Host`] must do, with `scratch` as an absolute path
/// of an existing directory on it and `echo_port` a port at the node's 127.0.0.1 that answers `pong`
/// to anyone who connects.
pub async fn conformance(host: &dyn Host, scratch: &str, echo_port: u16) {
    let run = |script: Script| async move { host.run(&script).await };
    let both = run(Script::new("echo out; echo err >&2; exit 3")).await.expect("runs");
    assert_eq!((both.status, both.stdout.as_str(), both.stderr.as_str()), (3, "out\n", "err\n"));
    let fed = run(Script::new("tr a-z A-Z").stdin("quiet")).await.expect("reads its input");
    assert_eq!(fed.stdout, "QUIET");
    let ignored = run(Script::new("exit 0").stdin(vec![b'x'; 3 << 20]))
        .await
        .expect("need not read its input");
    assert!(ignored.success());
    let odd = "it's \"odd\" $HOME `x`\n\\";
    let variable =
        run(Script::new("printf %s \"$ODD\"").variable("ODD", odd)).await.expect("exports");
    assert_eq!(variable.stdout, odd);
    let large =
        run(Script::new("head -c 1000000 /dev/zero | tr '\\0' x")).await.expect("writes much");
    assert_eq!(large.stdout.len(), 1_000_000);
    let late = run(Script::new("sleep 30").limit(Duration::from_millis(300)))
        .await
        .expect_err("has a limit");
    assert_eq!(late.retry, crate::host::Retry::TimedOut, "{late}");

    let path = format!("{scratch}/it's a file");
    let upload = Upload {
        content: Content::Bytes(vec![7; 300_000].into()),
        path: path.clone(),
        mode: 0o640,
        limit: Duration::from_secs(20),
    };
    for _ in 0..2 {
        host.upload(&upload).await.expect("uploads, twice over");
    }
    let size = run(Script::new(format!(
        "stat -c '%s %a' {0}; ls {1} | wc -l",
        quote(&path),
        quote(scratch)
    )))
    .await;
    assert_eq!(size.expect("stats").stdout, "300000 640\n1\n");
    let nowhere = Upload { path: format!("{scratch}/no/such/place"), ..upload };
    let error = host.upload(&nowhere).await.expect_err("the directory is missing");
    assert_eq!(error.node, host.name());

    let mut stream =
        host.dial("127.0.0.1", echo_port, Duration::from_secs(10)).await.expect("dials");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.expect("answers");
    assert_eq!(&answer, b"pong");
    // Port 1 of loopback: nobody listens there.
    let refused = host.dial("127.0.0.1", 1, Duration::from_secs(10)).await;
    assert_eq!(refused.err().map(|error| error.phase), Some(Phase::Dial));
}
