//! When handshakes begin: independently of each other, as the world's clients do (a Poisson process).

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Shared;

/// The same arrivals in each run: a seed like any other.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// How often a paused load looks for a rate.
const PAUSED: Duration = Duration::from_millis(10);

/// What may be made up for after the pacemaker itself had to wait for a processor. More would be a flood of our own making.
const MOST_BEHIND: Duration = Duration::from_millis(100);

/// Begins visits at the rate that is set, until the load is over.
pub(super) fn keep(shared: &Shared) {
    let mut random = Random(SEED);
    let mut due = Instant::now();
    while !shared.over.load(Ordering::SeqCst) {
        let rate = shared.rate.load(Ordering::Relaxed);
        if rate == 0 {
            std::thread::sleep(PAUSED);
            due = Instant::now();
            continue;
        }
        let now = Instant::now();
        due = due.max(now.checked_sub(MOST_BEHIND).unwrap_or(now)) + random.gap(rate);
        std::thread::sleep(due.saturating_duration_since(now));
        shared.begin_paced();
    }
}

/// Xorshift64 (Marsaglia, "Xorshift RNGs", 2003): nothing here needs better.
struct Random(u64);

impl Random {
    /// The time to the next arrival, exponentially distributed about `1 / rate`.
    fn gap(&mut self, rate: u32) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The upper 53 bits, as a number above 0 and not above 1.
        let uniform = ((self.0 >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-uniform.ln() / f64::from(rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_differ_and_come_to_the_rate_on_average() {
        let mut random = Random(SEED);
        let gaps: Vec<_> = (0..20_000).map(|_| random.gap(500)).collect();
        let total: Duration = gaps.iter().sum();
        assert!((Duration::from_secs(38)..Duration::from_secs(42)).contains(&total), "{total:?}");
        assert!(gaps.iter().any(|gap| *gap > Duration::from_millis(10)));
        assert!(gaps.iter().any(|gap| *gap < Duration::from_micros(20)));
    }
}
