//! Requests that a face computes itself while there is no device: they count like all others.

use std::sync::Arc;
use std::time::Instant;

use hotspare_device::Kind;
use hotspare_device::stats::{Counter, Path};

use crate::core::Core;

/// A request that its face computes. Dropping it says that there was no result.
#[must_use = "dropping it counts an error of the caller's"]
pub struct SoftwareRequest {
    /// None in a process that has no counters.
    core: Option<Arc<Core>>,
    kind: Kind,
    started: Instant,
    has_result: bool,
}

impl SoftwareRequest {
    pub(crate) fn begin(core: Option<Arc<Core>>, kind: Kind) -> Self {
        let started = Instant::now();
        if let Some(core) = &core {
            core.note_time(started);
            core.stats.count(Counter::Submitted);
            core.stats.count(Counter::InFlight);
        }
        Self { core, kind, started, has_result: false }
    }

    /// It has ended, with a result or without.
    pub fn end(mut self, has_result: bool) {
        self.has_result = has_result;
    }
}

impl Drop for SoftwareRequest {
    fn drop(&mut self) {
        let Some(core) = self.core.take() else { return };
        if !core.home.is_here() {
            // The process was forked meanwhile: its parent counts it.
            return crate::process::forget(core);
        }
        if self.has_result {
            core.stats.completed(self.kind, Path::Software, self.started.elapsed());
            core.stats.count(Counter::Software);
        } else {
            core.stats.count(Counter::CallerErrors);
        }
        core.stats.subtract(Counter::InFlight);
    }
}
