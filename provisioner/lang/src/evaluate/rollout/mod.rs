//! Rollouts: handles, the bodies of `gate` and `rollout` blocks, and which node set goes by which.
//!
//! Invariants: bodies come last, when all else has been evaluated, so a rollout may look at nodes whose set it is of;
//! every gate and rollout is evaluated, whether something uses it or not; all values in them are known.
//! Refuses to know: which nodes come in which stage, what a gate can prove, what time it is.

mod gate;
mod limits;
mod query;
mod reading;
mod stage;
mod units;
mod window;

use super::graph::{Decl, Graph, What};
use super::names::Place;
use crate::around::around;
use crate::eval::{is_failed, rests_on_opaque};
use crate::module::suggest::did_you_mean;
use crate::syntax::{Expression, references};
use model::convert::article;
use model::rollout::{Amount, ErrorBudget, Notify, Rollout};
use model::{Data, Diagnostic, Type, Value};
use reading::{Given, Reading, Told, or};
use stage::{Gates, Stages};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Milliseconds between two measurements where nobody says.
const INTERVAL_MS: u64 = 30_000;

/// The rollouts of an environment's node sets.
#[derive(Default)]
pub(super) struct Rollouts {
    /// By node set.
    pub by_set: BTreeMap<String, Rollout>,
    /// The node sets in the order in which they are gone through.
    pub order: Vec<String>,
}

impl Graph<'_> {
    /// What `rollout.NAME` stands for: a name for it, without its body.
    pub(super) fn rollout_handle(&mut self, scope: usize, at: usize) -> Value {
        let name = self.module(scope).rollouts.get(at).name.clone();
        self.handle_of(Decl { scope, what: What::Rollout(at) }, "rollout", at, &name)
    }

    /// What `gate.NAME` stands for.
    pub(super) fn gate_handle(&mut self, scope: usize, at: usize) -> Value {
        let name = self.module(scope).gates.get(at).name.clone();
        self.handle_of(Decl { scope, what: What::Gate(at) }, "gate", at, &name)
    }

    fn handle_of(&mut self, decl: Decl, kind: &'static str, at: usize, name: &Arc<str>) -> Value {
        let scope = decl.scope;
        self.value(decl, |graph| {
            let full: Arc<str> = format!("{}{kind}.{name}", graph.prefix(scope)).into();
            graph.declared.insert(full.clone(), (scope, at));
            Value::object([(kind, Value::from(Data::String(full))), ("name", Value::string(name))])
        })
    }

    /// The module instance of a handle's gate or rollout, and its place there.
    fn declared_at(&self, full: &str) -> Option<(usize, usize)> {
        self.declared.get(full).copied()
    }

    /// Evaluates all gates and rollouts.
    pub(super) fn rollouts(&mut self) -> Rollouts {
        let mut gates = Gates::new();
        for scope in 0..self.scopes.len() {
            for at in 0..self.module(scope).gates.len() {
                let gate = self.gate_state(scope, at);
                gates.insert((scope, at), gate);
            }
        }
        let mut rollouts = BTreeMap::new();
        for scope in 0..self.scopes.len() {
            for at in 0..self.module(scope).rollouts.len() {
                if let Ok(rollout) = self.rollout(scope, at, &gates) {
                    rollouts.insert((scope, at), rollout);
                }
            }
        }
        let root = self.configuration.root.clone();
        let mut by_set = BTreeMap::new();
        for set in root.node_sets.iter() {
            let Some(expression) = &set.rollout else { continue };
            let chosen = self.chosen(expression);
            if let Some(rollout) = chosen.and_then(|declared| rollouts.get(&declared)) {
                by_set.insert(set.name.to_string(), rollout.clone());
            }
        }
        let order = self.order();
        let order = order.into_iter().filter(|set| by_set.contains_key(set)).collect();
        Rollouts { by_set, order }
    }

    /// The rollout that a node set names; none when it names none, or has a mistake.
    fn chosen(&mut self, expression: &Expression) -> Option<(usize, usize)> {
        let value = self.eval(expression, &Place::module(0));
        if is_failed(&value) || rests_on_opaque(&value) || value.is_null() {
            return None;
        }
        let full = value.get("rollout");
        let found = full.as_ref().and_then(|full| self.declared_at(full.as_str()?));
        if found.is_none() {
            let is = if value.is_wholly_known() {
                format!("this is {}", article(&value.ty()))
            } else {
                "this is known only later".to_owned()
            };
            let diagnostic = Diagnostic::error("rollout", "the rollout of a node set is none")
                .with_label(expression.span(), is)
                .with_hint("write `rollout = rollout.NAME`, or an output of a module with that value: `module.rollout.standard`");
            self.report(diagnostic);
        }
        found
    }

    /// All node sets: each behind those that its `after` names, else as they stand in the source.
    fn order(&mut self) -> Vec<String> {
        let root = self.configuration.root.clone();
        let before: Vec<BTreeSet<usize>> = root
            .node_sets
            .iter()
            .map(|set| {
                let sets = set.after.iter().filter_map(|reference| self.node_set_at(reference));
                sets.collect()
            })
            .collect();
        let circle =
            (0..before.len()).find_map(|start| around(start, |at| before[at].iter().copied()));
        if let Some(circle) = circle {
            let names: Vec<_> =
                circle.iter().map(|at| format!("`{}`", root.node_sets.get(*at).name)).collect();
            let summary =
                format!("node sets are after each other in a circle: {}", names.join(", "));
            let mut diagnostic = Diagnostic::error("rollout", summary);
            for at in circle {
                let set = root.node_sets.get(at);
                let span = set.after.first().map_or_else(|| set.span.clone(), Expression::span);
                diagnostic = diagnostic.with_label(span, "");
            }
            self.report(
                diagnostic.with_hint("one of them has to be the first: leave out one `after`"),
            );
            return Vec::new();
        }
        let mut order: Vec<usize> = Vec::new();
        while let Some(next) = (0..before.len()).find(|at| {
            !order.contains(at) && before[*at].iter().all(|earlier| order.contains(earlier))
        }) {
            order.push(next);
        }
        order.into_iter().map(|at| root.node_sets.get(at).name.to_string()).collect()
    }

    /// The node set that an element of `after` refers to.
    fn node_set_at(&mut self, reference: &Expression) -> Option<usize> {
        let free = references(reference.root());
        let first = free.first()?;
        let is_set = first.root.as_ref() == "node_set" && first.steps.len() == 1;
        if let Some(name) = first.steps.name(0).filter(|_| is_set) {
            return self.configuration.root.node_sets.position(name);
        }
        let diagnostic = Diagnostic::error("rollout", "`after` is a list of node sets")
            .with_label(reference.span(), "this is none")
            .with_hint("write `after = [node_set.NAME]`");
        self.report(diagnostic);
        None
    }

    fn rollout(&mut self, scope: usize, at: usize, gates: &Gates) -> Result<Rollout, Told> {
        let module = self.module(scope);
        let declared = module.rollouts.get(at);
        let name = format!("{}rollout.{}", self.prefix(scope), declared.name);
        let place = Place::module(scope);
        let title = format!("`rollout \"{}\"`", declared.name);
        let mut reading = Reading::new(self, &declared.block, &place, "rollout", title);
        let interval = reading.time("interval");
        let interval_ms = interval.as_ref().ok().and_then(|it| Some(it.as_ref()?.value));
        let stages = Stages::new(gates, interval_ms.unwrap_or(INTERVAL_MS)).read(&mut reading);
        let max_parallel = reading.whole("max_parallel", 1);
        let bounds = bounds(&mut reading);
        let holdback = reading.whole("holdback", 0);
        let snapshot_before = reading.flag("snapshot_before");
        let apart = apart(&mut reading);
        let windows = window::windows(&mut reading);
        let notify = notify(&mut reading);
        let error_budget = error_budget(&mut reading);
        let (stages, gates) = stages?;
        let (max_unavailable, max_surge) = bounds?;
        Ok(Rollout {
            name,
            stages,
            gates,
            max_parallel: or(max_parallel, 1)?,
            max_unavailable,
            max_surge,
            holdback: or(holdback, 1)?,
            apart: apart?,
            windows: windows?,
            notify: notify?,
            snapshot_before: or(snapshot_before, false)?,
            error_budget: error_budget?,
            interval_ms: or(interval, INTERVAL_MS)?,
            span: Some(declared.span.clone()),
        })
    }

    /// The names of all nodes; none when some of them are not known.
    fn node_names(&mut self) -> Option<BTreeSet<Arc<str>>> {
        let mut names = BTreeSet::new();
        for set in 0..self.configuration.root.node_sets.len() {
            names.extend(self.nodes_of(set)?.iter().map(|node| node.name.clone()));
        }
        Some(names)
    }
}

/// `max_unavailable` and `max_surge`.
fn bounds(reading: &mut Reading<'_, '_, '_>) -> Result<(Amount, Amount), Told> {
    let unavailable = reading.amount("max_unavailable");
    let surge = reading.amount("max_surge");
    let (unavailable, surge) = (unavailable?, surge?);
    let is_none =
        |amount: Amount| matches!(amount, Amount::Count(0)) || amount == Amount::Percent(0.0);
    let spans = unavailable.as_ref().map(|given| given.span.clone());
    let max_unavailable = unavailable.map_or(Amount::Count(1), |given| given.value);
    let max_surge = surge.map_or(Amount::Count(0), |given| given.value);
    if is_none(max_unavailable) && is_none(max_surge) {
        let summary = format!("{} can change no node", reading.title);
        let hint = "a node is down while it changes: allow one with `max_unavailable`, or one more with `max_surge`";
        let span = spans.unwrap_or_else(|| reading.span());
        return Err(reading.tell(summary, span, "none may be down, and none may be added", hint));
    }
    Ok((max_unavailable, max_surge))
}

/// Pairs of nodes that are never changed at the same time.
fn apart(reading: &mut Reading<'_, '_, '_>) -> Result<Vec<(String, String)>, Told> {
    let Some(Given { value, span }) = reading.value("apart", &Type::Any)? else {
        return Ok(Vec::new());
    };
    let known = reading.graph.node_names();
    let mut pairs = Vec::new();
    let hint = "write [[\"edge-a-001\", \"edge-a-002\"], ...]";
    let summary = format!("`apart` of {} is a list of pairs of node names", reading.title);
    let Some(items) = value.as_items() else {
        let found = format!("this is {}", article(&value.ty()));
        return Err(reading.tell(summary, span, &found, hint));
    };
    for item in items {
        let names: Option<Vec<&str>> =
            item.as_items().and_then(|names| names.iter().map(Value::as_str).collect());
        let Some([one, other]) = names.as_deref() else {
            let found = format!("one element is {}", article(&item.ty()));
            return Err(reading.tell(summary, span, &found, hint));
        };
        for name in [one, other] {
            let Some(known) = known.as_ref().filter(|known| !known.contains(*name)) else {
                continue;
            };
            let hint = did_you_mean(name, known.iter().map(AsRef::as_ref)).unwrap_or_default();
            let summary = format!("there is no node `{name}`");
            return Err(reading.tell(summary, span, "in here", &hint));
        }
        if one == other {
            let summary = format!("`apart` of {} names `{one}` twice in a pair", reading.title);
            return Err(reading.tell(summary, span, "in here", ""));
        }
        pairs.push(((*one).to_owned(), (*other).to_owned()));
    }
    Ok(pairs)
}

/// Who is told. The address of a webhook may be secret, and of one run alone: it is kept nowhere.
fn notify(reading: &mut Reading<'_, '_, '_>) -> Result<Vec<Notify>, Told> {
    let mut all = Vec::new();
    for piece in reading.blocks("notify")? {
        let mut inner = reading.within(&piece, "rollout", "notify");
        let (webhook, command) = (inner.secret_text("webhook"), inner.texts("command"));
        all.push(match (webhook?, command?) {
            (Some(url), None) => {
                if !["http://", "https://"].iter().any(|scheme| url.value.starts_with(scheme)) {
                    let summary = format!("`webhook` of {} is no address", inner.title);
                    let hint = "an address begins with `http://` or `https://`";
                    return Err(inner.tell(summary, url.span, "", hint));
                }
                Notify::Webhook { url: url.value }
            }
            (None, Some(command)) => Notify::Command { command: command.value },
            (given, _) => {
                let problem = if given.is_some() { "both are given" } else { "none is given" };
                let summary = format!("{} has one of `webhook` and `command`", inner.title);
                let span = inner.span();
                return Err(inner.tell(summary, span, problem, "write two blocks for two ways"));
            }
        });
    }
    Ok(all)
}

fn error_budget(reading: &mut Reading<'_, '_, '_>) -> Result<Option<ErrorBudget>, Told> {
    let Some(piece) = reading.block("error_budget")? else { return Ok(None) };
    let mut inner = reading.within(&piece, "rollout", "error_budget");
    let tolerated = inner.need("tolerated", Reading::share);
    let period = inner.need("period", Reading::time);
    let rate = inner.need("per_node_rate", Reading::number)?;
    if rate.value <= 0.0 {
        let summary = format!("`per_node_rate` of {} is more than nothing", inner.title);
        let found = format!("this is {}", rate.value);
        let hint = "it is how many requests a second one node serves";
        return Err(inner.tell(summary, rate.span, &found, hint));
    }
    Ok(Some(ErrorBudget {
        tolerated: tolerated?.value,
        period_ms: period?.value,
        per_node_rate: rate.value,
    }))
}
