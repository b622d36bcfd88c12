//! How asynchronous requests move on: whoever has tickets calls [`crate::Offload::drive`], which polls the devices, takes what
//! is ready a step further, ends what has missed its deadline, and, if there is nothing to do, sleeps until there is.
//!
//! Several threads may drive. One of those that have nothing to do sleeps on the descriptors; the others wait until some turn
//! has ended, since what they wait for may have ended in it, or it is for them now to sleep on the descriptors.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;
use hotspare_device::Instance;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};

use crate::core::{Core, SoftwareStep, Step};
use crate::deadlines::Deadlines;
use crate::ledger::{EntryId, Waiter};
use crate::target::Target;

/// How many requests are moved on in one turn, and how many of them are computed in software, so that an event loop goes on
/// breathing.
const MOVED_PER_TURN: usize = 1024;
const SOFTWARE_PER_TURN: usize = 8;

/// When a request that somebody else was moving on is looked at again.
const BUSY_AGAIN: Duration = Duration::from_millis(1);

/// What waits to be driven.
#[derive(Default)]
pub(crate) struct Drive {
    ready: SegQueue<EntryId>,
    deadlines: Mutex<Deadlines>,
    /// Wakes the driver that sleeps on the descriptors.
    bell: OnceLock<Option<OwnedFd>>,
    /// Whether there is one, or is about to be.
    sleeping: AtomicBool,
    /// Held by it.
    sleeper: Mutex<()>,
    turns: Mutex<Turns>,
    turn_ended: Condvar,
}

#[derive(Default)]
struct Turns {
    /// How many have ended.
    ended: u64,
    /// How many threads wait for the end of one.
    waiting: usize,
}

impl Drive {
    /// There is something to do for this request.
    pub(crate) fn ready(&self, id: EntryId) {
        self.ready.push(id);
        self.wake_sleeper();
    }

    /// Wakes the driver that sleeps on the descriptors, so that it looks at everything again. Who calls this has changed
    /// something before.
    pub(crate) fn wake_sleeper(&self) {
        // SeqCst: either the driver, about to sleep, sees what was changed, or we see that it sleeps.
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) {
            if let Some(Some(bell)) = self.bell.get() {
                // A full counter means that it was rung already.
                let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
            }
        }
    }

    /// Remembers when the request must be out of hardware. A driver that sleeps learns of it, and of the device that has the
    /// request.
    pub(crate) fn until(&self, core: &Core, id: EntryId, deadline: Instant) {
        self.deadlines().add(id, deadline, &|id| core.is_open(id));
        self.wake_sleeper();
    }

    fn deadlines(&self) -> MutexGuard<'_, Deadlines> {
        self.deadlines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the other drivers: `ended` requests have ended, some of them perhaps theirs.
    fn end_turn(&self, ended: usize) {
        let mut turns = self.turns();
        turns.ended += 1;
        if turns.waiting > 0 {
            self.turn_ended.notify_all();
        }
        drop(turns);
        if ended > 0 {
            self.wake_sleeper();
        }
    }

    /// Waits until a turn has ended since `seen` had, no longer than `until`.
    fn wait_for_turn(&self, seen: u64, until: Instant) {
        let mut turns = self.turns();
        turns.waiting += 1;
        let longest = until.saturating_duration_since(Instant::now());
        let wait = self.turn_ended.wait_timeout_while(turns, longest, |turns| turns.ended == seen);
        wait.unwrap_or_else(PoisonError::into_inner).0.waiting -= 1;
    }

    fn bell(&self) -> Option<&OwnedFd> {
        let make = || rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
        self.bell.get_or_init(make).as_ref()
    }
}

/// One turn, no longer than `longest`; it ends when something was moved on, or what the caller waits for `is_done`. Returns how
/// many requests have ended in it.
pub(crate) fn turn(core: &Core, longest: Duration, is_done: &dyn Fn() -> bool) -> usize {
    let until = Instant::now() + longest;
    let ended = loop {
        let seen = core.drive.turns().ended;
        poll_all(core);
        let (moved, ended) = move_on(core);
        if moved > 0 || is_done() || Instant::now() >= until {
            break ended;
        }
        sleep(core, seen, until);
    };
    core.drive.end_turn(ended);
    ended
}

fn poll_all(core: &Core) {
    for target in core.targets().filter(|target| target.load() > 0) {
        core.poll_if_free(target);
    }
}

/// Takes what is overdue, and what is ready, as far as it goes. Returns how many requests it moved, and how many ended.
fn move_on(core: &Core) -> (usize, usize) {
    let (mut moved, mut ended, mut computed) = (0, 0, 0);
    let now = Instant::now();
    let overdue = std::iter::from_fn(|| core.drive.deadlines().overdue(now));
    let ready = std::iter::from_fn(|| core.drive.ready.pop());
    for id in overdue.chain(ready).take(MOVED_PER_TURN) {
        let mut step = core.advance(id, now, SoftwareStep::Leave);
        if step == Step::Software {
            computed += 1;
            step = core.advance(id, now, SoftwareStep::Take);
        }
        match step {
            Step::Done => {
                let is_news = notify(core, id);
                ended += usize::from(is_news);
                moved += usize::from(is_news);
            }
            Step::Waiting(_, deadline) => {
                core.drive.until(core, id, deadline);
                moved += 1;
            }
            Step::Software => moved += 1,
            // Somebody else is at it, and may be about to give it to a device: its deadline must not be forgotten.
            Step::Busy => core.drive.until(core, id, now + BUSY_AGAIN),
            Step::Gone => {}
        }
        if computed == SOFTWARE_PER_TURN {
            break;
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

/// A device whose turn to poll the sleeper has.
struct Led<'a> {
    target: &'a Target,
    instance: Arc<dyn Instance>,
    removal: Option<Arc<OwnedFd>>,
    turn: MutexGuard<'a, ()>,
}

fn sleep(core: &Core, seen: u64, until: Instant) {
    let sleeper = match core.drive.sleeper.try_lock() {
        Ok(sleeper) => sleeper,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return core.drive.wait_for_turn(seen, until),
    };
    let Some(bell) = core.drive.bell() else {
        // Out of descriptors: without one to sleep on, we look again and again, but not all the time.
        return core.drive.wait_for_turn(seen, until.min(Instant::now() + BUSY_AGAIN));
    };
    core.drive.sleeping.store(true, Ordering::Relaxed);
    // SeqCst: see `Drive::wake_sleeper`. Everything that may need us is looked at after this.
    std::sync::atomic::fence(Ordering::SeqCst);
    let deadline = core.drive.deadlines().next(&|id| core.is_open(id));
    let until = deadline.map_or(until, |deadline| deadline.min(until));
    let mut quiet = core.drive.ready.is_empty() && core.drive.turns().ended == seen;
    let mut led = Vec::new();
    for target in core.targets().filter(|target| target.load() > 0) {
        let (Some(turn), Some(instance)) = (target.try_turn(), target.instance()) else { continue };
        quiet &= instance.prepare_wait();
        led.push(Led { target, removal: instance.removal_descriptor(), instance, turn });
    }
    let removed = quiet && wait(bell, &led, until);
    core.drive.sleeping.store(false, Ordering::Relaxed);
    let _ = rustix::io::read(bell, &mut [0_u8; 8]);
    for Led { target, instance, turn, .. } in led {
        instance.end_wait();
        if removed {
            instance.notice_removal();
        }
        drop(turn);
        core.pass_on(target);
    }
    drop(sleeper);
}

/// Sleeps until a doorbell rings. True if some device seems to be removed.
fn wait(bell: &OwnedFd, led: &[Led<'_>], until: Instant) -> bool {
    let watched = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
    let mut descriptors = vec![watched(bell.as_fd())];
    descriptors.extend(led.iter().map(|led| watched(led.instance.descriptor())));
    descriptors.extend(led.iter().filter_map(|led| Some(watched(led.removal.as_deref()?.as_fd()))));
    let Ok(left) = Timespec::try_from(until.saturating_duration_since(Instant::now())) else { return false };
    // An interrupted or failed wait is a short one: the caller looks again.
    let _ = rustix::event::poll(&mut descriptors, Some(&left));
    descriptors[1 + led.len()..].iter().any(|removal| !removal.revents().is_empty())
}
