//! `replace_triggered_by`: which instances, and which of their attributes, make an object anew when they change.

use super::expansion::Expansion;
use super::graph::Graph;
use super::names::Place;
use crate::module::Lifecycle;
use crate::module::endpoint::key_of;
use crate::syntax::{Expression, Reference, Step, StepKind};
use model::graph::Trigger;
use model::{Address, Diagnostic};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Graph<'_> {
    /// The triggers of an instance, which then depends on what they name.
    pub(super) fn triggers(
        &mut self,
        lifecycle: &Lifecycle,
        place: &Place,
        depends_on: &mut BTreeSet<Address>,
    ) -> Vec<Trigger> {
        let mut triggers = Vec::new();
        for expression in &lifecycle.replace_triggered_by {
            if let Some(trigger) = self.trigger(expression, place) {
                depends_on.extend(trigger.addresses.iter().cloned());
                triggers.push(trigger);
            }
        }
        triggers
    }

    fn trigger(&mut self, expression: &Expression, place: &Place) -> Option<Trigger> {
        let scope = place.scope;
        let Reference { root: kind, steps } = expression.root().reference()?;
        let named = steps.name(0).map(|name| (name, steps.behind(1)));
        let resources = &self.scopes[scope].module.resources;
        let found = named
            .and_then(|(name, rest)| Some((resources.position(&format!("{kind}.{name}"))?, rest)));
        let Some((at, rest)) = found else {
            let diagnostic = Diagnostic::error(
                "replace-triggered-by",
                "`replace_triggered_by` names resources of the same module, instances or attributes of them",
            )
            .with_label(expression.span(), "this is something else")
            .with_hint("to replace it when a value changes, keep the value in the `input` of a `terraform_data` and name that");
            self.report(diagnostic);
            return None;
        };
        // Makes the instances, and tells what is wrong with the reference.
        self.eval(expression, place);
        let expansion = self.resource_keys(scope, at);
        let (keys, rest) = match (&expansion, rest.get(0)) {
            (Expansion::Absent | Expansion::Disabled(_), _) => return None,
            (Expansion::Single, _) => (vec![None], rest),
            (_, Some(Step { kind: StepKind::Index(index), .. })) => {
                let key = key_of(&self.eval(&expression.part(index), place))?;
                (vec![Some(key)], rest.behind(1))
            }
            (expansion, _) => (expansion.keys(), rest.first(0)),
        };
        let path = rest.iter().map_while(|step| self.name_of(step, expression, place)).collect();
        let addresses = keys.into_iter().map(|key| self.address(scope, at, key)).collect();
        let text = expression.file.slice(expression.root().extent()).to_owned();
        Some(Trigger { addresses, path, text })
    }

    /// A step as a path has it; none where the path must end, because the step means several parts.
    fn name_of(&mut self, step: Step<'_>, whole: &Expression, place: &Place) -> Option<Arc<str>> {
        match step.kind {
            StepKind::Attribute(name) => Some(name.clone()),
            StepKind::Index(index) => match key_of(&self.eval(&whole.part(index), place))? {
                model::InstanceKey::Name(name) => Some(name),
                model::InstanceKey::Index(at) => Some(at.to_string().into()),
            },
            StepKind::Splat(_) => None,
        }
    }
}
