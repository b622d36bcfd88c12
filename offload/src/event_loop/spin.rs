//! How long the completion loop looks at rings before it sleeps: as long as it pays.

use std::time::{Duration, Instant};

/// Adapts between nothing and its limit.
pub(super) struct Spin {
    limit: Duration,
    budget: Duration,
    /// Sleeps since the budget was last nothing.
    skipped: u32,
}

/// With nothing left of the budget, spinning is tried again once in so many sleeps.
const TRY_AGAIN: u32 = 64;
/// A budget below this is nothing: looking once takes longer.
const LEAST: Duration = Duration::from_micros(1);

/// The longest round, whatever it finds: what else there is to look at (deadlines, events) waits for its end.
pub(super) const LONGEST_ROUND: Duration = Duration::from_millis(1);

/// One time of spinning.
pub(super) struct Round {
    until: Option<Instant>,
    /// Its end at the latest; set when it first finds something.
    end: Option<Instant>,
    budget: Duration,
    found: usize,
}

impl Spin {
    /// Never longer than `limit` without finding anything.
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, budget: limit, skipped: 0 }
    }

    pub(super) fn begin(&mut self) -> Round {
        if self.budget < LEAST {
            self.skipped += 1;
            if self.skipped >= TRY_AGAIN {
                self.skipped = 0;
                self.budget = self.limit / 4;
            }
        }
        let budget = if self.budget < LEAST { Duration::ZERO } else { self.budget };
        let until = (!budget.is_zero()).then(|| Instant::now() + budget);
        Round { until, end: None, budget, found: 0 }
    }

    /// It paid if anything was found: then the next time may be longer, else it is shorter.
    pub(super) fn end(&mut self, round: &Round) {
        if round.until.is_some() {
            self.budget = if round.found > 0 { (self.budget * 2).min(self.limit) } else { self.budget / 2 };
        }
    }
}

impl Round {
    pub(super) fn goes_on(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// So many answers were found: what finds something, goes on.
    pub(super) fn found(&mut self, count: usize) {
        if count > 0 {
            let now = Instant::now();
            let end = *self.end.get_or_insert(now + LONGEST_ROUND.max(self.budget));
            self.found += count;
            self.until = Some((now + self.budget).min(end));
        }
    }

    /// Whether it found things until it reached its bound.
    pub(super) fn is_cut_short(&self) -> bool {
        self.end.is_some() && self.until == self.end && !self.goes_on()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_pay_is_given_up_and_tried_again_now_and_then() {
        let mut spin = Spin::new(Duration::from_micros(64));
        let mut spun = 0;
        for _ in 0..1000 {
            let round = spin.begin();
            spun += u32::from(round.until.is_some());
            spin.end(&round);
        }
        assert!((10..100).contains(&spun), "{spun}");
        let mut round = Round { until: Some(Instant::now()), end: None, budget: LEAST, found: 0 };
        for _ in 0..10 {
            round.found(1);
            spin.budget = spin.budget.max(LEAST);
            spin.end(&round);
        }
        assert_eq!(spin.budget, spin.limit);
    }

    #[test]
    fn a_round_that_always_finds_something_ends_too() {
        /// What a busy machine may make of a millisecond or ten.
        const GENEROUS: Duration = Duration::from_secs(5);
        for limit in [Duration::from_micros(20), Duration::from_millis(10)] {
            let mut round = Spin::new(limit).begin();
            let began = Instant::now();
            round.found(1);
            while round.goes_on() {
                round.found(1);
                assert!(began.elapsed() < GENEROUS, "it goes on for ever");
            }
        }
    }

    #[test]
    fn a_limit_of_nothing_means_never() {
        let mut spin = Spin::new(Duration::ZERO);
        assert!((0..200).all(|_| !spin.begin().goes_on()));
    }
}
