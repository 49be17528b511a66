//! The local cloud through the Provider port, as the engine uses it.

use crate::support::{Fixture, PROGRAM, TestResult, programs_about, wait_until};
use model::plan::Observation;
use model::{Address, Value};
use provider::conformance::{self, Case};
use provider::{
    CreateRequest, DeleteRequest, ErrorClass, FindRequest, Found, Lookup, Object, Owner, Provider,
    ReadRequest, Silent, UpdateRequest,
};
use provider_local::LocalProvider;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub fn provider(directory: PathBuf, lineage: &str) -> TestResult<LocalProvider> {
    let owner = Owner { environment: "test".into(), lineage: lineage.into() };
    let configuration = Value::object([("isolation", Value::null(model::Type::String))]);
    Ok(LocalProvider::from_configuration(&configuration, directory, PROGRAM.into(), owner)?)
}

pub fn address(kind: &str, name: &str) -> Address {
    Address::new(Vec::new(), kind, name, None)
}

pub fn network() -> (Address, Value) {
    let arguments = [("name", Value::from("main")), ("cidr", Value::from("10.78.0.0/24"))];
    (address("local_network", "main"), Value::object(arguments))
}

fn machine(name: &str) -> (Address, Value) {
    let arguments = Value::object([
        ("name", Value::from(name)),
        ("network", Value::from("main")),
        ("domain", Value::from("a")),
    ]);
    (address("local_machine", name), arguments)
}

pub fn volume(size: i64) -> (Address, Value) {
    let arguments = [("name", Value::from("data")), ("size", Value::from(size))];
    (address("local_volume", "data"), Value::object(arguments))
}

pub async fn create(
    provider: &LocalProvider,
    (address, arguments): (Address, Value),
) -> Result<Object, provider::ProviderError> {
    let token = format!("token of {address}");
    let progress = Arc::new(Silent);
    provider.create(CreateRequest { address, token, arguments, batch: None, progress }).await
}

pub async fn find(
    provider: &LocalProvider,
    (address, arguments): (Address, Value),
) -> Result<Option<Object>, provider::ProviderError> {
    let token = format!("token of {address}");
    let request = FindRequest { address, token, arguments, batch: None, by: Lookup::Name };
    Ok(match provider.find(request).await? {
        Found::Nothing => None,
        Found::One(object) => Some(object),
        Found::Several(objects) => panic!("names are unique: {objects:?}"),
    })
}

pub async fn read(
    provider: &LocalProvider,
    address: &Address,
    object: &Object,
) -> TestResult<Observation> {
    let request = ReadRequest {
        address: address.clone(),
        id: object.id.clone(),
        attributes: object.attributes.clone(),
    };
    Ok(provider.read_many(&[request]).await.remove(0)?)
}

pub async fn delete(
    provider: &LocalProvider,
    address: Address,
    object: &Object,
) -> Result<(), provider::ProviderError> {
    let (id, attributes) = (object.id.clone(), object.attributes.clone());
    let progress = Arc::new(Silent);
    provider.delete(DeleteRequest { address, id, attributes, progress }).await
}

#[tokio::test]
async fn objects_live_and_die() -> TestResult {
    let fixture = Fixture::new()?;
    let directory = fixture.directory.path().join("port");
    let provider = provider(directory.clone(), "mine")?;
    assert_eq!(find(&provider, network()).await?, None);
    let main = create(&provider, network()).await?;
    assert_eq!(create(&provider, network()).await?, main, "the same request, the same object");
    assert_eq!(find(&provider, network()).await?, Some(main.clone()));
    let one = create(&provider, machine("one")).await?;
    let data = create(&provider, volume(2)).await?;
    for (name, object) in
        [("local_network", &main), ("local_machine", &one), ("local_volume", &data)]
    {
        let schema = &provider.schema().resources[name];
        for (attribute, declared) in &schema.attributes {
            let value = object.attributes.get(attribute).ok_or(format!("{name}.{attribute}"))?;
            assert!(model::convert::convert(&value, &declared.ty).is_ok(), "{name}.{attribute}");
            assert!(declared.expected.as_ref().is_none_or(|expected| *expected == value));
        }
    }
    let (at, arguments) = machine("one");
    assert_eq!(read(&provider, &at, &one).await?, Observation::Present(one.attributes.clone()));

    let full = delete(&provider, network().0, &main).await.unwrap_err();
    assert_eq!(full.class, ErrorClass::Conflict);
    let with_volume = Value::object(
        arguments.as_entries().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).chain([
            (
                "volumes".into(),
                Value::tuple([Value::object([
                    ("volume", Value::from("data")),
                    ("path", Value::from("/srv/data")),
                ])]),
            ),
        ]),
    );
    let request = UpdateRequest {
        address: at.clone(),
        token: "another".into(),
        id: one.id.clone(),
        prior: one.attributes.clone(),
        arguments: with_volume,
        progress: Arc::new(Silent),
    };
    let updated = provider.update(request).await?;
    assert_eq!(updated.attributes.get("boot_id"), one.attributes.get("boot_id"));
    let volumes = updated.attributes.get("volumes").ok_or("no volumes")?;
    assert_eq!(volumes.as_items().map(<[Value]>::len), Some(1));

    delete(&provider, at.clone(), &updated).await?;
    delete(&provider, at, &updated).await?;
    delete(&provider, volume(2).0, &data).await?;
    delete(&provider, network().0, &main).await?;
    assert!(!directory.exists());
    assert_eq!(programs_about(&directory), Vec::<String>::new());
    fixture.end()
}

#[tokio::test]
async fn another_environment_sees_a_conflict() -> TestResult {
    let fixture = Fixture::new()?;
    let directory = fixture.directory.path().join("port");
    let (mine, other) = (provider(directory.clone(), "mine")?, provider(directory, "other")?);
    let data = create(&mine, volume(1)).await?;
    let error = create(&other, volume(1)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert!(error.message.contains("local_volume.data of environment `test`"), "{error}");
    assert_eq!(find(&other, volume(1)).await?, None);
    assert!(matches!(read(&other, &volume(1).0, &data).await?, Observation::Absent(_)));
    assert!(delete(&other, volume(1).0, &data).await.is_err());
    delete(&mine, volume(1).0, &data).await?;
    fixture.end()
}

#[tokio::test]
async fn every_type_keeps_what_it_declares() -> TestResult {
    let fixture = Fixture::new()?;
    let directory = fixture.directory.path().join("port");
    let (mine, other) =
        (provider(directory.clone(), "mine")?, provider(directory.clone(), "other")?);
    let case = |(address, arguments): (Address, Value)| Case { address, arguments, changed: None };
    for case in [case(network()), case(volume(1))] {
        conformance::run(&mine, &case).await?;
        conformance::among_strangers(&mine, &other, &case).await?;
    }
    let main = create(&mine, network()).await?;
    let moved = Value::object([
        ("name", Value::from("one")),
        ("network", Value::from("main")),
        ("domain", Value::from("b")),
    ]);
    let machine = Case { changed: Some(moved), ..case(machine("one")) };
    conformance::run(&mine, &machine).await?;
    conformance::among_strangers(&mine, &other, &machine).await?;
    delete(&mine, network().0, &main).await?;
    assert!(!directory.exists());
    fixture.end()
}

/// What a creation left that was killed between its record and its program.
#[tokio::test]
async fn half_made_objects_are_listed_and_can_be_deleted() -> TestResult {
    let fixture = Fixture::new()?;
    let directory = fixture.directory.path().join("port");
    let mine = provider(directory.clone(), "mine")?;
    assert_eq!(mine.list_owned().await?, []);
    assert!(!directory.exists(), "looking makes nothing");
    create(&mine, network()).await?;
    create(&mine, machine("one")).await?;
    create(&mine, volume(1)).await?;
    let record = std::fs::read_to_string(directory.join("machines/one/machine.json"))?;
    std::fs::create_dir(directory.join("machines/two"))?;
    let half = record.replace("one", "two").replace("token of", "another token of");
    std::fs::write(directory.join("machines/two/machine.json"), half)?;
    std::fs::remove_dir(directory.join("volumes/data/data"))?;

    let owned = mine.list_owned().await?;
    let seen: Vec<_> = owned.iter().map(|it| (it.id.as_str(), it.object.is_some())).collect();
    assert_eq!(seen, [("one", true), ("two", false), ("main", true), ("data", false)]);
    assert_eq!(owned[1].address, machine("two").0);
    assert_eq!(owned[1].token, "another token of local_machine.two");
    for found in &owned {
        let attributes = Value::null(model::Type::Any);
        let object = found.object.clone();
        let object = object.unwrap_or(Object { id: found.id.clone(), attributes, note: None });
        // Machines first, as they are in the network.
        delete(&mine, found.address.clone(), &object).await?;
    }
    assert!(!directory.exists());
    assert_eq!(programs_about(&directory), Vec::<String>::new());
    fixture.end()
}

/// A program that is killed between the record and the content of an object leaves a half. Looking takes it away, and the
/// identical request, which is sent again then, makes it whole.
#[tokio::test]
async fn what_looking_has_taken_away_is_made_by_the_same_request() -> TestResult {
    let fixture = Fixture::new()?;
    let directory = fixture.directory.path().join("port");
    let provider = provider(directory.clone(), "one")?;
    let network_made = create(&provider, network()).await?;
    let made = create(&provider, volume(1)).await?;
    std::fs::remove_dir_all(directory.join("volumes/data/data"))?;
    assert!(find(&provider, volume(1)).await?.is_none());
    assert!(!directory.join("volumes/data").exists());
    let again = create(&provider, volume(1)).await?;
    assert_eq!(again.id, made.id);
    delete(&provider, volume(1).0, &again).await?;
    delete(&provider, network().0, &network_made).await?;
    fixture.end()
}

#[tokio::test]
async fn bad_arguments_are_told_before_any_call() -> TestResult {
    let fixture = Fixture::new()?;
    let provider = provider(fixture.directory.path().join("port"), "mine")?;
    let bad = Value::object([("name", Value::from("-x")), ("cidr", Value::from("10.0.0.0/24"))]);
    assert_eq!(provider.validate(&network().0, &bad).len(), 1);
    let bad = Value::object([("name", Value::from("x")), ("cidr", Value::from("10.0.0.1/24"))]);
    assert_eq!(provider.validate(&network().0, &bad).len(), 1);
    assert_eq!(provider.validate(&volume(0).0, &volume(0).1).len(), 1);
    assert!(provider.validate(&network().0, &network().1).is_empty());
    fixture.end()
}

/// Kills a creation at many instants: whatever was left, the same creation again finishes it, and a
/// deletion leaves nothing.
#[tokio::test]
async fn a_killed_creation_is_finished_or_taken_away() -> TestResult {
    let fixture = Fixture::new()?;
    let directory = fixture.directory.path().join("port");
    let provider = provider(directory.clone(), "mine")?;
    let victims = ["__local-launch", "__local-network", "__node-init"];
    for (round, victim) in (0_u32..36).zip(victims.iter().cycle()) {
        let name = format!("node-{round}");
        let killer = kill_once(victim, &directory, Duration::from_millis(u64::from(round) / 2));
        let making = async {
            let _ = create(&provider, network()).await;
            let _ = create(&provider, machine(&name)).await;
        };
        tokio::join!(making, killer);
        // As the next apply does: look up what is there, then go on.
        find(&provider, machine(&name)).await?;
        find(&provider, network()).await?;
        let main = create(&provider, network()).await?;
        let node = create(&provider, machine(&name)).await?;
        assert_eq!(node.attributes.get("status"), Some(Value::from("running")));
        let boots = programs_about(&directory);
        assert!(boots.len() <= 2, "one holder and one init at most: {boots:?}");
        delete(&provider, machine(&name).0, &node).await?;
        delete(&provider, network().0, &main).await?;
        wait_until("all is gone", async || programs_about(&directory).is_empty()).await;
        assert!(!directory.exists());
    }
    fixture.end()
}

/// Kills the first program with this word and directory in its arguments that is seen after a while;
/// gives up when there is none for long.
async fn kill_once(word: &'static str, directory: &Path, after: Duration) {
    let directory = directory.to_string_lossy().into_owned();
    let hunt = move || {
        std::thread::sleep(after);
        let end = Instant::now() + Duration::from_millis(80);
        while Instant::now() < end {
            let Some(pid) = first_with(word, &directory) else { continue };
            let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
            return;
        }
    };
    let _ = tokio::task::spawn_blocking(hunt).await;
}

fn first_with(word: &str, directory: &str) -> Option<String> {
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line);
        let is_it = line.contains(word) && line.contains(directory);
        is_it.then(|| entry.file_name().to_string_lossy().into_owned())
    })
}
