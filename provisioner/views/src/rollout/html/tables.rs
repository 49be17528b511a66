//! The tables of a report: stages, verdicts, measurements, nodes, holds.
//!
//! Refuses to know: how charts look.

use super::ROWS;
use super::markup::{Cell, hidden_table, table};
use crate::fold::count;
use crate::rollout::figures::{between, moment, span};
use crate::rollout::fold::{Answer, GateView, Model, NodeState, Point, Series, StageView};
use crate::rollout::telling;
use model::rollout::entry::Verdict;

/// When each stage began, baked and was left, and how it was judged.
pub fn stages(model: &Model, end_ms: i64) -> String {
    let sets = model.start.as_ref().map_or(&[][..], |start| &start.sets);
    let row = |stage: &StageView| {
        let at = |at_ms: Option<i64>| Cell::text(at_ms.map(moment).unwrap_or_default());
        let took =
            stage.entered_ms.map(|from| span(between(from, stage.left_ms.unwrap_or(end_ms))));
        let name = match sets.get(stage.set) {
            Some(set) if sets.len() > 1 => format!("{}/{}", set.node_set, stage.name),
            _ => stage.name.clone(),
        };
        vec![
            Cell::text(name),
            judged(model, stage),
            Cell::text(format!("+{}", stage.nodes.len())),
            at(stage.entered_ms),
            at(stage.bake_started_ms),
            Cell::text(span(stage.bake_ms)),
            at(stage.left_ms),
            Cell::text(took.unwrap_or_default()),
            Cell::text(why(stage)),
        ]
    };
    let rows: Vec<_> = model.stages.iter().map(row).collect();
    let headings =
        ["Stage", "Verdict", "Nodes", "Entered", "Bakes from", "Bake", "Left", "Took", "Why"];
    format!(
        "<section>\n<h2>Stages</h2>\n{}</section>\n",
        table("Stages, times in UTC", &headings, &rows)
    )
}

fn judged(model: &Model, stage: &StageView) -> Cell {
    match (&stage.verdict, stage.entered_ms) {
        (Some((verdict, _)), _) => verdict_cell(Some(*verdict)),
        (None, None) => Cell::text("not reached"),
        (None, Some(_)) if model.end.is_some() || stage.left_ms.is_some() => {
            Cell::text("not judged")
        }
        (None, Some(_)) if stage.bake_started_ms.is_some() => Cell::of("bakes", "running"),
        (None, Some(_)) => Cell::of("changing", "running"),
    }
}

fn why(stage: &StageView) -> String {
    let mut text = stage.verdict.as_ref().map(|(_, why)| why.clone()).unwrap_or_default();
    if let Some(Some(by)) = &stage.promoted {
        push!(text, "; promoted by {by}");
    }
    text
}

fn verdict_cell(verdict: Option<Verdict>) -> Cell {
    let Some(verdict) = verdict else {
        return Cell::text("not measured");
    };
    let class = match verdict {
        Verdict::Successful => "good",
        Verdict::Inconclusive | Verdict::Error => "notable",
        Verdict::Failed => "bad",
    };
    Cell::of(telling::verdict_name(verdict), class)
}

/// What each gate said of each stage that began, with what it had to hold and why.
pub fn verdicts(model: &Model) -> String {
    let mut rows = Vec::new();
    for stage in model.stages.iter().filter(|stage| stage.entered_ms.is_some()) {
        for gate in &stage.gates {
            let missing = gate.points.iter().filter(|point| !counts(point)).count();
            let last = gate.points.last();
            rows.push(vec![
                Cell::text(&stage.name),
                Cell::text(&gate.name),
                verdict_cell(gate.verdict),
                Cell::text(gate.points.len().to_string()),
                Cell::text(missing.to_string()),
                Cell::text(last.map(|point| reading(point, gate)).unwrap_or_default()),
                Cell::text(gate.rule()),
                Cell::text(last.map(|point| point.why.clone()).unwrap_or_default()),
            ]);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let headings =
        ["Stage", "Gate", "Verdict", "Measured", "No data", "Last", "What must hold", "Why"];
    format!(
        "<section>\n<h2>Verdicts</h2>\n{}</section>\n",
        table("The verdict of each gate in each stage", &headings, &rows)
    )
}

fn counts(point: &Point) -> bool {
    matches!(point.reading, Answer::Yes | Answer::No) || point.value.is_some()
}

fn reading(point: &Point, gate: &GateView) -> String {
    match (point.value, point.reading) {
        (Some(value), _) => gate.figure(value),
        (None, Answer::Yes) => "yes".to_owned(),
        (None, Answer::No) => "no".to_owned(),
        (None, Answer::Number) => "no events".to_owned(),
        (None, Answer::Missing) => "no data".to_owned(),
        (None, Answer::Error) => "no answer".to_owned(),
    }
}

/// The last measurements of a gate.
pub fn series(model: &Model, series: &Series) -> String {
    let all: usize = series.points().count();
    let hidden = all.saturating_sub(ROWS);
    let shown = series.stages.iter().flat_map(|(place, gate)| {
        gate.points.iter().map(move |point| (&model.stages[*place], *gate, point))
    });
    let row = |(stage, gate, point): (&StageView, &GateView, &Point)| {
        let figure =
            |value: Option<f64>| Cell::text(value.map(|v| gate.figure(v)).unwrap_or_default());
        vec![
            Cell::text(moment(point.to_ms)),
            Cell::text(&stage.name),
            Cell::text(reading(point, gate)),
            figure(point.cumulated),
            figure(point.control),
            verdict_cell(Some(point.verdict)),
            Cell::text(&point.why),
        ]
    };
    let rows: Vec<_> = shown.skip(hidden).map(row).collect();
    let headings = ["Until", "Stage", "Candidate", "All windows", "Control", "Verdict", "Why"];
    let summary = if hidden == 0 {
        format!("{} as a table", count(all, "measurement"))
    } else {
        format!("The last {ROWS} of {all} measurements as a table")
    };
    hidden_table(&summary, &headings, &rows)
}

/// Where each node is, and since when.
pub fn nodes(model: &Model) -> ([&'static str; 6], Vec<Vec<Cell>>) {
    let stage_of = |name: &str| {
        let stage = model.stages.iter().find(|stage| stage.nodes.iter().any(|node| node == name));
        stage.map(|stage| stage.name.clone()).unwrap_or_default()
    };
    let rows = model.nodes.iter().map(|node| {
        let state = node.state();
        let class = match state {
            NodeState::Baked | NodeState::Restored => "good",
            NodeState::Down | NodeState::Failed => "bad",
            NodeState::Stable => "",
            _ => "notable",
        };
        vec![
            Cell::text(&node.name),
            Cell::text(&node.domain),
            Cell::text(stage_of(&node.name)),
            Cell::of(state.name(), class),
            Cell::text(node.past.last().map(|(at_ms, _)| moment(*at_ms)).unwrap_or_default()),
            Cell::text(node.down.clone().unwrap_or_default()),
        ]
    });
    (["Node", "Failure domain", "Stage", "State", "Since", "Why"], rows.collect())
}

/// What held it up, and what was asked for.
pub fn holds(model: &Model, end_ms: i64) -> String {
    if model.holds.is_empty() && model.asked.is_empty() {
        return String::new();
    }
    let mut rows: Vec<(i64, Vec<Cell>)> = Vec::new();
    for hold in &model.holds {
        let long = span(between(hold.from_ms, hold.until_ms.unwrap_or(end_ms)));
        let state = if hold.until_ms.is_none() {
            Cell::of("holds", "notable")
        } else {
            Cell::text("was held")
        };
        let why = Cell::text(telling::hold(&hold.reason, model));
        rows.push((
            hold.from_ms,
            vec![Cell::text(moment(hold.from_ms)), state, Cell::text(long), why],
        ));
    }
    for asked in &model.asked {
        let why = asked.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let said = format!("{} asked to {}{why}", asked.by, telling::verb_name(asked.verb));
        let cells = vec![
            Cell::text(moment(asked.at_ms)),
            Cell::text("asked"),
            Cell::text(""),
            Cell::text(said),
        ];
        rows.push((asked.at_ms, cells));
    }
    rows.sort_by_key(|(at_ms, _)| *at_ms);
    let rows: Vec<_> = rows.into_iter().map(|(_, cells)| cells).collect();
    let headings = ["From", "What", "For", "Why"];
    format!(
        "<section>\n<h2>Holds and requests</h2>\n{}</section>\n",
        table("What held it up and what people asked for, times in UTC", &headings, &rows)
    )
}
