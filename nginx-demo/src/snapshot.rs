//! The counters at a moment, of all processes living and dead and of the clients, and the work between two moments.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::time::Instant;

use hotspare_device::stats::{self, Counter, DeviceCounter, Path, ProcessStats, Sum};
use hotspare_device::{Bdf, Kind};
use serde::Serialize;

use crate::error::{DemoError, strange};
use crate::load::{Counted, Tally};

/// Each full handshake has the server make one signature, so its path is the handshake's.
const SIGNATURES: [Kind; 2] = [Kind::RsaPrivate2048, Kind::EcdsaSignP256];

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    at: Instant,
    pub(crate) sum: Sum,
    pub(crate) processes: Vec<ProcessStats>,
    pub(crate) clients: Counted,
}

impl Snapshot {
    /// Reads everything.
    pub(crate) fn take(directory: &FilePath, tally: &Tally) -> Result<Self, DemoError> {
        // The clients first: a handshake that they have counted is then in the server's counters too.
        let clients = tally.counted();
        let (processes, errors) = stats::read_all(directory).map_err(strange("the counters"))?;
        if let Some(error) = errors.into_iter().next() {
            return Err(strange("the counters")(error));
        }
        let mut sum = Sum::default();
        for process in &processes {
            sum.add(&process.sum);
        }
        Ok(Self { at: Instant::now(), sum, processes, clients })
    }

    /// A counter's value.
    pub(crate) fn value(&self, counter: Counter) -> u64 {
        self.sum.value(counter)
    }

    /// Requests that this device has completed.
    pub(crate) fn completed_by(&self, device: Bdf) -> u64 {
        self.of_device(device, DeviceCounter::Completed)
    }

    /// Handshakes by the path of their signature.
    pub(crate) fn handshakes(&self, path: Path) -> u64 {
        SIGNATURES.iter().map(|kind| self.sum.completed(*kind, path)).sum()
    }

    /// Requests that a dead device's dummy sent to software. What else was replayed there had missed its deadline.
    pub(crate) fn dummies_to_software(&self) -> u64 {
        self.value(Counter::ReplayedSoftware).saturating_sub(self.value(Counter::DeadlinesMissed))
    }

    fn of_device(&self, device: Bdf, counter: DeviceCounter) -> u64 {
        let found = self.sum.devices().iter().find(|found| found.address == device);
        found.map_or(0, |found| found.value(counter))
    }

    /// What was done since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Work {
        let counters = [
            Counter::Submitted,
            Counter::Hardware,
            Counter::ReplayedHardware,
            Counter::Software,
            Counter::ReplayedSoftware,
            Counter::CallerErrors,
            Counter::Refused,
            Counter::Abandoned,
            Counter::Dummies,
            Counter::DeadlinesMissed,
            Counter::StrayResponses,
            Counter::WrongAnswers,
            Counter::KnownAnswers,
            Counter::DevicesLeft,
            Counter::DevicesJoined,
            Counter::Events,
            Counter::JobsPaused,
        ];
        let paths = Path::ALL.iter();
        let devices = self.sum.devices().iter().map(|device| {
            let grown = |counter| {
                self.of_device(device.address, counter)
                    .saturating_sub(earlier.of_device(device.address, counter))
            };
            let work = DeviceWork {
                completed: grown(DeviceCounter::Completed),
                dummies: grown(DeviceCounter::Dummies),
                late: grown(DeviceCounter::Late),
            };
            (device.address.to_string(), work)
        });
        let took = grown(&self.clients.took, &earlier.clients.took);
        Work {
            seconds: self.at.saturating_duration_since(earlier.at).as_secs_f64(),
            handshakes: self.clients.handshakes - earlier.clients.handshakes,
            failed: self.clients.failed - earlier.clients.failed,
            skipped: self.clients.skipped - earlier.clients.skipped,
            handshake_ms: Percentiles::of(&took),
            handshakes_by_path: paths
                .map(|path| (path.name(), self.handshakes(*path).saturating_sub(earlier.handshakes(*path))))
                .collect(),
            requests: counters
                .iter()
                .map(|counter| (counter.name(), self.value(*counter).saturating_sub(earlier.value(*counter))))
                .collect(),
            by_device: devices.collect(),
        }
    }

    /// The longest time from submission to completion of a request that ended since `earlier`, in milliseconds. Exact where
    /// no earlier one took as long, else the upper edge of a millisecond.
    pub(crate) fn longest_ms_since(&self, earlier: &Self) -> f64 {
        let longest = self.value(Counter::LongestMicros);
        if longest > earlier.value(Counter::LongestMicros) {
            return longest as f64 / 1000.0;
        }
        let ended = grown(self.sum.latencies(), earlier.sum.latencies());
        ended.iter().rposition(|count| *count > 0).map_or(0.0, upper_edge)
    }

    /// The usual time of a request that ended since `earlier`, in milliseconds, rounded up: what 99 of 100 took at most. It
    /// has to cover the longest operation, the RSA signature, which every sixth request is.
    pub(crate) fn usual_ms_since(&self, earlier: &Self) -> f64 {
        Percentiles::of(&grown(self.sum.latencies(), earlier.sum.latencies())).p99
    }
}

fn grown(now: &[u64], then: &[u64]) -> Vec<u64> {
    now.iter().zip(then).map(|(now, then)| now.saturating_sub(*then)).collect()
}

fn upper_edge(bucket: usize) -> f64 {
    (bucket + 1) as f64
}

/// What was done between two moments.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Work {
    pub(crate) seconds: f64,
    /// Handshakes of which all was as it should be, as the clients saw it.
    pub(crate) handshakes: u64,
    pub(crate) failed: u64,
    /// Not begun, since the clients could not keep up.
    pub(crate) skipped: u64,
    /// From the connection to the handshake's end, as the clients saw it.
    pub(crate) handshake_ms: Percentiles,
    /// By the path of the server's signature.
    pub(crate) handshakes_by_path: BTreeMap<&'static str, u64>,
    /// Counters of requests.
    pub(crate) requests: BTreeMap<&'static str, u64>,
    pub(crate) by_device: BTreeMap<String, DeviceWork>,
}

impl Work {
    /// A counter of requests.
    pub(crate) fn requests(&self, counter: Counter) -> u64 {
        self.requests.get(counter.name()).copied().unwrap_or(0)
    }

    /// Handshakes whose signature went this way.
    pub(crate) fn handshakes_by(&self, path: Path) -> u64 {
        self.handshakes_by_path.get(path.name()).copied().unwrap_or(0)
    }
}

/// What one device did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DeviceWork {
    pub(crate) completed: u64,
    pub(crate) dummies: u64,
    pub(crate) late: u64,
}

/// Of times in milliseconds, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    p50: f64,
    p99: f64,
    longest: f64,
}

impl Percentiles {
    /// Of a histogram with a place for each millisecond.
    fn of(histogram: &[u64]) -> Self {
        let total: u64 = histogram.iter().sum();
        let reached = |share: u64| {
            let mut below = 0;
            let place = histogram.iter().position(|count| {
                below += count;
                *count > 0 && below * 100 >= total * share
            });
            place.map_or(0.0, upper_edge)
        };
        Self { p50: reached(50), p99: reached(99), longest: reached(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_upper_edges_of_milliseconds() {
        let mut histogram = vec![0; 100];
        (histogram[0], histogram[1], histogram[3], histogram[40]) = (80, 18, 1, 1);
        let Percentiles { p50, p99, longest } = Percentiles::of(&histogram);
        assert_eq!((p50, p99, longest), (1.0, 4.0, 41.0));
        assert_eq!(Percentiles::of(&[0; 5]).longest, 0.0);
    }
}
