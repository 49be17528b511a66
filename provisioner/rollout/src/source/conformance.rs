//! What every metric source does in each situation, as a suite that each of them runs.
//!
//! A test bed puts a source into a situation; the suite asks it and says what is not as it must be. A situation that a source
//! cannot be in is named by its bed, with the reason, so that none is left out by accident.

use super::{Ask, MetricSource};
use async_trait::async_trait;
use model::rollout::entry::Reading;

/// A situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    /// All is well.
    Well,
    /// It answers no, where it can.
    Bad,
    /// NaN is the answer.
    Nan,
    /// Nothing is the answer.
    Empty,
    /// Several numbers where one is expected.
    Several,
    /// The newest sample is too old.
    Stale,
    /// A part of the data could not be had.
    Partial,
    /// A group that is asked for has no nodes.
    NoNodes,
    /// No answer comes in time.
    TimeOut,
    /// It answers 500.
    Http500,
    /// It answers 503.
    Http503,
    /// What is asked is wrong, and it says so.
    BadData,
    /// Nobody is there.
    Refused,
    /// What it answers makes no sense.
    Garbage,
    /// The answer does not end.
    Endless,
}

/// All situations.
pub const CASES: [Case; 15] = [
    Case::Well,
    Case::Bad,
    Case::Nan,
    Case::Empty,
    Case::Several,
    Case::Stale,
    Case::Partial,
    Case::NoNodes,
    Case::TimeOut,
    Case::Http500,
    Case::Http503,
    Case::BadData,
    Case::Refused,
    Case::Garbage,
    Case::Endless,
];

/// What must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Yes or numbers.
    Data,
    /// No.
    No,
    /// Missing.
    Missing,
    /// Error.
    Error,
}

impl Class {
    /// The class of a reading.
    pub fn of(reading: &Reading) -> Self {
        match reading {
            Reading::Yes | Reading::Counts { .. } | Reading::Value { .. } => Self::Data,
            Reading::No { .. } => Self::No,
            Reading::Missing { .. } => Self::Missing,
            Reading::Error { .. } => Self::Error,
        }
    }
}

impl Case {
    /// What must come of it, whatever the source.
    pub fn class(self) -> Class {
        match self {
            Self::Well => Class::Data,
            Self::Bad => Class::No,
            Self::Nan | Self::Empty | Self::Stale | Self::Partial | Self::NoNodes => Class::Missing,
            Self::Several
            | Self::TimeOut
            | Self::Http500
            | Self::Http503
            | Self::BadData
            | Self::Refused
            | Self::Garbage
            | Self::Endless => Class::Error,
        }
    }
}

/// A source in a situation.
pub struct Placed {
    /// The source.
    pub source: Box<dyn MetricSource>,
    /// What it is asked.
    pub ask: Ask,
    /// Text that the reason must hold.
    pub says: &'static str,
}

/// Whoever puts a source into situations.
#[async_trait]
pub trait Bed: Send + Sync {
    /// A source in a situation, or why it cannot be in that.
    async fn place(&self, case: Case) -> Result<Placed, &'static str>;

    /// What must come of a situation, where it is not [`Case::class`]: a class and the reason.
    fn differs(&self, _case: Case) -> Option<(Class, &'static str)> {
        None
    }
}

/// Runs all situations; gives what was not as it must be, and how many situations there were.
pub async fn run(bed: &dyn Bed) -> (Vec<String>, usize) {
    let (mut wrong, mut run) = (Vec::new(), 0);
    for case in CASES {
        let placed = match bed.place(case).await {
            Ok(placed) => placed,
            Err("") => {
                wrong.push(format!("{case:?} is left out without a reason"));
                continue;
            }
            Err(_) => continue,
        };
        run += 1;
        let wanted = bed.differs(case).map_or_else(|| case.class(), |(class, _)| class);
        // What is asked twice is answered twice: a source keeps nothing from the first time.
        for _ in 0..2 {
            let reading = placed.source.measure(&placed.ask).await;
            if Class::of(&reading) != wanted {
                wrong.push(format!("{case:?} must be {wanted:?} and is {reading:?}"));
            }
            wrong.extend(wrong_reason(&reading, placed.says).map(|why| format!("{case:?}: {why}")));
        }
    }
    (wrong, run)
}

fn wrong_reason(reading: &Reading, says: &str) -> Option<String> {
    let why = match reading {
        Reading::No { why } | Reading::Missing { why } | Reading::Error { why } => why,
        Reading::Yes | Reading::Counts { .. } | Reading::Value { .. } => return None,
    };
    if why.trim().is_empty() {
        return Some("it gives no reason".to_owned());
    }
    (!why.contains(says)).then(|| format!("`{why}` does not say `{says}`"))
}
