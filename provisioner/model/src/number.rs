//! Numbers of the language: whole numbers exactly, all others as the nearest 64-bit float.
//!
//! Invariant: a value that is a whole number within 64 bits is always `Int`, so equality, ordering and
//! hashing are by value.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;

/// A number.
#[derive(Clone, Copy, Debug)]
pub struct Number(Repr);

#[derive(Clone, Copy, Debug)]
enum Repr {
    Int(i64),
    Float(f64),
}

impl Number {
    /// A number from a float; `None` for NaN. Whole values become exact.
    pub fn from_f64(value: f64) -> Option<Self> {
        if value.is_nan() {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
        #[expect(clippy::cast_precision_loss, reason = "the bound itself is exact")]
        if value.fract() == 0.0 && value.abs() < (1_i64 << 62) as f64 {
            return Some(Self(Repr::Int(value as i64)));
        }
        Some(Self(Repr::Float(value)))
    }

    /// The exact whole number, if it is one.
    pub fn as_i64(self) -> Option<i64> {
        match self.0 {
            Repr::Int(value) => Some(value),
            Repr::Float(_) => None,
        }
    }

    /// The exact whole number, if it is one and not negative.
    pub fn as_u64(self) -> Option<u64> {
        self.as_i64().and_then(|value| u64::try_from(value).ok())
    }

    /// The nearest float.
    #[expect(clippy::cast_precision_loss, reason = "documented: the nearest float")]
    pub fn as_f64(self) -> f64 {
        match self.0 {
            Repr::Int(value) => value as f64,
            Repr::Float(value) => value,
        }
    }

    /// Reads a decimal literal such as `1`, `-2.5` or `1e3`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(value) = text.parse::<i64>() {
            return Some(Self(Repr::Int(value)));
        }
        let looks_numeric =
            text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
        if !looks_numeric {
            return None;
        }
        text.parse::<f64>().ok().filter(|v| v.is_finite()).and_then(Self::from_f64)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(Repr::Int(value))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (Repr::Int(left), Repr::Int(right)) => left.cmp(&right),
            _ => self.as_f64().total_cmp(&other.as_f64()),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Int(value) => write!(formatter, "{value}"),
            Repr::Float(value) => write!(formatter, "{value}"),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Repr::Int(value) => serializer.serialize_i64(value),
            Repr::Float(value) => serializer.serialize_f64(value),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        Self::from_json(&number).ok_or_else(|| serde::de::Error::custom("not a number"))
    }
}

impl Number {
    /// The number of a JSON document.
    pub fn from_json(number: &serde_json::Number) -> Option<Self> {
        number.as_i64().map(Self::from).or_else(|| number.as_f64().and_then(Self::from_f64))
    }

    /// As a JSON number; `None` for infinities.
    pub fn to_json(self) -> Option<serde_json::Number> {
        match self.0 {
            Repr::Int(value) => Some(value.into()),
            Repr::Float(value) => serde_json::Number::from_f64(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn whole_floats_are_exact() {
        assert_eq!(Number::from_f64(3.0).unwrap().as_i64(), Some(3));
        assert_eq!(Number::parse("1e3"), Some(Number::from(1000)));
        assert_eq!(Number::parse("2.50").unwrap().to_string(), "2.5");
        assert_eq!(Number::parse("0x10"), None);
    }
}
