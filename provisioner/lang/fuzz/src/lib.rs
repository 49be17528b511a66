//! What the fuzz targets share: files in memory, a provider with one resource type, and a session to evaluate in.
//!
//! Invariants: nothing outside of the process is read; the same bytes give the same result.
//! Refuses to know: what is tested, which is the targets' business.

use lang::{Evaluated, Inputs, Session, SourceLoader, VariableInput};
use model::schema::{Attribute, ProviderSchema, ResourceSchema};
use model::{Diagnostic, SourceMap, Type, Value};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The directory of the environment.
const ENVIRONMENT: &str = "/env";

/// A configuration to evaluate expressions in: values of every kind, some unknown, some secret.
const MAIN: &str = r#"
variable "unknown" { type = string }
variable "unknowns" { type = list(number) }
variable "anything" {}
variable "secret" {
  default   = "s3"
  sensitive = true
}
variable "passing" {
  default   = "e"
  ephemeral = true
}
locals {
  n = 17
  s = "text"
  l = [1, "a", null, true]
  m = { a = 1, b = { c = [1, 2] } }
  t = "$${x} %%{ for y in z ~} $${y} %%{ endfor }"
}
resource "unit_thing" "one" {
  name = "one"
}
resource "unit_thing" "many" {
  count = 3
  name  = "many-${count.index}"
}
"#;

/// Files in memory.
#[derive(Clone, Default)]
pub struct Files(BTreeMap<PathBuf, Arc<[u8]>>);

impl Files {
    /// One file beside the ones that are there.
    #[must_use]
    pub fn with(mut self, name: &str, content: &[u8]) -> Self {
        self.0.insert(Path::new(ENVIRONMENT).join(name), content.into());
        self
    }
}

impl SourceLoader for Files {
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let below = self.0.keys().filter_map(|path| {
            let first = path.strip_prefix(directory).ok()?.components().next()?;
            Some(directory.join(first))
        });
        let mut entries: Vec<_> = below.collect();
        entries.dedup();
        if entries.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(entries) }
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        let bytes = self.read_bytes(path)?;
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn read_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let bytes = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(bytes.to_vec())
    }

    fn share(&self) -> Arc<dyn SourceLoader> {
        Arc::new(self.clone())
    }
}

fn schemas() -> BTreeMap<String, ProviderSchema> {
    let attributes = [
        ("name", Attribute::required(Type::String, "")),
        ("size", Attribute::optional(Type::Number, "")),
        ("tags", Attribute::optional(Type::map(Type::String), "")),
        ("id", Attribute::computed(Type::String, "")),
        ("ports", Attribute::computed(Type::list(Type::Number), "")),
        ("key", Attribute::computed(Type::String, "").secret()),
    ];
    let attributes = attributes.map(|(name, attribute)| (name.to_owned(), attribute)).into();
    let resource = ResourceSchema { attributes, ..ResourceSchema::default() };
    let mut provider = ProviderSchema { name: "unit".into(), ..ProviderSchema::default() };
    provider.resources.insert("unit_thing".into(), resource);
    BTreeMap::from([("unit".to_owned(), provider)])
}

/// Evaluates expressions that may read the files.
pub fn evaluate(files: Files, expressions: &[&str]) -> Vec<Result<Value, Vec<Diagnostic>>> {
    let loaded = lang::load(Path::new(ENVIRONMENT), &files.with("main.hcl", MAIN.as_bytes()));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let configuration = loaded.configuration.expect("the configuration of the targets is right");
    let schemas = schemas();
    let inputs = lang::with_unknowns(&configuration, Inputs::default());
    let projection = lang::validation_projection(&schemas);
    let mut session = Session::new(&configuration, &inputs, &schemas, &projection);
    expressions.iter().map(|expression| session.evaluate(expression)).collect()
}

/// Loads and evaluates an environment of these files, with every mistake in it.
pub fn run(files: &Files) -> (Vec<Diagnostic>, SourceMap) {
    let loaded = lang::load(Path::new(ENVIRONMENT), files);
    let mut diagnostics = loaded.diagnostics;
    if let Some(configuration) = &loaded.configuration {
        let schemas = schemas();
        let variables = [("size", "3"), ("names", "[\"a\", \"b\"]")];
        let input = |(name, text): (&str, &str)| {
            (name.to_owned(), VariableInput::environment(text, "PROVISIONER_VAR"))
        };
        let inputs = Inputs {
            variables: variables.into_iter().map(input).collect(),
            login_key: "ssh-ed25519 AAAA".into(),
            ..Inputs::default()
        };
        let projection = lang::validation_projection(&schemas);
        let Evaluated { diagnostics: found, .. } =
            lang::evaluate(configuration, &inputs, &schemas, &projection);
        diagnostics.extend(found);
    }
    (diagnostics, loaded.sources)
}

/// Every place in a message is one of its file, between characters.
pub fn check_places(diagnostics: &[Diagnostic], text: impl Fn(&str) -> Option<Arc<str>>) {
    for label in diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels) {
        let Some(text) = text(&label.span.file) else { continue };
        let extent = label.span.start as usize..label.span.end as usize;
        assert!(text.get(extent).is_some(), "{label:?} is no place in {text:?}");
    }
}
