//! Where a device's responses arrive.

use std::sync::PoisonError;
use std::time::Instant;

use hotspare_device::stats::{Counter, DeviceCounter};
use hotspare_device::{Class, Response, Sink, Status};

use crate::core::Core;
use crate::ledger::{EntryId, PROBE_TAG, Progress, Stage, Waiter};
use crate::target::Target;

/// Takes a device's responses. Runs under the driver's lock: changes stages, wakes owners, computes nothing.
pub(crate) struct DeviceSink<'a> {
    pub(crate) core: &'a Core,
    pub(crate) target: &'a Target,
    /// The time, once it was asked for: one look at the clock serves all answers that are there.
    pub(crate) now: Option<Instant>,
}

impl Sink for DeviceSink<'_> {
    fn response(&mut self, response: Response<'_>) {
        let Self { core, target, .. } = *self;
        if response.tag.0 & PROBE_TAG != 0 {
            let mut probe = target.probe.lock().unwrap_or_else(PoisonError::into_inner);
            probe.response(&response);
            return;
        }
        let (id, attempt) = EntryId::from_tag(response.tag);
        let progress = core.ledger.entry(id.index).and_then(|entry| entry.progress_of(id));
        let Some(mut progress) = progress.filter(|progress| {
            progress.attempt == attempt && progress.stage == Stage::Hardware(target.index)
        }) else {
            core.stats.count(Counter::StrayResponses);
            return;
        };
        target.unloaded(std::mem::take(&mut progress.watched));
        self.answered(&mut progress, &response);
        wake(core, id, &mut progress);
    }
}

impl DeviceSink<'_> {
    fn answered(&mut self, progress: &mut Progress, response: &Response<'_>) {
        let Self { core, target, .. } = *self;
        match response.status {
            Status::Done => match progress.output.resize(response.output.len()) {
                Ok(place) => {
                    place.copy_from_slice(response.output);
                    core.count_device(target, DeviceCounter::Completed);
                    if progress.verified {
                        progress.stage = Stage::Verify(target.index);
                    } else {
                        core.end_in_hardware(progress, *self.now.get_or_insert_with(Instant::now));
                    }
                }
                Err(_) => progress.stage = Stage::Route,
            },
            // Whether there is really no result, software says; a device's word is not enough for a caller's error.
            Status::Rejected => progress.stage = Stage::Software,
            Status::Dummy => {
                core.stats.count(Counter::Dummies);
                core.count_device(target, DeviceCounter::Dummies);
                progress.stage = Stage::Route;
                core.fault(target, Class::DeviceDown);
            }
            status => {
                tracing::error!(device = %target.address(), ?status, "impossible answer");
                core.count_device(target, DeviceCounter::Wrong);
                progress.stage = Stage::Route;
                core.fault(target, Class::WrongAnswer);
            }
        }
    }
}

fn wake(core: &Core, id: EntryId, progress: &mut Progress) {
    match &progress.waiter {
        Waiter::Nobody => {}
        Waiter::Thread(thread) => thread.unpark(),
        Waiter::Woken(_) => core.completions.note(id),
    }
}
