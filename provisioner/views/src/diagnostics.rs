//! Diagnostics for people (source excerpt, every label, code, hints) and as JSON.
//!
//! Invariants: all of them are shown, warnings first so that errors stand at the end where people look; places are
//! `file:line:column` with line and column from 1.

use crate::console::Console;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceSpan};
use model::diagnostic::Label;
use model::{Diagnostic, Severity, SourceMap, Span};
use serde_json::{Value as Json, json};
use std::fmt;
use std::sync::Arc;
use textwrap::WordSplitter;

/// How many instances are named that are wrong in the same way as the one a diagnostic is about.
const MOST_NAMED: usize = 3;

/// All diagnostics as text, each followed by an empty line.
pub fn human(
    diagnostics: &[Diagnostic],
    sources: &SourceMap,
    width: usize,
    colour: bool,
) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_context_lines(1)
        // Paths and dates stay whole, so that they can be copied.
        .with_break_words(false)
        .with_word_splitter(WordSplitter::NoHyphenation)
        .with_links(false);
    let mut ordered: Vec<_> = diagnostics.iter().collect();
    ordered.sort_by_key(|diagnostic| diagnostic.is_error());
    let mut text = String::new();
    for diagnostic in ordered {
        let report = Report::new(diagnostic, sources);
        if handler.render_report(&mut text, &report).is_err() {
            text.push_str(&diagnostic.summary);
        }
        text.push('\n');
    }
    text
}

/// Writes diagnostics to stderr: for people, or as one JSON document.
pub fn print(console: &Console, diagnostics: &[Diagnostic], sources: &SourceMap, as_json: bool) {
    if diagnostics.is_empty() {
        return;
    }
    if as_json {
        let document = json!({ "diagnostics": json(diagnostics, sources) });
        console.message_line(&document.to_string());
    } else {
        let colour = console.err_palette().is_coloured();
        console.message(&human(diagnostics, sources, console.width(), colour));
    }
}

/// One line that says where more can be read about these errors; `None` if there is none.
pub fn where_to_read(diagnostics: &[Diagnostic]) -> Option<String> {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    let mut codes: Vec<_> = errors.map(|diagnostic| diagnostic.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    match codes.as_slice() {
        [] => None,
        [code] => Some(format!("`provisioner explain {code}` tells more.")),
        _ => Some("`provisioner explain CODE` tells more of each code.".to_owned()),
    }
}

/// All diagnostics as JSON, places as byte ranges and as lines and columns.
pub fn json(diagnostics: &[Diagnostic], sources: &SourceMap) -> Json {
    diagnostics.iter().map(|diagnostic| one(diagnostic, sources)).collect()
}

fn one(diagnostic: &Diagnostic, sources: &SourceMap) -> Json {
    json!({
        "severity": diagnostic.severity,
        "code": diagnostic.code,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
        "address": diagnostic.address,
        "also": diagnostic.also,
        "hints": diagnostic.hints,
        "labels": diagnostic.labels.iter().map(|label| place(label, sources)).collect::<Json>(),
    })
}

fn place(label: &Label, sources: &SourceMap) -> Json {
    let point = |byte: u32| {
        let span = Span { file: label.span.file.clone(), start: byte, end: byte };
        let position = sources.position(&span);
        json!({
            "line": position.map(|(line, _)| line),
            "column": position.map(|(_, column)| column),
        })
    };
    json!({
        "span": label.span,
        "start": point(label.span.start),
        "end": point(label.span.end),
        "message": label.message,
    })
}

/// One diagnostic as miette wants it. Labels in other files than the first become related reports.
#[derive(Debug)]
struct Report {
    severity: miette::Severity,
    code: Option<String>,
    message: String,
    detail: Option<Detail>,
    help: Option<String>,
    source: Option<NamedSource<Arc<String>>>,
    labels: Vec<LabeledSpan>,
    elsewhere: Vec<Report>,
}

#[derive(Debug)]
struct Detail(String);

impl fmt::Display for Detail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Detail {}

impl Report {
    fn new(diagnostic: &Diagnostic, sources: &SourceMap) -> Self {
        let mut message = diagnostic.summary.clone();
        if let Some(address) = &diagnostic.address
            && !message.contains(&address.to_string())
        {
            message = format!("{address}: {message}");
        }
        let first = diagnostic.labels.first().map(|label| label.span.file.clone());
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            diagnostic.labels.iter().partition(|label| Some(&label.span.file) == first.as_ref());
        let source = first.as_ref().and_then(|file| source(file, sources));
        let mut hints = diagnostic.hints.clone();
        if let (Some(file), None) = (&first, &source) {
            hints.push(format!("the place is in {file}"));
        }
        Self {
            severity: match diagnostic.severity {
                Severity::Error => miette::Severity::Error,
                Severity::Warning => miette::Severity::Warning,
            },
            code: Some(diagnostic.code.clone()),
            message,
            detail: detail(diagnostic).map(Detail),
            help: (!hints.is_empty()).then(|| hints.join("\n")),
            labels: if source.is_some() { spans(&here, sources) } else { Vec::new() },
            source,
            elsewhere: Self::elsewhere(&elsewhere, sources),
        }
    }

    fn elsewhere(labels: &[&Label], sources: &SourceMap) -> Vec<Self> {
        let report = |label: &&Label| {
            let source = source(&label.span.file, sources)?;
            Some(Self {
                severity: miette::Severity::Advice,
                code: None,
                message: format!("in {}", label.span.file),
                detail: None,
                help: None,
                source: Some(source),
                labels: spans(&[*label], sources),
                elsewhere: Vec::new(),
            })
        };
        labels.iter().filter_map(report).collect()
    }
}

/// What there is to say beyond the summary, and which other instances it is said of.
fn detail(diagnostic: &Diagnostic) -> Option<String> {
    let own = Some(&diagnostic.detail).filter(|detail| !detail.is_empty()).cloned();
    let others = diagnostic.also.len();
    if others == 0 {
        return own;
    }
    let named: Vec<_> =
        diagnostic.also.iter().take(MOST_NAMED).map(|address| format!("`{address}`")).collect();
    let more = match others - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let also = format!("It is the same for {}{more}: {} in all.", named.join(", "), others + 1);
    Some(own.map_or_else(|| also.clone(), |own| format!("{own}\n{also}")))
}

fn source(file: &Arc<str>, sources: &SourceMap) -> Option<NamedSource<Arc<String>>> {
    sources.text(file).map(|text| NamedSource::new(file.as_ref(), text.clone()))
}

/// Spans within their text: one that reaches over several lines is cut to its first, so that a long block does
/// not fill the screen.
fn spans(labels: &[&Label], sources: &SourceMap) -> Vec<LabeledSpan> {
    let span = |label: &&Label| {
        let text = sources.text(&label.span.file)?;
        let start = (label.span.start as usize).min(text.len());
        let end = (label.span.end as usize).clamp(start, text.len());
        let line = text.get(start..end)?.find('\n').map_or(end, |at| start + at);
        let message = (!label.message.is_empty()).then(|| label.message.clone());
        Some(LabeledSpan::new_with_span(message, SourceSpan::new(start.into(), line - start)))
    };
    let mut spans: Vec<_> = labels.iter().filter_map(span).collect();
    if let Some(first) = spans.first_mut() {
        // The first label is the place that the header names.
        *first =
            LabeledSpan::new_primary_with_span(first.label().map(str::to_owned), *first.inner());
    }
    spans
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Report {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.detail.as_ref().map(|detail| detail as &(dyn std::error::Error + 'static))
    }
}

impl miette::Diagnostic for Report {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.as_ref().map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty())
            .then(|| Box::new(self.labels.iter().cloned()) as Box<dyn Iterator<Item = _>>)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        let related = self.elsewhere.iter().map(|report| report as &dyn miette::Diagnostic);
        (!self.elsewhere.is_empty()).then(|| Box::new(related) as Box<dyn Iterator<Item = _>>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Address;

    fn sources() -> SourceMap {
        let mut sources = SourceMap::default();
        sources.insert(
            "main.hcl",
            "locals {\n  a = local.b\n  b = local.a\n}\n\noutput \"x\" { value = missing }\n",
        );
        sources.insert("modules/m/main.hcl", "variable \"size\" {\n  type = number\n}\n");
        sources
    }

    fn span(file: &str, start: u32, end: u32) -> Span {
        Span { file: file.into(), start, end }
    }

    fn disk(address: &str) -> Address {
        Address::parse(address).unwrap()
    }

    fn examples() -> Vec<Diagnostic> {
        vec![
            Diagnostic::error("cycle", "`local.a` needs itself")
                .with_label(span("main.hcl", 15, 22), "`a` needs `b` here")
                .with_label(span("main.hcl", 29, 36), "and `b` needs `a` here")
                .with_hint("Take one of these references away."),
            Diagnostic::error("wrong-type", "the variable `size` needs a number")
                .with_detail("The value comes from the command line: --var size=many")
                .with_label(span("main.hcl", 61, 68), "")
                .with_label(span("modules/m/main.hcl", 0, 36), "declared here"),
            Diagnostic {
                also: ["disk.b", "disk.c", "disk.d", "disk.e"].map(disk).into(),
                ..Diagnostic::error("aws-argument", "a disk has at least 1 GiB")
                    .about(&disk("disk.a"))
            },
            Diagnostic::warning("unused", "the variable `old` is not used"),
        ]
    }

    #[test]
    fn people_see_the_source() {
        insta::assert_snapshot!(human(&examples(), &sources(), 100, false));
    }

    #[test]
    fn json_has_bytes_lines_and_columns() {
        insta::assert_json_snapshot!(json(&examples(), &sources()));
    }
}
