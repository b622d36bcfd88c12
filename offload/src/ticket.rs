//! A ticket: what the submitter of an asynchronous request holds.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use hotspare_device::Output;

use crate::Error;
use crate::core::Core;
use crate::drive;
use crate::ledger::{EntryId, Stage};

/// Who moves an asynchronous request on, and how its owner learns of it.
#[derive(Debug, Clone, Default)]
pub enum Completion {
    /// Its owner does, and looks at the ticket: he calls [`crate::Offload::poll`] again and again.
    #[default]
    Poll,
    /// Hotspare does. When the ticket is worth polling, this is woken, with no lock held, in any thread (also in the one that
    /// submits, before it has the ticket). It may be woken more than once, and without a reason; it may submit, and drop tickets.
    Wake(Waker),
}

/// What is called when a request has ended.
pub(crate) type Notice = Box<dyn FnOnce() + Send>;

/// A request that was accepted. Dropping it abandons the request: its result, should there be one, is dropped, and memory
/// that a device has is kept until the device gives it back.
#[must_use = "dropping a ticket abandons its request"]
pub struct Ticket {
    state: State,
}

enum State {
    Open { core: Arc<Core>, id: EntryId },
    Ended(Box<Result<Output, Error>>),
    Taken,
}

impl Ticket {
    pub(crate) fn open(core: Arc<Core>, id: EntryId) -> Self {
        Self { state: State::Open { core, id } }
    }

    /// For a request that has ended already.
    pub(crate) fn ended(result: Result<Output, Error>, notice: Option<Notice>) -> Self {
        if let Some(notice) = notice {
            notice();
        }
        Self { state: State::Ended(Box::new(result)) }
    }

    /// Whether the result is there.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Open { core, id } if core.home.is_here() => {
                let progress = core.ledger.entry(id.index).and_then(|entry| entry.progress_of(*id));
                progress.is_none_or(|progress| progress.stage == Stage::Done)
            }
            _ => true,
        }
    }

    /// The result, if it is there. Gives it once.
    pub fn take(&mut self) -> Option<Result<Output, Error>> {
        if !self.is_done() {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Open { core, id } if core.home.is_here() => Some(core.collect(id)),
            State::Open { core, .. } => {
                forget(core);
                Some(Err(Error::Forked))
            }
            State::Ended(result) => Some(*result),
            State::Taken => None,
        }
    }

    /// The result, if the request has ended. What is left to be done for it and takes time (verifying, software) is done here,
    /// in the thread of its owner.
    pub fn poll(&mut self) -> Poll<Result<Output, Error>> {
        if let State::Open { core, .. } = &self.state {
            drive::turn(core, Duration::ZERO, &|| true);
        }
        self.take().map_or(Poll::Pending, Poll::Ready)
    }

    /// Drives until the result is there.
    ///
    /// # Errors
    /// [`Error`].
    pub fn wait(mut self) -> Result<Output, Error> {
        /// How long one turn sleeps at most; it is woken earlier by everything that happens.
        const TURN: Duration = Duration::from_millis(100);
        loop {
            if let Some(result) = self.take() {
                return result;
            }
            if let State::Open { core, .. } = &self.state {
                drive::turn(core, TURN, &|| self.is_done());
            }
        }
    }

    /// When the request leaves hardware at the latest; none if it has ended.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let State::Open { core, id } = &self.state else { return None };
        if !core.home.is_here() {
            return None;
        }
        Some(core.ledger.entry(id.index)?.progress_of(*id)?.deadline)
    }
}

/// A child of a fork has inherited a reference to what is its parent's: it is never dropped.
fn forget(core: Arc<Core>) {
    let _ = std::mem::ManuallyDrop::new(core);
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let State::Open { core, id } = std::mem::replace(&mut self.state, State::Taken) {
            if core.home.is_here() {
                core.abandon(id);
            } else {
                forget(core);
            }
        }
    }
}
