//! One device as this process uses it.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use hotspare_device::stats::DevicePlace;
use hotspare_device::{Bdf, Class, Device, Instance};

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
    /// Its handle can't be used again; another target stands for the device.
    Zombie,
}

/// See the module.
pub(crate) struct Target {
    pub(crate) index: usize,
    pub(crate) device: Arc<dyn Device>,
    /// Set once the device could be opened; the same handle serves through restarts and removals.
    pub(crate) instance: OnceLock<Arc<dyn Instance>>,
    /// Where the device's counters are.
    pub(crate) place: Option<DevicePlace>,
    /// The known-answer requests that it has at this moment.
    pub(crate) probe: Mutex<Probe>,
    standing: AtomicU8,
    /// Requests that it has of this process.
    load: AtomicU32,
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
const ZOMBIE: u8 = 2;

impl Target {
    /// A device that is not used yet.
    pub(crate) fn new(index: usize, device: Arc<dyn Device>, place: Option<DevicePlace>) -> Self {
        Self {
            index,
            device,
            instance: OnceLock::new(),
            place,
            probe: Mutex::new(Probe::default()),
            standing: AtomicU8::new(LEFT),
            load: AtomicU32::new(0),
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
            ZOMBIE => Standing::Zombie,
            _ => Standing::Left,
        }
    }

    /// Takes the device into use. False if it is in use, or a zombie.
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

    /// Another target stands for this device from now on.
    pub(crate) fn bury(&self) {
        self.standing.store(ZOMBIE, Ordering::Release);
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

    pub(crate) fn loaded(&self) {
        self.load.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unloaded(&self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
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
        self.follower_count.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes this thread out again.
    pub(crate) fn unfollow(&self) {
        let own = std::thread::current().id();
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = followers.iter().position(|thread| thread.id() == own) {
            followers.swap_remove(place);
            self.follower_count.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// To be called by everyone who has waited here, after giving up the turn: if the turn is free and somebody wants it, he is
    /// woken. He passes it on in his turn, so no wake-up is lost, whoever leaves first.
    pub(crate) fn pass_on(&self) {
        if self.follower_count.load(Ordering::SeqCst) == 0 {
            return;
        }
        if self.try_turn().is_some() {
            if let Some(thread) = self.followers.lock().unwrap_or_else(PoisonError::into_inner).first() {
                thread.unpark();
            }
        }
    }
}
