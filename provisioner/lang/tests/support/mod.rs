//! What the tests share: files in memory, a small schema, and projections.

#![expect(dead_code, reason = "every test binary uses a part of this")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub mod records;

use lang::{Evaluated, Inputs, SourceLoader, VariableInput};
use model::graph::{Desired, Instance, Projection};
use model::schema::{Attribute, Mode, ProviderSchema, ResourceSchema};
use model::types::Field;
use model::{Address, Diagnostic, SourceMap, Type, Value};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files in memory.
#[derive(Clone, Default)]
pub struct Files(pub BTreeMap<PathBuf, String>);

impl Files {
    pub fn new(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect())
    }
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                normal.pop();
            }
            std::path::Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
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
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such file");
        self.0.get(&normal(path)).cloned().ok_or_else(missing)
    }

    fn share(&self) -> Arc<dyn SourceLoader> {
        Arc::new(self.clone())
    }
}

fn resource(attributes: impl IntoIterator<Item = (&'static str, Attribute)>) -> ResourceSchema {
    ResourceSchema {
        attributes: attributes
            .into_iter()
            .map(|(name, attribute)| (name.to_owned(), attribute))
            .collect(),
        ..ResourceSchema::default()
    }
}

fn object(fields: &[(&str, Type, bool)]) -> Type {
    let field = |(name, ty, optional): &(&str, Type, bool)| {
        (Arc::from(*name), Field { ty: ty.clone(), optional: *optional, default: None })
    };
    Type::Object(Arc::new(fields.iter().map(field).collect()))
}

fn text() -> Attribute {
    Attribute::required(Type::String, "")
}

/// A resource type whose nested blocks are counted.
fn balancer() -> ResourceSchema {
    let rule = object(&[("path", Type::String, false)]);
    let listener = object(&[
        ("port", Type::Number, false),
        ("protocol", Type::String, true),
        ("rule", Type::list(rule), true),
    ]);
    let target = object(&[("host", Type::String, false)]);
    resource([
        (
            "listener",
            Attribute::required(Type::list(listener), "Where it listens.").as_blocks(1, None),
        ),
        ("target", Attribute::optional(Type::list(target), "").as_blocks(2, Some(3))),
        (
            "log",
            Attribute::optional(Type::list(object(&[("file", Type::String, true)])), "")
                .as_blocks(0, Some(1)),
        ),
    ])
}

fn local() -> ProviderSchema {
    let disk = object(&[("size", Type::Number, false), ("kind", Type::String, true)]);
    let volume = object(&[("volume", Type::String, false), ("path", Type::String, false)]);
    let computed = || Attribute::computed(Type::String, "");
    let mut provider = ProviderSchema { name: "local".into(), ..ProviderSchema::default() };
    provider.configuration.insert("isolation".into(), Attribute::optional(Type::String, ""));
    provider.resources = BTreeMap::from([
        ("local_balancer".to_owned(), balancer()),
        (
            "local_network".to_owned(),
            resource([
                ("name", text()),
                ("cidr", Attribute::optional(Type::String, "")),
                ("id", computed()),
            ]),
        ),
        (
            "local_volume".to_owned(),
            resource([
                ("name", text()),
                ("size", Attribute::required(Type::Number, "")),
                ("id", computed()),
            ]),
        ),
        (
            "local_machine".to_owned(),
            resource([
                ("name", text()),
                ("network", Attribute::optional(Type::String, "")),
                ("domain", Attribute::optional(Type::String, "")),
                ("authorized_keys", Attribute::optional(Type::list(Type::String), "")),
                ("publish", Attribute::optional(Type::map(Type::Number), "")),
                ("volumes", Attribute::optional(Type::list(volume), "")),
                (
                    "root_disk",
                    Attribute::optional_computed(Type::list(disk), "").as_blocks(0, Some(1)),
                ),
                ("secret", Attribute::optional(Type::String, "").secret()),
                ("id", computed()),
                ("address", computed()),
                ("port", Attribute::computed(Type::Number, "")),
                ("user", computed()),
                ("host_key", computed()),
                ("socket", computed()),
            ]),
        ),
    ]);
    provider
}

fn nebula() -> ProviderSchema {
    let computed = || Attribute::computed(Type::String, "");
    let mut provider = ProviderSchema { name: "nebula".into(), ..ProviderSchema::default() };
    let relay = object(&[("host", Type::String, false), ("port", Type::Number, true)]);
    provider.configuration.insert("relay".into(), Attribute::optional(Type::list(relay), ""));
    provider.resources = BTreeMap::from([
        (
            "nebula_ca".to_owned(),
            resource([
                ("name", text()),
                ("certificate", computed()),
                ("private_key", computed().secret()),
            ]),
        ),
        (
            "nebula_certificate".to_owned(),
            resource([
                ("name", text()),
                ("address", text()),
                ("public_key", text()),
                ("ca_certificate", text()),
                ("ca_private_key", text().secret()),
                ("certificate", computed()),
            ]),
        ),
    ]);
    provider
}

fn connection() -> Type {
    object(&[
        ("name", Type::String, false),
        ("address", Type::String, false),
        ("port", Type::Number, false),
        ("user", Type::String, false),
        ("host_key", Type::String, false),
        ("socket", Type::String, true),
    ])
}

fn artifact() -> Type {
    object(&[
        ("url", Type::String, true),
        ("file", Type::String, true),
        ("package", Type::String, true),
        ("package_version", Type::String, true),
        ("sha256", Type::String, true),
        ("paths", Type::map(Type::String), true),
    ])
}

fn probe() -> Type {
    object(&[
        ("name", Type::String, false),
        ("from", Type::String, true),
        (
            "http",
            object(&[
                ("port", Type::Number, false),
                ("path", Type::String, true),
                ("status", Type::Number, true),
            ]),
            true,
        ),
        ("tcp", object(&[("port", Type::Number, false), ("host", Type::String, true)]), true),
        ("command", Type::String, true),
        ("timeout_ms", Type::Number, true),
        ("deadline_ms", Type::Number, true),
    ])
}

fn node() -> ProviderSchema {
    let member = object(&[
        ("node", Type::String, false),
        ("connection", connection(), false),
        ("address", Type::String, false),
    ]);
    let login = || Attribute::required(connection(), "");
    let optional = |ty| Attribute::optional(ty, "");
    let file = object(&[("content", Type::String, false), ("mode", Type::String, true)]);
    let mut provider = ProviderSchema { name: "node".into(), ..ProviderSchema::default() };
    provider.resources = BTreeMap::from([
        (
            "facts".to_owned(),
            resource([
                ("machine", text()),
                ("connection", login()),
                ("artifact", optional(artifact())),
                ("commands", Attribute::required(Type::map(Type::String), "")),
                ("values", Attribute::computed(Type::map(Type::String), "").volatile()),
            ]),
        ),
        (
            "service".to_owned(),
            resource([
                ("node", text()),
                ("node_set", text()),
                ("domain", text()),
                ("machine", text()),
                ("connection", login()),
                ("version", optional(Type::String)),
                ("artifact", optional(artifact())),
                ("files", optional(Type::map(file))),
                ("command", Attribute::required(Type::list(Type::String), "")),
                ("environment", optional(Type::map(Type::String))),
                ("check", optional(Type::String)),
                ("drain", optional(Type::String)),
                ("restart", optional(Type::String).with_default("always".into())),
                ("dead_man_s", optional(Type::Number).with_default(60.into())),
                ("probes", optional(Type::list(probe()))),
                ("status", Attribute::computed(Type::String, "").expects("running".into())),
            ]),
        ),
        (
            "reachability".to_owned(),
            resource([
                ("service", text()),
                ("port", Attribute::required(Type::Number, "")),
                ("members", Attribute::required(Type::list(member), "")),
                ("pairs", Attribute::computed(Type::Number, "")),
            ]),
        ),
    ]);
    provider
}

/// The schemas of the tests.
pub fn schemas() -> BTreeMap<String, ProviderSchema> {
    [local(), nebula(), node()].into_iter().map(|schema| (schema.name.clone(), schema)).collect()
}

/// Nothing exists yet: what the provider gives is an output of the instance.
pub struct Nothing(pub BTreeMap<String, ProviderSchema>);

/// Everything exists: every attribute is known.
pub struct Everything(pub BTreeMap<String, ProviderSchema>);

/// What a provider would give for an attribute of an instance.
pub fn made(address: &Address, name: &str, ty: &Type) -> Value {
    match ty {
        Type::Number => 22.into(),
        Type::List(element) => Value::list(element.without_optional(), []),
        Type::Map(_) => {
            Value::map(Type::String, [("public_key", Value::from(format!("key of {address}")))])
        }
        _ => format!("{name} of {address}").into(),
    }
}

fn attributes(
    schemas: &BTreeMap<String, ProviderSchema>,
    instance: &Instance,
    computed: &dyn Fn(&str, &Type) -> Value,
) -> Value {
    let schema =
        &schemas[instance.provider.split('.').next().unwrap()].resources[instance.address.kind()];
    let values = schema.attributes.iter().map(|(name, attribute)| {
        let given = instance.arguments.get(name).filter(|given| !given.is_null());
        let value = match (attribute.mode, given) {
            (Mode::Computed, _) | (Mode::OptionalComputed, None) => computed(name, &attribute.ty),
            (_, given) => given.unwrap_or_else(|| instance.arguments.get(name).unwrap()),
        };
        (name.as_str(), value)
    });
    Value::object(values)
}

impl Projection for Nothing {
    fn attributes(&self, instance: &Instance) -> Result<Value, Vec<Diagnostic>> {
        let output = |name: &str, ty: &Type| Value::output(&instance.address, name, ty.clone());
        Ok(attributes(&self.0, instance, &output))
    }
}

impl Projection for Everything {
    fn attributes(&self, instance: &Instance) -> Result<Value, Vec<Diagnostic>> {
        Ok(attributes(&self.0, instance, &|name, ty| made(&instance.address, name, ty)))
    }
}

/// The result of a run over files in memory; the environment is in `/env`.
pub struct Run {
    pub desired: Desired,
    pub diagnostics: Vec<Diagnostic>,
    pub sources: SourceMap,
}

/// Loads and evaluates.
pub fn run(files: &[(&str, &str)], variables: &[(&str, &str)], projection: &dyn Projection) -> Run {
    let loaded = lang::load(Path::new("/env"), &Files::new(files));
    finish(loaded, variables, projection)
}

pub fn finish(
    loaded: lang::Loaded,
    variables: &[(&str, &str)],
    projection: &dyn Projection,
) -> Run {
    finish_at(loaded, variables, projection, &lang::Moment::default())
}

/// The same at a moment.
pub fn finish_at(
    loaded: lang::Loaded,
    variables: &[(&str, &str)],
    projection: &dyn Projection,
    moment: &lang::Moment,
) -> Run {
    finish_with(loaded, variables, projection, moment, &schemas())
}

/// The same with these providers.
pub fn finish_with(
    loaded: lang::Loaded,
    variables: &[(&str, &str)],
    projection: &dyn Projection,
    moment: &lang::Moment,
    schemas: &BTreeMap<String, ProviderSchema>,
) -> Run {
    let mut diagnostics = loaded.diagnostics;
    let mut desired = Desired::default();
    if let Some(configuration) = &loaded.configuration {
        let variables = variables
            .iter()
            .map(|(name, text)| ((*name).to_owned(), VariableInput::text(*text, "--var")));
        let inputs = Inputs {
            variables: variables.collect(),
            login_key: "ssh-ed25519 AAAA".into(),
            moment: moment.clone(),
        };
        let Evaluated { desired: evaluated, diagnostics: found } =
            lang::evaluate(configuration, &inputs, schemas, projection);
        desired = evaluated;
        diagnostics.extend(found);
    }
    Run { desired, diagnostics, sources: loaded.sources }
}

/// Runs with nothing made yet.
pub fn plan(files: &[(&str, &str)]) -> Run {
    run(files, &[], &Nothing(schemas()))
}

/// Runs and expects no mistake.
pub fn good(files: &[(&str, &str)]) -> Desired {
    let run = plan(files);
    assert!(run.diagnostics.is_empty(), "{}", render(&run.diagnostics, &run.sources));
    run.desired
}

impl Run {
    pub fn instance(&self, address: &str) -> &Instance {
        instance(&self.desired, address)
    }
}

pub fn instance<'d>(desired: &'d Desired, address: &str) -> &'d Instance {
    let found = desired.instances.iter().find(|instance| instance.address.to_string() == address);
    found.unwrap_or_else(|| panic!("no {address} among {:?}", addresses(desired)))
}

pub fn addresses(desired: &Desired) -> Vec<String> {
    desired.instances.iter().map(|instance| instance.address.to_string()).collect()
}

/// Whether two answers are the same, but for the last digits of numbers.
pub fn same(left: &serde_json::Value, right: &serde_json::Value) -> bool {
    match (left, right) {
        (serde_json::Value::Number(l), serde_json::Value::Number(r)) => {
            let (l, r) = (l.as_f64().unwrap_or(f64::NAN), r.as_f64().unwrap_or(f64::NAN));
            (l - r).abs() <= 1e-12 * l.abs().max(r.abs())
        }
        (serde_json::Value::Array(l), serde_json::Value::Array(r)) => {
            l.len() == r.len() && l.iter().zip(r).all(|(l, r)| same(l, r))
        }
        (serde_json::Value::Object(l), serde_json::Value::Object(r)) => {
            l.len() == r.len() && l.iter().all(|(name, l)| r.get(name).is_some_and(|r| same(l, r)))
        }
        _ => left == right,
    }
}

/// Diagnostics as text: what a user would get, without the drawing.
pub fn render(diagnostics: &[Diagnostic], sources: &SourceMap) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for diagnostic in diagnostics {
        writeln!(text, "{:?}[{}]: {}", diagnostic.severity, diagnostic.code, diagnostic.summary)
            .unwrap();
        if !diagnostic.detail.is_empty() {
            writeln!(text, "  {}", diagnostic.detail).unwrap();
        }
        for label in &diagnostic.labels {
            let (line, column) = sources.position(&label.span).unwrap_or_default();
            let excerpt = sources
                .text(&label.span.file)
                .and_then(|text| text.get(label.span.start as usize..label.span.end as usize));
            let excerpt = excerpt.unwrap_or("?").lines().next().unwrap_or_default();
            writeln!(
                text,
                "  at {}:{line}:{column} `{excerpt}` {}",
                label.span.file, label.message
            )
            .unwrap();
        }
        for hint in &diagnostic.hints {
            writeln!(text, "  hint: {hint}").unwrap();
        }
        if let Some(address) = &diagnostic.address {
            let others: Vec<_> = diagnostic.also.iter().map(|other| format!(", {other}")).collect();
            writeln!(text, "  about: {address}{}", others.concat()).unwrap();
        }
    }
    text
}
