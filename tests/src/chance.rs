//! What a run of tests is told from outside: numbers in the environment, programs of this machine; and chance that can
//! be replayed.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// A number from the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Where a program is, if this machine has it.
pub fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|it| it.is_file())
}

/// A small generator (xorshift), so that a seed replays a run.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// From `PROVISIONER_TEST_SEED`, or of this moment; what it is gets printed.
    pub fn seeded(print: impl FnOnce(&str)) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos();
        let seed = setting("PROVISIONER_TEST_SEED", u64::from(now) | 1);
        print(&format!("PROVISIONER_TEST_SEED={seed}"));
        Self(seed.max(1))
    }

    /// A number from 0 up to, but not, `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }
}
