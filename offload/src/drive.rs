//! How asynchronous requests move on: whoever has tickets calls [`crate::Offload::drive`], which polls the devices, takes what
//! is ready a step further, ends what has missed its deadline, and, if there is nothing to do, sleeps until there is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};

use crate::core::{Core, SoftwareStep, Step};
use crate::ledger::{EntryId, Waiter};

/// How many requests are computed in software in one turn, so that an event loop goes on breathing.
const SOFTWARE_PER_TURN: usize = 8;

/// When a request that somebody else was moving on is looked at again.
const BUSY_AGAIN: Duration = Duration::from_millis(1);

/// What waits to be driven.
#[derive(Default)]
pub(crate) struct Drive {
    ready: SegQueue<EntryId>,
    /// Deadlines of what was submitted; those of requests that have ended are skipped when they come up.
    deadlines: Mutex<BinaryHeap<Reverse<(Instant, u32, u32)>>>,
    /// Wakes the driver that sleeps.
    bell: OnceLock<Option<OwnedFd>>,
    sleeping: AtomicBool,
}

impl Drive {
    /// There is something to do for this request.
    pub(crate) fn ready(&self, id: EntryId) {
        self.ready.push(id);
        // SeqCst: either the driver, about to sleep, sees the queue's new element, or we see that it sleeps.
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::SeqCst) {
            if let Some(Some(bell)) = self.bell.get() {
                let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
            }
        }
    }

    /// Remembers when the request must be out of hardware.
    pub(crate) fn until(&self, id: EntryId, deadline: Instant) {
        let mut deadlines = self.deadlines.lock().unwrap_or_else(PoisonError::into_inner);
        deadlines.push(Reverse((deadline, id.index, id.generation)));
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.deadlines.lock().unwrap_or_else(PoisonError::into_inner);
        deadlines.peek().map(|Reverse((deadline, _, _))| *deadline)
    }

    fn overdue(&self, now: Instant) -> Option<EntryId> {
        let mut deadlines = self.deadlines.lock().unwrap_or_else(PoisonError::into_inner);
        match deadlines.peek() {
            Some(Reverse((deadline, _, _))) if *deadline <= now => {
                deadlines.pop().map(|Reverse((_, index, generation))| EntryId { index, generation })
            }
            _ => None,
        }
    }

    fn bell(&self) -> Option<&OwnedFd> {
        let make = || rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
        self.bell.get_or_init(make).as_ref()
    }
}

/// One turn, no longer than `longest`. Returns how many requests have ended in it.
pub(crate) fn turn(core: &Core, longest: Duration) -> usize {
    let until = Instant::now() + longest;
    loop {
        poll_all(core);
        let (moved, ended) = move_on(core);
        if moved > 0 || Instant::now() >= until {
            return ended;
        }
        sleep(core, until);
    }
}

fn poll_all(core: &Core) {
    for target in core.targets().filter(|target| target.load() > 0) {
        core.poll_if_free(target);
    }
}

/// Takes what is ready, and what is overdue, as far as it goes. Returns how many requests it moved, and how many ended.
fn move_on(core: &Core) -> (usize, usize) {
    let (mut moved, mut ended, mut computed) = (0, 0, 0);
    let now = Instant::now();
    let next = || core.drive.ready.pop().or_else(|| core.drive.overdue(now));
    while computed < SOFTWARE_PER_TURN {
        let Some(id) = next() else { break };
        let mut step = core.advance(id, now, SoftwareStep::Leave);
        if step == Step::Software {
            computed += 1;
            step = core.advance(id, now, SoftwareStep::Take);
        }
        match step {
            Step::Done => {
                ended += usize::from(notify(core, id));
                moved += 1;
            }
            Step::Waiting(..) | Step::Software => moved += 1,
            // Somebody else is at it, and may be about to give it to a device: its deadline must not be forgotten.
            Step::Busy => core.drive.until(id, now + BUSY_AGAIN),
            Step::Gone => {}
        }
    }
    (moved, ended)
}

/// Gives the notice of a request that has ended, with no lock held. False if it was given before.
fn notify(core: &Core, id: EntryId) -> bool {
    let waiter = core.ledger.entry(id.index).and_then(|entry| {
        let mut progress = entry.progress_of(id)?;
        Some(std::mem::replace(&mut progress.waiter, Waiter::Nobody))
    });
    match waiter {
        Some(Waiter::Driver(notice)) => {
            if let Some(notice) = notice {
                notice();
            }
            true
        }
        _ => false,
    }
}

fn sleep(core: &Core, until: Instant) {
    let Some(bell) = core.drive.bell() else { return std::thread::yield_now() };
    let until = core.drive.next_deadline().map_or(until, |deadline| deadline.min(until));
    core.drive.sleeping.store(true, Ordering::SeqCst);
    // SeqCst: see `Drive::ready`.
    std::sync::atomic::fence(Ordering::SeqCst);
    let mut led = Vec::new();
    let mut quiet = core.drive.ready.is_empty();
    for target in core.targets().filter(|target| target.load() > 0) {
        let (Some(turn), Some(instance)) = (target.try_turn(), target.instance.get()) else { continue };
        quiet &= instance.prepare_wait();
        led.push((turn, target, instance, instance.removal_descriptor()));
    }
    if quiet {
        let mut descriptors = vec![PollFd::from_borrowed_fd(bell.as_fd(), PollFlags::IN)];
        for (_, _, instance, removal) in &led {
            descriptors.push(PollFd::from_borrowed_fd(instance.descriptor(), PollFlags::IN));
            descriptors.extend(removal.iter().map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)));
        }
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now()));
        if let Ok(left) = left {
            // An interrupted or failed wait is a short one: the caller looks again.
            let _ = rustix::event::poll(&mut descriptors, Some(&left));
        }
    }
    core.drive.sleeping.store(false, Ordering::SeqCst);
    let _ = rustix::io::read(bell, &mut [0_u8; 8]);
    for (turn, target, instance, _) in led {
        instance.end_wait();
        instance.notice_removal();
        drop(turn);
        target.pass_on();
    }
}
