//! Hides secrets in what providers say: an error may quote the request that it refuses, or what a command printed.
//!
//! Invariant: no text that goes into the journal, an event or a message holds a sensitive value of the call it is about, nor
//! one of its lines. Refuses to know: what is a secret beyond the marks of values.

use model::value::Data;
use model::{Diagnostic, Value};
use provider::ProviderError;

/// Shorter secrets are not looked for: they are in every text.
const SHORTEST: usize = 4;
/// Shorter lines of a long secret are not: they may be any word.
const SHORTEST_LINE: usize = 8;
const HIDDEN: &str = "(sensitive)";

/// The secrets of one call.
#[derive(Clone, Default)]
pub(crate) struct Redaction(Vec<String>);

impl Redaction {
    /// Those of the values that a call is made with.
    pub(crate) fn of<'a>(values: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut secrets = Vec::new();
        for value in values {
            collect(value, false, &mut secrets);
        }
        // The longest first, so that a secret within another leaves no rest of it.
        secrets.sort_by(|one, other| other.len().cmp(&one.len()).then(one.cmp(other)));
        secrets.dedup();
        Self(secrets)
    }

    /// The text without secrets.
    pub(crate) fn text(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| {
            if text.contains(secret.as_str()) {
                text.replace(secret.as_str(), HIDDEN)
            } else {
                text
            }
        })
    }

    /// The error without secrets.
    pub(crate) fn error(&self, error: ProviderError) -> ProviderError {
        if self.0.is_empty() {
            return error;
        }
        ProviderError {
            message: self.text(error.message),
            detail: self.text(error.detail),
            hints: error.hints.into_iter().map(|hint| self.text(hint)).collect(),
            ..error
        }
    }
}

/// What is said about a call with these arguments, without their secrets.
pub fn without_secrets(diagnostic: Diagnostic, arguments: &Value) -> Diagnostic {
    let redaction = Redaction::of([arguments]);
    Diagnostic {
        summary: redaction.text(diagnostic.summary),
        detail: redaction.text(diagnostic.detail),
        hints: diagnostic.hints.into_iter().map(|hint| redaction.text(hint)).collect(),
        ..diagnostic
    }
}

fn collect(value: &Value, within: bool, secrets: &mut Vec<String>) {
    let sensitive = within || value.marks().sensitive;
    match value.data() {
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            items.iter().for_each(|item| collect(item, sensitive, secrets));
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            entries.values().for_each(|entry| collect(entry, sensitive, secrets));
        }
        _ if sensitive => {
            let Some(text) = value.as_str() else { return };
            let lines = text.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
            let whole = std::iter::once(text).filter(|text| text.trim().len() >= SHORTEST);
            secrets.extend(whole.chain(lines).map(str::to_owned));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::ErrorClass;

    #[test]
    fn secrets_and_their_lines_are_hidden() {
        let value = Value::object([
            ("name", Value::from("plain-name")),
            ("key", Value::from("hunter2!").into_sensitive()),
            ("file", Value::from("first line\nkey: 0123456789\nx\n").into_sensitive()),
            ("list", Value::tuple([Value::from("within-a-list")]).into_sensitive()),
            ("short", Value::from("ab").into_sensitive()),
        ]);
        let redaction = Redaction::of([&value]);
        let error = ProviderError::new(ErrorClass::Invalid, "plain-name: hunter2! is no key")
            .with_detail("near `key: 0123456789`, x, ab")
            .with_hint("look at within-a-list");
        let hidden = redaction.error(error);
        assert_eq!(hidden.message, "plain-name: (sensitive) is no key");
        assert_eq!(hidden.detail, "near `(sensitive)`, x, ab");
        assert_eq!(hidden.hints, ["look at (sensitive)"]);
    }
}
