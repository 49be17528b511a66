//! What is told of rules before a rollout begins: what can never work, where; and what is foreseen.

use crate::world::rules::{MINUTE, answer, counts, nodes, rate, rules, stage, standard, value};
use model::diagnostic::{Diagnostic, Severity, Span};
use model::rollout::entry::NodeChange;
use model::rollout::{
    Amount, Approval, Check, ErrorBudget, Rollout, Window, WindowEffect, WindowTime,
};
use rollout::{foresee, select, validate};

const NOW: i64 = 1_767_225_600_000;

fn sound() -> Rollout {
    let gates =
        || vec![("errors", rate(0.001, 0.01, 1_000)), ("healthy", Check::Yes { consecutive: 2 })];
    let stages = vec![
        stage("canary", 10.0, 15 * MINUTE, gates()),
        stage("full", 100.0, 15 * MINUTE, gates()),
    ];
    rules(stages, vec![counts("errors", MINUTE, false), answer("healthy", MINUTE)])
}

fn check(index: usize, rollout: &mut Rollout) -> &mut Check {
    &mut rollout.stages[index].gates[0].check
}

#[test]
fn the_projects_own_table_is_sound() {
    assert_eq!(told(standard(1_440 * MINUTE)), []);
    assert_eq!(told(sound()), []);
}

fn codes(found: &[Diagnostic]) -> Vec<(&str, Severity)> {
    found.iter().map(|it| (it.code.as_str(), it.severity)).collect()
}

type Mistake = (&'static str, fn(&mut Rollout));

const MISTAKES: &[Mistake] = &[
    ("rollout-threshold", |it| {
        it.gates.insert("errors".to_owned(), value("errors", MINUTE, false));
        *check(0, it) = of(Some(4.0), Some(4.0));
    }),
    ("rollout-consecutive", |it| it.stages[0].gates[1].check = Check::Yes { consecutive: 90 }),
    ("rollout-window-never", |it| {
        it.windows = vec![weekly(&[0, 1, 2, 3, 4, 5, 6], "UTC", WindowEffect::Deny)];
    }),
    ("rollout-window-never", |it| {
        let time = WindowTime::Once { from_ms: NOW - 10, until_ms: NOW - 1 };
        let (name, effect) = ("gone".to_owned(), WindowEffect::Allow);
        it.windows = vec![Window { name, effect, time, span: None }];
    }),
    ("rollout-max-unavailable", |it| it.max_unavailable = Amount::Count(0)),
    // Rules that the language does not give, and that would let nodes go on unjudged.
    ("rollout-rules", |it| it.stages[1].nodes = Amount::Percent(99.0)),
    ("rollout-rules", |it| it.stages[1].nodes = Amount::Count(20)),
    ("rollout-rules", |it| it.stages[0].approval = Some(Approval { people: 0, valid_ms: 1 })),
    ("rollout-rules", |it| *check(0, it) = rate(1.5, 0.01, 10)),
    ("rollout-rules", |it| *check(0, it) = rate(f64::NAN, 0.01, 10)),
    ("rollout-rules", |it| *check(0, it) = of(None, None)),
    ("rollout-rules", |it| *check(0, it) = of(Some(f64::NAN), None)),
];

fn of(proceed_above: Option<f64>, proceed_below: Option<f64>) -> Check {
    Check::Value {
        proceed_above,
        proceed_below,
        rollback_below: None,
        rollback_above: None,
        relative: false,
        min_load: None,
        consecutive: 1,
    }
}

fn told(rollout: Rollout) -> Vec<Diagnostic> {
    validate(&[select("rollout-1", "edge", rollout, nodes(20, 2, NodeChange::Update))], NOW)
}

fn weekly(days: &[u8], timezone: &str, effect: WindowEffect) -> Window {
    let (from_minute, until_minute) = (0, 0);
    let (days, timezone) = (days.to_vec(), timezone.to_owned());
    let time = WindowTime::Weekly { days, from_minute, until_minute, timezone };
    Window { name: "week".to_owned(), effect, time, span: None }
}

#[test]
fn each_mistake_is_told_by_its_code_and_alone() {
    for (at, (code, spoil)) in MISTAKES.iter().enumerate() {
        let mut rollout = sound();
        spoil(&mut rollout);
        let found = told(rollout);
        assert_eq!(codes(&found), [(*code, Severity::Error)], "mistake {at}: {found:#?}");
    }
    let mut rollout = sound();
    rollout.stages.clear();
    assert_eq!(codes(&told(rollout)), [("rollout-rules", Severity::Error)]);
}

#[test]
fn a_mistake_is_told_where_it_is_written() {
    let mut rollout = sound();
    let span = |start| Some(Span { file: "main.hcl".into(), start, end: start + 1 });
    (rollout.span, rollout.stages[0].span) = (span(1), span(10));
    rollout.stages[0].gates[1].span = span(20);
    rollout.stages[0].gates[1].check = Check::Yes { consecutive: 90 };
    rollout.stages[1].gates.clear();
    rollout.stages[1].span = span(30);
    rollout.max_unavailable = Amount::Count(0);
    let found = told(rollout);
    let at: Vec<_> = found.iter().map(|it| (it.code.as_str(), it.labels[0].span.start)).collect();
    assert_eq!(
        at,
        [("rollout-consecutive", 20), ("rollout-no-gates", 30), ("rollout-max-unavailable", 1)]
    );
}

fn budget(per_node_rate: f64) -> ErrorBudget {
    ErrorBudget { tolerated: 0.001, period_ms: 30 * 1_440 * MINUTE, per_node_rate }
}

#[test]
fn a_sample_that_cannot_be_reached_is_told_at_plan_time() {
    let gates = vec![("errors", rate(0.001, 0.01, 4_603))];
    let mut canary = stage("canary", 5.0, 15 * MINUTE, gates.clone());
    canary.deadline_ms = MINUTE / 60;
    let mut rules = rules(
        vec![canary, stage("full", 100.0, 15 * MINUTE, gates)],
        vec![counts("errors", MINUTE, false)],
    );
    rules.error_budget = Some(budget(5.0));
    let set = select("rollout-1", "edge", rules.clone(), nodes(20, 2, NodeChange::Update));
    let found = validate(&[set], NOW);
    assert_eq!(codes(&found), [("rollout-sample", Severity::Error)]);
    assert!(
        found[0].summary.contains("4 603") && found[0].summary.contains("4 505"),
        "{}",
        found[0]
    );
    // Within the deadline it can be had: a warning.
    rules.stages[0].deadline_ms = 60 * MINUTE;
    let set = select("rollout-1", "edge", rules, nodes(20, 2, NodeChange::Update));
    let found = validate(std::slice::from_ref(&set), NOW);
    assert_eq!(codes(&found), [("rollout-sample", Severity::Warning)]);
    let foresight = foresee("rollout-1", &[set]);
    let gate = &foresight.stages[0][0].gates[0];
    assert_eq!(gate.can_prove, Some(false));
    let says = "4 603 events without an error would show < 0.1 % at 99 %; at least 4 603 are asked for, \
                4 500 are expected in 15 min";
    assert_eq!(gate.says, says);
    assert_eq!(foresight.stages[0][1].gates[0].can_prove, Some(true));
    assert_eq!(foresight.total_ms, 30 * MINUTE);
}

#[test]
fn what_is_at_stake_is_reckoned_from_nodes_time_and_tolerated_errors() {
    let mut rules = standard(1_440 * MINUTE);
    rules.error_budget = Some(budget(50.0));
    let set = select("rollout-1", "edge", rules, nodes(24, 3, NodeChange::Update));
    let foresight = foresee("rollout-1", &[set]);
    let stages = &foresight.stages[0];
    let candidates: Vec<_> = stages.iter().map(|it| (it.candidates, it.control)).collect();
    assert_eq!(candidates, [(2, 14), (6, 18), (12, 12), (18, 6), (24, 0)]);
    let blast = stages[0].blast;
    assert_eq!((blast.nodes, blast.ms), (2, 15 * MINUTE));
    // 2 nodes, 50 events/s, 900 s, 1 % of them.
    assert!((blast.errors.unwrap() - 900.0).abs() < 1e-6);
    let share = 900.0 / (24.0 * 50.0 * 86_400.0 * 30.0 * 0.001);
    assert!((blast.budget_share.unwrap() - share).abs() < 1e-9);
    assert_eq!(foresight.total_ms, (15 + 30 + 60 + 120 + 1_440) * MINUTE);
}

#[test]
fn a_load_that_nobody_stated_is_told_as_unknown() {
    let set = select("rollout-1", "edge", standard(MINUTE * 60), nodes(24, 3, NodeChange::Update));
    let foresight = foresee("rollout-1", &[set]);
    let stage = &foresight.stages[0][0];
    assert_eq!((stage.gates[0].can_prove, stage.blast.errors), (None, None));
    assert!(stage.gates[0].says.contains("a load that is not stated"));
}

#[test]
fn a_percentage_that_adds_no_node_is_told_and_the_later_stage_stays() {
    let set = select("rollout-1", "edge", standard(60 * MINUTE), nodes(3, 3, NodeChange::Update));
    let stages: Vec<_> = set.stages.iter().map(|it| (it.stage, it.nodes.len())).collect();
    assert_eq!(stages, [(1, 1), (2, 1), (4, 1)]);
    let found = validate(&[set], NOW);
    let told: Vec<_> = found.iter().filter(|it| it.code == "rollout-stage-adds-nothing").collect();
    assert_eq!(told.len(), 2);
    assert!(told[0].summary.contains("canary-5"), "{}", told[0]);
}

#[test]
fn a_gate_without_a_control_group_to_compare_with_is_told() {
    let mut rules = standard(60 * MINUTE);
    if let Check::Rate { worse_than_control, .. } = check(4, &mut rules) {
        *worse_than_control = Some(0.0);
    }
    let set = select("rollout-1", "edge", rules, nodes(24, 3, NodeChange::Update));
    let found = validate(&[set], NOW);
    assert_eq!(codes(&found), [("rollout-no-control", Severity::Error)]);
}

#[test]
fn a_node_twice_is_told() {
    let set = select("rollout-1", "edge", sound(), nodes(24, 3, NodeChange::Update));
    let found = validate(&[set.clone(), set], NOW);
    assert!(found.iter().any(|it| it.code == "rollout-node-twice"), "{found:#?}");
}

#[test]
fn the_stages_of_twenty_four_nodes_are_spread_over_the_domains() {
    for seed in 0..50 {
        let id = format!("rollout-{seed}");
        let set = select(&id, "edge", standard(60 * MINUTE), nodes(24, 3, NodeChange::Update));
        let sizes: Vec<_> = set.stages.iter().map(|it| it.nodes.len()).collect();
        assert_eq!(sizes, [2, 4, 6, 6, 6]);
        let domain =
            |name: &String| set.nodes.iter().find(|it| it.name == *name).unwrap().domain.clone();
        let canaries: std::collections::BTreeSet<_> =
            set.stages[0].nodes.iter().map(domain).collect();
        assert_eq!(canaries.len(), 2, "canaries of different domains");
    }
}
