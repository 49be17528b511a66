//! Random numbers for names that must not meet and for waits that should not: seeded, so that a simulation repeats.
//! Not for secrets.

use std::sync::atomic::{AtomicU64, Ordering};

/// A generator (SplitMix64, Steele et al. 2014).
pub struct Chance(AtomicU64);

impl Chance {
    /// From a seed.
    pub fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// From the system's generator.
    pub fn from_system() -> Result<Self, getrandom::Error> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed)?;
        Ok(Self::seeded(u64::from_le_bytes(seed)))
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`; 0 if that is 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// 32 hexadecimal digits.
    pub fn name(&self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }
}
