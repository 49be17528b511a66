//! Checkpoints, what they let go, history, pruning, keys, moving in.

use crate::faults::Faulty;
use crate::world::{World, assert_sound, taken};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use state::conformance::{CANARY, create};
use state::keyring::{Keyring, NewWrap, Unlock};
use state::memory::MemoryStore;
use state::sqlite::SqliteStore;
use state::{StateError, StateStore};
use state_object::Tuning;
use std::sync::Arc;

async fn create_many(store: &Arc<dyn StateStore>, lease: &state::Lease, from: u64, to: u64) {
    for number in from..to {
        create(store, lease, &format!("a.o{number}"), "o").await;
    }
}

fn count(names: &[String], directory: &str) -> usize {
    names.iter().filter(|name| name.starts_with(directory)).count()
}

#[tokio::test]
async fn what_a_checkpoint_replaces_stays_for_the_grace_period() {
    let mut world = World::new();
    world.tuning = Tuning { segments: 8, ..Tuning::default() };
    let store = world.program(1);
    let lease = taken(&store, "r1").await;
    create_many(&store, &lease, 0, 40).await;
    let names = world.names().await;
    assert!(count(&names, "checkpoint/") >= 2, "{names:?}");
    assert_eq!(count(&names, "segment/"), 81, "nothing is removed within the hour");
    assert_sound(&store).await;
}

#[tokio::test]
async fn history_is_whole_when_segments_are_gone() {
    let world = World::hasty(4);
    let store = world.program(1);
    let lease = taken(&store, "r1").await;
    create_many(&store, &lease, 0, 40).await;
    let names = world.names().await;
    assert!(count(&names, "segment/") < 20, "{names:?}");
    assert_eq!(count(&names, "checkpoint/"), 1, "{names:?}");
    let reader = world.program(2);
    let journal = reader.journal(0).await.unwrap();
    assert_eq!(journal.len(), 81);
    assert_eq!(reader.version(3).await.unwrap().records.len(), 1);
    assert_eq!(reader.version(41).await.unwrap().records.len(), 20);
    assert_sound(&reader).await;
}

#[tokio::test]
async fn pruning_lets_parts_go() {
    let world = World::hasty(4);
    let (store, idle) = (world.program(1), world.program(2));
    let lease = taken(&store, "r1").await;
    create_many(&store, &lease, 0, 20).await;
    assert_eq!(idle.load().await.unwrap().records.len(), 20);
    let before = count(&world.names().await, "journal/");
    assert_eq!(store.prune(&lease, 31).await.unwrap(), 31);
    create_many(&store, &lease, 20, 24).await;
    let after = world.names().await;
    assert!(count(&after, "journal/") < before, "{after:?}");
    assert_eq!(count(&after, "base/"), 1);
    for program in [&store, &idle, &world.program(3)] {
        assert_eq!(program.journal(0).await.unwrap()[0].sequence, 32);
        assert_eq!(program.version(31).await.unwrap().records.len(), 15);
        assert!(matches!(program.version(30).await, Err(StateError::NoVersion { first: 31, .. })));
        assert_sound(program).await;
    }
    assert_eq!(store.prune(&lease, 45).await.unwrap(), 14);
    create_many(&store, &lease, 24, 28).await;
    assert_eq!(count(&world.names().await, "base/"), 1, "one base at a time");
    assert_sound(&world.program(4)).await;
}

#[tokio::test]
async fn a_history_moves_in_from_memory_and_sqlite() {
    let world = World::hasty(4);
    let file = tempfile::tempdir().unwrap();
    let sqlite: Arc<dyn StateStore> = Arc::new(
        SqliteStore::open(file.path().join("s.sqlite"), "production", world.key_source()).unwrap(),
    );
    let lease = taken(&sqlite, "r1").await;
    create_many(&sqlite, &lease, 0, 10).await;
    sqlite.prune(&lease, 5).await.unwrap();
    sqlite.release(lease).await.unwrap();
    let dump = sqlite.dump().await.unwrap();
    let store = world.program(1);
    store.take_over(dump.clone()).await.unwrap();
    assert_eq!(store.load().await.unwrap(), sqlite.load().await.unwrap());
    let lease = taken(&store, "r2").await;
    create_many(&store, &lease, 10, 20).await;
    store.release(lease).await.unwrap();
    let reader = world.program(2);
    assert_sound(&reader).await;
    let whole = reader.dump().await.unwrap();
    assert_eq!(
        (&whole.base, &whole.journal[..dump.journal.len()]),
        (&dump.base, &dump.journal[..])
    );
    // And back again.
    let back = SqliteStore::open(file.path().join("back.sqlite"), "production", world.key_source())
        .unwrap();
    back.take_over(whole).await.unwrap();
    assert_eq!(back.load().await.unwrap(), reader.load().await.unwrap());
    let foreign = MemoryStore::new().dump().await.unwrap();
    let answer = World::new().program(1).take_over(foreign).await;
    assert!(matches!(answer, Err(StateError::Foreign { .. })), "{answer:?}");
}

#[tokio::test]
async fn keys_are_rotated_and_forgotten() {
    let world = World::hasty(1000);
    let unlock = Unlock::new(world.key_source());
    let store = world.program(1);
    let lease = taken(&store, "r1").await;
    create_many(&store, &lease, 0, 3).await;
    let identity = store.identity().await.unwrap().unwrap();
    let key = world.key_source().read(&identity.lineage).unwrap().key().clone();
    let keyring =
        Keyring::around(key.clone(), &identity.lineage, &[NewWrap::KeyFile(key)]).unwrap();
    let rotated = keyring.rotated(&unlock).unwrap();
    store.rekey(&lease, Some(rotated.text())).await.unwrap();
    create_many(&store, &lease, 3, 6).await;
    let reader = world.program(2);
    assert_eq!(reader.identity().await.unwrap().unwrap().keyring, Some(rotated.text()));
    assert_eq!(reader.load().await.unwrap().records.len(), 6);
    assert_sound(&reader).await;
    assert!(count(&world.names().await, "checkpoint/") > 0, "sealed anew at once");
    let generations: Vec<_> = rotated.generations().collect();
    let without =
        rotated.forget(&unlock, generations[0], state::keyring::Forget::LoseLogin).unwrap();
    store.rekey(&lease, Some(without.text())).await.unwrap();
    let loaded = world.program(3).load().await.unwrap();
    assert_eq!(
        loaded.records.len(),
        6,
        "nothing that is needed now is sealed by what was forgotten"
    );
}

#[tokio::test]
async fn no_secret_stands_in_an_object() {
    let world = World::hasty(4);
    let store = world.program(1);
    let lease = taken(&store, "r1").await;
    create_many(&store, &lease, 0, 5).await;
    store.prune(&lease, 4).await.unwrap();
    for name in world.names().await {
        let path = Path::from(format!("team/state/production/{name}"));
        let body = world.bucket.get(&path).await.unwrap().bytes().await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains(CANARY), "{name}");
    }
}

/// What becomes of an object's content; none if it goes.
type Hurt = fn(&[u8]) -> Option<Vec<u8>>;

/// Each object in turn is cut, changed and removed; nobody believes what is left.
#[tokio::test]
async fn damage_is_found_and_named() {
    let damage: [Hurt; 3] = [
        |body| Some(body[..body.len() / 2].to_vec()),
        |body| {
            let mut body = body.to_vec();
            let middle = body.len() / 2;
            body[middle] ^= 1;
            Some(body)
        },
        |_| None,
    ];
    for (number, hurt) in damage.into_iter().enumerate() {
        let mut world = World::new();
        world.tuning = Tuning { segments: 6, ..Tuning::default() };
        let store = world.program(1);
        let lease = taken(&store, "r1").await;
        create_many(&store, &lease, 0, 8).await;
        let last =
            world.names().await.into_iter().rfind(|name| name.starts_with("segment/")).unwrap();
        for name in world.names().await {
            let path = Path::from(format!("team/state/production/{name}"));
            let sound = world.bucket.get(&path).await.unwrap().bytes().await.unwrap();
            match hurt(&sound) {
                Some(body) => drop(world.bucket.put(&path, body.into()).await.unwrap()),
                None => world.bucket.delete(&path).await.unwrap(),
            }
            let report = world.program(2).check().await.unwrap();
            // What a checkpoint replaced is not read any more, and without the newest checkpoint all is read from before.
            let unread = !is_read(&world, &name).await;
            let at_the_end = number == 2 && (name == last || name.starts_with("checkpoint/"));
            assert!(
                unread || at_the_end || !report.findings.is_empty(),
                "damage {number} of {name} is not found"
            );
            world.bucket.put(&path, sound.into()).await.unwrap();
        }
        assert_sound(&world.program(3)).await;
    }
}

/// Whether who opens the environment now reads this object.
async fn is_read(world: &World, name: &str) -> bool {
    let names = world.names().await;
    let newest = names.iter().rfind(|name| name.starts_with("checkpoint/"));
    let newest = newest.and_then(|name| name["checkpoint/".len()..].split_once('-')).unwrap().0;
    match name.split_once('/').unwrap() {
        ("segment", number) => number > newest,
        ("checkpoint", numbers) => numbers.starts_with(newest),
        _ => true,
    }
}

#[tokio::test]
async fn another_environment_is_not_read() {
    let world = World::new();
    let store = world.program(1);
    taken(&store, "r1").await;
    let path = |environment: &str| {
        Path::from(format!("team/state/{environment}/segment/00000000000000000001"))
    };
    let body = world.bucket.get(&path("production")).await.unwrap().bytes().await.unwrap();
    world.bucket.put(&path("staging"), body.into()).await.unwrap();
    let place = state_object::Place::of(world.bucket.clone(), "team/state", "memory://");
    let staging = state_object::ObjectStateStore::at(place, "staging", world.key_source());
    let answer = staging.load().await;
    assert!(matches!(answer, Err(StateError::Foreign { .. })), "{answer:?}");
    assert!(matches!(staging.identity().await, Err(StateError::Foreign { .. })));
}

/// What one commit asks of the store.
#[tokio::test]
async fn a_commit_is_one_request() {
    let mut world = World::new();
    world.tuning = Tuning { segments: 1_000, ..Tuning::default() };
    let objects = Faulty::sound(&world.bucket);
    let requests = objects.requests.clone();
    let store: Arc<dyn StateStore> = Arc::new(world.through(objects, 1));
    let lease = taken(&store, "r1").await;
    let before = requests.counts();
    create_many(&store, &lease, 0, 10).await;
    store.renew(&lease).await.unwrap();
    let after = requests.counts();
    assert_eq!(after[0] - before[0], 21, "an intent, an outcome, a renewal: a PUT each");
    assert_eq!(after[1..], before[1..]);
    let objects = Faulty::sound(&world.bucket);
    let requests = objects.requests.clone();
    world.through(objects, 2).load().await.unwrap();
    assert_eq!(requests.counts()[2..], [2, 0], "checkpoints and segments are listed once");
}

/// A segment holds what the commit changed, however much is recorded.
#[tokio::test]
async fn a_commit_costs_the_same_however_much_is_recorded() {
    let mut world = World::new().with_ready_key();
    world.tuning = Tuning { segments: 1_000_000, ..Tuning::default() };
    let store = world.program(1);
    let lease = taken(&store, "r1").await;
    create_many(&store, &lease, 100, 500).await;
    let mut sizes = Vec::new();
    for name in world.names().await {
        let path = Path::from(format!("team/state/production/{name}"));
        sizes.push(world.bucket.head(&path).await.unwrap().size);
    }
    assert_eq!(sizes.len(), 801);
    let largest = |sizes: &[u64]| sizes.iter().copied().max().unwrap();
    let (first, last) = (largest(&sizes[1..41]), largest(&sizes[761..]));
    assert!(last <= first + 16, "{first} bytes at first, {last} at last");
    assert!(first < 4096, "{first} bytes");
}
