//! How long the scheduler keeps ready threads waiting: one thread for each processor sleeps for a millisecond, again and
//! again, now and then works a little as those do who wait for an answer and then use it, and notes how much longer it took.
//! A stall that is no longer than that is the machine's, not ours.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::thread::CpuSet;

use crate::error::{DemoError, system};

const NAP: Duration = Duration::from_millis(1);

/// After so many naps comes work: a twentieth of a processor is what watching may cost.
const NAPS_PER_WORK: usize = 10;

/// About what an RSA signature takes.
const WORK: Duration = Duration::from_micros(500);

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
    for nap in 1_usize.. {
        if seen.over.load(Ordering::Relaxed) {
            return;
        }
        let (began, used) = (Instant::now(), processor_time());
        std::thread::sleep(NAP);
        if nap % NAPS_PER_WORK == 0 {
            while processor_time().saturating_sub(used) < WORK {
                std::hint::spin_loop();
            }
        }
        let used = processor_time().saturating_sub(used);
        seen.note(began.elapsed().saturating_sub(NAP + used));
    }
}

/// What this thread has used of processors.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
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
