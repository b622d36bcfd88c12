//! The contract with drivers: [`Driver`], [`Device`], [`Instance`].
//!
//! It is made so that the vendor's user-space library fits behind it as it is: submit with a tag, poll for
//! completions in any order, a ring that says "retry", notifications of fatal error, restarting and restarted, and
//! dummy responses for what a fatal error caught in flight.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::address::Bdf;
use crate::class::Class;
use crate::request::{Operation, Request};

/// What finds and opens the devices of one kind: the meaning of a specification such as `emulated:DIR`.
pub trait Driver: Send + Sync {
    /// The devices that there are at this moment, those that don't answer included.
    ///
    /// # Errors
    /// [`OpenError`] if even that can't be found out.
    fn devices(&self) -> Result<Vec<Arc<dyn Device>>, OpenError>;
}

/// One accelerator.
pub trait Device: Send + Sync {
    /// Its PCI address, which is its name.
    fn address(&self) -> Bdf;

    /// Takes one of its instances for this process. Waits no longer than `options.connect_timeout`.
    ///
    /// # Errors
    /// [`OpenError`]; its class says whether trying again makes sense.
    fn open_instance(&self, options: &InstanceOptions) -> Result<Arc<dyn Instance>, OpenError>;
}

/// How an instance is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceOptions {
    /// Requests that may be in flight at once. A power of two, 8 to 4096.
    pub ring_depth: u32,
    /// Memory for operands and results, in MiB, 1 to 1024.
    pub arena_mb: u32,
    /// How long making the connection may take.
    pub connect_timeout: Duration,
}

impl Default for InstanceOptions {
    fn default() -> Self {
        Self { ring_depth: 256, arena_mb: 4, connect_timeout: Duration::from_millis(200) }
    }
}

/// Why there is no instance.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Nobody there, or it is going away.
    #[error("{what}: {source}")]
    Unreachable {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Every instance of the device has an owner.
    #[error("{0}: all instances are taken; start the device with more, or use fewer processes")]
    NoFreeInstance(Bdf),
    /// The device is in error, restarting or down.
    #[error("{0}: the device is {1}")]
    NotUp(Bdf, State),
    /// What answers doesn't speak our protocol.
    #[error("{what} is no device of this kind: {why}")]
    Protocol {
        /// What was tried.
        what: String,
        /// What was wrong.
        why: String,
    },
    /// The options can't be fulfilled.
    #[error("{0}")]
    Options(String),
    /// This process lacks something (memory, descriptors).
    #[error("{what}: {source}")]
    Local {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl OpenError {
    /// What class of error this is.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::NoFreeInstance(_) | Self::Local { .. } => Class::Unreachable,
            Self::NotUp(..) => Class::DeviceDown,
            Self::Protocol { .. } | Self::Options(_) => Class::Misconfigured,
        }
    }
}

/// The state of a device as one of its instances sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It works.
    Up,
    /// A fatal error: nothing is computed any more; what was in flight is answered by dummies.
    Error,
    /// A reset is under way.
    Restarting,
    /// Taken down by its administrator.
    Down,
    /// The device, or the process that serves it, is gone.
    Removed,
}

impl State {
    /// Its name, as logs and `hotspare status` have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Error => "error",
            Self::Restarting => "restarting",
            Self::Down => "down",
            Self::Removed => "removed",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What the submitter of a request gets back with its response: the driver carries it and does not look into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(pub u64);

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Computed; the output is what the device says that it is.
    Done,
    /// The device finds no result for these operands (a point off the curve). Whether that is so is for the
    /// submitter to judge: a device's word is not believed.
    Rejected,
    /// Caught in flight by a fatal error, a restart or a removal. Made by the driver from its private memory.
    Dummy,
    /// The device answered with something that cannot be: the code is the driver's own, for the log.
    Broken(u32),
}

/// The answer to one submitted request.
#[derive(Debug)]
pub struct Response<'a> {
    /// What was given at submission.
    pub tag: Tag,
    /// What became of it.
    pub status: Status,
    /// The result, copied out of the device's reach; empty unless `Done`, then as long as the request says.
    pub output: &'a [u8],
}

/// Why a request was not taken. Nothing of it is left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The ring, or its memory, is full at this moment: try elsewhere.
    #[error("the ring is full")]
    Full,
    /// Full, and [`Occupancy::is_clogged`]: trying again is in vain until the device was reset or has answered what it owes.
    #[error("most of the ring's memory is in quarantine")]
    Quarantined,
    /// The device is in error.
    #[error("the device is in error")]
    Error,
    /// The device restarts.
    #[error("the device restarts")]
    Restarting,
    /// The device is down or gone.
    #[error("the device is gone")]
    Gone,
    /// The device does not compute this operation.
    #[error("the device does not have this operation")]
    Unsupported,
}

impl SubmitError {
    /// What class of error this is; none if it is no fault at all.
    #[must_use]
    pub fn class(self) -> Option<Class> {
        match self {
            Self::Full => Some(Class::SubmitRefused),
            Self::Quarantined => Some(Class::Quarantined),
            Self::Error | Self::Restarting | Self::Gone => Some(Class::DeviceDown),
            Self::Unsupported => None,
        }
    }
}

/// Where responses go. Called with the instance's polling lock held: do not call back into the instance's `poll`.
pub trait Sink {
    /// One response. Each accepted request is given here exactly once, real or dummy.
    fn response(&mut self, response: Response<'_>);
}

impl<F: FnMut(Response<'_>)> Sink for F {
    fn response(&mut self, response: Response<'_>) {
        self(response);
    }
}

/// A pair of rings of one device, owned by this process.
///
/// Every method may be called from any thread; an instance is never used in a process other than the one that opened
/// it (the owner sees to that: a child of a fork forgets its parent's instances).
///
/// What a driver promises (the conformance suite checks it):
/// - each accepted request is answered exactly once, by a real response or by a dummy;
/// - after a fatal error it gives the real responses that are still in the ring, then one dummy for each request in
///   flight, in the order of submission;
/// - memory that the device may write to is not used again before the device answered for it or was fenced (reset
///   confirmed, epoch changed, process gone): it is in quarantine;
/// - nothing that the device writes makes it panic, read or write out of bounds, or answer for a wrong request;
/// - on a dead device submits fail at once and dropping the handle is clean.
pub trait Instance: Send + Sync {
    /// The device that it belongs to.
    fn address(&self) -> Bdf;

    /// Whether the device computes this.
    fn supports(&self, operation: Operation) -> bool;

    /// Hands a request to the device. Copies what it needs; does not block.
    ///
    /// # Errors
    /// [`SubmitError`]: the request was not taken.
    fn submit(&self, request: &Request, tag: Tag) -> Result<(), SubmitError> {
        self.enqueue(request, tag)?;
        self.ring();
        Ok(())
    }

    /// The first half of [`Instance::submit`]: the device need not look at the request before [`Instance::ring`], which is called
    /// once for all that were enqueued together.
    ///
    /// # Errors
    /// As of [`Instance::submit`].
    fn enqueue(&self, request: &Request, tag: Tag) -> Result<(), SubmitError>;

    /// Rings the device's doorbell for what was enqueued. Does not block.
    fn ring(&self);

    /// Gives all responses that are there to `sink`, notices error, restart and removal, and makes the dummies. Does
    /// not block. Returns how many responses it gave.
    fn poll(&self, sink: &mut dyn Sink) -> usize;

    /// Says that nobody waits any longer for the request with this tag: its memory goes to quarantine until the
    /// device answers or is fenced; its response, should it come, is still given to the sink.
    fn abandon(&self, tag: Tag);

    /// The device's state and epoch, as its rings say: one load, no system call.
    fn state(&self) -> (State, u64);

    /// Readable when `poll` may have something to give, provided that `prepare_wait` was called. The device rings once for each call of
    /// `prepare_wait`, at least; each ring wakes an edge-triggered wait, also if the descriptor was readable before.
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// Readable once the process that serves the device is gone; call `notice_removal` then. None if the driver has no
    /// such thing, or if the removal was noticed already.
    fn removal_descriptor(&self) -> Option<Arc<OwnedFd>>;

    /// Looks whether the process that serves the device is gone, with one system call. If so, the state is `Removed` from
    /// now on, and `poll` makes the dummies.
    fn notice_removal(&self) -> bool;

    /// To be called before waiting on `descriptor`: asks the device to ring. False if there is something to poll
    /// already; then don't wait. Another thread may be waiting when it is called, and must not lose its ring by that, whatever it gives.
    fn prepare_wait(&self) -> bool;

    /// To be called after the wait: the device need not ring any more.
    fn end_wait(&self);

    /// Tries to join a device that was removed and is back, with the same rings and memory. The handle is the same
    /// afterwards, the epoch higher. Waits no longer than the connect timeout; does nothing if it isn't removed.
    ///
    /// # Errors
    /// [`OpenError`]; it may be tried again.
    fn rejoin(&self) -> Result<(), OpenError>;

    /// How many requests are in flight, and how many pieces of memory are in quarantine.
    fn occupancy(&self) -> Occupancy;
}

/// See [`Instance::occupancy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Occupancy {
    /// Submitted and not answered.
    pub in_flight: u32,
    /// Pieces of memory that wait for the device to be fenced, or to answer somebody who left.
    pub quarantined: u32,
    /// Pieces of memory in all.
    pub slots: u32,
    /// How many requests may be in flight at once.
    pub depth: u32,
    /// How many could be, at this moment, beside those that nobody waits for any more and what is in quarantine.
    pub usable: u32,
    /// Responses that belonged to nobody: late, doubled, of an older epoch, or nonsense. Dropped.
    pub stray_responses: u64,
}

impl Occupancy {
    /// Whether quarantine has taken more than half of the places.
    #[must_use]
    pub fn is_clogged(&self) -> bool {
        self.usable < self.depth / 2
    }
}
