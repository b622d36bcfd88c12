//! Asynchronous requests whose owners are to be woken.
//!
//! A device's answer arrives under the driver's lock, so [`crate::sink::DeviceSink`] only notes the request here. Whoever has
//! polled gives up his turn and then delivers: with no lock held, requests that a device has failed go to another one, and
//! owners of the others are woken. The owner does in its own thread what takes time: verifying, software.

use std::cell::RefCell;
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
    /// Whose completions are delivered further up this thread's stack, by address: an owner that is woken may submit, here or to
    /// another [`crate::Offload`], and so come here again.
    static DELIVERING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// This thread delivers, as long as it lives.
struct Delivering;

impl Delivering {
    /// None if it does already, further up its stack. A thread that is ending (its own data are gone) is not asked.
    fn begin(core: &Core) -> Option<Self> {
        let address = std::ptr::from_ref(core).addr();
        let begun = DELIVERING.try_with(|delivering| {
            let mut delivering = delivering.borrow_mut();
            let is_first = !delivering.contains(&address);
            if is_first {
                delivering.push(address);
            }
            is_first
        });
        begun.unwrap_or(true).then_some(Self)
    }
}

impl Drop for Delivering {
    fn drop(&mut self) {
        let _ = DELIVERING.try_with(|delivering| delivering.borrow_mut().pop());
    }
}

impl Core {
    /// Delivers what was noted. To be called by everyone who has polled, without the turn.
    pub(crate) fn deliver(&self) {
        if self.completions.is_empty() {
            return;
        }
        let Some(_delivering) = Delivering::begin(self) else { return };
        while let Some(id) = self.completions.0.pop() {
            self.tell(id);
        }
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
