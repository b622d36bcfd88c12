//! The memory that the driver makes for one instance and hands to the device.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use rustix::event::EventfdFlags;

use super::wire::VERSION;
use super::wire::layout::{Header, REQUEST_RING, SLOT_BYTES, Shape, StateWord, device, user};
use crate::instance::{InstanceOptions, OpenError};
use crate::shared_memory::SharedMemory;

/// One instance's memory and doorbells.
pub(super) struct Memory {
    pub(super) shape: Shape,
    pub(super) shared: SharedMemory,
    pub(super) file: OwnedFd,
    /// The user rings, the device waits.
    pub(super) request_doorbell: OwnedFd,
    /// The device rings, the user waits.
    pub(super) response_doorbell: OwnedFd,
    /// The number of the next sleep, above 0.
    sleeps: AtomicU64,
}

impl Memory {
    pub(super) fn create(options: &InstanceOptions) -> Result<Self, OpenError> {
        let slots =
            options.arena_mb.saturating_mul((1 << 20) / u32::try_from(SLOT_BYTES).unwrap_or(u32::MAX));
        let shape =
            Shape::new(options.ring_depth, slots).map_err(|bad| OpenError::Options(bad.to_string()))?;
        let local = |what| move |source: io::Error| OpenError::Local { what, source };
        let (file, shared) = SharedMemory::create(c"hotspare-rings", shape.length())
            .map_err(local("making memory for a device (is arena_mb too large?)"))?;
        let doorbell = || {
            rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
                .map_err(|error| local("making an eventfd")(error.into()))
        };
        let (request_doorbell, response_doorbell) = (doorbell()?, doorbell()?);
        let sleeps = AtomicU64::new(1);
        let memory = Self { shape, shared, file, request_doorbell, response_doorbell, sleeps };
        memory.reset().map_err(local("preparing memory for a device"))?;
        Ok(memory)
    }

    /// Makes it as new, to be handed over for the first time or again. No device may have it.
    pub(super) fn reset(&self) -> io::Result<()> {
        // Slots were wiped as their requests ended, and descriptors mean nothing without the indices.
        self.shared.wipe(0, REQUEST_RING).map_err(io::Error::other)?;
        let header = Header { version: VERSION, shape: self.shape };
        header.write(&self.shared).map_err(io::Error::other)
    }

    /// State and epoch, as the device last wrote them.
    pub(super) fn state(&self) -> StateWord {
        // Acquire: what the device did before it changed its state (its last responses) is seen by who sees the state.
        StateWord::decode(self.load(device::STATE, Ordering::Acquire))
    }

    /// Says whether the user sleeps.
    pub(super) fn set_sleeping(&self, sleeping: bool) {
        // Another number each time, so that the device knows for which sleep it has rung.
        let number = if sleeping { self.sleeps.fetch_add(1, Ordering::Relaxed).max(1) } else { 0 };
        self.store(user::SLEEPING, number, Ordering::Relaxed);
        // Dekker's pattern with the device: we store "I sleep", then look at its indices; it stores its index, then looks
        // at "I sleep". The full fences on both sides make it impossible that both miss the other's store.
        fence(Ordering::SeqCst);
    }

    /// Rings the device's doorbell if it sleeps. To be called after the producer index was stored.
    pub(super) fn ring(&self) {
        // The other half of the pattern above, with the roles exchanged.
        fence(Ordering::SeqCst);
        if self.load(device::SLEEPING, Ordering::Relaxed) != 0 {
            // A full counter means that it was rung already; nothing else can go wrong with an eventfd.
            let _ = rustix::io::write(&self.request_doorbell, &1_u64.to_ne_bytes());
        }
    }

    /// Takes back what rang for us.
    pub(super) fn silence(&self) {
        let _ = rustix::io::read(&self.response_doorbell, &mut [0_u8; 8]);
    }

    pub(super) fn load(&self, offset: usize, ordering: Ordering) -> u64 {
        // The offsets of `layout` are inside every shape.
        self.shared.word(offset).map_or(0, |word| word.load(ordering))
    }

    pub(super) fn store(&self, offset: usize, value: u64, ordering: Ordering) {
        if let Ok(word) = self.shared.word(offset) {
            word.store(value, ordering);
        }
    }
}
