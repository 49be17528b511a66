//! What a plan says of a rollout before it begins: the stages with the names of their nodes, what each gate can prove, what
//! is at stake, and how long it takes at least. As JSON it is the data itself.
//!
//! Invariant: every node that a stage changes is named, however many there are.
//! Refuses to know: where the numbers come from.

use super::figures::{number, plain, share, span};
use crate::console::Palette;
use crate::fold::count;
use model::rollout::entry::{NodeChange, SetStart};
use model::rollout::foresight::{Blast, Foresight, GateForesight, PlannedPoint, StageForesight};
use std::collections::BTreeMap;

/// For people, so many columns wide.
pub fn human(foresight: &Foresight, palette: Palette, width: usize) -> String {
    let mut text = String::new();
    let (sets, stages) = (&foresight.sets, &foresight.stages);
    for (set, stages) in sets.iter().zip(stages) {
        let heading = format!("Rollout of {}", set.node_set);
        push!(text, "{}: {}", palette.bold(&heading), changes(set));
        push!(text, ", {}, by {}\n", count(stages.len(), "stage"), set.rollout.name);
        for stage in stages {
            text.push_str(&one_stage(set, stage, palette, width));
        }
        text.push('\n');
    }
    if !foresight.lists.is_empty() {
        let lists: Vec<String> = foresight.lists.iter().map(ToString::to_string).collect();
        let heading = "As machines come and go, these follow: ";
        paragraph(&mut text, heading, &lists.join(", "), width);
    }
    if let Some(PlannedPoint { name, objects }) = &foresight.restore_point {
        let heading = "Before the first stage a restore point is made: ";
        let what = format!("{name}, of {}", count(objects.len(), "object"));
        paragraph(&mut text, heading, &what, width);
    }
    push!(text, "It takes at least {}", palette.bold(&span(foresight.total_ms)));
    if sets.len() > 1 {
        let order: Vec<&str> = sets.iter().map(|set| set.node_set.as_str()).collect();
        push!(text, ", one node set after the other: {}", order.join(", "));
    }
    push!(text, ". Its id is {}; the nodes of a stage are chosen by it.\n", foresight.rollout);
    text
}

/// For programs.
pub fn json(foresight: &Foresight) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(foresight)
}

fn changes(set: &SetStart) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for node in &set.nodes {
        let what = match node.change {
            NodeChange::None => continue,
            NodeChange::Update => "to update",
            NodeChange::Replace => "to replace",
            NodeChange::Create => "to create",
            NodeChange::Delete => "to delete",
        };
        *counts.entry(what).or_default() += 1;
    }
    let changes: Vec<String> = counts.iter().map(|(what, many)| format!("{many} {what}")).collect();
    let nodes = count(set.nodes.len(), "node");
    if changes.is_empty() { nodes } else { format!("{nodes}, {}", changes.join(", ")) }
}

fn one_stage(set: &SetStart, foreseen: &StageForesight, palette: Palette, width: usize) -> String {
    let place = usize::try_from(foreseen.stage).unwrap_or(usize::MAX);
    let Some(stage) = set.rollout.stages.get(place) else {
        return String::new();
    };
    let new = set.stages.iter().find(|nodes| nodes.stage == foreseen.stage);
    let new: &[String] = new.map_or(&[], |nodes| &nodes.nodes);
    let mut text = format!(
        "  {} {} on the candidate, {} left as control, bakes {}\n",
        palette.accent(&format!("{:<12}", stage.name)),
        count_of(foreseen.candidates, "node"),
        foreseen.control,
        span(stage.bake_ms),
    );
    let names = ranges(new).join(", ");
    paragraph(&mut text, &format!("{} new: ", new.len()), &names, width);
    if let Some(approval) = &stage.approval {
        let people = if approval.people == 1 { "person" } else { "people" };
        push!(text, "    {} {people} must agree first\n", approval.people);
    }
    for gate in &foreseen.gates {
        text.push_str(&one_gate(gate, palette, width));
    }
    paragraph(&mut text, "at stake: ", &at_stake(&foreseen.blast), width);
    text
}

fn one_gate(gate: &GateForesight, palette: Palette, width: usize) -> String {
    let sign = match gate.can_prove {
        Some(true) => palette.good("✓"),
        Some(false) => palette.bad("✗"),
        None => palette.notable("?"),
    };
    let can = match gate.can_prove {
        Some(false) => "can never pass: ",
        Some(true) | None => "",
    };
    let mut text = String::new();
    paragraph(
        &mut text,
        &format!("{sign} {}: ", plain(&gate.gate)),
        &format!("{can}{}", gate.says),
        width,
    );
    text
}

/// What a stage puts at stake, on one line.
pub fn at_stake(blast: &Blast) -> String {
    let mut text = format!("{} for {}", count_of(blast.nodes, "node"), span(blast.ms));
    if let Some(errors) = blast.errors {
        push!(text, ", up to {} errors before a gate stops it", number(errors.ceil()));
    }
    if let Some(budget) = blast.budget_share {
        push!(text, ", {} of the error budget", share(budget));
    }
    text
}

fn count_of(number: u32, what: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), what)
}

/// Wraps a text behind a label, with a hanging indent.
fn paragraph(text: &mut String, label: &str, content: &str, width: usize) {
    let options = textwrap::Options::new(width.max(40))
        .initial_indent("    ")
        .subsequent_indent("      ")
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .word_separator(textwrap::WordSeparator::AsciiSpace);
    let kept = kept_together(&format!("{label}{}", plain(content)));
    for line in textwrap::wrap(&kept, options) {
        push!(text, "{}\n", line.replace(NO_BREAK, " "));
    }
}

const NO_BREAK: char = '\u{a0}';

/// With no line break after a digit: `4 603`, `15 min`.
fn kept_together(text: &str) -> String {
    let mut last = ' ';
    let kept = text.chars().map(|letter| {
        let kept = if letter == ' ' && last.is_ascii_digit() { NO_BREAK } else { letter };
        last = letter;
        kept
    });
    kept.collect()
}

/// Names in order, runs of three or more that only differ in a number at the end as `edge-a-001…005`.
pub fn ranges(names: &[String]) -> Vec<String> {
    let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let mut runs: Vec<Vec<&str>> = Vec::new();
    for name in sorted {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| follows(last, name)) => run.push(name),
            _ => runs.push(vec![name]),
        }
    }
    let shown = |run: Vec<&str>| match run.as_slice() {
        [first, _, .., last] => vec![format!("{first}…{}", numbered(last).1)],
        few => few.iter().map(|name| (*name).to_owned()).collect(),
    };
    runs.into_iter().flat_map(shown).collect()
}

fn follows(last: &str, name: &str) -> bool {
    let ((stem, number), (next_stem, next)) = (numbered(last), numbered(name));
    let value = |digits: &str| digits.parse::<u64>().ok();
    stem == next_stem
        && number.len() == next.len()
        && value(number).zip(value(next)).is_some_and(|(number, next)| number + 1 == next)
}

/// A name without the digits at its end, and those.
fn numbered(name: &str) -> (&str, &str) {
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    name.split_at(stem.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::sample;

    fn foresight(nodes: u32) -> Foresight {
        let set = sample::set_start(nodes, "edge");
        let mut candidates = 0;
        let stages = set.stages.iter().map(|stage| {
            candidates += u32::try_from(stage.nodes.len()).unwrap();
            let bake = set.rollout.stages[stage.stage as usize].bake_ms;
            let gate = |gate: &str, can_prove, says: &str| GateForesight {
                gate: gate.to_owned(),
                can_prove,
                says: says.to_owned(),
            };
            StageForesight {
                stage: stage.stage,
                candidates,
                control: nodes - candidates,
                gates: vec![
                    gate("errors", Some(stage.stage > 0), "4 603 events without an error would show < 0.1 % at 99 %; 4 500 are expected in 15 min"),
                    gate("throughput", None, "applies from a load of 7 000 on, which nobody states"),
                    gate("alerts", Some(true), "yes or no, every 60 s"),
                ],
                blast: Blast {
                    nodes: candidates,
                    ms: bake,
                    errors: Some(f64::from(candidates) * 27.0),
                    budget_share: Some(0.000_1 * f64::from(candidates)),
                },
            }
        });
        let stages = vec![stages.collect()];
        let total_ms = 99_900_000;
        let restore_point = None;
        let watching = "node_set.watch.node[\"watch-main-001\"].service.prometheus";
        let lists = model::Address::parse(watching).into_iter().collect();
        Foresight {
            rollout: "r-7f3a90c1".to_owned(),
            sets: vec![set],
            stages,
            total_ms,
            lists,
            restore_point,
        }
    }

    #[test]
    fn people_see_names_proofs_and_stakes() {
        insta::assert_snapshot!(human(&foresight(24), Palette::PLAIN, 90));
    }

    #[test]
    fn every_node_is_named_or_within_a_range() {
        let foresight = foresight(1_000);
        let text = human(&foresight, Palette::PLAIN, 100);
        assert!(text.lines().count() < 100, "{text}");
        let named: usize = foresight.sets[0].stages.iter().map(|stage| stage.nodes.len()).sum();
        assert_eq!(named, 1_000);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn json_is_the_data() {
        let foresight = foresight(24);
        let read: Foresight = serde_json::from_value(json(&foresight).unwrap()).unwrap();
        assert_eq!(read.stages, foresight.stages);
    }

    #[test]
    fn runs_of_names_are_shortened() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let all = names(&["a-003", "a-001", "a-002", "b-1", "b-2", "c"]);
        assert_eq!(ranges(&all), ["a-001…003", "b-1", "b-2", "c"]);
        assert_eq!(ranges(&names(&["a-9", "a-10", "a-11"])), ["a-10", "a-11", "a-9"]);
    }
}
