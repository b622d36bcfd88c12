//! Who polls a device, and what he leaves behind for others: the turn, the doorbell, what he has found. And what the completion
//! loop does for the requests that it watches. See [`crate::arming`] for why nothing is left lying.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use hotspare_device::Instance;

use crate::arming::Doorbell;
use crate::core::{Core, SoftwareStep};
use crate::ledger::{EntryId, Stage, Waiter};
use crate::sink::DeviceSink;
use crate::target::Target;

impl Core {
    /// Polls a device once, unless somebody else has its turn, who then polls for us too. Gives how many answers it had.
    pub(crate) fn poll_if_free(&self, target: &Target) -> usize {
        let Some(turn) = target.try_turn() else { return 0 };
        let given = target.with_instance(|instance| self.poll(target, instance));
        drop(turn);
        self.pass_on(target);
        given.unwrap_or(0)
    }

    /// Polls a device once. The caller has its turn; when he has given it up, he calls [`Core::pass_on`].
    pub(crate) fn poll(&self, target: &Target, instance: &dyn Instance) -> usize {
        instance.poll(&mut DeviceSink { core: self, target, now: None })
    }

    /// To be called by everyone who has polled a device, after giving up its turn. If the turn is free and somebody wants it, he
    /// is woken, and passes it on in his turn, so no wake-up is lost, whoever leaves first. What he has found for others is
    /// delivered.
    pub(crate) fn pass_on(&self, target: &Target) {
        // SeqCst: who wants the turn says so before he tries to get it (`Target::follow`). Either he gets it, or we see him.
        std::sync::atomic::fence(Ordering::SeqCst);
        if !target.wake_follower() && target.arming.is_watched() {
            self.arm_if_asleep(target);
        }
        self.deliver();
    }

    /// A watched request was submitted.
    pub(crate) fn watch(&self, target: &Target, deadline: Instant) {
        if self.arm_if_asleep(target) {
            self.deliver();
        }
        if let Some(event_loop) = &self.event_loop {
            event_loop.wake_at(deadline);
        }
    }

    fn arm_if_asleep(&self, target: &Target) -> bool {
        self.event_loop.as_ref().is_some_and(|event_loop| event_loop.sleep.is_asleep()) && self.arm(target)
    }

    /// Sees to it that the device rings for its watched requests. True if something was polled on the way: it is to be
    /// delivered.
    pub(crate) fn arm(&self, target: &Target) -> bool {
        /// The device behind a target.
        struct Rings<'a>(&'a Core, &'a Target, Arc<dyn Instance>);
        impl Doorbell for Rings<'_> {
            fn prepare_wait(&self) -> bool {
                self.2.prepare_wait()
            }

            fn poll(&self) -> bool {
                let Rings(core, target, instance) = self;
                let Some(turn) = target.try_turn() else { return false };
                core.poll(target, &**instance);
                drop(turn);
                std::sync::atomic::fence(Ordering::SeqCst);
                target.wake_follower();
                true
            }
        }
        target.instance().is_some_and(|instance| target.arming.arm(&Rings(self, target, instance)))
    }

    /// What is watched and has missed its deadline leaves hardware. Gives the next deadline of those that are watched.
    pub(crate) fn take_overdue(&self, now: Instant) -> Option<Instant> {
        let mut next = None;
        for (index, entry) in (0_u32..).zip(self.ledger.entries()) {
            let (id, deadline) = {
                let progress = entry.progress();
                if !progress.watched || !matches!(progress.stage, Stage::Hardware(_)) {
                    continue;
                }
                (EntryId { index, generation: progress.generation }, progress.deadline)
            };
            if deadline <= now {
                self.advance(id, now, SoftwareStep::Leave);
                self.completions.note(id);
            } else if next.is_none_or(|next| deadline < next) {
                next = Some(deadline);
            }
        }
        self.deliver();
        next
    }

    /// The loop has ended: what it watched is its owners' to go on with, in software.
    pub(crate) fn let_go(&self) {
        for (index, entry) in (0_u32..).zip(self.ledger.entries()) {
            let mut progress = entry.progress();
            let Stage::Hardware(target) = progress.stage else { continue };
            if !matches!(progress.waiter, Waiter::Woken(_)) {
                continue;
            }
            let id = EntryId { index, generation: progress.generation };
            let tag = id.tag(progress.attempt);
            progress.stage = Stage::Software;
            let watched = std::mem::take(&mut progress.watched);
            drop(progress);
            if let Some(target) = self.target(target) {
                self.take_back(target, tag, watched);
            }
            self.completions.note(id);
        }
        self.deliver();
    }
}
