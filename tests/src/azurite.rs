//! Azure's own emulator: real requests, signatures, conditional writes. Installed from npm into a cache below the system's
//! temporary directory, one for all tests; it ends with the test.
//!
//! `provisioner/state/object/tests` takes this file in as a module: that crate's tests need nothing else of this one. Refuses to
//! know: what is stored.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const VERSION: &str = "3.35.0";

/// A running emulator; ends with this.
#[derive(Debug)]
pub struct Azurite {
    child: Child,
    port: u16,
    _data: tempfile::TempDir,
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a container is made with.
const MAKE: &str = r#"
const crypto = require("node:crypto");
const [url, account, key] = process.argv.slice(1);
const path = new URL(url).pathname;
const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-08-06" };
const named = Object.entries(headers).map(([name, value]) => name + ":" + value + "\n").join("");
const text = "PUT" + "\n".repeat(12) + named + "/" + account + path + "\nrestype:container";
const mac = crypto.createHmac("sha256", Buffer.from(key, "base64")).update(text).digest("base64");
headers.Authorization = "SharedKey " + account + ":" + mac;
fetch(url, { method: "PUT", headers }).then(async (answer) => {
  if (answer.status !== 201) { console.error(answer.status, await answer.text()); process.exit(1); }
});
"#;

impl Azurite {
    /// Its account, which is the same everywhere, as is the key.
    pub const ACCOUNT: &str = "devstoreaccount1";
    /// The key of the account.
    pub const KEY: &str =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    /// Starts it; none without npm, which is a failure where CI is set.
    pub fn start() -> Option<Self> {
        let program = install()?;
        let data = tempfile::tempdir().expect("a temporary directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        let child = Command::new("node")
            .arg(program)
            .args(["--silent", "--skipApiVersionCheck", "--inMemoryPersistence"])
            .args(["--disableTelemetry", "--blobHost", "127.0.0.1", "--blobPort"])
            .arg(port.to_string())
            .current_dir(data.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let azurite = Self { child, port, _data: data };
        let deadline = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the emulator does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(azurite)
    }

    /// Where it is asked.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{}", self.port, Self::ACCOUNT)
    }

    /// Makes a new container.
    pub fn make_container(&self, name: &str) {
        let url = format!("{}/{name}?restype=container", self.endpoint());
        let mut make = Command::new("node");
        make.args(["-e", MAKE, &url, Self::ACCOUNT, Self::KEY]);
        run(&mut make);
    }
}

fn install() -> Option<PathBuf> {
    let home = std::env::temp_dir().join(format!("provisioner-tests-azurite-{VERSION}"));
    let program = home.join("node_modules/azurite/dist/src/blob/main.js");
    if program.exists() {
        return Some(program);
    }
    let npm = Command::new("npm").arg("--version").output();
    if !npm.is_ok_and(|npm| npm.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "npm is missing, so Azure Blob is not tested");
        return None;
    }
    // Made beside and then named, so that an installation that is cut off is not taken for one.
    let temporary = tempfile::tempdir_in(std::env::temp_dir()).expect("a temporary directory");
    install_in(temporary.path());
    if std::fs::rename(temporary.keep(), &home).is_err() {
        assert!(program.exists(), "another test installed it at the same time");
    }
    Some(program)
}

fn install_in(directory: &Path) {
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]);
    npm.args(["--prefix", "."]).arg(format!("azurite@{VERSION}")).current_dir(directory);
    run(&mut npm);
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?} failed: {said}");
}
