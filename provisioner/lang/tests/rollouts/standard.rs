//! `modules/rollout/standard`: its stages, and what it does with what it is given.

use crate::support::good;
use crate::{SETS, files, gates_of};
use model::rollout::{Amount, Check, Queries, RollbackRule, Rollout, Source};

const STANDARD: &str = include_str!("../../../../modules/rollout/standard/main.hcl");

/// The module that is shipped, with these arguments.
fn standard(arguments: &str) -> Rollout {
    let main = format!(
        "module \"rollout\" {{\n  source = \"./standard\"\n  prometheus_url = \"http://127.0.0.1:9090\"\n{arguments}\n}}\n{SETS}"
    );
    let main = main.replace("rollout.careful", "module.rollout.standard");
    let mut desired = good(&files(&main, &[("/env/standard/main.hcl", STANDARD)]));
    desired.rollouts.remove("edge").expect("the set has a rollout")
}

#[test]
fn the_standard_rollout_is_in_its_canonical_form() {
    let example = include_str!("../../../../modules/rollout/standard/example/main.hcl");
    for text in [STANDARD, example] {
        assert_eq!(lang::format("main.hcl", text).unwrap(), text);
    }
}

#[test]
fn the_standard_rollout_has_the_five_stages() {
    let rollout = standard("");
    let minutes: Vec<_> = rollout
        .stages
        .iter()
        .map(|stage| (stage.nodes, stage.bake_ms / 60_000, stage.rollback))
        .collect();
    let expected = [(5.0, 15), (25.0, 30), (50.0, 60), (75.0, 120), (100.0, 1440)]
        .map(|(nodes, bake)| (Amount::Percent(nodes), bake, RollbackRule::Automatic));
    assert_eq!(minutes, expected);
    assert_eq!(
        gates_of(&rollout),
        [
            "canary-5: errors nodes p95-canary",
            "canary-25: errors nodes p95-canary",
            "gradual-50: errors nodes p95 p95-rollback per-node",
            "gradual-75: errors nodes p95 p95-rollback per-node",
            "full: errors nodes p95",
        ]
    );
    let errors: Vec<_> = rollout
        .stages
        .iter()
        .map(|stage| match &stage.gates[0].check {
            Check::Rate { proceed_below, rollback_above, worse_than_control, .. } => {
                (*proceed_below, *rollback_above, *worse_than_control)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let (canary, gradual) = ((0.001, Some(0.01), None), (0.001, Some(0.01), Some(0.005)));
    assert_eq!(errors, [canary, canary, gradual, gradual, (0.0005, Some(0.01), None)]);
    let Source::Prometheus { queries, .. } = &rollout.gates["p95"].source else { panic!() };
    let Queries::Counts { bad, total, control } = queries else { panic!("{queries:?}") };
    let total_text = "sum(increase(http_request_duration_seconds_count{$candidate}[$window]))";
    assert_eq!(total, total_text);
    let fast =
        "sum(increase(http_request_duration_seconds_bucket{le=\"0.1\",$candidate}[$window]))";
    assert_eq!(bad, &format!("{total_text} - {fast}"));
    assert!(control.is_some());
    assert_eq!((rollout.windows.len(), rollout.notify.len(), rollout.error_budget), (0, 0, None));
}

#[test]
fn the_standard_rollout_has_what_it_is_given() {
    let rollout = standard(
        r#"
  alertmanager_url = "http://127.0.0.1:9093"
  offered          = "sum(rate(sent[1m]))"
  selector         = "node_set=\"edge\""
  time_scale       = 0.05
  interval         = "10s"
  approvals        = { full = 2 }
  per_node_rate    = 300
  webhook          = "https://chat.example/hook"
  windows = [
    { name = "nights", effect = "deny", from = "22:00", until = "06:00", timezone = "Europe/Berlin" },
    { name = "freeze", effect = "deny", from = "2026-11-27T00:00:00Z", until = "2026-11-30T00:00:00Z" },
  ]
"#,
    );
    assert_eq!(rollout.stages[0].bake_ms, 45_000);
    assert_eq!(
        gates_of(&rollout),
        [
            "canary-5: errors nodes alerts p95-canary",
            "canary-25: errors nodes alerts p95-canary",
            "gradual-50: errors nodes p95 p95-rollback per-node throughput",
            "gradual-75: errors nodes p95 p95-rollback per-node throughput",
            "full: errors nodes p95 throughput",
        ]
    );
    let Check::Value { proceed_above, min_load, .. } = rollout.stages[4].gates[3].check else {
        panic!()
    };
    assert_eq!((proceed_above, min_load), (Some(6800.0), Some(7500.0)));
    let people = rollout.stages.iter().map(|stage| stage.approval.as_ref().map(|it| it.people));
    assert_eq!(people.collect::<Vec<_>>(), [None, None, None, None, Some(2)]);
    assert_eq!((rollout.windows.len(), rollout.notify.len()), (2, 1));
    assert!(rollout.error_budget.is_some());
    let Source::Prometheus { queries, .. } = &rollout.gates["errors"].source else { panic!() };
    let Queries::Counts { total, .. } = queries else { panic!("{queries:?}") };
    assert_eq!(total, "sum(increase(http_requests_total{node_set=\"edge\",$candidate}[$window]))");
}
