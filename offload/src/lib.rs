//! The heart of Hotspare: takes requests, gives them to devices, replays what a dying device leaves behind, and
//! computes in software what no device can. See `ARCHITECTURE.md` for the way of one request and the laws.

mod arming;
mod care;
mod completions;
pub mod config;
mod core;
mod event_loop;
mod health;
mod known_answers;
mod ledger;
mod polling;
mod probe;
mod process;
mod router;
mod sink;
mod software;
mod sync;
mod target;
mod threads;
mod ticket;
mod usual;
mod verify;
mod wait;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hotspare_device::stats::{Counter, Path, Published};
use hotspare_device::{InvalidRequest, Kind, Output, Request};
use hotspare_fallback::Fallback;

pub use config::{Config, DeadlineRule, SETTINGS, Setting, SettingError};
pub use software::SoftwareRequest;
pub use ticket::{Completion, Ticket};

use crate::core::{Core, software_error};
use care::Carer;
use event_loop::{EventLoop, LoopHandle};
use ledger::Waiter;
use process::{Home, ProcessSlot};
use router::Doorbells;

/// Takes requests. Making one touches nothing outside (no thread, socket or mapping): all that comes with a process's
/// first request, again in each child of a fork.
pub struct Offload {
    config: Arc<Config>,
    fallback: Arc<Fallback>,
    process: ProcessSlot<Process>,
}

/// Requests that are submitted together; devices are told of them when it is dropped. Each has a ticket and a fate of its own.
#[must_use = "dropping it submits what was given to it"]
pub struct Batch<'a> {
    offload: &'a Offload,
    core: Option<Arc<Core>>,
    /// The devices that are to be told, as a bit set of their indices.
    rung: u64,
}

impl Batch<'_> {
    /// As [`Offload::submit`], but devices are told when the batch is dropped. Don't wait for the ticket before.
    pub fn submit(&mut self, request: Request, completion: Completion) -> Ticket {
        match &self.core {
            Some(core) if core.home.is_here() => {
                self.offload.submit_to(core, request, completion, Doorbells::Together(&mut self.rung))
            }
            // The process was forked since: the batch is its parent's.
            Some(_) => self.offload.submit(request, completion),
            None => Ticket::ended(self.offload.compute(&request), completion),
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        match self.core.take() {
            Some(core) if core.home.is_here() => {
                core.ring(self.rung);
            }
            Some(core) => process::forget(core),
            None => {}
        }
    }
}

/// What one process has.
struct Process {
    core: Arc<Core>,
    threads: Mutex<Threads>,
}

/// Those of a process that uses devices.
#[derive(Default)]
struct Threads {
    event_loop: Option<EventLoop>,
    carer: Option<Carer>,
}

/// Why a request has no result. A device's fault is never among these, unless hardware is required.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's own error.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// `require_hardware` is set, and no device has computed it.
    #[error("no device computed this request, and require_hardware = yes forbids software")]
    HardwareRequired,
    /// The software path itself failed.
    #[error("{0}")]
    Software(String),
    /// The ticket was inherited from the process that this one was forked from; only that one can have the result.
    #[error("the request belongs to the parent of this process")]
    Forked,
}

impl Offload {
    /// An `Offload` with these settings.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let fallback = Arc::new(Fallback::new(&config.fallback_provider));
        Self { config: Arc::new(config), fallback, process: ProcessSlot::new() }
    }

    /// Computes `request` and waits for the result: in hardware, elsewhere in hardware, or in software. A thin wait on a
    /// ticket of this thread.
    ///
    /// # Errors
    /// [`Error`].
    pub fn execute(&self, request: Request) -> Result<Output, Error> {
        let Some(process) = self.enter() else { return self.compute(&request) };
        let core = &process.core;
        if !core.has_active() {
            return self.compute_counted(core, &request);
        }
        let now = Instant::now();
        match core.accept(request, Waiter::Nobody, now) {
            Ok(id) => {
                core.offer(id, Doorbells::Now);
                wait::result(core, id, now)
            }
            Err(request) => self.compute_counted(core, &request),
        }
    }

    /// Accepts `request`, hands it to a device if one is in use, and returns at once. What is then left to do for it is done by
    /// whom `completion` says.
    pub fn submit(&self, request: Request, completion: Completion) -> Ticket {
        match self.enter() {
            Some(process) => self.submit_to(&process.core, request, completion, Doorbells::Now),
            None => Ticket::ended(self.compute(&request), completion),
        }
    }

    /// Requests that are submitted together: each device is told once of all that it gets.
    pub fn batch(&self) -> Batch<'_> {
        Batch { offload: self, core: self.enter().map(|process| process.core.clone()), rung: 0 }
    }

    fn submit_to(
        &self,
        core: &Arc<Core>,
        request: Request,
        completion: Completion,
        doorbells: Doorbells<'_>,
    ) -> Ticket {
        let waiter = match &completion {
            Completion::Poll => Waiter::Nobody,
            Completion::Wake(waker) => Waiter::Woken(waker.clone()),
        };
        match core.accept(request, waiter, Instant::now()) {
            Ok(id) => {
                if !core.offer(id, doorbells) {
                    // It is its owner's to compute.
                    core.completions.note(id);
                    core.deliver();
                }
                Ticket::open(core.clone(), id)
            }
            // So many in flight at once that the best that can be done for them is to compute.
            Err(request) => Ticket::ended(self.compute_counted(core, &request), completion),
        }
    }

    /// Takes what devices have answered, for all requests of this process, without waiting: to be called again and again by who
    /// submits with [`Completion::Poll`]. Returns how many answers there were.
    pub fn poll(&self) -> usize {
        let Some(process) = self.process.current() else { return 0 };
        let core = &process.core;
        core.targets().filter(|target| target.load() > 0).map(|target| core.poll_if_free(target)).sum()
    }

    /// Whether a device is in use at this moment. The first call in a process looks for devices, as its first request does.
    pub fn has_hardware(&self) -> bool {
        self.enter().is_some_and(|process| process.core.has_active())
    }

    /// Whether a request that is about to be prepared may go to a device, as far as can be said without starting anything: one
    /// is in use, this process has had no request yet, or software is forbidden.
    pub fn may_have_hardware(&self) -> bool {
        self.config.require_hardware
            || !self.config.devices.is_empty()
                && self.process.current().is_none_or(|process| process.core.has_active())
    }

    /// For a face that can compute a request of this kind itself, as well as the software path would: counts it as a
    /// request, from now to [`SoftwareRequest::end`]. None if there is a device for it, or if hardware is required: then make a
    /// request of it.
    pub fn begin_software(&self, kind: Kind) -> Option<SoftwareRequest> {
        if self.config.require_hardware {
            return None;
        }
        match self.enter() {
            Some(process) if process.core.has_active() => None,
            process => Some(SoftwareRequest::begin(process.map(|process| process.core.clone()), kind)),
        }
    }

    /// As [`Offload::begin_software`], for a request that its face began to compute when there was no device, so that it
    /// can't become one's any more.
    pub fn go_on_in_software(&self, kind: Kind) -> SoftwareRequest {
        SoftwareRequest::begin(self.enter().map(|process| process.core.clone()), kind)
    }

    /// Counts an operation that a face computed by itself, in software, since no device is meant for it (a cheap
    /// public operation, another size). Such operations are no requests, and do not make a process one that uses devices.
    pub fn count_passed_through(&self) {
        if let Some(process) = self.process.current() {
            process.core.stats.count(Counter::PassedThrough);
        }
    }

    /// Counts a job of the application's that a face had paused until its request had moved on.
    pub fn count_paused(&self) {
        if let Some(process) = self.process.current() {
            process.core.stats.count(Counter::JobsPaused);
        }
    }

    /// Ends what runs in this process: threads are joined, instances are given back, and requests that wait for a device are
    /// left to their owners, who compute them. What is submitted afterwards is computed in software. Always succeeds, twice
    /// does no harm.
    pub fn close(&self) {
        let Some(process) = self.process.close() else { return };
        let core = &process.core;
        let threads = std::mem::take(&mut *process.threads.lock().unwrap_or_else(PoisonError::into_inner));
        core.leave_all();
        if let Some(carer) = threads.carer {
            carer.stop(core);
        }
        if let Some(event_loop) = threads.event_loop {
            event_loop.stop(core);
        }
        // The carer may have been taking one back.
        core.leave_all();
        core.let_go();
    }

    fn enter(&self) -> Option<Arc<Process>> {
        self.process.enter(|home| self.start(home).map(Arc::new))
    }

    fn start(&self, home: Home) -> Option<Process> {
        let stats = self.publish()?;
        let handle = if self.config.devices.is_empty() { None } else { self.event_loop_handle() };
        let core = Arc::new(Core::new(self.config.clone(), self.fallback.clone(), stats, home, handle));
        let threads = if core.event_loop.is_some() { Self::start_threads(&core) } else { Threads::default() };
        if threads.carer.is_some() {
            // A short-lived process would otherwise never meet its devices.
            core.care.wait_for_first_round(self.config.instance.connect_timeout);
        }
        Some(Process { core, threads: Mutex::new(threads) })
    }

    fn event_loop_handle(&self) -> Option<LoopHandle> {
        LoopHandle::new()
            .inspect_err(|error| tracing::error!(%error, "no descriptors for a completion loop: everything is computed in software"))
            .ok()
    }

    /// Both threads, or none, and then no device is ever used.
    fn start_threads(core: &Arc<Core>) -> Threads {
        let failed = |error: std::io::Error| {
            tracing::error!(%error, "no thread to look after devices: everything is computed in software");
        };
        let Ok(event_loop) = EventLoop::start(core.clone()).map_err(failed) else {
            return Threads::default();
        };
        match Carer::start(core.clone()) {
            Ok(carer) => Threads { event_loop: Some(event_loop), carer: Some(carer) },
            Err(error) => {
                failed(error);
                event_loop.stop(core);
                Threads::default()
            }
        }
    }

    fn publish(&self) -> Option<Published> {
        if let Some(directory) = &self.config.stats_dir {
            match Published::create(directory) {
                Ok(published) => return Some(published),
                Err(error) => {
                    tracing::warn!(directory = %directory.display(), %error, "counters are not published; set stats_dir");
                }
            }
        }
        Published::private().ok()
    }

    /// Software without anything around it.
    fn compute(&self, request: &Request) -> Result<Output, Error> {
        if self.config.require_hardware {
            return Err(Error::HardwareRequired);
        }
        let mut output = Output::new();
        self.fallback.execute(request, &mut output).map_err(software_error)?;
        Ok(output)
    }

    /// Software for a request that never sees a device: it needs no entry in the ledger, since its caller stays.
    fn compute_counted(&self, core: &Core, request: &Request) -> Result<Output, Error> {
        let started = Instant::now();
        core.note_time(started);
        core.stats.count(Counter::Submitted);
        core.stats.count(Counter::InFlight);
        let result = self.compute(request);
        core.stats.count(match &result {
            Ok(_) => {
                core.stats.completed(request.kind(), Path::Software, started.elapsed());
                Counter::Software
            }
            Err(Error::HardwareRequired) => Counter::Refused,
            Err(_) => Counter::CallerErrors,
        });
        core.stats.subtract(Counter::InFlight);
        result
    }
}

impl Drop for Offload {
    fn drop(&mut self) {
        self.close();
    }
}
