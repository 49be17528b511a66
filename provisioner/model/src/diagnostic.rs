//! Diagnostics: what went wrong, where in the source, and what to do. Data only; `views` renders.

use crate::Address;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The command cannot do what was asked.
    Error,
    /// The command goes on; the user should know.
    Warning,
}

/// A range of bytes in one source file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The file's name as the user would write it (relative to the working directory).
    pub file: Arc<str>,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A place in the source with a remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// The remark shown under the excerpt; may be empty.
    pub message: String,
}

/// One problem. The first label is the place of the problem; further ones explain it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A stable code that can be looked up, for example `unknown-variable`.
    pub code: String,
    /// One line: what happened.
    pub summary: String,
    /// More, if one line does not do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Places in the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The instance it is about, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Other instances that are wrong in the same way, in the order in which they were found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Address>,
}

/// What tells one problem from another, whatever instance it is about.
type Problem = (String, Option<Span>, String, String);

impl Diagnostic {
    /// A new error.
    pub fn error(code: &str, summary: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, summary)
    }

    /// A new warning.
    pub fn warning(code: &str, summary: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, summary)
    }

    fn new(severity: Severity, code: &str, summary: impl Into<String>) -> Self {
        Self {
            severity,
            code: code.to_owned(),
            summary: summary.into(),
            detail: String::new(),
            labels: Vec::new(),
            hints: Vec::new(),
            address: None,
            also: Vec::new(),
        }
    }

    /// With more detail.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// With a place in the source; the first one given is the main one.
    #[must_use]
    pub fn with_label(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into() });
        self
    }

    /// With advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// About one instance.
    #[must_use]
    pub fn about(mut self, address: &Address) -> Self {
        self.address = Some(address.clone());
        self
    }

    /// Its code, its place and what it says.
    fn problem(&self) -> Problem {
        let place = self.labels.first().map(|label| label.span.clone());
        (self.code.clone(), place, self.summary.clone(), self.detail.clone())
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.summary)
    }
}

impl std::error::Error for Diagnostic {}

/// Diagnostics of which each problem is told once, however many instances have it.
#[derive(Clone, Debug, Default)]
pub struct Told {
    diagnostics: Vec<Diagnostic>,
    problems: BTreeMap<Problem, (usize, BTreeSet<Address>)>,
}

impl Told {
    /// Adds a diagnostic. Where the problem was told before, only the instance that it is about is added to what was told.
    pub fn tell(&mut self, diagnostic: Diagnostic) {
        let at = self.diagnostics.len();
        let (first, known) =
            self.problems.entry(diagnostic.problem()).or_insert_with(|| (at, BTreeSet::new()));
        let is_new =
            diagnostic.address.as_ref().is_some_and(|address| known.insert(address.clone()));
        match self.diagnostics.get_mut(*first) {
            // What is wrong without any instance is not about one of them.
            Some(told) if told.address.is_some() && is_new => told.also.extend(diagnostic.address),
            Some(_) => {}
            None => self.diagnostics.push(diagnostic),
        }
    }

    /// What was told.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// All that was told; from now on it may be told again.
    pub fn take(&mut self) -> Vec<Diagnostic> {
        std::mem::take(self).diagnostics
    }
}

impl FromIterator<Diagnostic> for Told {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(diagnostics: I) -> Self {
        let mut told = Self::default();
        diagnostics.into_iter().for_each(|diagnostic| told.tell(diagnostic));
        told
    }
}

/// The text of every source file that was read, by the name used in spans.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: BTreeMap<Arc<str>, Arc<String>>,
}

impl SourceMap {
    /// Remembers a file's text.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, text: impl Into<String>) {
        self.share(name, Arc::new(text.into()));
    }

    /// Remembers a file's text, which others have as well.
    pub fn share(&mut self, name: impl Into<Arc<str>>, text: Arc<String>) {
        self.files.insert(name.into(), text);
    }

    /// The text of a file.
    pub fn text(&self, name: &str) -> Option<&Arc<String>> {
        self.files.get(name)
    }

    /// All files, sorted by name.
    pub fn files(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<String>)> {
        self.files.iter()
    }

    /// Line and column (both from 1; the column counts characters) of a span's start.
    pub fn position(&self, span: &Span) -> Option<(usize, usize)> {
        let text = self.files.get(&span.file)?;
        let before = text.get(..span.start as usize)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        Some((line, column))
    }
}
