//! One device as this process uses it.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::Thread;

use hotspare_device::stats::DevicePlace;
use hotspare_device::{Bdf, Class, Device, Instance};

use crate::arming::Arming;
use crate::probe::Probe;

/// The most devices that one process uses: `tried` of an entry is a set of 64 bits.
pub(crate) const MAX_TARGETS: usize = 64;

/// Whether a device is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It takes work.
    Active,
    /// It takes none until it has answered known-answer requests.
    Left,
}

/// See the module.
pub(crate) struct Target {
    pub(crate) index: usize,
    pub(crate) device: Arc<dyn Device>,
    /// Where the device's counters are.
    pub(crate) place: Option<DevicePlace>,
    /// The known-answer requests that it has at this moment.
    pub(crate) probe: Mutex<Probe>,
    /// None until the device could be opened. The same handle serves through restarts and removals, unless its memory can't
    /// be used again.
    instance: RwLock<Option<Arc<dyn Instance>>>,
    standing: AtomicU8,
    /// Requests that it has of this process.
    load: AtomicU32,
    /// Those of them that the completion loop watches.
    pub(crate) arming: Arming,
    /// How often it was left.
    left: AtomicU64,
    /// For what, the last time.
    fault: Mutex<Option<Class>>,
    /// Whoever polls the instance, or sleeps on its descriptor, holds this.
    turn: Mutex<()>,
    /// Threads that wait while another has the turn.
    followers: Mutex<Vec<Thread>>,
    follower_count: AtomicU32,
}

const ACTIVE: u8 = 0;
const LEFT: u8 = 1;

impl Target {
    /// A device that is not used yet.
    pub(crate) fn new(index: usize, device: Arc<dyn Device>, place: Option<DevicePlace>) -> Self {
        Self {
            index,
            device,
            place,
            probe: Mutex::new(Probe::default()),
            instance: RwLock::new(None),
            standing: AtomicU8::new(LEFT),
            load: AtomicU32::new(0),
            arming: Arming::default(),
            left: AtomicU64::new(0),
            fault: Mutex::new(None),
            turn: Mutex::new(()),
            followers: Mutex::new(Vec::new()),
            follower_count: AtomicU32::new(0),
        }
    }

    pub(crate) fn address(&self) -> Bdf {
        self.device.address()
    }

    pub(crate) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Acquire) {
            ACTIVE => Standing::Active,
            _ => Standing::Left,
        }
    }

    /// Our rings on it.
    pub(crate) fn instance(&self) -> Option<Arc<dyn Instance>> {
        self.instance.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives `work` our rings on it, if there are any, without a count of references: for hot paths. Others wait for `work` only to
    /// exchange the rings.
    pub(crate) fn with_instance<T>(&self, work: impl FnOnce(&dyn Instance) -> T) -> Option<T> {
        self.instance.read().unwrap_or_else(PoisonError::into_inner).as_deref().map(work)
    }

    /// Other rings from now on, or none. The former are given back when the last who polls them has left them; they have
    /// nothing in flight.
    pub(crate) fn set_instance(&self, instance: Option<Arc<dyn Instance>>) {
        let former =
            std::mem::replace(&mut *self.instance.write().unwrap_or_else(PoisonError::into_inner), instance);
        drop(former);
    }

    /// Takes the device into use. False if it is in use.
    pub(crate) fn join(&self) -> bool {
        self.standing.compare_exchange(LEFT, ACTIVE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Takes the device out of use for a fault of this class. True for the one call that did.
    pub(crate) fn leave(&self, class: Class) -> bool {
        let left = self.standing.compare_exchange(ACTIVE, LEFT, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if left {
            self.set_fault(class);
            self.left.fetch_add(1, Ordering::Release);
        }
        left
    }

    /// Why it is not used.
    pub(crate) fn fault(&self) -> Option<Class> {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_fault(&self, class: Class) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(class);
    }

    /// How often it was left.
    pub(crate) fn times_left(&self) -> u64 {
        self.left.load(Ordering::Acquire)
    }

    pub(crate) fn load(&self) -> u32 {
        self.load.load(Ordering::Relaxed)
    }

    /// A request is about to be submitted, which the completion loop watches or not.
    pub(crate) fn loaded(&self, watched: bool) {
        self.load.fetch_add(1, Ordering::Relaxed);
        if watched {
            self.arming.watch();
        }
    }

    /// A request, watched or not, was answered or taken back.
    pub(crate) fn unloaded(&self, watched: bool) {
        self.load.fetch_sub(1, Ordering::Relaxed);
        if watched {
            self.arming.unwatch();
        }
    }

    /// The turn to poll, if nobody has it.
    pub(crate) fn try_turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.turn.try_lock() {
            Ok(turn) => Some(turn),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }

    /// Adds this thread to those that are told when the turn is free.
    pub(crate) fn follow(&self) {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner).push(std::thread::current());
        self.follower_count.fetch_add(1, Ordering::Relaxed);
        // SeqCst: either we, who try to get the turn next, find it free, or who frees it finds us counted (`Core::pass_on`).
        std::sync::atomic::fence(Ordering::SeqCst);
    }

    /// Takes this thread out again.
    pub(crate) fn unfollow(&self) {
        let own = std::thread::current().id();
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = followers.iter().position(|thread| thread.id() == own) {
            followers.swap_remove(place);
            self.follower_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Wakes one of those that wait for the turn, if it is free. False if nobody waits.
    pub(crate) fn wake_follower(&self) -> bool {
        if self.follower_count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        if self.try_turn().is_some() {
            if let Some(thread) = self.followers.lock().unwrap_or_else(PoisonError::into_inner).first() {
                thread.unpark();
            }
        }
        true
    }
}
