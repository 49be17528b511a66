//! Evidence: what is exported verifies, and whatever is changed in it is found where it is.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::Sensitive;
use model::rollout::entry::{
    Hold, Measurement, NodeChange, NodeStart, Reading, SetStart, StageNodes, Verdict,
};
use model::rollout::reason::{EndReason, RollbackReason, Said};
use model::rollout::{Amount, Check, RollbackRule, Rollout, Stage, StageGate};
use std::collections::{BTreeMap, BTreeSet};

/// Of a version that gave reasons as sentences only.
const FIXTURE: &str = include_str!("../../fixtures/evidence-format-1.json");
/// The same with reasons as data.
const WITH_REASONS: &str = include_str!("../../fixtures/evidence-format-1-reasons.json");
/// A reason a line: all that there are.
const REASONS: &str = include_str!("../../fixtures/reasons.jsonl");

fn sealer(byte: u8) -> Sealer {
    Sealer::new(Sensitive::new([byte; 32]), "lineage")
}

fn start() -> Start {
    let check = Check::Rate {
        proceed_below: 0.001,
        rollback_above: Some(0.01),
        worse_than_control: None,
        min_sample: 4_603,
        confidence: 0.99,
    };
    let stage = |name: &str, nodes: u32| Stage {
        name: name.to_owned(),
        nodes: Amount::Count(nodes),
        bake_ms: 60_000,
        deadline_ms: 60_000,
        gates: vec![StageGate { gate: "errors".to_owned(), check: check.clone(), span: None }],
        rollback: RollbackRule::Automatic,
        approval: None,
        span: None,
    };
    let rules = Rollout {
        name: "rollout.careful".to_owned(),
        stages: vec![stage("canary", 1), stage("full", 2)],
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
        interval_ms: 10_000,
        span: None,
    };
    let node = |name: &str| NodeStart {
        name: name.to_owned(),
        domain: "local".to_owned(),
        change: NodeChange::Update,
    };
    let set = SetStart {
        node_set: "edge".to_owned(),
        rollout: rules,
        nodes: vec![node("edge-1"), node("edge-2")],
        stages: vec![
            StageNodes { stage: 0, nodes: vec!["edge-1".to_owned()] },
            StageNodes { stage: 1, nodes: vec!["edge-2".to_owned()] },
        ],
    };
    Start {
        environment: "staging".to_owned(),
        sets: vec![set],
        configuration_digest: "c0".repeat(32),
        plan_hash: "9a".repeat(32),
        stable_serial: 3,
        lists: BTreeSet::new(),
        answers: BTreeMap::new(),
        by: "ana".to_owned(),
    }
}

fn measured(stage: u32, bad: f64, verdict: Verdict) -> What {
    What::Measured(Box::new(Measurement {
        stage,
        gate: "errors".to_owned(),
        queries: vec!["sum(increase(errors_total{node=~\"edge-1\"}[10s]))".to_owned()],
        from_ms: 1_000,
        to_ms: 11_000,
        reading: Reading::Counts { bad, total: 30_000.1, control: Some((2.0, 29_000.0)) },
        verdict,
        why: "0.1 + 0.2".to_owned(),
        shown: BTreeMap::from([("rate".to_owned(), bad / 30_000.1), ("e_value".to_owned(), 0.3)]),
    }))
}

fn entries() -> Vec<Entry> {
    let nodes = vec!["edge-1".to_owned()];
    let judged = |stage, verdict| What::Judged {
        stage,
        verdict,
        gates: BTreeMap::from([("errors".to_owned(), verdict)]),
        why: "so it is".to_owned(),
    };
    let all = vec![
        What::Started(Box::new(start())),
        What::StageEntered { stage: 0 },
        What::WaveStarted { stage: 0, wave: 0, nodes: nodes.clone() },
        What::WaveEnded { stage: 0, wave: 0, changed: nodes.clone(), failed: BTreeMap::new() },
        What::BakeStarted { stage: 0 },
        measured(0, 7.0, Verdict::Inconclusive),
        measured(0, 8.3, Verdict::Successful),
        judged(0, Verdict::Successful),
        What::Approved {
            stage: 1,
            by: "bo".to_owned(),
            through: None,
            until_ms: 99_000,
            plan_hash: "9a".repeat(32),
        },
        What::Promoted { stage: 0, by: None },
        What::StageEntered { stage: 1 },
        measured(1, 1_500.0, Verdict::Failed),
        judged(1, Verdict::Failed),
        What::RollbackDecided {
            detected_ms: 11_000,
            why: "5 % errors".to_owned(),
            reason: Some(RollbackReason::GateFailed {
                gate: "errors".to_owned(),
                measured_ms: 11_000,
            }),
            nodes: nodes.clone(),
        },
        What::RollbackWaveEnded { wave: 0, restored: nodes, failed: BTreeMap::new() },
        What::Ended {
            outcome: Outcome::RolledBack,
            why: "5 % errors".to_owned(),
            reason: Some(EndReason::Restored),
        },
    ];
    let entry = |(number, what): (u64, What)| Entry {
        rollout: "r-1".to_owned(),
        number,
        at_ms: 1_000 * i64::try_from(number).unwrap(),
        what,
    };
    (0..).zip(all).map(entry).collect()
}

fn exported() -> String {
    export(&entries(), &signer(&sealer(7)).unwrap()).unwrap()
}

fn keys() -> Vec<PublicKeys> {
    public_keys(&sealer(7))
}

fn payload(envelope: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(envelope).unwrap();
    String::from_utf8(BASE64.decode(json["payload"].as_str().unwrap()).unwrap()).unwrap()
}

/// The envelope with another payload and the old signatures.
fn with_payload(envelope: &str, payload: impl AsRef<[u8]>) -> String {
    let mut json: serde_json::Value = serde_json::from_str(envelope).unwrap();
    json["payload"] = BASE64.encode(payload).into();
    format!("{json}\n")
}

fn record_fault(report: &Report) -> Option<&RecordFault> {
    report.faults.iter().find_map(|fault| match fault {
        Fault::Record(fault) => Some(fault),
        _ => None,
    })
}

/// Whether it is as it was signed: the verdicts of these entries are invented.
fn is_intact(report: &Report) -> bool {
    report.faults.is_empty()
}

fn signature_faults(report: &Report) -> usize {
    report.faults.iter().filter(|fault| matches!(fault, Fault::Signature { .. })).count()
}

#[test]
fn what_is_exported_verifies_and_says_what_it_is_of() {
    let report = verify(&exported(), &keys()).unwrap();
    assert!(is_intact(&report), "{report:?}");
    assert_eq!((report.rollout.as_str(), report.records), ("r-1", 16));
    assert_eq!(report.outcome, Some(Outcome::RolledBack));
    assert_eq!(report.signed_by, Some(Generation::FIRST));
    assert_eq!(report.head, head(&entries()).unwrap());
    assert_eq!(exported(), exported(), "the same entries and keys give the same bytes");
    let statement: serde_json::Value = serde_json::from_str(&payload(&exported())).unwrap();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["subject"][0]["digest"]["sha256"], "9a".repeat(32));
    let verdict = &statement["predicate"]["chain"][7]["record"];
    assert_eq!(verdict["checks"]["errors"]["proceed_below"], 0.001);
    assert_eq!(verdict["inputs"].as_str().map(str::len), Some(64));
}

#[test]
fn a_rollout_that_is_not_over_has_evidence_too() {
    let half = export(&entries()[..9], &signer(&sealer(7)).unwrap()).unwrap();
    let report = verify(&half, &keys()).unwrap();
    assert!(is_intact(&report) && report.outcome.is_none(), "{report:?}");
}

#[test]
fn any_changed_byte_of_any_record_is_found_and_the_record_is_named() {
    let envelope = exported();
    let payload = payload(&envelope);
    let all = keys();
    let mut offset = payload.find('\n').unwrap() + 1;
    for (number, line) in (0_u64..).zip(payload.lines().skip(1).take(entries().len())) {
        for place in 0..line.len() {
            let mut bytes = payload.clone().into_bytes();
            bytes[offset + place] ^= 1;
            // That the signatures do not fit either is looked at a few times only: it takes long.
            let keys = if place % 97 == 0 { &all[..] } else { &[] };
            let report = verify(&with_payload(&envelope, bytes), keys).unwrap();
            let fault = record_fault(&report).unwrap_or_else(|| panic!("{number}, {place}"));
            assert_eq!(fault.number, number, "{place} of {line}");
            assert_eq!(signature_faults(&report), 2, "{report:?}");
        }
        offset += line.len() + 1;
    }
}

#[test]
fn what_the_statement_says_must_be_what_the_records_say() {
    let (envelope, keys) = (exported(), keys());
    let payload = payload(&envelope);
    let opening = payload.find('\n').unwrap();
    for place in 0..opening {
        let mut bytes = payload.clone().into_bytes();
        bytes[place] ^= 1;
        let sound = verify(&with_payload(&envelope, bytes), &keys).map(|report| is_intact(&report));
        assert_ne!(sound, Ok(true), "{place}");
    }
    let other = payload.replacen("\"outcome\":\"rolled_back\"", "\"outcome\":\"committed\"", 1);
    let report = verify(&with_payload(&envelope, other), &keys).unwrap();
    assert!(report.faults.contains(&Fault::Statement { what: "outcome" }), "{report:?}");
}

#[test]
fn a_chain_that_is_cut_or_moved_is_found() {
    let (envelope, keys) = (exported(), keys());
    let payload = payload(&envelope);
    let lines: Vec<&str> = payload.lines().collect();
    let record = |index: usize| lines[index + 1].trim_end_matches(',').to_owned();
    let records: Vec<String> = (0..entries().len()).map(record).collect();
    let rebuilt = |records: &[String]| {
        let payload = format!("{}\n{}\n{END}", lines[0], records.join(",\n"));
        verify(&with_payload(&envelope, payload), &keys).unwrap()
    };
    assert!(is_intact(&rebuilt(&records)));
    let cut = rebuilt(&records[..10]);
    assert!(cut.faults.contains(&Fault::Length { found: 10, said: 16 }), "{cut:?}");
    let said = Fault::Length { found: 10, said: 16 }.to_string();
    assert!(said.contains("record 10 is the first"), "{said}");
    let mut moved = records.clone();
    moved.swap(5, 6);
    assert_eq!(record_fault(&rebuilt(&moved)).map(|fault| fault.number), Some(5));
    let mut gap = records.clone();
    gap.remove(7);
    assert_eq!(record_fault(&rebuilt(&gap)).map(|fault| fault.number), Some(7));
    let mut twice = records.clone();
    twice.insert(3, records[2].clone());
    assert_eq!(record_fault(&rebuilt(&twice)).map(|fault| fault.number), Some(3));
    assert_eq!(record_fault(&rebuilt(&records[1..])).map(|fault| fault.number), Some(0));
}

#[test]
fn a_verdict_with_a_hash_of_its_own_still_rests_on_its_measurements() {
    // Whoever can write hashes can make a line that fits itself; it does not fit what came before.
    let (envelope, keys) = (exported(), keys());
    let payload = payload(&envelope);
    let body = |line: &str| line.trim_end_matches(',')[84..].strip_suffix('}').unwrap().to_owned();
    for (find, put, what) in [
        ("\"proceed_below\":0.001", "\"proceed_below\":0.9", "other thresholds"),
        ("\"inputs\":\"", "\"inputs\":\"00", "other measurements"),
        ("\"plan_hash\":\"9a", "\"plan_hash\":\"8b", "another plan"),
    ] {
        let lines = payload.lines().enumerate().map(|(index, line)| {
            if index != 8 {
                return line.to_owned();
            }
            let body = body(line).replace(find, put);
            let hash = sha256_hex(body.as_bytes());
            format!("{{\"hash\":\"{hash}\",\"record\":{body}}},")
        });
        let forged = lines.collect::<Vec<_>>().join("\n");
        let report = verify(&with_payload(&envelope, forged), &keys).unwrap();
        let fault = record_fault(&report).unwrap();
        assert_eq!(fault.number, 7, "{fault}");
        assert!(fault.what.contains(what), "{fault}");
    }
}

#[test]
fn other_keys_and_exchanged_signatures_do_not_fit() {
    let envelope = exported();
    let report = verify(&envelope, &public_keys(&sealer(8))).unwrap();
    assert_eq!((signature_faults(&report), report.signed_by), (2, None));
    assert_eq!(record_fault(&report), None, "the records are sound, whoever signed them");
    assert!(!is_intact(&verify(&envelope, &[]).unwrap()));
    let mut json: serde_json::Value = serde_json::from_str(&envelope).unwrap();
    json["signatures"].as_array_mut().unwrap().pop();
    let report = verify(&format!("{json}\n"), &keys()).unwrap();
    assert_eq!((signature_faults(&report), report.signed_by), (1, None));
    let other = export(&entries()[..9], &signer(&sealer(7)).unwrap()).unwrap();
    let mixed = with_payload(&envelope, payload(&other));
    assert_eq!(signature_faults(&verify(&mixed, &keys()).unwrap()), 2);
}

#[test]
fn what_is_no_evidence_and_what_is_newer_is_refused() {
    for text in ["", "{}", "null", "{\"payloadType\":\"x\",\"payload\":\"\",\"signatures\":[]}\n"] {
        assert!(matches!(verify(text, &keys()), Err(EvidenceError::Foreign(_))), "{text}");
    }
    let envelope = exported();
    let newer = payload(&envelope).replacen("\"format\":1", "\"format\":2", 1);
    let refused = verify(&with_payload(&envelope, newer), &keys());
    assert_eq!(refused, Err(EvidenceError::Newer { found: 2 }));
    let told = |text: &str| verify(text, &keys()).unwrap_err().to_string();
    let json: serde_json::Value = serde_json::from_str(&envelope).unwrap();
    let pretty = serde_json::to_string_pretty(&json).unwrap();
    for written in [envelope.replacen(',', ", ", 1), pretty, envelope.trim_end().to_owned()] {
        assert!(told(&written).contains("written anew"), "an envelope has one spelling");
    }
    assert!(told("{\"a\": 1}").contains("no DSSE envelope"));
    assert!(told("-").contains("no JSON"));
}

#[test]
fn entries_that_are_no_rollout_make_no_evidence() {
    let signer = signer(&sealer(7)).unwrap();
    let refused =
        |entries: &[Entry]| matches!(export(entries, &signer), Err(EvidenceError::Entries(_)));
    assert!(refused(&[]));
    assert!(refused(&entries()[1..]));
    let mut gap = entries();
    gap.remove(4);
    assert!(refused(&gap));
    let mut foreign = entries();
    foreign[4].rollout = "r-2".to_owned();
    assert!(refused(&foreign));
    let mut no_digest = entries();
    let What::Started(start) = &mut no_digest[0].what else { panic!("it starts") };
    start.plan_hash = "abc".to_owned();
    assert!(refused(&no_digest));
    let mut no_number = entries();
    no_number[5].what = measured(0, f64::NAN, Verdict::Inconclusive);
    assert!(refused(&no_number), "what does not read back is not given out");
}

#[test]
fn format_1_is_read() {
    for fixture in [FIXTURE, WITH_REASONS] {
        let report = verify(fixture, &keys()).unwrap();
        assert!(is_intact(&report), "{report:?}");
        // Entries may gain members, and hashes change with them; what is said stays.
        let now = Report { head: report.head.clone(), ..verify(&exported(), &keys()).unwrap() };
        assert_eq!(report, now);
    }
    assert!(
        !payload(FIXTURE).contains("\"reason\"") && payload(WITH_REASONS).contains("\"reason\"")
    );
}

/// What is compared by whoever verifies is written once and for all.
#[test]
fn reasons_are_written_as_ever() {
    let rollback: Vec<String> = rollback_reasons().iter().map(written).collect();
    let end: Vec<String> = end_reasons().iter().map(written).collect();
    let lines: Vec<&str> = REASONS.lines().collect();
    assert_eq!(lines, [rollback, end].concat());
    let (rollback, end) = lines.split_at(rollback_reasons().len());
    let read: Vec<RollbackReason> =
        rollback.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(read, rollback_reasons());
    let read: Vec<EndReason> = end.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(read, end_reasons());
}

fn written<T: Serialize>(reason: &T) -> String {
    canonical::canonical(&serde_json::to_value(reason).unwrap())
}

fn ana() -> Said {
    Said { by: "ana".to_owned(), why: Some("too slow".to_owned()) }
}

fn rollback_reasons() -> Vec<RollbackReason> {
    let node = || "edge-1".to_owned();
    let (nodes, domains) = (BTreeSet::from([node()]), BTreeSet::from(["local".to_owned()]));
    let hold = Hold::Unavailable { nodes: nodes.clone() };
    vec![
        RollbackReason::Aborted(ana()),
        RollbackReason::Aborted(Said { why: None, ..ana() }),
        RollbackReason::NoRestorePoint { error: "no space".to_owned() },
        RollbackReason::GateFailed { gate: "errors".to_owned(), measured_ms: 11_000 },
        RollbackReason::NodeFailed { node: node(), error: "no space".to_owned() },
        RollbackReason::NodesDead { nodes, domains },
        RollbackReason::Inconclusive {
            gates: BTreeMap::from([("errors".to_owned(), Verdict::Inconclusive)]),
        },
        RollbackReason::Unanswered { hold, within_ms: 60_000 },
        RollbackReason::NoProgress { within_ms: 60_000 },
    ]
}

fn end_reasons() -> Vec<EndReason> {
    let nodes = || BTreeSet::from(["edge-1".to_owned()]);
    vec![
        EndReason::Changed { left_out: nodes() },
        EndReason::Superseded(ana()),
        EndReason::Untouched,
        EndReason::Restored,
        EndReason::NotRestored { nodes: nodes() },
        EndReason::RestoredDead { nodes: nodes() },
        EndReason::ListsNotRestored { error: "no space".to_owned() },
    ]
}
