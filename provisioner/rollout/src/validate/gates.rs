//! What of a gate can never work: thresholds, rows of measurements, and queries that do not ask what its check needs.

use super::Findings;
use crate::words::duration;
use model::Diagnostic;
use model::rollout::{Check, Gate, Queries, Source, Stage, StageGate};

/// A gate as a stage uses it.
pub(super) fn check_gate(stage: &Stage, gate: &StageGate, declared: &Gate, found: &mut Findings) {
    let span = gate.span.as_ref().or(stage.span.as_ref());
    let name = &gate.gate;
    for fault in faults(&gate.check) {
        found.add(span, Diagnostic::error("rollout-threshold", format!("gate `{name}`: {fault}")));
    }
    if let Some(fault) = kind_fault(&gate.check, &declared.source) {
        found.add(span, Diagnostic::error("rollout-gate-kind", format!("gate `{name}`: {fault}")));
    }
    let interval_ms = declared.interval_ms;
    if interval_ms > stage.bake_ms {
        let (bake, interval) = (duration(stage.bake_ms), duration(interval_ms));
        let text = format!(
            "stage `{}` bakes for {bake}, and gate `{name}` is measured every {interval}",
            stage.name
        );
        found.add(span, Diagnostic::error("rollout-bake", text));
        return;
    }
    let (Check::Value { consecutive, .. } | Check::Yes { consecutive }) = gate.check else {
        return;
    };
    let row_ms = interval_ms.saturating_mul(u64::from(consecutive));
    let text = format!(
        "gate `{name}` needs {consecutive} measurements in a row, {}; stage `{}` bakes for {}",
        duration(row_ms),
        stage.name,
        duration(stage.bake_ms)
    );
    if row_ms > stage.bake_ms.saturating_add(stage.deadline_ms) {
        found.add(span, Diagnostic::error("rollout-consecutive", text));
    } else if row_ms > stage.bake_ms {
        let hint = match gate.check {
            Check::Yes { .. } => {
                "so many noes do not fit into the bake: the stage is over before they are harm"
            }
            _ => "the stage will be held beyond its bake",
        };
        found.add(span, Diagnostic::warning("rollout-consecutive", text).with_hint(hint));
    }
}

/// A gate's own declaration.
pub(super) fn check_source(gate: &Gate, found: &mut Findings) {
    let (span, name) = (gate.span.as_ref(), &gate.name);
    if gate.interval_ms == 0 || gate.timeout_ms == 0 {
        let text = format!("gate `{name}`: interval and timeout must be above 0");
        found.add(span, Diagnostic::error("rollout-interval", text));
    }
    match &gate.source {
        Source::Prometheus { queries, staleness_ms, .. } => {
            if *staleness_ms == 0 {
                let text = format!("gate `{name}`: every sample is too old for a staleness of 0");
                found.add(span, Diagnostic::error("rollout-interval", text));
            }
            check_queries(gate, queries, found);
        }
        Source::Json { url, queries, .. } => {
            let (own, _) = split(queries);
            let names = |text: &str| text.contains("$candidate") || text.contains("$stage");
            if !names(url) && !own.iter().any(|query| names(query)) {
                let text =
                    format!("gate `{name}` never says `$candidate`: it sees all nodes alike");
                let hint = "name the candidate's nodes in the address or in the query";
                found.add(span, Diagnostic::warning("rollout-no-candidate", text).with_hint(hint));
            }
        }
        Source::Alertmanager { matchers, .. } if matchers.is_empty() => {
            let text = format!("gate `{name}` matches every alert");
            let hint = "say which ones count, like `severity=\"critical\"`";
            found.add(span, Diagnostic::warning("rollout-matchers", text).with_hint(hint));
        }
        Source::Command { command } if command.is_empty() => {
            found.add(
                span,
                Diagnostic::error(
                    "rollout-command",
                    format!("gate `{name}` has no command to run"),
                ),
            );
        }
        _ => {}
    }
}

/// The queries of the candidate, and those of the control group.
fn split(queries: &Queries) -> (Vec<&str>, Vec<&str>) {
    match queries {
        Queries::Counts { bad, total, control } => {
            let control = control.as_ref().map(|(bad, total)| vec![bad.as_str(), total.as_str()]);
            (vec![bad, total], control.unwrap_or_default())
        }
        // The load is what is offered, to whichever nodes.
        Queries::Value { value, control, .. } => {
            (vec![value], control.as_deref().into_iter().collect())
        }
    }
}

fn check_queries(gate: &Gate, queries: &Queries, found: &mut Findings) {
    let (span, name) = (gate.span.as_ref(), &gate.name);
    let (own, control) = split(queries);
    for query in &own {
        if !query.contains("$candidate") && !query.contains("$stage") {
            let text = format!("gate `{name}`: `{query}` names no candidate");
            let hint = "put `$candidate` among its label matchers, like `errors_total{$candidate}`";
            found.add(span, Diagnostic::error("rollout-no-candidate", text).with_hint(hint));
        }
    }
    for query in control.iter().filter(|query| !query.contains("$control")) {
        let text = format!("gate `{name}`: `{query}` names no control group");
        let hint = "put `$control` among its label matchers";
        found.add(span, Diagnostic::error("rollout-no-candidate", text).with_hint(hint));
    }
    if let Queries::Counts { .. } = queries {
        for query in own.iter().chain(&control).filter(|query| !query.contains("$window")) {
            let text = format!("gate `{name}`: `{query}` counts over no `$window`");
            let hint =
                "say `increase(...[$window])`, so that no event is counted twice or left out";
            found.add(span, Diagnostic::error("rollout-no-window", text).with_hint(hint));
        }
    }
}

/// Whether a check can be made of what its source answers.
fn kind_fault(check: &Check, source: &Source) -> Option<&'static str> {
    let queries = match source {
        Source::Prometheus { queries, .. } | Source::Json { queries, .. } => Some(queries),
        _ => None,
    };
    match (check, queries) {
        (Check::Rate { worse_than_control, .. }, Some(Queries::Counts { control, .. })) => {
            let lacks = worse_than_control.is_some() && control.is_none();
            lacks.then_some("it compares with the control group and does not ask for its counts")
        }
        (Check::Rate { .. }, _) => Some("a rate needs counts of bad and of all events"),
        (Check::Value { relative, min_load, .. }, Some(Queries::Value { control, load, .. })) => {
            if *relative && control.is_none() {
                Some("it is relative to the control group and does not ask for its value")
            } else if min_load.is_some() && load.is_none() {
                Some("it has a least load and does not ask for the load")
            } else {
                None
            }
        }
        (Check::Value { .. }, _) => Some("it compares a value and asks for none"),
        (Check::Yes { .. }, None) => None,
        (Check::Yes { .. }, Some(_)) => Some("it wants a yes and asks for numbers"),
    }
}

/// What is wrong with the numbers of a check.
fn faults(check: &Check) -> Vec<String> {
    let mut faults = Vec::new();
    let mut when = |wrong: bool, fault: String| {
        if wrong {
            faults.push(fault);
        }
    };
    match check {
        Check::Rate {
            proceed_below,
            rollback_above,
            worse_than_control,
            min_sample,
            confidence,
        } => {
            let inside = |share: f64| share > 0.0 && share < 1.0;
            let text = format!("proceed_below is {proceed_below}, not between 0 and 1");
            when(!inside(*proceed_below), text);
            if let Some(rollback) = rollback_above {
                when(
                    !inside(*rollback),
                    format!("rollback_above is {rollback}, not between 0 and 1"),
                );
                let text = format!(
                    "rolls back above {rollback}, below what it proceeds at: {proceed_below}"
                );
                when(rollback < proceed_below, text);
            }
            if let Some(margin) = worse_than_control {
                let text = format!("worse_than_control is {margin}, not from 0 to 1");
                when(!(0.0..1.0).contains(margin), text);
            }
            when(*min_sample == 0, "min_sample is 0: no event would be a success".to_owned());
            let text = format!("confidence is {confidence}, not from 0.5 to below 1");
            when(!(0.5..1.0).contains(confidence), text);
        }
        Check::Value {
            proceed_above,
            proceed_below,
            rollback_below,
            rollback_above,
            consecutive,
            min_load,
            ..
        } => {
            let bounds = [proceed_above, proceed_below, rollback_below, rollback_above];
            when(bounds.iter().all(|bound| bound.is_none()), "it has no bound".to_owned());
            let all = bounds.into_iter().chain([min_load]).flatten();
            when(
                all.into_iter().any(|bound| !bound.is_finite()),
                "a bound is no number".to_owned(),
            );
            let crossed = |low: &Option<f64>, high: &Option<f64>| {
                low.zip(*high).filter(|(low, high)| low >= high)
            };
            if let Some((low, high)) = crossed(proceed_above, proceed_below) {
                when(true, format!("nothing is above {low} and below {high}"));
            }
            if let Some((high, low)) = rollback_above.zip(*proceed_below).filter(|(a, b)| a < b) {
                when(true, format!("rolls back above {high}, below what it proceeds at: {low}"));
            }
            if let Some((low, high)) = rollback_below.zip(*proceed_above).filter(|(a, b)| a > b) {
                when(true, format!("rolls back below {low}, above what it proceeds at: {high}"));
            }
            when(*consecutive == 0, "consecutive is 0: say at least 1".to_owned());
        }
        Check::Yes { consecutive } => {
            when(*consecutive == 0, "consecutive is 0: say at least 1".to_owned());
        }
    }
    faults
}
