//! A ticket: what the submitter of an asynchronous request holds.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use hotspare_device::Output;

use crate::Error;
use crate::core::{Core, SoftwareStep, Step};
use crate::ledger::{EntryId, Stage};
use crate::process::forget;
use crate::wait;

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
    pub(crate) fn ended(result: Result<Output, Error>, completion: Completion) -> Self {
        if let Completion::Wake(waker) = completion {
            waker.wake();
        }
        Self { state: State::Ended(Box::new(result)) }
    }

    /// Whether [`Ticket::poll`] would do more than say "pending": no device has the request, or its deadline has passed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.state {
            State::Open { core, id } if core.home.is_here() => {
                let progress = core.ledger.entry(id.index).and_then(|entry| entry.progress_of(*id));
                progress.is_none_or(|progress| match progress.stage {
                    Stage::Hardware(_) => progress.deadline <= Instant::now(),
                    Stage::Busy => false,
                    _ => true,
                })
            }
            _ => true,
        }
    }

    /// The result, if the request has ended; gives it once, and is pending for ever afterwards. What is left to be done for it
    /// and takes time (verifying, software) is done here, in the thread of its owner. After a deadline that the owner of a
    /// polled request comes to see here, too.
    pub fn poll(&mut self) -> Poll<Result<Output, Error>> {
        if let State::Open { core, id } = &self.state {
            if core.home.is_here() {
                // A request that has ended needs no look at the clock.
                let step = match core.collect_if_done(*id) {
                    Some(result) => {
                        self.state = State::Taken;
                        return Poll::Ready(result);
                    }
                    None => core.advance(*id, Instant::now(), SoftwareStep::Take),
                };
                if matches!(step, Step::Waiting(..) | Step::Busy | Step::Software) {
                    return Poll::Pending;
                }
            }
        }
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Open { core, id } if core.home.is_here() => Poll::Ready(core.collect(id)),
            State::Open { core, .. } => {
                forget(core);
                Poll::Ready(Err(Error::Forked))
            }
            State::Ended(result) => Poll::Ready(*result),
            State::Taken => Poll::Pending,
        }
    }

    /// Waits for the result, as [`crate::Offload::execute`] does.
    ///
    /// # Errors
    /// [`Error`].
    pub fn wait(mut self) -> Result<Output, Error> {
        if let State::Open { core, id } = &self.state {
            if core.home.is_here() {
                let (core, id) = (core.clone(), *id);
                self.state = State::Taken;
                return wait::result(&core, id, Instant::now());
            }
        }
        match self.poll() {
            Poll::Ready(result) => result,
            Poll::Pending => Err(Error::Software("a result was waited for that had been taken".to_owned())),
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
