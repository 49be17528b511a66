//! Rules and nodes to roll out: the table of stages that the project ships, and what tests need besides.

use model::Address;
use model::rollout::entry::{NodeChange, NodeStart, Start};
use model::rollout::{
    Amount, Check, Gate, Queries, RollbackRule, Rollout, Source, Stage, StageGate,
};
use std::collections::{BTreeMap, BTreeSet};

/// A minute, in milliseconds.
pub const MINUTE: u64 = 60_000;

/// A gate that counts bad events.
pub fn counts(name: &str, interval_ms: u64, control: bool) -> Gate {
    let queries = Queries::Counts {
        bad: "sum(increase(bad{$candidate}[$window]))".to_owned(),
        total: "sum(increase(all{$candidate}[$window]))".to_owned(),
        control: control.then(|| {
            let of = |metric: &str| format!("sum(increase({metric}{{$control}}[$window]))");
            (of("bad"), of("all"))
        }),
    };
    gate(name, interval_ms, queries)
}

/// A gate that asks for a number.
pub fn value(name: &str, interval_ms: u64, control: bool) -> Gate {
    let queries = Queries::Value {
        value: "avg(rate(done{$candidate}[1m]))".to_owned(),
        control: control.then(|| "avg(rate(done{$control}[1m]))".to_owned()),
        load: Some("sum(rate(offered[1m]))".to_owned()),
    };
    gate(name, interval_ms, queries)
}

fn gate(name: &str, interval_ms: u64, queries: Queries) -> Gate {
    let (url, staleness_ms) = ("http://prometheus:9090".to_owned(), 60_000);
    let source = Source::Prometheus { url, headers: BTreeMap::new(), queries, staleness_ms };
    Gate { name: name.to_owned(), source, interval_ms, timeout_ms: 10_000, span: None }
}

/// A gate that asks for a yes.
pub fn answer(name: &str, interval_ms: u64) -> Gate {
    let source = Source::Http { url: "http://nodes/healthz".to_owned(), headers: BTreeMap::new() };
    Gate { name: name.to_owned(), source, interval_ms, timeout_ms: 10_000, span: None }
}

/// A check of a rate.
pub fn rate(proceed_below: f64, rollback_above: f64, min_sample: u64) -> Check {
    let rollback_above = Some(rollback_above);
    let (worse_than_control, confidence) = (None, 0.99);
    Check::Rate { proceed_below, rollback_above, worse_than_control, min_sample, confidence }
}

/// A stage.
pub fn stage(name: &str, percent: f64, bake_ms: u64, gates: Vec<(&str, Check)>) -> Stage {
    let of = |(gate, check): (&str, Check)| StageGate { gate: gate.to_owned(), check, span: None };
    Stage {
        name: name.to_owned(),
        nodes: Amount::Percent(percent),
        bake_ms,
        deadline_ms: 60 * MINUTE,
        gates: gates.into_iter().map(of).collect(),
        rollback: RollbackRule::Automatic,
        approval: None,
        span: None,
    }
}

/// Rules with these stages and gates.
pub fn rules(stages: Vec<Stage>, gates: Vec<Gate>) -> Rollout {
    let gates: BTreeMap<_, _> = gates.into_iter().map(|gate| (gate.name.clone(), gate)).collect();
    Rollout {
        name: "rollout.test".to_owned(),
        stages,
        gates,
        max_parallel: 4,
        max_unavailable: Amount::Count(2),
        max_surge: Amount::Count(0),
        holdback: 1,
        apart: Vec::new(),
        windows: Vec::new(),
        notify: Vec::new(),
        snapshot_before: false,
        error_budget: None,
        interval_ms: MINUTE,
        span: None,
    }
}

/// The five stages of the project's table, the last one for `full_ms`; the errors also compared with the control group.
pub fn standard(full_ms: u64) -> Rollout {
    let errors = |proceed| rate(proceed, 0.01, 4_603);
    let slow = || rate(0.05, 0.20, 1_000);
    let gates = |proceed| vec![("errors", errors(proceed)), ("slow", slow())];
    let mut stages = vec![
        stage("canary-5", 5.0, 15 * MINUTE, gates(0.001)),
        stage("canary-25", 25.0, 30 * MINUTE, gates(0.001)),
        stage("gradual-50", 50.0, 60 * MINUTE, gates(0.001)),
        stage("gradual-75", 75.0, 120 * MINUTE, gates(0.001)),
        stage("full", 100.0, full_ms, gates(0.000_5)),
    ];
    for stage in stages.iter_mut().take(4) {
        if let Check::Rate { worse_than_control, .. } = &mut stage.gates[0].check {
            *worse_than_control = Some(0.001);
        }
    }
    rules(stages, vec![counts("errors", MINUTE, true), counts("slow", MINUTE, false)])
}

/// So many nodes that change alike, in so many domains.
pub fn nodes(count: usize, domains: usize, change: NodeChange) -> Vec<NodeStart> {
    let node = |at: usize| NodeStart {
        name: format!("edge-{at:03}"),
        domain: format!("local/one/{}", char::from(b'a' + u8::try_from(at % domains).unwrap())),
        change,
    };
    (0..count).map(node).collect()
}

/// A rollout of one set.
pub fn start(id: &str, rules: Rollout, nodes: Vec<NodeStart>) -> Start {
    Start {
        environment: "test".to_owned(),
        sets: vec![rollout::select(id, "edge", rules, nodes)],
        configuration_digest: "c".repeat(64),
        plan_hash: "p".repeat(64),
        stable_serial: 7,
        lists: BTreeSet::new(),
        answers: BTreeMap::new(),
        by: "ada".to_owned(),
    }
}

/// Something that lists nodes.
pub fn lists() -> BTreeSet<Address> {
    let watching = "node_set.watch.node[\"watch-main-001\"].service.prometheus";
    BTreeSet::from([Address::parse(watching).expect("an address")])
}
