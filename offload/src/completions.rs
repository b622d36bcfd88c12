//! Asynchronous requests whose owners are to be woken.
//!
//! A device's answer arrives under the driver's lock, so [`crate::sink::DeviceSink`] only notes the request here. Whoever has
//! polled gives up his turn and then delivers: with no lock held, requests that a device has failed go to another one, and
//! owners of the others are woken. The owner does in its own thread what takes time: verifying, software.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crossbeam_queue::SegQueue;

use crate::core::{Core, SoftwareStep};
use crate::ledger::{EntryId, Stage, Waiter};

/// What was noted and not delivered. A queue without a lock: any thread may poll, and any may deliver.
#[derive(Default)]
pub(crate) struct Completions(SegQueue<EntryId>);

impl Completions {
    /// Something has become of this request.
    pub(crate) fn note(&self, id: EntryId) {
        self.0.push(id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

thread_local! {
    /// Somebody further up this thread's stack delivers: an owner that is woken may submit, and so come here again.
    static DELIVERING: Cell<bool> = const { Cell::new(false) };
}

impl Core {
    /// Delivers what was noted. To be called by everyone who has polled, without the turn.
    pub(crate) fn deliver(&self) {
        if self.completions.is_empty() || DELIVERING.replace(true) {
            return;
        }
        while let Some(id) = self.completions.0.pop() {
            self.tell(id);
        }
        DELIVERING.set(false);
    }

    fn tell(&self, id: EntryId) {
        let Some(entry) = self.ledger.entry(id.index) else { return };
        let stage = entry.progress_of(id).map(|progress| progress.stage);
        if stage == Some(Stage::Route) {
            // Another device has it at once, whenever its owner may come.
            self.advance(id, Instant::now(), SoftwareStep::Leave);
        }
        let waker = match entry.progress_of(id) {
            Some(progress) if !matches!(progress.stage, Stage::Hardware(_)) => match &progress.waiter {
                Waiter::Woken(waker) => waker.clone(),
                _ => return,
            },
            _ => return,
        };
        // An owner that panics must not take others' completions with it.
        if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
            tracing::error!("the owner of a request panicked as it was woken");
        }
    }
}
