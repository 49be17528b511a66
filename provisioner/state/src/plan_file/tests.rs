//! Plan files: what comes back, what is refused, and the fixture of format 1.

use super::*;
use crate::conformance::{CANARY, address, record};
use crate::seal::Nonces;
use model::graph::{Lifecycle, Node, NodeSet, ProviderConfig};
use model::plan::{Action, Change, Drift, DriftKind, Operation, OperationKind, Reason};
use model::{Residual, Sensitive, Type, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

const LINEAGE: &str = "00112233445566778899aabbccddeeff";

fn sealer() -> Sealer {
    Sealer::new(Sensitive::new([42; 32]), LINEAGE)
}

/// A plan with something in every field.
fn plan() -> Plan {
    let machine = address("local_machine.x");
    let scope = Value::object([("var", Value::from(CANARY).into_sensitive())]);
    let residual = Residual::Expression {
        source: "var.password".into(),
        template: false,
        scope,
        place: "main.hcl:3:5".into(),
    };
    let later = Value::unknown(Type::String, residual);
    let secret = Value::object([("password", Value::from(CANARY).into_sensitive())]);
    let arguments = Value::object([("secret", secret.clone()), ("later", later.clone())]);
    let known = Value::object([("isolation", Value::from("none"))]);
    let output = |value, sensitive| Output { value, sensitive, description: String::new() };
    let node = Node {
        name: "edge-local-001".to_owned(),
        pool: "local".to_owned(),
        index: 0,
        domain: "a".to_owned(),
        machine: Value::object([("address", later)]),
    };
    Plan {
        targets: Vec::new(),
        adopted: Vec::new(),
        output_revisions: std::collections::BTreeMap::new(),
        strays: Vec::new(),
        format_version: FORMAT_VERSION,
        environment: "staging".to_owned(),
        lineage: LINEAGE.to_owned(),
        serial: 3,
        base_revisions: BTreeMap::from([(machine.clone(), 1)]),
        configuration_digest: "digest".to_owned(),
        created_at: "2026-01-02T03:04:05Z".to_owned(),
        destroy: false,
        changes: vec![Change {
            address: machine.clone(),
            action: Action::Update,
            reasons: vec![Reason::ArgumentsDiffer { arguments: vec!["secret".to_owned()] }],
            before: Some(secret.clone()),
            after: Some(arguments.clone()),
            differing: vec!["secret".to_owned()],
        }],
        operations: vec![Operation {
            id: 0,
            address: machine.clone(),
            kind: OperationKind::Update,
            provider: "local".to_owned(),
            needs: BTreeSet::from([1]),
            arguments: Some(arguments),
            prior: Some(record("local_machine.x", "one")),
            dependencies: BTreeSet::from([address("local_network.main")]),
            lifecycle: Lifecycle::default(),
            must_not_differ: BTreeSet::from(["name".to_owned()]),
            place: "main.hcl:1:1".to_owned(),
        }],
        drift: vec![Drift {
            address: machine.clone(),
            kind: DriftKind::Different,
            differences: vec!["status is \"stopped\", expected \"running\"".to_owned()],
        }],
        outputs: BTreeMap::from([
            ("url".to_owned(), output("http://x".into(), false)),
            ("password".to_owned(), output(Value::from(CANARY).into_sensitive(), true)),
        ]),
        changed_outputs: BTreeSet::from(["url".to_owned()]),
        providers: BTreeMap::from([(
            "local".to_owned(),
            ProviderConfig { name: "local".to_owned(), arguments: known },
        )]),
        node_sets: BTreeMap::from([(
            "edge".to_owned(),
            NodeSet { nodes: vec![node], services: vec!["nebula".to_owned()] },
        )]),
        refreshed: vec![record("local_volume.v", "two")],
        vanished: vec![address("local_volume.gone")],
    }
}

/// The plan as it comes back: JSON does not tell where an unknown value came from.
fn expected() -> Plan {
    serde_json::from_value(serde_json::to_value(plan()).unwrap()).unwrap()
}

fn bytes() -> Vec<u8> {
    encode(&plan(), &sealer()).unwrap()
}

fn refused(bytes: &[u8]) -> PlanFileError {
    decode(bytes, "p", "staging", &sealer()).unwrap_err()
}

#[test]
fn it_comes_back_and_shows_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan");
    write(&path, &plan(), &sealer()).unwrap();
    assert_eq!(read(&path, "staging", &sealer()).unwrap(), expected());
    let header = inspect(&path).unwrap();
    assert_eq!((header.environment.as_str(), header.lineage.as_str()), ("staging", LINEAGE));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(CANARY) && !text.contains("$sensitive"));
}

#[test]
fn a_sensitive_output_without_a_mark_is_sealed() {
    let mut plan = plan();
    let output = plan.outputs.get_mut("password").unwrap();
    output.value = "unmarked-5f1c".into();
    let bytes = encode(&plan, &sealer()).unwrap();
    assert!(!String::from_utf8(bytes).unwrap().contains("unmarked-5f1c"));
}

#[test]
fn garbage_is_not_a_plan() {
    for garbage in [&b""[..], b"\0\0\0\0", b"{}", b"provisioner", &[0xff; 100]] {
        assert!(matches!(refused(garbage), PlanFileError::NotAPlan { .. }), "{garbage:?}");
    }
}

#[test]
fn every_truncation_is_noticed() {
    let bytes = bytes();
    for length in 0..bytes.len() {
        let error = refused(&bytes[..length]);
        match error {
            PlanFileError::NotAPlan { .. } => assert!(length < MAGIC.len(), "at {length}"),
            PlanFileError::Truncated { .. } => {}
            other => panic!("cut at {length}: {other}"),
        }
    }
}

#[test]
fn every_flipped_byte_is_noticed() {
    let bytes = bytes();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(decode(&flipped, "p", "staging", &sealer()).is_err(), "at {at}");
    }
    let longer = [&bytes[..], b" "].concat();
    assert!(matches!(refused(&longer), PlanFileError::Tampered { .. }));
}

#[test]
fn a_checksum_made_to_fit_does_not_help() {
    let text = String::from_utf8(bytes()).unwrap();
    let changed = text.replace("main.hcl:1:1", "main.hcl:9:9");
    let (mut header, content) = {
        let mut lines = changed.splitn(3, '\n').skip(1);
        let header: Header = serde_json::from_str(lines.next().unwrap()).unwrap();
        (header, lines.next().unwrap())
    };
    header.sha256 = checksum(&header, content.as_bytes());
    let forged = format!("{MAGIC}1\n{}\n{content}", serde_json::to_string(&header).unwrap());
    let error = refused(forged.as_bytes()).to_string();
    assert!(error.contains("tag"), "{error}");
}

#[test]
fn newer_formats_are_named() {
    let newer = String::from_utf8(bytes()).unwrap().replacen("format 1", "format 2", 1);
    let error = refused(newer.as_bytes());
    assert!(matches!(error, PlanFileError::Newer { found: 2, known: 1, .. }), "{error}");
}

#[test]
fn other_environments_lineages_and_keys_are_refused() {
    let other = decode(&bytes(), "p", "production", &sealer()).unwrap_err();
    assert_eq!(other.to_string(), "p is a plan for environment `staging`, not for `production`");
    let lineage = Sealer::new(Sensitive::new([42; 32]), "another");
    let other = decode(&bytes(), "p", "staging", &lineage).unwrap_err();
    assert!(matches!(other, PlanFileError::Foreign { .. }), "{other}");
    let key = Sealer::new(Sensitive::new([43; 32]), LINEAGE);
    let other = decode(&bytes(), "p", "staging", &key).unwrap_err();
    assert!(matches!(other, PlanFileError::Tampered { .. }), "{other}");
}

#[test]
fn a_plan_that_cannot_be_written_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none").join("plan");
    let error = write(&path, &plan(), &sealer()).unwrap_err();
    assert_eq!(error.code(), "plan-file-storage");
    assert!(error.to_string().contains("plan") && error.hint().contains("none"), "{error}");
}

/// Plan format 1, as it was first written. Today's program must read it, and still writes the same bytes. A new
/// format gets a fixture of its own; this one stays.
#[test]
fn format_1_reads_back_and_is_still_written() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/plan-format-1");
    let written = encode(&plan(), &sealer().with_nonces(Nonces::Counted(Arc::default()))).unwrap();
    crate::conformance::golden(&path, &written);
    assert_eq!(read(&path, "staging", &sealer()).unwrap(), expected());
}
