//! Functions on files and on the names of files. Files are read through the context's loader only.

use super::arguments::text;
use super::{FunctionContext, FunctionError, glob};
use crate::source::{normalise, relative};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{Type, Value};
use std::io::{self, ErrorKind};
use std::path::Path;

type Answer = Result<Value, FunctionError>;

/// The bytes of the file that the first argument names.
pub(super) fn bytes(
    args: &[Value],
    context: &FunctionContext<'_>,
) -> Result<Vec<u8>, FunctionError> {
    let path = text(args, 0)?;
    context.loader.read_bytes(&context.resolve(path)).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &str, error: &io::Error) -> FunctionError {
    let problem = match error.kind() {
        ErrorKind::NotFound => format!(
            "there is no file `{path}` (a file that an operation makes cannot be read here: use that resource's attribute)"
        ),
        _ => format!("`{path}` cannot be read: {error}"),
    };
    FunctionError::argument(0, problem)
}

pub(super) fn file(args: &[Value], context: &FunctionContext<'_>) -> Answer {
    let content = String::from_utf8(bytes(args, context)?).map_err(|_| {
        let path = text(args, 0).unwrap_or_default();
        let problem =
            format!("`{path}` is not UTF-8 text; `filebase64` and `filesha256` read any file");
        FunctionError::argument(0, problem)
    })?;
    Ok(content.into())
}

pub(super) fn filebase64(args: &[Value], context: &FunctionContext<'_>) -> Answer {
    Ok(STANDARD.encode(bytes(args, context)?).into())
}

pub(super) fn fileexists(args: &[Value], context: &FunctionContext<'_>) -> Answer {
    let path = text(args, 0)?;
    let place = context.resolve(path);
    if context.loader.is_directory(&place) {
        return Err(FunctionError::argument(0, format!("`{path}` is a directory, not a file")));
    }
    match context.loader.read_bytes(&place) {
        Ok(_) => Ok(true.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false.into()),
        Err(error) => Err(unreadable(path, &error)),
    }
}

pub(super) fn fileset(args: &[Value], context: &FunctionContext<'_>) -> Answer {
    let pattern = text(args, 1)?;
    if pattern.matches('[').count() > pattern.matches(']').count() {
        return Err(FunctionError::argument(1, "the pattern has a `[` without `]`"));
    }
    let mut found = Vec::new();
    let root = normalise(&context.resolve(text(args, 0)?));
    // Up to the first name with a wildcard the pattern is a path, perhaps one that leads out of the directory.
    let (fixed, pattern) = split_fixed(pattern);
    let start = normalise(&root.join(fixed));
    walk(context, &start, "", &mut found, 0)?;
    let matching = found.into_iter().filter(|path| glob::matches(pattern, path));
    let within = |path: String| {
        let path = relative(&root, &start.join(path));
        Value::string(&path.to_string_lossy())
    };
    Ok(Value::set(Type::String, matching.map(within)))
}

/// The directories that a pattern begins with, and the pattern below them.
fn split_fixed(pattern: &str) -> (&str, &str) {
    let wild = pattern.find(['*', '?', '[', '{', '\\']).unwrap_or(pattern.len());
    pattern[..wild].rfind('/').map_or(("", pattern), |at| (&pattern[..at], &pattern[at + 1..]))
}

/// Collects the files below a directory; one that is not there has none.
fn walk(
    context: &FunctionContext<'_>,
    directory: &Path,
    prefix: &str,
    found: &mut Vec<String>,
    depth: usize,
) -> Result<(), FunctionError> {
    const DEEPEST: usize = 64;
    if depth > DEEPEST {
        let problem = format!("directories are nested deeper than {DEEPEST}");
        return Err(FunctionError::argument(0, problem));
    }
    let entries = match context.loader.list(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(&directory.to_string_lossy(), &error)),
    };
    for entry in entries {
        let Some(name) = entry.file_name().and_then(|name| name.to_str()) else { continue };
        let path = format!("{prefix}{name}");
        if context.loader.is_directory(&entry) {
            walk(context, &entry, &format!("{path}/"), found, depth + 1)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

pub(super) fn basename(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let path = text(args, 0)?;
    let trimmed = path.trim_end_matches('/');
    let name = trimmed.rsplit('/').next().unwrap_or_default();
    Ok(match (name, path) {
        ("", "") => ".",
        ("", _) => "/",
        (name, _) => name,
    }
    .into())
}

pub(super) fn dirname(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let path = text(args, 0)?;
    let directory = path.rfind('/').map_or("", |at| &path[..=at]);
    Ok(normalise(Path::new(directory)).to_string_lossy().as_ref().into())
}

pub(super) fn abspath(args: &[Value], context: &FunctionContext<'_>) -> Answer {
    let path = context.resolve(text(args, 0)?);
    let base = if path.is_absolute() { None } else { context.loader.working_directory() };
    let path = normalise(&base.map_or_else(|| path.clone(), |base| base.join(&path)));
    if !path.is_absolute() {
        return Err(FunctionError::call("the working directory is not known here"));
    }
    Ok(path.to_string_lossy().as_ref().into())
}

/// A home directory is whoever's runs the command: a plan that holds one is not the same for another.
pub(super) fn pathexpand(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let path = text(args, 0)?;
    if path == "~" || path.starts_with("~/") {
        let problem = "`~` would give every user another plan; pass the directory as a variable";
        return Err(FunctionError::argument(0, problem));
    }
    Ok(path.into())
}
