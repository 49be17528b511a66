//! Azure's own emulator: real requests, signatures, conditional writes. Installed from npm into a cache below the system's
//! temporary directory, one for the whole test binary; without npm this says so, and fails where CI is set.

use jiff::Timestamp;
use state::StateStore;
use state::clock::{Clock, ManualClock};
use state::conformance::{self, Fixture};
use state::holder::Holder;
use state::keys::KeySource;
use state_object::{ObjectStateStore, Place, Tuning};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const VERSION: &str = "3.35.0";

/// A running emulator; ends with this.
struct Azurite {
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

fn install() -> Option<PathBuf> {
    let home = std::env::temp_dir().join(format!("provisioner-tests-azurite-{VERSION}"));
    let program = home.join("node_modules/azurite/dist/src/blob/main.js");
    if program.exists() {
        return Some(program);
    }
    let npm = Command::new("npm").arg("--version").output();
    if !npm.is_ok_and(|npm| npm.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "npm is missing, so Azure Blob is not tested");
        println!("npm is missing, so Azure Blob is not tested here");
        return None;
    }
    // Made beside and then named, so that an installation that is cut off is not taken for one.
    let temporary = tempfile::tempdir_in(std::env::temp_dir()).unwrap();
    let installed = Command::new("npm")
        .args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"])
        .args(["--prefix", "."])
        .arg(format!("azurite@{VERSION}"))
        .current_dir(temporary.path())
        .output()
        .unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    if std::fs::rename(temporary.keep(), &home).is_err() {
        assert!(program.exists(), "another test installed it at the same time");
    }
    Some(program)
}

fn start(program: &Path) -> Azurite {
    let data = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new("node")
        .arg(program)
        .args(["--silent", "--skipApiVersionCheck", "--inMemoryPersistence", "--disableTelemetry"])
        .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
        .current_dir(data.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let azurite = Azurite { child, port, _data: data };
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "the emulator does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    azurite
}

impl Azurite {
    /// A container of its own for every test.
    async fn container(&self, name: &str) -> Arc<dyn object_store::ObjectStore> {
        let builder = || {
            object_store::azure::MicrosoftAzureBuilder::new()
                .with_use_emulator(true)
                .with_allow_http(true)
                .with_endpoint(format!("http://127.0.0.1:{}/devstoreaccount1", self.port))
        };
        let client = builder().with_container_name(name).build().unwrap();
        self.make(name);
        Arc::new(client)
    }
}
