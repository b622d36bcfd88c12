//! Random numbers for tests, which can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

/// The variable that repeats a run.
pub const SEED_VARIABLE: &str = "HOTSPARE_TEST_SEED";

/// The seed of this run: that of the variable, or a new one. It is printed, so that the test's output has it.
#[must_use]
pub fn seed() -> u64 {
    let seed = match std::env::var(SEED_VARIABLE) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{SEED_VARIABLE}={text}: not a whole number")),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros().try_into().unwrap(),
    };
    println!("{SEED_VARIABLE}={seed} repeats this");
    seed
}

/// A generator (SplitMix64: Steele, Lea, Flood 2014). Not for keys.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The generator number `stream` of a run: threads have one each.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xa076_1d64_78bd_642f));
        random.number();
        random
    }

    /// 64 random bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is small.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap();
        usize::try_from(self.number() % limit).unwrap()
    }

    /// One of `choices`.
    pub fn choose<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// So many random bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend(self.number().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}
