//! Conditions that are told while operations run.
//!
//! Invariant: each is looked at once, as soon as the last operation that it waits for has succeeded.
//! Refuses to know: what follows from one that does not hold.

use crate::Ports;
use crate::caller::Caller;
use model::graph::StatedBy;
use model::plan::PlannedCondition;
use model::{Address, Data, Diagnostic, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What conditions still wait for.
pub(super) struct Conditions<'a> {
    planned: &'a [PlannedCondition],
    waiting: BTreeMap<usize, BTreeSet<u32>>,
    /// Conditions by the operations they wait for.
    by_need: BTreeMap<u32, Vec<usize>>,
}

impl<'a> Conditions<'a> {
    pub(super) fn new(planned: &'a [PlannedCondition]) -> Self {
        let mut by_need: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        let mut waiting = BTreeMap::new();
        for (at, condition) in planned.iter().enumerate() {
            for need in &condition.needs {
                by_need.entry(*need).or_default().push(at);
            }
            waiting.insert(at, condition.needs.clone());
        }
        Self { planned, waiting, by_need }
    }

    /// Those that wait for nothing.
    pub(super) fn at_once(&mut self) -> Vec<&'a PlannedCondition> {
        let known = self.waiting.extract_if(.., |_, needs| needs.is_empty());
        known.map(|(at, _)| &self.planned[at]).collect()
    }

    /// Those that waited only for this operation, which has succeeded.
    pub(super) fn known_after(&mut self, id: u32) -> Vec<&'a PlannedCondition> {
        let mut known = Vec::new();
        for at in self.by_need.remove(&id).unwrap_or_default() {
            let Some(needs) = self.waiting.get_mut(&at) else { continue };
            needs.remove(&id);
            if needs.is_empty() {
                self.waiting.remove(&at);
                known.push(&self.planned[at]);
            }
        }
        known
    }
}

/// What is wrong, if the condition does not hold or cannot be told.
pub(super) fn violation(planned: &PlannedCondition, caller: &Caller) -> Option<Diagnostic> {
    let condition = &planned.condition;
    let Ports { records, resolver, .. } = &caller.engine.ports;
    let outputs = |address: &Address| records.attributes(address);
    let resolve = |value: &Value| resolver.resolve(value, &outputs, &caller.began);
    let message = match resolve(&condition.condition) {
        Ok(value) if value.as_bool() == Some(true) => return None,
        Ok(_) => said(resolve(&condition.error_message)),
        Err(problem) => format!("it cannot be told: {}", problem.summary),
    };
    let place = format!("{message}\ndeclared at {}", condition.place);
    Some(condition.stated_by.violated(place))
}

fn said(message: Result<Value, Diagnostic>) -> String {
    match message {
        Ok(message) if message.deep_marks().sensitive => {
            "its message holds something sensitive and is not shown".to_owned()
        }
        Ok(message) => match message.data() {
            Data::String(text) => text.to_string(),
            _ => "it has no message".to_owned(),
        },
        Err(problem) => format!("its message cannot be told: {}", problem.summary),
    }
}

/// Why an operation does not run.
pub(super) fn because(stated_by: &StatedBy) -> String {
    match stated_by {
        StatedBy::Variable { .. } => format!("the value of {stated_by} is not valid"),
        _ => format!("{stated_by} does not hold"),
    }
}
