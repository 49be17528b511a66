//! What is captured of nodes, and under which names.

use crate::bed::{point, schemas};
use crate::configuration::address;
use engine::Lasting;
use model::Value;
use model::graph::ProviderConfig;
use model::record::{Record, Recorded};
use recovery::capture;
use std::collections::{BTreeMap, BTreeSet};

const ONE: &str = r#"node_set.edge.node["one"]"#;
const TWO: &str = r#"node_set.edge.node["two"]"#;

fn record(text: &str, stands_on: &[&str]) -> Record {
    let base = state::conformance::record(text, &format!("id-of-{text}"));
    Record {
        provider: "memory".to_owned(),
        dependencies: stands_on.iter().map(|text| address(text)).collect(),
        ..base
    }
}

/// Two nodes with a machine and a disk each, on a disk that both share and one of each one's own outside of nodes.
fn recorded() -> Recorded {
    let machine = |node: &str, own: &str| {
        let disk = format!("{node}.memory_disk.data");
        record(&format!("{node}.memory_machine.this"), &[&disk, own, "memory_bucket.shared"])
    };
    let records = [
        machine(ONE, "memory_disk.of_one"),
        machine(TWO, "memory_disk.of_two"),
        record(&format!("{ONE}.memory_disk.data"), &[]),
        record(&format!("{TWO}.memory_disk.data"), &[&format!("{ONE}.memory_machine.this")]),
        record("memory_bucket.shared", &["memory_disk.shared"]),
        record("memory_disk.shared", &[]),
        record("memory_disk.of_one", &[]),
        record("memory_disk.of_two", &[]),
        record("memory_disk.of_nobody", &[]),
        record("memory_machine.on_nodes", &[&format!("{ONE}.memory_machine.this")]),
    ];
    let records = records.into_iter().map(|record| (record.address.clone(), record)).collect();
    Recorded { records, ..Recorded::default() }
}

fn captured(recorded: &Recorded, nodes: &[&str]) -> Vec<String> {
    let nodes = nodes.iter().map(|node| ("edge".to_owned(), (*node).to_owned())).collect();
    let schemas = schemas();
    let sources = capture::of_nodes(recorded, &schemas, &nodes);
    sources.iter().map(|source| source.record.address.to_string()).collect()
}

#[test]
fn what_nodes_stand_on_is_captured_once_and_nothing_of_other_nodes() {
    let one = [
        "memory_disk.of_one".to_owned(),
        "memory_disk.shared".to_owned(),
        format!("{ONE}.memory_disk.data"),
        format!("{ONE}.memory_machine.this"),
    ];
    assert_eq!(captured(&recorded(), &["one"]), one);
    let both = captured(&recorded(), &["one", "two"]);
    assert_eq!(both.len(), 7, "the shared disk is there once: {both:?}");
    assert_eq!(both.iter().collect::<BTreeSet<_>>().len(), 7);
    assert!(!both.contains(&"memory_disk.of_nobody".to_owned()));
    assert!(!both.contains(&"memory_machine.on_nodes".to_owned()), "it stands on them");
    let two = captured(&recorded(), &["two"]);
    assert!(two.iter().all(|address| !address.starts_with(ONE)), "not even what it leans on");
    assert_eq!(captured(&recorded(), &["three"]), Vec::<String>::new());
    assert_eq!(captured(&recorded(), &[]), Vec::<String>::new());
}

#[test]
fn what_is_not_usable_is_not_captured_and_what_it_stands_on_is() {
    let mut recorded = recorded();
    recorded.records.get_mut(&address(&format!("{ONE}.memory_machine.this"))).unwrap().tainted =
        true;
    recorded.records.get_mut(&address("memory_disk.of_one")).unwrap().tainted = true;
    let found = captured(&recorded, &["one"]);
    assert_eq!(found, ["memory_disk.shared".to_owned(), format!("{ONE}.memory_disk.data")]);
    let (all, schemas) = (recorded.records.len(), schemas());
    // Neither is the bucket, which nothing captures.
    assert_eq!(capture::everything(&recorded, &schemas).len(), all - 3);
}

#[test]
fn what_stands_on_itself_in_a_circle_is_captured_all_the_same() {
    let mut recorded = recorded();
    let shared = recorded.records.get_mut(&address("memory_disk.shared")).unwrap();
    shared.dependencies.insert(address("memory_bucket.shared"));
    assert_eq!(captured(&recorded, &["one"]).len(), 4);
}

/// Names are the cloud's: short, of few characters, the same whenever asked for, and no two the same.
#[test]
fn snapshots_have_names_of_their_own() {
    let (recorded, schemas) = (recorded(), schemas());
    let sources = capture::everything(&recorded, &schemas);
    let config = ProviderConfig { name: "memory".to_owned(), arguments: Value::object::<&str>([]) };
    let lasting = Lasting { config, place: BTreeMap::new() };
    let providers = BTreeMap::from([("memory".to_owned(), lasting)]);
    let longest = "p".repeat(40);
    let mut names = BTreeSet::new();
    for (name, lineage) in [("p", "l"), ("p", "m"), (longest.as_str(), "l")] {
        let wanted =
            capture::wanted(&point(name), lineage, &sources, &providers, &schemas).unwrap();
        assert_eq!(wanted.instances.len(), sources.len());
        assert_eq!(wanted.captured.len(), sources.len());
        let of = |it: &model::graph::Instance| Some(it.arguments.get("name")?.as_str()?.to_owned());
        names.extend(wanted.instances.iter().filter_map(of));
        let again = capture::wanted(&point(name), lineage, &sources, &providers, &schemas).unwrap();
        assert_eq!(again.captured, wanted.captured);
        names.extend(again.instances.iter().filter_map(of));
    }
    let snapshots = sources.iter().filter(|it| it.capture.name.is_some()).count();
    assert_eq!(names.len(), 3 * snapshots, "{names:?}");
    let is_fit = |name: &String| {
        (1..=63).contains(&name.len())
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
    };
    assert!(names.iter().all(is_fit), "{names:?}");
}
