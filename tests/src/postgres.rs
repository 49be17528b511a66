//! A real PostgreSQL on loopback, in a temporary directory, as an ordinary user.
//!
//! It ends, and its directory goes, when the test does, however that happens.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running server with one database and one user, `owner`, who needs no password.
#[derive(Debug)]
pub struct Postgres {
    directory: PathBuf,
    port: u16,
    /// Waits until its input ends, and then tidies up.
    _caretaker: Child,
}

impl Postgres {
    /// Starts a server; panics with what to install if there is none.
    pub fn start() -> Self {
        let directory = tempfile::TempDir::with_prefix("pv-pg-").expect("a directory").keep();
        if let Some(user) = user() {
            let mut chown = Command::new("chown");
            run(chown.arg(format!("{user}:{user}")).arg(&directory));
        }
        let script = "cat > /dev/null; \"$1\" -D \"$0/data\" stop -m immediate; rm -rf \"$0\"";
        let caretaker = command("sh".as_ref())
            .args(["-c", script])
            .arg(&directory)
            .arg(programs().join("pg_ctl"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell starts");
        let port = free_port();
        let server = Self { directory, port, _caretaker: caretaker };
        let data = server.directory.join("data");
        let mut initdb = command(&programs().join("initdb"));
        initdb.args(["--auth=trust", "--username=owner", "--encoding=UTF8", "--locale=C", "-D"]);
        run(initdb.arg(&data));
        let mut start = command(&programs().join("pg_ctl"));
        start.args(["start", "-w", "-t", "60", "-s", "-l"]).arg(server.directory.join("log"));
        start.arg("-D").arg(&data).arg("-o").arg(format!(
            "-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={}",
            server.directory.display()
        ));
        let status =
            start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let log = || std::fs::read_to_string(server.directory.join("log")).unwrap_or_default();
        assert!(status.is_ok_and(|status| status.success()), "it does not start: {}", log());
        server
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        format!("postgresql://owner@127.0.0.1:{}/postgres", self.port)
    }
}

/// A port that is free, below those that the kernel hands out by itself.
fn free_port() -> u16 {
    let from = 24_000 + u16::try_from(std::process::id() % 6_000).expect("it is below 6000");
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (from..32_000).find(is_free).expect("a free port")
}

/// Where PostgreSQL's programs are; Debian keeps them by version.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    found.sort();
    found.reverse();
    found.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let is_whole = |at: &PathBuf| ["initdb", "pg_ctl"].iter().all(|name| at.join(name).exists());
    let missing = "PostgreSQL's server is not installed: tests/setup.sh installs it";
    found.into_iter().find(is_whole).expect(missing)
}

/// Whom the server runs as when the tests are run by root, whom it refuses; it wants one with a name.
fn user() -> Option<u32> {
    let root = nix::unistd::geteuid().is_root();
    let named = |name| nix::unistd::User::from_name(name).ok().flatten();
    let user = root.then(|| named("postgres").or_else(|| named("nobody")))?;
    user.map(|user| user.uid.as_raw())
}

fn command(program: &Path) -> Command {
    let Some(user) = user() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), "--clear-groups".to_owned(), "--".to_owned()]);
    command.arg(program);
    command
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?} failed: {said}");
}
