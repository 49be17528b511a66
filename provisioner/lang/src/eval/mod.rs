//! Evaluation of one expression.
//!
//! Invariants: evaluation always gives a value; a mistake adds a diagnostic and gives a *failed* value (an
//! unknown that everything built on it becomes too), so that one run reports all mistakes and none
//! twice. What is merely unknown gives a residual: the text of the operation and the values it refers to.
//! Marks flow from every operand to the result.
//! Refuses to know: what references mean (that is [`Names`]).

mod access;
mod call;
mod collection;
mod equality;
mod later;
mod operator;
mod residual;
mod template;

pub(crate) use call::{Given, SPECIAL, template_value, unknown_function};
pub(crate) use residual::{failed, is_failed, part, rests_on_opaque};

use crate::functions::Run;
use crate::source::{SourceFile, SourceLoader};
use crate::syntax::{Expr, Expression, Extent, ItemKey, Items, Kind};
use model::convert::convert;
use model::{Diagnostic, Marks, Span, Type, Value};
use std::path::Path;
use std::sync::Arc;

/// Codes of mistakes that `try` and `can` do not catch: what is referred to does not exist.
const NEVER_CAUGHT: [&str; 2] = ["unknown-reference", "cycle"];

/// What gives references their values.
pub(crate) trait Names {
    /// The value of the longest known start of a reference; `None` when it has been reported already.
    fn lookup(&mut self, reference: &Reference<'_>) -> Option<Found>;

    /// What functions read files through.
    fn loader(&self) -> &dyn SourceLoader;

    /// What relative paths are relative to.
    fn directory(&self) -> &Path;

    /// What a call is given that gives another value at every run; none where such a call cannot stand.
    fn run(&mut self) -> Option<Run> {
        None
    }

    /// Whether what is unknown stays so: nothing that rests on it will be computed.
    fn is_opaque(&self) -> bool {
        false
    }

    /// Whether functions that do not exist have been reported before evaluation.
    fn is_checked(&self) -> bool {
        false
    }

    /// Whether the expression stands in a template of another file.
    fn in_template(&self) -> bool {
        false
    }
}

/// A reference with its indexes evaluated.
pub(crate) struct Reference<'r> {
    pub root: &'r Arc<str>,
    pub steps: &'r [Key],
    pub file: &'r SourceFile,
    pub extent: Extent,
}

impl Reference<'_> {
    pub(crate) fn span(&self) -> Span {
        self.file.span(self.extent)
    }

    /// The name at a step, if it is a plain attribute or a known string.
    pub(crate) fn name(&self, step: usize) -> Option<&str> {
        match self.steps.get(step)? {
            Key::Attribute(name) => Some(name),
            Key::Index(value) => value.as_str(),
            Key::Splat => None,
        }
    }
}

/// One step of a reference.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    Attribute(Arc<str>),
    Index(Value),
    Splat,
}

/// What a reference's start stands for.
pub(crate) struct Found {
    pub value: Value,
    /// How many steps the value covers.
    pub consumed: usize,
}

impl Found {
    /// What a lookup gives when it finds something.
    #[expect(clippy::unnecessary_wraps, reason = "every caller is at the end of a lookup")]
    pub(crate) fn some(value: Value, consumed: usize) -> Option<Self> {
        Some(Self { value, consumed })
    }
}

/// A variable of an expression itself.
#[derive(Clone)]
struct Local {
    name: Arc<str>,
    value: Value,
    /// The marks of the collection that it is an element of. The result of the whole has them, so that the
    /// element itself needs them only in what a plan keeps.
    marks: Marks,
}

impl Local {
    fn new(name: &Arc<str>, value: Value, marks: &Marks) -> Self {
        Self { name: name.clone(), value, marks: marks.clone() }
    }
}

/// Evaluates expressions of one file.
pub(crate) struct Evaluator<'a> {
    names: &'a mut dyn Names,
    file: Arc<SourceFile>,
    locals: Vec<Local>,
    /// How many evaluations around this one catch its mistakes.
    attempts: u32,
    pub diagnostics: Vec<Diagnostic>,
}

/// Evaluates an expression; the diagnostics are those of the expression itself.
pub(crate) fn evaluate(expression: &Expression, names: &mut dyn Names) -> (Value, Vec<Diagnostic>) {
    let mut evaluator = Evaluator::new(names, expression.file.clone());
    let value = evaluator.eval(expression.root());
    (value, evaluator.diagnostics)
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(names: &'a mut dyn Names, file: Arc<SourceFile>) -> Self {
        Self { names, file, locals: Vec::new(), attempts: 0, diagnostics: Vec::new() }
    }

    /// The value of an expression.
    pub(crate) fn eval(&mut self, expr: Expr<'_>) -> Value {
        match expr.kind() {
            Kind::Literal(literal) => literal.value(),
            Kind::Broken => failed(),
            Kind::Tuple(items) => {
                Value::tuple(items.iter().map(|item| self.eval(item)).collect::<Vec<_>>())
            }
            Kind::Object(items) => self.object(expr, items),
            Kind::Template(parts) => self.template(expr, parts),
            Kind::Parens(inner) => self.eval(inner),
            Kind::Variable(root) => self.variable(expr, root),
            Kind::Reference(reference) => self.traverse_root(expr, reference.root, reference.steps),
            Kind::Traversal(traversal) => self.traversal(expr, traversal),
            Kind::Conditional(parts) => self.conditional(expr, parts),
            Kind::Call(call) => self.call(expr, call),
            Kind::Unary(operator, operand) => self.unary(expr, operator, operand),
            Kind::Binary(..) => self.operators(expr),
            Kind::For(parsed) => self.for_expr(expr, parsed),
        }
    }

    fn object(&mut self, expr: Expr<'_>, items: Items<'_>) -> Value {
        let mut entries: Vec<(Arc<str>, Value)> = Vec::with_capacity(items.len());
        let mut marks = Marks::default();
        let (mut unknown, mut broken) = (false, false);
        for item in items.iter() {
            let value = self.eval(item.value);
            let (key, extent) = match item.key {
                ItemKey::Name(name) => {
                    entries.push((name.text.clone(), value));
                    continue;
                }
                ItemKey::Expr(key) => (self.key(key), key.extent()),
            };
            marks.add(key.marks());
            if is_failed(&key) {
                broken = true;
            } else if let Some(name) = self.object_key(&key, extent) {
                match name {
                    Some(name) => entries.push((name, value)),
                    None => unknown = true,
                }
            } else {
                broken = true;
            }
        }
        if broken {
            return failed();
        }
        if unknown {
            return self.residual(expr, Type::Any, None);
        }
        Value::object(entries).with_marks(&marks)
    }

    fn key(&mut self, key: Expr<'_>) -> Value {
        match key.kind() {
            Kind::Variable(name) => Value::string(name),
            Kind::Reference(_) => self.ambiguous_key(key),
            _ => self.eval(key),
        }
    }

    fn ambiguous_key(&mut self, key: Expr<'_>) -> Value {
        let text = self.file.slice(key.extent());
        let diagnostic = Diagnostic::error("object-key", "this key may be meant in two ways")
            .with_label(self.file.span(key.extent()), "a text with dots, or a reference")
            .with_hint(format!("for the text write \"{}\"", text.replace('"', "\\\"")))
            .with_hint(format!("for what is referred to write ({text})"));
        self.report(diagnostic)
    }

    /// The name that a key stands for: `None` after a mistake, `Some(None)` when it is not known.
    #[expect(clippy::option_option, reason = "a wrong key and an unknown one are different things")]
    fn object_key(&mut self, key: &Value, extent: Extent) -> Option<Option<Arc<str>>> {
        let problem = if key.is_null() {
            "the key is null".to_owned()
        } else {
            match convert(key, &Type::String) {
                Ok(text) => return Some(text.as_str().map(Into::into)),
                Err(error) => error.to_string(),
            }
        };
        self.error(extent, "object-key", "this cannot be an object's key", &problem);
        None
    }

    /// Reports a mistake; gives the failed value.
    fn error(
        &mut self,
        extent: Extent,
        code: &str,
        summary: impl Into<String>,
        label: &str,
    ) -> Value {
        let span = self.file.span(extent);
        self.report(Diagnostic::error(code, summary).with_label(span, label))
    }

    fn report(&mut self, diagnostic: Diagnostic) -> Value {
        self.diagnostics.push(diagnostic);
        failed()
    }

    /// Evaluates without reporting; gives the diagnostics that nothing may hide, and whether it failed.
    fn attempt(&mut self, expr: Expr<'_>) -> (Value, bool) {
        let before = self.diagnostics.len();
        self.attempts += 1;
        let value = self.eval(expr);
        self.attempts -= 1;
        let new = self.diagnostics.split_off(before);
        let caught = !new.is_empty();
        self.diagnostics
            .extend(new.into_iter().filter(|d| NEVER_CAUGHT.contains(&d.code.as_str())));
        (value, caught)
    }

    /// Runs `inner` with further variables.
    fn with_locals<T>(&mut self, locals: Vec<Local>, inner: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.locals.len();
        self.locals.extend(locals);
        let result = inner(self);
        self.locals.truncate(before);
        result
    }

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find(|local| local.name.as_ref() == name)
    }
}
