//! Chance that can be repeated: numbers from a seed and a counter.

/// A number from 0 to below 1, of the `number`-th draw of a kind.
pub fn unit(seed: u64, kind: u64, number: u64) -> f64 {
    let drawn = mixed(seed ^ mixed(kind ^ mixed(number)));
    let upper = u32::try_from(drawn >> 32).unwrap_or(u32::MAX);
    f64::from(upper) / (f64::from(u32::MAX) + 1.0)
}

/// SplitMix64's finalizer.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_out() {
        let below = (0..100_000).filter(|&number| unit(7, 0, number) < 0.05).count();
        assert!((4_700..5_300).contains(&below), "{below}");
        assert!((unit(7, 0, 1) - unit(7, 0, 1)).abs() < f64::EPSILON);
        assert!((unit(7, 0, 1) - unit(8, 0, 1)).abs() > f64::EPSILON);
    }
}
