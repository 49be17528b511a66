//! Nodes over time: a row a node, or, where they are many, how many are in each state.
//!
//! Invariants: at most [`ROWS`] rows and [`COLUMNS`] columns, however many nodes and entries there are.
//! Refuses to know: what made a node change its state.

use super::axis::Axis;
use super::markup::escaped;
use crate::rollout::figures::{clock, cut};
use crate::rollout::fold::{Model, NodeState, NodeView};

/// More nodes than this are drawn as numbers.
pub const ROWS: usize = 100;
/// Columns of the drawing of numbers.
const COLUMNS: i64 = 400;
const WIDTH: f64 = 960.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 948.0;
const ROW: u32 = 16;
const TOP: u32 = 22;
const TALL: f64 = 200.0;

/// The drawing.
pub fn svg(model: &Model, end_ms: i64) -> String {
    let axis = Axis::of(model, end_ms, LEFT, RIGHT);
    let many = model.nodes.len() > ROWS;
    let rows = u32::try_from(model.nodes.len()).unwrap_or(u32::MAX);
    let tall = if many { TALL } else { f64::from(ROW.saturating_mul(rows)) };
    let bottom = f64::from(TOP) + tall;
    let mut text = format!(
        "<svg class=\"nodes\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\">\n<title>Nodes by state over time</title>\n\
         <desc>{} nodes. The table below says where each one ended.</desc>\n",
        bottom + 22.0,
        model.nodes.len()
    );
    if many {
        text.push_str(&numbers(model, end_ms, &axis));
    } else {
        for (row, node) in (0_u32..).zip(&model.nodes) {
            text.push_str(&one_row(node, TOP + row * ROW, end_ms, &axis));
        }
    }
    text.push_str(&boundaries(model, bottom, &axis));
    text.push_str("</svg>\n");
    text
}

/// The class of a state.
pub fn class(state: NodeState) -> &'static str {
    match state {
        NodeState::Stable => "stable",
        NodeState::Changing => "changing",
        NodeState::Candidate => "candidate",
        NodeState::Baked => "baked",
        NodeState::Down => "down",
        NodeState::Excluded => "excluded",
        NodeState::RollingBack => "rolling-back",
        NodeState::Restored => "restored",
        NodeState::Failed => "failed",
    }
}

/// A sample of a state's colour.
pub fn swatch(state: NodeState) -> String {
    format!(
        "<svg class=\"key\" aria-hidden=\"true\" viewBox=\"0 0 24 12\"><rect class=\"s {}\" x=\"2\" width=\"20\" height=\"12\"/></svg>",
        class(state)
    )
}

fn one_row(node: &NodeView, y: u32, end_ms: i64, axis: &Axis) -> String {
    let (x, base) = (LEFT - 8.0, y + 11);
    let name = escaped(&cut(&node.name, 24));
    let mut text = format!(
        "<text class=\"axis\" x=\"{x}\" y=\"{base}\" text-anchor=\"end\">{name}<title>{}</title></text>\n",
        escaped(&node.name)
    );
    for (index, (from_ms, state)) in node.past.iter().enumerate() {
        let to_ms = node.past.get(index + 1).map_or(end_ms, |(at_ms, _)| *at_ms);
        let (from, to) = (axis.x(*from_ms), axis.x(to_ms));
        let said = format!("{}: {} from {}", node.name, state.name(), clock(*from_ms));
        push!(
            text,
            "<rect class=\"s {}\" x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\"><title>{}</title></rect>\n",
            class(*state),
            y + 1,
            (to - from).max(1.0),
            ROW - 3,
            escaped(&said)
        );
    }
    text
}

/// Stacked numbers of nodes by state, in columns of equal time within each part of the axis.
fn numbers(model: &Model, end_ms: i64, axis: &Axis) -> String {
    let mut changes: Vec<i64> =
        model.nodes.iter().flat_map(|node| node.past.iter().map(|(at_ms, _)| *at_ms)).collect();
    changes.sort_unstable();
    changes.dedup();
    let step = (i64::try_from(changes.len()).unwrap_or(i64::MAX) / COLUMNS).max(0) + 1;
    let step = usize::try_from(step).unwrap_or(1);
    let moments: Vec<i64> = changes.into_iter().step_by(step).collect();
    let all = f64::from(u32::try_from(model.nodes.len()).unwrap_or(u32::MAX));
    let mut text = String::new();
    for (index, from_ms) in moments.iter().enumerate() {
        let to_ms = moments.get(index + 1).copied().unwrap_or(end_ms);
        let (from, to) = (axis.x(*from_ms), axis.x(to_ms));
        let mut y = f64::from(TOP) + TALL;
        for state in order() {
            let many = model.nodes.iter().filter(|node| state_at(node, *from_ms) == state).count();
            if many == 0 {
                continue;
            }
            let tall = f64::from(u32::try_from(many).unwrap_or(u32::MAX)) / all * TALL;
            y -= tall;
            push!(
                text,
                "<rect class=\"s {}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"><title>{many} {} from {}</title></rect>\n",
                class(state),
                (to - from + 0.3).max(0.5),
                state.name(),
                clock(*from_ms)
            );
        }
    }
    let x = LEFT - 8.0;
    for (share, said) in [(0.0, model.nodes.len()), (0.5, model.nodes.len() / 2), (1.0, 0)] {
        let y = f64::from(TOP) + share * TALL + 4.0;
        push!(
            text,
            "<text class=\"axis\" x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{said} nodes</text>\n"
        );
    }
    text
}

/// From the bottom: what is done, what is under way, what is wrong, what is to come.
fn order() -> [NodeState; 9] {
    [
        NodeState::Baked,
        NodeState::Candidate,
        NodeState::Changing,
        NodeState::Restored,
        NodeState::RollingBack,
        NodeState::Failed,
        NodeState::Down,
        NodeState::Excluded,
        NodeState::Stable,
    ]
}

fn state_at(node: &NodeView, at_ms: i64) -> NodeState {
    let before = node.past.partition_point(|(from_ms, _)| *from_ms <= at_ms);
    node.past[..before].last().map_or(NodeState::Stable, |(_, state)| *state)
}

fn boundaries(model: &Model, bottom: f64, axis: &Axis) -> String {
    let mut text = String::new();
    let mut free = f64::NEG_INFINITY;
    let mut free_below = f64::NEG_INFINITY;
    let stages =
        model.stages.iter().filter_map(|stage| Some((stage.entered_ms?, &*stage.name, "")));
    let rollback =
        model.rollback.iter().map(|rollback| (rollback.decided_ms, "rollback", " alarm"));
    for (at_ms, name, alarm) in stages.chain(rollback) {
        let x = axis.x(at_ms);
        let class = if alarm.is_empty() { "boundary" } else { "decided" };
        push!(text, "<path class=\"{class}\" d=\"M{x:.1} 6V{bottom}\"/>\n");
        if x >= free {
            let name = cut(name, 10);
            free = x + 12.0 + 6.6 * f64::from(u32::try_from(name.chars().count()).unwrap_or(10));
            let name = escaped(&name);
            push!(
                text,
                "<text class=\"stage{alarm}\" x=\"{:.1}\" y=\"16\">{name}</text>\n",
                x + 4.0
            );
        }
        if x >= free_below {
            free_below = x + 52.0;
            let said = clock(at_ms);
            let y = bottom + 16.0;
            push!(
                text,
                "<text class=\"axis\" x=\"{x:.1}\" y=\"{y}\">{}</text>\n",
                &said[..said.len().min(5)]
            );
        }
    }
    text
}
