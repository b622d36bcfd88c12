//! How long operations usually take in hardware, from submission to completion: seeded from a table, then observed. It
//! includes the time in the queue, so that a deadline made of it covers the work queued ahead.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hotspare_device::Kind;

use crate::config::DeadlineRule;

/// A new observation counts for one part in so many.
const WEIGHT: u64 = 16;

/// What is observed beyond this is not believed: nobody's operation takes so long.
const LONGEST: Duration = Duration::from_secs(1);

/// See the module. One for each process.
pub(crate) struct UsualTimes([AtomicU64; Kind::ALL.len()]);

/// What an emulated or a busy real device takes, in microseconds: on the high side, since the first requests of a process
/// meet a device that has others to serve.
fn seed_micros(kind: Kind) -> u64 {
    match kind {
        Kind::RsaPrivate2048 => 1_000,
        Kind::RsaPrivate3072 => 3_000,
        Kind::RsaPrivate4096 => 6_000,
        Kind::RsaPrivate8192 => 40_000,
        Kind::RsaPublic | Kind::X25519 | Kind::X448 => 200,
        Kind::EcdsaSignP256 | Kind::EcdsaVerifyP256 | Kind::EcMultiplyP256 => 200,
        Kind::EcdsaSignP384 | Kind::EcdsaVerifyP384 | Kind::EcMultiplyP384 => 800,
        Kind::EcdsaSignP521 | Kind::EcdsaVerifyP521 | Kind::EcMultiplyP521 => 1_500,
        Kind::ModExp2048 => 2_000,
        Kind::ModExp4096 => 10_000,
        Kind::ModExp8192 => 60_000,
    }
}

impl UsualTimes {
    pub(crate) fn new() -> Self {
        Self(Kind::ALL.map(|kind| AtomicU64::new(seed_micros(kind) * 1_000)))
    }

    /// Takes an observation in: a request of this kind took so long in hardware.
    pub(crate) fn observe(&self, kind: Kind, took: Duration) {
        let took = u64::try_from(took.min(LONGEST).as_nanos()).unwrap_or(u64::MAX);
        let place = &self.0[kind as usize];
        let before = place.load(Ordering::Relaxed);
        // Two observers at once may lose one of the two observations: it is an average.
        place.store(before - before / WEIGHT + took / WEIGHT, Ordering::Relaxed);
    }

    /// How long a request of this kind may stay in hardware.
    pub(crate) fn allowance(&self, kind: Kind, rule: DeadlineRule) -> Duration {
        let usual = Duration::from_nanos(self.0[kind as usize].load(Ordering::Relaxed));
        rule.floor.max(usual.saturating_mul(rule.usual_factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_the_longer_of_floor_and_multiple_and_follows_what_is_observed() {
        let usual = UsualTimes::new();
        let rule = DeadlineRule::default();
        assert_eq!(usual.allowance(Kind::EcdsaSignP256, rule), Duration::from_millis(20));
        for _ in 0..200 {
            usual.observe(Kind::EcdsaSignP256, Duration::from_millis(10));
        }
        let allowance = usual.allowance(Kind::EcdsaSignP256, rule);
        assert!(
            (Duration::from_millis(78)..=Duration::from_millis(80)).contains(&allowance),
            "{allowance:?}"
        );
        for _ in 0..1000 {
            usual.observe(Kind::EcdsaSignP256, Duration::from_secs(3600));
        }
        assert!(usual.allowance(Kind::EcdsaSignP256, rule) <= Duration::from_secs(8));
    }
}
