//! How a thread waits for a device: it polls, spins briefly, then sleeps on the instance's descriptor until its deadline.
//!
//! Several threads may wait on one instance. One of them has the turn: it polls for all and alone sleeps on the descriptor
//! (leader); the others park (followers). A follower is unparked when its own request is answered, or when the turn
//! is free. Every wait ends by its deadline, whatever goes wrong.

use std::os::fd::AsFd;
use std::time::Instant;

use hotspare_device::{Instance, Output};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::Error;
use crate::core::{Core, SoftwareStep, Step};
use crate::ledger::{EntryId, Stage, Waiter};
use crate::target::Target;

/// Waits for the request's end, moving it on, and takes its result. `now` is the time, as last seen.
pub(crate) fn result(core: &Core, id: EntryId, mut now: Instant) -> Result<Output, Error> {
    loop {
        // What a device has computed and needs no verifying has ended: no look at the clock, and none at anything else.
        if let Some(result) = core.collect_if_done(id) {
            return result;
        }
        match core.advance(id, now, SoftwareStep::Take) {
            Step::Waiting(target, deadline) => {
                if let Some(target) = core.target(target) {
                    let is_open = || still_in_hardware(core, id, target);
                    now = wait_for_entry(core, id, target, (now, deadline), &is_open);
                }
            }
            Step::Done | Step::Gone => return core.collect(id),
            // A synchronous request has one owner, which is this thread.
            Step::Busy | Step::Software => std::thread::yield_now(),
        }
    }
}

fn still_in_hardware(core: &Core, id: EntryId, target: &Target) -> bool {
    let entry = core.ledger.entry(id.index);
    entry
        .and_then(|entry| entry.progress_of(id))
        .is_some_and(|progress| progress.stage == Stage::Hardware(target.index))
}

/// Gives the time, as last seen.
fn wait_for_entry(
    core: &Core,
    id: EntryId,
    target: &Target,
    (now, deadline): (Instant, Instant),
    is_open: &dyn Fn() -> bool,
) -> Instant {
    if let Some(turn) = target.try_turn() {
        let now = lead(core, target, (now, deadline), is_open);
        drop(turn);
        core.pass_on(target);
        return now;
    }
    let former =
        core.ledger.entry(id.index).and_then(|entry| entry.progress_of(id)).map(|mut progress| {
            std::mem::replace(&mut progress.waiter, Waiter::Thread(std::thread::current()))
        });
    // With no lock held: a waker may own anything, tickets included.
    drop(former);
    wait_for(core, target, deadline, is_open);
    Instant::now()
}

/// Waits until `is_open` is false, or the deadline has passed, or the device can't answer any more; may return earlier.
pub(crate) fn wait_for(core: &Core, target: &Target, deadline: Instant, is_open: &dyn Fn() -> bool) {
    target.follow();
    while is_open() {
        if let Some(_turn) = target.try_turn() {
            lead(core, target, (Instant::now(), deadline), is_open);
            break;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        std::thread::park_timeout(left);
    }
    target.unfollow();
    core.pass_on(target);
}

/// While it spins, a thread looks at the clock once in so many polls: one costs about as much as two polls that find nothing.
const POLLS_FOR_A_LOOK: u32 = 16;

/// Polls for all until our own request is answered or its deadline has passed. The caller has the turn. `now` is the time, as last
/// seen; gives the same.
fn lead(
    core: &Core,
    target: &Target,
    (mut now, deadline): (Instant, Instant),
    is_open: &dyn Fn() -> bool,
) -> Instant {
    // Rings that are exchanged have nothing of ours any more; we'll see that, or our deadline.
    let Some(instance) = target.instance() else { return Instant::now() };
    let spin_until = now + core.config.spin;
    for polls in 0_u32.. {
        let given = core.poll(target, &*instance);
        let looks = polls % POLLS_FOR_A_LOOK == 0;
        // Before we had the turn, and by other ways than an answer, it may have ended without one that we see.
        if (given > 0 || looks) && !is_open() {
            break;
        }
        // What was found for others is theirs at once: it is delivered without the turn.
        if given > 0 && !core.completions.is_empty() {
            break;
        }
        if !looks {
            std::hint::spin_loop();
            continue;
        }
        now = Instant::now();
        if now >= deadline {
            break;
        }
        if now < spin_until {
            continue;
        }
        if instance.prepare_wait() {
            // System calls of a wait, none of which a device that is slower than our spinning saves us: one to sleep, one to
            // clear the doorbell.
            sleep(&*instance, deadline.saturating_duration_since(now));
            instance.end_wait();
        }
        // Whether it is to ring for the completion loop is looked at when the turn is given up.
        target.arming.disarm();
    }
    now
}

fn sleep(instance: &dyn Instance, longest: std::time::Duration) {
    let Ok(longest) = Timespec::try_from(longest) else { return };
    let removal = instance.removal_descriptor();
    let doorbell = PollFd::from_borrowed_fd(instance.descriptor(), PollFlags::IN);
    // An interrupted or failed wait is a short one: the caller looks again.
    match &removal {
        Some(removal) => {
            let mut descriptors = [doorbell, PollFd::from_borrowed_fd(removal.as_fd(), PollFlags::IN)];
            let _ = rustix::event::poll(&mut descriptors, Some(&longest));
            if !descriptors[1].revents().is_empty() {
                instance.notice_removal();
            }
        }
        None => {
            let _ = rustix::event::poll(&mut [doorbell], Some(&longest));
        }
    }
}
