//! The path to an argument or a part of one, as `ignore_changes` names it: `size`, `tags["x"]`, `disk[0].size`.
//!
//! Invariant: `parse(path.to_string())` gives the same path back.
//! Refuses to know: which arguments there are.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// An argument's name, and the steps to a part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArgumentPath {
    /// The argument.
    pub name: Arc<str>,
    /// Keys, attribute names and positions below it; none for the whole argument.
    pub steps: Vec<Arc<str>>,
}

impl ArgumentPath {
    /// The whole of an argument.
    pub fn whole(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), steps: Vec::new() }
    }

    /// Reads the text form; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (name, mut rest) = text.split_at(end);
        let mut path = is_word(name).then(|| Self::whole(name))?;
        while !rest.is_empty() {
            let (step, after) = if let Some(inner) = rest.strip_prefix("[\"") {
                quoted(inner)?
            } else if let Some(inner) = rest.strip_prefix('[') {
                let (digits, after) = inner.split_once(']')?;
                (is_position(digits).then(|| digits.to_owned())?, after)
            } else {
                let inner = rest.strip_prefix('.')?;
                let (word, after) = inner.split_at(inner.find(['.', '[']).unwrap_or(inner.len()));
                (is_word(word).then(|| word.to_owned())?, after)
            };
            path.steps.push(step.into());
            rest = after;
        }
        Some(path)
    }
}

/// The text up to the quote that ends it, and what follows the bracket.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut step = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => step.push(characters.next()?.1),
            '"' => return Some((step, text[at + 1..].strip_prefix(']')?)),
            other => step.push(other),
        }
    }
    None
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

fn is_position(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for ArgumentPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        for step in &self.steps {
            if is_position(step) {
                write!(formatter, "[{step}]")?;
            } else if is_word(step) {
                write!(formatter, ".{step}")?;
            } else {
                let escaped = step.replace('\\', "\\\\").replace('"', "\\\"");
                write!(formatter, "[\"{escaped}\"]")?;
            }
        }
        Ok(())
    }
}

impl Serialize for ArgumentPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ArgumentPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom(format!("`{text}` names no argument"));
        Self::parse(&text).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_back() {
        for text in ["size", "tags.x", "disk[0].size", "tags[\"a b\"]", "tags[\"a\\\"]b\"].c"] {
            let path = ArgumentPath::parse(text).unwrap();
            assert_eq!(path.to_string(), text);
        }
        let path = ArgumentPath::parse("tags[\"x\"]").unwrap();
        assert_eq!((path.name.as_ref(), path.steps.as_slice()), ("tags", ["x".into()].as_slice()));
    }

    #[test]
    fn other_text_is_no_path() {
        for text in ["", "a.", "a[", "a[x]", "a[\"x]", "1", "a b", "a[0]b"] {
            assert!(ArgumentPath::parse(text).is_none(), "{text}");
        }
    }
}
