//! Logarithm and power of 64-bit floats, to the last bit as Go's `math` computes them: other implementations round some
//! results the other way, and those digits show.

/// 2^53 times as much as the smallest normal float, to bring the others up to it.
const NORMAL: f64 = 9_007_199_254_740_992.0;

/// `(fraction, exponent)` with `value = fraction * 2^exponent` and the fraction from 0.5 to 1.
fn split(value: f64) -> (f64, i64) {
    if value == 0.0 || !value.is_finite() {
        return (value, 0);
    }
    if value.abs() < f64::MIN_POSITIVE {
        let (fraction, exponent) = split(value * NORMAL);
        return (fraction, exponent - 53);
    }
    let bits = value.to_bits();
    let exponent = i64::try_from(bits >> 52 & 0x7ff).unwrap_or(0) - 1022;
    (f64::from_bits(bits & !(0x7ff << 52) | 1022 << 52), exponent)
}

/// `fraction * 2^exponent`, rounded once.
fn scale(fraction: f64, exponent: i64) -> f64 {
    let mut value = fraction;
    let mut left = exponent.clamp(-2200, 2200);
    // A step down that ends among the smallest floats is the last, so that nothing is rounded twice.
    while left != 0 {
        let (_, at) = split(value);
        let step = if left < 0 && at + left < -1021 && at > -960 {
            (-960 - at).max(left)
        } else {
            left.clamp(-1000, 1000)
        };
        value *= 2_f64.powi(i32::try_from(step).unwrap_or(0));
        left -= step;
    }
    value
}

/// The natural logarithm, by the algorithm of FreeBSD's `e_log.c`.
pub(super) fn log(x: f64) -> f64 {
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const L: [f64; 7] = [
        0.666_666_666_666_673_5,
        0.399_999_999_994_094_2,
        0.285_714_287_436_623_9,
        0.222_221_984_321_497_84,
        0.181_835_721_616_180_5,
        0.153_138_376_992_093_73,
        0.147_981_986_051_165_86,
    ];
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    let (mut fraction, mut exponent) = split(x);
    if fraction < std::f64::consts::FRAC_1_SQRT_2 {
        fraction *= 2.0;
        exponent -= 1;
    }
    let f = fraction - 1.0;
    #[expect(clippy::cast_precision_loss, reason = "an exponent has eleven bits")]
    let k = exponent as f64;
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let odd = s2 * (L[0] + s4 * (L[2] + s4 * (L[4] + s4 * L[6])));
    let even = s4 * (L[1] + s4 * (L[3] + s4 * L[5]));
    let rest = odd + even;
    let half_square = 0.5 * f * f;
    k * LN2_HIGH - ((half_square - (s * (half_square + rest) + k * LN2_LOW)) - f)
}

/// `x` to the power of `y`.
#[expect(clippy::float_cmp, reason = "the special cases are exactly these values")]
pub(super) fn pow(x: f64, y: f64) -> f64 {
    if let Some(special) = special_power(x, y) {
        return special;
    }
    let (mut whole, mut fraction) = (y.abs().trunc(), y.abs().fract());
    if fraction != 0.0 && x < 0.0 {
        return f64::NAN;
    }
    if whole >= 9.223_372_036_854_776e18 {
        return match (x.abs() < 1.0) == (y > 0.0) {
            _ if x == -1.0 => 1.0,
            true => 0.0,
            false => f64::INFINITY,
        };
    }
    let (mut result, mut result_exponent) = (1.0, 0);
    if fraction != 0.0 {
        if fraction > 0.5 {
            fraction -= 1.0;
            whole += 1.0;
        }
        result = (fraction * log(x)).exp();
    }
    let (mut square, mut exponent) = split(x);
    #[expect(clippy::cast_possible_truncation, reason = "it is below 2^63")]
    let mut bits = whole as i64;
    while bits != 0 {
        if exponent.abs() > 1 << 12 {
            // It overflows or vanishes, whatever the rest of the bits say.
            result_exponent += exponent;
            break;
        }
        if bits & 1 == 1 {
            result *= square;
            result_exponent += exponent;
        }
        square *= square;
        exponent <<= 1;
        if square < 0.5 {
            square += square;
            exponent -= 1;
        }
        bits >>= 1;
    }
    if y < 0.0 {
        result = 1.0 / result;
        result_exponent = -result_exponent;
    }
    scale(result, result_exponent)
}

/// What zero, infinity and one give.
#[expect(clippy::float_cmp, reason = "the special cases are exactly these values")]
fn special_power(x: f64, y: f64) -> Option<f64> {
    let odd = y.fract() == 0.0 && (y / 2.0).fract() != 0.0 && y.abs() < NORMAL;
    Some(if y == 0.0 || x == 1.0 {
        1.0
    } else if y == 1.0 {
        x
    } else if x == 0.0 {
        match (y < 0.0, odd) {
            (true, true) => f64::INFINITY.copysign(x),
            (true, false) => f64::INFINITY,
            (false, true) => x,
            (false, false) => 0.0,
        }
    } else if y.is_infinite() {
        match (x.abs() < 1.0) == (y > 0.0) {
            _ if x == -1.0 => 1.0,
            true => 0.0,
            false => f64::INFINITY,
        }
    } else if x == f64::NEG_INFINITY {
        return special_power(-0.0, -y);
    } else if x == f64::INFINITY {
        if y < 0.0 { 0.0 } else { f64::INFINITY }
    } else if y == 0.5 {
        x.sqrt()
    } else if y == -0.5 {
        1.0 / x.sqrt()
    } else {
        return None;
    })
}
