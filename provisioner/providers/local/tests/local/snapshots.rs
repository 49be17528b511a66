//! Snapshots of machines and volumes through the Provider port: what is in them, what begins with them, and what is left when
//! things go wrong.

use crate::port::{address, create, delete, find, network, provider, read, volume};
use crate::support::{Fixture, PROGRAM, TestResult, programs_about};
use model::plan::Observation;
use model::{Address, Type, Value};
use provider::conformance::{self, Case};
use provider::{DataRequest, ErrorClass, Object, Provider as _, Silent, UpdateRequest};
use provider_local::{Cloud, Isolation, LocalProvider, Machine};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A file that is made by hand.
const DEAD: &str = ".filling-0000dead";

/// The cloud of a test: what it has is seen from two environments and from the host.
struct Place {
    fixture: Fixture,
    directory: PathBuf,
    cloud: Cloud,
    mine: LocalProvider,
    other: LocalProvider,
}

impl Place {
    fn new() -> TestResult<Self> {
        let fixture = Fixture::new()?;
        let directory = fixture.directory.path().join("port");
        let cloud = Cloud::new(directory.clone(), PROGRAM.into());
        let (mine, other) =
            (provider(directory.clone(), "mine")?, provider(directory.clone(), "other")?);
        Ok(Self { fixture, directory, cloud, mine, other })
    }

    fn without_namespaces() -> TestResult<Self> {
        let mut place = Self::new()?;
        let provider = |lineage: &str| {
            let cloud = place.cloud.clone().with_isolation(Isolation::Processes);
            let (environment, lineage) = ("test".into(), lineage.into());
            LocalProvider::new(cloud, provider::Owner { environment, lineage })
        };
        (place.mine, place.other) = (provider("mine"), provider("other"));
        Ok(place)
    }

    /// A machine that the tests may log in to.
    fn machine(&self, name: &str, more: &[(&str, Value)]) -> TestResult<(Address, Value)> {
        let key = self.fixture.key.public_key().to_openssh()?;
        let arguments = [
            ("name", Value::from(name)),
            ("network", Value::from("main")),
            ("authorized_keys", Value::tuple([Value::from(key)])),
        ];
        let arguments = Value::object(arguments.into_iter().chain(more.iter().cloned()));
        Ok((address("local_machine", name), arguments))
    }

    fn found(&self, name: &str) -> TestResult<Machine> {
        Ok(self.cloud.machine(name)?)
    }

    /// What a machine says to a command.
    async fn said(&self, name: &str, command: &str) -> TestResult<String> {
        let login = self.fixture.login(&self.found(name)?).await?;
        let said = login.run(command, b"").await?;
        if said.code == Some(0) { Ok(said.output) } else { Err(said.errors.into()) }
    }

    /// Where a file of a snapshot's content is.
    fn content(&self, snapshot: &str, file: &str) -> PathBuf {
        self.directory.join("snapshots").join(snapshot).join("content").join(file)
    }

    async fn delete(&self, of: &(Address, Value), object: &Object) -> TestResult {
        Ok(delete(&self.mine, of.0.clone(), object).await?)
    }

    /// Runs the whole suite. Its token is one that was used when others are there to remember it.
    async fn conforms(
        &self,
        ours: &LocalProvider,
        theirs: &LocalProvider,
        case: &Case,
    ) -> TestResult {
        conformance::run(ours, case).await?;
        conformance::among_strangers(ours, theirs, case).await?;
        Ok(fs::remove_dir_all(self.directory.join(".spent"))?)
    }

    /// Nothing is left of anything.
    fn end(self) -> TestResult {
        assert!(!self.directory.exists(), "something is left");
        assert_eq!(programs_about(&self.directory), Vec::<String>::new());
        self.fixture.end()
    }
}

fn snapshot(name: &str, kind: &'static str, of: &str) -> (Address, Value) {
    let arguments = [("name", Value::from(name)), (kind, Value::from(of))];
    (address("local_snapshot", name), Value::object(arguments))
}

fn volume_of(name: &str, snapshot: &str) -> (Address, Value) {
    let arguments = [
        ("name", Value::from(name)),
        ("size", Value::from(1)),
        ("snapshot", Value::from(snapshot)),
    ];
    (address("local_volume", name), Value::object(arguments))
}

fn mounts(volume: &str) -> (&'static str, Value) {
    let mounted = [("volume", Value::from(volume)), ("path", Value::from("/srv/data"))];
    ("volumes", Value::tuple([Value::object(mounted)]))
}

fn text(object: &Object, name: &str) -> TestResult<String> {
    let value = object.attributes.get(name).ok_or_else(|| format!("no `{name}`"))?;
    Ok(value.as_str().ok_or_else(|| format!("`{name}` is no text"))?.to_owned())
}

/// What a reading says of a snapshot.
async fn status(provider: &LocalProvider, at: &Address, object: &Object) -> TestResult<String> {
    match read(provider, at, object).await? {
        Observation::Present(attributes) => {
            text(&Object { attributes, ..object.clone() }, "status")
        }
        other => Ok(format!("{other:?}")),
    }
}

#[tokio::test]
async fn snapshots_keep_what_they_declare() -> TestResult {
    let place = Place::new()?;
    let main = create(&place.mine, network()).await?;
    let node = place.machine("one", &[])?;
    let (data, one) =
        (create(&place.mine, volume(1)).await?, create(&place.mine, node.clone()).await?);
    fs::write(place.directory.join("volumes/data/data/file"), "x")?;
    for (address, arguments) in
        [snapshot("of-data", "volume", "data"), snapshot("of-one", "machine", "one")]
    {
        let case = Case { address, arguments, changed: None };
        place.conforms(&place.mine, &place.other, &case).await?;
        // The catalogue of restore points is another environment than what it is of.
        place.conforms(&place.other, &place.mine, &case).await?;
    }
    // What begins with one does so, too.
    let (of_data, of_one) =
        (snapshot("of-data", "volume", "data"), snapshot("of-one", "machine", "one"));
    let kept =
        (create(&place.mine, of_data.clone()).await?, create(&place.mine, of_one.clone()).await?);
    let two = place.machine("two", &[("snapshot", Value::from("of-one"))])?;
    for (address, arguments) in [volume_of("more", "of-data"), two] {
        let case = Case { address, arguments, changed: None };
        place.conforms(&place.mine, &place.other, &case).await?;
    }
    place.delete(&of_data, &kept.0).await?;
    place.delete(&of_one, &kept.1).await?;
    place.delete(&node, &one).await?;
    place.delete(&volume(1), &data).await?;
    place.delete(&network(), &main).await?;
    place.end()
}

#[tokio::test]
async fn a_machine_begins_with_the_files_of_another() -> TestResult {
    begins_with_another(Place::new()?).await
}

#[tokio::test]
async fn a_machine_without_namespaces_begins_with_the_files_of_another() -> TestResult {
    begins_with_another(Place::without_namespaces()?).await
}

async fn begins_with_another(place: Place) -> TestResult {
    let main = create(&place.mine, network()).await?;
    let data = create(&place.mine, volume(1)).await?;
    let node = place.machine("one", &[mounts("data")])?;
    let one = create(&place.mine, node.clone()).await?;
    let write = "R=$PROVISIONER_ROOT; mkdir -p $R/opt/app && echo kept > $R/opt/app/file && ln -s file $R/opt/app/link && \
                 chmod 750 $R/opt/app && echo gone > $R/run/file && echo volume > $R/srv/data/file && \
                 echo 10.9.9.9 friend >> $R/etc/hosts";
    place.said("one", write).await?;
    let taken = snapshot("before", "machine", "one");
    let before = create(&place.mine, taken.clone()).await?;
    assert_eq!(
        read(&place.mine, &node.0, &one).await?,
        Observation::Present(one.attributes.clone()),
        "it went on running"
    );
    assert_eq!(status(&place.mine, &taken.0, &before).await?, "whole");
    assert_eq!(fs::read_link(place.content("before", "opt/app/link"))?, Path::new("file"));
    for none in ["etc/ssh/ssh_host_ed25519_key", "run/file", "srv/data/file"] {
        assert!(!place.content("before", none).exists(), "{none}");
    }

    // It outlives what it is of, and is of use to another environment.
    place.delete(&node, &one).await?;
    place.delete(&volume(1), &data).await?;
    assert_eq!(status(&place.mine, &taken.0, &before).await?, "whole");
    let node = place.machine("two", &[("snapshot", Value::from("before"))])?;
    let two = create(&place.other, node.clone()).await?;
    assert_ne!(text(&two, "host_key")?, text(&one, "host_key")?);
    let show = "R=$PROVISIONER_ROOT; cat $R/opt/app/link; stat -c %a $R/opt/app; ls $R/srv; cat $R/etc/hostname";
    assert_eq!(place.said("two", show).await?.replace("data\n", ""), "kept\n750\ntwo\n");
    assert!(!place.directory.join("machines/two/root/srv/data").is_symlink());
    let hosts = fs::read_to_string(place.directory.join("machines/two/root/etc/hosts"))?;
    let address = text(&two, "address")?;
    assert_eq!(hosts, format!("127.0.0.1 localhost\n{address} two\n10.9.9.9 friend\n"));

    // Without the snapshot it goes on as it is.
    place.delete(&taken, &before).await?;
    assert_eq!(create(&place.other, node.clone()).await?.attributes, two.attributes);
    assert_eq!(
        read(&place.other, &node.0, &two).await?,
        Observation::Present(two.attributes.clone())
    );
    place.said("two", "echo more >> $PROVISIONER_ROOT/opt/app/file").await?;
    place.cloud.reboot_machine("two")?;
    assert_eq!(place.said("two", "cat $PROVISIONER_ROOT/opt/app/file").await?, "kept\nmore\n");
    delete(&place.other, node.0, &two).await?;
    place.delete(&network(), &main).await?;
    place.end()
}

#[tokio::test]
async fn a_volume_in_use_is_captured() -> TestResult {
    let place = Place::new()?;
    let main = create(&place.mine, network()).await?;
    let data = create(&place.mine, volume(1)).await?;
    let node = place.machine("one", &[mounts("data")])?;
    let one = create(&place.mine, node.clone()).await?;
    place.said("one", "echo kept > /srv/data/file; while :; do echo line >> /srv/data/log; done >/dev/null 2>&1 &").await?;
    let taken = snapshot("of-data", "volume", "data");
    let of_data = create(&place.mine, taken.clone()).await?;
    assert_eq!(status(&place.mine, &taken.0, &of_data).await?, "whole");
    place.delete(&node, &one).await?;

    let begun = volume_of("again", "of-data");
    let again = create(&place.mine, begun.clone()).await?;
    assert_eq!(text(&again, "snapshot")?, "of-data");
    let node = place.machine("one", &[mounts("again")])?;
    let one = create(&place.mine, node.clone()).await?;
    assert_eq!(place.said("one", "cat /srv/data/file").await?, "kept\n");
    let (log, copy) = (
        fs::read(place.directory.join("volumes/data/data/log"))?,
        fs::read(place.directory.join("volumes/again/data/log"))?,
    );
    assert!(log.starts_with(&copy));
    place.said("one", "echo other > /srv/data/file").await?;
    assert_eq!(fs::read_to_string(place.content("of-data", "file"))?, "kept\n");
    place.delete(&node, &one).await?;
    for (of, object) in [(begun, again), (taken, of_data), (volume(1), data), (network(), main)] {
        place.delete(&of, &object).await?;
    }
    place.end()
}

#[tokio::test]
async fn damage_is_seen_and_nothing_begins_with_it() -> TestResult {
    let place = Place::new()?;
    let data = create(&place.mine, volume(1)).await?;
    fs::write(place.directory.join("volumes/data/data/file"), "content")?;
    let taken = snapshot("of-data", "volume", "data");
    let object = create(&place.mine, taken.clone()).await?;
    let file = place.content("of-data", "file");
    let modified = file.metadata()?.modified()?;
    for seen in 0..2 {
        assert_eq!(status(&place.mine, &taken.0, &object).await?, "whole", "{seen}");
    }
    fs::write(&file, "c0ntent")?;
    fs::File::open(&file)?.set_modified(modified)?;
    for provider in [&place.mine, &provider(place.directory.clone(), "mine")?] {
        assert_eq!(status(provider, &taken.0, &object).await?, "damaged");
    }
    let asked = Value::object([("name", Value::from("of-data"))]);
    let request = DataRequest { address: taken.0.clone(), arguments: asked };
    let told = place.other.read_data(&[request]).await.remove(0)?;
    assert_eq!(told.get("status"), Some(Value::from("damaged")));

    let error = create(&place.mine, volume_of("again", "of-data")).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
    assert!(error.message.contains("snapshot `of-data` is damaged"), "{error}");
    assert!(!place.directory.join("volumes/again").exists(), "nothing is begun");
    let request = UpdateRequest {
        address: taken.0.clone(),
        token: "mend".into(),
        id: object.id.clone(),
        prior: object.attributes.clone(),
        arguments: taken.1.clone(),
        progress: Arc::new(Silent),
    };
    let error = place.mine.update(request).await.unwrap_err();
    assert!(error.message.contains("nothing can mend it"), "{error}");

    fs::write(&file, "content")?;
    assert_eq!(status(&place.mine, &taken.0, &object).await?, "whole");
    fs::write(place.content("of-data", "another"), "")?;
    assert_eq!(status(&place.mine, &taken.0, &object).await?, "damaged");
    fs::remove_dir_all(place.content("of-data", ""))?;
    assert!(matches!(read(&place.mine, &taken.0, &object).await?, Observation::Absent(_)));
    place.delete(&taken, &object).await?;
    place.delete(&volume(1), &data).await?;
    place.end()
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_leaves_nothing() -> TestResult {
    let place = Place::new()?;
    let main = create(&place.mine, network()).await?;
    let data = create(&place.mine, volume(1)).await?;
    let taken = snapshot("of-data", "volume", "data");
    let object = create(&place.mine, taken.clone()).await?;

    let missing = create(&place.mine, snapshot("none", "machine", "nobody")).await.unwrap_err();
    assert_eq!(missing.class, ErrorClass::NotFound);
    assert!(missing.message.contains("machine `nobody`"), "{missing}");
    let missing = create(&place.mine, volume_of("none", "nothing")).await.unwrap_err();
    assert_eq!(missing.class, ErrorClass::NotFound);
    let kind = place.machine("none", &[("snapshot", Value::from("of-data"))])?;
    let error = create(&place.mine, kind).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
    assert!(error.message.contains("snapshot `of-data`, which is of a volume"), "{error}");
    for kind in ["snapshots", "volumes", "machines"] {
        assert!(!place.directory.join(kind).join("none").exists(), "{kind}");
    }

    let problems = |arguments: Value| {
        let diagnostics = place.mine.validate(&taken.0, &arguments);
        diagnostics.into_iter().map(|it| it.summary).collect::<Vec<_>>()
    };
    let with = |more: &[(&'static str, Value)]| {
        let name = [("name", Value::from("x"))];
        Value::object(name.into_iter().chain(more.iter().cloned()))
    };
    let (machine, volume_given) = (("machine", Value::from("m")), ("volume", Value::from("v")));
    let unset = ("machine", Value::null(Type::String));
    assert_eq!(
        problems(with(&[])),
        ["a snapshot is of a machine or of a volume, and neither is given"]
    );
    assert_eq!(
        problems(with(&[machine.clone(), volume_given.clone()])),
        ["a snapshot is of a machine or of a volume, and both are given"]
    );
    assert!(problems(with(&[unset, volume_given])).is_empty());
    assert!(problems(with(&[machine])).is_empty());
    let looked_up = Address::data(Vec::new(), "local_snapshot", "x", None);
    assert!(place.mine.validate(&looked_up, &with(&[])).is_empty());

    place.delete(&taken, &object).await?;
    place.delete(&volume(1), &data).await?;
    place.delete(&network(), &main).await?;
    place.end()
}

/// Whoever deletes what is being captured may be of another environment, which no lease keeps apart from this one.
#[tokio::test]
async fn what_is_deleted_meanwhile_is_captured_wholly_or_not_at_all() -> TestResult {
    const FILES: i64 = 500;
    let place = Place::new()?;
    for _ in 0..10 {
        let data = create(&place.mine, volume(1)).await?;
        for number in 0..FILES {
            fs::write(place.directory.join(format!("volumes/data/data/{number}")), "x")?;
        }
        let taken = snapshot("of-data", "volume", "data");
        let gone = async {
            // Not before the copy is under way, if it can be helped.
            let begun = place.directory.join("snapshots/of-data/filling.lock");
            let end = Instant::now() + Duration::from_mins(1);
            while !begun.exists() && !place.content("of-data", "").exists() {
                assert!(Instant::now() < end, "it is not begun");
                tokio::task::yield_now().await;
            }
            delete(&place.mine, volume(1).0, &data).await
        };
        let (made, gone) = tokio::join!(create(&place.other, taken.clone()), gone);
        gone?;
        match made {
            Ok(made) => {
                assert_eq!(made.attributes.get("files"), Some(Value::from(FILES)));
                delete(&place.other, taken.0, &made).await?;
            }
            Err(error) => assert_eq!(error.class, ErrorClass::NotFound, "{error}"),
        }
        assert!(!place.directory.join("snapshots/of-data").exists());
    }
    place.end()
}

/// A request that cannot succeed, for the name of another object of the same environment.
#[tokio::test]
async fn a_creation_takes_away_only_what_it_began() -> TestResult {
    let place = Place::new()?;
    let main = create(&place.mine, network()).await?;
    let node = place.machine("one", &[])?;
    let one = create(&place.mine, node.clone()).await?;
    let key = ("authorized_keys", Value::tuple([Value::from("no key")]));
    let (_, arguments) = place.machine("one", &[key])?;
    let stranger = (address("local_machine", "stranger"), arguments);
    assert_eq!(create(&place.mine, stranger).await.unwrap_err().class, ErrorClass::Invalid);
    let seen = read(&place.mine, &node.0, &one).await?;
    assert_eq!(seen, Observation::Present(one.attributes.clone()));
    place.delete(&node, &one).await?;
    place.delete(&network(), &main).await?;
    place.end()
}

#[tokio::test]
async fn of_two_programs_one_copies() -> TestResult {
    use rustix::fs::{FlockOperation, fcntl_lock};
    let place = Place::new()?;
    let data = create(&place.mine, volume(1)).await?;
    let taken = snapshot("of-data", "volume", "data");
    let object = create(&place.mine, taken.clone()).await?;
    let at = |path: &str| place.directory.join("snapshots/of-data").join(path);
    fs::rename(at("content"), at(DEAD))?;
    let lock = fs::File::create(at("filling.lock"))?;
    fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    let error = create(&place.mine, taken.clone()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert!(
        error.message.contains("another program is copying into snapshot `of-data`"),
        "{error}"
    );
    assert!(at(DEAD).is_dir(), "it is the other one's");
    drop(lock);
    assert_eq!(create(&place.mine, taken.clone()).await?.id, object.id);
    assert!(!at(DEAD).exists());
    place.delete(&taken, &object).await?;
    place.delete(&volume(1), &data).await?;
    place.end()
}

/// Makes what a program leaves that is killed at some step of making an object.
fn cut_off(object: &Path, record: (&str, &str), step: usize) -> TestResult {
    let (name, text) = record;
    fs::create_dir_all(object)?;
    // A snapshot's digest is written down before its content has its name.
    let is_sealed = step == 2;
    let unsealed = text.find(",\n  \"content\"").map(|at| format!("{}\n}}\n", &text[..at]));
    fs::write(object.join(name), unsealed.filter(|_| !is_sealed).as_deref().unwrap_or(text))?;
    if step > 0 {
        fs::write(object.join("filling.lock"), "")?;
        fs::create_dir(object.join(DEAD))?;
        fs::write(object.join(DEAD).join("file"), "half")?;
    }
    Ok(())
}

/// Cuts the making of an object off at every step, and does everything that can be done then.
async fn is_finished_or_taken_away(
    place: &Place,
    of: (Address, Value),
    record: &Path,
    whole: impl Fn() -> bool,
) -> TestResult {
    let object = record.parent().ok_or("no directory")?;
    let name = record.file_name().and_then(|name| name.to_str()).ok_or("no name")?;
    for step in 0..3 {
        for then in ["create", "find", "delete"] {
            let made = create(&place.mine, of.clone()).await?;
            assert!(whole() && !object.join("filling.lock").exists());
            let text = fs::read_to_string(record)?;
            place.delete(&of, &made).await?;
            cut_off(object, (name, &text), step)?;
            let seen = read(&place.mine, &of.0, &made).await?;
            assert!(matches!(seen, Observation::Absent(_)), "{step}: {seen:?}");
            let owned = place.mine.list_owned().await?;
            let listed = owned.iter().find(|it| it.address == of.0).ok_or("not listed")?;
            assert!(listed.object.is_none(), "{step}");
            if then == "create" {
                assert_eq!(create(&place.mine, of.clone()).await?.id, made.id);
                assert!(whole() && !object.join(DEAD).exists());
            }
            if then == "find" {
                assert_eq!(find(&place.mine, of.clone()).await?, None);
                assert!(!object.exists());
            }
            place.delete(&of, &made).await?;
            assert!(!object.exists());
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_was_cut_off_is_finished_or_taken_away() -> TestResult {
    let place = Place::new()?;
    let main = create(&place.mine, network()).await?;
    let data = create(&place.mine, volume(1)).await?;
    fs::write(place.directory.join("volumes/data/data/file"), "kept")?;
    let node = place.machine("one", &[])?;
    let one = create(&place.mine, node.clone()).await?;
    place.said("one", "echo kept > /opt/file").await?;

    let at = |path: &str| place.directory.join(path);
    let has = |path: &str| {
        let path = at(path);
        move || fs::read_to_string(&path).is_ok_and(|text| text.trim() == "kept")
    };
    let of_data = snapshot("of-data", "volume", "data");
    let record = at("snapshots/of-data/snapshot.json");
    let whole = has("snapshots/of-data/content/file");
    is_finished_or_taken_away(&place, of_data.clone(), &record, whole).await?;
    let kept = create(&place.mine, of_data.clone()).await?;
    let record = at("volumes/again/volume.json");
    let again = volume_of("again", "of-data");
    is_finished_or_taken_away(&place, again, &record, has("volumes/again/data/file")).await?;

    let of_one = snapshot("of-one", "machine", "one");
    let kept_one = create(&place.mine, of_one.clone()).await?;
    let record = at("machines/two/machine.json");
    let two = place.machine("two", &[("snapshot", Value::from("of-one"))])?;
    is_finished_or_taken_away(&place, two, &record, has("machines/two/root/opt/file")).await?;

    for (of, object) in
        [(of_one, kept_one), (of_data, kept), (node, one), (volume(1), data), (network(), main)]
    {
        place.delete(&of, &object).await?;
    }
    place.end()
}

/// The first and the last step of a snapshot's making, and a deletion that did not come to its end.
#[tokio::test]
async fn what_is_no_object_is_swept() -> TestResult {
    let place = Place::new()?;
    let data = create(&place.mine, volume(1)).await?;
    let taken = snapshot("of-data", "volume", "data");
    let at = |path: &str| place.directory.join("snapshots").join(path);
    let object = create(&place.mine, taken.clone()).await?;
    // Killed when everything was done.
    fs::write(at("of-data/filling.lock"), "")?;
    assert_eq!(create(&place.mine, taken.clone()).await?, object);
    assert_eq!(status(&place.mine, &taken.0, &object).await?, "whole");
    fs::rename(at("of-data"), at(".deleting-of-data-0000dead"))?;
    assert!(matches!(read(&place.mine, &taken.0, &object).await?, Observation::Absent(_)));
    fs::create_dir_all(at(".creating-of-data"))?;
    fs::write(at(".creating-of-data/snapshot.json"), "{")?;
    assert!(place.mine.list_owned().await?.iter().all(|it| it.address != taken.0));
    assert_eq!(find(&place.mine, taken.clone()).await?, None);
    assert!(!at("").exists());
    let object = create(&place.mine, taken.clone()).await?;
    place.delete(&taken, &object).await?;
    place.delete(&volume(1), &data).await?;
    place.end()
}

/// Programs before had no snapshots: what they wrote down is read as if the argument had been left out.
#[tokio::test]
async fn older_records_are_without_snapshots() -> TestResult {
    let place = Place::new()?;
    let main = create(&place.mine, network()).await?;
    let data = create(&place.mine, volume(1)).await?;
    let node = place.machine("one", &[])?;
    let one = create(&place.mine, node.clone()).await?;
    for record in ["volumes/data/volume.json", "machines/one/machine.json"] {
        let text = fs::read_to_string(place.directory.join(record))?;
        assert!(!text.contains("snapshot"), "{record}: an older program reads it, too");
    }
    for (of, object) in [(&volume(1), &data), (&node, &one)] {
        // What the state has of it.
        let entries = object.attributes.as_entries().into_iter().flatten();
        let older = entries.filter(|(name, _)| name.as_ref() != "snapshot");
        let older = older.map(|(name, value)| (name.clone(), value.clone()));
        let older = Object { attributes: Value::object(older), ..object.clone() };
        let Observation::Present(seen) = read(&place.mine, &of.0, &older).await? else {
            return Err("absent".into());
        };
        assert!(seen.get("snapshot").is_some_and(|it| it.is_null()));
        assert_eq!(seen, object.attributes);
    }
    place.delete(&node, &one).await?;
    place.delete(&volume(1), &data).await?;
    place.delete(&network(), &main).await?;
    place.end()
}
