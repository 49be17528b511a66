//! Azure's own emulator: real requests, signatures, conditional writes. Installed from npm into a cache below the system's
//! temporary directory, one for the whole test binary; without npm this says so, and fails where CI is set.

use crate::world::{assert_sound, part, taken};
use object_store::ObjectStore;
use object_store::azure::MicrosoftAzureBuilder;
use state::StateStore;
use state::clock::Clock;
use state::conformance::{self, Fixture};
use state::holder::Holder;
use state::keys::KeySource;
use state_object::{ObjectStateStore, Place, Tuning};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
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
    let deadline = Instant::now() + Duration::from_mins(1);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "the emulator does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    azurite
}

/// What the emulator's container is made with: its account and key are the same everywhere.
const MAKE: &str = r#"
const crypto = require("node:crypto");
const [url, key] = process.argv.slice(1);
const path = new URL(url).pathname;
const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-08-06" };
const named = Object.entries(headers).map(([name, value]) => name + ":" + value + "\n").join("");
const text = "PUT" + "\n".repeat(12) + named + "/devstoreaccount1" + path + "\nrestype:container";
const mac = crypto.createHmac("sha256", Buffer.from(key, "base64")).update(text).digest("base64");
headers.Authorization = "SharedKey devstoreaccount1:" + mac;
fetch(url, { method: "PUT", headers }).then(async (answer) => {
  if (answer.status !== 201) { console.error(answer.status, await answer.text()); process.exit(1); }
});
"#;
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

impl Azurite {
    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/devstoreaccount1", self.port)
    }

    /// A new container.
    fn container(&self, name: &str) -> Arc<dyn ObjectStore> {
        let url = format!("{}/{name}?restype=container", self.endpoint());
        let made = Command::new("node").args(["-e", MAKE, &url, KEY]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let container = MicrosoftAzureBuilder::new()
            .with_account("devstoreaccount1")
            .with_access_key(KEY)
            .with_container_name(name)
            .with_endpoint(self.endpoint())
            .with_allow_http(true)
            .build();
        Arc::new(container.unwrap())
    }
}

struct Containers {
    here: Arc<dyn ObjectStore>,
    elsewhere: Arc<dyn ObjectStore>,
    keys: tempfile::TempDir,
    tuning: Tuning,
}

impl Containers {
    fn store(&self, objects: &Arc<dyn ObjectStore>, name: &str) -> ObjectStateStore {
        let place = Place::of(objects.clone(), "team/state", "az://state/team/state");
        ObjectStateStore::at(place, name, KeySource::Directory(self.keys.path().to_owned()))
            .with_tuning(self.tuning)
    }
}

impl Fixture for Containers {
    fn open(&self, name: &str, clock: Arc<dyn Clock>, holder: Holder) -> Arc<dyn StateStore> {
        Arc::new(self.store(&self.here, name).with_clock(clock).with_holder(holder))
    }

    fn open_elsewhere(
        &self,
        name: &str,
        clock: Arc<dyn Clock>,
        holder: Holder,
    ) -> Arc<dyn StateStore> {
        Arc::new(self.store(&self.elsewhere, name).with_clock(clock).with_holder(holder))
    }
}

/// Programs that race for the same segments, each with a connection of its own.
async fn race(containers: &Containers) {
    let works = (0..4).map(|number| {
        let store: Arc<dyn StateStore> = Arc::new(containers.store(&containers.here, "race"));
        tokio::spawn(async move {
            let addresses: Vec<_> = (0..5).map(|o| format!("a.p{number}_{o}")).collect();
            let texts: Vec<_> = addresses.iter().map(String::as_str).collect();
            let lease = store.acquire(part(&format!("r{number}"), &texts)).await.unwrap();
            for address in &addresses {
                conformance::create(&store, &lease, address, address).await;
            }
            store.release(lease).await.unwrap();
        })
    });
    for work in works.collect::<Vec<_>>() {
        work.await.unwrap();
    }
    let store: Arc<dyn StateStore> = Arc::new(containers.store(&containers.here, "race"));
    assert_eq!(store.load().await.unwrap().records.len(), 20);
    assert_eq!(store.journal(0).await.unwrap().len(), 4 * 12);
    assert_sound(&store).await;
}

/// How long a commit takes here, for people who run this with `--nocapture`.
async fn measure(containers: &Containers) {
    let store: Arc<dyn StateStore> = Arc::new(containers.store(&containers.here, "measured"));
    let lease = taken(&store, "r1").await;
    let started = Instant::now();
    for number in 0..50 {
        conformance::create(&store, &lease, &format!("a.o{number}"), "o").await;
    }
    println!("one commit after the other: {:?} each", started.elapsed() / 100);
    let started = Instant::now();
    let begun = (50..250).map(|number| {
        let (store, lease) = (store.clone(), lease.clone());
        let address = format!("a.o{number}");
        tokio::spawn(async move { conformance::create(&store, &lease, &address, "o").await })
    });
    for begun in begun.collect::<Vec<_>>() {
        begun.await.unwrap();
    }
    println!("400 commits asked for at one time: {:?}", started.elapsed());
    let fresh = containers.store(&containers.here, "measured");
    let started = Instant::now();
    assert_eq!(fresh.load().await.unwrap().records.len(), 250);
    println!("load by a new program: {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_on_azure_blob() {
    let Some(program) = install() else { return };
    let azurite = start(&program);
    let mut containers = Containers {
        here: azurite.container("here"),
        elsewhere: azurite.container("elsewhere"),
        keys: tempfile::tempdir().unwrap(),
        tuning: Tuning::default(),
    };
    conformance::run(&containers).await;
    measure(&containers).await;
    containers.tuning = Tuning { segments: 3, grace: Duration::ZERO };
    race(&containers).await;
    missing_container(&azurite).await;
}

/// The address and credentials are right, but nothing was made there yet.
async fn missing_container(azurite: &Azurite) {
    let objects = MicrosoftAzureBuilder::new()
        .with_account("devstoreaccount1")
        .with_access_key(KEY)
        .with_container_name("nowhere")
        .with_endpoint(azurite.endpoint())
        .with_allow_http(true)
        .build();
    let keys = tempfile::tempdir().unwrap();
    let place = Place::of(Arc::new(objects.unwrap()), "", "az://nowhere");
    let store =
        ObjectStateStore::at(place, "production", KeySource::Directory(keys.path().to_owned()));
    let error = store.prepare().await.unwrap_err();
    let hint = error.hint().unwrap();
    assert!(hint.contains("make the bucket or container first"), "{error}: {hint}");
}
