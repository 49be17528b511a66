//! Plan files: what comes back, what is refused and as what, and the fixtures of all formats.

use super::*;
use crate::conformance::{CANARY, address, record};
use crate::keys::{EnvironmentKey, Generation, Keys};
use crate::seal::Nonces;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::graph::{Lifecycle, Node, NodeSet, ProviderConfig};
use model::plan::{
    Action, Change, Drift, DriftKind, Operation, OperationKind, PlannedRollout, Reason,
};
use model::rollout::entry::{NodeChange, NodeStart, SetStart, StageNodes};
use model::rollout::foresight::Foresight;
use model::rollout::{Amount, Approval, RollbackRule, Rollout, Stage};
use model::{Residual, Sensitive, Type, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

const LINEAGE: &str = "00112233445566778899aabbccddeeff";

fn sealer() -> Sealer {
    Sealer::new(Sensitive::new([42; 32]), LINEAGE)
}

fn node(address: Value) -> Node {
    Node {
        name: "edge-local-001".to_owned(),
        pool: "local".to_owned(),
        index: 0,
        domain: "a".to_owned(),
        machine: Value::object([("address", address)]),
        revision: String::new(),
    }
}

/// A rollout of two nodes, whose configuration is a secret.
fn rollout() -> PlannedRollout {
    let start = |name: &str| NodeStart {
        name: name.to_owned(),
        domain: "a".to_owned(),
        change: NodeChange::Update,
    };
    let stage = Stage {
        name: "all".to_owned(),
        nodes: Amount::Percent(100.0),
        bake_ms: 60_000,
        deadline_ms: 60_000,
        gates: Vec::new(),
        rollback: RollbackRule::Automatic,
        approval: Some(Approval { people: 2, valid_ms: 3_600_000 }),
        span: None,
    };
    let rules = Rollout {
        name: "rollout.careful".to_owned(),
        stages: vec![stage],
        gates: BTreeMap::new(),
        max_parallel: 1,
        max_unavailable: Amount::Count(1),
        max_surge: Amount::Count(0),
        holdback: 0,
        apart: Vec::new(),
        windows: Vec::new(),
        notify: Vec::new(),
        snapshot_before: false,
        error_budget: None,
        interval_ms: 60_000,
        span: None,
    };
    let nodes = ["edge-local-001", "edge-local-002"];
    let set = SetStart {
        node_set: "edge".to_owned(),
        rollout: rules,
        nodes: nodes.map(start).to_vec(),
        stages: vec![StageNodes { stage: 0, nodes: nodes.map(str::to_owned).to_vec() }],
    };
    PlannedRollout {
        foresight: Foresight {
            rollout: "0a1b2c3d4e5f".to_owned(),
            sets: vec![set],
            stages: vec![Vec::new()],
            total_ms: 60_000,
            lists: std::collections::BTreeSet::new(),
            restore_point: None,
        },
        plan_hash: "hash".to_owned(),
        candidate: Value::from(CANARY).into_sensitive(),
    }
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
    let output = |value, sensitive| Output { value, sensitive, description: String::new() };
    Plan {
        targets: Vec::new(),
        held: BTreeSet::new(),
        adopted: Vec::new(),
        output_revisions: BTreeMap::new(),
        strays: Vec::new(),
        conditions: Vec::new(),
        moved: Vec::new(),
        rollout: Some(Box::new(rollout())),
        identities: BTreeMap::new(),
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
            previous: None,
            importing: None,
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
            only_checked: false,
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
            ProviderConfig {
                name: "local".to_owned(),
                arguments: Value::object([("isolation", Value::from("none"))]),
            },
        )]),
        node_sets: BTreeMap::from([(
            "edge".to_owned(),
            NodeSet { nodes: vec![node(later)], services: vec!["nebula".to_owned()] },
        )]),
        refreshed: vec![record("local_volume.v", "two")],
        vanished: vec![address("local_volume.gone")],
    }
}

/// The plan as it comes back: JSON does not tell where an unknown value came from.
fn expected() -> Plan {
    serde_json::from_value(serde_json::to_value(plan()).unwrap()).unwrap()
}

fn versions(local: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("local".to_owned(), local.to_owned())])
}

fn binding() -> Binding {
    let valid_for = SignedDuration::from_hours(24);
    Binding { provider_versions: versions("1.2.3"), valid_for }
}

/// The instant the plan was made, and `hours` more.
fn after(hours: i64) -> Timestamp {
    let made: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    made + SignedDuration::from_hours(hours)
}

fn bytes() -> Vec<u8> {
    encode(&plan(), &sealer(), &binding()).unwrap()
}

/// What reading gives in the environment of that name, with that key, so many hours later.
fn opened(bytes: &[u8], environment: &str, sealer: &Sealer, hours: i64) -> Result<Plan> {
    let (now, provider_versions) = (after(hours), &versions("1.2.3"));
    decode(bytes, "p", &Expected { environment, sealer, now, provider_versions })
}

fn refused(bytes: &[u8]) -> PlanFileError {
    opened(bytes, "staging", &sealer(), 1).unwrap_err()
}

/// The file's lines after the first.
fn lines(bytes: &[u8]) -> [String; 3] {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let lines: Vec<_> = text.splitn(4, '\n').skip(1).map(str::to_owned).collect();
    lines.try_into().unwrap()
}

fn file_of([statement, signatures, content]: [String; 3]) -> Vec<u8> {
    format!("{MAGIC}2\n{statement}\n{signatures}\n{content}").into_bytes()
}

#[test]
fn it_comes_back_and_shows_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan");
    write(&path, &plan(), &sealer(), &binding()).unwrap();
    let (sealer, provider_versions) = (sealer(), versions("1.2.3"));
    let now = after(23);
    let fit = Expected {
        environment: "staging",
        sealer: &sealer,
        now,
        provider_versions: &provider_versions,
    };
    assert_eq!(read(&path, &fit).unwrap(), expected());
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
    let bytes = encode(&plan, &sealer(), &binding()).unwrap();
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
fn every_flipped_bit_is_noticed() {
    let bytes = bytes();
    let [statement, signatures, _] = lines(&bytes);
    let start = MAGIC.len() + "2\n".len() + statement.len() + 1;
    // A flipped signature costs two verifications: a sample of those bits, and all others.
    let sampled = start * 8..(start + signatures.len()) * 8;
    for bit in (0..bytes.len() * 8).filter(|bit| !sampled.contains(bit) || bit % 101 == 0) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(opened(&flipped, "staging", &sealer(), 1).is_err(), "bit {bit}");
    }
    let longer = [&bytes[..], b" "].concat();
    assert!(matches!(refused(&longer), PlanFileError::Tampered { .. }));
}

/// Each signature alone, the other one good.
#[test]
fn both_signatures_must_fit() {
    for (name, length, which) in [("ed25519", 64, "Ed25519"), ("ml_dsa_65", 3309, "ML-DSA-65")] {
        let [statement, signatures, content] = lines(&bytes());
        let good: serde_json::Value = serde_json::from_str(&signatures).unwrap();
        let signature = BASE64.decode(good[name].as_str().unwrap()).unwrap();
        assert_eq!(signature.len(), length);
        let flipped = |at: usize| {
            let mut flipped = signature.clone();
            flipped[at] ^= 1;
            flipped
        };
        let spread = (0..length).step_by(17).chain([length - 1]);
        let cut = signature[1..].to_vec();
        for wrong in spread.map(flipped).chain([cut, Vec::new(), vec![0; length]]) {
            let mut forged = good.clone();
            forged[name] = BASE64.encode(wrong).into();
            let forged = [statement.clone(), forged.to_string(), content.clone()];
            let error = refused(&file_of(forged));
            assert!(
                matches!(error, PlanFileError::Signature { which: w, .. } if w == which),
                "{error}"
            );
        }
    }
}

/// Whatever is changed and however well its checksums are made to fit.
#[test]
fn a_forged_statement_or_content_is_refused() {
    let [statement, signatures, content] = lines(&bytes());
    let forged = |statement: &str, content: &str| {
        let mut json: serde_json::Value = serde_json::from_str(statement).unwrap();
        json["sha256"] = sha256_hex(content.as_bytes()).into();
        json["length"] = content.len().into();
        let statement = json.to_string();
        let mut signatures: serde_json::Value = serde_json::from_str(&signatures).unwrap();
        signatures["sha256"] = sha256_hex(statement.as_bytes()).into();
        refused(&file_of([statement, signatures.to_string(), content.to_owned()]))
    };
    let changed = content.replace("main.hcl:1:1", "main.hcl:9:9");
    assert_ne!(changed, content);
    let later = statement.replace("2026-01-03", "2027-01-03");
    let other = statement.replace("1.2.3", "1.2.4");
    for error in [forged(&statement, &changed), forged(&later, &content), forged(&other, &content)]
    {
        assert!(matches!(error, PlanFileError::Signature { which: "Ed25519", .. }), "{error}");
        assert_eq!(error.code(), "plan-file-signature");
    }
}

#[test]
fn older_and_newer_formats_are_named() {
    let with = |version: &str| {
        let text = String::from_utf8(bytes()).unwrap();
        let own = format!("format {FORMAT_VERSION}");
        refused(text.replacen(&own, &format!("format {version}"), 1).as_bytes())
    };
    let newer = with("5");
    assert!(matches!(newer, PlanFileError::Newer { found: 5, known: 4, .. }), "{newer}");
    // What its first line says must be what it is.
    assert!(matches!(with("3"), PlanFileError::Tampered { .. }));
    let older = with("1");
    assert!(matches!(older, PlanFileError::Older { found: 1, .. }), "{older}");
    assert!(matches!(with("0"), PlanFileError::Tampered { .. }));
}

#[test]
fn other_environments_lineages_and_keys_are_refused() {
    let other = opened(&bytes(), "production", &sealer(), 1).unwrap_err();
    assert_eq!(other.to_string(), "p is a plan for environment `staging`, not for `production`");
    let lineage = Sealer::new(Sensitive::new([42; 32]), "another");
    let other = opened(&bytes(), "staging", &lineage, 1).unwrap_err();
    assert!(matches!(other, PlanFileError::Foreign { .. }), "{other}");
    let key = Sealer::new(Sensitive::new([43; 32]), LINEAGE);
    let other = opened(&bytes(), "staging", &key, 1).unwrap_err();
    assert!(matches!(other, PlanFileError::Signature { .. }), "{other}");
}

#[test]
fn a_rotation_ends_what_was_signed_before() {
    let next = Generation::FIRST.next();
    let key = |byte| EnvironmentKey::new([byte; 32]);
    let keys = |current| {
        let both = BTreeMap::from([(Generation::FIRST, key(1)), (next, key(2))]);
        Keys::new(both, current).unwrap().sealer(LINEAGE)
    };
    let before = encode(&plan(), &Keys::sole(key(1)).sealer(LINEAGE), &binding()).unwrap();
    let error = opened(&before, "staging", &keys(next), 1).unwrap_err();
    assert!(error.to_string().contains("rotated since") && error.code() == "plan-file-rotated");
    let since = encode(&plan(), &keys(next), &binding()).unwrap();
    assert_eq!(opened(&since, "staging", &keys(next), 1).unwrap(), expected());
    // The key of an older generation cannot sign for the current one.
    let text = String::from_utf8(before).unwrap();
    let [statement, signatures, content] = lines(text.as_bytes());
    let claimed = statement.replace("\"generation\":\"k1\"", "\"generation\":\"k2\"");
    let fitting =
        signatures.replace(&sha256_hex(statement.as_bytes()), &sha256_hex(claimed.as_bytes()));
    let error =
        opened(&file_of([claimed, fitting, content]), "staging", &keys(next), 1).unwrap_err();
    assert!(matches!(error, PlanFileError::Signature { .. }), "{error}");
}

#[test]
fn a_plan_expires() {
    assert!(opened(&bytes(), "staging", &sealer(), 23).is_ok());
    let error = opened(&bytes(), "staging", &sealer(), 24).unwrap_err();
    let (text, code) = (error.to_string(), error.code());
    assert_eq!(
        text,
        "p could be applied until 2026-01-03T03:04:05Z, and it is 2026-01-03T03:04:05Z"
    );
    assert_eq!(code, "plan-file-expired");
}

#[test]
fn other_versions_of_providers_are_named() {
    let with = |provider_versions: &BTreeMap<String, String>| {
        let (environment, sealer, now) = ("staging", &sealer(), after(1));
        decode(&bytes(), "p", &Expected { environment, sealer, now, provider_versions })
    };
    let changed = with(&versions("1.3.0")).unwrap_err();
    assert!(changed.to_string().contains("local was 1.2.3 and is 1.3.0"), "{changed}");
    let gone = with(&BTreeMap::new()).unwrap_err();
    assert!(gone.to_string().contains("local 1.2.3 is not there"), "{gone}");
    let mut more = versions("1.2.3");
    more.insert("new".to_owned(), "1".to_owned());
    assert!(with(&more).is_ok(), "a provider that the plan does not know does not matter");
}

#[test]
fn a_plan_that_cannot_be_written_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none").join("plan");
    let error = write(&path, &plan(), &sealer(), &binding()).unwrap_err();
    assert_eq!(error.code(), "plan-file-storage");
    assert!(error.to_string().contains("plan") && error.hint().contains("none"), "{error}");
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Plan format 1 is not signed: it is refused by name, and whose it is can still not be believed.
#[test]
fn format_1_is_refused_by_name() {
    let bytes = std::fs::read(fixture("plan-format-1")).unwrap();
    let error = refused(&bytes);
    assert!(matches!(error, PlanFileError::Older { found: 1, .. }), "{error}");
    assert!(error.to_string().contains("older version") && error.hint().contains("plan again"));
    let inspected = inspect(&fixture("plan-format-1")).unwrap_err();
    assert!(matches!(inspected, PlanFileError::Older { found: 1, .. }), "{inspected}");
}

/// Plan formats 2 and 3, as they were first written: one knows no moves, neither knows rollouts. Today's program must read
/// them.
#[test]
fn formats_2_and_3_read_back() {
    let expected = Plan { rollout: None, ..expected() };
    for name in ["plan-format-2", "plan-format-3"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        assert_eq!(opened(&bytes, "staging", &sealer(), 1).unwrap(), expected);
    }
}

/// Plan format 4, as it was first written. Today's program must read it, and still writes the same bytes. A new
/// format gets a fixture of its own; this one stays.
#[test]
fn format_4_reads_back_and_is_still_written() {
    let counted = sealer().with_nonces(Nonces::Counted(Arc::default()));
    let written = encode(&plan(), &counted, &binding()).unwrap();
    crate::conformance::golden(&fixture("plan-format-4"), &written);
    let bytes = std::fs::read(fixture("plan-format-4")).unwrap();
    assert_eq!(opened(&bytes, "staging", &sealer(), 1).unwrap(), expected());
}
