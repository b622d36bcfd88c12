//! Which processor a thread runs on, with what right, and how much of one it has used.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rustix::thread::CpuSet;
use rustix::time::ClockId;

use crate::error::BenchError;

/// The two processors of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Where the measured thread runs.
    pub measured: usize,
    /// Where the engine spins.
    pub engine: usize,
}

impl Pair {
    /// The first and the last of those that this process may use.
    ///
    /// # Errors
    /// There is only one.
    pub fn choose() -> Result<Self, BenchError> {
        match &allowed()[..] {
            [first, .., last] => Ok(Self { measured: *first, engine: *last }),
            _ => Err(BenchError::Processors),
        }
    }
}

/// The processors that this process may use.
#[must_use]
pub fn allowed() -> Vec<usize> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

/// Keeps this thread, and those that it starts, on one processor.
pub fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    // Where it may not choose, it runs where it is put.
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

/// Asks for more of a processor than others get, where that is allowed, so that what else the machine does disturbs less. Makes a
/// few system calls, and nothing else: it may be called between fork and exec.
pub fn ask_for_priority() {
    /// The most that there is (setpriority(2)).
    const MOST: i32 = -20;
    // Sessions share the processors among each other first (sched(7), "The autogroup feature"): a session of our own, and
    // its share.
    let _ = rustix::process::setsid();
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(c"/proc/self/autogroup", flags, rustix::fs::Mode::empty()) {
        let _ = rustix::io::write(&file, b"-20");
    }
    let _ = rustix::process::setpriority_process(None, MOST);
}

/// What this thread has used of processors.
#[must_use]
pub fn used_by_this_thread() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// What each thread of this process has used of processors, by its name (threads of one name together), as the scheduler itself
/// counts (`/proc/PID/task/TID/schedstat`): to the nanosecond for a thread that sleeps, to the last tick for one that runs.
#[must_use]
pub fn used_by_threads() -> BTreeMap<String, Duration> {
    let mut used = BTreeMap::<String, Duration>::new();
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return used };
    let of_task = |directory: PathBuf| -> Option<(String, Duration)> {
        let name = std::fs::read_to_string(directory.join("comm")).ok()?;
        let account = std::fs::read_to_string(directory.join("schedstat")).ok()?;
        let nanos = account.split(' ').next()?.parse().ok()?;
        Some((name.trim_end().to_owned(), Duration::from_nanos(nanos)))
    };
    for (name, time) in tasks.filter_map(|task| of_task(task.ok()?.path())) {
        *used.entry(name).or_default() += time;
    }
    used
}

/// The same for all threads together, but for those of this name.
#[must_use]
pub fn used_by_threads_but(name: &str) -> Duration {
    used_by_threads().into_iter().filter(|(thread, _)| thread != name).map(|(_, used)| used).sum()
}
