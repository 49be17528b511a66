//! Values that are not known yet: how they will be known, and what is known of them already.
//!
//! Invariant: a refinement holds for every value that the unknown one may turn out to be; what is derived
//! from it while planning stays true at apply time. Refinements serve evaluation and are not stored.

use crate::address::Address;
use crate::number::Number;
use crate::types::Type;
use crate::value::{Data, Entries, Value};
use std::sync::Arc;

/// A value that is not known yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    /// Its type, `any` if that is not known either.
    pub ty: Type,
    /// How it will be known.
    pub residual: Arc<Residual>,
    /// What is known of it already.
    pub refinement: Refinement,
    /// How many unknown values it rests on, each counted as often as it is written out in a plan.
    pub weight: u32,
}

/// The name, in the scope of a residual, of what its calls of `timestamp`, `uuid` and their like get their values from: the
/// run. No reference has such a name.
pub const RUN: &str = "(run)";

/// What must be evaluated once earlier operations have run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Residual {
    /// An attribute (a path of names or indexes into it) of an instance after its operation.
    Output {
        /// The instance.
        address: Address,
        /// From the instance's attributes to the value.
        path: Vec<Arc<str>>,
    },
    /// An expression over values some of which are unknown.
    Expression {
        /// The text of the expression.
        source: Arc<str>,
        /// Whether `source` is a template (as for `templatefile`) rather than an expression.
        template: bool,
        /// The values its references stand for: an object by root name (`var`, `local`, `node`, ...).
        scope: Value,
        /// `file:line:column` of the expression, for messages.
        place: Arc<str>,
    },
    /// Known only to be unknown (validation without state); never part of a plan.
    Opaque,
}

impl Residual {
    /// How many unknown values it rests on, with itself.
    pub(crate) fn weight(&self) -> u32 {
        match self {
            Self::Expression { scope, .. } => scope.weight().saturating_add(1),
            Self::Output { .. } | Self::Opaque => 1,
        }
    }

    /// Whether it rests on a call that gives another value at every run.
    pub fn changes_every_run(&self) -> bool {
        match self {
            Self::Expression { scope, .. } => {
                scope.as_entries().is_some_and(|entries| entries.contains_key(RUN))
                    || scope.changes_every_run()
            }
            Self::Output { .. } | Self::Opaque => false,
        }
    }

    /// Whether the values that it rests on are nested deeper than `most` levels. The names that they have are none.
    pub(crate) fn is_deeper_than(&self, most: u32) -> bool {
        let Self::Expression { scope, .. } = self else { return false };
        let Some(rest) = most.checked_sub(1) else { return true };
        let mut roots = scope.as_entries().into_iter().flat_map(Entries::values);
        roots.any(|root| match root.as_entries() {
            Some(named) => named.values().any(|value| value.is_deeper_than(rest)),
            None => root.is_deeper_than(rest),
        })
    }

    /// The value itself once all its parts are known. A part that failed or that nothing can tell makes it so too.
    pub fn whole(value: &Value) -> Self {
        match value.open_part() {
            Some(Self::Expression { source, place, .. }) if !source.is_empty() => {
                Self::Expression {
                    source: "whole".into(),
                    template: false,
                    scope: Value::object([("whole", value.clone())]),
                    place: place.clone(),
                }
            }
            Some(Self::Output { address, .. }) => Self::Expression {
                source: "whole".into(),
                template: false,
                scope: Value::object([("whole", value.clone())]),
                place: address.to_string().into(),
            },
            Some(other) => other.clone(),
            None => Self::Opaque,
        }
    }
}

/// What is known of an unknown value besides its type.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refinement {
    /// It will not be null.
    pub not_null: bool,
    /// What a string starts with; empty if that is not known.
    pub prefix: Option<Arc<str>>,
    /// What a number is not below.
    pub lower: Option<Bound>,
    /// What a number is not above.
    pub upper: Option<Bound>,
    /// The least number of elements of a list, set or map.
    pub min_length: u64,
    /// The greatest number of elements of a list, set or map.
    pub max_length: Option<u64>,
}

/// An end of the range of a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bound {
    /// The number.
    pub number: Number,
    /// Whether the number itself is within the range.
    pub inclusive: bool,
}

impl Bound {
    /// A bound that is itself within the range.
    pub fn inclusive(number: impl Into<Number>) -> Self {
        Self { number: number.into(), inclusive: true }
    }
}

/// Bytes of a known prefix that are kept.
const MAX_PREFIX: usize = 128;

impl Refinement {
    /// Not null, and nothing else.
    pub fn not_null() -> Self {
        Self { not_null: true, ..Self::default() }
    }

    /// A string that starts with `text`, or null.
    ///
    /// What follows may join the end of `text` into one character (a combining mark, the second half of a
    /// line end), so the last character counts only where nothing can.
    #[must_use]
    pub fn with_prefix(mut self, text: &str) -> Self {
        use unicode_segmentation::UnicodeSegmentation as _;
        let mut end = text.len().min(MAX_PREFIX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = &text[..end];
        let safe = match text.grapheme_indices(true).next_back() {
            Some((_, last)) if joins_nothing(last) => text,
            Some((start, _)) => &text[..start],
            None => "",
        };
        self.prefix = (!safe.is_empty()).then(|| safe.into());
        self
    }

    /// A number between these, both within the range.
    #[must_use]
    pub fn between(mut self, lower: Option<Number>, upper: Option<Number>) -> Self {
        self.lower = lower.map(Bound::inclusive);
        self.upper = upper.map(Bound::inclusive);
        self
    }

    /// A collection of that many elements.
    #[must_use]
    pub fn with_length(mut self, least: u64, most: Option<u64>) -> Self {
        self.min_length = least;
        self.max_length = most;
        self
    }

    /// What is known of a value, known or not.
    pub fn of(value: &Value) -> Self {
        let length = |items: usize| {
            let items = u64::try_from(items).unwrap_or(u64::MAX);
            Self::not_null().with_length(items, Some(items))
        };
        match value.data() {
            Data::Unknown(unknown) => unknown.refinement.clone(),
            Data::Null(_) => Self::default(),
            Data::String(text) => Self { prefix: Some(text.clone()), ..Self::not_null() },
            Data::Number(number) => {
                Self::not_null().between(Some(number.clone()), Some(number.clone()))
            }
            Data::List(_, items) => length(items.len()),
            Data::Map(_, entries) => length(entries.len()),
            Data::Set(_, items) if value.is_wholly_known() => length(items.len()),
            Data::Set(_, items) => {
                let most = length(items.len());
                Self { min_length: most.min_length.min(1), ..most }
            }
            Data::Bool(_) | Data::Tuple(_) | Data::Object(_) => Self::not_null(),
        }
    }

    /// What holds whichever of two values it is.
    #[must_use]
    pub fn either(&self, other: &Self) -> Self {
        Self {
            not_null: self.not_null && other.not_null,
            prefix: None,
            lower: weaker(self.lower.as_ref(), other.lower.as_ref(), Bound::is_below),
            upper: weaker(self.upper.as_ref(), other.upper.as_ref(), Bound::is_above),
            min_length: self.min_length.min(other.min_length),
            max_length: self.max_length.zip(other.max_length).map(|(l, r)| l.max(r)),
        }
    }

    /// Whether `value`, which is known, cannot be what the unknown one turns out to be.
    pub fn excludes(&self, value: &Value) -> bool {
        let outside = |length: usize| {
            let length = u64::try_from(length).unwrap_or(u64::MAX);
            length < self.min_length || self.max_length.is_some_and(|most| length > most)
        };
        match value.data() {
            Data::Null(_) => self.not_null,
            Data::String(text) => {
                self.prefix.as_ref().is_some_and(|prefix| !text.starts_with(prefix.as_ref()))
            }
            Data::Number(number) => !self.admits(number),
            Data::List(_, items) => outside(items.len()),
            Data::Set(_, items) if value.is_wholly_known() => outside(items.len()),
            Data::Map(_, entries) => outside(entries.len()),
            _ => false,
        }
    }

    fn admits(&self, number: &Number) -> bool {
        let above = self.lower.as_ref().is_none_or(|bound| {
            *number > bound.number || (bound.inclusive && *number == bound.number)
        });
        let below = self.upper.as_ref().is_none_or(|bound| {
            *number < bound.number || (bound.inclusive && *number == bound.number)
        });
        above && below
    }

    /// The one number that is within the range, if it is one.
    pub(crate) fn only_number(&self) -> Option<Number> {
        let (lower, upper) = (self.lower.as_ref()?, self.upper.as_ref()?);
        let one = lower.number == upper.number && lower.inclusive && upper.inclusive;
        (self.not_null && one).then(|| lower.number.clone())
    }
}

impl Bound {
    fn is_below(&self, other: &Self) -> bool {
        self.number < other.number || (self.number == other.number && self.inclusive)
    }

    fn is_above(&self, other: &Self) -> bool {
        self.number > other.number || (self.number == other.number && self.inclusive)
    }
}

fn weaker(
    left: Option<&Bound>,
    right: Option<&Bound>,
    first: fn(&Bound, &Bound) -> bool,
) -> Option<Bound> {
    let (left, right) = (left?, right?);
    Some(if first(left, right) { left.clone() } else { right.clone() })
}

/// Whether whatever comes after `last` starts a character of its own. Letters and digits may take a combining
/// mark; so may `<`, `=` and `>`.
fn joins_nothing(last: &str) -> bool {
    const DELIMITERS: &str = "-_:;/\\,.(){}[]|?!~ \t@#$%^&*+\"'";
    DELIMITERS.contains(last)
}
