//! At apply time: computing what was unknown when the plan was made, from what operations have given.

use crate::eval::{Given, evaluate, is_failed, template_value};
use crate::functions::Run;
use crate::source::{FileSystem, SourceFile};
use crate::syntax::{parse_expression, parse_template};
use model::convert::convert;
use model::value::Entries;
use model::{Address, Data, Diagnostic, RUN, Residual, Type, Unknown, Value};
use std::path::Path;
use std::sync::Arc;

/// Computes every unknown part of a value. `outputs` gives the attributes of an instance after its operation; `time` is
/// when the run began, as RFC 3339 writes it: the same for all values of a run.
/// The result is wholly known; anything else is an error.
pub fn resolve(
    value: &Value,
    outputs: &dyn Fn(&Address) -> Option<Value>,
    time: &str,
) -> Result<Value, Diagnostic> {
    resolve_value(value, &World { outputs, time: time.into() })
}

/// What is known now.
struct World<'a> {
    outputs: &'a dyn Fn(&Address) -> Option<Value>,
    time: Arc<str>,
}

fn resolve_value(value: &Value, world: &World<'_>) -> Result<Value, Diagnostic> {
    if value.is_wholly_known() {
        return Ok(value.clone());
    }
    let each = |items: &Arc<Vec<Value>>| {
        items.iter().map(|item| resolve_value(item, world)).collect::<Result<Vec<_>, _>>()
    };
    let entries = |entries: &Arc<Entries>| {
        let resolved =
            entries.iter().map(|(name, entry)| Ok((name.clone(), resolve_value(entry, world)?)));
        resolved.collect::<Result<Entries, Diagnostic>>().map(Arc::new)
    };
    let resolved: Value = match value.data() {
        Data::Unknown(unknown) => resolve_unknown(unknown, world)?,
        Data::List(ty, items) => Data::List(ty.clone(), Arc::new(each(items)?)).into(),
        Data::Set(ty, items) => Value::set(ty.clone(), each(items)?),
        Data::Tuple(items) => Value::tuple(each(items)?),
        Data::Map(ty, parts) => Data::Map(ty.clone(), entries(parts)?).into(),
        Data::Object(parts) => Data::Object(entries(parts)?).into(),
        data => data.clone().into(),
    };
    Ok(resolved.with_marks(value.marks()))
}

fn resolve_unknown(unknown: &Unknown, world: &World<'_>) -> Result<Value, Diagnostic> {
    let value = match unknown.residual.as_ref() {
        Residual::Output { address, path } => output(address, path, world.outputs)?,
        Residual::Expression { source, template, scope, place } => {
            let scope = resolve_value(scope, world)?;
            let run = scope.get(RUN).and_then(|run| Run::from_value(&run, &world.time));
            expression(source, *template, &scope, run, place)?
        }
        Residual::Opaque => {
            return Err(Diagnostic::error(
                "unresolved",
                "a value is unknown and nothing can tell it",
            )
            .with_hint("this plan was made for validation only; make it again with `plan`"));
        }
    };
    if unknown.ty == Type::Any {
        return Ok(value);
    }
    convert(&value, &unknown.ty).map_err(|error| {
        Diagnostic::error(
            "wrong-type",
            format!("a value that is known now has another type than planned: {error}"),
        )
    })
}

fn output(
    address: &Address,
    path: &[Arc<str>],
    outputs: &dyn Fn(&Address) -> Option<Value>,
) -> Result<Value, Diagnostic> {
    let mut value = outputs(address).ok_or_else(|| {
        Diagnostic::error("unresolved", format!("`{address}` has no attributes yet"))
            .with_hint(
                "the operation that makes it has not run or has failed; run the command again",
            )
            .about(address)
    })?;
    for step in path {
        let item = || step.parse::<usize>().ok().and_then(|at| value.as_items()?.get(at).cloned());
        value = value.get(step).or_else(item).ok_or_else(|| {
            let shown = path.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(".");
            Diagnostic::error("unresolved", format!("`{address}` has no attribute `{shown}`"))
                .about(address)
        })?;
    }
    if value.is_wholly_known() {
        return Ok(value);
    }
    Err(Diagnostic::error("unresolved", format!("an attribute of `{address}` is still unknown"))
        .about(address))
}

fn expression(
    source: &str,
    template: bool,
    scope: &Value,
    run: Option<Run>,
    place: &str,
) -> Result<Value, Diagnostic> {
    let mut names = Given {
        variables: scope,
        run,
        calls: 0,
        loader: &FileSystem,
        directory: Path::new("."),
        template,
        errors: Vec::new(),
    };
    let first = |mistakes: &[Diagnostic]| match mistakes.first() {
        Some(mistake) => at_apply(mistake, place),
        None => Diagnostic::error("unresolved", format!("{place}: the expression cannot be read")),
    };
    let (value, diagnostics) = if template {
        let file = SourceFile::new(place, source);
        let parts = parse_template(&file).map_err(|mistakes| first(&mistakes))?;
        template_value(&file, parts, &mut names)
    } else {
        let expression = parse_expression(place, source).map_err(|mistakes| first(&mistakes))?;
        let (value, diagnostics) = evaluate(&expression, &mut names);
        (Some(value), diagnostics)
    };
    if let Some(diagnostic) = diagnostics.iter().chain(&names.errors).next() {
        return Err(at_apply(diagnostic, place));
    }
    match value {
        Some(value) if !is_failed(&value) && value.is_wholly_known() => Ok(value),
        _ => Err(Diagnostic::error(
            "unresolved",
            format!("the expression at {place} is still unknown"),
        )),
    }
}

/// A mistake that shows only now. The source is not at hand, so the place is told in words.
fn at_apply(inner: &Diagnostic, place: &str) -> Diagnostic {
    let label = inner.labels.first().map_or("", |label| label.message.as_str());
    let separator = if label.is_empty() { "" } else { ": " };
    let mut diagnostic =
        Diagnostic::error(&inner.code, format!("{place}: {}{separator}{label}", inner.summary));
    diagnostic.hints.clone_from(&inner.hints);
    diagnostic
}
