//! Which nodes come with which stage.
//!
//! Seeded by the rollout's id, spread over the failure domains in proportion, and sticky: the nodes of a stage are among
//! those of the next. Percentages are of the nodes that change, and round up. Of every domain that has more than one
//! node, at least one stays on stable below three quarters, and `holdback` from there to the last stage.
//! Invariant: the same id and nodes give the same stages. Refuses to know: gates, time, what is done to a node.

use model::digest::sha256_hex;
use model::rollout::entry::{NodeChange, NodeStart, SetStart, StageNodes};
use model::rollout::{Amount, Rollout};
use std::collections::{BTreeMap, BTreeSet};

/// A share of three quarters: below it no domain is all new, from it on the holdback counts.
const THREE_QUARTERS: f64 = 75.0;

/// A node set as its rollout begins: its nodes by stage. `rollout` is the id, the seed of the choice.
pub fn select(id: &str, node_set: &str, rules: Rollout, nodes: Vec<NodeStart>) -> SetStart {
    let stages = stages(id, node_set, &rules, &nodes);
    SetStart { node_set: node_set.to_owned(), rollout: rules, nodes, stages }
}

/// So many of `of`: percentages round up.
pub(crate) fn amount(amount: Amount, of: u32) -> u32 {
    match amount {
        Amount::Count(count) => count,
        Amount::Percent(percent) => {
            let wanted = percent.clamp(0.0, 100.0) * f64::from(of);
            // The margin keeps 5 % of 20 from being 2.
            (0..of).find(|count| f64::from(*count) * 100.0 + 1e-6 >= wanted).unwrap_or(of)
        }
    }
}

/// The percentage that a stage asks for, of so many nodes.
fn share(amount: Amount, of: u32) -> f64 {
    match amount {
        Amount::Percent(percent) => percent,
        Amount::Count(count) => f64::from(count) * 100.0 / f64::from(of.max(1)),
    }
}

fn stages(id: &str, set: &str, rules: &Rollout, nodes: &[NodeStart]) -> Vec<StageNodes> {
    let order = Order::new(id, set, rules.holdback, nodes);
    let all = u32::try_from(order.nodes.len()).unwrap_or(u32::MAX);
    let last = rules.stages.len().saturating_sub(1);
    let mut taken = BTreeSet::new();
    let mut stages: Vec<StageNodes> = Vec::new();
    for ((at, stage), number) in rules.stages.iter().enumerate().zip(0_u32..) {
        let target = if at == last { all } else { amount(stage.nodes, all).clamp(1, all.max(1)) };
        let kept = match share(stage.nodes, all) {
            _ if at == last => &BTreeSet::new(),
            share if share < THREE_QUARTERS => &order.one_left,
            _ => &order.held_back,
        };
        let mut added = Vec::new();
        for name in &order.nodes {
            if taken.len() >= usize::try_from(target).unwrap_or(usize::MAX) {
                break;
            }
            if !kept.contains(name) && taken.insert(*name) {
                added.push((*name).to_owned());
            }
        }
        match stages.last_mut() {
            Some(before) if added.is_empty() => before.stage = number,
            None if added.is_empty() => {}
            _ => stages.push(StageNodes { stage: number, nodes: added }),
        }
    }
    stages
}

/// The nodes that change, in the order in which they are taken.
struct Order<'a> {
    nodes: Vec<&'a str>,
    /// Those that stay below three quarters, so that no domain is all new.
    one_left: BTreeSet<&'a str>,
    /// Those that stay until the last stage.
    held_back: BTreeSet<&'a str>,
}

impl<'a> Order<'a> {
    fn new(id: &str, set: &str, holdback: u32, nodes: &'a [NodeStart]) -> Self {
        let key =
            |kind: &str, name: &str| sha256_hex(format!("{id}\0{set}\0{kind}\0{name}").as_bytes());
        let mut domains: BTreeMap<&str, Vec<&NodeStart>> = BTreeMap::new();
        for node in nodes.iter().filter(|node| node.change != NodeChange::None) {
            domains.entry(&node.domain).or_default().push(node);
        }
        let mut placed = Vec::new();
        let (mut one_left, mut held_back) = (BTreeSet::new(), BTreeSet::new());
        for (domain, mut members) in domains {
            members.sort_by_cached_key(|node| key("node", &node.name));
            let holdback = usize::try_from(holdback).unwrap_or(usize::MAX);
            // What is kept for longest comes last.
            let (longest, shortest) = (holdback.max(1), holdback);
            let kept = reserve(&members, nodes, domain, longest);
            held_back.extend(reserve(&members, nodes, domain, shortest));
            one_left.extend(kept.iter().copied());
            members.sort_by_key(|node| kept.contains(node.name.as_str()));
            let domain_key = key("domain", domain);
            let offset = fraction(&domain_key);
            let size = f64::from(u32::try_from(members.len()).unwrap_or(u32::MAX));
            for (at, node) in (0_u32..).zip(members) {
                let place = (f64::from(at) + offset) / size;
                placed.push((place, domain_key.clone(), node.name.as_str()));
            }
        }
        placed.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        let nodes = placed.into_iter().map(|(_, _, name)| name).collect();
        Self { nodes, one_left, held_back }
    }
}

/// The nodes of a domain that stay on stable, at most `wanted`: they exist already, and one of the domain can always go.
fn reserve<'a>(
    members: &[&'a NodeStart],
    all: &[NodeStart],
    domain: &str,
    wanted: usize,
) -> BTreeSet<&'a str> {
    let exists = |node: &&&NodeStart| node.change != NodeChange::Create;
    let unchanged =
        all.iter().filter(|node| node.domain == domain && node.change == NodeChange::None);
    // Where a set only grows, those that stay as they are are on stable.
    let grows =
        all.iter().all(|node| !matches!(node.change, NodeChange::Update | NodeChange::Replace));
    let stay = if grows { unchanged.count() } else { 0 };
    let most = members.len().saturating_sub(1);
    let wanted = wanted.saturating_sub(stay).min(most);
    members.iter().rev().filter(exists).take(wanted).map(|node| node.name.as_str()).collect()
}

/// A number from 0 to 1 out of a digest.
fn fraction(digest: &str) -> f64 {
    let digits = digest.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    f64::from(digits.unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}
