//! Decimal digits of a number: all of them, or as few as tell it from its neighbours.
//!
//! The shortest form follows Go's `math/big`, which Terraform prints with: the decimal with the fewest digits between the
//! middle to the neighbour below and the middle to the neighbour above.

use super::{Number, magnitude, signed};
use num_bigint::BigUint;
use std::fmt::Write as _;
use std::iter::repeat_n;

/// `0.DIGITS * 10^point`, with a sign. There are no zeros at either end; zero has no digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// Whether a minus sign stands before it.
    pub negative: bool,
    /// ASCII digits.
    digits: Vec<u8>,
    point: i64,
}

impl Decimal {
    fn new(magnitude: &BigUint, exponent: i64) -> Self {
        // 2^-n is 5^n * 10^-n.
        let (whole, fraction) = if exponent < 0 {
            let power = u32::try_from(-exponent).unwrap_or(u32::MAX);
            (magnitude * BigUint::from(5_u32).pow(power), -exponent)
        } else {
            (magnitude << exponent, 0)
        };
        let digits = if whole.bits() == 0 { Vec::new() } else { whole.to_string().into_bytes() };
        let point = signed(digits.len() as u64) - fraction;
        let mut decimal = Self { negative: false, digits, point };
        decimal.trim();
        decimal
    }

    fn trim(&mut self) {
        while self.digits.last() == Some(&b'0') {
            self.digits.pop();
        }
        if self.digits.is_empty() {
            self.point = 0;
        }
    }

    /// All digits; `None` when the number is infinite.
    pub fn exact(number: &Number) -> Option<Self> {
        let (mantissa, exponent) = number.parts()?;
        let negative = number.is_negative();
        Some(Self { negative, ..Self::new(magnitude(&mantissa), exponent) })
    }

    /// As few digits as read back to the same number at its precision; `None` when it is infinite.
    pub fn shortest(number: &Number) -> Option<Self> {
        let (mantissa, exponent) = number.parts()?;
        let mut decimal = Self::exact(number)?;
        let bits = signed(magnitude(&mantissa).bits());
        if bits == 0 {
            return Some(decimal);
        }
        // One bit more than the precision, so that the lowest stands for half of a unit in the last place.
        // What is shifted out is zero: the mantissa has no more bits than the precision.
        let shift = i64::from(number.precision()) + 1 - bits;
        let aligned =
            if shift < 0 { magnitude(&mantissa) >> -shift } else { magnitude(&mantissa) << shift };
        let exponent = exponent - shift;
        let inclusive = !aligned.bit(1);
        let lower = Self::new(&(&aligned - 1_u32), exponent).digits;
        let upper = Self::new(&(&aligned + 1_u32), exponent).digits;
        let at = |digits: &[u8], index: usize| digits.get(index).copied().unwrap_or(b'0');
        for index in 0..decimal.digits.len() {
            let (digit, count) = (decimal.digits[index], index + 1);
            let (below, above) = (at(&lower, index), at(&upper, index));
            let down = below != digit || inclusive && count == lower.len();
            let up = digit != above && (inclusive || digit + 1 < above || count < upper.len());
            match (down, up) {
                (true, true) => decimal.round(count),
                (true, false) => decimal.cut(count, false),
                (false, true) => decimal.cut(count, true),
                (false, false) => continue,
            }
            break;
        }
        Some(decimal)
    }

    /// Rounds to so many digits, half to even.
    pub fn round(&mut self, count: usize) {
        let Some(next) = self.digits.get(count) else { return };
        let is_half = *next == b'5' && count + 1 == self.digits.len();
        let up = if is_half {
            count > 0 && (self.digits[count - 1] - b'0') % 2 == 1
        } else {
            *next >= b'5'
        };
        self.cut(count, up);
    }

    /// Keeps so many digits, the last one more if `up`.
    fn cut(&mut self, count: usize, up: bool) {
        if count >= self.digits.len() {
            return;
        }
        self.digits.truncate(count);
        if up {
            while self.digits.last() == Some(&b'9') {
                self.digits.pop();
            }
            if let Some(digit) = self.digits.last_mut() {
                *digit += 1;
            } else {
                self.digits.push(b'1');
                self.point += 1;
            }
        }
        self.trim();
    }

    /// Rounds to so many digits behind the point.
    pub fn round_fraction(&mut self, places: usize) {
        match usize::try_from(self.point.saturating_add(signed(places as u64))) {
            Ok(count) => self.round(count),
            // It is less than a tenth of the last place.
            Err(_) => self.cut(0, false),
        }
    }

    /// The power of ten of the first digit.
    pub fn power(&self) -> i64 {
        if self.digits.is_empty() { 0 } else { self.point - 1 }
    }

    /// How many digits there are.
    pub fn count(&self) -> usize {
        self.digits.len()
    }

    fn sign(&self) -> String {
        if self.negative { "-".to_owned() } else { String::new() }
    }

    fn push(&self, out: &mut String, from: i64, to: i64) {
        for position in from..to {
            let digit = usize::try_from(position).ok().and_then(|at| self.digits.get(at));
            out.push(digit.copied().unwrap_or(b'0').into());
        }
    }

    /// Without an exponent, with so many digits behind the point, or as many as there are.
    pub fn fixed(&self, places: Option<usize>) -> String {
        let mut decimal = self.clone();
        if let Some(places) = places {
            decimal.round_fraction(places);
        }
        let mut out = self.sign();
        if decimal.point > 0 {
            decimal.push(&mut out, 0, decimal.point);
        } else {
            out.push('0');
        }
        let there = signed(decimal.digits.len() as u64) - decimal.point;
        let places = places.map_or(there.max(0), |places| signed(places as u64));
        if places > 0 {
            out.push('.');
            decimal.push(&mut out, decimal.point, decimal.point + places);
        }
        out
    }

    /// With an exponent of a sign and at least two digits, and so many digits behind the point, or as many as there
    /// are.
    pub fn scientific(&self, places: Option<usize>) -> String {
        let mut decimal = self.clone();
        if let Some(places) = places {
            decimal.round(places + 1);
        }
        let mut out = self.sign();
        decimal.push(&mut out, 0, 1);
        let places = places.unwrap_or(decimal.digits.len().saturating_sub(1));
        if places > 0 {
            out.push('.');
            let behind = decimal.digits.iter().skip(1).copied().chain(repeat_n(b'0', places));
            out.extend(behind.take(places).map(char::from));
        }
        let power = decimal.power();
        let sign = if power < 0 { '-' } else { '+' };
        // Writing to a String cannot fail.
        let _ = write!(out, "e{sign}{:02}", power.unsigned_abs());
        out
    }
}
