//! Values of variables, from all the places where people set them.
//!
//! Each place overrides those before it: `PROVISIONER_VAR_NAME` in the environment of the process, `*.auto.hclvars` in the
//! environment's directory by name, `--var-file` and then `--var` in the order given. Refuses to know: types; the
//! language converts.

use crate::arguments::Variables;
use lang::{VariableInput, parse_variable_file};
use model::suggest::did_you_mean;
use model::{Diagnostic, SourceMap};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const PREFIX: &str = "PROVISIONER_VAR_";

/// Values that were gathered, and what is wrong with some of them.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The values by name.
    pub values: BTreeMap<String, VariableInput>,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// Gathers all values; texts of files go to `sources`. `process` is the environment of the process.
pub fn gather(
    directory: &Path,
    variables: &Variables,
    process: impl Iterator<Item = (OsString, OsString)>,
    sources: &mut SourceMap,
) -> Gathered {
    let mut gathered = Gathered::default();
    for (name, value) in process {
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
            && let Some(variable) = name.strip_prefix(PREFIX)
        {
            let input = VariableInput::environment(value, name);
            gathered.values.insert(variable.to_owned(), input);
        }
    }
    for file in automatic(directory).iter().chain(&variables.files) {
        gathered.read(file, sources);
    }
    for text in &variables.values {
        match text.split_once('=') {
            Some((name, value)) => {
                let input = VariableInput::text(value, "--var");
                gathered.values.insert(name.trim().to_owned(), input);
            }
            None => gathered.diagnostics.push(
                Diagnostic::error("variable-value", format!("`--var {text}` gives no value"))
                    .with_hint("write it as --var NAME=VALUE"),
            ),
        }
    }
    gathered
}

impl Gathered {
    fn read(&mut self, path: &Path, sources: &mut SourceMap) {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let file = parse_variable_file(&name, &text);
                sources.insert(name, text);
                self.values.extend(file.variables);
                self.diagnostics.extend(file.diagnostics);
            }
            Err(error) => {
                let message = format!("the file of variables `{name}` cannot be read: {error}");
                let mut diagnostic = Diagnostic::error("variable-file", message);
                diagnostic.hints.extend(similar(path));
                self.diagnostics.push(diagnostic);
            }
        }
    }
}

/// The file beside one that is not there whose name is near.
fn similar(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let entries = std::fs::read_dir(directory.unwrap_or(Path::new("."))).ok()?.flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    did_you_mean(&name, names.iter().map(String::as_str))
}

/// `*.auto.hclvars` and `*.auto.hclvars.json` of a directory, sorted by name.
fn automatic(directory: &Path) -> Vec<PathBuf> {
    let is_automatic = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".auto.hclvars") || name.ends_with(".auto.hclvars.json")
    };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(is_automatic).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use lang::InputValue;

    #[test]
    fn later_places_override_earlier_ones() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        write("a.auto.hclvars", "size = 2\nname = \"auto\"\n");
        let file = write("more.hclvars", "size = 3\n");
        let variables = Variables { values: vec!["zone=b=c".to_owned()], files: vec![file] };
        let process = ["PROVISIONER_VAR_size", "PROVISIONER_VAR_region", "PATH"]
            .map(|name| (name.into(), "1".into()));
        let mut sources = SourceMap::default();
        let gathered = gather(directory.path(), &variables, process.into_iter(), &mut sources);
        assert!(gathered.diagnostics.is_empty(), "{:?}", gathered.diagnostics);
        let value = |name: &str| gathered.values[name].value.clone();
        assert_eq!(value("size"), InputValue::Value(3.into()));
        assert_eq!(value("name"), InputValue::Value("auto".into()));
        assert_eq!(value("zone"), InputValue::Text("b=c".to_owned()));
        assert_eq!(value("region"), InputValue::Text("1".to_owned()));
        assert_eq!(gathered.values.len(), 4);
        assert_eq!(sources.files().count(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_told_all_at_once() {
        let variables =
            Variables { values: vec!["size".to_owned()], files: vec!["/nowhere/x.hclvars".into()] };
        let nothing = std::iter::empty();
        let gathered =
            gather(Path::new("/nowhere"), &variables, nothing, &mut SourceMap::default());
        assert_eq!(gathered.diagnostics.len(), 2);
    }
}
