//! Values of variables from outside: the command line, the environment, files.

use crate::module::Values;
use crate::module::constant::constant;
use crate::source::SourceFile;
use crate::syntax::{parse_expression, parse_file, parse_json_file};
use model::{Diagnostic, Span, Type, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Everything that comes from outside.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Values of the root module's variables.
    pub variables: BTreeMap<String, VariableInput>,
    /// The public key, as an OpenSSH line, that nodes let in; `environment.login_key`.
    pub login_key: String,
    /// When the evaluation takes place, and what chance it has.
    pub moment: Moment,
}

/// Time and chance of an evaluation, which is a function of them as of everything else that it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time in UTC, to the second, as RFC 3339 writes it.
    pub time: Arc<str>,
    /// What everything random follows from; another for every evaluation.
    pub seed: Arc<str>,
    /// Whether the values are used at once, not in an apply to come.
    pub is_final: bool,
}

impl Default for Moment {
    /// The beginning of time, for evaluations in which it does not matter.
    fn default() -> Self {
        Self { time: "1970-01-01T00:00:00Z".into(), seed: "".into(), is_final: false }
    }
}

/// The value of a variable.
#[derive(Clone, Debug, PartialEq)]
pub struct VariableInput {
    /// The value, perhaps still as text.
    pub value: InputValue,
    /// Where it came from, for messages: `--var`, `PROVISIONER_VAR_size`, `staging.auto.hclvars`.
    pub origin: String,
    /// Its place, if it came from a file.
    pub span: Option<Span>,
    /// Whether it is no mistake when no such variable is declared (process environment).
    pub may_be_unused: bool,
}

/// A value, perhaps still as text.
#[derive(Clone, Debug, PartialEq)]
pub enum InputValue {
    /// Text as it was given: the value itself for a variable of a primitive type, an expression for others.
    Text(String),
    /// A value.
    Value(Value),
}

impl VariableInput {
    /// Text from the command line.
    pub fn text(text: impl Into<String>, origin: impl Into<String>) -> Self {
        Self {
            value: InputValue::Text(text.into()),
            origin: origin.into(),
            span: None,
            may_be_unused: false,
        }
    }

    /// Text from the process environment, where a name that is not declared is no mistake.
    pub fn environment(text: impl Into<String>, name: impl Into<String>) -> Self {
        Self { may_be_unused: true, ..Self::text(text, name) }
    }

    /// A value from a program.
    pub fn value(value: Value, origin: impl Into<String>) -> Self {
        Self {
            value: InputValue::Value(value),
            origin: origin.into(),
            span: None,
            may_be_unused: false,
        }
    }
}

/// The content of a file of variables.
#[derive(Clone, Debug, Default)]
pub struct VariableFile {
    /// The values by name.
    pub variables: BTreeMap<String, VariableInput>,
    /// What is wrong with the file. Spans name it as `name` was given.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a file of variables: `name = value` lines, or JSON when the name ends in `.json`.
pub fn parse_variable_file(name: &str, text: &str) -> VariableFile {
    let source = SourceFile::new(name, text);
    let is_json = Path::new(name).extension().is_some_and(|extension| extension == "json");
    let (body, diagnostics) =
        if is_json { parse_json_file(&source, &Values) } else { parse_file(&source) };
    let mut file = VariableFile { diagnostics, ..VariableFile::default() };
    for block in &body.blocks {
        let diagnostic =
            Diagnostic::error("unknown-block", "a file of variables holds only `name = value`")
                .with_label(block.span(), "a block")
                .with_hint("declare variables in a `*.hcl` file; give their values here");
        file.diagnostics.push(diagnostic);
    }
    for attribute in &body.attributes {
        if let Some(value) = constant(&attribute.value, &mut file.diagnostics) {
            let span = Some(attribute.value.span());
            let input = VariableInput { span, ..VariableInput::value(value, name) };
            file.variables.insert(attribute.name.text.to_string(), input);
        }
    }
    file
}

/// The value of an input for a variable of type `ty`.
pub(crate) fn input_value(
    name: &str,
    input: &VariableInput,
    ty: &Type,
) -> Result<Value, Vec<Diagnostic>> {
    let text = match &input.value {
        InputValue::Value(value) => return Ok(value.clone()),
        InputValue::Text(text) => text,
    };
    if matches!(ty, Type::Any | Type::Bool | Type::Number | Type::String) {
        return Ok(Value::string(text));
    }
    // The text has no file, so places in it cannot be shown.
    let described = |diagnostic: &Diagnostic| {
        let label = diagnostic.labels.first().map_or("", |label| label.message.as_str());
        let separator = if label.is_empty() { "" } else { ": " };
        Diagnostic::error("variable-value", format!("the value of `{name}` from {} cannot be read", input.origin))
            .with_detail(format!("{}{separator}{label}", diagnostic.summary))
            .with_hint(format!("the variable is of type {ty}, so its value is written as in the configuration; quote it for the shell"))
    };
    let expression = parse_expression(&input.origin, text)
        .map_err(|mistakes| mistakes.iter().map(described).collect::<Vec<_>>())?;
    let mut diagnostics = Vec::new();
    match constant(&expression, &mut diagnostics) {
        Some(value) => Ok(value),
        None => Err(diagnostics.iter().map(described).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_give_values_and_places() {
        let file = parse_variable_file("x.hclvars", "size = 7\nnames = [\"a\", upper(\"b\")]\n");
        assert!(file.diagnostics.is_empty());
        assert_eq!(file.variables["size"].value, InputValue::Value(7.into()));
        assert_eq!(file.variables["names"].span.as_ref().unwrap().start, 17);
        let json = parse_variable_file("x.json", "{\"size\": 7}");
        assert_eq!(json.variables["size"].value, InputValue::Value(7.into()));
        assert_eq!(parse_variable_file("x.hclvars", "a = var.b\n").diagnostics[0].code, "constant");
    }

    #[test]
    fn text_is_an_expression_where_the_type_is_no_primitive() {
        let input = VariableInput::text("[1, 2]", "--var");
        assert_eq!(input_value("x", &input, &Type::String).unwrap(), "[1, 2]".into());
        let list = input_value("x", &input, &Type::list(Type::Number)).unwrap();
        assert_eq!(list.as_items().unwrap().len(), 2);
        let bad = VariableInput::text("[1", "--var");
        assert_eq!(
            input_value("x", &bad, &Type::list(Type::Number)).unwrap_err()[0].code,
            "variable-value"
        );
    }
}
