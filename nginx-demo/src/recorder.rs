//! The course of things: samples of the counters a few times a second, the phases, the faults. The picture is made of it,
//! and the progress that is shown.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hotspare_device::Bdf;
use hotspare_device::stats::{Counter, Path};
use serde::Serialize;

use crate::error::{DemoError, system};
use crate::load::Tally;
use crate::progress::Progress;
use crate::snapshot::Snapshot;
use crate::watchdog::Seen;
use crate::world::devices_up;

/// Time between two samples.
const INTERVAL: Duration = Duration::from_millis(250);

/// Progress is shown once in so many samples.
const SAMPLES_PER_TICK: usize = 4;

/// What was recorded. Times are seconds since the recording began.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Record {
    pub(crate) phases: Vec<Began>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) samples: Vec<Sample>,
}

/// A phase began.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Began {
    pub(crate) at: f64,
    pub(crate) title: &'static str,
}

/// Something was done.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Mark {
    pub(crate) at: f64,
    /// What; empty if it was only done again.
    pub(crate) label: String,
    /// Whether it did harm.
    pub(crate) is_fault: bool,
}

/// The counters at a moment; all but the last two only grow.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(crate) struct Sample {
    pub(crate) at: f64,
    /// As the clients saw it.
    pub(crate) handshakes: u64,
    pub(crate) failed: u64,
    /// By the path of the signature, in the order of `Path::ALL`.
    pub(crate) by_path: [u64; 4],
    /// Requests that each device completed.
    pub(crate) by_device: Vec<u64>,
    /// Requests completed in software.
    pub(crate) software: u64,
    /// Devices that are up.
    pub(crate) up: usize,
    /// The longest that the scheduler was seen to add since the sample before.
    pub(crate) scheduler_ms: f64,
}

/// Where samples come from.
pub(crate) struct Source {
    pub(crate) stats: PathBuf,
    pub(crate) emulator_root: PathBuf,
    pub(crate) devices: Vec<Bdf>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) watchdogs: Arc<Seen>,
    pub(crate) progress: Arc<Progress>,
}

/// The thread that samples. It ends when this is dropped.
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    began: Instant,
    record: Mutex<Record>,
    over: AtomicBool,
}

impl Recorder {
    pub(crate) fn start(source: Source) -> Result<Self, DemoError> {
        let record = Mutex::default();
        let shared = Arc::new(Shared { began: Instant::now(), record, over: AtomicBool::new(false) });
        let theirs = shared.clone();
        let thread = std::thread::Builder::new().name("recorder".to_owned());
        let thread =
            thread.spawn(move || theirs.sample_until_over(&source)).map_err(system("the recorder"))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Seconds since the recording began.
    pub(crate) fn now(&self) -> f64 {
        self.shared.now()
    }

    /// A phase begins.
    pub(crate) fn begin(&self, title: &'static str) {
        let at = self.now();
        self.shared.lock().phases.push(Began { at, title });
    }

    /// Something is done.
    pub(crate) fn mark(&self, label: &str, is_fault: bool) {
        let at = self.now();
        self.shared.lock().marks.push(Mark { at, label: label.to_owned(), is_fault });
    }

    /// Ends the recording.
    pub(crate) fn finish(&mut self) -> Record {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
        std::mem::take(&mut self.shared.lock())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sample_until_over(&self, source: &Source) {
        let mut shown = Sample::default();
        for number in 0_usize.. {
            // A sample that can't be taken is a gap in the picture; what can't be read at all, the phases complain about.
            if let Ok(snapshot) = Snapshot::take(&source.stats, &source.tally) {
                let sample = source.sample(self.now(), &snapshot);
                let mut record = self.lock();
                let title = record.phases.last().map_or("", |phase| phase.title);
                record.samples.push(sample.clone());
                drop(record);
                if number % SAMPLES_PER_TICK == 0 {
                    source.progress.tick(&line(title, &shown, &sample));
                    shown = sample;
                }
            }
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            std::thread::park_timeout(INTERVAL);
        }
    }
}

impl Source {
    fn sample(&self, at: f64, snapshot: &Snapshot) -> Sample {
        let mut by_path = [0; 4];
        for (to, path) in by_path.iter_mut().zip(Path::ALL) {
            *to = snapshot.handshakes(*path);
        }
        Sample {
            at,
            handshakes: snapshot.clients.handshakes,
            failed: snapshot.clients.failed,
            by_path,
            by_device: self.devices.iter().map(|device| snapshot.completed_by(*device)).collect(),
            software: snapshot.value(Counter::Software),
            up: devices_up(&self.emulator_root),
            scheduler_ms: self.watchdogs.take_sample().as_secs_f64() * 1000.0,
        }
    }
}

/// One line of progress: what happened between two samples, by the second.
fn line(title: &str, before: &Sample, now: &Sample) -> String {
    let seconds = (now.at - before.at).max(INTERVAL.as_secs_f64());
    let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
    let devices: String = now
        .by_device
        .iter()
        .enumerate()
        .map(|(number, completed)| {
            let before = before.by_device.get(number).copied().unwrap_or(0);
            format!("device {number} {:4.0}/s  ", rate(*completed, before))
        })
        .collect();
    format!(
        "{:6.1} s  {title:<12}  active {}  handshakes {:4.0}/s  failed {}  |  requests: {devices}software {:4.0}/s",
        now.at,
        now.up,
        rate(now.handshakes, before.handshakes),
        now.failed,
        rate(now.software, before.software),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_by_the_second() {
        let before = Sample { at: 1.0, handshakes: 100, by_device: vec![10, 20], ..Sample::default() };
        let now = Sample {
            at: 3.0,
            handshakes: 300,
            by_device: vec![10, 420],
            software: 8,
            up: 1,
            ..Sample::default()
        };
        let line = line("fatal", &before, &now);
        for part in [
            "3.0 s",
            "fatal",
            "active 1",
            "handshakes  100/s",
            "device 0    0/s",
            "device 1  200/s",
            "software    4/s",
        ] {
            assert!(line.contains(part), "{part} is not in: {line}");
        }
    }
}
