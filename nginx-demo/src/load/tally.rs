//! What came of the handshakes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Places of the histogram, one for each millisecond; the last: as long or longer.
const BUCKETS: usize = 2048;

/// Counted by all clients.
pub(crate) struct Tally {
    handshakes: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
    took: Vec<AtomicU64>,
}

/// What was counted up to a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Visits of which all was as it should be.
    pub(crate) handshakes: u64,
    /// Visits of which something was not.
    pub(crate) failed: u64,
    /// Visits that were not begun, since the clients could not keep up.
    pub(crate) skipped: u64,
    /// How many handshakes took as many milliseconds as the index says.
    pub(crate) took: Vec<u64>,
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        let took = (0..BUCKETS).map(|_| zero()).collect();
        Self { handshakes: zero(), failed: zero(), skipped: zero(), took }
    }

    pub(super) fn handshake(&self, took: Duration) {
        let bucket = usize::try_from(took.as_millis()).unwrap_or(usize::MAX).min(BUCKETS - 1);
        self.took[bucket].fetch_add(1, Ordering::Relaxed);
        self.handshakes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn skip(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }

    /// Everything counted so far.
    pub(crate) fn counted(&self) -> Counted {
        Counted {
            handshakes: self.handshakes.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            took: self.took.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
        }
    }
}
