//! What an environment says of itself: where it is recorded, how long its leases live, how its secrets are kept.
//!
//! Invariant: an argument that means nothing is an error, with the place where it stands. Refuses to know: stores.

use lang::Settings as Block;
use model::{Diagnostic, Sensitive, Span, Value};
use state::LEASE_SECONDS;
use state::keyring::{NewWrap, Recipient};
use state::vault::Secrets;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The shortest lease that may be asked for: it is renewed four times in its life, and nothing is sent in its last
/// seconds.
const SHORTEST_LEASE_S: i64 = 15;
const LONGEST_LEASE_S: i64 = 3600;

/// Where an environment is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file; the project's own `state/` unless a path is given.
    Sqlite {
        /// The file.
        path: Option<PathBuf>,
    },
    /// A database server.
    Postgres {
        /// `postgres://...`; may hold a password.
        url: Sensitive<String>,
        /// Other arguments.
        options: BTreeMap<String, Sensitive<String>>,
    },
    /// A bucket.
    Object {
        /// `s3://bucket/prefix`, `gs://...`, `az://...`.
        url: String,
        /// Other arguments.
        options: BTreeMap<String, Sensitive<String>>,
    },
}

/// What an environment says of itself.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is recorded.
    pub backend: Backend,
    /// Seconds that a lease lives unless it is renewed.
    pub lease_seconds: u32,
    /// How secrets are written.
    pub secrets: Secrets,
    /// Ways into the keyring that a new environment gets; none for a key file.
    pub ways: Ways,
}

/// Ways into a keyring, before their secrets are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// Whoever has the identity of one of these age recipients.
    pub age: Vec<Recipient>,
    /// Whoever knows the passphrase, which `PROVISIONER_PASSPHRASE` holds.
    pub passphrase: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            backend: Backend::Sqlite { path: None },
            lease_seconds: LEASE_SECONDS,
            secrets: Secrets::Sealed,
            ways: Ways::default(),
        }
    }
}

impl Ways {
    /// With the passphrase that was given.
    pub fn with(&self, passphrase: Option<&Sensitive<String>>) -> Result<Vec<NewWrap>, Diagnostic> {
        let mut ways: Vec<_> = self.age.iter().cloned().map(NewWrap::Age).collect();
        if self.passphrase {
            let missing = || {
                Diagnostic::error("no-passphrase", "this environment is sealed with a passphrase")
                    .with_hint("put it into the environment variable PROVISIONER_PASSPHRASE")
            };
            ways.push(NewWrap::Passphrase(passphrase.ok_or_else(missing)?.clone()));
        }
        Ok(ways)
    }
}

/// Reads the blocks; all mistakes at once.
pub fn read(state: Option<&Block>, secrets: Option<&Block>) -> Result<Settings, Vec<Diagnostic>> {
    let mut reader = Reader::default();
    let mut settings = Settings::default();
    if let Some(block) = state {
        reader.state(block, &mut settings);
    }
    if let Some(block) = secrets {
        reader.secrets(block, &mut settings);
    }
    if reader.mistakes.is_empty() { Ok(settings) } else { Err(reader.mistakes) }
}

/// Where `--to` of `state migrate` points; `with` are the arguments that a `state` block would have beside it.
pub fn place(text: &str, with: &[String]) -> Result<Backend, Diagnostic> {
    let mut options = BTreeMap::new();
    for argument in with {
        let (name, value) = argument.split_once('=').ok_or_else(|| {
            Diagnostic::error("settings-type", format!("`--with {argument}` gives no value"))
                .with_hint("write it as --with NAME=VALUE")
        })?;
        options.insert(name.trim().to_owned(), Sensitive::new(value.to_owned()));
    }
    match text.split_once("://").map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => {
            Ok(Backend::Postgres { url: Sensitive::new(text.to_owned()), options })
        }
        Some(_) => Ok(Backend::Object { url: text.to_owned(), options }),
        None if options.is_empty() => Ok(Backend::Sqlite { path: Some(PathBuf::from(text)) }),
        None => {
            let summary = format!("`{text}` is a file, which `--with` has nothing to say of");
            Err(Diagnostic::error("settings-unknown", summary)
                .with_hint("leave --with out, or give a URL such as s3://bucket/prefix"))
        }
    }
}

fn whole(value: &Value) -> Option<i64> {
    value.as_number().and_then(|number| number.to_string().parse().ok())
}

#[derive(Default)]
struct Reader {
    mistakes: Vec<Diagnostic>,
}

type Arguments = BTreeMap<String, (Value, Span)>;

impl Reader {
    fn mistake(&mut self, code: &str, summary: impl Into<String>, span: &Span, label: &str) {
        let diagnostic = Diagnostic::error(code, summary);
        self.mistakes.push(diagnostic.with_label(span.clone(), label));
    }

    /// Takes an argument out, so that what is left over is unknown.
    fn text(&mut self, arguments: &mut Arguments, name: &str) -> Option<String> {
        let (value, span) = arguments.remove(name)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            let summary = format!("`{name}` must be a text");
            self.mistake("settings-type", summary, &span, "not a text");
        }
        text
    }

    fn flag(&mut self, arguments: &mut Arguments, name: &str) -> bool {
        let Some((value, span)) = arguments.remove(name) else { return false };
        value.as_bool().unwrap_or_else(|| {
            let summary = format!("`{name}` must be true or false");
            self.mistake("settings-type", summary, &span, "neither true nor false");
            false
        })
    }

    fn texts(&mut self, arguments: &mut Arguments, name: &str) -> Vec<(String, Span)> {
        let Some((value, span)) = arguments.remove(name) else { return Vec::new() };
        let items: Option<Vec<String>> = value
            .as_items()
            .and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
        let Some(items) = items else {
            let summary = format!("`{name}` must be a list of texts");
            self.mistake("settings-type", summary, &span, "not a list of texts");
            return Vec::new();
        };
        items.into_iter().map(|item| (item, span.clone())).collect()
    }

    fn state(&mut self, block: &Block, settings: &mut Settings) {
        let mut arguments = block.arguments.clone();
        if let Some((value, span)) = arguments.remove("lease_s") {
            let seconds =
                whole(&value).filter(|s| (SHORTEST_LEASE_S..=LONGEST_LEASE_S).contains(s));
            match seconds.and_then(|seconds| u32::try_from(seconds).ok()) {
                Some(seconds) => settings.lease_seconds = seconds,
                None => self.mistake(
                    "settings-lease",
                    format!("`lease_s` must be from {SHORTEST_LEASE_S} to {LONGEST_LEASE_S}"),
                    &span,
                    "seconds that a run is waited for when it falls silent",
                ),
            }
        }
        let backend = self.text(&mut arguments, "backend").unwrap_or_else(|| "sqlite".to_owned());
        settings.backend = match backend.as_str() {
            "sqlite" => {
                let path = self.text(&mut arguments, "path").map(PathBuf::from);
                self.left_over(&arguments, "sqlite", "path, lease_s");
                Backend::Sqlite { path }
            }
            "postgres" => {
                let url = self.url(&mut arguments, block, &["postgres", "postgresql"]);
                let options = self.options(arguments);
                Backend::Postgres { url: Sensitive::new(url), options }
            }
            other => {
                let schemes: &[&str] = match other {
                    "s3" => &["s3"],
                    "gcs" => &["gs"],
                    _ => &["az", "azure", "abfs", "abfss"],
                };
                let url = self.url(&mut arguments, block, schemes);
                Backend::Object { url, options: self.options(arguments) }
            }
        };
    }

    fn url(&mut self, arguments: &mut Arguments, block: &Block, schemes: &[&str]) -> String {
        let span = arguments.get("url").map_or(&block.span, |(_, span)| span).clone();
        let url = self.text(arguments, "url").unwrap_or_default();
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if scheme.is_none_or(|scheme| !schemes.contains(&scheme)) {
            let summary =
                format!("`url` must be given and begin with {}://", schemes.join(":// or "));
            self.mistake("settings-url", summary, &span, "here");
        }
        url
    }

    /// What a backend knows of its own; it names what it does not know.
    fn options(&mut self, arguments: Arguments) -> BTreeMap<String, Sensitive<String>> {
        let mut options = BTreeMap::new();
        for (name, (value, span)) in arguments {
            let text = match (value.as_str(), value.as_bool(), whole(&value)) {
                (Some(text), ..) => text.to_owned(),
                (_, Some(flag), _) => flag.to_string(),
                (.., Some(number)) => number.to_string(),
                _ => {
                    let summary = format!("`{name}` must be a text, a number, true or false");
                    self.mistake("settings-type", summary, &span, "here");
                    continue;
                }
            };
            options.insert(name, Sensitive::new(text));
        }
        options
    }

    fn left_over(&mut self, arguments: &Arguments, what: &str, known: &str) {
        for (name, (_, span)) in arguments {
            let diagnostic =
                Diagnostic::error("settings-unknown", format!("{what} has no argument `{name}`"));
            self.mistakes.push(
                diagnostic
                    .with_label(span.clone(), "not known")
                    .with_hint(format!("there are: {known}")),
            );
        }
    }

    fn secrets(&mut self, block: &Block, settings: &mut Settings) {
        let mut arguments = block.arguments.clone();
        let span = arguments.get("encryption").map_or(&block.span, |(_, span)| span).clone();
        match self.text(&mut arguments, "encryption").as_deref() {
            None | Some("sealed") => {}
            Some("none") => settings.secrets = Secrets::Clear,
            Some(_) => self.mistake(
                "settings-encryption",
                "`encryption` must be \"sealed\" or \"none\"",
                &span,
                "\"none\" stores sensitive values as they are",
            ),
        }
        settings.ways.passphrase = self.flag(&mut arguments, "passphrase");
        for (text, span) in self.texts(&mut arguments, "age_recipients") {
            match text.parse::<Recipient>() {
                Ok(recipient) => settings.ways.age.push(recipient),
                Err(error) => {
                    self.mistake("settings-recipient", error.to_string(), &span, "here");
                }
            }
        }
        self.left_over(&arguments, "secrets", "encryption, passphrase, age_recipients");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(arguments: &[(&str, Value)]) -> Block {
        let span = Span { file: "main.hcl".into(), start: 0, end: 1 };
        let arguments = arguments
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (value.clone(), span.clone())))
            .collect();
        Block { arguments, span }
    }

    #[test]
    fn backends_take_their_arguments() {
        let postgres = block(&[
            ("backend", "postgres".into()),
            ("url", "postgres://db/x".into()),
            ("schema", "fleet".into()),
            ("lease_s", 30.into()),
        ]);
        let settings = read(Some(&postgres), None).unwrap();
        assert_eq!(settings.lease_seconds, 30);
        let Backend::Postgres { options, .. } = settings.backend else { panic!() };
        assert_eq!(options["schema"].expose(), "fleet");
    }

    #[test]
    fn all_mistakes_come_at_once_with_their_places() {
        let state = block(&[("pth", "x".into()), ("lease_s", 1.into())]);
        let secrets = block(&[("encryption", "rot13".into()), ("passphrase", "yes".into())]);
        let mistakes = read(Some(&state), Some(&secrets)).unwrap_err();
        let codes: Vec<_> = mistakes.iter().map(|mistake| mistake.code.as_str()).collect();
        assert_eq!(
            codes,
            ["settings-lease", "settings-unknown", "settings-encryption", "settings-type"]
        );
        assert!(mistakes.iter().all(|mistake| !mistake.labels.is_empty()));
        let nowhere = block(&[("backend", "s3".into()), ("url", "gs://x".into())]);
        assert_eq!(read(Some(&nowhere), None).unwrap_err()[0].code, "settings-url");
    }
}
