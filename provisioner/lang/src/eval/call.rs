//! Function calls, and the functions whose arguments are expressions or templates.

use super::later::{self, Later};
use super::residual::part_of_unknown;
use super::template::Text;
use super::{Evaluator, Found, Names, Reference, failed, is_failed};
use crate::functions::{self, Function, FunctionContext, FunctionError, Run};
use crate::module::suggest::did_you_mean;
use crate::source::{SourceFile, SourceLoader};
use crate::syntax::{Call, Expr, Extent, Parts, parse_template};
use model::convert::{article, convert};
use model::{Data, Diagnostic, Marks, RUN, Refinement, Type, Value};
use std::path::Path;
use std::sync::Arc;

/// The functions of this module, which are not in the table.
pub(crate) const SPECIAL: [&str; 4] = ["can", "templatefile", "templatestring", "try"];

impl Evaluator<'_> {
    pub(super) fn call(&mut self, expr: Expr<'_>, call: Call<'_>) -> Value {
        match call.name.text.as_ref() {
            "try" => return self.try_each(expr, call),
            "can" => return self.can(expr, call),
            _ => {}
        }
        let Some(arguments) = self.arguments(expr, call) else {
            return failed();
        };
        let Arguments::Known(values) = arguments else {
            return self.residual(expr, Type::Any, None);
        };
        match call.name.text.as_ref() {
            "templatefile" | "templatestring" if self.names.in_template() => {
                let problem = "a template cannot use another template";
                return self.call_error(call, call.name.extent, problem);
            }
            "templatefile" => return self.template_file(expr, call, &values),
            "templatestring" => return self.template_string(expr, call, &values),
            _ => {}
        }
        let Some(function) = functions::get(call.name.text) else {
            return self.unknown_function(call);
        };
        if values.iter().any(|value| value.is_unknown() && is_failed(value)) {
            return failed();
        }
        let run = if functions::needs_run(function.name) { self.names.run() } else { None };
        if let Some(later) = not_yet(function, &values, run.as_ref()) {
            return match later {
                Ok(later) => self.call_later(expr, later, &values),
                Err(error) => self.refused(call, &error),
            };
        }
        let context = FunctionContext {
            loader: self.names.loader(),
            module_dir: self.names.directory(),
            run: run.as_ref(),
        };
        let open_set =
            |value: &Value| matches!(value.data(), Data::Set(..)) && !value.is_wholly_known();
        let is_ready =
            function.ready(&values) && !(function.name == "length" && values.iter().any(open_set));
        if !is_ready && !later::takes_unknown(function.name, &values) {
            let later = later::call(function.name, &values, function.result_type(), &context);
            return self.call_later(expr, later, &values);
        }
        match function.call(&values, &context) {
            Ok(value) => later::finished(function.name, &values, value),
            Err(error) => self.refused(call, &error),
        }
    }

    /// A function's own refusal.
    fn refused(&mut self, call: Call<'_>, error: &FunctionError) -> Value {
        let argument = error.argument.and_then(|index| call.arguments.get(index));
        let extent = argument.map_or(call.name.extent, Expr::extent);
        self.call_error(call, extent, &error.message)
    }

    /// The result of a call as far as it is known; what is not is left to the whole call.
    fn call_later(&mut self, expr: Expr<'_>, later: Later, values: &[Value]) -> Value {
        let marks = &deep_union(values);
        match later {
            Later::Unknown(ty, refinement) => {
                self.residual_of(expr, ty, values, marks).refined(refinement)
            }
            Later::Answer(answer) if answer.is_wholly_known() => answer.with_marks(marks),
            Later::Answer(answer) => {
                let whole = self.residual(expr, answer.ty(), Some(marks));
                let items = answer.as_items().unwrap_or_default().iter().zip(0_i64..);
                let parts = items.map(|(item, at)| {
                    if !item.is_unknown() {
                        return item.clone();
                    }
                    part_of_unknown(&whole, &Value::from(at), item.ty())
                });
                let element = match answer.data() {
                    Data::List(element, _) => element.clone(),
                    _ => Arc::new(Type::Any),
                };
                Value::list(element, parts).with_marks(marks)
            }
        }
    }

    fn call_error(&mut self, call: Call<'_>, extent: Extent, problem: &str) -> Value {
        let summary = format!("the call of `{}` failed", call.name.text);
        self.error(extent, "call", summary, problem)
    }

    fn unknown_function(&mut self, call: Call<'_>) -> Value {
        // It has been reported when the module was read, unless `try` or `can` is to catch it.
        if self.names.is_checked() && self.attempts == 0 {
            return failed();
        }
        let diagnostic = unknown_function(&self.file, call);
        self.report(diagnostic)
    }

    fn arguments(&mut self, expr: Expr<'_>, call: Call<'_>) -> Option<Arguments> {
        let mut values: Vec<_> =
            call.arguments.iter().map(|argument| self.eval(argument)).collect();
        if !call.expand {
            return Some(Arguments::Known(values));
        }
        let last = values.pop()?;
        let items = match last.data() {
            Data::Unknown(_) if is_failed(&last) => return None,
            Data::Unknown(_) => return Some(Arguments::Unknown),
            _ => last.as_items(),
        };
        let Some(items) = items else {
            let extent = call.arguments.last().map_or(expr.extent(), Expr::extent);
            let label = format!("this is {}", article(&last.ty()));
            self.error(extent, "expansion", "`...` follows a list, set or tuple", &label);
            return None;
        };
        values.extend(items.iter().map(|item| item.clone().with_marks(last.marks())));
        Some(Arguments::Known(values))
    }

    /// The first argument that can be evaluated.
    fn try_each(&mut self, expr: Expr<'_>, call: Call<'_>) -> Value {
        for argument in call.arguments.iter() {
            // What is unknown now may still fail when it is known.
            if self.rests_on_unknown(argument) {
                return self.residual(expr, Type::Any, None);
            }
            let before = self.diagnostics.len();
            let (value, caught) = self.attempt(argument);
            if self.diagnostics.len() > before {
                return failed();
            }
            if caught {
                continue;
            }
            if is_failed(&value) {
                return failed();
            }
            return value;
        }
        self.call_error(call, call.name.extent, "none of its arguments can be evaluated")
    }

    fn can(&mut self, expr: Expr<'_>, call: Call<'_>) -> Value {
        let Some(argument) = call.arguments.only() else {
            return self.call_error(call, call.name.extent, "it takes one argument");
        };
        if self.rests_on_unknown(argument) {
            return self.residual(expr, Type::Bool, None);
        }
        let before = self.diagnostics.len();
        let (value, caught) = self.attempt(argument);
        if self.diagnostics.len() > before || (!caught && is_failed(&value)) {
            return failed();
        }
        // Whether it works is no secret, even where the value is.
        Value::from(!caught)
    }

    fn template_file(&mut self, expr: Expr<'_>, call: Call<'_>, values: &[Value]) -> Value {
        let [path, variables] = values else {
            return self.call_error(
                call,
                call.name.extent,
                "it takes a path and an object of variables",
            );
        };
        if is_failed(path) || variables.is_unknown() && is_failed(variables) {
            return failed();
        }
        if path.is_unknown() || variables.is_unknown() {
            return self.residual(expr, Type::String, Some(&deep_union(values)));
        }
        let path_extent = call.arguments.get(0).map_or(expr.extent(), Expr::extent);
        let Some(name) = path.as_str() else {
            return self.call_error(call, path_extent, "the path is text");
        };
        let full = self.names.directory().join(name);
        let text = match self.names.loader().read(&full) {
            Ok(text) => text,
            Err(error) => {
                let problem = format!("`{name}` cannot be read: {error}");
                return self.call_error(call, path_extent, &problem);
            }
        };
        let file =
            SourceFile::new(crate::source::normalise(&full).to_string_lossy().as_ref(), text);
        self.foreign_template(expr, call, &file, variables).with_marks(path.marks())
    }

    fn template_string(&mut self, expr: Expr<'_>, call: Call<'_>, values: &[Value]) -> Value {
        let [text, variables] = values else {
            return self.call_error(
                call,
                call.name.extent,
                "it takes a template and an object of variables",
            );
        };
        if is_failed(text) || variables.is_unknown() && is_failed(variables) {
            return failed();
        }
        if text.is_unknown() || variables.is_unknown() {
            return self.residual(expr, Type::String, Some(&deep_union(values)));
        }
        let Some(content) = text.as_str() else {
            return self.call_error(call, call.name.extent, "the template is text");
        };
        let file = SourceFile::new("template", content);
        self.foreign_template(expr, call, &file, variables).with_marks(text.marks())
    }

    /// Evaluates a template of another file with an object of variables.
    fn foreign_template(
        &mut self,
        expr: Expr<'_>,
        call: Call<'_>,
        file: &Arc<SourceFile>,
        variables: &Value,
    ) -> Value {
        if variables.as_entries().is_none() {
            return self.call_error(call, expr.extent(), "the variables are an object");
        }
        let parts = match parse_template(file) {
            Ok(parts) => parts,
            Err(mistakes) => {
                for mistake in mistakes {
                    self.in_template(call, file, mistake);
                }
                return failed();
            }
        };
        let (value, diagnostics) = {
            let run = self.names.run();
            let mut names = Given {
                variables,
                run,
                calls: 0,
                loader: self.names.loader(),
                directory: self.names.directory(),
                template: true,
                errors: Vec::new(),
            };
            let (value, mut diagnostics) = template_value(file, parts, &mut names);
            diagnostics.extend(names.errors);
            (value, diagnostics)
        };
        if !diagnostics.is_empty() {
            for diagnostic in diagnostics {
                self.in_template(call, file, diagnostic);
            }
            return failed();
        }
        match value {
            Some(value) => value.with_marks(variables.marks()),
            None => {
                self.template_residual(file, parts, variables, expr).with_marks(variables.marks())
            }
        }
    }

    /// A mistake inside a template, told at the call: the template's text is not part of the sources.
    fn in_template(&mut self, call: Call<'_>, file: &SourceFile, inner: Diagnostic) -> Value {
        let place = inner.labels.first().map_or_else(
            || file.name.to_string(),
            |label| file.place(Extent { start: label.span.start, end: label.span.end }),
        );
        let remark = inner
            .labels
            .first()
            .map(|label| label.message.as_str())
            .filter(|text| !text.is_empty());
        let problem = match remark {
            Some(remark) => format!("{}: {remark}", inner.summary),
            None => inner.summary.clone(),
        };
        let mut diagnostic =
            Diagnostic::error(&inner.code, format!("in the template at {place}: {problem}"))
                .with_label(self.file.span(call.name.extent), "used here");
        diagnostic.hints = inner.hints;
        self.report(diagnostic)
    }
}

/// The result of a call that is made only when what is planned runs.
fn not_yet(
    function: &Function,
    values: &[Value],
    run: Option<&Run>,
) -> Option<Result<Later, FunctionError>> {
    let is_later = functions::is_later(function.name) && run.is_some_and(|run| run.time.is_none());
    if !is_later || !function.ready(values) {
        return None;
    }
    let checked = function.check(values);
    Some(checked.map(|()| Later::Unknown(function.result_type(), Refinement::not_null())))
}

/// A call of a function that does not exist.
pub(crate) fn unknown_function(file: &SourceFile, call: Call<'_>) -> Diagnostic {
    let names = functions::names().chain(SPECIAL);
    let diagnostic =
        Diagnostic::error("unknown-function", format!("there is no function `{}`", call.name.text))
            .with_label(file.span(call.name.extent), "");
    match did_you_mean(call.name.text, names) {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    }
}

/// The text of a template; `None` when it is unknown.
pub(crate) fn template_value(
    file: &Arc<SourceFile>,
    parts: Parts<'_>,
    names: &mut dyn Names,
) -> (Option<Value>, Vec<Diagnostic>) {
    let mut evaluator = Evaluator::new(names, file.clone());
    if let Some(inner) = parts.only_interpolation() {
        let value = evaluator.eval(inner);
        let value = convert(&value, &Type::String).unwrap_or(value);
        let known = value.is_wholly_known().then_some(value);
        return (known, evaluator.diagnostics);
    }
    let mut text = Text::new();
    evaluator.parts(parts, &mut text);
    let known = (!text.unknown && !text.failed)
        .then(|| Value::string(&text.written).with_marks(&text.marks));
    (known, evaluator.diagnostics)
}

fn deep_union(values: &[Value]) -> Marks {
    values.iter().fold(Marks::default(), |marks, value| marks.union(&value.deep_marks()))
}

enum Arguments {
    Known(Vec<Value>),
    /// How many there are is not known.
    Unknown,
}

/// An object of variables, and nothing else: for templates, and for what a plan kept.
pub(crate) struct Given<'a> {
    pub variables: &'a Value,
    /// The run that it stands in.
    pub run: Option<Run>,
    /// How many calls have been given a run of their own.
    pub calls: u32,
    pub loader: &'a dyn SourceLoader,
    pub directory: &'a Path,
    pub template: bool,
    pub errors: Vec<Diagnostic>,
}

impl Names for Given<'_> {
    fn lookup(&mut self, reference: &Reference<'_>) -> Option<Found> {
        if let Some(value) =
            self.variables.as_entries().and_then(|entries| entries.get(reference.root))
        {
            return Found::some(value.clone(), 0);
        }
        let names = self
            .variables
            .as_entries()
            .into_iter()
            .flat_map(|entries| entries.keys().map(AsRef::as_ref))
            .filter(|name| *name != RUN);
        let summary = format!("`{}` is not among the variables given to it", reference.root);
        let mut diagnostic =
            Diagnostic::error("unknown-reference", summary).with_label(reference.span(), "");
        if let Some(hint) = did_you_mean(reference.root, names) {
            diagnostic = diagnostic.with_hint(hint);
        }
        self.errors.push(diagnostic);
        None
    }

    fn loader(&self) -> &dyn SourceLoader {
        self.loader
    }

    fn directory(&self) -> &Path {
        self.directory
    }

    fn run(&mut self) -> Option<Run> {
        self.calls += 1;
        let run = self.run.clone()?;
        Some(Run { identity: format!("{}.{}", run.identity, self.calls).into(), ..run })
    }

    fn in_template(&self) -> bool {
        self.template
    }
}
