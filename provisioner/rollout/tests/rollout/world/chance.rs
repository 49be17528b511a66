//! Chance that a seed replays: SplitMix64. Refuses to know: what it is for.

/// A generator.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 up to, but not, `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound.max(1)
    }

    /// From 0 to 1.
    pub fn share(&mut self) -> f64 {
        let bits = u32::try_from(self.bits() >> 32).unwrap();
        (f64::from(bits) + 0.5) / (f64::from(u32::MAX) + 1.0)
    }

    /// Whether something happens that happens so often in a thousand times.
    pub fn happens(&mut self, in_thousand: u64) -> bool {
        in_thousand > 0 && self.below(1_000) < in_thousand
    }

    /// A number of independent events with this mean: by multiplication where it is small, else by the normal
    /// distribution, rounded.
    pub fn poisson(&mut self, mean: f64) -> f64 {
        if mean <= 0.0 {
            return 0.0;
        }
        if mean > 60.0 {
            let angle = std::f64::consts::TAU * self.share();
            let normal = (-2.0 * self.share().ln()).sqrt() * angle.cos();
            return (mean + mean.sqrt() * normal).round().max(0.0);
        }
        let (floor, mut product, mut events) = ((-mean).exp(), self.share(), 0.0);
        while product > floor {
            product *= self.share();
            events += 1.0;
        }
        events
    }
}
