//! Rollouts as their journals would hold them, for tests of views: realistic, and the same every time.
//!
//! Refuses to know: how a rollout is decided. The verdicts here are written down, not computed.

use model::rollout::entry::{
    Entry, Hold, Measurement, NodeChange, NodeStart, Outcome, Reading, SetStart, StageNodes, Start,
    Verb, Verdict, What,
};
use model::rollout::{
    Amount, Check, ErrorBudget, Gate, RollbackRule, Rollout, Source, Stage, StageGate,
};
use std::collections::{BTreeMap, BTreeSet};

/// 2026-11-23 02:00:00 UTC.
pub const BEGAN_MS: i64 = 1_795_399_200_000;
const MINUTE_MS: i64 = 60_000;

/// A journal that is being written.
pub struct Writer {
    entries: Vec<Entry>,
    now_ms: i64,
    dice: u64,
    names: Vec<String>,
    stages: Vec<Vec<String>>,
}

/// What a candidate is like.
#[derive(Clone, Copy)]
pub struct Candidate {
    errors: f64,
    slow: f64,
    throughput: f64,
}

/// One that is as good as the stable revision.
pub const GOOD: Candidate = Candidate { errors: 0.000_4, slow: 0.012, throughput: 1.01 };
/// One of whose answers 5 % are errors.
pub const BAD: Candidate = Candidate { errors: 0.05, slow: 0.02, throughput: 0.97 };

/// 24 nodes, a good candidate, all stages.
pub fn good() -> Vec<Entry> {
    let mut writer = Writer::start(24, "edge");
    for (stage, minutes, every) in [(0, 15, 1), (1, 30, 1), (2, 60, 1), (3, 120, 2), (4, 1_440, 15)]
    {
        writer.stage(stage, 4);
        writer.measure(stage, minutes, every, GOOD, Verdict::Successful);
        writer.judged(stage, Verdict::Successful, "every gate holds");
        writer.push(What::Promoted { stage, by: None });
    }
    writer.push(What::RestStarted);
    writer.wait(4_000);
    writer.push(What::RestEnded { error: None });
    writer.end(Outcome::Committed, "all 24 nodes are on the candidate");
    writer.entries
}

/// 24 nodes, stopped at the canary and rolled back.
pub fn rolled_back() -> Vec<Entry> {
    let mut writer = Writer::start(24, "edge");
    writer.stage(0, 4);
    let detected_ms = writer.now_ms;
    writer.measure(0, 2, 1, BAD, Verdict::Failed);
    let why = "errors: 5.1 % is shown to be above 1 % (e-value 8 204 of 100)";
    writer.judged(0, Verdict::Failed, why);
    writer.roll_back(0, detected_ms + MINUTE_MS, why);
    writer.entries
}

/// 24 nodes, the metric source went away during the second stage: it holds.
pub fn held() -> Vec<Entry> {
    let mut writer = Writer::start(24, "edge");
    writer.stage(0, 4);
    writer.measure(0, 15, 1, GOOD, Verdict::Successful);
    writer.judged(0, Verdict::Successful, "every gate holds");
    writer.push(What::Promoted { stage: 0, by: None });
    writer.stage(1, 4);
    writer.measure(1, 18, 1, GOOD, Verdict::Inconclusive);
    let down = BTreeMap::from([(writer.names[20].clone(), "no answer over SSH".to_owned())]);
    writer.push(What::NodesSeen { down });
    for minute in 0..12 {
        writer.wait(MINUTE_MS);
        for gate in ["errors", "latency", "throughput"] {
            let reading = if minute < 4 {
                Reading::Error { why: "127.0.0.1:9090: connection refused".to_owned() }
            } else {
                Reading::Missing { why: "no data since 02:33:10".to_owned() }
            };
            let why = "the last data is 4 min old";
            writer.measured(1, gate, reading, Verdict::Inconclusive, why);
        }
    }
    writer.judged(1, Verdict::Inconclusive, "errors, latency and throughput have no data");
    let until_ms = writer.now_ms + 30 * MINUTE_MS;
    writer.push(What::Held { reason: Hold::Inconclusive { until_ms } });
    writer.wait(2 * MINUTE_MS);
    let (by, why) = ("ana".to_owned(), Some("looking at Prometheus".to_owned()));
    writer.push(What::Asked { verb: Verb::Pause, by, why });
    writer.push(What::Held { reason: Hold::Paused });
    writer.entries
}

/// A rollout whose every text wants to be markup.
pub fn nasty() -> Vec<Entry> {
    let evil = "<script>console.error('x')</script>\"'&]]>\u{1b}[31m\u{7}";
    let mut writer = Writer::start(3, evil);
    writer.stage(0, 4);
    writer.measure(0, 3, 1, BAD, Verdict::Failed);
    writer.judged(0, Verdict::Failed, evil);
    let (by, why) = (evil.to_owned(), Some(evil.to_owned()));
    writer.push(What::Asked { verb: Verb::Abort, by, why });
    let detected_ms = writer.now_ms;
    writer.roll_back(0, detected_ms, evil);
    writer.entries
}

/// 1 000 nodes in the middle of the third stage.
pub fn thousand() -> Vec<Entry> {
    let mut writer = Writer::start(1_000, "edge");
    for stage in 0..2 {
        writer.stage(stage, 50);
        writer.measure(stage, 15, 1, GOOD, Verdict::Successful);
        writer.judged(stage, Verdict::Successful, "every gate holds");
        writer.push(What::Promoted { stage, by: None });
    }
    writer.stage(2, 50);
    writer.measure(2, 10, 1, GOOD, Verdict::Inconclusive);
    writer.entries
}

impl Writer {
    /// Begins a rollout of so many nodes of a set.
    pub fn start(nodes: u32, set: &str) -> Self {
        let start = start(nodes, set);
        let set = &start.sets[0];
        let names = set.nodes.iter().map(|node| node.name.clone()).collect();
        let stages = set.stages.iter().map(|stage| stage.nodes.clone()).collect();
        let mut writer = Self { entries: Vec::new(), now_ms: BEGAN_MS, dice: 7, names, stages };
        writer.push(What::Started(Box::new(start)));
        writer
    }

    fn push(&mut self, what: What) {
        let number = self.entries.len() as u64;
        let rollout = "r-7f3a90c1".to_owned();
        self.entries.push(Entry { rollout, number, at_ms: self.now_ms, what });
    }

    fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
    }

    /// From 0 to 1, about the same every time.
    fn chance(&mut self) -> f64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        f64::from(u32::try_from(self.dice >> 33).unwrap_or(u32::MAX)) / f64::from(u32::MAX >> 1)
    }

    /// Changes the nodes of a stage, some at a time, and begins its bake.
    fn stage(&mut self, stage: u32, parallel: usize) {
        self.push(What::StageEntered { stage });
        let nodes = self.stages[stage as usize].clone();
        for (wave, nodes) in (0..).zip(nodes.chunks(parallel)) {
            self.push(What::WaveStarted { stage, wave, nodes: nodes.to_vec() });
            self.wait(38_000);
            let (changed, failed) = (nodes.to_vec(), BTreeMap::new());
            self.push(What::WaveEnded { stage, wave, changed, failed });
        }
        self.push(What::BakeStarted { stage });
    }

    fn measure(&mut self, stage: u32, minutes: i64, every: i64, of: Candidate, last: Verdict) {
        let (mut bad, mut total) = (0.0, 0.0);
        for minute in (every..=minutes).step_by(usize::try_from(every).unwrap_or(1)) {
            self.wait(every * MINUTE_MS);
            let over = minute + every > minutes;
            let verdict = if over { last } else { Verdict::Inconclusive };
            let events = 18_000.0 + (2_000.0 * self.chance()).round();
            let wrong = (events * of.errors * (0.6 + 0.8 * self.chance())).round();
            (bad, total) = (bad + wrong, total + events);
            let reading = Reading::Counts {
                bad: wrong,
                total: events,
                control: Some(((events * 0.000_4).round(), events)),
            };
            self.counted(stage, "errors", reading, verdict, (bad, total));
            let slow = (events * of.slow * (0.7 + 0.6 * self.chance())).round();
            let reading = Reading::Counts { bad: slow, total: events, control: None };
            let fine = if last == Verdict::Failed { Verdict::Inconclusive } else { verdict };
            self.counted(stage, "latency", reading, fine, (slow, events));
            let value = 7_100.0 * of.throughput * (0.97 + 0.06 * self.chance());
            let reading = Reading::Value { value, control: Some(7_080.0), load: Some(7_200.0) };
            self.measured(stage, "throughput", reading, fine, "above 6 800 msg/s");
            self.measured(stage, "alerts", Reading::Yes, Verdict::Successful, "no alert fires");
        }
    }

    fn counted(
        &mut self,
        stage: u32,
        gate: &str,
        reading: Reading,
        verdict: Verdict,
        (bad, total): (f64, f64),
    ) {
        let rate = bad / total;
        let why = format!("{:.3} % of {total} events so far", rate * 100.0);
        self.measured(stage, gate, reading, verdict, &why);
        if let Some(What::Measured(measurement)) =
            self.entries.last_mut().map(|entry| &mut entry.what)
        {
            measurement.shown.insert("rate".to_owned(), rate);
        }
    }

    fn measured(&mut self, stage: u32, gate: &str, reading: Reading, verdict: Verdict, why: &str) {
        let measurement = Measurement {
            stage,
            gate: gate.to_owned(),
            queries: vec![format!("sum(increase({gate}_total{{node=~\"edge-a-001\"}}[60s]))")],
            from_ms: self.now_ms - MINUTE_MS,
            to_ms: self.now_ms,
            reading,
            verdict,
            why: why.to_owned(),
            shown: BTreeMap::new(),
        };
        self.push(What::Measured(Box::new(measurement)));
    }

    fn judged(&mut self, stage: u32, verdict: Verdict, why: &str) {
        let gates = ["errors", "latency", "throughput", "alerts"];
        let of = |gate: &str| match (gate, verdict) {
            ("alerts", _) => Verdict::Successful,
            ("errors", Verdict::Failed) => Verdict::Failed,
            (_, Verdict::Failed) => Verdict::Inconclusive,
            _ => verdict,
        };
        let gates = gates.iter().map(|gate| ((*gate).to_owned(), of(gate))).collect();
        self.push(What::Judged { stage, verdict, gates, why: why.to_owned() });
    }

    fn roll_back(&mut self, stage: u32, detected_ms: i64, why: &str) {
        let mut nodes = self.stages[stage as usize].clone();
        nodes.reverse();
        let (of, why) = (nodes.clone(), why.to_owned());
        self.push(What::RollbackDecided {
            detected_ms,
            why: why.clone(),
            reason: None,
            nodes: of.clone(),
        });
        self.push(What::RollbackWaveStarted { wave: 0, nodes: of });
        self.wait(21_000);
        let failed = BTreeMap::new();
        self.push(What::RollbackWaveEnded { wave: 0, restored: nodes, failed });
        self.push(What::Notified { of: "the rollback".to_owned(), error: None });
        self.end(Outcome::RolledBack, &why);
    }

    fn end(&mut self, outcome: Outcome, why: &str) {
        self.wait(1_000);
        self.push(What::Ended { outcome, why: why.to_owned(), reason: None });
    }
}

/// What a rollout of so many nodes begins with.
pub fn start(nodes: u32, set: &str) -> Start {
    Start {
        environment: "staging".to_owned(),
        sets: vec![set_start(nodes, set)],
        configuration_digest: "c0".repeat(32),
        plan_hash: "9a".repeat(32),
        stable_serial: 41,
        lists: BTreeSet::new(),
        answers: BTreeMap::new(),
        by: "ana on build-7".to_owned(),
    }
}

/// The node set of [`start`].
pub fn set_start(nodes: u32, set: &str) -> SetStart {
    let zone = |index: u32| ["a", "b", "c"][(index % 3) as usize];
    let all: Vec<NodeStart> = (0..nodes)
        .map(|index| NodeStart {
            name: format!("{set}-{}-{:03}", zone(index), index / 3 + 1),
            domain: format!("local/home/{}", zone(index)),
            change: NodeChange::Update,
        })
        .collect();
    let mut stages = Vec::new();
    let mut taken = 0;
    for (stage, percent) in (0..).zip([5_u32, 25, 50, 75, 100]) {
        let upto = (nodes * percent).div_ceil(100).max(1);
        let names = all[taken as usize..upto as usize].iter().map(|node| node.name.clone());
        stages.push(StageNodes { stage, nodes: names.collect() });
        taken = upto;
    }
    stages.retain(|stage| !stage.nodes.is_empty());
    SetStart { node_set: set.to_owned(), rollout: rules(), nodes: all, stages }
}

/// The stages of the standard module.
pub fn rules() -> Rollout {
    const HOUR: u64 = 3_600_000;
    let stage = |name: &str, percent: f64, bake_ms: u64, proceed: f64, slow_ms: u64| Stage {
        name: name.to_owned(),
        nodes: Amount::Percent(percent),
        bake_ms,
        deadline_ms: HOUR / 2,
        gates: stage_gates(proceed),
        rollback: if slow_ms == 0 { RollbackRule::Manual } else { RollbackRule::Automatic },
        approval: None,
        span: None,
    };
    let names = ["errors", "latency", "throughput", "alerts"];
    Rollout {
        name: "module.rollout.rollout.standard".to_owned(),
        stages: vec![
            stage("canary-5", 5.0, HOUR / 4, 0.001, 150),
            stage("canary-25", 25.0, HOUR / 2, 0.001, 150),
            stage("gradual-50", 50.0, HOUR, 0.001, 100),
            stage("gradual-75", 75.0, 2 * HOUR, 0.001, 100),
            stage("full", 100.0, 24 * HOUR, 0.000_5, 0),
        ],
        gates: names.iter().map(|name| ((*name).to_owned(), gate(name))).collect(),
        max_parallel: 4,
        max_unavailable: Amount::Count(2),
        max_surge: Amount::Count(0),
        holdback: 1,
        apart: Vec::new(),
        windows: Vec::new(),
        notify: Vec::new(),
        snapshot_before: false,
        error_budget: Some(ErrorBudget {
            tolerated: 0.001,
            period_ms: 30 * 24 * HOUR,
            per_node_rate: 300.0,
        }),
        interval_ms: 60_000,
        span: None,
    }
}

fn stage_gates(proceed_below: f64) -> Vec<StageGate> {
    let rate = |proceed_below: f64, rollback_above: f64| Check::Rate {
        proceed_below,
        rollback_above: Some(rollback_above),
        worse_than_control: None,
        min_sample: 4_603,
        confidence: 0.99,
    };
    let throughput = Check::Value {
        proceed_above: Some(6_800.0),
        proceed_below: None,
        rollback_below: None,
        rollback_above: None,
        relative: false,
        min_load: Some(7_000.0),
        consecutive: 3,
    };
    [
        ("errors", rate(proceed_below, 0.01)),
        ("latency", rate(0.05, 0.2)),
        ("throughput", throughput),
        ("alerts", Check::Yes { consecutive: 2 }),
    ]
    .into_iter()
    .map(|(gate, check)| StageGate { gate: gate.to_owned(), check, span: None })
    .collect()
}

fn gate(name: &str) -> Gate {
    Gate {
        name: name.to_owned(),
        source: Source::Alertmanager {
            url: "http://127.0.0.1:9093".to_owned(),
            headers: BTreeMap::new(),
            matchers: vec!["severity=\"critical\"".to_owned()],
        },
        interval_ms: 60_000,
        timeout_ms: 10_000,
        span: None,
    }
}
