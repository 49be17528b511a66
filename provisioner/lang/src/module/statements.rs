//! Reading `moved`, `removed` and `import`, and what they mean before anything is evaluated: which module each stands in, and which
//! of them contradict each other or what is declared.

use super::constant::constant;
use super::endpoint::{Written, endpoint, key_of, read_address};
use super::fields::{Fields, Shape, read};
use super::load::Configuration;
use super::providers::read_provider;
use super::read::Reader;
use super::{Module, ProviderName};
use crate::around::around;
use crate::syntax::{Block, Expression};
use model::moves::{Call, Endpoint, Move, ResourceName, Within};
use model::{Address, Diagnostic, InstanceKey, PathStep, Span};
use std::collections::{BTreeSet, HashMap, HashSet};

const IMPORT: Shape = Shape {
    required: &["to", "id"],
    optional: &["provider", "for_each"],
    blocks: &[],
    open: false,
};

const MOVED: Shape = Shape { required: &["from", "to"], optional: &[], blocks: &[], open: false };

const REMOVED: Shape =
    Shape { required: &["from"], optional: &[], blocks: &[("lifecycle", 0, false)], open: false };

const REMOVED_LIFECYCLE: Shape =
    Shape { required: &[], optional: &["destroy"], blocks: &[], open: false };

/// `import { to = ... id = ... }`.
#[derive(Debug)]
pub(crate) struct Import {
    pub to: Written,
    pub id: Expression,
    pub provider: Option<ProviderName>,
    pub for_each: Option<Expression>,
    pub span: Span,
}

/// `moved { from = ... to = ... }`.
#[derive(Debug)]
pub(crate) struct Moved {
    pub from: Endpoint,
    pub to: Endpoint,
    pub span: Span,
    pub from_span: Span,
    pub to_span: Span,
}

impl Import {
    /// The name of the resource that it is about.
    pub(crate) fn name(&self) -> &str {
        self.to.resource.as_ref().map_or("", |(_, name, _)| name)
    }
}

/// `removed { from = ... lifecycle { destroy = ... } }`.
#[derive(Debug)]
pub(crate) struct Removed {
    pub from: Endpoint,
    pub from_span: Span,
    pub destroy: Option<Expression>,
}

pub(super) fn read_import(reader: &mut Reader, block: &Block) -> Option<Import> {
    let fields = read(block, &IMPORT, &mut reader.diagnostics);
    let to = read_address(fields.get("to")?, &mut reader.diagnostics)?;
    if to.resource.is_none() {
        let diagnostic = Diagnostic::error("not-an-address", "an object is imported as a resource")
            .with_label(to.expression.span(), "this is a module")
            .with_hint("write the resource behind it: `module.store.local_volume.data`");
        reader.diagnostics.push(diagnostic);
        return None;
    }
    Some(Import {
        to,
        id: fields.get("id")?.clone(),
        provider: read_provider(&fields, &mut reader.diagnostics),
        for_each: fields.get("for_each").cloned(),
        span: block.span(),
    })
}

fn address(reader: &mut Reader, fields: &Fields, name: &str) -> Option<(Written, Endpoint)> {
    let written = read_address(fields.get(name)?, &mut reader.diagnostics)?;
    let endpoint = endpoint(&written, |expression| constant_key(reader, expression))?;
    Some((written, endpoint))
}

fn constant_key(reader: &mut Reader, expression: &Expression) -> Option<InstanceKey> {
    let value = constant(expression, &mut reader.diagnostics)?;
    let key = key_of(&value);
    if key.is_none() {
        let diagnostic =
            Diagnostic::error("not-an-address", "this cannot be the key of an instance")
                .with_label(expression.span(), "")
                .with_hint("a key is a whole number or a text: `[0]`, `[\"name\"]`");
        reader.diagnostics.push(diagnostic);
    }
    key
}

pub(super) fn read_moved(reader: &mut Reader, block: &Block) -> Option<Moved> {
    let fields = read(block, &MOVED, &mut reader.diagnostics);
    let (from, to) = (address(reader, &fields, "from"), address(reader, &fields, "to"));
    let ((from_written, from), (to_written, to)) = (from?, to?);
    let (from_span, to_span) = (from_written.expression.span(), to_written.expression.span());
    if let Some(problem) = no_move(&from, &to) {
        let problem = problem.with_label(to_span, "").with_label(from_span, "");
        reader.diagnostics.push(problem);
        return None;
    }
    Some(Moved { from, to, span: block.span(), from_span, to_span })
}

/// Why something cannot move from one address to another.
fn no_move(from: &Endpoint, to: &Endpoint) -> Option<Diagnostic> {
    if from == to {
        let diagnostic =
            Diagnostic::error("moved-nowhere", format!("`{from}` moves to where it is"));
        return Some(
            diagnostic.with_hint("remove the block, or write the new address behind `to`"),
        );
    }
    match (&from.resource, &to.resource) {
        (Some(old), Some(new)) if old.kind != new.kind => {
            let summary = format!("`{from}` cannot become `{to}`: that is another resource type");
            let hint = "an object keeps its type; to make another one, leave the block out";
            Some(Diagnostic::error("other-type", summary).with_hint(hint))
        }
        (Some(_), None) | (None, Some(_)) => {
            let summary = "a resource moves to a resource, a module to a module";
            let hint = "write both addresses with the resource, or both without";
            Some(Diagnostic::error("moved-across", summary).with_hint(hint))
        }
        _ => None,
    }
}

pub(super) fn read_removed(reader: &mut Reader, block: &Block) -> Option<Removed> {
    let fields = read(block, &REMOVED, &mut reader.diagnostics);
    let lifecycle = fields
        .blocks("lifecycle")
        .next()
        .map(|nested| read(nested, &REMOVED_LIFECYCLE, &mut reader.diagnostics));
    let (written, from) = address(reader, &fields, "from")?;
    let from_span = written.expression.span();
    let modules_have_key = from.modules.iter().any(|(_, key)| key.is_some());
    if from.has_key() || modules_have_key {
        let diagnostic = Diagnostic::error("removed-instance", "`removed` is about a whole block")
            .with_label(from_span, "this names one instance")
            .with_hint(
                "leave the key out; one instance goes when `count` or `for_each` has it no more",
            );
        reader.diagnostics.push(diagnostic);
        return None;
    }
    let destroy = lifecycle.and_then(|fields| fields.get("destroy").cloned());
    Some(Removed { from, from_span, destroy })
}

/// A statement with the module that it stands in.
pub(crate) struct Placed<'c> {
    pub within: Vec<Within>,
    pub module: &'c Module,
    pub moved: &'c Moved,
}

impl Placed<'_> {
    pub(crate) fn statement(&self) -> Move {
        Move {
            within: self.within.clone(),
            from: self.moved.from.clone(),
            to: self.moved.to.clone(),
            span: Some(self.moved.span.clone()),
        }
    }
}

impl Configuration {
    /// What has moved: the `moved` blocks of all modules, and where `count` was added to a recorded resource or taken
    /// away from it, the move that this means.
    pub fn moves<'a>(&self, recorded: impl Iterator<Item = &'a Address> + Clone) -> Vec<Move> {
        let mut moves: Vec<_> = self.placed().iter().map(Placed::statement).collect();
        let said: HashSet<String> = moves.iter().map(|one| place(&one.within, &one.from)).collect();
        let mut implied: Vec<_> = recorded
            .clone()
            .filter_map(|address| Some((address, self.implied(address)?)))
            .filter(|(_, one)| !said.contains(&place(&one.within, &one.from)))
            .collect();
        if !implied.is_empty() {
            let known: BTreeSet<&Address> = recorded.collect();
            let is_free = |to: &Address| !known.contains(to);
            implied.retain(|(address, one)| one.takes(address).is_some_and(|to| is_free(&to)));
        }
        moves.extend(implied.into_iter().map(|(_, one)| one));
        moves
    }

    /// The move of an instance whose block has `count` now and had none, or the other way around.
    fn implied(&self, address: &Address) -> Option<Move> {
        let was = match address.key() {
            None => None,
            Some(InstanceKey::Index(0)) => address.key().cloned(),
            Some(_) => return None,
        };
        let mut modules = vec![self.root.as_ref()];
        for step in address.path() {
            modules = self.called_by(&modules, |within| within.is_step(step));
        }
        let name = format!("{}.{}", address.kind(), address.name());
        let resource = modules.iter().find_map(|module| {
            module.resources.position(&name).map(|at| module.resources.get(at))
        })?;
        let repeat = resource.repeat.as_deref();
        let has_count = repeat.is_some_and(|repeat| repeat.count.is_some());
        let has_each = repeat.is_some_and(|repeat| repeat.for_each.is_some());
        let is = match (has_count, has_each, &was) {
            (true, _, None) => Some(InstanceKey::Index(0)),
            (false, false, Some(_)) => None,
            _ => return None,
        };
        let modules = address.path().iter().map(|step| match step {
            PathStep::Module { name, key } => Some((name.clone(), key.clone())),
            _ => None,
        });
        let modules = modules.collect::<Option<Vec<_>>>()?;
        let at = |key| Endpoint {
            modules: modules.clone(),
            resource: Some(ResourceName {
                kind: address.kind().into(),
                name: address.name().into(),
                key,
            }),
        };
        Some(Move { within: Vec::new(), from: at(was), to: at(is), span: None })
    }

    /// The modules that these call by a step.
    fn called_by<'c>(
        &'c self,
        modules: &[&'c Module],
        is_step: impl Fn(&Within) -> bool,
    ) -> Vec<&'c Module> {
        let calls = modules.iter().filter_map(|module| self.calls.get(&module.directory)).flatten();
        let called = calls.filter(|(within, _)| is_step(within));
        called.filter_map(|(_, directory)| self.modules.get(directory)).map(AsRef::as_ref).collect()
    }

    /// All `moved` blocks.
    pub(crate) fn placed(&self) -> Vec<Placed<'_>> {
        let mut placed = Vec::new();
        self.collect(&self.root, &mut Vec::new(), &mut vec![], &mut placed);
        placed
    }

    fn collect<'c>(
        &'c self,
        module: &'c Module,
        within: &mut Vec<Within>,
        above: &mut Vec<&'c Module>,
        placed: &mut Vec<Placed<'c>>,
    ) {
        // A module that calls itself is a mistake, which is told elsewhere.
        if above.iter().any(|other| other.directory == module.directory) {
            return;
        }
        let own = module.moved.iter().map(|moved| Placed { within: within.clone(), module, moved });
        placed.extend(own);
        above.push(module);
        for (step, directory) in self.calls.get(&module.directory).into_iter().flatten() {
            let Some(called) = self.modules.get(directory) else { continue };
            within.push(step.clone());
            self.collect(called, within, above, placed);
            within.pop();
        }
        above.pop();
    }

    /// Modules that an endpoint's calls lead to, from the module of a statement.
    fn below(&self, module: &Module, calls: &[Call]) -> Vec<&Module> {
        let Some(start) = self.modules.get(&module.directory) else { return Vec::new() };
        let mut modules = vec![start.as_ref()];
        for (name, _) in calls {
            modules = self.called_by(
                &modules,
                |within| matches!(within, Within::Call(other) if other == name),
            );
        }
        modules
    }

    /// Where an endpoint is declared as a whole, seen from a module.
    pub(crate) fn declaration(&self, module: &Module, endpoint: &Endpoint) -> Option<Span> {
        if let Some(resource) = &endpoint.resource {
            let name = format!("{}.{}", resource.kind, resource.name);
            return self.below(module, &endpoint.modules).into_iter().find_map(|module| {
                let at = module.resources.position(&name)?;
                Some(module.resources.get(at).span.clone())
            });
        }
        let ((name, _), above) = endpoint.modules.split_last()?;
        self.below(module, above).into_iter().find_map(|module| {
            let at = module.calls.position(name)?;
            Some(module.calls.get(at).span.clone())
        })
    }

    /// Statements that contradict each other: what moves to two places, what two move to, and circles.
    pub(crate) fn contradictions(&self) -> Vec<Diagnostic> {
        let placed = self.placed();
        let mut diagnostics = Vec::new();
        let (mut by_from, mut by_to) = (HashMap::new(), HashMap::new());
        for one in &placed {
            let (from, to) = (&one.moved.from, &one.moved.to);
            let is_whole = !from.has_key() && !to.has_key();
            let first = by_from.insert((is_whole, whole(&one.within, from)), one);
            if let Some(first) = first.filter(|first| first.moved.to != *to) {
                diagnostics.push(ambiguous(one, first, format!("`{from}` moves to two places")));
            }
            let first = by_to.insert((is_whole, whole(&one.within, to)), one);
            if let Some(first) = first.filter(|first| first.moved.from != *from) {
                diagnostics.push(ambiguous(one, first, format!("two things move to `{to}`")));
            }
        }
        if diagnostics.is_empty() {
            diagnostics.extend(circle(&placed));
        }
        diagnostics
    }
}

fn ambiguous(one: &Placed<'_>, first: &Placed<'_>, summary: String) -> Diagnostic {
    let say = |moved: &Moved| format!("`{}` moves to `{}`", moved.from, moved.to);
    Diagnostic::error("moved-ambiguous", summary)
        .with_label(one.moved.to_span.clone(), format!("here {}", say(one.moved)))
        .with_label(first.moved.to_span.clone(), format!("here {}", say(first.moved)))
        .with_hint("keep the block that is true")
}

/// The shortest circle of moves: whatever goes around it has no end.
fn circle(placed: &[Placed<'_>]) -> Option<Diagnostic> {
    let moves: Vec<_> = placed.iter().map(Placed::statement).collect();
    // Only statements whose ends have a name in common can follow each other.
    let mut starts: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, one) in moves.iter().enumerate() {
        for name in words(&one.within, &one.from) {
            starts.entry(name).or_default().push(at);
        }
    }
    let next = |at: usize| {
        let near: BTreeSet<usize> = words(&moves[at].within, &moves[at].to)
            .into_iter()
            .filter_map(|name| starts.get(name))
            .flatten()
            .copied()
            .collect();
        near.into_iter().filter(|other| moves[at].leads_to(&moves[*other])).collect::<Vec<_>>()
    };
    let edges: Vec<Vec<usize>> = (0..moves.len()).map(next).collect();
    let way = (0..moves.len())
        .filter_map(|start| around(start, |at| edges[at].iter().copied()))
        .min_by_key(Vec::len)?;
    let names: Vec<_> = way.iter().map(|at| format!("`{}`", moves[*at].from)).collect();
    let mut diagnostic = Diagnostic::error(
        "moved-circle",
        format!("these moves lead in a circle: {}", names.join(", ")),
    );
    for at in &way {
        let moved = placed[*at].moved;
        diagnostic = diagnostic
            .with_label(moved.span.clone(), format!("`{}` moves to `{}`", moved.from, moved.to));
    }
    Some(diagnostic.with_hint(
        "take one of the blocks away; two objects change places in two steps, over a third address",
    ))
}

fn words<'m>(within: &'m [Within], endpoint: &'m Endpoint) -> Vec<&'m str> {
    let first = within.iter().map(|step| match step {
        Within::Call(name) => name.as_ref(),
        Within::Pool { set, .. } => set.as_ref(),
    });
    let calls = endpoint.modules.iter().map(|(name, _)| name.as_ref());
    let resource = endpoint.resource.iter().map(|resource| resource.name.as_ref());
    first.chain(calls).chain(resource).take(1).collect()
}

/// Where an endpoint is, from the root, with its keys.
fn whole(within: &[Within], endpoint: &Endpoint) -> String {
    format!("{within:?} {endpoint}")
}

/// The block that an endpoint is of, from the root, whatever its key.
fn place(within: &[Within], endpoint: &Endpoint) -> String {
    let within = within.iter().map(|step| match step {
        Within::Call(name) => name.to_string(),
        Within::Pool { set, pool } => format!("{set}-{pool}"),
    });
    let calls = endpoint.modules.iter().map(|(name, _)| name.to_string());
    let resource = endpoint.resource.iter().map(|it| format!("{}.{}", it.kind, it.name));
    within.chain(calls).chain(resource).collect::<Vec<_>>().join("/")
}
