//! The router: which device a request is offered to.

use std::sync::atomic::Ordering;
use std::time::Instant;

use hotspare_device::SubmitError;
use hotspare_device::stats::DeviceCounter;

use crate::core::Core;
use crate::ledger::{Entry, EntryId, Stage, Waiter};
use crate::target::{Standing, Target};

/// When a device is told of what was submitted to it.
pub(crate) enum Doorbells<'a> {
    /// At once.
    Now,
    /// With others: the devices that are to be told, as a bit set of their indices.
    Together(&'a mut u64),
}

impl Core {
    /// Offers the request to one device after the other until one takes it.
    pub(crate) fn route(&self, id: EntryId, entry: &Entry, mut doorbells: Doorbells<'_>) {
        loop {
            let Some(mut progress) = self.unless_deserted(id, entry) else { return };
            // The first choice needs no look at the clock.
            if progress.attempt > 0 {
                progress.given = Instant::now();
            }
            let in_time = progress.given < progress.deadline;
            let Some(target) = self.choose(progress.tried).filter(|_| in_time) else {
                progress.stage = Stage::Software;
                return;
            };
            progress.tried |= 1 << target.index;
            progress.attempt = progress.attempt.wrapping_add(1);
            progress.taken += 1;
            // The answer may come before `submit` returns, so everything is in place before.
            progress.stage = Stage::Hardware(target.index);
            let tag = id.tag(progress.attempt);
            let watched = matches!(progress.waiter, Waiter::Woken(_));
            progress.watched = watched;
            let deadline = progress.deadline;
            target.loaded(watched);
            drop(progress);
            let refusal = {
                let request = entry.request();
                // The entry may have been left meanwhile, and even entered again: what lies there then is not ours. While we
                // hold this lock it can't change.
                if entry.progress_of(id).is_none() {
                    return;
                }
                let submitted = request.as_ref().and_then(|request| {
                    target.with_instance(|instance| match &mut doorbells {
                        Doorbells::Now => instance.submit(request, tag),
                        Doorbells::Together(targets) => {
                            **targets |= 1 << target.index;
                            instance.enqueue(request, tag)
                        }
                    })
                });
                match submitted.unwrap_or(Err(SubmitError::Gone)) {
                    Ok(()) => {
                        self.count_device(target, DeviceCounter::Submitted);
                        drop(request);
                        if watched {
                            self.watch(target, deadline);
                        }
                        return;
                    }
                    Err(refusal) => refusal,
                }
            };
            {
                // Meanwhile the owner may have abandoned it, or ended it at its deadline: then it is nobody's here.
                let Some(mut progress) = entry.progress_of(id) else { return };
                if progress.stage != Stage::Hardware(target.index) || id.tag(progress.attempt) != tag {
                    return;
                }
                progress.taken -= 1;
                progress.stage = Stage::Busy;
                progress.watched = false;
            }
            target.unloaded(watched);
            if let Some(class) = refusal.class() {
                self.fault(target, class);
            }
        }
    }

    /// Tells these devices of what was submitted to them.
    pub(crate) fn ring(&self, targets: u64) {
        for target in self.targets().filter(|target| targets & 1 << target.index != 0) {
            target.with_instance(|instance| instance.ring());
        }
    }

    /// The router: of the devices in use that this request has not been offered to, the one with the fewest requests of
    /// ours.
    fn choose(&self, tried: u64) -> Option<&Target> {
        if !self.has_active() {
            return None;
        }
        let count = self.target_count.load(Ordering::Acquire);
        let start = self.rotation.fetch_add(1, Ordering::Relaxed);
        let mut best: Option<&Target> = None;
        for step in 0..count {
            let Some(target) = self.target((start + step) % count) else { continue };
            let usable = target.standing() == Standing::Active && tried & 1 << target.index == 0;
            if usable && best.is_none_or(|best| target.load() < best.load()) {
                best = Some(target);
            }
        }
        best
    }
}
