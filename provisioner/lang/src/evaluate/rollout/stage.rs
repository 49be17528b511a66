//! `stage` blocks: how many nodes, for how long, and judged by what.
//!
//! Invariants: stages are named once and rise, the last one is all nodes, and every gate of a stage can be measured
//! within its bake.

use super::gate::GateState;
use super::limits::Limits;
use super::reading::{Given, Reading, Told, or};
use super::units::in_words;
use crate::evaluate::dynamic::Piece;
use crate::module::{list, suggest::did_you_mean};
use model::rollout::{Amount, Approval, Gate, RollbackRule, Stage, StageGate};
use model::{Diagnostic, Span, Type};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long an approval counts where nobody says.
const VALID_MS: u64 = 24 * 3_600_000;

/// All gates that are declared, by module instance and place in it; none where one has a mistake.
pub(super) type Gates = BTreeMap<(usize, usize), Option<GateState>>;

/// What all stages of a rollout share.
pub(super) struct Stages<'s> {
    gates: &'s Gates,
    interval_ms: u64,
    /// The gates that stages name, and which ones they are.
    used: BTreeMap<String, ((usize, usize), Span)>,
}

/// A stage with the places of what is checked between stages.
struct Read {
    stage: Stage,
    nodes: Span,
}

impl<'s> Stages<'s> {
    pub(super) fn new(gates: &'s Gates, interval_ms: u64) -> Self {
        Self { gates, interval_ms, used: BTreeMap::new() }
    }

    /// The stages of a rollout, and the gates that they name.
    pub(super) fn read(
        mut self,
        reading: &mut Reading<'_, '_, '_>,
    ) -> Result<(Vec<Stage>, BTreeMap<String, Gate>), Told> {
        let pieces = reading.labelled("stage")?;
        if pieces.is_empty() {
            if !reading.holds_only(&["stage", "window", "notify", "error_budget"]) {
                return Err(Told);
            }
            let hint = "add `stage \"all\" { nodes = \"100%\" ... }`";
            let summary = format!("{} has no stage", reading.title);
            let diagnostic = Diagnostic::error("missing-block", summary)
                .with_label(reading.span(), "")
                .with_hint(hint);
            reading.graph.report(diagnostic);
            return Err(Told);
        }
        let mut stages: Vec<Result<Read, Told>> = Vec::new();
        let mut names: BTreeMap<&str, Span> = BTreeMap::new();
        let last = pieces.len() - 1;
        for (at, (name, piece)) in pieces.iter().enumerate() {
            if let Some(first) = names.insert(name, piece.block.span()) {
                let summary = format!("two stages are named `{name}`");
                let diagnostic = Diagnostic::error("stage", summary)
                    .with_label(piece.block.span(), "the second one")
                    .with_label(first, "the first one")
                    .with_hint("rename one of them: a stage is spoken of by its name");
                reading.graph.report(diagnostic);
                stages.push(Err(Told));
                continue;
            }
            let mut inner = reading.within(piece, "stage", &format!("stage \"{name}\""));
            stages.push(self.stage(&mut inner, name, at == last));
        }
        let stages: Vec<Read> = stages.into_iter().collect::<Result<_, _>>()?;
        rising(reading, &stages)?;
        let mut gates = BTreeMap::new();
        for (name, (declared, _)) in &self.used {
            if let Some(Some(gate)) = self.gates.get(declared) {
                gates.insert(name.clone(), gate.named(name, self.interval_ms));
            }
        }
        Ok((stages.into_iter().map(|read| read.stage).collect(), gates))
    }

    fn stage(
        &mut self,
        reading: &mut Reading<'_, '_, '_>,
        name: &str,
        is_last: bool,
    ) -> Result<Read, Told> {
        let nodes = reading.need("nodes", Reading::amount).and_then(|nodes| some(reading, nodes));
        let bake = reading.need("bake", Reading::duration);
        let deadline = reading.need("deadline", Reading::time);
        let rules = [("automatic", RollbackRule::Automatic), ("manual", RollbackRule::Manual)];
        let rollback = reading.word("rollback", &rules);
        let approval = approval(reading);
        let gates = self.gates(reading, bake.as_ref().ok(), is_last);
        let nodes = nodes?;
        let stage = Stage {
            name: name.to_owned(),
            nodes: nodes.value,
            bake_ms: bake?.value,
            deadline_ms: deadline?.value,
            gates: gates?,
            rollback: or(rollback, RollbackRule::Automatic)?,
            approval: approval?,
            span: Some(reading.span()),
        };
        Ok(Read { stage, nodes: nodes.span })
    }

    fn gates(
        &mut self,
        reading: &mut Reading<'_, '_, '_>,
        bake: Option<&Given<u64>>,
        is_last: bool,
    ) -> Result<Vec<StageGate>, Told> {
        let mut gates = Vec::new();
        let mut result = Ok(());
        let mut names: BTreeMap<Arc<str>, Span> = BTreeMap::new();
        for (name, piece) in reading.labelled("gate")? {
            if let Some(first) = names.insert(name.clone(), piece.block.span()) {
                let summary = format!("{} names the gate `{name}` twice", reading.title);
                let diagnostic = Diagnostic::error("stage", summary)
                    .with_label(piece.block.span(), "the second time")
                    .with_label(first, "the first time")
                    .with_hint("keep one of them");
                reading.graph.report(diagnostic);
                result = Err(Told);
                continue;
            }
            match self.gate(reading, &name, &piece, bake, is_last) {
                Ok(gate) => gates.push(gate),
                Err(told) => result = Err(told),
            }
        }
        result.map(|()| gates)
    }

    /// One gate in a stage: which one it is, and what must hold here.
    fn gate(
        &mut self,
        reading: &mut Reading<'_, '_, '_>,
        name: &Arc<str>,
        piece: &Piece<'_>,
        bake: Option<&Given<u64>>,
        is_last: bool,
    ) -> Result<StageGate, Told> {
        let bake = bake.cloned();
        let mut inner = reading.within(piece, "stage", &format!("gate \"{name}\""));
        let declared = meant(&mut inner, name)?;
        if let Some((other, first)) = self.used.get(name.as_ref())
            && *other != declared
        {
            let summary = format!("two gates of this rollout are named `{name}`");
            let diagnostic = Diagnostic::error("stage", summary)
                .with_label(inner.span(), "this is one ...")
                .with_label(first.clone(), "... and this is another")
                .with_hint("give one of the two blocks another name");
            inner.graph.report(diagnostic);
            return Err(Told);
        }
        self.used.insert(name.to_string(), (declared, inner.span()));
        // A gate with a mistake has told it.
        let gate = self.gates.get(&declared).and_then(Option::as_ref).ok_or(Told)?;
        let own = Limits::read(&mut inner, gate.measures)?;
        if is_last {
            in_last_stage(&mut inner, &own, gate)?;
        }
        let mut limits = own.over(&gate.limits);
        if is_last {
            limits = limits.without_control();
        }
        let check = limits.check(&mut inner, gate)?;
        let span = Some(inner.span());
        if let Some(bake) = bake {
            self.measured(reading, &bake, gate)?;
        }
        Ok(StageGate { gate: name.to_string(), check, span })
    }

    /// A gate must be measured at least once in the bake.
    fn measured(
        &self,
        reading: &mut Reading<'_, '_, '_>,
        bake: &Given<u64>,
        gate: &GateState,
    ) -> Result<(), Told> {
        let interval_ms = gate.interval.as_ref().map_or(self.interval_ms, |given| given.value);
        if bake.value >= interval_ms {
            return Ok(());
        }
        let place = gate.interval.as_ref().map_or_else(|| gate.span.clone(), |it| it.span.clone());
        let summary = format!("the bake of {} is over before a gate is measured", reading.title);
        let diagnostic = Diagnostic::error("stage", summary)
            .with_label(bake.span.clone(), format!("this is {}", in_words(bake.value)))
            .with_label(
                place,
                format!("`gate \"{}\"` is measured every {}", gate.name, in_words(interval_ms)),
            )
            .with_hint("make the bake longer, or the `interval` of the gate shorter");
        reading.graph.report(diagnostic);
        Err(Told)
    }
}

/// A stage has at least one node.
fn some(reading: &mut Reading<'_, '_, '_>, nodes: Given<Amount>) -> Result<Given<Amount>, Told> {
    let is_some = match nodes.value {
        Amount::Percent(percent) => percent > 0.0,
        Amount::Count(count) => count > 0,
    };
    if is_some {
        return Ok(nodes);
    }
    let summary = format!("{} has no nodes", reading.title);
    let hint = "a stage changes at least one node; percentages round up";
    Err(reading.tell(summary, nodes.span, "this is zero", hint))
}

/// Every stage has more nodes than those before it, and the last one has all of them.
fn rising(reading: &mut Reading<'_, '_, '_>, stages: &[Read]) -> Result<(), Told> {
    let mut result = Ok(());
    for (at, later) in stages.iter().enumerate() {
        let earlier = stages[..at].iter().rev().find(|earlier| {
            matches!(
                (earlier.stage.nodes, later.stage.nodes),
                (Amount::Percent(_), Amount::Percent(_)) | (Amount::Count(_), Amount::Count(_))
            )
        });
        let Some(earlier) = earlier else { continue };
        let rises = match (earlier.stage.nodes, later.stage.nodes) {
            (Amount::Percent(earlier), Amount::Percent(later)) => earlier < later,
            (Amount::Count(earlier), Amount::Count(later)) => earlier < later,
            _ => true,
        };
        if rises {
            continue;
        }
        let summary = format!("stage `{}` adds no nodes", later.stage.name);
        let diagnostic = Diagnostic::error("stage", summary)
            .with_label(later.nodes.clone(), format!("this is {}", written(later.stage.nodes)))
            .with_label(
                earlier.nodes.clone(),
                format!(
                    "stage `{}` has {} already",
                    earlier.stage.name,
                    written(earlier.stage.nodes)
                ),
            )
            .with_hint(
                "`nodes` says how many are on the candidate, those of the stages before included",
            );
        reading.graph.report(diagnostic);
        result = Err(Told);
    }
    let Some(last) = stages.last() else { return result };
    if last.stage.nodes != Amount::Percent(100.0) {
        let summary = format!("the last stage of {} is not all nodes", reading.title);
        let diagnostic = Diagnostic::error("stage", summary)
            .with_label(last.nodes.clone(), format!("this is {}", written(last.stage.nodes)))
            .with_hint(
                "a rollout ends with all nodes on one revision: end with a stage of \"100%\"",
            );
        reading.graph.report(diagnostic);
        result = Err(Told);
    }
    result
}

fn written(amount: Amount) -> String {
    match amount {
        Amount::Percent(percent) => format!("{percent} %"),
        Amount::Count(1) => "1 node".to_owned(),
        Amount::Count(count) => format!("{count} nodes"),
    }
}

/// The gate that a block in a stage means: the one that `use` says, else the one of its name.
fn meant(reading: &mut Reading<'_, '_, '_>, name: &str) -> Result<(usize, usize), Told> {
    if let Some(Given { value, span }) = reading.value("use", &Type::Any)? {
        let found = value.get("gate");
        let found = found.as_ref().and_then(|text| reading.graph.declared_at(text.as_str()?));
        return found.ok_or_else(|| {
            let summary = format!("`use` of {} is no gate", reading.title);
            let found = format!("this is {}", model::convert::article(&value.ty()));
            let hint = "write `use = gate.NAME`, or an output of a module with that value";
            reading.tell(summary, span, &found, hint)
        });
    }
    let scope = reading.place.scope;
    let module = reading.graph.module(scope);
    if let Some(at) = module.gates.position(name) {
        return Ok((scope, at));
    }
    let hint = did_you_mean(name, module.gates.names()).unwrap_or_else(|| {
        let mut names: Vec<_> = module.gates.names().collect();
        names.sort_unstable();
        match names.as_slice() {
            [] => format!("add a block `gate \"{name}\" {{ ... }}`, or say which one is meant: `use = gate.NAME`"),
            names => format!("there are {}", list(names.iter().copied())),
        }
    });
    let summary = format!("there is no gate `{name}`");
    let label = reading.block.labels.first().map(|label| reading.block.file.span(label.extent));
    let span = label.unwrap_or_else(|| reading.span());
    Err(reading.tell(summary, span, "", &hint))
}

/// Nobody is left to compare with when all nodes are on the candidate.
fn in_last_stage(
    reading: &mut Reading<'_, '_, '_>,
    own: &Limits,
    gate: &GateState,
) -> Result<(), Told> {
    let inherited = || gate.limits.relative_span();
    let Some(span) = own.control_span().or_else(inherited) else { return Ok(()) };
    let summary = format!("{} compares with a control group that there is not", reading.title);
    let diagnostic = Diagnostic::error("stage", summary)
        .with_label(span, "")
        .with_label(reading.span(), "in the last stage, all nodes are on the candidate")
        .with_hint(
            "leave it out in the last stage, or use a gate there that compares with a number",
        );
    reading.graph.report(diagnostic);
    Err(Told)
}

fn approval(reading: &mut Reading<'_, '_, '_>) -> Result<Option<Approval>, Told> {
    let Some(piece) = reading.block("approval")? else { return Ok(None) };
    let mut inner = reading.within(&piece, "stage", "approval");
    let people = inner.whole("people", 1);
    let valid = inner.time("valid");
    Ok(Some(Approval { people: or(people, 1)?, valid_ms: or(valid, VALID_MS)? }))
}
