//! Parameters and what happens to arguments before a function sees them: their number is checked, null is
//! refused where it may not be, and each is converted to its parameter's type.

use super::convert_unifying;
use super::{Function, FunctionError};
use model::convert::article;
use model::{Data, Number, Type, Value};

/// A type as it stands in the table; `model::Type` cannot be a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No constraint.
    Any,
    /// `bool`.
    Bool,
    /// `number`.
    Number,
    /// `string`.
    String,
    /// `list(KIND)`.
    List(&'static Kind),
    /// `set(KIND)`.
    Set(&'static Kind),
    /// `map(KIND)`.
    Map(&'static Kind),
}

impl Kind {
    /// The type.
    pub fn to_type(self) -> Type {
        match self {
            Self::Any => Type::Any,
            Self::Bool => Type::Bool,
            Self::Number => Type::Number,
            Self::String => Type::String,
            Self::List(element) => Type::list(element.to_type()),
            Self::Set(element) => Type::set(element.to_type()),
            Self::Map(element) => Type::map(element.to_type()),
        }
    }

    /// Whether a value is surely of the type as it is: the usual case, for which no type has to be made.
    fn is_of(self, value: &Value) -> bool {
        matches!(
            (self, value.data()),
            (Self::Bool, Data::Bool(_))
                | (Self::Number, Data::Number(_))
                | (Self::String, Data::String(_))
        )
    }
}

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, for messages.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether null may be given.
    pub nullable: bool,
}

/// The arguments as the function's body expects them.
pub(super) fn prepare(function: &Function, given: &[Value]) -> Result<Vec<Value>, FunctionError> {
    check_count(function, given.len())?;
    let parameters = function.parameters.iter().chain(function.variadic.iter().cycle());
    let prepared = given.iter().zip(parameters).enumerate();
    prepared.map(|(index, (value, parameter))| prepare_one(index, value, parameter)).collect()
}

fn check_count(function: &Function, given: usize) -> Result<(), FunctionError> {
    let wanted = function.parameters.len();
    let plural = |count: usize| if count == 1 { "argument" } else { "arguments" };
    if given < wanted {
        let least = if function.variadic.is_some() { "at least " } else { "" };
        return Err(FunctionError::call(format!(
            "`{}` takes {least}{wanted} {}; `{}` is missing",
            function.name,
            plural(wanted),
            function.parameters[given].name,
        )));
    }
    if given > wanted && function.variadic.is_none() {
        return Err(FunctionError::argument(
            wanted,
            format!("`{}` takes {wanted} {}, not {given}", function.name, plural(wanted)),
        ));
    }
    Ok(())
}

fn prepare_one(index: usize, value: &Value, parameter: &Parameter) -> Result<Value, FunctionError> {
    if parameter.kind.is_of(value) {
        return Ok(value.clone());
    }
    if value.is_null() {
        if parameter.nullable {
            return Ok(value.clone());
        }
        let problem = format!("`{}` must not be null", parameter.name);
        return Err(FunctionError::argument(index, problem));
    }
    let ty = parameter.kind.to_type();
    convert_unifying(value, &ty).map_err(|error| {
        let problem = format!("`{}` must be {}: {error}", parameter.name, article(&ty));
        FunctionError::argument(index, problem)
    })
}

/// The text of an argument that was converted to `string`.
pub(super) fn text(arguments: &[Value], index: usize) -> Result<&str, FunctionError> {
    arguments.get(index).and_then(Value::as_str).ok_or_else(|| not_known(index))
}

/// The number of an argument that was converted to `number`.
pub(super) fn number(arguments: &[Value], index: usize) -> Result<&Number, FunctionError> {
    arguments.get(index).and_then(Value::as_number).ok_or_else(|| not_known(index))
}

/// The whole number of an argument that was converted to `number`.
pub(super) fn whole(arguments: &[Value], index: usize, name: &str) -> Result<i64, FunctionError> {
    number(arguments, index)?
        .as_i64()
        .ok_or_else(|| FunctionError::argument(index, format!("`{name}` must be a whole number")))
}

/// The items of an argument that was converted to a list or set.
pub(super) fn items(arguments: &[Value], index: usize) -> Result<&[Value], FunctionError> {
    arguments.get(index).and_then(Value::as_items).ok_or_else(|| not_known(index))
}

/// Only a caller that did not ask [`Function::ready`] sees this.
fn not_known(index: usize) -> FunctionError {
    FunctionError::argument(index, "the value is not known yet")
}

/// Whether a function that only moves parts can be called: usually when every argument is itself known.
pub(super) fn parts_ready(name: &str, arguments: &[Value]) -> bool {
    // The first argument that is chosen decides; those behind it do not matter.
    let chosen = |skipped: fn(&Value) -> bool| {
        arguments.iter().find(|value| !skipped(value)).is_none_or(|value| !value.is_unknown())
    };
    match name {
        "coalesce" => chosen(|value| value.is_null() || value.as_str() == Some("")),
        "coalescelist" => {
            chosen(|value| value.is_null() || value.as_items().is_some_and(<[Value]>::is_empty))
        }
        "lookup" => !arguments.iter().take(2).any(Value::is_unknown),
        "flatten" => arguments.iter().all(flattens),
        // Elements that are not known may turn out to be equal.
        "toset" => arguments.iter().all(Value::is_wholly_known),
        "zipmap" => {
            arguments.first().is_none_or(Value::is_wholly_known)
                && !arguments.iter().any(Value::is_unknown)
        }
        "issensitive" => {
            arguments.iter().all(|value| value.marks().sensitive || !value.is_unknown())
        }
        "sensitive" | "nonsensitive" | "ephemeralasnull" => true,
        _ => !arguments.iter().any(Value::is_unknown),
    }
}

/// Whether it is known how many elements `value` flattens to.
fn flattens(value: &Value) -> bool {
    match value.data() {
        Data::Unknown(unknown) => {
            use Type::{Bool, Map, Number, Object, String};
            matches!(unknown.ty, Bool | Number | String | Map(_) | Object(_))
        }
        _ => value.as_items().is_none_or(|items| items.iter().all(flattens)),
    }
}
