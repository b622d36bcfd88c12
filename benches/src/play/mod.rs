//! Subjects: what one process measures. It says its samples as JSON on its standard output.

mod cache_line;
mod evp;
mod idle;
mod neighbour;
mod offload;
mod ready;
mod rig;
mod ring;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::error::BenchError;
use crate::options::PlayOptions;

/// What a process measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Subject {
    /// A cache line from one processor to the other and back.
    CacheLine,
    /// The bare ring, one request at a time.
    RingTurn,
    /// The bare ring, many requests in flight.
    RingStream,
    /// A synchronous request through `offload`.
    Synchronous,
    /// Tickets through `offload`, whose owner polls.
    Tickets,
    /// Tickets through `offload`, whose owner sleeps and is woken.
    Woken,
    /// EVP in ASYNC jobs.
    EvpJobs,
    /// EVP without jobs.
    EvpPlain,
    /// ASYNC jobs that pause once and do nothing.
    EmptyJobs,
    /// Completions beside a request that takes long, whose owners wait for them.
    Neighbour,
    /// The same, whose owners are woken.
    WokenNeighbour,
    /// A process that has nothing to do.
    Idle,
}

/// Samples by name.
pub type Played = BTreeMap<String, Vec<f64>>;

/// Nanoseconds for one operation.
pub const NANOS: &str = "nanoseconds";
/// Processor time for one operation, in nanoseconds.
pub const PROCESSOR_NANOS: &str = "processor-nanoseconds";
/// Operations a second.
pub const RATE: &str = "a-second";
/// How many of the jobs paused.
pub const PAUSED: &str = "paused";
/// The longest completion without anything else in flight, in microseconds, beyond the usual one and what the watchdog saw.
pub const ALONE: &str = "alone-microseconds";
/// The same beside a request that takes long.
pub const BESIDE: &str = "beside-microseconds";

/// Measures, and says the samples.
///
/// # Errors
/// [`BenchError`].
pub fn run(options: &PlayOptions) -> Result<(), BenchError> {
    // Again: a change of user namespaces on the way here has taken it away.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let time = Duration::from_secs_f64(options.seconds);
    let played = match options.subject {
        Subject::CacheLine => cache_line::play(time)?,
        Subject::RingTurn => ring::turn(time)?,
        Subject::RingStream => ring::stream(time)?,
        Subject::Synchronous => offload::synchronous(time)?,
        Subject::Tickets => offload::tickets(time, options.devices)?,
        Subject::Woken => offload::woken(time, options.devices)?,
        Subject::EvpJobs => evp::jobs(time, options.module.as_deref())?,
        Subject::EvpPlain => evp::plain(time, options.module.as_deref())?,
        Subject::EmptyJobs => evp::empty_jobs(time)?,
        Subject::Neighbour => neighbour::play(time, neighbour::Owner::Waits)?,
        Subject::WokenNeighbour => neighbour::play(time, neighbour::Owner::Sleeps)?,
        Subject::Idle => idle::play(time, options.emulator.as_deref())?,
    };
    let said = serde_json::to_string(&played).map_err(|error| BenchError::Hotspare(error.to_string()))?;
    println!("{said}");
    Ok(())
}

/// Repeats `work`, which does `operations` of them, for this time; the samples are nanoseconds for one.
fn repeat(
    time: Duration,
    operations: u32,
    mut work: impl FnMut() -> Result<(), BenchError>,
) -> Result<Vec<f64>, BenchError> {
    let mut samples = Vec::new();
    // Warm: caches, the first use of everything.
    work()?;
    let end = Instant::now() + time;
    while samples.is_empty() || Instant::now() < end {
        let started = Instant::now();
        work()?;
        samples.push(started.elapsed().as_secs_f64() * 1e9 / f64::from(operations));
    }
    Ok(samples)
}

fn played(name: &str, samples: Vec<f64>) -> Played {
    BTreeMap::from([(name.to_owned(), samples)])
}
