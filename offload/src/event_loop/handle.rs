//! What other threads need of the completion loop: to ring it, and to set its timer.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::EventfdFlags;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use crate::arming::Sleep;

/// See the module.
pub(crate) struct LoopHandle {
    /// Whether it sleeps.
    pub(crate) sleep: Sleep,
    /// Rung for what is below.
    pub(super) bell: OwnedFd,
    /// It is to end.
    pub(super) stop: AtomicBool,
    /// There may be other devices, or other rings of theirs, than it knows.
    pub(super) look_at_devices: AtomicBool,
    /// Runs out at the soonest deadline of a watched request, or before.
    pub(super) timer: OwnedFd,
    began: Instant,
    /// At which nanosecond since `began` the timer runs out; `u64::MAX`: never.
    due: AtomicU64,
    setting: Mutex<()>,
}

const NEVER: u64 = u64::MAX;

impl LoopHandle {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            sleep: Sleep::default(),
            bell: rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            stop: AtomicBool::new(false),
            look_at_devices: AtomicBool::new(false),
            timer: rustix::time::timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
            )?,
            began: Instant::now(),
            due: AtomicU64::new(NEVER),
            setting: Mutex::new(()),
        })
    }

    /// Devices, or their rings, have changed.
    pub(crate) fn look_at_devices(&self) {
        self.look_at_devices.store(true, Ordering::Release);
        self.ring();
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.ring();
    }

    fn ring(&self) {
        // A full counter means that it was rung already.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// The loop looks for missed deadlines at this time at the latest. Costs a system call only if the timer would run out
    /// later, so once in the time of a deadline under load.
    pub(crate) fn wake_at(&self, deadline: Instant) {
        let nanos = deadline.saturating_duration_since(self.began).as_nanos();
        let at = u64::try_from(nanos).unwrap_or(NEVER - 1);
        // SeqCst with `take_timer`: either the loop's look at the ledger, which comes after, sees our request, or we see
        // that the timer is not set.
        std::sync::atomic::fence(Ordering::SeqCst);
        if at >= self.due.load(Ordering::Relaxed) || at >= self.due.fetch_min(at, Ordering::Relaxed) {
            return;
        }
        // Whoever sets it last, sets it to the soonest time.
        let _setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        let due = self.due.load(Ordering::Relaxed);
        if due != NEVER {
            let due = self.began + Duration::from_nanos(due);
            self.set_timer(due.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1)));
        }
    }

    /// The loop looks for missed deadlines now, and sets the timer anew after that.
    pub(super) fn take_timer(&self) {
        let _ = rustix::io::read(&self.timer, &mut [0_u8; 8]);
        self.due.store(NEVER, Ordering::Relaxed);
        std::sync::atomic::fence(Ordering::SeqCst);
    }

    fn set_timer(&self, after: Duration) {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let Ok(it_value) = Timespec::try_from(after) else { return };
        // Its arguments are valid, so it does not fail.
        let value = Itimerspec { it_interval: zero, it_value };
        let _ = rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value);
    }
}
