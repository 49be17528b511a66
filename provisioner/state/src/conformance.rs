//! What every store must do, as a suite that each one runs. Panics at the first thing that is wrong.
//!
//! Time stands still unless the suite moves it; "another program" is another handle with another holder.

mod completed;
mod rollouts;

pub use rollouts::{entry, started};

use crate::clock::{Clock, ManualClock};
use crate::error::StateError;
use crate::holder::Holder;
use crate::port::{Attempt, Edit, Lease, LeaseRequest, RunResults, StateStore};
use crate::rules::LEASE_SECONDS;
use crate::scope::Scope;
use jiff::Timestamp;
use model::graph::{Lifecycle, Node, Output, ProviderConfig};
use model::record::{Intent, IntentAction, Outcome, Record};
use model::{Address, Type, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

/// Opens stores for the suite.
pub trait Fixture: Sync {
    /// A handle on the environment `name`, as a program of its own would have it. The same name is the same
    /// environment; a new name a new one.
    fn open(&self, name: &str, clock: Arc<dyn Clock>, holder: Holder) -> Arc<dyn StateStore>;

    /// The same, in another place of the same kind and with the same keys: two environments of one name.
    fn open_elsewhere(
        &self,
        name: &str,
        clock: Arc<dyn Clock>,
        holder: Holder,
    ) -> Arc<dyn StateStore>;
}

/// A secret that must never be seen.
pub const CANARY: &str = "canary-5f1c-secret";

/// An environment of the suite.
struct Scene<'a> {
    fixture: &'a dyn Fixture,
    name: &'a str,
    clock: Arc<ManualClock>,
}

impl Scene<'_> {
    fn as_holder(&self, holder: Holder) -> Arc<dyn StateStore> {
        self.fixture.open(self.name, self.clock.clone(), holder)
    }

    fn open(&self) -> Arc<dyn StateStore> {
        self.as_holder(Holder::current())
    }
}

/// Runs the whole suite.
pub async fn run(fixture: &dyn Fixture) {
    let noon = Timestamp::from_second(1_790_000_000).expect("a time this century");
    let scene = |name| Scene { fixture, name, clock: Arc::new(ManualClock::new(noon)) };
    new_environment(scene("new")).await;
    one_life(scene("life")).await;
    replacement_create_first(scene("replace")).await;
    revisions_go_on(scene("revisions")).await;
    refreshed(scene("refreshed")).await;
    results(scene("results")).await;
    providers_stay(scene("providers")).await;
    illegal_transitions(scene("illegal")).await;
    completed::begun_together(scene("begun together")).await;
    completed::completed(scene("completed")).await;
    held(scene("held")).await;
    taken_over_when_gone(scene("gone")).await;
    zombies_write_nothing(scene("zombie")).await;
    unfinished_after_a_crash(scene("crash")).await;
    secrets_are_sealed_in_the_journal(scene("secrets")).await;
    parts(scene("parts")).await;
    unlocked(scene("unlocked")).await;
    attempts(scene("attempts")).await;
    edits(scene("edits")).await;
    history(scene("history")).await;
    pruned(scene("pruned")).await;
    rollouts::journaled(scene("rollouts")).await;
    rollouts::fenced(scene("driven")).await;
    rollouts::pruned(scene("rollouts pruned")).await;
    rollouts::moved_and_restored(scene("rollouts moved")).await;
    rollouts::sealed_anew(scene("rollouts rekeyed")).await;
    moved_to_another_store(scene("moved")).await;
}

/// A request for a lease by run `run`.
pub fn request(run: &str) -> LeaseRequest {
    let (run, command) = (run.to_owned(), format!("apply {run}"));
    LeaseRequest { run, command, scope: Scope::Environment, seconds: LEASE_SECONDS }
}

/// An address.
pub fn address(text: &str) -> Address {
    Address::parse(text).expect("the suite's addresses are right")
}

/// A record with a secret attribute.
pub fn record(text: &str, id: &str) -> Record {
    Record {
        address: address(text),
        provider: "local".to_owned(),
        id: id.to_owned(),
        attributes: Value::object([
            ("name", Value::from(id)),
            ("tags", Value::set(Type::Any, ["a".into(), "b".into()])),
            ("password", Value::from(CANARY).into_sensitive()),
            ("nothing", Value::null(Type::Any)),
        ]),
        dependencies: BTreeSet::from([address("local_network.main")]),
        lifecycle: Lifecycle { create_before_destroy: true, ..Lifecycle::default() },
        token: format!("token-{id}"),
        generation: 1,
        revision: 0,
        tainted: false,
    }
}

/// An intent with a secret in its request.
pub fn intent(text: &str, action: IntentAction, prior: Option<Record>) -> Intent {
    Intent {
        deadline: String::new(),
        batch: None,
        sequence: 0,
        run: String::new(),
        address: address(text),
        action,
        provider: "local".to_owned(),
        provider_config: provider("namespaces"),
        token: "token".to_owned(),
        generation: 1,
        request: Value::object([("password", Value::from(CANARY).into_sensitive())]),
        prior,
        dependencies: BTreeSet::new(),
        lifecycle: Lifecycle::default(),
    }
}

fn provider(isolation: &str) -> ProviderConfig {
    let arguments = Value::object([("isolation", Value::from(isolation))]);
    ProviderConfig { name: "local".to_owned(), arguments }
}

/// The outcome of a creation or update.
pub fn recorded(record: Record, deposed: Option<Record>) -> Outcome {
    Outcome::Recorded { record: Box::new(record), deposed: deposed.map(Box::new) }
}

async fn ok<T>(what: &str, answer: impl Future<Output = Result<T, StateError>>) -> T {
    match answer.await {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}

async fn taken(store: &Arc<dyn StateStore>, run: &str) -> Lease {
    ok("acquire", store.acquire(request(run))).await
}

/// Creates an object: intent and outcome.
pub async fn create(store: &Arc<dyn StateStore>, lease: &Lease, text: &str, id: &str) -> Record {
    let begun = intent(text, IntentAction::Create, None);
    let sequence = ok("begin", store.begin(lease, begun)).await;
    let outcome = recorded(record(text, id), None);
    ok("finish", store.finish(lease, sequence, outcome)).await.expect("a record")
}

async fn delete(store: &Arc<dyn StateStore>, lease: &Lease, prior: Record) {
    let begun = intent(&prior.address.to_string(), IntentAction::Delete, Some(prior));
    let sequence = ok("begin", store.begin(lease, begun)).await;
    let answer = ok("finish", store.finish(lease, sequence, Outcome::Removed)).await;
    assert_eq!(answer, None);
}

async fn new_environment(scene: Scene<'_>) {
    let store = scene.open();
    let fresh = ok("load", store.load()).await;
    assert_eq!(
        fresh,
        model::record::Recorded::default(),
        "nothing is known before the first write"
    );
    assert!(ok("journal", store.journal(0)).await.is_empty());
    let lease = taken(&store, "r1").await;
    let loaded = ok("load", store.load()).await;
    assert!(!loaded.lineage.is_empty(), "the first write makes the lineage");
    ok("release", store.release(lease)).await;
    let again = ok("load", scene.open().load()).await;
    assert_eq!(again.lineage, loaded.lineage);
    assert!(again.serial > loaded.serial);
}

async fn one_life(scene: Scene<'_>) {
    let store = scene.open();
    let lease = taken(&store, "r1").await;
    let text = "module.a.local_machine.x[\"k\"]";
    let stored = create(&store, &lease, text, "one").await;
    assert_eq!(stored, Record { revision: 1, ..record(text, "one") });
    let loaded = ok("load", store.load()).await;
    assert_eq!(loaded.records, BTreeMap::from([(address(text), stored.clone())]));
    assert!(loaded.unfinished.is_empty());

    let update = intent(text, IntentAction::Update, Some(stored.clone()));
    let sequence = ok("begin", store.begin(&lease, update)).await;
    let updated = Record { tainted: true, ..stored.clone() };
    let updated = ok("finish", store.finish(&lease, sequence, recorded(updated, None))).await;
    assert_eq!(updated.as_ref().map(|record| record.revision), Some(2));

    let failed = intent(text, IntentAction::Delete, updated.clone());
    let sequence = ok("begin", store.begin(&lease, failed)).await;
    let outcome = Outcome::Failed { message: "it is in use".to_owned() };
    assert_eq!(ok("finish", store.finish(&lease, sequence, outcome)).await, None);
    let kept = ok("load", store.load()).await.records.remove(&address(text));
    assert_eq!(kept, updated, "a failure changes nothing");

    delete(&store, &lease, stored).await;
    assert!(ok("load", store.load()).await.records.is_empty());
    let lost = create(&store, &lease, "local_volume.v", "two").await;
    ok("forget", store.forget(&lease, &lost.address)).await;
    ok("forget", store.forget(&lease, &lost.address)).await;
    assert!(ok("load", store.load()).await.records.is_empty());
    ok("release", store.release(lease)).await;

    let journal = ok("journal", store.journal(0)).await;
    let kinds: Vec<_> = journal.iter().map(|entry| entry.kind.as_str()).collect();
    let pair = ["intent", "outcome"];
    let mut expected = vec!["run-started"];
    for _ in 0..5 {
        expected.extend(pair);
    }
    expected.extend(["forgotten", "run-finished"]);
    assert_eq!(kinds, expected);
    assert!((1..).zip(&journal).all(|(sequence, entry)| entry.sequence == sequence));
    assert!(journal.iter().all(|entry| entry.run == "r1"));
    assert_eq!(ok("journal", store.journal(10)).await, journal[10..]);
}

async fn replacement_create_first(scene: Scene<'_>) {
    let store = scene.open();
    let lease = taken(&store, "r1").await;
    let text = "local_machine.x";
    let old = create(&store, &lease, text, "old").await;
    let begun = intent(text, IntentAction::Create, Some(old.clone()));
    let sequence = ok("begin", store.begin(&lease, begun)).await;
    let outcome = recorded(record(text, "new"), Some(old.clone()));
    let new = ok("finish", store.finish(&lease, sequence, outcome)).await.expect("a record");
    let loaded = ok("load", store.load()).await;
    assert_eq!(loaded.deposed, std::slice::from_ref(&old));
    assert_eq!(loaded.records[&address(text)], new);

    let begun = intent(text, IntentAction::DeleteDeposed, Some(old));
    let sequence = ok("begin", store.begin(&lease, begun)).await;
    ok("finish", store.finish(&lease, sequence, Outcome::Removed)).await;
    let loaded = ok("load", store.load()).await;
    assert!(loaded.deposed.is_empty());
    assert_eq!(loaded.records[&address(text)], new, "the new object stays");
}

async fn revisions_go_on(scene: Scene<'_>) {
    let store = scene.open();
    let lease = taken(&store, "r1").await;
    let first = create(&store, &lease, "local_machine.x", "one").await;
    delete(&store, &lease, first).await;
    let second = create(&store, &lease, "local_machine.x", "two").await;
    assert_eq!(second.revision, 2, "a plan made for the first object must not fit the second");
}

async fn refreshed(scene: Scene<'_>) {
    let store = scene.open();
    let lease = taken(&store, "r1").await;
    let same = create(&store, &lease, "local_machine.same", "one").await;
    let differs = create(&store, &lease, "local_machine.differs", "two").await;
    let gone = create(&store, &lease, "local_machine.gone", "three").await;
    let before = ok("load", store.load()).await.serial;
    ok("nothing", store.write_refreshed(&lease, vec![same.clone()], vec![])).await;
    assert_eq!(ok("load", store.load()).await.serial, before, "nothing new is not written");
    let attributes = Value::object([("name", Value::from("changed"))]);
    let newer = Record { attributes, ..differs };
    let records = vec![same.clone(), newer.clone()];
    ok("refreshed", store.write_refreshed(&lease, records, vec![gone.address.clone()])).await;
    let loaded = ok("load", store.load()).await;
    assert_eq!(loaded.records[&same.address], same);
    assert_eq!(loaded.records[&newer.address], Record { revision: 2, ..newer });
    assert_eq!(loaded.records.len(), 2);
    let unknown = store.write_refreshed(&lease, vec![record("a.b", "x")], vec![]).await;
    assert!(matches!(unknown, Err(StateError::Illegal(_))), "{unknown:?}");
}

fn output(value: Value, sensitive: bool) -> Output {
    Output { value, sensitive, description: "an output".to_owned() }
}

async fn results(scene: Scene<'_>) {
    let store = scene.open();
    let lease = taken(&store, "r1").await;
    let machine = Value::object([("address", Value::from("10.0.0.2"))]);
    let node = Node {
        name: "edge-local-001".to_owned(),
        pool: "local".to_owned(),
        index: 0,
        domain: "a".to_owned(),
        machine,
        revision: String::new(),
    };
    let written = RunResults {
        outputs: BTreeMap::from([
            ("url".to_owned(), Some(output("http://x".into(), false))),
            ("password".to_owned(), Some(output(CANARY.into(), true))),
        ]),
        providers: BTreeMap::from([("local".to_owned(), Some(provider("none")))]),
        node_sets: BTreeMap::from([("edge".to_owned(), Some(vec![node.clone()]))]),
    };
    ok("results", store.write_results(&lease, written.clone())).await;
    let loaded = ok("load", scene.open().load()).await;
    assert_eq!(loaded.outputs["url"], output("http://x".into(), false));
    let secret = &loaded.outputs["password"].value;
    assert_eq!(secret, &Value::from(CANARY).into_sensitive(), "a sensitive output is marked");
    assert_eq!(loaded.providers["local"], provider("none"));
    assert_eq!(loaded.node_sets["edge"], [node]);
    let outputs = BTreeMap::from([("password".to_owned(), None), ("never".to_owned(), None)]);
    ok("results", store.write_results(&lease, RunResults { outputs, ..RunResults::default() }))
        .await;
    let after = ok("load", store.load()).await;
    assert_eq!(after.outputs.keys().collect::<Vec<_>>(), ["url"], "only what is named changes");
    assert_eq!(after.node_sets, loaded.node_sets);
    ok("nothing", store.write_results(&lease, RunResults::default())).await;
    assert_eq!(ok("load", store.load()).await.serial, after.serial, "no change is not written");
}

async fn providers_stay(scene: Scene<'_>) {
    let store = scene.open();
    let lease = taken(&store, "r1").await;
    let made = create(&store, &lease, "local_machine.x", "one").await;
    let known = ok("load", store.load()).await.providers;
    assert_eq!(known["local"], provider("namespaces"), "known from the first record on");
    let providers = BTreeMap::from([("local".to_owned(), None)]);
    let drop_it = RunResults { providers, ..RunResults::default() };
    ok("results", store.write_results(&lease, drop_it.clone())).await;
    let known = ok("load", store.load()).await.providers;
    assert!(known.contains_key("local"), "a record still needs it");
    delete(&store, &lease, made).await;
    ok("results", store.write_results(&lease, drop_it)).await;
    assert!(ok("load", store.load()).await.providers.is_empty());
}

async fn illegal_transitions(scene: Scene<'_>) {
    let store = scene.open();
    let lease = taken(&store, "r1").await;
    let refused = |answer: Result<Option<Record>, StateError>| {
        assert!(matches!(answer, Err(StateError::Illegal(_))), "{answer:?}");
    };
    refused(store.finish(&lease, 1, Outcome::Removed).await);
    refused(store.finish(&lease, 99, Outcome::Removed).await);
    let begun = intent("local_machine.x", IntentAction::Create, None);
    let sequence = ok("begin", store.begin(&lease, begun.clone())).await;
    let twice = store.begin(&lease, begun).await;
    assert!(matches!(twice, Err(StateError::Illegal(_))), "{twice:?}");
    refused(store.finish(&lease, sequence, Outcome::Removed).await);
    let stranger = recorded(record("local_machine.y", "y"), None);
    refused(store.finish(&lease, sequence, stranger).await);
    let before = ok("load", store.load()).await;
    assert!(before.records.is_empty() && before.unfinished.len() == 1, "nothing of it stays");
    let outcome = recorded(record("local_machine.x", "x"), None);
    ok("finish", store.finish(&lease, sequence, outcome.clone())).await;
    refused(store.finish(&lease, sequence, outcome).await);
    let nothing = intent("local_machine.x", IntentAction::DeleteDeposed, None);
    let nothing = store.begin(&lease, nothing).await;
    assert!(matches!(nothing, Err(StateError::Illegal(_))), "{nothing:?}");
}

async fn held(scene: Scene<'_>) {
    let (one, two) = (scene.open(), scene.open());
    let lease = taken(&one, "r1").await;
    scene.clock.advance(59);
    let refused = two.acquire(request("r2")).await;
    let Err(StateError::Held { by, addresses }) = refused else {
        panic!("it is held: {refused:?}");
    };
    assert_eq!((*by, addresses), (lease.info.clone(), Vec::new()));
    assert_eq!(ok("leases", two.leases()).await, std::slice::from_ref(&lease.info));
    ok("renew", one.renew(&lease)).await;
    scene.clock.advance(59);
    assert!(two.acquire(request("r2")).await.is_err(), "renewed in time");
    scene.clock.advance(1);
    let second = taken(&two, "r2").await;
    assert!(second.info.epoch > lease.info.epoch);
    ok("release", two.release(second)).await;
    let third = taken(&one, "r3").await;
    assert!(third.info.epoch > lease.info.epoch + 1, "released at once, and the epoch goes on");
}

/// Someone on this host who is not there any more.
pub fn gone() -> Holder {
    Holder { pid: u32::MAX, ..Holder::current() }
}

async fn taken_over_when_gone(scene: Scene<'_>) {
    let dead = scene.as_holder(gone());
    let _never_released = taken(&dead, "r1").await;
    let store = scene.open();
    let lease = taken(&store, "r2").await;
    let journal = ok("journal", store.journal(1)).await;
    assert_eq!(journal[0].body["taken_over"][0]["run"], "r1");
    ok("release", store.release(lease)).await;
    let elsewhere = Holder { host: "elsewhere".to_owned(), ..gone() };
    let _never_released = taken(&scene.as_holder(elsewhere), "r3").await;
    let answer = store.acquire(request("r4")).await;
    assert!(matches!(answer, Err(StateError::Held { .. })), "nobody can tell: {answer:?}");
}

async fn zombies_write_nothing(scene: Scene<'_>) {
    let zombie = scene.as_holder(gone());
    let old = taken(&zombie, "r1").await;
    let made = create(&zombie, &old, "local_machine.x", "one").await;
    let begun = intent("local_machine.y", IntentAction::Create, None);
    let sequence = ok("begin", zombie.begin(&old, begun.clone())).await;
    let lease = taken(&scene.open(), "r2").await;
    let before = ok("load", zombie.load()).await;
    let outcome = recorded(record("local_machine.y", "y"), None);
    let lost = |answer: Result<(), StateError>| {
        assert!(matches!(answer, Err(StateError::LeaseLost { epoch: 1 })), "{answer:?}");
    };
    lost(zombie.renew(&old).await);
    lost(zombie.begin(&old, begun).await.map(drop));
    lost(zombie.finish(&old, sequence, outcome).await.map(drop));
    lost(zombie.write_refreshed(&old, vec![made.clone()], vec![]).await);
    lost(zombie.forget(&old, &made.address).await);
    lost(zombie.write_results(&old, RunResults::default()).await);
    lost(zombie.release(old).await);
    assert_eq!(ok("load", zombie.load()).await, before);
    ok("renew", scene.open().renew(&lease)).await;
}

async fn unfinished_after_a_crash(scene: Scene<'_>) {
    let dead = scene.as_holder(gone());
    let lease = taken(&dead, "r1").await;
    let begun = intent("local_machine.x", IntentAction::Create, None);
    let sequence = ok("begin", dead.begin(&lease, begun.clone())).await;
    drop(dead);
    let store = scene.open();
    let expected = Intent { sequence, run: "r1".to_owned(), ..begun };
    assert_eq!(ok("load", store.load()).await.unfinished, [expected]);
    let lease = taken(&store, "r2").await;
    let outcome = recorded(record("local_machine.x", "x"), None);
    ok("the next run settles it", store.finish(&lease, sequence, outcome)).await;
    let loaded = ok("load", store.load()).await;
    assert!(loaded.unfinished.is_empty() && loaded.records.len() == 1);
}

async fn secrets_are_sealed_in_the_journal(scene: Scene<'_>) {
    let store = scene.open();
    let lease = taken(&store, "r1").await;
    let made = create(&store, &lease, "local_machine.x", "one").await;
    ok("forget", store.forget(&lease, &made.address)).await;
    let outputs = BTreeMap::from([("password".to_owned(), Some(output(CANARY.into(), true)))]);
    let results = RunResults { outputs, ..RunResults::default() };
    ok("results", store.write_results(&lease, results)).await;
    for entry in ok("journal", store.journal(0)).await {
        assert!(!entry.body.to_string().contains(CANARY), "{} shows it", entry.kind);
    }
}

fn scope(writes: &[&str], reads: &[&str]) -> Scope {
    let set = |texts: &[&str]| texts.iter().map(|text| address(text)).collect();
    Scope::of(set(writes), set(reads))
}

async fn parts(scene: Scene<'_>) {
    let (one, two) = (scene.open(), scene.open());
    let first = LeaseRequest { scope: scope(&["a.x"], &["a.shared"]), ..request("r1") };
    let first = ok("acquire", one.acquire(first)).await;
    let second = LeaseRequest { scope: scope(&["a.y"], &["a.shared"]), ..request("r2") };
    let second = ok("disjoint parts go on together", two.acquire(second)).await;
    let made = create(&one, &first, "a.x", "x").await;
    create(&two, &second, "a.y", "y").await;
    let beyond = two.begin(&second, intent("a.x", IntentAction::Update, Some(made))).await;
    assert!(matches!(beyond, Err(StateError::Illegal(_))), "only what it covers: {beyond:?}");
    let overlapping = LeaseRequest { scope: scope(&["a.shared", "a.z"], &[]), ..request("r3") };
    let refused = scene.open().acquire(overlapping.clone()).await;
    let Err(StateError::Held { by, addresses }) = refused else { panic!("{refused:?}") };
    assert_eq!((by.run.as_str(), addresses), ("r1", vec![address("a.shared")]));
    let whole = scene.open().acquire(request("r4")).await;
    assert!(matches!(whole, Err(StateError::Held { .. })), "{whole:?}");
    let runs = ok("leases", one.leases()).await;
    assert_eq!(runs.iter().map(|info| info.run.as_str()).collect::<Vec<_>>(), ["r1", "r2"]);
    ok("release", one.release(first)).await;
    ok("release", two.release(second)).await;
    ok("free again", scene.open().acquire(overlapping)).await;
    assert_eq!(ok("load", one.load()).await.records.len(), 2);
}

async fn unlocked(scene: Scene<'_>) {
    let (one, two) = (scene.open(), scene.open());
    let lease = taken(&one, "r1").await;
    assert_eq!(ok("unlock", two.unlock(99, "ana")).await, None);
    let gone = ok("unlock", two.unlock(lease.info.epoch, "ana")).await;
    assert_eq!(gone.map(|info| info.run), Some("r1".to_owned()));
    assert!(matches!(one.renew(&lease).await, Err(StateError::LeaseLost { .. })));
    let journal = ok("journal", two.journal(1)).await;
    assert_eq!((journal[0].kind.as_str(), &journal[0].body["by"]), ("unlocked", &"ana".into()));
    taken(&two, "r2").await;
}

async fn attempts(scene: Scene<'_>) {
    let store = scene.open();
    let lease = taken(&store, "r1").await;
    let begun = intent("a.x", IntentAction::Create, None);
    let sequence = ok("begin", store.begin(&lease, begun)).await;
    let attempt = Attempt {
        number: 2,
        class: "throttled".to_owned(),
        message: "too many requests".to_owned(),
        wait_ms: 500,
    };
    ok("attempt", store.attempt(&lease, sequence, attempt.clone())).await;
    assert_eq!(ok("load", store.load()).await.unfinished.len(), 1);
    let journal = ok("journal", store.journal(sequence)).await;
    assert_eq!(journal[0].kind, "attempt");
    assert_eq!(journal[0].body["attempt"]["wait_ms"], 500);
    let never = store.attempt(&lease, 99, attempt).await;
    assert!(matches!(never, Err(StateError::Illegal(_))), "{never:?}");
}

async fn edits(scene: Scene<'_>) {
    let store = scene.open();
    let lease = taken(&store, "r1").await;
    let old = create(&store, &lease, "a.x", "x").await;
    let stays = create(&store, &lease, "a.stays", "s").await;
    let edit = Edit {
        reason: "state mv a.x a.y".to_owned(),
        remove: vec![old.address.clone()],
        put: vec![Record { address: address("a.y"), ..old.clone() }],
        depose: vec![record("a.z", "z")],
        ..Edit::default()
    };
    ok("edit", store.edit(&lease, edit)).await;
    let loaded = ok("load", store.load()).await;
    assert!(loaded.records.keys().eq(&[stays.address, address("a.y")]));
    assert_eq!(loaded.records[&address("a.y")].attributes, old.attributes);
    assert_eq!(loaded.deposed, [record("a.z", "z")]);
    let back = Edit {
        put: vec![Record { revision: 7, ..old.clone() }],
        remove_deposed: vec![(address("a.z"), "z".to_owned())],
        ..Edit::default()
    };
    ok("edit", store.edit(&lease, back)).await;
    let loaded = ok("load", store.load()).await;
    assert_eq!(loaded.records[&old.address].revision, 7, "a higher revision is kept");
    assert!(loaded.deposed.is_empty());
    let begun = intent("a.x", IntentAction::Update, Some(old.clone()));
    ok("begin", store.begin(&lease, begun)).await;
    let open = store.edit(&lease, Edit { remove: vec![old.address], ..Edit::default() }).await;
    assert!(matches!(open, Err(StateError::Illegal(_))), "its end is not known: {open:?}");
    let report = ok("check", store.check()).await;
    assert_eq!((report.findings, report.records), (Vec::new(), 3));
}

/// Two objects, an update, a deletion, results.
async fn some_history(store: &Arc<dyn StateStore>) -> Lease {
    let lease = taken(store, "r1").await;
    let one = create(store, &lease, "a.one", "1").await;
    create(store, &lease, "a.two", "2").await;
    let update = intent("a.one", IntentAction::Update, Some(one.clone()));
    let sequence = ok("begin", store.begin(&lease, update)).await;
    let changed = Value::object([("name", Value::from("changed"))]);
    let changed = Record { attributes: changed, ..one };
    ok("finish", store.finish(&lease, sequence, recorded(changed.clone(), None))).await;
    let outputs = BTreeMap::from([("o".to_owned(), Some(output(1.into(), false)))]);
    ok("results", store.write_results(&lease, RunResults { outputs, ..RunResults::default() }))
        .await;
    delete(store, &lease, changed).await;
    lease
}

async fn history(scene: Scene<'_>) {
    let store = scene.open();
    let lease = some_history(&store).await;
    let present = ok("load", store.load()).await;
    let last = ok("version", store.version(present.serial)).await;
    assert_eq!(last.clone().into_recorded(present.lineage.clone()), present);
    assert!(ok("version", store.version(0)).await.records.is_empty());
    let both = ok("version", store.version(5)).await;
    assert_eq!(both.records.len(), 2, "after the second creation");
    assert_eq!(both.records[&address("a.one")].attributes, record("a.one", "1").attributes);
    let beyond = store.version(present.serial + 1).await;
    assert!(matches!(beyond, Err(StateError::NoVersion { first: 0, .. })), "{beyond:?}");
    let restore = last.edit_towards(&both, "state restore 5".to_owned());
    ok("restore", store.edit(&lease, restore)).await;
    let restored = ok("load", store.load()).await;
    let without_revision = |records: &BTreeMap<Address, Record>| -> Vec<Record> {
        records.values().map(|record| Record { revision: 0, ..record.clone() }).collect()
    };
    assert_eq!(without_revision(&restored.records), without_revision(&both.records));
    assert!(restored.outputs.is_empty());
    assert!(restored.records[&address("a.one")].revision > 2, "an older plan must not fit");
    assert_eq!(ok("check", store.check()).await.findings, Vec::<String>::new());
}

async fn pruned(scene: Scene<'_>) {
    let store = scene.open();
    let lease = some_history(&store).await;
    let begun = intent("a.open", IntentAction::Create, None);
    let open = ok("begin", store.begin(&lease, begun)).await;
    let before = ok("load", store.load()).await;
    let kept = ok("version", store.version(5)).await;
    assert_eq!(ok("prune", store.prune(&lease, 5)).await, 5);
    assert_eq!(ok("prune", store.prune(&lease, 5)).await, 0);
    assert_eq!(ok("version", store.version(5)).await, kept, "the oldest version that is left");
    let gone = store.version(4).await;
    assert!(matches!(gone, Err(StateError::NoVersion { first: 5, .. })), "{gone:?}");
    let after = ok("load", store.load()).await;
    assert_eq!((&after.records, &after.unfinished), (&before.records, &before.unfinished));
    assert_eq!(ok("journal", store.journal(0)).await[0].sequence, 6);
    assert_eq!(ok("prune", store.prune(&lease, u64::MAX)).await, open - 6, "up to the open intent");
    let outcome = recorded(record("a.open", "o"), None);
    ok("the intent is still there", store.finish(&lease, open, outcome)).await;
    let report = ok("check", store.check()).await;
    assert_eq!(report.findings, Vec::<String>::new());
    let part = LeaseRequest { scope: scope(&["a.x"], &[]), ..request("r2") };
    ok("release", store.release(lease)).await;
    let part = ok("acquire", store.acquire(part)).await;
    let partly = store.prune(&part, 7).await;
    assert!(matches!(partly, Err(StateError::Illegal(_))), "{partly:?}");
}

async fn moved_to_another_store(scene: Scene<'_>) {
    let store = scene.open();
    let lease = some_history(&store).await;
    ok("prune", store.prune(&lease, 3)).await;
    let held = store.dump().await;
    assert!(matches!(held, Err(StateError::Held { .. })), "{held:?}");
    ok("release", store.release(lease)).await;
    let dump = ok("dump", store.dump()).await;
    let other = scene.fixture.open_elsewhere(scene.name, scene.clock.clone(), Holder::current());
    ok("take over", other.take_over(dump.clone())).await;
    assert_eq!(ok("load", other.load()).await, ok("load", store.load()).await);
    assert_eq!(ok("journal", other.journal(0)).await, ok("journal", store.journal(0)).await);
    assert_eq!(ok("version", other.version(4)).await, ok("version", store.version(4)).await);
    assert_eq!(ok("check", other.check()).await.findings, Vec::<String>::new());
    assert_eq!(ok("dump", other.dump()).await, dump);
    let again = other.take_over(dump.clone()).await;
    assert!(matches!(again, Err(StateError::Exists { .. })), "{again:?}");
    let lease = taken(&other, "r2").await;
    assert!(lease.info.epoch > dump.epoch, "fencing goes on");
}

/// Compares with a fixture. With `PROVISIONER_WRITE_FIXTURES` set, a missing one is written first; one that is
/// there is never changed.
#[cfg(test)]
pub fn golden(path: &std::path::Path, written: &[u8]) {
    if !path.exists() && std::env::var_os("PROVISIONER_WRITE_FIXTURES").is_some() {
        std::fs::write(path, written).unwrap();
    }
    let fixture = std::fs::read(path).unwrap();
    let [fixture, written] = [&fixture, written].map(String::from_utf8_lossy);
    assert_eq!(fixture, written, "what is written today differs from {}", path.display());
}
