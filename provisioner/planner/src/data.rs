//! Data sources: read while planning where that can be, else while the plan runs.
//!
//! One is read as soon as all its arguments are known and nothing that its `depends_on` names changes. The planner cannot
//! read: it says what it would read ([`Planner::asked`]), and whoever has read it makes a planner with the answers.
//! What was read at plan time is in the plan as values; nothing of a data source is recorded.

use crate::Planner;
use crate::compare::{typed, without_origins};
use crate::decide::Decision;
use crate::standing::marked;
use model::graph::Instance;
use model::plan::{Action, Reason};
use model::schema::{Attribute, DataSchema, Mode};
use model::value::Entries;
use model::{Address, Diagnostic, Residual, Span, Type, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was read, by the address of the data source.
pub type Answers = BTreeMap<Address, Value>;

/// The answer of what cannot be read and need not be: nothing can be said of it.
pub fn unread() -> Value {
    Value::unknown(Type::Any, Residual::Opaque)
}

/// A data source that can be read now.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its instance.
    pub address: Address,
    /// Key of its provider configuration.
    pub provider: String,
    /// All arguments, wholly known.
    pub arguments: Value,
    /// The block in the source.
    pub span: Span,
}

impl Planner<'_> {
    /// Data sources that were needed and can be read now; empty when all that can be known is.
    pub fn asked(&self) -> Vec<Question> {
        self.asked.borrow().values().cloned().collect()
    }

    /// Decides about a data source.
    pub(crate) fn data_decision(&self, instance: &Instance) -> Result<Decision, Vec<Diagnostic>> {
        let name = instance.provider.split('.').next().unwrap_or(&instance.provider);
        let kind = instance.address.kind();
        let schema = self.schemas.get(name).and_then(|provider| provider.data.get(kind));
        let schema = schema.ok_or_else(|| vec![crate::unknown_type(instance)])?;
        let arguments = configured(instance, schema);
        let unknown = |(name, _): &(&Arc<str>, &Value)| name.to_string();
        let unknown: Vec<_> = arguments
            .iter()
            .filter(|(_, value)| !value.is_wholly_known())
            .map(|it| unknown(&it))
            .collect();
        let changes =
            |address: &&Address| self.fate(address).is_some_and(|action| action != Action::NoOp);
        let changing: Vec<_> = instance.depends_on.iter().filter(changes).cloned().collect();
        let mut reasons = Vec::new();
        if !unknown.is_empty() {
            reasons.push(Reason::NotKnown { arguments: unknown });
        }
        if !changing.is_empty() {
            reasons.push(Reason::DependencyChanges { addresses: changing });
        }
        let action = if reasons.is_empty() { Action::NoOp } else { Action::Read };
        let answer = self.answers.get(&instance.address).filter(|_| action == Action::NoOp);
        let is_unread = answer.is_some_and(Value::is_unknown);
        if action == Action::NoOp && answer.is_none() {
            let question = Question {
                address: instance.address.clone(),
                provider: instance.provider.clone(),
                arguments: Value::object(arguments.clone()),
                span: instance.span.clone(),
            };
            self.asked.borrow_mut().insert(instance.address.clone(), question);
        }
        let attribute = |(name, attribute): (&String, &Attribute)| {
            let argument = || {
                let given = arguments.get(name).cloned();
                given.unwrap_or_else(|| Value::null(attribute.ty.clone()))
            };
            let value = match (attribute.mode, answer) {
                (Mode::Computed, Some(_)) if is_unread => {
                    Value::unknown(attribute.ty.clone(), Residual::Opaque)
                }
                (_, Some(_)) if is_unread => argument(),
                (_, Some(answer)) => answer.get(name).map_or_else(
                    || Value::null(attribute.ty.clone()),
                    |it| typed(&it, &attribute.ty),
                ),
                (Mode::Computed, None) => {
                    Value::output(&instance.address, name, attribute.ty.clone())
                }
                (_, None) => argument(),
            };
            (Arc::from(name.as_str()), marked(attribute, without_origins(&value)))
        };
        let after: Vec<(Arc<str>, Value)> = schema.attributes.iter().map(attribute).collect();
        Ok(Decision {
            action,
            reasons,
            differing: Vec::new(),
            before: None,
            after: Value::object(after),
            arguments: Value::object(arguments),
            must_not_differ: BTreeSet::new(),
            errors: Vec::new(),
        })
    }
}

/// The arguments in the schema's types, defaults filled in.
fn configured(instance: &Instance, schema: &DataSchema) -> Entries {
    let arguments = schema.attributes.iter().filter(|(_, it)| it.mode != Mode::Computed);
    let value = |(name, attribute): (&String, &Attribute)| {
        let given = instance.arguments.get(name).filter(|given| !given.is_null());
        let value = given.or_else(|| attribute.default.clone());
        let value = value.map_or_else(
            || Value::null(attribute.ty.clone()),
            |value| typed(&value, &attribute.ty),
        );
        (Arc::from(name.as_str()), marked(attribute, value))
    };
    arguments.map(value).collect()
}
