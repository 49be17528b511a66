//! What goes wrong in the cloud in memory: faults of single calls, told or by chance, and natures of resource types.
//!
//! Invariant: chance comes from a seed alone, so the same calls in the same order meet the same faults.

use crate::ErrorClass;
use model::schema::Adoption;

/// What goes wrong in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect.
    Fail(ErrorClass),
    /// It is lost on its way: it has no effect, and who called cannot know.
    LoseRequest(ErrorClass),
    /// It has its effect, and the answer is lost.
    LoseAnswer(ErrorClass),
    /// The answer is lost at once, and the effect comes later.
    Late {
        /// The class of the error.
        class: ErrorClass,
        /// Milliseconds until the effect.
        after_ms: u64,
    },
    /// A creation leaves a half-made object, and the answer is lost.
    HalfMade,
    /// As [`Fault::HalfMade`], also for an update of a service: it ends after that many of its steps.
    CutAfter(usize),
    /// It has its effect and never answers.
    Hang,
    /// It never answers and has no effect.
    HangBefore,
}

/// Faults by chance. The numbers are calls in a thousand; together at most a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Where chance comes from.
    pub seed: u64,
    /// Changing calls that fail without effect.
    pub refused: u16,
    /// Changing calls that are lost before their effect.
    pub lost_requests: u16,
    /// Changing calls that are lost after their effect.
    pub lost_answers: u16,
    /// Changing calls whose answer is lost and whose effect comes later.
    pub late: u16,
    /// The latest that effect comes, in milliseconds.
    pub late_ms: u64,
    /// Changing calls that end halfway.
    pub halfway: u16,
    /// Objects that cannot be read, and look-ups and listings that fail.
    pub unread: u16,
}

/// How the objects of a resource type behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nature {
    /// What is declared, and what holds: whether tokens are taken and how long they are kept, whether names are
    /// unique, whether objects are tagged. Its times are only declared.
    pub adoption: Adoption,
    /// For how many milliseconds nothing shows a new object: exactly as many, or by chance up to as many while there
    /// is a [`Weather`]. More than the declared settle time makes the cloud a liar.
    pub hidden_ms: u64,
    /// For how many milliseconds listings and look-ups by tag still show a deleted object.
    pub lingers_ms: u64,
}

/// Which calls a fault meets.
#[derive(Clone, Debug, PartialEq, Eq)]
enum When {
    /// The call of that number that changes something, from 1.
    Nth(u64),
    /// The next call about that instance, once.
    Next(String),
    /// Every call about that instance.
    Always(String),
}

/// All that is to go wrong.
#[derive(Default)]
pub(super) struct Faults {
    told: Vec<(When, Fault)>,
    weather: Option<Weather>,
    drawn: u64,
    unread: Vec<(String, ErrorClass)>,
    blind: (u64, Option<ErrorClass>),
}

impl Faults {
    pub(super) fn nth(&mut self, number: u64, fault: Fault) {
        self.told.push((When::Nth(number), fault));
    }

    pub(super) fn next(&mut self, address: &str, fault: Fault) {
        self.told.push((When::Next(address.to_owned()), fault));
    }

    pub(super) fn always(&mut self, address: &str, fault: Fault) {
        self.told.push((When::Always(address.to_owned()), fault));
    }

    pub(super) fn weather(&mut self, weather: Weather) {
        self.weather = Some(weather);
        self.drawn = 0;
    }

    pub(super) fn unread(&mut self, address: &str, class: ErrorClass) {
        self.unread.push((address.to_owned(), class));
    }

    pub(super) fn blind(&mut self, count: u64, class: ErrorClass) {
        self.blind = (count, Some(class));
    }

    /// What the changing call of this number about this instance meets.
    pub(super) fn of_call(&mut self, number: u64, address: &str) -> Option<Fault> {
        let met = self.told.iter().position(|(when, _)| match when {
            When::Nth(nth) => *nth == number,
            When::Next(wanted) | When::Always(wanted) => wanted == address,
        });
        match met {
            Some(at) if matches!(self.told[at].0, When::Always(_)) => Some(self.told[at].1),
            Some(at) => Some(self.told.remove(at).1),
            None => self.by_chance(),
        }
    }

    /// What one instance of a call about many meets: only what is told of it.
    pub(super) fn of_one(&mut self, address: &str) -> Option<Fault> {
        let met = self.told.iter().position(|(when, _)| match when {
            When::Nth(_) => false,
            When::Next(wanted) | When::Always(wanted) => wanted == address,
        })?;
        match self.told[met].0 {
            When::Always(_) => Some(self.told[met].1),
            When::Nth(_) | When::Next(_) => Some(self.told.remove(met).1),
        }
    }

    fn by_chance(&mut self) -> Option<Fault> {
        let weather = self.weather?;
        let class = ErrorClass::Transient;
        let mut chance = self.draw(1_000);
        let mut is = |share: u16| {
            let share = u64::from(share);
            let hit = chance < share;
            chance = chance.wrapping_sub(share);
            hit
        };
        if is(weather.refused) {
            Some(Fault::Fail(class))
        } else if is(weather.lost_requests) {
            Some(Fault::LoseRequest(class))
        } else if is(weather.lost_answers) {
            Some(Fault::LoseAnswer(class))
        } else if is(weather.late) {
            Some(Fault::Late { class, after_ms: self.draw(weather.late_ms.saturating_add(1)) })
        } else if is(weather.halfway) {
            let steps = super::schema::SERVICE_STEPS.len() as u64;
            Some(Fault::CutAfter(usize::try_from(self.draw(steps)).unwrap_or_default()))
        } else {
            None
        }
    }

    /// The error that a reading of this instance meets.
    pub(super) fn of_reading(&mut self, address: &str) -> Option<ErrorClass> {
        let told = self.unread.iter().find(|(unread, _)| unread == address);
        match told {
            Some((_, class)) => Some(*class),
            None => self.unread_by_chance(),
        }
    }

    /// The error that a look-up or a listing meets.
    pub(super) fn of_look(&mut self) -> Option<ErrorClass> {
        if self.blind.0 > 0 {
            self.blind.0 -= 1;
            return self.blind.1;
        }
        self.unread_by_chance()
    }

    fn unread_by_chance(&mut self) -> Option<ErrorClass> {
        let unread = u64::from(self.weather?.unread);
        (self.draw(1_000) < unread).then_some(ErrorClass::Transient)
    }

    /// How long a new object is hidden.
    pub(super) fn hidden_ms(&mut self, nature: &Nature) -> u64 {
        match self.weather {
            Some(_) => self.draw(nature.hidden_ms.saturating_add(1)),
            None => nature.hidden_ms,
        }
    }

    /// A number below the bound, from SplitMix64 over the seed (Steele, Lea, Flood: "Fast splittable pseudorandom
    /// number generators", 2014).
    fn draw(&mut self, bound: u64) -> u64 {
        self.drawn += 1;
        let seed = self.weather.map_or(0, |weather| weather.seed);
        let mut z = seed.wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
