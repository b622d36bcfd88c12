//! What a server's event loop knows: which of its things are worth looking at. Whoever finishes something says so, in any thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::error::BenchError;

/// How many things there are at most: one bit each.
pub(crate) const MOST: usize = 64;

/// Nothing takes as long.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Ready {
    things: AtomicU64,
    sleeping: AtomicBool,
    thread: Thread,
}

impl Ready {
    /// For the loop of this thread. All things are ready.
    pub(crate) fn all() -> Self {
        Self {
            things: AtomicU64::new(u64::MAX),
            sleeping: AtomicBool::new(false),
            thread: std::thread::current(),
        }
    }

    /// The thing with this number is worth looking at.
    pub(crate) fn add(&self, number: usize) {
        // SeqCst: either the loop, about to sleep, sees the bit, or we see that it sleeps.
        self.things.fetch_or(1_u64 << number, Ordering::SeqCst);
        if self.sleeping.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    /// Takes out those that are ready. If there are none, sleeps until there are: a server has nothing else to do either.
    pub(crate) fn take(&self) -> Result<Numbers, BenchError> {
        let things = self.things.swap(0, Ordering::SeqCst);
        if things != 0 {
            return Ok(Numbers(things));
        }
        let until = Instant::now() + PATIENCE;
        loop {
            self.sleeping.store(true, Ordering::SeqCst);
            if self.things.load(Ordering::SeqCst) == 0 {
                std::thread::park_timeout(PATIENCE);
            }
            self.sleeping.store(false, Ordering::SeqCst);
            let things = self.things.swap(0, Ordering::SeqCst);
            if things != 0 {
                return Ok(Numbers(things));
            }
            if Instant::now() > until {
                return Err(BenchError::Hotspare("something was never completed".to_owned()));
            }
        }
    }
}

/// The numbers of things, each once.
pub(crate) struct Numbers(u64);

impl Iterator for Numbers {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let number = self.0.trailing_zeros() as usize;
        if number == MOST {
            return None;
        }
        self.0 &= self.0 - 1;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_taken_once_and_a_sleeper_is_woken() {
        let ready = Ready::all();
        assert_eq!(ready.take().unwrap().count(), MOST);
        std::thread::scope(|scope| {
            scope.spawn(|| ready.add(63));
            assert_eq!(ready.take().unwrap().collect::<Vec<_>>(), [63]);
        });
        ready.add(5);
        ready.add(0);
        ready.add(5);
        assert_eq!(ready.take().unwrap().collect::<Vec<_>>(), [0, 5]);
    }
}
