//! `gate` and `rollout` blocks: what they give, what users get for their mistakes, and the rollout that is shipped.

mod mistakes;
mod standard;
#[path = "../support/mod.rs"]
mod support;

use model::graph::Desired;
use model::rollout::{
    Amount, Check, Notify, Queries, RollbackRule, Source, WindowEffect, WindowTime,
};
use std::collections::BTreeMap;
use support::{Files, finish, good, plan, render, schemas};

const MACHINE: &str = r#"
variable "node" { type = any }
resource "local_machine" "this" {
  name            = var.node.name
  authorized_keys = [var.node.login_key]
}
output "machine" { value = local_machine.this }
"#;

const SETS: &str = r#"
node_set "edge" {
  pool "a" {
    source = "./machine"
    size   = 4
  }
  rollout = rollout.careful
}
"#;

const ROLLOUT: &str = r#"
gate "errors" {
  interval = "15s"
  timeout  = "5s"
  prometheus {
    url           = "http://127.0.0.1:9090"
    staleness     = "2m"
    bad           = "sum(increase(requests{code=~\"5..\",$candidate}[$window])) or vector(0)"
    total         = "sum(increase(requests{$candidate}[$window]))"
    control_bad   = "sum(increase(requests{code=~\"5..\",$control}[$window])) or vector(0)"
    control_total = "sum(increase(requests{$control}[$window]))"
  }
  rate {
    proceed_below      = 0.001
    rollback_above     = 0.01
    worse_than_control = 0.005
    min_sample         = 1000
    confidence         = 0.95
  }
}

gate "load" {
  prometheus {
    url   = "http://127.0.0.1:9090"
    value = "sum(rate(requests{$candidate}[1m]))"
    load  = "sum(rate(offered[1m]))"
  }
  value {
    proceed_above = 100
    min_load      = 500
    consecutive   = 3
  }
}

gate "up" {
  consecutive = 2
  nodes {}
}

rollout "careful" {
  max_parallel    = 2
  max_unavailable = "25%"
  max_surge       = 1
  holdback        = 2
  interval        = "1m"
  snapshot_before = true
  apart           = [["edge-a-001", "edge-a-002"]]

  error_budget {
    tolerated     = 0.001
    period        = "30d"
    per_node_rate = 300
  }

  stage "canary" {
    nodes    = "5%"
    bake     = "15m"
    deadline = "1h30m"
    gate "errors" {}
    gate "up" {}
    approval {
      people = 2
      valid  = "4h"
    }
  }

  stage "all" {
    nodes    = "100%"
    bake     = "1d"
    deadline = "2d"
    rollback = "manual"
    gate "errors" {
      proceed_below = 0.0005
      min_sample    = 5000
    }
    gate "load" {}
  }

  window "black friday" {
    effect = "deny"
    from   = "2026-11-27T00:00:00Z"
    until  = "2026-11-30T00:00:00+01:00"
  }

  window "office hours" {
    effect   = "allow"
    days     = ["Tue", "mon"]
    from     = "09:00"
    until    = "17:30"
    timezone = "Europe/Berlin"
  }

  notify {
    webhook = "https://chat.example/hook"
  }
  notify {
    command = ["logger", "-t", "rollout"]
  }
}
"#;

fn files<'t>(main: &'t str, more: &[(&'t str, &'t str)]) -> Vec<(&'t str, &'t str)> {
    let mut files = vec![("/env/main.hcl", main), ("/env/machine/main.hcl", MACHINE)];
    files.extend(more);
    files
}

fn desired(main: &str) -> Desired {
    good(&files(main, &[]))
}

#[test]
fn a_rollout_is_all_that_its_blocks_say() {
    let desired = desired(&format!("{ROLLOUT}{SETS}"));
    assert_eq!(desired.rollout_order, ["edge"]);
    let rollout = &desired.rollouts["edge"];
    assert_eq!(rollout.name, "rollout.careful");
    assert_eq!((rollout.max_parallel, rollout.holdback), (2, 2));
    assert_eq!(rollout.max_unavailable, Amount::Percent(25.0));
    assert_eq!(rollout.max_surge, Amount::Count(1));
    assert_eq!(rollout.apart, [("edge-a-001".to_owned(), "edge-a-002".to_owned())]);
    assert!(rollout.snapshot_before);
    assert!(rollout.span.is_some());
    let budget = rollout.error_budget.unwrap();
    assert_eq!((budget.tolerated, budget.per_node_rate), (0.001, 300.0));
    assert_eq!(budget.period_ms, 30 * 86_400_000);

    let [canary, all] = rollout.stages.as_slice() else { panic!("{:?}", rollout.stages) };
    assert_eq!(canary.nodes, Amount::Percent(5.0));
    assert_eq!((canary.bake_ms, canary.deadline_ms), (900_000, 5_400_000));
    assert_eq!((canary.rollback, all.rollback), (RollbackRule::Automatic, RollbackRule::Manual));
    let approval = canary.approval.as_ref().unwrap();
    assert_eq!((approval.people, approval.valid_ms), (2, 4 * 3_600_000));
    assert_eq!(all.approval, None);
    let own = Check::Rate {
        proceed_below: 0.001,
        rollback_above: Some(0.01),
        worse_than_control: Some(0.005),
        min_sample: 1000,
        confidence: 0.95,
    };
    assert_eq!(canary.gates[0].check, own);
    assert_eq!(canary.gates[1].check, Check::Yes { consecutive: 2 });
    // What the stage says counts, and there is no control group at the end.
    let last = Check::Rate {
        proceed_below: 0.0005,
        rollback_above: Some(0.01),
        worse_than_control: None,
        min_sample: 5000,
        confidence: 0.95,
    };
    assert_eq!(all.gates[0].check, last);
    let load = Check::Value {
        proceed_above: Some(100.0),
        proceed_below: None,
        rollback_below: None,
        rollback_above: None,
        relative: false,
        min_load: Some(500.0),
        consecutive: 3,
    };
    assert_eq!(all.gates[1].check, load);
}

#[test]
fn gates_are_those_that_stages_name() {
    let unused = "gate \"spare\" {\n  http { url = \"http://a\" }\n}\n";
    let desired = desired(&format!("{ROLLOUT}{SETS}{unused}"));
    let gates = &desired.rollouts["edge"].gates;
    assert_eq!(gates.keys().collect::<Vec<_>>(), ["errors", "load", "up"]);
    let errors = &gates["errors"];
    assert_eq!((errors.interval_ms, errors.timeout_ms), (15_000, 5_000));
    let Source::Prometheus { url, queries, staleness_ms, .. } = &errors.source else { panic!() };
    assert_eq!((url.as_str(), *staleness_ms), ("http://127.0.0.1:9090", 120_000));
    let Queries::Counts { total, control: Some((_, control_total)), .. } = queries else {
        panic!()
    };
    assert_eq!(total, "sum(increase(requests{$candidate}[$window]))");
    assert_eq!(control_total, "sum(increase(requests{$control}[$window]))");
    // Without an interval of its own, a gate has the rollout's.
    assert_eq!((gates["load"].interval_ms, gates["load"].timeout_ms), (60_000, 10_000));
    assert_eq!(gates["up"].source, Source::Nodes);
}

#[test]
fn windows_are_moments_or_times_of_the_week() {
    let desired = desired(&format!("{ROLLOUT}{SETS}"));
    let [friday, office] = desired.rollouts["edge"].windows.as_slice() else { panic!() };
    assert_eq!((friday.name.as_str(), friday.effect), ("black friday", WindowEffect::Deny));
    let once = WindowTime::Once { from_ms: 1_795_737_600_000, until_ms: 1_795_993_200_000 };
    assert_eq!(friday.time, once);
    let weekly = WindowTime::Weekly {
        days: vec![0, 1],
        from_minute: 540,
        until_minute: 1050,
        timezone: "Europe/Berlin".to_owned(),
    };
    assert_eq!(office.time, weekly);
    let notify = &desired.rollouts["edge"].notify;
    assert_eq!(notify[0], Notify::Webhook { url: "https://chat.example/hook".to_owned() });
    let Notify::Command { command } = &notify[1] else { panic!("{notify:?}") };
    assert_eq!(command, &["logger", "-t", "rollout"]);
}

const MODULE: &str = r#"
variable "url" { type = string }
variable "stages" { default = { first = 1, all = "100%" } }
variable "approvers" {
  type    = number
  default = null
}
variable "extra" { default = {} }
gate "alive" {
  http { url = "${var.url}/alive" }
}
rollout "standard" {
  dynamic "stage" {
    for_each = [for name in ["first", "all"] : { name = name, nodes = var.stages[name] }]
    labels   = [stage.value.name]
    content {
      nodes    = stage.value.nodes
      bake     = "${60 * 0.5}s"
      deadline = "1h"
      gate "alive" {
        consecutive = stage.key + 1
      }
      dynamic "gate" {
        for_each = var.extra
        labels   = [gate.key]
        content { use = gate.value }
      }
      dynamic "approval" {
        for_each = var.approvers[*]
        content { people = approval.value }
      }
    }
  }
}
output "standard" { value = rollout.standard }
"#;

#[test]
fn a_rollout_can_come_from_a_module() {
    let main = r#"
module "rollout" {
  source    = "./rollout"
  for_each  = toset(["a", "b"])
  url       = "http://${each.key}.example"
  approvers = each.key == "b" ? 3 : null
  extra     = { own = gate.own }
}
gate "own" {
  command = ["./ask.sh"]
}
node_set "edge" {
  pool "a" {
    source = "./machine"
    size   = 2
  }
  rollout = module.rollout["a"].standard
}
node_set "core" {
  pool "a" {
    source = "./machine"
    size   = 1
  }
  rollout = module.rollout["b"].standard
}
node_set "rest" {
  pool "a" {
    source = "./machine"
    size   = 1
  }
  rollout = false ? module.rollout["b"].standard : null
}
"#;
    let desired = good(&files(main, &[("/env/rollout/main.hcl", MODULE)]));
    assert_eq!(desired.rollout_order, ["edge", "core"]);
    let (edge, core) = (&desired.rollouts["edge"], &desired.rollouts["core"]);
    assert_eq!(edge.name, "module.rollout[\"a\"].rollout.standard");
    assert_eq!(edge.stages[0].nodes, Amount::Count(1));
    assert_eq!(edge.stages[0].bake_ms, 30_000);
    assert_eq!(edge.stages[1].gates[0].check, Check::Yes { consecutive: 2 });
    assert_eq!(edge.gates.keys().collect::<Vec<_>>(), ["alive", "own"]);
    assert_eq!(edge.gates["own"].source, Source::Command { command: vec!["./ask.sh".to_owned()] });
    assert_eq!(
        core.gates["alive"].source,
        Source::Http { url: "http://b.example/alive".to_owned(), headers: BTreeMap::new() }
    );
    assert_eq!(edge.stages[0].approval, None);
    assert_eq!(core.stages[0].approval.as_ref().map(|it| it.people), Some(3));
}

#[test]
fn node_sets_go_after_one_another() {
    let set = |name: &str, more: &str| {
        format!(
            "node_set \"{name}\" {{\n  pool \"p\" {{\n    source = \"./machine\"\n    size = 1\n  }}\n  {more}\n}}\n"
        )
    };
    let rollout = "rollout = rollout.short";
    let short = "rollout \"short\" {\n  stage \"all\" {\n    nodes = \"100%\"\n    bake = \"0s\"\n    deadline = \"1m\"\n  }\n}\n";
    let main = [
        short.to_owned(),
        set("a", &format!("{rollout}\n  after = [node_set.c, node_set.d]")),
        set("b", rollout),
        set("c", "after = [node_set.b]"),
        set("d", rollout),
    ]
    .concat();
    assert_eq!(desired(&main).rollout_order, ["b", "d", "a"]);

    let circle = main.replace(
        "size = 1\n  }\n  rollout = rollout.short\n}",
        "size = 1\n  }\n  after = [node_set.a]\n}",
    );
    let run = plan(&files(&circle, &[]));
    let told = render(&run.diagnostics, &run.sources);
    assert!(told.contains("Error[rollout]: node sets are after each other in a circle"), "{told}");
    let wrong = main.replace("[node_set.b]", "[node_set.b.nodes, \"d\"]");
    let run = plan(&files(&wrong, &[]));
    let told = render(&run.diagnostics, &run.sources);
    assert!(told.contains("`after` is a list of references"), "{told}");
    let wrong = main.replace("[node_set.b]", "[rollout.short]");
    let run = plan(&files(&wrong, &[]));
    let told = render(&run.diagnostics, &run.sources);
    assert!(told.contains("`after` is a list of node sets"), "{told}");
}

#[test]
fn a_rollout_may_look_at_the_nodes_whose_set_it_is_of() {
    let main = format!("{ROLLOUT}{SETS}").replace(
        "[[\"edge-a-001\", \"edge-a-002\"]]",
        "[for at in range(3) : [node_set.edge.nodes[at].name, node_set.edge.nodes[at + 1].name]]",
    );
    assert_eq!(desired(&main).rollouts["edge"].apart.len(), 3);
}

#[test]
fn secrets_may_stand_where_they_are_kept_nowhere() {
    let main = r#"
variable "token" {
  default   = "s3cret"
  sensitive = true
}
variable "hook" {
  default   = "https://chat.example/s3cret"
  ephemeral = true
}
gate "datadog" {
  json {
    url     = "https://api.example/query?nodes=$candidate"
    headers = { DD-API-KEY = var.token }
    value   = "$.series[0].value"
  }
  value { proceed_below = 10 }
}
gate "private" {
  prometheus {
    url     = "http://prometheus.example"
    headers = { Authorization = "Basic ${base64encode("watcher:${var.token}")}" }
    value   = "max(load{$candidate})"
  }
  value { proceed_below = 10 }
}
gate "alerts" {
  alertmanager {
    url      = "http://alertmanager.example"
    headers  = { Authorization = "Bearer ${var.token}" }
    matchers = ["severity=\"critical\""]
  }
}
gate "alive" {
  http {
    url     = "http://app.example/$candidate"
    headers = { X-Token = var.token }
  }
}
rollout "careful" {
  stage "all" {
    nodes    = "100%"
    bake     = "1m"
    deadline = "1m"
    gate "datadog" {}
    gate "private" {}
    gate "alerts" {}
    gate "alive" {}
  }
  notify { webhook = var.hook }
}
"#;
    let desired = desired(&format!("{main}{SETS}"));
    let rollout = &desired.rollouts["edge"];
    let Source::Json { headers, .. } = &rollout.gates["datadog"].source else { panic!() };
    assert_eq!(headers["DD-API-KEY"], "s3cret");
    for (gate, name, value) in [
        ("private", "Authorization", "Basic d2F0Y2hlcjpzM2NyZXQ="),
        ("alerts", "Authorization", "Bearer s3cret"),
        ("alive", "X-Token", "s3cret"),
    ] {
        let (Source::Prometheus { headers, .. }
        | Source::Alertmanager { headers, .. }
        | Source::Http { headers, .. }) = &rollout.gates[gate].source
        else {
            panic!("{gate}");
        };
        assert_eq!(headers[name], value);
    }
    let text = serde_json::to_string(rollout).unwrap();
    assert!(!text.contains("s3cret") && !text.contains("d2F0Y2hlcjpz"), "{text}");
}

#[test]
fn what_only_an_apply_tells_is_a_mistake_in_a_plan_and_none_in_validate() {
    let main = format!("{ROLLOUT}{SETS}").replace(
        "url           = \"http://127.0.0.1:9090\"",
        "url           = \"http://${node_set.edge.nodes[0].address}:9090\"",
    );
    let main = main.replace("timeout  = \"5s\"", "timeout  = \"5x\"");
    let files = files(&main, &[]);
    let run = plan(&files);
    let told = render(&run.diagnostics, &run.sources);
    assert!(told.contains("must be known when planning"), "{told}");
    let loaded = lang::load(std::path::Path::new("/env"), &Files::new(&files));
    let run = finish(loaded, &[], &lang::validation_projection(&schemas()));
    let told = render(&run.diagnostics, &run.sources);
    assert!(!told.contains("must be known when planning"), "{told}");
    assert_eq!(run.diagnostics.len(), 1, "{told}");
}

#[test]
fn the_json_syntax_says_the_same() {
    let json = r#"{
  "gate": {
    "errors": {
      "prometheus": {
        "url": "http://127.0.0.1:9090",
        "bad": "sum(increase(errors{$candidate}[$window]))",
        "total": "sum(increase(all{$candidate}[$window]))"
      },
      "rate": { "proceed_below": 0.001, "min_sample": 100 }
    }
  },
  "rollout": {
    "careful": {
      "stage": {
        "canary": { "nodes": 1, "bake": "1m", "deadline": "1h", "gate": { "errors": {} } }
      },
      "dynamic": {
        "stage": {
          "for_each": ["all"],
          "labels": ["${stage.value}"],
          "content": {
            "nodes": "100%", "bake": "1m", "deadline": "1h",
            "gate": { "errors": { "proceed_below": 0.002 } },
            "approval": { "people": 2 }
          }
        }
      },
      "notify": [{ "command": ["true"] }, { "webhook": "http://a" }]
    }
  },
  "node_set": {
    "edge": {
      "pool": { "a": { "source": "./machine", "size": 2 } },
      "rollout": "${rollout.careful}",
      "after": ["node_set.core"]
    },
    "core": { "pool": { "a": { "source": "./machine", "size": 1 } } }
  }
}"#;
    let files = [("/env/main.hcl.json", json), ("/env/machine/main.hcl", MACHINE)];
    let desired = good(&files);
    let rollout = &desired.rollouts["edge"];
    assert_eq!(rollout.stages.len(), 2);
    assert_eq!(rollout.stages[1].gates.len(), 1);
    assert_eq!(rollout.stages[1].approval.as_ref().map(|it| it.people), Some(2));
    assert_eq!(rollout.notify.len(), 2);
}

/// The gates of each stage.
fn gates_of(rollout: &model::rollout::Rollout) -> Vec<String> {
    let names = rollout.stages.iter().map(|stage| {
        let gates = stage.gates.iter().map(|gate| gate.gate.as_str());
        format!("{}: {}", stage.name, gates.collect::<Vec<_>>().join(" "))
    });
    names.collect()
}

#[test]
fn what_the_documentation_shows_is_accepted() {
    let page = include_str!("../../../../docs/language.md");
    let chapters = &page[page.find("\n## gate\n").unwrap()..];
    let shown: Vec<_> =
        chapters.split("```hcl\n").skip(1).filter_map(|part| part.split("```").next()).collect();
    assert_eq!(shown.len(), 3);
    let around = r#"
variable "prometheus" { default = "http://127.0.0.1:9090" }
variable "webhook" { default = "https://chat.example/hook" }
module "checks" { source = "./checks" }
node_set "edge" {
  pool "a" {
    source = "./machine"
    size   = 1
  }
  pool "b" {
    source = "./machine"
    size   = 1
  }
  rollout = rollout.careful
}
"#;
    let main = format!("{}{around}", shown.concat());
    let checks =
        "gate \"c\" {\n  command = [\"true\"]\n}\noutput \"certificate\" { value = gate.c }\n";
    let desired = good(&files(&main, &[("/env/checks/main.hcl", checks)]));
    let rollout = &desired.rollouts["edge"];
    assert_eq!(gates_of(rollout), ["canary-5: errors certificate", "all: errors"]);
    assert_eq!((rollout.windows.len(), rollout.notify.len()), (2, 2));
}
