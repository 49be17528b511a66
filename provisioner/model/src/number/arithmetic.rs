//! Arithmetic on numbers. Whole numbers within 64 bits stay there while nothing overflows; everything else is computed
//! exactly and rounded once. `None` stands for what is not a number, such as infinity less infinity.

use super::{COUNTED, Number, Repr, signed};
use num_bigint::{BigInt, Sign};

impl Number {
    /// Both as whole numbers, where their precision is enough for every one of 64 bits; and the result's precision.
    fn whole(&self, other: &Self) -> Option<(i64, i64, u16)> {
        match (&self.0, &other.0) {
            (
                Repr::Int { value: left, precision: lp },
                Repr::Int { value: right, precision: rp },
            ) if *lp >= COUNTED && *rp >= COUNTED => Some((*left, *right, *lp.max(rp))),
            _ => None,
        }
    }

    fn is_zero(&self) -> bool {
        self.as_i64() == Some(0)
    }

    /// The sum.
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        if let Some((left, right, precision)) = self.whole(other)
            && let Some(value) = left.checked_add(right)
        {
            return Some(Self(Repr::Int { value, precision }));
        }
        let precision = self.precision().max(other.precision());
        match (self.parts(), other.parts()) {
            (Some(_), Some(_)) if self.is_zero() && other.is_zero() => {
                Some(Self::zero(self.is_negative() && other.is_negative(), precision))
            }
            (Some((left, le)), Some((right, re))) => {
                let exponent = le.min(re);
                let sum = (left << (le - exponent)) + (right << (re - exponent));
                Some(Self::rounded(sum, exponent, precision))
            }
            (None, None) if self.is_negative() != other.is_negative() => None,
            (None, _) => Some(self.clone()),
            (_, None) => Some(other.clone()),
        }
    }

    /// The difference.
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        if let Some((left, right, precision)) = self.whole(other)
            && let Some(value) = left.checked_sub(right)
        {
            return Some(Self(Repr::Int { value, precision }));
        }
        self.checked_add(&other.negated())
    }

    /// The product.
    pub fn checked_mul(&self, other: &Self) -> Option<Self> {
        self.product(other, self.precision().max(other.precision()))
    }

    fn product(&self, other: &Self, precision: u16) -> Option<Self> {
        let negative = self.is_negative() != other.is_negative();
        if let Some((left, right, _)) = self.whole(other)
            && let Some(value) = left.checked_mul(right)
            && precision >= COUNTED
        {
            let signed_zero = value == 0 && negative;
            return Some(if signed_zero {
                Self::zero(true, precision)
            } else {
                Self(Repr::Int { value, precision })
            });
        }
        match (self.parts(), other.parts()) {
            (Some(_), Some(_)) if self.is_zero() || other.is_zero() => {
                Some(Self::zero(negative, precision))
            }
            (Some((left, le)), Some((right, re))) => {
                Some(Self::rounded(left * right, le + re, precision))
            }
            _ if self.is_zero() || other.is_zero() => None,
            _ => Some(Self::infinite(negative)),
        }
    }

    /// The quotient. Dividing by zero gives infinity.
    pub fn checked_div(&self, other: &Self) -> Option<Self> {
        if let Some((left, right, precision)) = self.whole(other)
            && left != 0
            && left.checked_rem(right) == Some(0)
            && let Some(value) = left.checked_div(right)
        {
            return Some(Self(Repr::Int { value, precision }));
        }
        let precision = self.precision().max(other.precision());
        let negative = self.is_negative() != other.is_negative();
        match (self.parts(), other.parts()) {
            (None, None) => None,
            (Some(_), Some(_)) if self.is_zero() && other.is_zero() => None,
            (_, Some(_)) if other.is_zero() => Some(Self::infinite(negative)),
            (None, _) => Some(Self::infinite(negative)),
            (_, None) => Some(Self::zero(negative, precision)),
            (Some(_), Some(_)) if self.is_zero() => Some(Self::zero(negative, precision)),
            (Some(left), Some(right)) => Some(Self::quotient(left, right, precision)),
        }
    }

    /// Enough bits for the precision and one more, and one that stands for everything behind.
    pub(super) fn quotient(
        (left, le): (BigInt, i64),
        (right, re): (BigInt, i64),
        precision: u16,
    ) -> Self {
        let wanted = i64::from(precision) + 2 + signed(right.bits()) - signed(left.bits());
        let shift = wanted.max(0);
        let negative = left.sign() != right.sign();
        let dividend = left.magnitude() << shift;
        let (quotient, divisor) = (&dividend / right.magnitude(), right.magnitude());
        let rest = &dividend - &quotient * divisor;
        let mut magnitude = quotient << 1_u32;
        magnitude.set_bit(0, rest.bits() > 0);
        let sign = if negative { Sign::Minus } else { Sign::Plus };
        Self::rounded(BigInt::from_biguint(sign, magnitude), le - re - shift - 1, precision)
    }

    /// What is left of a division to a whole number towards zero, with the sign of the dividend; by zero, the
    /// dividend itself.
    pub fn checked_rem(&self, other: &Self) -> Option<Self> {
        if let Some((left, right, precision)) = self.whole(other)
            && let Some(value) = left.checked_rem(right)
        {
            return Some(Self(Repr::Int { value, precision }));
        }
        if self.is_infinite() || other.is_infinite() {
            return None;
        }
        if other.is_zero() {
            return Some(self.clone());
        }
        let times = Self::rounded(self.checked_div(other)?.truncated()?, 0, self.precision());
        let taken = other.product(&times, self.precision())?;
        self.checked_sub(&taken)
    }

    /// The same with the other sign.
    #[must_use]
    pub fn negated(&self) -> Self {
        match &self.0 {
            Repr::Int { value: 0, precision } => Self::zero(true, *precision),
            Repr::NegativeZero { precision } => Self::zero(false, *precision),
            Repr::Int { value, precision } => match value.checked_neg() {
                Some(value) => Self(Repr::Int { value, precision: *precision }),
                None => Self::rounded(-BigInt::from(*value), 0, *precision),
            },
            Repr::Float(float) => {
                Self::rounded(-float.mantissa.clone(), float.exponent, float.precision)
            }
            Repr::Infinite { negative } => Self::infinite(!negative),
        }
    }

    /// The same without a sign.
    #[must_use]
    pub fn absolute(&self) -> Self {
        if self.is_negative() { self.negated() } else { self.clone() }
    }

    /// The greatest whole number that is not above it.
    #[must_use]
    pub fn floor(&self) -> Self {
        self.whole_towards(Sign::Minus)
    }

    /// The least whole number that is not below it.
    #[must_use]
    pub fn ceil(&self) -> Self {
        self.whole_towards(Sign::Plus)
    }

    fn whole_towards(&self, direction: Sign) -> Self {
        let Repr::Float(float) = &self.0 else {
            // A minus sign on zero does not outlive the way through whole numbers.
            return if self.is_zero() { Self::zero(false, self.precision()) } else { self.clone() };
        };
        let mut whole = self.truncated().unwrap_or_default();
        if float.exponent < 0 && float.mantissa.sign() == direction {
            whole += if direction == Sign::Plus { 1 } else { -1 };
        }
        Self::rounded(whole, 0, float.precision)
    }
}
