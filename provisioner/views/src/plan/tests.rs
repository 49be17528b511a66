//! The plan as people and programs see it, as checked-in snapshots.

use super::*;
use model::graph::{Lifecycle, Output};
use model::plan::{FORMAT_VERSION, Operation, OperationKind};
use model::record::Record;
use model::{Address, Type};
use std::collections::{BTreeMap, BTreeSet};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn change(
    at: &str,
    action: Action,
    reason: Reason,
    before: Option<Value>,
    after: Option<Value>,
) -> Change {
    Change {
        address: address(at),
        previous: None,
        importing: None,
        action,
        reasons: vec![reason],
        before,
        after,
        differing: Vec::new(),
    }
}

fn plan(changes: Vec<Change>) -> Plan {
    let operations = changes.iter().zip(0..).filter(|(change, _)| change.action != Action::NoOp);
    let operation = |(change, id): (&Change, u32)| Operation {
        id,
        address: change.address.clone(),
        kind: OperationKind::Update,
        provider: "local".to_owned(),
        needs: BTreeSet::new(),
        arguments: None,
        prior: None,
        dependencies: BTreeSet::new(),
        lifecycle: Lifecycle::default(),
        must_not_differ: BTreeSet::new(),
        only_checked: false,
        place: "main.hcl:1:1".to_owned(),
    };
    Plan {
        targets: Vec::new(),
        held: BTreeSet::new(),
        adopted: Vec::new(),
        output_revisions: BTreeMap::new(),
        strays: Vec::new(),
        conditions: Vec::new(),
        moved: Vec::new(),
        rollout: None,
        format_version: FORMAT_VERSION,
        environment: "staging".to_owned(),
        lineage: "0f".to_owned(),
        serial: 4,
        base_revisions: BTreeMap::new(),
        configuration_digest: "d".to_owned(),
        created_at: "2026-01-01T00:00:00Z".to_owned(),
        destroy: false,
        operations: operations.map(operation).collect(),
        changes,
        drift: Vec::new(),
        outputs: BTreeMap::new(),
        changed_outputs: BTreeSet::new(),
        providers: BTreeMap::new(),
        identities: BTreeMap::new(),
        node_sets: BTreeMap::new(),
        refreshed: Vec::new(),
        vanished: Vec::new(),
    }
}

fn concise(plan: &Plan) -> String {
    human(plan, Drawing { detail: Detail::Concise, palette: Palette::PLAIN, width: 100 })
}

fn network() -> Value {
    let at = address("module.network.local_network.this");
    Value::object([
        ("cidr", Value::from("10.4.0.0/16")),
        ("id", Value::output(&at, "id", Type::String)),
    ])
}

fn first_apply(nodes: u32) -> Plan {
    let mut changes = vec![change(
        "module.network.local_network.this",
        Action::Create,
        Reason::New,
        None,
        Some(network()),
    )];
    for number in 1..=nodes {
        let name = format!("edge-local-{number:03}");
        let path = format!("node_set.edge.node[\"{name}\"]");
        let machine = format!("{path}.local_machine.this");
        let after = Value::object([
            ("name", Value::from(name.as_str())),
            ("memory_mb", 256.into()),
            ("address", Value::output(&address(&machine), "address", Type::String)),
            ("login", Value::from("hidden").into_sensitive()),
        ]);
        changes.push(change(&machine, Action::Create, Reason::New, None, Some(after)));
        let after = Value::object([
            ("command", Value::tuple(["@artifact@/bin/nebula".into(), "-config".into()])),
            ("version", "1.6.1".into()),
        ]);
        let service = format!("{path}.service.nebula");
        changes.push(change(&service, Action::Create, Reason::New, None, Some(after)));
    }
    let mut plan = plan(changes);
    let url = Output {
        value: Value::output(&address("a.b"), "url", Type::String),
        sensitive: false,
        description: String::new(),
    };
    plan.outputs.insert("prometheus_url".to_owned(), url);
    plan.changed_outputs.insert("prometheus_url".to_owned());
    plan
}

fn file(content: &str) -> Value {
    let file = Value::object([("content", Value::from(content)), ("mode", "0600".into())]);
    Value::object([("config.yml", file)])
}

fn updates() -> Plan {
    let mut changes = Vec::new();
    for number in 1..=3 {
        let service = format!("node_set.edge.node[\"edge-local-{number:03}\"].service.nebula");
        let files = |cipher: &str| {
            file(&format!(
                "pki:\n  ca: x\nname: node {number}\ncipher: {cipher}\nlisten:\n  port: 4242\n"
            ))
        };
        let mut update = change(
            &service,
            Action::Update,
            Reason::ArgumentsDiffer { arguments: vec!["files".to_owned()] },
            Some(Value::object([("files", files("aes"))])),
            Some(Value::object([("files", files("chachapoly"))])),
        );
        update.differing.push("files".to_owned());
        changes.push(update);
    }
    let path = "module.network.local_network.this";
    let mut replace = change(
        path,
        Action::ReplaceDeleteFirst,
        Reason::ForcesReplacement { arguments: vec!["cidr".to_owned()] },
        Some(Value::object([("cidr", "10.4.0.0/16".into()), ("id", "net-1".into())])),
        Some(Value::object([
            ("cidr", "10.5.0.0/16".into()),
            ("id", Value::output(&address(path), "id", Type::String)),
        ])),
    );
    replace.differing.push("cidr".to_owned());
    changes.push(replace);
    let drifted = Reason::Drifted {
        differences: vec!["status is \"stopped\", expected \"running\"".to_owned()],
    };
    let stopped = "node_set.monitor.node[\"monitor-local-001\"].service.prometheus";
    let well = Value::object([("status", Value::from("running"))]);
    changes.push(change(stopped, Action::Update, drifted, Some(well.clone()), Some(well.clone())));
    changes.push(change(
        "node_set.old.node[\"old-1\"].local_machine.this",
        Action::Delete,
        Reason::NotConfigured,
        Some(well),
        None,
    ));
    let rechecked = Reason::DependencyChanges { addresses: vec![address("a.b"), address("a.c")] };
    changes.push(change("reachability.nebula", Action::Update, rechecked, None, None));
    let mut plan = plan(changes);
    plan.drift.push(Drift {
        address: address(stopped),
        kind: DriftKind::Different,
        differences: vec!["status is \"stopped\", expected \"running\"".to_owned()],
    });
    plan.vanished.push(address("local_volume.gone"));
    plan
}

#[test]
fn a_first_apply_stays_short_with_many_nodes() {
    let text = concise(&first_apply(24));
    assert!(text.lines().count() < 30, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn all_is_shown_on_request() {
    let drawing = Drawing { detail: Detail::Full, palette: Palette::PLAIN, width: 100 };
    insta::assert_snapshot!(human(&first_apply(2), drawing));
}

#[test]
fn instances_of_one_block_are_one_entry() {
    let certificate = |name: &str| {
        let after = Value::object([("name", Value::from(name)), ("hours", 24.into())]);
        let at = format!("module.mesh.nebula_certificate.node[\"{name}\"]");
        change(&at, Action::Create, Reason::New, None, Some(after))
    };
    let mut changes: Vec<_> = ["edge-001", "edge-002", "edge-003"].map(certificate).into();
    changes.push(change(
        "module.mesh.nebula_certificate.node[\"edge-004\"]",
        Action::Delete,
        Reason::NotConfigured,
        Some(Value::object([("name", Value::from("edge-004"))])),
        None,
    ));
    insta::assert_snapshot!(concise(&plan(changes)));
}

#[test]
fn updates_show_only_what_differs() {
    insta::assert_snapshot!(concise(&updates()));
}

#[test]
fn nothing_to_do() {
    let same = Value::object([("id", Value::from("1"))]);
    let unchanged =
        plan(vec![change("a.b", Action::NoOp, Reason::New, Some(same.clone()), Some(same))]);
    insta::assert_snapshot!(concise(&unchanged), @"No changes. Everything is as configured.");
    let destroyed = Plan { destroy: true, ..plan(Vec::new()) };
    insta::assert_snapshot!(concise(&destroyed), @"Nothing to do: the environment has no objects.");
}

/// An update within two targets; a stray that is kept, one that goes, and two that nobody decided about.
fn with_strays() -> Plan {
    let mut plan = updates();
    plan.changes.truncate(3);
    plan.drift.clear();
    plan.vanished.clear();
    plan.targets =
        vec!["node_set.edge.service.nebula".to_owned(), "local_volume.data[\"a\"]".to_owned()];
    let attributes = || {
        Value::object([("size", Value::from(3)), ("login", Value::from("hidden").into_sensitive())])
    };
    for (number, deposed) in [(1, false), (2, true)] {
        let record = Record {
            address: address(&format!("local_volume.data[{number}]")),
            provider: "local".to_owned(),
            id: format!("volume-{number}"),
            attributes: attributes(),
            dependencies: BTreeSet::new(),
            lifecycle: Lifecycle::default(),
            token: "t".to_owned(),
            generation: 1,
            revision: 0,
            tainted: false,
        };
        plan.adopted.push(Adopted { record, deposed, imported: false });
    }
    for (number, attributes) in [(3, Some(attributes())), (4, None)] {
        plan.strays.push(Stray {
            address: address(&format!("local_volume.data[{number}]")),
            provider: "local".to_owned(),
            id: format!("volume-{number}"),
            token: "t".to_owned(),
            attributes,
        });
    }
    plan
}

#[test]
fn targets_and_strays_are_told() {
    insta::assert_snapshot!(concise(&with_strays()));
}

#[test]
fn only_strays() {
    let plan =
        Plan { changes: Vec::new(), adopted: Vec::new(), operations: Vec::new(), ..with_strays() };
    assert!(!plan.has_changes());
    insta::assert_snapshot!(summary(&plan), @"No changes. What the plan is limited to is as configured. The state does not know 2 objects that are there.");
    let kept = Plan { strays: Vec::new(), ..with_strays() };
    let kept = Plan { changes: Vec::new(), operations: Vec::new(), ..kept };
    insta::assert_snapshot!(summary(&kept), @"Plan: 0 to create, 0 to update, 0 to replace, 0 to delete, 1 to take into the state.");
}

#[test]
fn json_tells_targets_and_strays_without_secrets() {
    let json = json(&with_strays());
    assert!(!json.to_string().contains("hidden"));
    let parts = ["targets", "adopted", "strays", "summary"].map(|name| json[name].clone());
    insta::assert_json_snapshot!(parts);
}

#[test]
fn json_holds_no_secret() {
    let json = json(&first_apply(1));
    assert!(!json.to_string().contains("hidden"));
    insta::assert_json_snapshot!(json);
}
