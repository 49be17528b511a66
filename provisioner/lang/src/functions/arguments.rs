//! Parameters and what happens to arguments before a function sees them: their number is checked, null is
//! refused where it may not be, and each is converted to its parameter's type.

use super::unify::convert_unifying;
use super::{Function, FunctionError};
use model::convert::article;
use model::{Data, Type, Value};

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

/// Whether a function that only moves parts can be called: usually when every argument is itself known.
pub(super) fn elementwise_ready(name: &str, arguments: &[Value]) -> bool {
    match name {
        // The first argument that is there decides; those behind it do not matter.
        "coalesce" => {
            let undecided = arguments.iter().find(|value| !value.is_null());
            undecided.is_none_or(|value| !value.is_unknown())
        }
        "flatten" => arguments.iter().all(flattens),
        "zipmap" => {
            arguments.first().is_none_or(Value::is_wholly_known)
                && !arguments.iter().any(Value::is_unknown)
        }
        "sensitive" | "nonsensitive" | "issensitive" => true,
        _ => !arguments.iter().any(Value::is_unknown),
    }
}

/// Whether it is known how many elements `value` flattens to.
fn flattens(value: &Value) -> bool {
    match value.data() {
        Data::Unknown(unknown) => {
            matches!(unknown.ty, Type::Bool | Type::Number | Type::String | Type::Map(_) | Type::Object(_))
        }
        _ => value.as_items().is_none_or(|items| items.iter().all(flattens)),
    }
}
