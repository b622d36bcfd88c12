//! The heart of Hotspare: takes requests, gives them to devices, replays what a dying device leaves behind, and
//! computes in software what no device can. See `ARCHITECTURE.md` for the way of one request and the laws.

pub mod config;
mod core;
mod deadlines;
mod drive;
mod health;
mod known_answers;
mod ledger;
mod probe;
mod process;
mod router;
mod sink;
mod software;
mod target;
mod ticket;
mod usual;
mod verify;
mod wait;
mod watch;

#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hotspare_device::stats::{Counter, Path, Published};
use hotspare_device::{InvalidRequest, Kind, Output, Request};
use hotspare_fallback::Fallback;

pub use config::{Config, DeadlineRule, SETTINGS, Setting, SettingError};
pub use software::SoftwareRequest;
pub use ticket::{Completion, Ticket};

use crate::core::{Core, SoftwareStep, Step, software_error};
use ledger::Waiter;
use process::{Home, ProcessSlot};
use watch::Watcher;

/// Takes requests. Making one touches nothing outside (no thread, socket or mapping): all that comes with a process's
/// first request, again in each child of a fork.
pub struct Offload {
    config: Arc<Config>,
    fallback: Arc<Fallback>,
    process: ProcessSlot<Process>,
}

/// What one process has.
struct Process {
    core: Arc<Core>,
    watcher: Mutex<Option<Watcher>>,
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
        match core.accept(request, Waiter::Nobody) {
            Ok(id) => wait::result(core, id),
            Err((request, _)) => self.compute_counted(core, &request),
        }
    }

    /// Accepts `request` and returns at once. It moves on when somebody calls [`Offload::drive`].
    pub fn submit(&self, request: Request, completion: Completion) -> Ticket {
        let notice: Option<ticket::Notice> = match completion {
            Completion::Poll => None,
            Completion::Wake(waker) => Some(Box::new(move || waker.wake())),
        };
        let Some(process) = self.enter() else {
            return Ticket::ended(self.compute(&request), notice);
        };
        let core = process.core.clone();
        match core.accept(request, Waiter::Driver(notice)) {
            Ok(id) => {
                match core.advance(id, Instant::now(), SoftwareStep::Leave) {
                    Step::Waiting(_, deadline) => core.drive.until(&core, id, deadline),
                    _ => core.drive.ready(id),
                }
                Ticket::open(core, id)
            }
            // So many in flight at once that the best that can be done for them is to compute.
            Err((request, waiter)) => {
                let notice = if let Waiter::Driver(notice) = waiter { notice } else { None };
                Ticket::ended(self.compute_counted(&core, &request), notice)
            }
        }
    }

    /// Moves tickets of this process on: takes what devices have answered, replays, verifies, computes in software what has
    /// to be. If there is nothing to do, sleeps until there is, no longer than `longest`. Returns how many requests have ended.
    pub fn drive(&self, longest: Duration) -> usize {
        self.process.current().map_or(0, |process| drive::turn(&process.core, longest, &|| false))
    }

    /// [`Offload::drive`] without sleeping.
    pub fn poll(&self) -> usize {
        self.drive(Duration::ZERO)
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

    /// Ends what runs in this process: threads are joined, instances are given back. What is submitted afterwards is
    /// computed in software. Always succeeds, twice does no harm.
    pub fn close(&self) {
        if let Some(process) = self.process.close() {
            let watcher = process.watcher.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(watcher) = watcher {
                watcher.stop(&process.core);
            }
            process.core.leave_all();
        }
    }

    fn enter(&self) -> Option<Arc<Process>> {
        self.process.enter(|home| self.start(home).map(Arc::new))
    }

    fn start(&self, home: Home) -> Option<Process> {
        let stats = self.publish()?;
        let has_devices = !self.config.devices.is_empty();
        let bell = || {
            rustix::event::eventfd(
                0,
                rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK,
            )
        };
        let bell: Option<OwnedFd> = if has_devices { bell().ok() } else { None };
        let is_watched = bell.is_some();
        let core = Arc::new(Core::new(self.config.clone(), self.fallback.clone(), stats, home, bell));
        let watcher = is_watched.then(|| Watcher::start(core.clone()));
        if let Some(watcher) = &watcher {
            // A short-lived process would otherwise never meet its devices.
            watcher.wait_for_first_round(self.config.instance.connect_timeout);
        }
        Some(Process { core, watcher: Mutex::new(watcher) })
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
