//! The store on Azure's own emulator; without npm, which installs it, this says so, and fails where CI is set.

use crate::emulator::Azurite;
use crate::world::{assert_sound, part, taken};
use object_store::ObjectStore;
use object_store::azure::MicrosoftAzureBuilder;
use state::StateStore;
use state::clock::Clock;
use state::conformance::{self, Fixture};
use state::holder::Holder;
use state::keys::KeySource;
use state_object::{ObjectStateStore, Place, Tuning};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A new container.
fn container(azurite: &Azurite, name: &str) -> Arc<dyn ObjectStore> {
    azurite.make_container(name);
    named(azurite, name)
}

/// A container of that name, whether it is there or not.
fn named(azurite: &Azurite, name: &str) -> Arc<dyn ObjectStore> {
    let container = MicrosoftAzureBuilder::new()
        .with_account(Azurite::ACCOUNT)
        .with_access_key(Azurite::KEY)
        .with_container_name(name)
        .with_endpoint(azurite.endpoint())
        .with_allow_http(true)
        .build();
    Arc::new(container.unwrap())
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
    let Some(azurite) = Azurite::start() else {
        println!("npm is missing, so Azure Blob is not tested here");
        return;
    };
    let mut containers = Containers {
        here: container(&azurite, "here"),
        elsewhere: container(&azurite, "elsewhere"),
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
    let keys = tempfile::tempdir().unwrap();
    let place = Place::of(named(azurite, "nowhere"), "", "az://nowhere");
    let store =
        ObjectStateStore::at(place, "production", KeySource::Directory(keys.path().to_owned()));
    let error = store.prepare().await.unwrap_err();
    let hint = error.hint().unwrap();
    assert!(hint.contains("make the bucket or container first"), "{error}: {hint}");
}
