//! Arguments of `gate` and `rollout` blocks, each with its value and its place.
//!
//! Invariants: what is given here is known, not null, and no secret unless it was asked for as one; every mistake is told
//! where it stands, and once.
//! Refuses to know: what goes together in a block.

use super::units::{self, DURATIONS};
use crate::eval::{is_failed, rests_on_opaque};
use crate::evaluate::dynamic::{Piece, Pieces};
use crate::evaluate::graph::Graph;
use crate::evaluate::names::Place;
use crate::module::{list, made_by, suggest::did_you_mean};
use crate::syntax::{Attribute, Block};
use model::rollout::Amount;
use model::{Diagnostic, Span, Type, Value};
use std::sync::Arc;

/// A mistake that has been told, or a value that nothing is known of (`validate` makes no plan).
#[derive(Clone, Copy, Debug)]
pub(super) struct Told;

/// An argument's value and its place.
#[derive(Clone, Debug)]
pub(super) struct Given<T> {
    pub value: T,
    pub span: Span,
}

/// An argument that may be left out.
pub(super) type Got<T> = Result<Option<Given<T>>, Told>;

/// The value alone, or what it is otherwise.
pub(super) fn or<T>(got: Got<T>, default: T) -> Result<T, Told> {
    Ok(got?.map_or(default, |given| given.value))
}

/// Reads one block.
pub(super) struct Reading<'g, 'a, 'b> {
    pub graph: &'g mut Graph<'a>,
    pub block: &'b Block,
    pub place: &'b Place,
    /// What kind of block it is, which is also the code of its mistakes.
    pub kind: &'static str,
    /// The block in words: `gate "errors"`.
    pub title: String,
}

impl<'g, 'a, 'b> Reading<'g, 'a, 'b> {
    pub(super) fn new(
        graph: &'g mut Graph<'a>,
        block: &'b Block,
        place: &'b Place,
        kind: &'static str,
        title: String,
    ) -> Self {
        Self { graph, block, place, kind, title }
    }

    /// A block in this one.
    pub(super) fn within<'n>(
        &'n mut self,
        piece: &'n Piece<'_>,
        kind: &'static str,
        title: &str,
    ) -> Reading<'n, 'a, 'n> {
        // A stage or a window needs no other name than its own: its place is shown.
        let title = match (self.kind, kind) {
            ("rollout", "stage" | "window") => format!("`{title}`"),
            _ => format!("`{title}` of {}", self.title),
        };
        Reading::new(self.graph, piece.block, &piece.place, kind, title)
    }

    pub(super) fn span(&self) -> Span {
        self.block.span()
    }

    fn attribute(&self, name: &str) -> Option<&'b Attribute> {
        self.block.body.attributes.iter().find(|it| it.name.text.as_ref() == name)
    }

    /// Where the name of an argument stands, if it is there.
    pub(super) fn name_span(&self, name: &str) -> Option<Span> {
        self.attribute(name).map(|it| it.value.file.span(it.name.extent))
    }

    /// Whether all arguments have one of these names. If not, that has been told, and one of them may be meant.
    pub(super) fn knows(&self, names: impl Fn(&str) -> bool) -> bool {
        self.block.body.attributes.iter().all(|it| names(&it.name.text))
    }

    /// Whether all blocks in this one are of these kinds. If not, that has been told, and one of them may be meant.
    pub(super) fn holds_only(&self, kinds: &[&str]) -> bool {
        let body = &self.block.body;
        !body.incomplete && body.blocks.iter().all(|it| kinds.contains(&made_by(it).as_ref()))
    }

    /// Tells a mistake about this block.
    pub(super) fn tell(&mut self, summary: String, span: Span, found: &str, hint: &str) -> Told {
        let mut diagnostic = Diagnostic::error(self.kind, summary).with_label(span, found);
        if !hint.is_empty() {
            diagnostic = diagnostic.with_hint(hint);
        }
        self.graph.report(diagnostic);
        Told
    }

    /// An argument that must be there.
    pub(super) fn need<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self, &str) -> Got<T>,
    ) -> Result<Given<T>, Told> {
        match (read(self, name)?, self.attribute(name)) {
            (Some(given), _) => Ok(given),
            (None, Some(attribute)) => {
                let summary = format!("`{name}` of {} must not be null", self.title);
                Err(self.tell(summary, attribute.value.span(), "this is null", ""))
            }
            // It was missed when the block was read.
            (None, None) => Err(Told),
        }
    }

    /// The value of an argument of a type; none when it is left out or null.
    pub(super) fn value(&mut self, name: &str, ty: &Type) -> Got<Value> {
        self.read(name, ty, false)
    }

    /// The same where secrets may stand.
    pub(super) fn secret(&mut self, name: &str, ty: &Type) -> Got<Value> {
        self.read(name, ty, true)
    }

    fn read(&mut self, name: &str, ty: &Type, may_be_secret: bool) -> Got<Value> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let (expression, span) = (&attribute.value, attribute.value.span());
        let what = format!("`{name}` of {}", self.title);
        let mut value = self.graph.eval_as(expression, ty, &what, self.place);
        if !may_be_secret {
            value = self.graph.lasting(value, &what, span.clone());
        }
        if is_failed(&value) || rests_on_opaque(&value) {
            return Err(Told);
        }
        if !value.is_wholly_known() {
            let hint = "a plan shows how the rollout will go: use something that the configuration decides, such as a variable";
            let summary = format!("{what} must be known when planning");
            return Err(self.tell(summary, span, "this is known only later", hint));
        }
        if !may_be_secret && value.deep_marks().sensitive {
            let hint = "secrets go into `headers` of whom a gate asks and into the address of a webhook; `nonsensitive(...)` says that this is none";
            let summary = format!("{what} is recorded and shown, so it cannot be a secret");
            return Err(self.tell(summary, span, "this is sensitive", hint));
        }
        Ok((!value.is_null()).then_some(Given { value, span }))
    }

    pub(super) fn text(&mut self, name: &str) -> Got<String> {
        let given = self.value(name, &Type::String)?;
        self.filled(name, given)
    }

    /// A text that may hold a secret.
    pub(super) fn secret_text(&mut self, name: &str) -> Got<String> {
        let given = self.secret(name, &Type::String)?;
        self.filled(name, given)
    }

    fn filled(&mut self, name: &str, given: Option<Given<Value>>) -> Got<String> {
        let Some(Given { value, span }) = given else { return Ok(None) };
        let text = value.as_str().unwrap_or_default().to_owned();
        if text.trim().is_empty() {
            let summary = format!("`{name}` of {} must not be empty", self.title);
            return Err(self.tell(summary, span, "this is an empty text", ""));
        }
        Ok(Some(Given { value: text, span }))
    }

    /// A list of texts, at least one.
    pub(super) fn texts(&mut self, name: &str) -> Got<Vec<String>> {
        let Some(Given { value, span }) = self.value(name, &Type::list(Type::String))? else {
            return Ok(None);
        };
        let items = value.as_items().unwrap_or_default();
        let texts: Option<Vec<String>> =
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        if let Some(value) = texts.filter(|texts| !texts.is_empty()) {
            return Ok(Some(Given { value, span }));
        }
        let summary = format!("`{name}` of {} is a list of texts, at least one", self.title);
        let found = if items.is_empty() { "this is empty" } else { "one of these is null" };
        Err(self.tell(summary, span, found, ""))
    }

    pub(super) fn flag(&mut self, name: &str) -> Got<bool> {
        let given = self.value(name, &Type::Bool)?;
        Ok(given.map(|Given { value, span }| Given { value: value.as_bool() == Some(true), span }))
    }

    pub(super) fn number(&mut self, name: &str) -> Got<f64> {
        let Some(Given { value, span }) = self.value(name, &Type::Number)? else { return Ok(None) };
        let value = value.as_number().map_or(f64::NAN, model::Number::as_f64);
        if value.is_finite() {
            return Ok(Some(Given { value, span }));
        }
        let summary = format!("`{name}` of {} is a finite number", self.title);
        Err(self.tell(summary, span, "this is not", ""))
    }

    /// A share: a number above 0 and at most 1.
    pub(super) fn share(&mut self, name: &str) -> Got<f64> {
        let Some(given) = self.number(name)? else { return Ok(None) };
        if given.value > 0.0 && given.value <= 1.0 {
            return Ok(Some(given));
        }
        let found = format!("this is {}", given.value);
        let hint = if given.value > 1.0 && given.value <= 100.0 {
            format!("{} % is written {}", given.value, given.value / 100.0)
        } else {
            "one per cent is written 0.01".to_owned()
        };
        let summary = format!("`{name}` of {} is a share, above 0 and at most 1", self.title);
        Err(self.tell(summary, given.span, &found, &hint))
    }

    /// A whole number, at least `least`.
    pub(super) fn whole(&mut self, name: &str, least: u32) -> Got<u32> {
        let Some(Given { value, span }) = self.value(name, &Type::Number)? else { return Ok(None) };
        let number = value.as_number();
        let whole = number.and_then(model::Number::as_u64).and_then(|it| u32::try_from(it).ok());
        if let Some(value) = whole.filter(|number| *number >= least) {
            return Ok(Some(Given { value, span }));
        }
        let found = number.map_or_else(String::new, |number| format!("this is {number}"));
        let summary = format!("`{name}` of {} is a whole number from {least}", self.title);
        Err(self.tell(summary, span, &found, ""))
    }

    /// A duration in milliseconds.
    pub(super) fn duration(&mut self, name: &str) -> Got<u64> {
        let Some(Given { value, span }) = self.value(name, &Type::String)? else { return Ok(None) };
        let text = value.as_str().unwrap_or_default();
        match units::duration(text) {
            Ok(value) => Ok(Some(Given { value, span })),
            Err(problem) => {
                let summary = format!("`{name}` of {} is no duration", self.title);
                let found = format!("this is {text:?}: {problem}");
                let diagnostic = Diagnostic::error("duration", summary)
                    .with_label(span, found)
                    .with_hint(DURATIONS);
                self.graph.report(diagnostic);
                Err(Told)
            }
        }
    }

    /// A duration that is longer than nothing.
    pub(super) fn time(&mut self, name: &str) -> Got<u64> {
        let Some(given) = self.duration(name)? else { return Ok(None) };
        if given.value > 0 {
            return Ok(Some(given));
        }
        let summary = format!("`{name}` of {} must be longer than nothing", self.title);
        Err(self.tell(summary, given.span, "this is zero", ""))
    }

    /// A number of nodes or a percentage.
    pub(super) fn amount(&mut self, name: &str) -> Got<Amount> {
        let Some(Given { value, span }) = self.value(name, &Type::String)? else { return Ok(None) };
        let text = value.as_str().unwrap_or_default();
        match units::amount(text) {
            Ok(value) => Ok(Some(Given { value, span })),
            Err(problem) => {
                let summary = format!(
                    "`{name}` of {} is a number of nodes, or a percentage from 0 to 100",
                    self.title
                );
                let found = format!("this is {text:?}: {problem}");
                Err(self.tell(summary, span, &found, "write a number, 3, or a text, \"25%\""))
            }
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Got<T> {
        let Some(Given { value, span }) = self.value(name, &Type::String)? else { return Ok(None) };
        let text = value.as_str().unwrap_or_default();
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(Some(Given { value: *value, span }));
        }
        let known = || words.iter().map(|(word, _)| *word);
        let summary = format!("`{name}` of {} is one of {}", self.title, list(known()));
        let hint = did_you_mean(text, known()).unwrap_or_default();
        let found = format!("this is {text:?}");
        Err(self.tell(summary, span, &found, &hint))
    }

    /// The blocks of one kind without a label, with those that `dynamic` blocks make.
    pub(super) fn blocks(&mut self, kind: &str) -> Result<Vec<Piece<'b>>, Told> {
        let block = self.block;
        let blocks: Vec<&Block> =
            block.body.blocks.iter().filter(|it| made_by(it).as_ref() == kind).collect();
        match self.graph.pieces(&blocks, self.place) {
            Pieces::Known(pieces, _) => Ok(pieces),
            Pieces::Failed => Err(Told),
            // Nothing is known of any instance.
            Pieces::Later if self.graph.projection.is_opaque() => Err(Told),
            Pieces::Later => {
                let summary =
                    format!("how many `{kind}` blocks there are must be known when planning");
                let span = blocks.first().map_or_else(|| self.span(), |block| block.span());
                Err(self.tell(summary, span, "`for_each` is known only later", ""))
            }
        }
    }

    /// The one block of a kind, if it is there.
    pub(super) fn block(&mut self, kind: &str) -> Result<Option<Piece<'b>>, Told> {
        let mut pieces = self.blocks(kind)?;
        if pieces.len() > 1 {
            let summary = format!("there is more than one block `{kind}` in {}", self.title);
            let span = pieces[1].block.span();
            return Err(self.tell(summary, span, "the second one", "keep one of them"));
        }
        Ok(pieces.pop())
    }

    /// The blocks of one kind, each with its label.
    pub(super) fn labelled(&mut self, kind: &str) -> Result<Vec<(Arc<str>, Piece<'b>)>, Told> {
        self.graph.labelled(&self.block.body.blocks, kind, self.place).ok_or(Told)
    }
}
