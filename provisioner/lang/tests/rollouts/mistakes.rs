//! What users get for their mistakes in `gate` and `rollout` blocks.

use crate::support::{plan, render};
use crate::{ROLLOUT, SETS, files};

/// Takes a snapshot of what is said of each change to the whole configuration.
fn mistakes(name: &str, cases: &[(&str, &str)]) {
    let whole = format!("{ROLLOUT}{SETS}");
    let mut told = String::new();
    for (right, wrong) in cases {
        assert!(whole.contains(right), "{right} is not in the configuration");
        let main = whole.replacen(right, wrong, 1);
        let run = plan(&files(&main, &[]));
        assert!(!run.diagnostics.is_empty(), "{wrong}: nothing was found");
        let codes: Vec<_> = run.diagnostics.iter().map(|it| it.code.as_str()).collect();
        assert_eq!(codes.len(), 1, "{wrong}: {}", render(&run.diagnostics, &run.sources));
        told.push_str(&render(&run.diagnostics, &run.sources));
        told.push('\n');
    }
    insta::assert_snapshot!(name, told);
}

#[test]
fn mistakes_in_gates() {
    mistakes(
        "gates",
        &[
            ("nodes {}", ""),
            ("nodes {}", "nodes {}\n  http {\n    url = \"http://a\"\n  }"),
            ("nodes {}", "command = [\"true\"]\n  nodes {}"),
            ("nodes {}", "node {}"),
            ("nodes {}", "http {\n    url = \"ftp://a\"\n  }"),
            (
                "nodes {}",
                "alertmanager {\n    url = \"http://a\"\n    matchers = [\"critical\"]\n  }",
            ),
            ("nodes {}", "alertmanager {\n    url = \"http://a\"\n    matchers = []\n  }"),
            ("nodes {}", "nodes {}\n  rate {\n    proceed_below = 0.1\n  }"),
            ("consecutive = 2", "consecutive = 0"),
            ("  rate {\n", "  consecutive = 1\n  rate {\n"),
            (
                "  value {\n    proceed_above = 100\n    min_load      = 500\n    consecutive   = 3\n",
                "  rate {\n    proceed_below = 0.1\n",
            ),
            (
                "  rate {\n    proceed_below      = 0.001\n    rollback_above     = 0.01\n    worse_than_control = 0.005\n    min_sample         = 1000\n    confidence         = 0.95",
                "  value {\n    proceed_above = 1",
            ),
            ("rollback_above     = 0.01", "rollback_above     = 0.0001"),
            ("proceed_below      = 0.001", "proceed_below      = 5"),
            ("confidence         = 0.95", "confidence         = 1"),
            ("confidence         = 0.95", "confidense         = 0.95"),
            ("min_sample         = 1000\n", ""),
            ("proceed_above = 100\n", ""),
            ("load  = \"sum(rate(offered[1m]))\"\n", ""),
            (
                "    control_bad   = \"sum(increase(requests{code=~\\\"5..\\\",$control}[$window])) or vector(0)\"\n    control_total = \"sum(increase(requests{$control}[$window]))\"\n",
                "",
            ),
            ("    control_total = \"sum(increase(requests{$control}[$window]))\"\n", ""),
            (
                "total         = \"sum(increase(requests{$candidate}[$window]))\"",
                "total         = \"sum(increase(requests[$window]))\"",
            ),
            (
                "total         = \"sum(increase(requests{$candidate}[$window]))\"",
                "total         = \"sum(increase(requests{$candidates}[$window]))\"",
            ),
            (
                "total         = \"sum(increase(requests{$candidate}[$window]))\"",
                "total         = \"sum(increase(requests{$candidate}[1m]))\"",
            ),
            (
                "total         = \"sum(increase(requests{$candidate}[$window]))\"",
                "total         = \"increase(requests{$candidate}[$window])\"",
            ),
            (
                "control_total = \"sum(increase(requests{$control}[$window]))\"",
                "control_total = \"sum(increase(requests{$candidate}[$window]))\"",
            ),
            ("total         = \"sum(increase(requests{$candidate}[$window]))\"\n", ""),
            (
                "value = \"sum(rate(requests{$candidate}[1m]))\"",
                "value = \"sum(rate(requests{$candidate}[1m]))\"\n    bad = \"sum(increase(x{$candidate}[$window]))\"",
            ),
            (
                "value = \"sum(rate(requests{$candidate}[1m]))\"\n    load  = \"sum(rate(offered[1m]))\"",
                "",
            ),
            ("value = \"sum(rate(requests{$candidate}[1m]))\"", "value = \"\""),
            (
                "load  = \"sum(rate(offered[1m]))\"",
                "load  = \"sum(rate(offered[1m]))\"\n    control_bad = \"sum(increase(x{$control}[$window]))\"",
            ),
            ("interval = \"15s\"", "interval = 15"),
            ("interval = \"15s\"", "interval = \"15 sec\""),
            ("timeout  = \"5s\"", "timeout  = \"0s\""),
            ("timeout  = \"5s\"", "timeout  = \"5s6m\""),
            ("staleness     = \"2m\"", "staleness     = sensitive(\"2m\")"),
            ("staleness     = \"2m\"", "stalenes     = \"2m\""),
        ],
    );
}

#[test]
fn mistakes_in_stages() {
    mistakes(
        "stages",
        &[
            ("gate \"up\" {}", "gate \"ups\" {}"),
            ("gate \"up\" {}", "gate \"health\" {}"),
            ("gate \"up\" {}", "gate \"up\" {}\n    gate \"up\" {}"),
            (
                "gate \"up\" {}",
                "gate \"up\" {\n      use = gate.load\n    }\n    gate \"load\" {\n      use = gate.up\n    }",
            ),
            ("gate \"up\" {}", "gate \"up\" {\n      use = rollout.careful\n    }"),
            ("gate \"up\" {}", "gate \"up\" {\n      proceed_below = 0.1\n    }"),
            ("gate \"load\" {}", "gate \"load\" {\n      min_sample = 10\n    }"),
            ("gate \"load\" {}", "gate \"load\" {\n      relative = true\n    }"),
            ("gate \"load\" {}", "gate \"load\" {\n      rollback_below = 200\n    }"),
            ("min_sample    = 5000", "worse_than_control = 0.1"),
            ("nodes    = \"5%\"", "nodes    = \"0%\""),
            ("nodes    = \"5%\"", "nodes    = \"105%\""),
            ("nodes    = \"5%\"", "nodes    = -1"),
            ("nodes    = \"5%\"", "nodes    = 1.5"),
            ("nodes    = \"5%\"", "nodes    = \"100%\""),
            ("nodes    = \"5%\"", "nodes    = null"),
            ("nodes    = \"100%\"", "nodes    = \"90%\""),
            ("nodes    = \"100%\"", "nodes    = 4"),
            ("bake     = \"15m\"", "bake     = \"10s\""),
            ("bake     = \"15m\"", "bake     = \"a while\""),
            ("    bake     = \"15m\"\n", ""),
            ("deadline = \"1h30m\"", "deadline = \"0s\""),
            ("    deadline = \"1h30m\"\n", ""),
            ("deadline = \"1h30m\"", "dedline = \"1h30m\""),
            ("rollback = \"manual\"", "rollback = \"manuel\""),
            ("people = 2", "people = 0"),
            ("valid  = \"4h\"", "valid  = \"0h\""),
            ("valid  = \"4h\"", "valid  = 4"),
            ("stage \"all\"", "stage \"canary\""),
            ("stage \"canary\"", "stag \"canary\""),
        ],
    );
}

#[test]
fn mistakes_in_windows() {
    mistakes(
        "windows",
        &[
            ("effect = \"deny\"", "effect = \"denied\""),
            ("    effect = \"deny\"\n", ""),
            ("from   = \"2026-11-27T00:00:00Z\"", "from   = \"2026-12-27T00:00:00Z\""),
            ("from   = \"2026-11-27T00:00:00Z\"", "from   = \"2026-11-27\""),
            ("from   = \"2026-11-27T00:00:00Z\"", "from   = \"09:00\""),
            (
                "from   = \"2026-11-27T00:00:00Z\"",
                "from   = \"2026-11-27T00:00:00Z\"\n    days = [\"mon\"]",
            ),
            ("[\"Tue\", \"mon\"]", "[\"Tue\", \"mo\"]"),
            ("[\"Tue\", \"mon\"]", "[]"),
            ("from     = \"09:00\"", "from     = \"25:00\""),
            ("timezone = \"Europe/Berlin\"", "timezone = \"Europe/Berln\""),
            ("timezone = \"Europe/Berlin\"", "timezone = \"MEZ+1\""),
            ("timezone = \"Europe/Berlin\"", "time_zone = \"Europe/Berlin\""),
        ],
    );
}

#[test]
fn mistakes_in_rollouts() {
    mistakes(
        "rollouts",
        &[
            ("rollout = rollout.careful", "rollout = rollout.careless"),
            ("rollout = rollout.careful", "rollout = rollout.carefull"),
            ("rollout = rollout.careful", "rollout = \"careful\""),
            ("rollout = rollout.careful", "rollout = gate.up"),
            ("rollout = rollout.careful", "rollout = rollout.careful.name"),
            ("rollout = rollout.careful", "rolout = rollout.careful"),
            ("rollout \"careful\" {", "rollout \"careful\" {\n}\nrollout \"other\" {"),
            ("max_parallel    = 2", "max_parallel    = 0"),
            ("max_parallel    = 2", "max_paralel    = 2"),
            ("max_unavailable = \"25%\"\n  max_surge       = 1", "max_unavailable = \"0%\""),
            ("max_unavailable = \"25%\"", "max_unavailable = \"half\""),
            ("holdback        = 2", "holdback        = -1"),
            ("snapshot_before = true", "snapshot_before = \"often\""),
            ("\"edge-a-002\"]]", "\"edge-a-020\"]]"),
            ("\"edge-a-002\"]]", "\"edge-a-001\"]]"),
            ("\"edge-a-002\"]]", "\"edge-a-002\", \"edge-a-003\"]]"),
            ("[[\"edge-a-001\", \"edge-a-002\"]]", "\"edge-a-001\""),
            ("tolerated     = 0.001", "tolerated     = 0"),
            ("per_node_rate = 300", "per_node_rate = 0"),
            ("    period        = \"30d\"\n", ""),
            ("webhook = \"https://chat.example/hook\"", "webhook = \"chat.example\""),
            ("webhook = \"https://chat.example/hook\"", ""),
            (
                "webhook = \"https://chat.example/hook\"",
                "webhook = \"https://chat.example/hook\"\n    command = [\"true\"]",
            ),
            ("gate \"up\" {\n", "gate \"up\" {\n  nodes {}\n}\ngate \"up\" {\n"),
        ],
    );
}
