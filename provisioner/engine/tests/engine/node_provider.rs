//! The node provider over nodes that are directories: the real scripts run, only the supervisor is a stand-in.

use engine::node_provider::Hosts;
use engine::{Fleet, LiveRecords, NodePorts, NodeProvider, node_schema};
use model::graph::Lifecycle;
use model::plan::Observation;
use model::record::{Record, Recorded};
use model::{Address, Value};
use nodes::fake::{DirectoryHost, FakeHost};
use nodes::host::Phase;
use nodes::{Cache, Completed, Connection, Host, HostError, Script, Stream, Upload};
use provider::conformance::{self, Case};
use provider::{CreateRequest, DeleteRequest, ErrorClass, Progress, Provider, ReadRequest};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Stands in for the node's init: it keeps the state of each service in a file and runs nothing.
const CTL: &str = r#"#!/bin/sh
root="$PROVISIONER_ROOT"; run="$root/run/provisioner/fake"; mkdir -p "$run"; name="$3"
case "$1 $2" in
  "service restart"|"service start") echo running > "$run/$name.state" ;;
  "service stop") echo stopped > "$run/$name.state" ;;
  "service remove") rm -f "$run/$name".* ;;
  "service status")
    state=$(cat "$run/$name.state" 2>/dev/null || echo unknown)
    echo "{\"state\":\"$state\"}"; [ "$state" = running ] || exit 3 ;;
esac
"#;

/// A node that does not answer.
#[derive(Debug)]
struct Down(String);

#[async_trait::async_trait]
impl Host for Down {
    fn name(&self) -> &str {
        &self.0
    }

    async fn run(&self, _: &Script) -> Result<Completed, HostError> {
        Err(HostError::transient(&self.0, Phase::Connect, "connection refused"))
    }

    async fn upload(&self, _: &Upload) -> Result<(), HostError> {
        Err(HostError::transient(&self.0, Phase::Connect, "connection refused"))
    }

    async fn dial(&self, _: &str, _: u16, _: Duration) -> Result<Stream, HostError> {
        Err(HostError::transient(&self.0, Phase::Connect, "connection refused"))
    }
}

/// Nodes by name; one that is not known is down.
#[derive(Default)]
struct Nodes(Mutex<BTreeMap<String, Arc<dyn Host>>>);

impl Hosts for Nodes {
    fn host(&self, connection: &Connection) -> Arc<dyn Host> {
        let nodes = self.0.lock().unwrap();
        let known = nodes.get(&connection.name).cloned();
        known.unwrap_or_else(|| Arc::new(Down(connection.name.clone())))
    }
}

struct Bed {
    scratch: tempfile::TempDir,
    nodes: Arc<Nodes>,
    records: Arc<LiveRecords>,
    provider: NodeProvider,
}

impl Bed {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let (nodes, records) = (Arc::new(Nodes::default()), Arc::new(LiveRecords::default()));
        let provider = NodeProvider::new(NodePorts {
            hosts: nodes.clone(),
            cache: Arc::new(Cache::new(scratch.path().join("cache"))),
            fleet: records.clone(),
        });
        Self { scratch, nodes, records, provider }
    }

    fn with_node(self, name: &str) -> Self {
        let root = self.root(name);
        let ctl = root.join("run/provisioner/ctl");
        std::fs::create_dir_all(ctl.parent().unwrap()).unwrap();
        std::fs::write(&ctl, CTL).unwrap();
        std::fs::set_permissions(&ctl, std::fs::Permissions::from_mode(0o755)).unwrap();
        self.with_host(name, Arc::new(DirectoryHost::new(name, root)))
    }

    fn with_host(self, name: &str, host: Arc<dyn Host>) -> Self {
        self.nodes.0.lock().unwrap().insert(name.to_owned(), host);
        self
    }

    fn root(&self, name: &str) -> std::path::PathBuf {
        self.scratch.path().join(name)
    }

    /// What the run would record: `service` runs on `node`.
    fn record(&self, objects: &[(&Address, &Value)]) {
        let record = |(address, attributes): &(&Address, &Value)| Record {
            address: (*address).clone(),
            provider: "node".to_owned(),
            id: address.to_string(),
            attributes: (*attributes).clone(),
            dependencies: BTreeSet::default(),
            lifecycle: Lifecycle::default(),
            token: "t".to_owned(),
            generation: 1,
            revision: 1,
            tainted: false,
        };
        let records = objects.iter().map(record).map(|record| (record.address.clone(), record));
        self.records.replace_all(&Recorded { records: records.collect(), ..Recorded::default() });
    }

    async fn read(&self, address: &Address, attributes: &Value) -> Observation {
        let request = ReadRequest {
            address: address.clone(),
            id: address.to_string(),
            attributes: attributes.clone(),
        };
        self.provider.read_many(&[request]).await.remove(0).unwrap()
    }
}

#[derive(Default)]
struct Said(Mutex<Vec<String>>);

impl Progress for Said {
    fn step(&self, step: &str) {
        self.0.lock().unwrap().push(step.to_owned());
    }
}

fn on_node(node: &str, kind: &str) -> Address {
    Address::parse(&format!("node_set.edge.node[\"{node}\"].{kind}.mesh")).unwrap()
}

fn connection(node: &str) -> Value {
    Value::object([
        ("name", node.into()),
        ("address", "10.0.0.9".into()),
        ("port", 22.into()),
        ("user", "root".into()),
        ("host_key", "ssh-ed25519 AAAA".into()),
    ])
}

/// Arguments as lang makes them: everything of the schema, converted.
fn arguments(kind: &str, given: &[(&'static str, Value)]) -> Value {
    let schema = &node_schema().resources[kind];
    let given: BTreeMap<_, _> = given.iter().cloned().collect();
    let typed = schema.attributes.iter().filter_map(|(name, attribute)| {
        let value = match given.get(name.as_str()) {
            Some(value) => model::convert::convert(value, &attribute.ty).unwrap(),
            None if attribute.mode == model::schema::Mode::Computed => return None,
            None => attribute.default.clone().unwrap_or(Value::null(attribute.ty.clone())),
        };
        Some((name.as_str(), value))
    });
    Value::object(typed)
}

fn service(node: &str, config: &str, probe_from: &str) -> Value {
    let file = Value::object([("content", config.into()), ("mode", "0600".into())]);
    let probe = Value::object([
        ("name", "answers".into()),
        ("from", probe_from.into()),
        ("command", "! grep -q broken @release@/config".into()),
        ("deadline_ms", 100.into()),
        ("timeout_ms", 2000.into()),
    ]);
    arguments(
        "service",
        &[
            ("node", node.into()),
            ("node_set", "edge".into()),
            ("domain", "a".into()),
            ("machine", "ssh-ed25519 AAAA".into()),
            ("connection", connection(node)),
            ("version", "1".into()),
            ("files", Value::object([("config", file)])),
            ("command", Value::tuple(["/bin/true".into(), "@release@/config".into()])),
            ("probes", Value::tuple([probe])),
        ],
    )
}

fn facts(node: &str, command: &str) -> Value {
    arguments(
        "facts",
        &[
            ("machine", "ssh-ed25519 AAAA".into()),
            ("connection", connection(node)),
            ("commands", Value::object([("key", command.into())])),
        ],
    )
}

fn create(address: &Address, arguments: &Value, progress: Arc<dyn Progress>) -> CreateRequest {
    CreateRequest {
        address: address.clone(),
        token: "t".to_owned(),
        arguments: arguments.clone(),
        batch: None,
        progress,
    }
}

fn silent() -> Arc<dyn Progress> {
    Arc::new(provider::Silent)
}

fn status(observation: &Observation) -> String {
    let Observation::Present(attributes) = observation else { return format!("{observation:?}") };
    attributes.get("status").unwrap().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_service_keeps_the_provider_contract() {
    let bed = Bed::new().with_node("n1");
    // A service is found by what lies on the node, so a token that was never sent cannot be told from one that was.
    let case = Case {
        address: on_node("n1", "service"),
        arguments: service("n1", "first", "node"),
        changed: Some(service("n1", "second", "node")),
    };
    conformance::run(&bed.provider, &case).await.unwrap();
}

#[tokio::test]
async fn drift_of_a_service_is_seen() {
    let bed = Bed::new().with_node("n1");
    let address = on_node("n1", "service");
    let object =
        bed.provider.create(create(&address, &service("n1", "c", "node"), silent())).await.unwrap();
    let seen = bed.read(&address, &object.attributes).await;
    assert_eq!(status(&seen), "running");
    let state = bed.root("n1").join("run/provisioner/fake/mesh.state");
    std::fs::write(&state, "stopped").unwrap();
    assert_eq!(status(&bed.read(&address, &object.attributes).await), "stopped");
    std::fs::write(&state, "running").unwrap();
    let config = bed.root("n1").join("opt/provisioner/services/mesh/current/config");
    std::fs::write(&config, "tampered").unwrap();
    let seen = bed.read(&address, &object.attributes).await;
    assert_eq!(status(&seen), "modified (config)");
    let Observation::Present(seen) = seen else { unreachable!() };
    assert!(seen.get("digest").unwrap().as_str().unwrap().starts_with("modified:"));
    std::fs::remove_dir_all(bed.root("n1").join("opt")).unwrap();
    let seen = bed.read(&address, &object.attributes).await;
    assert_eq!(seen, Observation::Absent("mesh is not installed".to_owned()));
}

#[tokio::test]
async fn a_node_that_does_not_answer_has_lost_nothing() {
    let bed = Bed::new();
    for (kind, attributes) in [("service", service("n1", "c", "node")), ("facts", facts("n1", "x"))]
    {
        let seen = bed.read(&on_node("n1", kind), &attributes).await;
        let Observation::Unreachable(why) = seen else { panic!("{seen:?}") };
        assert!(why.contains("n1"), "{why}");
    }
    let address = on_node("n1", "service");
    let asked = create(&address, &service("n1", "c", "node"), silent());
    let error = bed.provider.create(asked).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert!(!error.outcome_unknown && error.message.contains("n1"), "{error:?}");
}

#[tokio::test]
async fn a_broken_release_fails_with_node_and_probe_and_the_old_one_runs() {
    let bed = Bed::new().with_node("n1");
    let address = on_node("n1", "service");
    let good = service("n1", "good", "node");
    let object = bed.provider.create(create(&address, &good, silent())).await.unwrap();
    let broken = service("n1", "broken", "node");
    let error = bed.provider.create(create(&address, &broken, silent())).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid, "trying the same again does not help");
    for part in ["n1", "answers", "probe failed", "runs again"] {
        assert!(error.message.contains(part), "{part} in {}", error.message);
    }
    assert_eq!(status(&bed.read(&address, &object.attributes).await), "running");
}

#[tokio::test]
async fn peers_are_picked_from_what_runs() {
    let bed = Bed::new().with_node("n1").with_node("n2");
    let (one, two) = (on_node("n1", "service"), on_node("n2", "service"));
    let said = Arc::new(Said::default());
    let object =
        bed.provider.create(create(&one, &service("n1", "c", "peer"), said.clone())).await.unwrap();
    let skipped = "probe answers skipped: no other node runs mesh yet".to_owned();
    assert!(said.0.lock().unwrap().contains(&skipped), "{said:?}", said = said.0);
    bed.record(&[(&one, &object.attributes)]);
    assert_eq!(bed.records.peers("mesh", "n2")[0].name, "n1");
    assert!(bed.records.peers("mesh", "n1").is_empty(), "a node is no peer of its own");
    let said = Arc::new(Said::default());
    bed.provider.create(create(&two, &service("n2", "c", "peer"), said.clone())).await.unwrap();
    assert!(
        said.0.lock().unwrap().contains(&"probe from n1".to_owned()),
        "{said:?}",
        said = said.0
    );
}

#[tokio::test]
async fn facts_come_back_and_keep_the_state_of_a_service_that_goes() {
    let bed = Bed::new().with_node("n1");
    let address = on_node("n1", "facts");
    let command = "[ -f key ] || echo secret > key; cksum < key";
    let wanted = facts("n1", command);
    let object = bed.provider.create(create(&address, &wanted, silent())).await.unwrap();
    let key = |attributes: &Value| attributes.get("values").unwrap().get("key").unwrap();
    let before = key(&object.attributes);
    let Observation::Present(seen) = bed.read(&address, &object.attributes).await else { panic!() };
    assert!(key(&seen).same_content(&before));
    let service_address = on_node("n1", "service");
    let wanted = service("n1", "c", "node");
    let installed = bed.provider.create(create(&service_address, &wanted, silent())).await.unwrap();
    bed.record(&[(&address, &object.attributes), (&service_address, &installed.attributes)]);
    let delete = |address: &Address, attributes: &Value| DeleteRequest {
        address: address.clone(),
        id: address.to_string(),
        attributes: attributes.clone(),
        progress: silent(),
    };
    let state: &Path = &bed.root("n1").join("opt/provisioner/services/mesh/state/key");
    bed.provider.delete(delete(&service_address, &installed.attributes)).await.unwrap();
    assert!(state.exists(), "the key belongs to the facts");
    bed.provider.delete(delete(&address, &object.attributes)).await.unwrap();
    assert!(!state.exists());
}

fn reachability(members: &[&str]) -> Value {
    let member = |node: &&str| {
        let address = format!("10.42.0.{}", &node[1..]);
        Value::object([
            ("node", (*node).into()),
            ("connection", connection(node)),
            ("address", address.into()),
        ])
    };
    let members = Value::tuple(members.iter().map(member));
    arguments(
        "reachability",
        &[("service", "mesh".into()), ("port", 22.into()), ("members", members)],
    )
}

#[tokio::test]
async fn every_pair_is_tried_and_counted() {
    let mut bed = Bed::new();
    for name in ["n1", "n2", "n3"] {
        let mut host = FakeHost::new(name);
        for other in ["10.42.0.1", "10.42.0.2", "10.42.0.3"] {
            host = host.listening(other, 22, "SSH-2.0-x");
        }
        bed = bed.with_host(name, Arc::new(host));
    }
    let address = Address::parse("reachability.mesh").unwrap();
    let wanted = reachability(&["n1", "n2", "n3"]);
    let object = bed.provider.create(create(&address, &wanted, silent())).await.unwrap();
    assert_eq!(object.note.as_deref(), Some("6 of 6 pairs reached"));
    assert_eq!(object.attributes.get("pairs").unwrap(), 6.into());
}

#[tokio::test(start_paused = true)]
async fn pairs_that_do_not_meet_are_named() {
    let one = FakeHost::new("n1").listening("10.42.0.2", 22, "SSH-2.0-x");
    let bed =
        Bed::new().with_host("n1", Arc::new(one)).with_host("n2", Arc::new(FakeHost::new("n2")));
    let address = Address::parse("reachability.mesh").unwrap();
    let asked = create(&address, &reachability(&["n1", "n2"]), silent());
    let error = bed.provider.create(asked).await.unwrap_err();
    assert_eq!(error.message, "service mesh: only 1 of 2 pairs of nodes reached each other");
    assert!(error.detail.starts_with("n2 -> n1: "), "{}", error.detail);
}

#[test]
fn arguments_are_checked_before_anything_is_called() {
    let bed = Bed::new();
    let address = on_node("n1", "service");
    let with = |name: &str, value: Value| {
        let mut entries = service("n1", "s3cret", "node").as_entries().unwrap().clone();
        entries.insert(name.into(), value);
        Value::object(entries)
    };
    let problem = |arguments: &Value| bed.provider.validate(&address, arguments)[0].clone();
    assert!(bed.provider.validate(&address, &service("n1", "c", "node")).is_empty());
    let short = Value::object([("url", "https://example.org/x".into()), ("sha256", "abc".into())]);
    assert!(problem(&with("artifact", short)).summary.contains("64 hexadecimal digits"));
    let none = Value::object([("url", "https://example.org/x".into())]);
    assert!(problem(&with("artifact", none)).summary.contains("no `sha256`"));
    assert!(problem(&with("restart", "sometimes".into())).summary.contains("sometimes"));
    let mode = Value::object([("content", "s3cret".into()), ("mode", "rw".into())]);
    let said = problem(&with("files", Value::object([("config", mode)])));
    assert!(said.summary.contains("config"));
    assert!(!format!("{said:?}").contains("s3cret"));
    assert!(problem(&service("n1", "c", "moon")).summary.contains("moon"));
}
