//! The rollouts of an environment, and the entries of one.
//!
//! Refuses to know: stores. Whoever calls reads the entries.

use super::figures::{moment, plain, span};
use super::fold::Model;
use super::telling;
use crate::console::Palette;
use crate::table;
use model::rollout::entry::{Entry, Outcome};
use serde::Serialize;

/// A rollout in the history. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RolloutRow {
    /// Its id.
    pub rollout: String,
    /// Its environment.
    pub environment: String,
    /// The node sets.
    pub node_sets: Vec<String>,
    /// How many nodes those have.
    pub nodes: usize,
    /// Who started it.
    pub by: String,
    /// When.
    pub started_ms: i64,
    /// When it ended; none while it is under way.
    pub ended_ms: Option<i64>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it ended so.
    pub why: Option<String>,
    /// The last stage that it reached.
    pub stage: Option<String>,
    /// Milliseconds from detection to the end of the rollback, if it was rolled back.
    pub mttr_ms: Option<u64>,
}

impl RolloutRow {
    /// Of a fold; none if it has not begun.
    pub fn of(model: &Model) -> Option<Self> {
        let start = model.start.as_ref()?;
        let stage = model.current.and_then(|current| model.stages.get(current));
        let end = model.end.as_ref();
        Some(Self {
            rollout: model.rollout.clone(),
            environment: start.environment.clone(),
            node_sets: start.sets.iter().map(|set| set.node_set.clone()).collect(),
            nodes: model.nodes.len(),
            by: start.by.clone(),
            started_ms: model.started_ms,
            ended_ms: end.map(|end| end.at_ms),
            outcome: end.map(|end| end.outcome),
            why: end.map(|end| end.why.clone()),
            stage: stage.map(|stage| stage.name.clone()),
            mttr_ms: model.rollback.as_ref().and_then(super::fold::RollbackView::mttr_ms),
        })
    }
}

/// The rollouts that entries are of, in the order in which they began. Entries of different ones may be mixed.
pub fn rollouts(entries: &[Entry]) -> Vec<RolloutRow> {
    let mut models: Vec<Model> = Vec::new();
    for entry in entries {
        let place = models.iter().rposition(|model| model.rollout == entry.rollout);
        let place = place.unwrap_or_else(|| {
            models.push(Model::default());
            models.len() - 1
        });
        models[place].take(entry);
    }
    models.iter().filter_map(RolloutRow::of).collect()
}

/// Rollouts for people, the latest first; how long one takes that is under way is counted to `now_ms` (Unix milliseconds).
pub fn human(rows: &[RolloutRow], now_ms: i64, palette: Palette) -> String {
    if rows.is_empty() {
        return "No rollout has begun yet.\n".to_owned();
    }
    let cells = |row: &RolloutRow| {
        let outcome = match (row.outcome, &row.stage) {
            (Some(outcome), _) => telling::outcome_name(outcome).to_owned(),
            (None, Some(stage)) => plain(&format!("in {stage}")),
            (None, None) => "not in a stage yet".to_owned(),
        };
        let took = super::figures::between(row.started_ms, row.ended_ms.unwrap_or(now_ms));
        vec![
            row.rollout.clone(),
            moment(row.started_ms),
            plain(&row.by),
            plain(&format!("{} ({})", row.node_sets.join(", "), row.nodes)),
            outcome,
            span(took),
            row.mttr_ms.map(span).unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = rows.iter().rev().map(cells).collect();
    let headings = ["rollout", "began", "by", "nodes", "outcome", "took", "mttr"];
    headed(&table::render(&headings, &rows, ""), palette)
}

/// The entries of one rollout for people, in their order.
pub fn entries(entries: &[Entry], palette: Palette) -> String {
    let model = Model::of(entries);
    let cells = |entry: &Entry| {
        let said = telling::sentence(entry, &model);
        vec![entry.number.to_string(), moment(entry.at_ms), said]
    };
    let rows: Vec<_> = entries.iter().map(cells).collect();
    headed(&table::render(&["entry", "at", "what"], &rows, ""), palette)
}

/// Rows or entries for programs.
pub fn json<T: Serialize>(rows: &[T]) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(rows)
}

fn headed(text: &str, palette: Palette) -> String {
    match text.split_once('\n') {
        Some((heading, rest)) => format!("{}\n{rest}", palette.dim(heading)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::sample;

    #[test]
    fn the_latest_rollout_comes_first() {
        let renamed = |entries: Vec<Entry>, name: &str| {
            let name = name.to_owned();
            entries.into_iter().map(move |entry| Entry { rollout: name.clone(), ..entry })
        };
        let mut mixed = sample::good();
        mixed.extend(renamed(sample::rolled_back(), "r-2"));
        mixed.extend(renamed(sample::held(), "r-3"));
        let rows = rollouts(&mixed);
        assert_eq!(rows.len(), 3);
        let now_ms = mixed.last().unwrap().at_ms;
        insta::assert_snapshot!(human(&rows, now_ms, Palette::PLAIN));
        assert_eq!(json(&rows).unwrap()[1]["outcome"], "rolled_back");
        assert_eq!(human(&[], 0, Palette::PLAIN), "No rollout has begun yet.\n");
    }

    #[test]
    fn the_entries_of_one_are_sentences() {
        insta::assert_snapshot!(super::entries(&sample::rolled_back(), Palette::PLAIN));
    }
}
