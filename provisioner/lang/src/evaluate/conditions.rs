//! Conditions: told at once where they can be, else handed on with what they wait for.

use super::graph::{Decl, Graph, What};
use super::names::Place;
use crate::eval::{failed, is_failed, rests_on_opaque};
use crate::module::Condition;
use crate::syntax::{Expression, references};
use model::convert::article;
use model::graph::{self, StatedBy};
use model::{Address, Data, Diagnostic, Marks, Span, Type, Value};
use std::collections::BTreeSet;

/// How many values a message shows.
const MOST_SHOWN: usize = 5;

/// How long a value in a message may be.
const SHOWN_CHARACTERS: usize = 60;

/// Who states conditions, and what else there is to see when one does not hold.
pub(super) struct Stated {
    pub by: StatedBy,
    pub labels: Vec<(Span, &'static str)>,
}

impl From<StatedBy> for Stated {
    fn from(by: StatedBy) -> Self {
        Self { by, labels: Vec::new() }
    }
}

/// What conditions gave.
pub(super) struct Tested {
    /// The marks of what they came from.
    pub marks: Marks,
    /// Whether one does not hold, which has been reported.
    pub violated: bool,
}

impl Graph<'_> {
    /// Looks at conditions at a place.
    pub(super) fn require(
        &mut self,
        conditions: &[Condition],
        stated: &Stated,
        place: &Place,
    ) -> Tested {
        let mut marks = Marks::default();
        let mut violated = false;
        for condition in conditions {
            let holds = self.holds(condition, place);
            marks = marks.union(&holds.deep_marks());
            match holds.data() {
                Data::Bool(false) => {
                    violated = true;
                    self.violated(condition, stated, place);
                }
                Data::Unknown(_) if !is_failed(&holds) && !rests_on_opaque(&holds) => {
                    let message = self.message(condition, place);
                    marks = marks.union(&message.deep_marks());
                    self.state(graph::Condition {
                        stated_by: stated.by.clone(),
                        condition: holds,
                        error_message: message,
                        place: condition.place.clone(),
                    });
                }
                _ => {}
            }
        }
        Tested { marks, violated }
    }

    /// Keeps a condition, once: an evaluation that was broken off states its conditions again.
    fn state(&mut self, condition: graph::Condition) {
        let key = format!("{} {}", condition.stated_by, condition.place);
        if !self.demand.is_broken_off() && self.stated.insert(key) {
            self.conditions.push(condition);
        }
    }

    fn holds(&mut self, condition: &Condition, place: &Place) -> Value {
        let expression = &condition.test;
        let holds = self.eval_as(expression, &Type::Bool, "a condition", place);
        if holds.is_null() {
            let diagnostic = Diagnostic::error("wrong-type", "a condition is true or false")
                .with_label(expression.span(), "this is null");
            self.report(diagnostic);
            return failed();
        }
        holds
    }

    fn message(&mut self, condition: &Condition, place: &Place) -> Value {
        self.eval_as(&condition.error_message, &Type::String, "an error message", place)
    }

    fn violated(&mut self, condition: &Condition, stated: &Stated, place: &Place) {
        let message = self.message(condition, place);
        let text = match message.data() {
            Data::String(text) if !message.marks().sensitive => text.to_string(),
            Data::String(_) => "its message holds something sensitive and is not shown".to_owned(),
            Data::Unknown(_) if is_failed(&message) => return,
            Data::Unknown(_) => "its message is known only after the apply".to_owned(),
            _ => "it has no message".to_owned(),
        };
        let mut diagnostic =
            stated.by.violated(text).with_label(condition.test.span(), "this is false");
        for (span, shown) in self.found(&condition.test, place) {
            diagnostic = diagnostic.with_label(span, shown);
        }
        for (span, message) in &stated.labels {
            diagnostic = diagnostic.with_label(span.clone(), *message);
        }
        self.report(diagnostic);
    }

    /// What the references of a condition stand for, where that can be shown in a few words.
    fn found(&mut self, expression: &Expression, place: &Place) -> Vec<(Span, String)> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for free in references(expression.root()) {
            let text = expression.file.slice(free.extent);
            if found.len() == MOST_SHOWN || !seen.insert(text) {
                continue;
            }
            let value = self.eval(&expression.part(free.expr), place);
            if let Some(shown) = shown(&value) {
                found.push((expression.file.span(free.extent), format!("`{text}` is {shown}")));
            }
        }
        found
    }

    /// All assertions of a module instance.
    pub(super) fn checks(&mut self, scope: usize) {
        let module = self.module(scope);
        for (at, check) in module.checks.iter().enumerate() {
            let stated_by =
                StatedBy::Check { module: self.module_path(scope), name: check.name.to_string() };
            self.value(Decl { scope, what: What::Check(at) }, |graph| {
                graph.require(&check.assertions, &stated_by.clone().into(), &Place::module(scope));
                failed()
            });
        }
    }

    /// The data sources that stand in checks.
    pub(super) fn checked_data(&mut self) -> BTreeSet<Address> {
        let mut checked = BTreeSet::new();
        for scope in 0..self.scopes.len() {
            let module = self.module(scope);
            if module.checks.len() == 0 {
                continue;
            }
            for at in
                (0..module.resources.len()).filter(|at| module.resources.get(*at).check.is_some())
            {
                let keys = self.resource_keys(scope, at).keys();
                checked.extend(keys.into_iter().map(|key| self.address(scope, at, key)));
            }
        }
        checked
    }

    /// A module instance in words: `module.mesh`, empty for the environment.
    pub(super) fn module_path(&self, scope: usize) -> String {
        self.prefix(scope).trim_end_matches('.').to_owned()
    }
}

/// A value in a message; nothing for secrets, and for what is too long to help.
fn shown(value: &Value) -> Option<String> {
    if value.deep_marks().sensitive || !value.is_wholly_known() {
        return None;
    }
    let text = match value.data() {
        Data::Null(_) => "null".to_owned(),
        Data::Object(_) | Data::Map(..) | Data::Tuple(_) | Data::List(..) | Data::Set(..) => {
            value.to_plain_json().map_or_else(|_| article(&value.ty()), |json| json.to_string())
        }
        _ => value.to_plain_json().ok()?.to_string(),
    };
    Some(if text.chars().count() <= SHOWN_CHARACTERS { text } else { article(&value.ty()) })
}
