//! Numbers from digits.

use super::{COUNTED, LARGEST_EXPONENT, Number, Repr, WRITTEN};
use num_bigint::{BigInt, BigUint, Sign};

/// More digits than this are refused: they are more than the largest number has.
const MOST_DIGITS: usize = 20_000;

impl Number {
    /// Reads a decimal such as `1`, `-2.5`, `.5` or `1e3` (or a power of two, `1p3`), or `Inf`.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.as_bytes() {
            [b'-', ..] => (true, &text[1..]),
            [b'+', ..] => (false, &text[1..]),
            _ => (false, text),
        };
        if digits.len() < 19 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            let value = digits.bytes().fold(0, |all, digit| all * 10 + i64::from(digit - b'0'));
            return Some(Self::from_sign(negative, value));
        }
        if matches!(digits, "Inf" | "inf") {
            return Some(Self::infinite(negative));
        }
        let (mantissa, exponent, base) = split_exponent(digits)?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let count = whole.len() + fraction.len();
        let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if count == 0 || count > MOST_DIGITS || !all_digits {
            return None;
        }
        let digits: BigUint = format!("{whole}{fraction}").parse().ok()?;
        let fraction = i64::try_from(fraction.len()).ok()?;
        match base {
            Base::Ten => Self::scaled(negative, digits, exponent.checked_sub(fraction)?, 0),
            Base::Two => Self::scaled(negative, digits, -fraction, exponent),
        }
    }

    fn from_sign(negative: bool, value: i64) -> Self {
        match (negative, value) {
            (true, 0) => Self::zero(true, WRITTEN),
            (true, value) => Self(Repr::Int { value: -value, precision: WRITTEN }),
            (false, value) => Self(Repr::Int { value, precision: WRITTEN }),
        }
    }

    /// `digits * 10^ten * 2^two`; `None` when it is too large or too small.
    fn scaled(negative: bool, digits: BigUint, ten: i64, two: i64) -> Option<Self> {
        if digits.bits() == 0 {
            return Some(Self::zero(negative, WRITTEN));
        }
        let bounds = -LARGEST_EXPONENT..=LARGEST_EXPONENT;
        if !bounds.contains(&ten) || !bounds.contains(&two) {
            return None;
        }
        let sign = if negative { Sign::Minus } else { Sign::Plus };
        let power = BigUint::from(5_u32).pow(u32::try_from(ten.unsigned_abs()).ok()?);
        let number = if ten < 0 {
            let digits = BigInt::from_biguint(sign, digits);
            Self::quotient((digits, ten + two), (power.into(), 0), WRITTEN)
        } else {
            Self::rounded(BigInt::from_biguint(sign, digits * power), ten + two, WRITTEN)
        };
        let out_of_range = number.is_infinite() || number.as_i64() == Some(0);
        (!out_of_range).then_some(number)
    }

    /// A whole number from digits, each below the base, the highest first; `None` when it is too large.
    pub fn from_digits(negative: bool, digits: &[u8], base: u32) -> Option<Self> {
        if digits.len() > MOST_DIGITS {
            return None;
        }
        let magnitude = BigUint::from_radix_be(digits, base)?;
        let precision = u16::try_from(magnitude.bits()).ok()?.max(COUNTED);
        let sign = if negative { Sign::Minus } else { Sign::Plus };
        let number = Self::rounded(BigInt::from_biguint(sign, magnitude), 0, precision);
        (!number.is_infinite()).then_some(number)
    }
}

enum Base {
    Two,
    Ten,
}

/// The mantissa's text, the exponent and what it is a power of.
fn split_exponent(text: &str) -> Option<(&str, i64, Base)> {
    let Some(at) = text.find(['e', 'E', 'p', 'P']) else { return Some((text, 0, Base::Ten)) };
    let (mantissa, exponent) = text.split_at(at);
    let base = if exponent.starts_with(['p', 'P']) { Base::Two } else { Base::Ten };
    let exponent = exponent.get(1..)?;
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // What does not fit is out of every range.
    let exponent = is_number.then(|| exponent.parse().unwrap_or(i64::MAX / 2))?;
    Some((mantissa, exponent, base))
}
