//! `fmt`: brings files into their canonical form, or tells which are not in it.
//!
//! Invariants: a file that cannot be parsed is left as it is and told, and the others are still formatted; a file is
//! replaced in one step, so that whoever is interrupted keeps the old or has the new one.

use crate::arguments::Formatting;
use crate::error::{CommandError, Exit};
use crate::session::Session;
use model::Diagnostic;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Directories below a directory that are looked into. A deeper one is a circle of links, or a mistake.
const DEEPEST: usize = 64;

/// A file and its canonical form.
struct Formatted {
    /// As it is shown.
    name: String,
    path: Option<PathBuf>,
    before: String,
    after: String,
}

impl Formatted {
    fn is_changed(&self) -> bool {
        self.before != self.after
    }
}

/// Runs the command.
pub fn run(session: &Session, formatting: &Formatting) -> Result<Exit, CommandError> {
    let mut wrong = CommandError::default();
    let from_stdin = matches!(formatting.paths.as_slice(), [only] if only == Path::new("-"));
    let files = if from_stdin {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map_err(|error| unread("-", &error))?;
        format("<stdin>".to_owned(), None, text, &mut wrong).into_iter().collect()
    } else {
        format_all(session, formatting, &mut wrong)
    };
    if !from_stdin && formatting.write && !formatting.check {
        for file in files.iter().filter(|file| file.is_changed()) {
            if let Some(path) = &file.path
                && let Err(error) = replace(path, &file.after)
            {
                let diagnostic =
                    Diagnostic::error("file", format!("cannot write `{}`: {error}", file.name));
                wrong.diagnostics.push(diagnostic.with_hint("the file is as it was"));
            }
        }
    }
    show(session, formatting, &files, from_stdin);
    if wrong.diagnostics.iter().any(Diagnostic::is_error) {
        return Err(wrong);
    }
    let differs = files.iter().any(Formatted::is_changed);
    Ok(if formatting.check && differs { Exit::Unformatted } else { Exit::Done })
}

fn show(session: &Session, formatting: &Formatting, files: &[Formatted], from_stdin: bool) {
    let changed = || files.iter().filter(|file| file.is_changed());
    let patch = |file: &Formatted, palette| {
        views::differences::patch(&file.name, &file.before, &file.after, palette)
    };
    if session.json {
        let entries: Vec<_> = files
            .iter()
            .map(|file| {
                let mut entry = json!({ "file": file.name, "changed": file.is_changed() });
                if formatting.diff && file.is_changed() {
                    entry["diff"] = patch(file, views::Palette::PLAIN).into();
                }
                if from_stdin {
                    entry["text"] = file.after.as_str().into();
                }
                entry
            })
            .collect();
        session.console.json(&json!({ "files": entries }));
        return;
    }
    for file in changed().filter(|_| !from_stdin) {
        session.console.data_line(&file.name);
    }
    if formatting.diff {
        for file in changed() {
            session.console.data(&patch(file, session.console.out_palette()));
        }
    } else if from_stdin && !formatting.check {
        for file in files {
            session.console.data(&file.after);
        }
    }
}

fn format_all(
    session: &Session,
    formatting: &Formatting,
    wrong: &mut CommandError,
) -> Vec<Formatted> {
    let mut paths = BTreeSet::new();
    for path in &formatting.paths {
        let found = session.working.join(path);
        if found.is_dir() {
            gather(&found, formatting.recursive, DEEPEST, &mut paths, wrong);
        } else {
            paths.insert(found);
        }
    }
    let mut files = Vec::new();
    for path in paths {
        let shown = path.strip_prefix(&session.working).unwrap_or(&path);
        let name = shown.to_string_lossy().into_owned();
        match fs::read_to_string(&path) {
            Ok(text) => files.extend(format(name, Some(path), text, wrong)),
            Err(error) => wrong.diagnostics.push(unread(&name, &error)),
        }
    }
    files
}

fn format(
    name: String,
    path: Option<PathBuf>,
    before: String,
    wrong: &mut CommandError,
) -> Option<Formatted> {
    match lang::format(&name, &before) {
        Ok(after) => Some(Formatted { name, path, before, after }),
        Err(diagnostics) => {
            wrong.sources.insert(name, before);
            wrong.diagnostics.extend(diagnostics);
            None
        }
    }
}

fn gather(
    directory: &Path,
    recursive: bool,
    depth: usize,
    paths: &mut BTreeSet<PathBuf>,
    wrong: &mut CommandError,
) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            wrong.diagnostics.push(unread(&directory.to_string_lossy(), &error));
            return;
        }
    };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let is_hidden =
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_dir() {
            if recursive && !is_hidden && !path.is_symlink() && depth > 0 {
                gather(&path, recursive, depth - 1, paths, wrong);
            }
        } else if path.extension().is_some_and(|kind| kind == "hcl" || kind == "hclvars") {
            paths.insert(path);
        }
    }
}

fn unread(name: &str, error: &io::Error) -> Diagnostic {
    let diagnostic = Diagnostic::error("file", format!("cannot read `{name}`: {error}"));
    match error.kind() {
        io::ErrorKind::NotFound => {
            diagnostic.with_hint("name a file or directory that exists, or `-` for standard input")
        }
        io::ErrorKind::InvalidData => diagnostic.with_hint("configuration is text in UTF-8"),
        _ => diagnostic,
    }
}

/// Replaces a file by one with the same permissions. A link stays one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.set_permissions(fs::metadata(&path)?.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    };
    write().inspect_err(|_| {
        // What was begun is of no use to anybody.
        let _ = fs::remove_file(&temporary);
    })
}
