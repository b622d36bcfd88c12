//! Who wakes the completion loop: the reasoning that no response is left lying while it sleeps.
//!
//! A request is *watched* if the loop is the one who has to notice its response. While the loop is awake it polls every device
//! that has watched requests. While it sleeps, such a device must be *armed*: it was told to ring its doorbell, and it
//! had nothing to give when it was told. These are the ones who could leave a device unarmed:
//!
//! - **The submitter** of a watched request counts it (`watch`), and looks whether the loop sleeps. **The loop**, before it
//!   sleeps, says that it sleeps (`Sleep::begin`), and looks for devices with watched requests. Both write, then read, with a
//!   full fence in between (Dekker's pattern): the submitter sees a sleeper, or the loop sees the request. Whoever sees the other
//!   arms the device; if both do, no harm is done.
//! - **A thread that polls** (it has the device's *turn*) may take what the doorbell was to ring for, and may tell the
//!   device not to ring. It has to `disarm`, and, after it gave up the turn, to look whether the loop sleeps, as a submitter does.
//! - **The device** follows the same pattern with the ring's indices: `Instance::prepare_wait` says "ring", then looks for
//!   responses; the device writes a response, then looks whether it is to ring. One of the two sees the other.
//!
//! Arming finds something? Then whoever arms polls, if it gets the turn. If it does not, somebody else has the turn, who comes
//! here when he gives it up.
//!
//! `tests/arming.rs` runs this file under loom.

use crate::sync::{AtomicBool, AtomicU32, Ordering, fence};

/// Whether the completion loop sleeps, or is about to.
#[derive(Default)]
pub(crate) struct Sleep {
    asleep: AtomicBool,
}

impl Sleep {
    /// The loop says that it will sleep. What it looks at afterwards, it sees as everybody left it who did not see this.
    pub(crate) fn begin(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        // SeqCst: see the module.
        fence(Ordering::SeqCst);
    }

    /// The loop is awake.
    pub(crate) fn end(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether the loop may not see what the caller has just changed.
    pub(crate) fn is_asleep(&self) -> bool {
        // SeqCst: see the module.
        fence(Ordering::SeqCst);
        self.asleep.load(Ordering::Relaxed)
    }
}

/// One device's watched requests, and whether it will ring for them.
#[derive(Default)]
pub(crate) struct Arming {
    watched: AtomicU32,
    armed: AtomicBool,
}

/// What arming needs of a device.
pub(crate) trait Doorbell {
    /// Tells the device to ring. False if it has something to give already; then it need not ring.
    fn prepare_wait(&self) -> bool;

    /// Takes what it has to give. False if somebody else has the turn to.
    fn poll(&self) -> bool;
}

impl Arming {
    /// One request more is watched. To be called before it is submitted.
    pub(crate) fn watch(&self) {
        self.watched.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub(crate) fn unwatch(&self) {
        self.watched.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether there are any.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed) > 0
    }

    /// The device may have been told not to ring, or has rung.
    pub(crate) fn disarm(&self) {
        // An exchange and not a store, so that it has its place in one order with those of `arm`.
        self.armed.swap(false, Ordering::AcqRel);
        // SeqCst: who disarms and then does not get the turn relies on him who has it to arm (he gives up the turn, then looks
        // here). Either we find the turn free, or he finds the device disarmed.
        fence(Ordering::SeqCst);
    }

    /// Arms the device, if there is something to watch. True if something was polled on the way.
    pub(crate) fn arm(&self, doorbell: &impl Doorbell) -> bool {
        let mut polled = false;
        while self.is_watched() && !self.armed.swap(true, Ordering::AcqRel) {
            if doorbell.prepare_wait() {
                break;
            }
            self.disarm();
            if !doorbell.poll() {
                break;
            }
            polled = true;
        }
        polled
    }
}
