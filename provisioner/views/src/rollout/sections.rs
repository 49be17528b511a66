//! The parts that the live view and a status are made of: what it is, stages, nodes by state, gates, what holds it up, the
//! rollback.
//!
//! Invariants: no line is wider than asked for (colours take no room); nothing hangs on colour alone; at most
//! [`NODE_CELLS`] nodes of a set are drawn one by one, more are drawn as shares of a bar.
//! Refuses to know: when and where it is drawn.

use super::figures::{between, clock, cut, plain, span};
use super::fold::{Answer, GateView, Model, NodeState, NodeView, StageView};
use super::telling;
use crate::console::Palette;
use crate::fold::count;
use model::rollout::entry::{Outcome, Verdict};

/// More nodes than this in a set are not drawn one by one.
pub const NODE_CELLS: usize = 120;
/// How many of the last values a sparkline has.
const SPARKS: usize = 24;
/// How many it has where there are fewer columns than [`NARROW`].
const FEW_SPARKS: usize = 4;
/// Columns below which a sparkline is short.
const NARROW: usize = 70;
/// Columns of `: applying the rest, `.
const LONGEST_STATE: usize = 20;
/// How many nodes that do not answer are told one by one.
const DOWN_TOLD: usize = 5;

/// How and how wide to draw.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Colours.
    pub palette: Palette,
    /// Unix milliseconds.
    pub now_ms: i64,
}

/// The first line: which rollout, how far it is, since when.
pub fn heading(model: &Model, style: Style) -> String {
    let palette = style.palette;
    let environment = model.start.as_ref().map_or("", |start| start.environment.as_str());
    let by = model.start.as_ref().map_or("", |start| start.by.as_str());
    let state = match (&model.end, &model.rollback) {
        (Some(end), _) => {
            let name = telling::outcome_name(end.outcome);
            match end.outcome {
                Outcome::Committed => palette.good(name),
                Outcome::Superseded => palette.notable(name),
                Outcome::RolledBack | Outcome::RollbackFailed => palette.bad(name),
            }
        }
        (None, Some(_)) => palette.bad("rolling back"),
        (None, None) if model.hold().is_some() => palette.notable("held"),
        (None, None) if model.rest_runs => palette.accent("applying the rest"),
        (None, None) => palette.accent("running"),
    };
    let title = cut(&format!("Rollout {} of {environment}", model.rollout), style.width);
    let took = cut(&format!("{}, by {by}", span(model.took_ms(style.now_ms))), style.width);
    let whole = title.chars().count() + took.chars().count() + LONGEST_STATE;
    let title = palette.bold(&title);
    if whole > style.width {
        return format!("{title}\n{state}\n{took}\n");
    }
    format!("{title}: {state}, {took}\n")
}

/// One line a stage.
pub fn stages(model: &Model, style: Style) -> String {
    let several = model.start.as_ref().is_some_and(|start| start.sets.len() > 1);
    let named = |stage: &StageView| match model.start.as_ref() {
        Some(start) if several => format!("{}/{}", start.sets[stage.set].node_set, stage.name),
        _ => stage.name.clone(),
    };
    let wide = model.stages.iter().map(|stage| named(stage).chars().count()).max().unwrap_or(0);
    let wide = wide.min(style.width / 3);
    let grown: Vec<String> = (0..model.stages.len()).map(|place| growth(model, place)).collect();
    let column = grown.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (place, stage) in model.stages.iter().enumerate() {
        let (sign, how) = one_stage(model, place, stage, style);
        let rest = format!("{:column$}  {how}", grown[place]);
        let name = cut(&named(stage), wide);
        let prefix = 5 + wide;
        let rest = cut(&rest, style.width.saturating_sub(prefix));
        push!(text, "  {sign} {name:wide$} {rest}\n");
    }
    text
}

/// The line of the stage that it is in.
pub fn current_stage(model: &Model, style: Style) -> String {
    let all = stages(model, style);
    let line = model.current.and_then(|place| all.lines().nth(place));
    line.map(|line| format!("{line}\n")).unwrap_or_default()
}

fn one_stage(model: &Model, place: usize, stage: &StageView, style: Style) -> (String, String) {
    let palette = style.palette;
    let rolled_back = model.rollback.is_some() && stage.promoted.is_none();
    let current = model.current == Some(place) && model.end.is_none();
    let sign = match (&stage.promoted, stage.entered_ms) {
        (Some(_), _) => palette.good("✓"),
        (None, Some(_)) if rolled_back => palette.bad("✗"),
        (None, Some(_)) if current => palette.accent("●"),
        (None, Some(_)) => palette.notable("–"),
        (None, None) => palette.dim("○"),
    };
    let how = match (stage.entered_ms, stage.left_ms, stage.bake_ends_ms()) {
        (None, ..) => format!("bakes {}", span(stage.bake_ms)),
        (Some(entered), Some(left), _) => {
            let verdict = stage
                .verdict
                .as_ref()
                .map_or("left", |(verdict, _)| telling::verdict_name(*verdict));
            let by = stage.promoted.clone().flatten().map(|by| format!(", by {by}"));
            format!("{verdict} after {}{}", span(between(entered, left)), by.unwrap_or_default())
        }
        (Some(_), None, None) => {
            let done = stage_done(model, stage);
            let bar = bar(share(done, stage.nodes.len()), 20);
            format!("{bar} {done} of {} changed", stage.nodes.len())
        }
        (Some(_), None, Some(ends)) => {
            let left = between(style.now_ms, ends);
            let gone = 1.0 - ratio(left, stage.bake_ms);
            let left =
                if left == 0 { "bake over".to_owned() } else { format!("{} left", span(left)) };
            format!("{} {left}", bar(gone, 20))
        }
    };
    (sign, how)
}

/// `+4 nodes, 6 of 24`.
fn growth(model: &Model, place: usize) -> String {
    let set = model.stages[place].set;
    let stages = model.stages[..=place].iter().filter(|stage| stage.set == set);
    let upto: usize = stages.map(|stage| stage.nodes.len()).sum();
    let of = model.nodes.iter().filter(|node| node.set == set).count();
    format!("+{}, {upto} of {of}", count(model.stages[place].nodes.len(), "node"))
}

fn stage_done(model: &Model, stage: &StageView) -> usize {
    let done = |node: &&NodeView| {
        stage.nodes.contains(&node.name)
            && !matches!(node.revision, NodeState::Stable | NodeState::Changing)
    };
    model.nodes.iter().filter(done).count()
}

/// From 0 to 1; 1 where there is nothing to do.
fn share(done: usize, of: usize) -> f64 {
    ratio(u64::try_from(done).unwrap_or(0), u64::try_from(of).unwrap_or(0))
}

#[expect(clippy::cast_precision_loss, reason = "a share that is drawn with 20 cells")]
fn ratio(done: u64, of: u64) -> f64 {
    if of == 0 { 1.0 } else { (done as f64 / of as f64).clamp(0.0, 1.0) }
}

fn bar(share: f64, cells: u32) -> String {
    let full = (0..cells).filter(|cell| (f64::from(*cell) + 0.5) / f64::from(cells) <= share);
    let full = full.count();
    let rest = usize::try_from(cells).unwrap_or(0) - full;
    format!("{}{}", "━".repeat(full), "╌".repeat(rest))
}

/// The sign of a state; each is another one, so that colours are not needed.
pub fn sign(state: NodeState) -> &'static str {
    match state {
        NodeState::Stable => "·",
        NodeState::Changing => "◐",
        NodeState::Candidate => "●",
        NodeState::Baked => "■",
        NodeState::Down => "!",
        NodeState::Excluded => "-",
        NodeState::RollingBack => "◑",
        NodeState::Restored => "○",
        NodeState::Failed => "✗",
    }
}

fn painted(state: NodeState, text: &str, palette: Palette) -> String {
    match state {
        NodeState::Stable => palette.dim(text),
        NodeState::Changing | NodeState::RollingBack | NodeState::Excluded => palette.notable(text),
        NodeState::Candidate => palette.accent(text),
        NodeState::Baked | NodeState::Restored => palette.good(text),
        NodeState::Down | NodeState::Failed => palette.bad(text),
    }
}

/// Nodes by state: a sign each, or a bar of shares where they are many; and the legend with numbers.
pub fn nodes(model: &Model, style: Style) -> String {
    let palette = style.palette;
    let mut text = String::new();
    let sets = model.start.as_ref().map_or(&[][..], |start| &start.sets);
    for (place, set) in sets.iter().enumerate() {
        let nodes: Vec<&NodeView> = model.nodes.iter().filter(|node| node.set == place).collect();
        push!(text, "  {}\n", palette.bold(&cut(&set.node_set, style.width.saturating_sub(2))));
        if nodes.len() > NODE_CELLS {
            text.push_str(&shares(&nodes, style));
        } else {
            text.push_str(&cells(&nodes, style));
        }
    }
    text.push_str(&legend(model, style));
    text.push_str(&down(model, style));
    text
}

/// How many nodes are in each state.
pub fn legend(model: &Model, style: Style) -> String {
    let palette = style.palette;
    let mut text = String::new();
    let legend = model
        .counts()
        .into_iter()
        .map(|(state, count)| (format!("{} {count} {}", sign(state), state.name()), state));
    let mut used = 2;
    text.push_str("  ");
    for (index, (part, state)) in legend.enumerate() {
        let wide = part.chars().count() + 3;
        if index > 0 && used + wide > style.width {
            text.push_str("\n  ");
            used = 2;
        } else if index > 0 {
            text.push_str("   ");
        }
        used += wide;
        text.push_str(&painted(state, &part, palette));
    }
    text.push('\n');
    text
}

/// A sign a node, a space after ten, a line a failure domain.
fn cells(nodes: &[&NodeView], style: Style) -> String {
    let mut domains: Vec<&str> = nodes.iter().map(|node| node.domain.as_str()).collect();
    domains.sort_unstable();
    domains.dedup();
    let wide = domains.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let wide = wide.min(style.width / 3);
    let fit = style.width.saturating_sub(wide + 6).max(11) / 11 * 10;
    let mut text = String::new();
    for domain in domains {
        let states: Vec<NodeState> =
            nodes.iter().filter(|node| node.domain == domain).map(|node| node.state()).collect();
        for (row, states) in states.chunks(fit).enumerate() {
            let name = if row == 0 { cut(domain, wide) } else { String::new() };
            push!(text, "    {name:wide$} ");
            for (index, state) in states.iter().enumerate() {
                let gap = if index > 0 && index % 10 == 0 { " " } else { "" };
                push!(text, "{gap}{}", painted(*state, sign(*state), style.palette));
            }
            text.push('\n');
        }
    }
    text
}

/// One bar: each state has cells by its share, at least one.
fn shares(nodes: &[&NodeView], style: Style) -> String {
    let room = style.width.saturating_sub(5).clamp(20, 100);
    let mut text = "    ".to_owned();
    let mut used = 0;
    let mut rest = nodes.len();
    // What is done comes first, as in a bar of progress.
    let stable = NodeState::ALL.len() - 1;
    let mut order = NodeState::ALL;
    order.reverse();
    order[..stable].sort_by_key(|state| *state != NodeState::Baked);
    for state in order {
        let many = nodes.iter().filter(|node| node.state() == state).count();
        if many == 0 {
            continue;
        }
        rest -= many;
        let fair = (many * room).div_ceil(nodes.len());
        let cells = if rest == 0 { room.saturating_sub(used).max(1) } else { fair.max(1) };
        used += cells;
        text.push_str(&painted(state, &sign(state).repeat(cells), style.palette));
    }
    text.push('\n');
    text
}

fn down(model: &Model, style: Style) -> String {
    let mut text = String::new();
    let down = model.nodes.iter().filter_map(|node| Some((node, node.down.as_ref()?)));
    let down: Vec<_> = down.filter(|(node, _)| node.state() == NodeState::Down).collect();
    for (node, why) in down.iter().take(DOWN_TOLD) {
        let line = cut(&format!("{}: {why}", node.name), style.width.saturating_sub(4));
        push!(text, "  {} {line}\n", style.palette.bad("!"));
    }
    if down.len() > DOWN_TOLD {
        push!(text, "  {} {} more do not answer\n", style.palette.bad("!"), down.len() - DOWN_TOLD);
    }
    text
}

/// Each gate of the stage that it is in: sparkline, last value, verdict, what must hold.
pub fn gates(model: &Model, style: Style) -> String {
    let Some(stage) = model.current.and_then(|current| model.stages.get(current)) else {
        return String::new();
    };
    let wide = stage.gates.iter().map(|gate| gate.name.chars().count()).max().unwrap_or(0);
    let wide = wide.min(style.width / 4);
    // What a gate says matters more than how it came to it.
    let sparks = if style.width < NARROW { FEW_SPARKS } else { SPARKS };
    let mut text = String::new();
    for gate in &stage.gates {
        let last = gate.points.last();
        let value = last.map_or_else(
            || "not measured".to_owned(),
            |point| match point.reading {
                Answer::Number => {
                    point.value.map_or_else(|| "no events".to_owned(), |v| gate.figure(v))
                }
                Answer::Yes => "yes".to_owned(),
                Answer::No => "no".to_owned(),
                Answer::Missing => "no data".to_owned(),
                Answer::Error => "no answer".to_owned(),
            },
        );
        let (sign, verdict) = told(gate.verdict, style.palette);
        let drawn = sparkline(gate);
        let skipped = drawn.chars().count().saturating_sub(sparks);
        let drawn: String = drawn.chars().skip(skipped).collect();
        let name = cut(&gate.name, wide);
        let line = format!("{name:wide$} {drawn:<sparks$} {value:>12}  {verdict:<12}");
        let (room, rule) = (style.width.saturating_sub(4), gate.rule());
        if line.chars().count() + rule.chars().count() + 2 <= room {
            push!(text, "  {sign} {line}  {rule}\n");
        } else {
            push!(text, "  {sign} {}\n", cut(line.trim_end(), room));
            push!(text, "      {}\n", cut(&rule, style.width.saturating_sub(6)));
        }
        let why =
            last.filter(|point| gate.verdict != Some(Verdict::Successful) && !point.why.is_empty());
        if let Some(point) = why {
            let why = cut(&point.why, style.width.saturating_sub(6));
            push!(text, "      {}\n", style.palette.dim(&why));
        }
    }
    text
}

fn told(verdict: Option<Verdict>, palette: Palette) -> (String, &'static str) {
    let sign = match verdict {
        None => palette.dim("○"),
        Some(Verdict::Successful) => palette.good("✓"),
        Some(Verdict::Inconclusive) => palette.notable("?"),
        Some(Verdict::Error) => palette.notable("!"),
        Some(Verdict::Failed) => palette.bad("✗"),
    };
    (sign, verdict.map_or("-", telling::verdict_name))
}

/// The last values between the least and the greatest of them and the bounds; `×` where there was no data.
fn sparkline(gate: &GateView) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let recent = &gate.points[gate.points.len().saturating_sub(SPARKS)..];
    let values: Vec<f64> = recent.iter().filter_map(|point| point.value).collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let spark = |point: &super::fold::Point| match (point.reading, point.value) {
        (Answer::Yes, _) => '✓',
        (Answer::No, _) => '✗',
        (_, None) => '×',
        (_, Some(value)) => {
            let share = if greatest > least { (value - least) / (greatest - least) } else { 0.0 };
            let step =
                (1..HEIGHTS.len()).zip(1_u32..).filter(|(_, at)| share * 8.0 >= f64::from(*at));
            HEIGHTS[step.last().map_or(0, |(index, _)| index)]
        }
    };
    recent.iter().map(spark).collect()
}

/// What holds it up, and what to do about it.
pub fn holds(model: &Model, style: Style) -> String {
    let Some(hold) = model.hold() else {
        return String::new();
    };
    let palette = style.palette;
    let since = span(between(hold.from_ms, style.now_ms));
    let told = format!("held for {since}: {}", telling::hold(&hold.reason, model));
    let told = cut(&told, style.width.saturating_sub(4));
    let mut text = format!("  {} {}\n", palette.notable("‖"), palette.notable(&told));
    let environment = model.start.as_ref().map(|start| plain(&start.environment));
    let environment = environment.unwrap_or_default();
    for (verb, does) in telling::remedy(&hold.reason, model.undone) {
        push!(text, "      provisioner rollout {verb} {environment}");
        if let (&"approve", Some(start)) = (verb, &model.start) {
            push!(text, " --plan {}", plain(&start.plan_hash));
        }
        push!(text, "  {}\n", palette.dim(does));
    }
    text
}

/// Times of a rollback, and why there is one.
pub fn rollback(model: &Model, style: Style) -> String {
    let Some(rollback) = &model.rollback else {
        return String::new();
    };
    let room = style.width.saturating_sub(4);
    let mut line = format!(
        "detected {}, decided {} ({} later)",
        clock(rollback.detected_ms),
        clock(rollback.decided_ms),
        span(between(rollback.detected_ms, rollback.decided_ms)),
    );
    if let (Some(restored), Some(mttr)) = (rollback.restored_ms, rollback.mttr_ms()) {
        push!(line, ", restored {}: MTTR {}", clock(restored), span(mttr));
    } else {
        push!(line, ", {} to restore", count(rollback.nodes.len(), "node"));
    }
    let palette = style.palette;
    let sign = palette.bad("↺");
    format!("  {sign} {}\n    {}\n", cut(&rollback.why, room), palette.dim(&cut(&line, room)))
}
