//! A report of one rollout as a single HTML file: what happened, each metric over time with stage boundaries and thresholds,
//! verdicts with reasons, nodes over time, the rollback, events.
//!
//! Invariants: nothing is loaded and nothing runs (a policy in the file says so to the browser); every text from outside is
//! escaped; nothing hangs on colour alone, and each chart has a title and a table beside it; at most [`ROWS`] measurements
//! of a gate are in its table, and the chart has them all.
//! Refuses to know: where it is written.

mod axis;
mod chart;
mod markup;
mod tables;
mod timeline;

use super::figures::{between, moment, span};
use super::fold::{Model, NodeState, RollbackView, Series};
use super::telling;
use crate::fold::count;
use axis::Axis;
use markup::{escaped, facts, hidden_table, scrolled};
use model::rollout::entry::{Entry, Outcome, What};

/// How many measurements of a gate its table has; the last ones.
pub const ROWS: usize = 300;
/// How many entries the list of events has; the last ones.
const EVENTS: usize = 2_000;

const STYLE: &str = include_str!("html/style.css");

/// What a report is of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The entries of one rollout, in order.
    pub entries: &'a [Entry],
    /// When it is made, Unix milliseconds; where a rollout that is not over stands.
    pub now_ms: i64,
    /// The hash of the last record of its evidence, where that was made.
    pub evidence_head: Option<&'a str>,
}

/// The whole file.
pub fn render(report: &Report) -> String {
    let model = Model::of(report.entries);
    let environment = model.start.as_ref().map_or("", |start| start.environment.as_str());
    let title = escaped(&format!("Rollout {} of {environment}", model.rollout));
    let end_ms = model.end.as_ref().map_or(report.now_ms.max(model.last_ms), |end| end.at_ms);
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
    );
    text.push_str(&header(report, &model, &title));
    if model.start.is_none() {
        text.push_str("<p>It has not begun: none of its entries says what it is of.</p>\n");
    }
    if let Some(rollback) = &model.rollback {
        text.push_str(&restored(rollback));
    }
    text.push_str(&tables::stages(&model, end_ms));
    text.push_str(&metrics(&model, end_ms));
    text.push_str(&tables::verdicts(&model));
    text.push_str(&nodes(&model, end_ms));
    text.push_str(&tables::holds(&model, end_ms));
    text.push_str(&events(report.entries, &model));
    text.push_str("</main>\n</body>\n</html>\n");
    text
}

fn header(report: &Report, model: &Model, title: &str) -> String {
    let (state, class) = match &model.end {
        Some(end) => (telling::outcome_name(end.outcome), outcome_class(end.outcome)),
        None if model.rollback.is_some() => ("rolling back", "bad"),
        None if model.hold().is_some() => ("held", "notable"),
        None => ("running", "running"),
    };
    let mut text =
        format!("<header>\n<h1>{title} <span class=\"badge {class}\">{state}</span></h1>\n");
    if let Some(end) = &model.end {
        push!(text, "<p class=\"lead\">{}</p>\n", escaped(&end.why));
    } else if let Some(hold) = model.hold() {
        push!(
            text,
            "<p class=\"lead\">Held: {}</p>\n",
            escaped(&telling::hold(&hold.reason, model))
        );
    }
    let mut rows = Vec::new();
    if let Some(start) = &model.start {
        let sets = start
            .sets
            .iter()
            .map(|set| format!("{} ({})", set.node_set, count(set.nodes.len(), "node")));
        rows.push(("Node sets", sets.collect::<Vec<_>>().join(", ")));
        rows.push(("Started by", start.by.clone()));
    }
    rows.push(("Began", format!("{} UTC", moment(model.started_ms))));
    if let Some(end) = &model.end {
        rows.push(("Ended", format!("{} UTC", moment(end.at_ms))));
    }
    let took = if model.end.is_some() { "Took" } else { "Takes so far" };
    rows.push((took, span(model.took_ms(report.now_ms))));
    if let Some(mttr) = model.rollback.as_ref().and_then(RollbackView::mttr_ms) {
        rows.push(("MTTR", span(mttr)));
    }
    let counts = model.counts();
    let counts = counts.iter().map(|(state, many)| format!("{many} {}", state.name()));
    rows.push(("Nodes", counts.collect::<Vec<_>>().join(", ")));
    if let Some(point) = &model.restore_point {
        rows.push(("Restore point", point.to_string()));
    }
    text.push_str(&facts(&rows));
    let mut digests = Vec::new();
    if let Some(start) = &model.start {
        digests.push(("Plan", start.plan_hash.clone()));
        digests.push(("Configuration", start.configuration_digest.clone()));
    }
    if let Some(head) = report.evidence_head {
        digests.push(("Evidence, last record", head.to_owned()));
    }
    push!(text, "<div class=\"digests\">\n{}</div>\n", facts(&digests));
    text.push_str("</header>\n");
    text
}

fn outcome_class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Committed => "good",
        Outcome::Superseded => "notable",
        Outcome::RolledBack | Outcome::RollbackFailed => "bad",
    }
}

fn restored(rollback: &RollbackView) -> String {
    let (detected, decided) = (rollback.detected_ms, rollback.decided_ms);
    let mut rows = vec![
        ("Detected", format!("{} UTC", moment(detected))),
        ("Decided", format!("{}, {} later", moment(decided), span(between(detected, decided)))),
    ];
    rows.push(match rollback.restored_ms {
        Some(at) => ("Restored", format!("{}, {} later", moment(at), span(between(decided, at)))),
        None => ("Restored", "not yet".to_owned()),
    });
    if let Some(mttr) = rollback.mttr_ms() {
        rows.push(("Time to restore (MTTR)", span(mttr)));
    }
    rows.push(("Nodes", count(rollback.nodes.len(), "node")));
    let why = escaped(&rollback.why);
    format!(
        "<section class=\"alarm\">\n<h2>Rollback</h2>\n<p>{why}</p>\n{}</section>\n",
        facts(&rows)
    )
}

fn metrics(model: &Model, end_ms: i64) -> String {
    let series = Series::all(&model.stages);
    let mut text = "<section>\n<h2>Metrics</h2>\n".to_owned();
    if series.iter().all(|one| one.points().next().is_none()) {
        text.push_str("<p>Nothing was measured.</p>\n</section>\n");
        return text;
    }
    text.push_str(
        "<p class=\"note\">Time is to scale within a stage and not between stages, and shares are on a square-root scale. \
         A point is a measurement: filled where its gate held or said nothing yet, hollow and larger where it failed; a \
         cross is one without data, which never counts as a success.</p>\n",
    );
    let axis = Axis::of(model, end_ms, chart::LEFT, chart::RIGHT);
    for one in series.iter().filter(|one| one.points().next().is_some()) {
        text.push_str(&figure(model, one, &axis));
    }
    text.push_str("</section>\n");
    text
}

fn figure(model: &Model, series: &Series, axis: &Axis) -> String {
    let sets = model.start.as_ref().map_or(&[][..], |start| &start.sets);
    let of = match sets.get(series.set) {
        Some(set) if sets.len() > 1 => format!("{}, {}", series.name, set.node_set),
        _ => series.name.to_owned(),
    };
    let svg = chart::svg(model, series, axis, &of);
    let mut text = format!("<figure>\n<figcaption><h3>{}</h3>", escaped(&of));
    if series.has_numbers() {
        text.push_str(&chart::legend(series));
    }
    push!(text, "</figcaption>\n{}", scrolled(&svg, &format!("Chart of {of}")));
    text.push_str(&tables::series(model, series));
    text.push_str("</figure>\n");
    text
}

fn nodes(model: &Model, end_ms: i64) -> String {
    if model.nodes.is_empty() {
        return String::new();
    }
    let mut text =
        "<section>\n<h2>Nodes</h2>\n<figure>\n<figcaption><ul class=\"legend\">".to_owned();
    for state in NodeState::ALL {
        let was = |node: &super::fold::NodeView| node.past.iter().any(|(_, past)| *past == state);
        if model.nodes.iter().any(was) {
            push!(text, "<li>{} {}</li>", timeline::swatch(state), state.name());
        }
    }
    text.push_str("</ul></figcaption>\n");
    text.push_str(&scrolled(&timeline::svg(model, end_ms), "Nodes over time"));
    let (headings, rows) = tables::nodes(model);
    text.push_str(&hidden_table("Nodes as a table", &headings, &rows));
    text.push_str("</figure>\n</section>\n");
    text
}

fn events(entries: &[Entry], model: &Model) -> String {
    let told =
        |entry: &&Entry| entry.rollout == model.rollout && !matches!(entry.what, What::Measured(_));
    let all: Vec<&Entry> = entries.iter().filter(told).collect();
    let hidden = all.len().saturating_sub(EVENTS);
    let mut text = "<section>\n<h2>Events</h2>\n".to_owned();
    if hidden > 0 {
        push!(text, "<p class=\"note\">The first {hidden} are left out.</p>\n");
    }
    text.push_str("<ol class=\"events\">\n");
    for entry in &all[hidden..] {
        let class = match telling::weight(&entry.what) {
            telling::Weight::Small | telling::Weight::Plain => "plain",
            telling::Weight::Good => "good",
            telling::Weight::Notable => "notable",
            telling::Weight::Bad => "bad",
        };
        let said = escaped(&telling::sentence(entry, model));
        let at = moment(entry.at_ms);
        push!(text, "<li class=\"{class}\"><time>{at}</time> <span>{said}</span></li>\n");
    }
    text.push_str("</ol>\n</section>\n");
    text
}
