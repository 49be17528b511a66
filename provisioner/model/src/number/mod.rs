//! Numbers of the language: binary floating point with a mantissa of up to 512 bits, as Terraform has them.
//!
//! A number has a *precision*, the bits its mantissa may have: 512 where it was written down, 64 where something was
//! counted, 53 where a floating-point function gave it. An operation keeps the higher precision of its operands,
//! and rounds half to even. Two numbers of different precision are equal when their values are.
//!
//! Invariants: a whole number within 64 bits is always `Int` (zero with a minus sign apart), so the usual case
//! neither allocates nor rounds; the mantissa of a `Float` is odd, so equal values have one form. The magnitude
//! is bounded by [`LARGEST_EXPONENT`]: beyond it a number is infinite, below its inverse it is zero.
//! Refuses to know: where a number stands in a text, and how a function formats it (see [`Decimal`]).

mod arithmetic;
mod decimal;
mod parse;
#[cfg(test)]
mod tests;

pub use decimal::Decimal;

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::ToPrimitive as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Bits of the mantissa of a number that is written down.
pub const WRITTEN: u16 = 512;
/// Bits of the mantissa of a number that was counted.
const COUNTED: u16 = 64;
/// Bits of the mantissa of a number that comes from a 64-bit float.
const FLOATING: u16 = 53;
/// The largest power of two: some 19 700 decimal digits.
pub const LARGEST_EXPONENT: i64 = 1 << 16;

/// A number.
#[derive(Clone, Debug)]
pub struct Number(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Int {
        value: i64,
        precision: u16,
    },
    /// `-0`, which is equal to zero and shows its sign.
    NegativeZero {
        precision: u16,
    },
    Float(Arc<Float>),
    Infinite {
        negative: bool,
    },
}

/// `mantissa * 2^exponent`.
#[derive(Debug)]
struct Float {
    mantissa: BigInt,
    exponent: i64,
    precision: u16,
}

/// Making numbers.
impl Number {
    /// Zero, of the highest precision.
    pub const ZERO: Self = Self(Repr::Int { value: 0, precision: WRITTEN });

    /// A number from a float, with a float's precision; `None` for NaN.
    pub fn from_f64(value: f64) -> Option<Self> {
        const FRACTION_BITS: u32 = 52;
        if value.is_nan() {
            return None;
        }
        if value.is_infinite() {
            return Some(Self::infinite(value < 0.0));
        }
        if value == 0.0 {
            return Some(Self::zero(value.is_sign_negative(), FLOATING));
        }
        let bits = value.to_bits();
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        let biased = i64::try_from(bits >> FRACTION_BITS & 0x7ff).unwrap_or(0);
        let (magnitude, exponent) = match biased {
            0 => (fraction, -1074),
            biased => (fraction | 1 << FRACTION_BITS, biased - 1075),
        };
        let sign = if value < 0.0 { Sign::Minus } else { Sign::Plus };
        let mantissa = BigInt::from_biguint(sign, magnitude.into());
        Some(Self::rounded(mantissa, exponent, FLOATING))
    }

    /// A whole number written down, rather than counted: of the highest precision.
    pub fn written(value: i64) -> Self {
        Self(Repr::Int { value, precision: WRITTEN })
    }

    /// More than every number, or less.
    pub fn infinite(negative: bool) -> Self {
        Self(Repr::Infinite { negative })
    }

    fn zero(negative: bool, precision: u16) -> Self {
        Self(if negative {
            Repr::NegativeZero { precision }
        } else {
            Repr::Int { value: 0, precision }
        })
    }

    /// The number of this precision that is nearest to `mantissa * 2^exponent`.
    fn rounded(mantissa: BigInt, exponent: i64, precision: u16) -> Self {
        let (sign, mut magnitude) = mantissa.into_parts();
        let mut exponent = exponent;
        let Some(low) = magnitude.trailing_zeros() else { return Self::zero(false, precision) };
        let excess = magnitude.bits().saturating_sub(precision.into());
        if excess > 0 {
            let is_half = magnitude.bit(excess - 1);
            magnitude >>= excess;
            if is_half && (low < excess - 1 || magnitude.bit(0)) {
                magnitude += 1_u32;
            }
            exponent += signed(excess);
        }
        let low = magnitude.trailing_zeros().unwrap_or(0);
        magnitude >>= low;
        exponent += signed(low);
        let top = exponent + signed(magnitude.bits());
        if top > LARGEST_EXPONENT {
            return Self::infinite(sign == Sign::Minus);
        }
        if top < -LARGEST_EXPONENT {
            return Self::zero(sign == Sign::Minus, precision);
        }
        let mantissa = BigInt::from_biguint(sign, magnitude);
        if (0..=64).contains(&top)
            && exponent >= 0
            && let Some(value) = (&mantissa << exponent).to_i64()
        {
            return Self(Repr::Int { value, precision });
        }
        Self(Repr::Float(Arc::new(Float { mantissa, exponent, precision })))
    }
}

fn signed(bits: u64) -> i64 {
    i64::try_from(bits).unwrap_or(i64::MAX)
}

/// Reading numbers.
impl Number {
    /// The whole number, if it is one within 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Int { value, .. } => Some(value),
            Repr::NegativeZero { .. } => Some(0),
            _ => None,
        }
    }

    /// The whole number, if it is one within 64 bits and not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match &self.0 {
            Repr::Float(float) if float.exponent >= 0 => {
                (&float.mantissa << float.exponent).to_u64()
            }
            _ => self.as_i64().and_then(|value| u64::try_from(value).ok()),
        }
    }

    /// The nearest float.
    pub fn as_f64(&self) -> f64 {
        match &self.0 {
            #[expect(clippy::cast_precision_loss, reason = "documented: the nearest float")]
            Repr::Int { value, .. } => *value as f64,
            Repr::NegativeZero { .. } => -0.0,
            Repr::Infinite { negative: false } => f64::INFINITY,
            Repr::Infinite { negative: true } => f64::NEG_INFINITY,
            // The digits are exact, and reading them rounds once.
            Repr::Float(_) => Decimal::exact(self)
                .and_then(|decimal| decimal.scientific(None).parse().ok())
                .unwrap_or(f64::NAN),
        }
    }

    /// Whether it is infinite.
    pub fn is_infinite(&self) -> bool {
        matches!(self.0, Repr::Infinite { .. })
    }

    /// Whether it is below zero, or zero with a minus sign.
    pub fn is_negative(&self) -> bool {
        match &self.0 {
            Repr::Int { value, .. } => *value < 0,
            Repr::NegativeZero { .. } => true,
            Repr::Float(float) => float.mantissa.sign() == Sign::Minus,
            Repr::Infinite { negative } => *negative,
        }
    }

    /// Whether it has no fraction.
    pub fn is_whole(&self) -> bool {
        match &self.0 {
            Repr::Int { .. } | Repr::NegativeZero { .. } => true,
            Repr::Float(float) => float.exponent >= 0,
            Repr::Infinite { .. } => false,
        }
    }

    /// The digits of the whole part in a base from 2 to 36, with a minus sign; `None` when it is infinite.
    pub fn whole_digits(&self, base: u32) -> Option<String> {
        match &self.0 {
            Repr::Int { value, .. } if base == 10 => Some(value.to_string()),
            _ => self.truncated().map(|whole| whole.to_str_radix(base)),
        }
    }

    fn precision(&self) -> u16 {
        match &self.0 {
            Repr::Int { precision, .. } | Repr::NegativeZero { precision } => *precision,
            Repr::Float(float) => float.precision,
            Repr::Infinite { .. } => WRITTEN,
        }
    }

    /// Mantissa and exponent; `None` when it is infinite.
    fn parts(&self) -> Option<(BigInt, i64)> {
        match &self.0 {
            Repr::Int { value, .. } => Some(((*value).into(), 0)),
            Repr::NegativeZero { .. } => Some((0.into(), 0)),
            Repr::Float(float) => Some((float.mantissa.clone(), float.exponent)),
            Repr::Infinite { .. } => None,
        }
    }

    /// The whole part, towards zero.
    fn truncated(&self) -> Option<BigInt> {
        let (mantissa, exponent) = self.parts()?;
        let (sign, magnitude) = mantissa.into_parts();
        let whole = if exponent < 0 { magnitude >> -exponent } else { magnitude << exponent };
        Some(BigInt::from_biguint(sign, whole))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(Repr::Int { value, precision: COUNTED })
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
        if let (Some(left), Some(right)) = (self.as_i64(), other.as_i64()) {
            return left.cmp(&right);
        }
        match (self.parts(), other.parts()) {
            (Some((left, le)), Some((right, re))) => {
                // Far apart, the position of the highest bit tells; else the shift is short.
                let top = |mantissa: &BigInt, exponent: i64| exponent + signed(mantissa.bits());
                let by_sign = left.sign().cmp(&right.sign());
                let by_top = top(&left, le).cmp(&top(&right, re));
                let by_top = if left.sign() == Sign::Minus { by_top.reverse() } else { by_top };
                by_sign
                    .then(if left.sign() == Sign::NoSign { Ordering::Equal } else { by_top })
                    .then_with(|| (left << (le - le.min(re))).cmp(&(right << (re - le.min(re)))))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl Number {
    /// Where it stands when one of two numbers is infinite.
    fn rank(&self) -> i8 {
        match self.0 {
            Repr::Infinite { negative: true } => -1,
            Repr::Infinite { negative: false } => 1,
            _ => 0,
        }
    }
}

/// The shortest decimal that reads back as the same number at its precision, without an exponent.
impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Int { value, precision } if *precision >= COUNTED => {
                write!(formatter, "{value}")
            }
            Repr::NegativeZero { .. } => formatter.write_str("-0"),
            Repr::Infinite { negative: false } => formatter.write_str("+Inf"),
            Repr::Infinite { negative: true } => formatter.write_str("-Inf"),
            _ => match Decimal::shortest(self) {
                Some(decimal) => formatter.write_str(&decimal.fixed(None)),
                None => Ok(()),
            },
        }
    }
}

/// Numbers in JSON documents. A reader of JSON keeps 64 bits, or a float; `exact_json` and `to_json` tell which
/// numbers come back whole.
impl Number {
    /// The number of a JSON document, by its digits.
    pub fn from_json(number: &serde_json::Number) -> Option<Self> {
        match number.as_i64() {
            Some(value) => Some(Self::written(value)),
            None => Self::parse(&number.to_string()),
        }
    }

    /// As a JSON number that reads back as exactly this number; `None` when there is none.
    pub fn exact_json(&self) -> Option<serde_json::Number> {
        if let Some(value) = self.as_i64() {
            return Some(value.into());
        }
        if let Some(value) = self.as_u64() {
            return Some(value.into());
        }
        let nearest = serde_json::Number::from_f64(self.as_f64())?;
        let same = Self::from_json(&nearest)?;
        (same == *self || same.to_string() == self.to_string()).then_some(nearest)
    }

    /// As the nearest JSON number; `None` for infinities.
    pub fn to_json(&self) -> Option<serde_json::Number> {
        self.exact_json().or_else(|| serde_json::Number::from_f64(self.as_f64()))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.exact_json() {
            Some(number) => number.serialize(serializer),
            None => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Number(number) => Self::from_json(&number),
            serde_json::Value::String(digits) => Self::parse(&digits),
            _ => None,
        };
        read.ok_or_else(|| de::Error::custom("not a number"))
    }
}

/// The magnitude of a mantissa.
fn magnitude(mantissa: &BigInt) -> &BigUint {
    mantissa.magnitude()
}
