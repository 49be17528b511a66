//! The functions of the language: a static table, and [`call`].
//!
//! `call` does everything around a function's own work, so that the evaluator need not: it checks the
//! number of arguments, refuses null where none is allowed, converts every argument to its parameter's
//! type, and carries marks. What the caller does: ask [`Function::ready`] first, and when the answer is
//! no (something the function must look at is unknown) keep the call as a residual of
//! [`Function::result_type`].
//!
//! Invariants: a function is a pure function of its arguments, except that those which read files do so
//! through the context's loader, and those which give another value at every run do so from the context's run.
//! `try`, `can`, `templatefile` and `templatestring` are the evaluator's, since
//! their arguments are expressions or templates.
//! Refuses to know: syntax, scopes, residuals.

mod arguments;
mod code_pages;
mod conversion;
mod csv;
mod encoding;
mod files;
mod float;
mod format;
mod glob;
mod hashes;
mod json;
mod json_reader;
mod lists;
mod maps;
mod network;
mod numbers;
mod patterns;
mod reference;
mod rsa;
mod runs;
mod sets;
mod strings;
mod table;
mod time;
mod yaml;
mod yaml_reader;

pub use arguments::{Kind, Parameter};
pub use model::convert::convert as convert_unifying;
pub use model::unify::unify;
pub use reference::{Reference, reference};
pub use runs::Run;
pub(crate) use runs::{is_later, needs_run};

use crate::SourceLoader;
use foldhash::HashMap;
use model::{Marks, Type, Value};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// What functions may reach besides their arguments.
#[derive(Clone, Copy)]
pub struct FunctionContext<'a> {
    /// Reads files.
    pub loader: &'a dyn SourceLoader,
    /// The directory that relative paths are relative to; absolute, for `abspath`.
    pub module_dir: &'a Path,
    /// What a call is given that gives another value at every run; none where such a call cannot stand.
    pub run: Option<&'a Run>,
}

impl FunctionContext<'_> {
    /// Where a path given to `file` and its kin points.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.module_dir.join(path)
    }
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FunctionError {
    /// The argument that is wrong, from 0; none when it is the call as a whole.
    pub argument: Option<usize>,
    /// What is wrong. Names the parameter; never holds the value of an argument that may be a secret.
    pub message: String,
}

impl FunctionError {
    /// An error of the call as a whole.
    pub fn call(message: impl Into<String>) -> Self {
        Self { argument: None, message: message.into() }
    }

    /// An error of one argument.
    pub fn argument(index: usize, message: impl Into<String>) -> Self {
        Self { argument: Some(index), message: message.into() }
    }
}

/// What a function does with the parts of its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// It only moves parts, which may be unknown and keep their own marks; the result has the marks that
    /// the arguments themselves carry.
    Elementwise,
    /// Like `Elementwise`, but only some arguments count: the body carries the marks itself.
    Selective,
    /// It looks at everything: arguments must be wholly known, the result has the marks of all their parts.
    Strict,
}

/// The body of a function: converted arguments in, value out.
type Body = fn(&[Value], &FunctionContext<'_>) -> Result<Value, FunctionError>;

/// One function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// The parameters that must be given.
    pub parameters: &'static [Parameter],
    /// The parameter that may follow any number of times.
    pub variadic: Option<Parameter>,
    /// What it does with the parts of its arguments.
    pub handling: Handling,
    /// The type of its result, as far as it does not depend on the arguments.
    pub result: Kind,
    body: Body,
}

impl Function {
    /// The type of the result as far as it is the same for all arguments; else `any`.
    pub fn result_type(&self) -> Type {
        self.result.to_type()
    }

    /// Whether enough of the arguments is known for a call.
    pub fn ready(&self, arguments: &[Value]) -> bool {
        match self.handling {
            Handling::Strict => arguments.iter().all(Value::is_wholly_known),
            Handling::Elementwise | Handling::Selective => {
                arguments::parts_ready(self.name, arguments)
            }
        }
    }

    /// Whether it can be called with these arguments, as far as that can be told before the call is made.
    pub fn check(&self, arguments: &[Value]) -> Result<(), FunctionError> {
        runs::check(self.name, &arguments::prepare(self, arguments)?)
    }

    /// Calls it. Arguments may carry marks; the result carries those that belong to it.
    pub fn call(
        &self,
        arguments: &[Value],
        context: &FunctionContext<'_>,
    ) -> Result<Value, FunctionError> {
        let converted = arguments::prepare(self, arguments)?;
        let union = |marks: Marks, further: &Marks| marks.union(further);
        match self.handling {
            Handling::Selective => (self.body)(&converted, context),
            Handling::Elementwise => {
                let marks = arguments.iter().map(Value::marks).fold(Marks::default(), union);
                Ok((self.body)(&converted, context)?.with_marks(&marks))
            }
            Handling::Strict => {
                let marks = arguments.iter().map(Value::deep_marks);
                let marks = marks.fold(Marks::default(), |all, marks| all.union(&marks));
                if marks.is_empty() {
                    return (self.body)(&converted, context);
                }
                let bare: Vec<_> = converted.iter().map(Value::without_marks).collect();
                Ok((self.body)(&bare, context)?.with_marks(&marks))
            }
        }
    }
}

/// The function of this name.
pub fn get(name: &str) -> Option<&'static Function> {
    static BY_NAME: LazyLock<HashMap<&str, &Function>> =
        LazyLock::new(|| table::FUNCTIONS.iter().map(|each| (each.name, each)).collect());
    BY_NAME.get(name).copied()
}

/// Whether there is a function of this name.
pub fn exists(name: &str) -> bool {
    get(name).is_some()
}

/// The names of all functions, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    table::FUNCTIONS.iter().map(|function| function.name)
}

/// Whether enough of the arguments is known to call `name`; true for a function that does not exist.
pub fn ready(name: &str, arguments: &[Value]) -> bool {
    get(name).is_none_or(|function| function.ready(arguments))
}

/// Calls the function `name`.
pub fn call(
    name: &str,
    arguments: &[Value],
    context: &FunctionContext<'_>,
) -> Result<Value, FunctionError> {
    let function =
        get(name).ok_or_else(|| FunctionError::call(format!("there is no function `{name}`")))?;
    function.call(arguments, context)
}

#[cfg(test)]
mod tests;
