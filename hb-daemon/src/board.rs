//! What is known of the devices: written by the threads that monitor them, read by the publisher and by `check`.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hotspare_device::files::{MonitoredDevice, unix_ms};

/// A check or a write that takes longer than this is said to block.
const BLOCKS: Duration = Duration::from_secs(1);

/// One entry for each device, in the order of their addresses.
pub(crate) struct Board {
    entries: Mutex<Entries>,
    changed: Condvar,
}

struct Entries {
    devices: Vec<Entry>,
    version: u64,
}

struct Entry {
    report: MonitoredDevice,
    /// Since when the device's thread is in a step.
    busy: Option<(Instant, u64)>,
}

impl Board {
    pub(crate) fn new(reports: Vec<MonitoredDevice>) -> Self {
        let devices = reports.into_iter().map(|report| Entry { report, busy: None }).collect();
        Self { entries: Mutex::new(Entries { devices, version: 0 }), changed: Condvar::new() }
    }

    /// A step of the device's thread begins; it may block.
    pub(crate) fn begin(&self, device: usize) {
        if let Some(entry) = self.lock().devices.get_mut(device) {
            entry.busy = Some((Instant::now(), unix_ms()));
        }
    }

    /// It is over, and this is known.
    pub(crate) fn end(&self, device: usize, report: &MonitoredDevice) {
        let mut entries = self.lock();
        let Some(entry) = entries.devices.get_mut(device) else { return };
        entry.busy = None;
        if entry.report != *report {
            entry.report = report.clone();
            entries.version += 1;
            self.changed.notify_all();
        }
    }

    /// What is known of all devices at this moment.
    pub(crate) fn reports(&self) -> Vec<MonitoredDevice> {
        self.lock().devices.iter().map(Entry::seen).collect()
    }

    /// What is known of one.
    pub(crate) fn report(&self, device: usize) -> Option<MonitoredDevice> {
        self.lock().devices.get(device).map(Entry::seen)
    }

    /// Waits until there is something newer than `version`, `limit` at most; the version that there is then.
    pub(crate) fn wait(&self, version: u64, limit: Duration) -> u64 {
        let entries = self.lock();
        self.changed
            .wait_timeout_while(entries, limit, |entries| entries.version == version)
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .version
    }

    /// Wakes whoever waits.
    pub(crate) fn wake(&self) {
        self.lock().version += 1;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn seen(&self) -> MonitoredDevice {
        let mut report = self.report.clone();
        report.blocked_since_unix_ms =
            self.busy.filter(|(since, _)| since.elapsed() > BLOCKS).map(|(_, unix_ms)| unix_ms);
        report
    }
}
