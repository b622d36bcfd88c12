//! What one process has: its ledger, its devices, its counters; and the steps that a request takes.
//!
//! Who owns a request (a waiting thread, or who has its ticket) moves it on, step by step, with [`Core::advance`]. What arrives
//! from a device only changes the entry's stage and wakes the owner ([`DeviceSink`]), so that the heavy steps, verification
//! and software, run in the owner's thread and never under a driver's lock.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hotspare_device::stats::{Counter, DeviceCounter, DevicePlace, Path, Published};
use hotspare_device::{Class, Device, Output, Request, Tag};
use hotspare_fallback::{Fallback, FallbackError};

use crate::care::CareDesk;
use crate::completions::Completions;
use crate::config::Config;
use crate::event_loop::LoopHandle;
use crate::health::consequence;
use crate::ledger::{Entry, EntryId, Ledger, PROBE_TAG, Progress, Stage, Waiter};
use crate::process::Home;
use crate::router::Doorbells;
use crate::target::{MAX_TARGETS, Standing, Target};
use crate::usual::UsualTimes;
use crate::{Error, verify};

/// See the module.
pub(crate) struct Core {
    pub(crate) config: Arc<Config>,
    pub(crate) fallback: Arc<Fallback>,
    pub(crate) stats: Published,
    pub(crate) ledger: Ledger,
    pub(crate) usual: UsualTimes,
    pub(crate) completions: Completions,
    pub(crate) home: Home,
    /// The completion loop's; none in a process without devices.
    pub(crate) event_loop: Option<LoopHandle>,
    /// Where the thread that cares for devices is told what to look at.
    pub(crate) care: CareDesk,
    targets: Box<[OnceLock<Target>]>,
    pub(crate) target_count: AtomicUsize,
    /// Held while a device is added, or those in use are counted.
    changing: Mutex<()>,
    active: AtomicUsize,
    /// Where the search for a device begins: moves on, so that equals share the work.
    pub(crate) rotation: AtomicUsize,
    began: Instant,
    /// In how many [`LOOK_INTERVAL`]s since `began` a request has come.
    looked: AtomicU64,
}

/// After this time without one, a request makes the carer look at all devices and ask for new ones: events may be lost, or not be
/// had at all (law 6). A process without requests is left asleep.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Where a request stands after [`Core::advance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// This device has it, until then.
    Waiting(usize, Instant),
    /// It is to be computed in software, which the caller did not want done.
    Software,
    /// It has ended; its result is in the entry.
    Done,
    /// Somebody else is moving it on.
    Busy,
    /// The entry is no longer this request's.
    Gone,
}

/// Whether [`Core::advance`] computes in software, which takes long, or leaves that to a later call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SoftwareStep {
    Take,
    Leave,
}

impl Core {
    pub(crate) fn new(
        config: Arc<Config>,
        fallback: Arc<Fallback>,
        stats: Published,
        home: Home,
        event_loop: Option<LoopHandle>,
    ) -> Self {
        Self {
            config,
            fallback,
            stats,
            ledger: Ledger::new(),
            usual: UsualTimes::new(),
            completions: Completions::default(),
            home,
            event_loop,
            care: CareDesk::default(),
            targets: (0..MAX_TARGETS).map(|_| OnceLock::new()).collect(),
            target_count: AtomicUsize::new(0),
            changing: Mutex::new(()),
            active: AtomicUsize::new(0),
            rotation: AtomicUsize::new(0),
            began: Instant::now(),
            looked: AtomicU64::new(0),
        }
    }

    /// The devices, in use or not.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets[..self.target_count.load(Ordering::Acquire)].iter().filter_map(OnceLock::get)
    }

    pub(crate) fn target(&self, index: usize) -> Option<&Target> {
        self.targets.get(index)?.get()
    }

    /// Adds a device that was found. False if there are too many.
    pub(crate) fn add_target(&self, device: Arc<dyn Device>) -> bool {
        let _adding = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let index = self.target_count.load(Ordering::Relaxed);
        let Some(place) = self.targets.get(index) else { return false };
        let counters = self.stats.device(device.address());
        place.get_or_init(|| Target::new(index, device, counters));
        self.target_count.store(index + 1, Ordering::Release);
        true
    }

    /// Whether there is any device to give work to.
    pub(crate) fn has_active(&self) -> bool {
        self.active.load(Ordering::Relaxed) > 0
    }

    /// Takes a device into use.
    pub(crate) fn join(&self, target: &Target) {
        if target.join() {
            self.stats.count(Counter::DevicesJoined);
            self.recount();
            tracing::info!(device = %target.address(), "device in use");
        }
    }

    /// Draws the consequence of a fault.
    pub(crate) fn fault(&self, target: &Target, class: Class) {
        let consequence = consequence(class);
        if let Some(counter) = consequence.counter {
            self.stats.count(counter);
        }
        if consequence.leave && target.leave(class) {
            self.stats.count(Counter::DevicesLeft);
            self.recount();
            tracing::warn!(device = %target.address(), ?class, "device not used until it is well again");
            self.care.look();
        }
    }

    /// To be called for each request.
    pub(crate) fn note_time(&self, now: Instant) {
        let interval = now.saturating_duration_since(self.began).as_secs() / LOOK_INTERVAL.as_secs();
        if self.looked.load(Ordering::Relaxed) != interval
            && self.looked.swap(interval, Ordering::Relaxed) != interval
        {
            self.care.look();
        }
    }

    /// The number of the interval in which the last request came.
    pub(crate) fn interval(&self) -> u64 {
        self.looked.load(Ordering::Relaxed)
    }

    /// No device is in use any more.
    pub(crate) fn leave_all(&self) {
        for target in self.targets() {
            target.leave(Class::DeviceDown);
        }
        self.recount();
    }

    fn recount(&self) {
        // One at a time, so that what is stored last was counted last.
        let _recounting = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut active = 0;
        for target in self.targets() {
            let is_active = target.standing() == Standing::Active;
            active += usize::from(is_active);
            self.count_for(target, |stats, place| {
                stats
                    .device_counter(place, DeviceCounter::Active)
                    .store(u64::from(is_active), Ordering::Relaxed);
            });
        }
        self.active.store(active, Ordering::Relaxed);
        self.stats.set(Counter::ActiveDevices, active as u64);
    }

    pub(crate) fn count_for(&self, target: &Target, count: impl FnOnce(&Published, DevicePlace)) {
        if let Some(place) = target.place {
            count(&self.stats, place);
        }
    }

    pub(crate) fn count_device(&self, target: &Target, counter: DeviceCounter) {
        self.count_for(target, |stats, place| {
            stats.device_counter(place, counter).fetch_add(1, Ordering::Relaxed);
        });
    }

    /// Accepts a request: from here on it ends exactly once. Gives it back if the ledger is full.
    pub(crate) fn accept(&self, request: Request, waiter: Waiter, now: Instant) -> Result<EntryId, Request> {
        self.note_time(now);
        let deadline = now + self.usual.allowance(request.kind(), self.config.deadline);
        let id = self.ledger.enter(request, now, deadline, waiter)?;
        // In this order, so that a process killed in between has never more ended than submitted.
        self.stats.count(Counter::Submitted);
        self.stats.count(Counter::InFlight);
        Ok(id)
    }

    /// The first step of a request that was just accepted: offers it to devices. False if none took it.
    pub(crate) fn offer(&self, id: EntryId, doorbells: Doorbells<'_>) -> bool {
        let Some(entry) = self.ledger.entry(id.index) else { return false };
        self.route(id, entry, doorbells);
        // An answer may be there already, which is no less good.
        entry.progress_of(id).is_none_or(|progress| progress.stage != Stage::Software)
    }

    /// Moves a request on as far as it goes without waiting.
    pub(crate) fn advance(&self, id: EntryId, now: Instant, software: SoftwareStep) -> Step {
        let Some(entry) = self.ledger.entry(id.index) else { return Step::Gone };
        loop {
            let Some(mut progress) = entry.progress_of(id) else { return Step::Gone };
            match progress.stage {
                Stage::Free => return Step::Gone,
                Stage::Done => return Step::Done,
                Stage::Busy => return Step::Busy,
                Stage::Hardware(target) if now < progress.deadline => {
                    return Step::Waiting(target, progress.deadline);
                }
                Stage::Hardware(target) => self.miss_deadline(id, progress, target),
                Stage::Route => {
                    progress.stage = Stage::Busy;
                    drop(progress);
                    self.route(id, entry, Doorbells::Now);
                }
                Stage::Verify(target) => {
                    progress.stage = Stage::Busy;
                    let output = progress.output.clone();
                    drop(progress);
                    self.verify(id, entry, target, &output);
                }
                Stage::Software if software == SoftwareStep::Leave => return Step::Software,
                Stage::Software => {
                    progress.stage = Stage::Busy;
                    drop(progress);
                    self.compute(id, entry);
                }
            }
        }
    }

    /// The device has it and is late: its answer, should it come, is nobody's; the request goes to software.
    fn miss_deadline(&self, id: EntryId, mut progress: MutexGuard<'_, Progress>, target: usize) {
        let tag = id.tag(progress.attempt);
        // A device that was given it late, after another had kept it, is not to blame.
        let allowance = progress.deadline.saturating_duration_since(progress.submitted);
        let had_its_time = progress.deadline.saturating_duration_since(progress.given) >= allowance / 2;
        progress.stage = Stage::Software;
        let watched = std::mem::take(&mut progress.watched);
        drop(progress);
        if let Some(target) = self.target(target) {
            self.count_device(target, DeviceCounter::Late);
            self.take_back(target, tag, watched);
            if had_its_time {
                self.fault(target, Class::Late);
            } else {
                self.stats.count(Counter::DeadlinesMissed);
            }
        }
    }

    /// Nobody waits any more for what this device has under this tag.
    pub(crate) fn take_back(&self, target: &Target, tag: Tag, watched: bool) {
        target.unloaded(watched);
        if let Some(instance) = target.instance() {
            instance.abandon(tag);
        }
    }

    fn verify(&self, id: EntryId, entry: &Entry, target: usize, output: &Output) {
        let (verdict, may_fail) = match entry.request().as_ref() {
            Some(request) => {
                (verify::verify(&self.fallback, request, output), verify::may_fail(request.operation()))
            }
            None => return,
        };
        let Some(mut progress) = self.unless_deserted(id, entry) else { return };
        match verdict {
            Ok(true) => {
                self.stats.count(Counter::Verified);
                self.end_in_hardware(&mut progress, Instant::now());
            }
            Ok(false) => {
                progress.output.wipe();
                progress.stage = Stage::Route;
                if let Some(target) = self.target(target) {
                    tracing::error!(device = %target.address(), kind = progress.kind.name(), "wrong result");
                    self.count_device(target, DeviceCounter::Wrong);
                    self.fault(target, Class::WrongAnswer);
                }
            }
            Err(error) => {
                let kind = progress.kind.name();
                if may_fail {
                    tracing::debug!(%error, kind, "software comes to no result either");
                } else {
                    tracing::error!(%error, kind, "a device's result could not be verified");
                }
                progress.output.wipe();
                progress.stage = Stage::Software;
            }
        }
    }

    fn compute(&self, id: EntryId, entry: &Entry) {
        if self.config.require_hardware {
            if let Some(mut progress) = self.unless_deserted(id, entry) {
                self.end(&mut progress, Counter::Refused, Some(Error::HardwareRequired));
            }
            return;
        }
        let mut output = Output::new();
        let outcome = match entry.request().as_ref() {
            Some(request) => self.fallback.execute(request, &mut output),
            None => return,
        };
        let Some(mut progress) = self.unless_deserted(id, entry) else { return };
        match outcome {
            Ok(()) => {
                let replayed = progress.taken > 0;
                progress.output = output;
                let path = if replayed { Path::ReplayedSoftware } else { Path::Software };
                self.stats.completed(progress.kind, path, progress.submitted.elapsed());
                if replayed {
                    self.stats.count(Counter::ReplayedSoftware);
                }
                self.end(&mut progress, Counter::Software, None);
            }
            Err(error) => self.end(&mut progress, Counter::CallerErrors, Some(software_error(error))),
        }
    }

    /// `now` is when it was answered.
    pub(crate) fn end_in_hardware(&self, progress: &mut Progress, now: Instant) {
        let took = now.saturating_duration_since(progress.submitted);
        let (counter, path) = if progress.taken > 1 {
            (Counter::ReplayedHardware, Path::ReplayedHardware)
        } else {
            self.usual.observe(progress.kind, took);
            (Counter::Hardware, Path::Hardware)
        };
        self.stats.completed(progress.kind, path, took);
        self.end(progress, counter, None);
    }

    /// The one place where a request with an owner ends.
    fn end(&self, progress: &mut Progress, counter: Counter, error: Option<Error>) {
        progress.error = error;
        progress.stage = Stage::Done;
        self.stats.count(counter);
        self.stats.subtract(Counter::InFlight);
    }

    /// How far the request is; but if its owner has gone away meanwhile, it ends here.
    pub(crate) fn unless_deserted<'a>(
        &self,
        id: EntryId,
        entry: &'a Entry,
    ) -> Option<MutexGuard<'a, Progress>> {
        let mut progress = entry.progress();
        if !progress.deserted {
            return Some(progress);
        }
        self.end(&mut progress, Counter::Abandoned, None);
        drop(progress);
        self.ledger.leave(id);
        None
    }

    /// Takes the result out and frees the entry.
    pub(crate) fn collect(&self, id: EntryId) -> Result<Output, Error> {
        self.collect_if_done(id)
            .unwrap_or_else(|| Err(Error::Software("a request was collected twice".to_owned())))
    }

    /// The same, if the request has ended.
    pub(crate) fn collect_if_done(&self, id: EntryId) -> Option<Result<Output, Error>> {
        let entry = self.ledger.entry(id.index)?;
        let mut progress = entry.progress_of(id)?;
        if progress.stage != Stage::Done {
            return None;
        }
        let result = match progress.error.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut progress.output)),
        };
        self.ledger.leave_with(id, entry, progress);
        Some(result)
    }

    /// The caller went away.
    pub(crate) fn abandon(&self, id: EntryId) {
        let Some(entry) = self.ledger.entry(id.index) else { return };
        let Some(mut progress) = entry.progress_of(id) else { return };
        match progress.stage {
            Stage::Busy => {
                progress.deserted = true;
                return;
            }
            Stage::Done | Stage::Free => drop(progress),
            Stage::Hardware(target) => {
                let tag = id.tag(progress.attempt);
                let watched = std::mem::take(&mut progress.watched);
                self.end(&mut progress, Counter::Abandoned, None);
                drop(progress);
                if let Some(target) = self.target(target) {
                    self.take_back(target, tag, watched);
                }
            }
            Stage::Route | Stage::Verify(_) | Stage::Software => {
                self.end(&mut progress, Counter::Abandoned, None);
                drop(progress);
            }
        }
        self.ledger.leave(id);
    }
}

pub(crate) fn software_error(error: FallbackError) -> Error {
    match error {
        FallbackError::Invalid(invalid) => Error::Invalid(invalid),
        error => Error::Software(error.to_string()),
    }
}

/// The tag of the known-answer request with this number, in the round with that number.
pub(crate) fn probe_tag(round: u32, number: u8) -> Tag {
    Tag(PROBE_TAG | u64::from(round) << 8 | u64::from(number))
}
