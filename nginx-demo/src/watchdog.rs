//! How long the scheduler keeps ready threads waiting: one thread for each processor sleeps for a millisecond, again and
//! again, and notes how much longer it took. A stall that is no longer than that is the machine's, not ours.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::thread::CpuSet;

use crate::error::{DemoError, system};

const NAP: Duration = Duration::from_millis(1);

/// The threads, of the same priority as the server and its devices. They end when this is dropped.
pub(crate) struct Watchdogs {
    seen: Arc<Seen>,
    threads: Vec<JoinHandle<()>>,
}

/// The longest excess, in microseconds, since each of the two readers asked last.
#[derive(Default)]
pub(crate) struct Seen {
    in_phase: AtomicU64,
    in_sample: AtomicU64,
    over: AtomicBool,
}

impl Watchdogs {
    pub(crate) fn start() -> Result<Self, DemoError> {
        let seen = Arc::<Seen>::default();
        let mut watchdogs = Self { seen: seen.clone(), threads: Vec::new() };
        let allowed = rustix::thread::sched_getaffinity(None).map_err(system("the processors"))?;
        for processor in (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor)) {
            let seen = seen.clone();
            let thread = std::thread::Builder::new().name("watchdog".to_owned());
            let thread = thread.spawn(move || watch(&seen, processor));
            watchdogs.threads.push(thread.map_err(system("a watchdog"))?);
        }
        Ok(watchdogs)
    }

    /// What the recorder reads from.
    pub(crate) fn seen(&self) -> &Arc<Seen> {
        &self.seen
    }
}

impl Drop for Watchdogs {
    fn drop(&mut self) {
        self.seen.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Seen {
    /// The longest excess since the last call.
    pub(crate) fn take_phase(&self) -> Duration {
        Duration::from_micros(self.in_phase.swap(0, Ordering::Relaxed))
    }

    /// As above, for the recorder.
    pub(crate) fn take_sample(&self) -> Duration {
        Duration::from_micros(self.in_sample.swap(0, Ordering::Relaxed))
    }

    fn note(&self, excess: Duration) {
        let micros = u64::try_from(excess.as_micros()).unwrap_or(u64::MAX);
        self.in_phase.fetch_max(micros, Ordering::Relaxed);
        self.in_sample.fetch_max(micros, Ordering::Relaxed);
    }
}

fn watch(seen: &Seen, processor: usize) {
    let mut own = CpuSet::new();
    own.set(processor);
    // Where it may not choose, it watches whatever processor it is given.
    let _ = rustix::thread::sched_setaffinity(None, &own);
    while !seen.over.load(Ordering::Relaxed) {
        let began = Instant::now();
        std::thread::sleep(NAP);
        seen.note(began.elapsed().saturating_sub(NAP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_gets_the_longest_since_it_asked() {
        let seen = Seen::default();
        for micros in [3, 7, 5] {
            seen.note(Duration::from_micros(micros));
        }
        assert_eq!(seen.take_sample(), Duration::from_micros(7));
        seen.note(Duration::from_micros(4));
        assert_eq!(seen.take_sample(), Duration::from_micros(4));
        assert_eq!(seen.take_phase(), Duration::from_micros(7));
        assert_eq!(seen.take_phase(), Duration::ZERO);
    }
}
