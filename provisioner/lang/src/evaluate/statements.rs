//! `moved` and `removed` against what the configuration has: what is said to be elsewhere or gone must not be declared.

use super::graph::Graph;
use super::names::Place;
use crate::eval::is_failed;
use model::graph::Instance;
use model::moves::{Endpoint, Move, Removal};
use model::{Address, Diagnostic, Type};
use std::collections::HashMap;

const DECLARED: &str = "it is declared here";

impl Graph<'_> {
    /// Reports moves that contradict each other, and moves of what is still there.
    pub(super) fn check_moves(&mut self, instances: &[Instance]) {
        let configuration = self.configuration;
        for diagnostic in configuration.contradictions() {
            self.report(diagnostic);
        }
        let placed = configuration.placed();
        if placed.is_empty() {
            return;
        }
        let mut by_name: HashMap<(&str, &str), Vec<&Instance>> = HashMap::new();
        for instance in instances {
            let name = (instance.address.kind(), instance.address.name());
            by_name.entry(name).or_default().push(instance);
        }
        for one in &placed {
            let (statement, from) = (one.statement(), &one.moved.from);
            let there = if !from.has_key() && !one.moved.to.has_key() {
                configuration.declaration(one.module, from)
            } else if let Some(resource) = &from.resource {
                let name = (resource.kind.as_ref(), resource.name.as_ref());
                let candidates = by_name.get(&name).into_iter().flatten();
                let is_it = |it: &&&Instance| statement.takes(&it.address).is_some();
                candidates.clone().find(is_it).map(|it| it.span.clone())
            } else {
                let is_there = self.has_module(&statement);
                is_there.then(|| configuration.declaration(one.module, from)).flatten()
            };
            if let Some(span) = there {
                let said = format!("this says that it is `{}` now", one.moved.to);
                let diagnostic = Diagnostic::error("moved-still-exists", still_declared(from))
                    .with_label(span, DECLARED)
                    .with_label(one.moved.from_span.clone(), said);
                self.report(diagnostic.with_hint(format!(
                    "rename it to `{}` where it is declared, or remove the block `moved`",
                    one.moved.to
                )));
            }
        }
    }

    /// Whether the configuration has an instance of the module that a statement says has moved.
    fn has_module(&self, statement: &Move) -> bool {
        self.scopes.iter().any(|scope| {
            let inside = Address::new(scope.path.clone(), "", "", None);
            statement.takes(&inside).is_some_and(|to| {
                to.path().len() == statement.within.len() + statement.to.modules.len()
            })
        })
    }

    /// What is not managed any more, of all module instances.
    pub(super) fn removals(&mut self) -> Vec<Removal> {
        let mut removals = Vec::new();
        for scope in 0..self.scopes.len() {
            let module = self.module(scope);
            for removed in &module.removed {
                if let Some(span) = self.configuration.declaration(&module, &removed.from) {
                    let summary = still_declared(&removed.from);
                    let diagnostic = Diagnostic::error("removed-still-exists", summary)
                        .with_label(span, DECLARED)
                        .with_label(removed.from_span.clone(), "this says that it was removed")
                        .with_hint("remove what is declared, or the block `removed`");
                    self.report(diagnostic);
                }
                let destroy = removed.destroy.as_ref().map(|expression| {
                    let value =
                        self.eval_as(expression, &Type::Bool, "`destroy`", &Place::module(scope));
                    if value.as_bool().is_none() && !is_failed(&value) {
                        let diagnostic = Diagnostic::error(
                            "unknown-lifecycle",
                            "`destroy` must be known when planning",
                        )
                        .with_label(expression.span(), "this is known only later, or null");
                        self.report(diagnostic);
                    }
                    value.as_bool().unwrap_or(true)
                });
                removals.push(Removal {
                    within: self.scopes[scope].path.clone(),
                    from: removed.from.clone(),
                    destroy: destroy.unwrap_or(true),
                });
            }
        }
        removals
    }
}

fn still_declared(what: &Endpoint) -> String {
    format!("`{what}` is still declared")
}
