//! The user's ends of the two rings. The device's indices are a stranger's: only their distance to ours is used, and only
//! if it is possible.

use std::sync::atomic::Ordering;

use super::memory::Memory;
use super::wire::descriptor::{RequestDescriptor, ResponseDescriptor};
use super::wire::layout::{device, user};

/// The device's index is impossible: it is broken, or lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Impossible;

/// Puts requests in.
#[derive(Default)]
pub(super) struct RequestProducer {
    produced: u64,
    /// How many the device had taken when we last looked: its cache line is only fetched when the ring seems full.
    consumed: u64,
}

impl RequestProducer {
    /// Whether there is room for one.
    pub(super) fn has_room(&mut self, memory: &Memory) -> Result<bool, Impossible> {
        let depth = u64::from(memory.shape.ring_depth);
        if self.produced - self.consumed < depth {
            return Ok(true);
        }
        // Acquire: the device has read the descriptors that it says it has taken, before we write over them.
        let consumed = memory.load(device::REQUEST_CONSUMER, Ordering::Acquire);
        if consumed < self.consumed || consumed > self.produced {
            return Err(Impossible);
        }
        self.consumed = consumed;
        Ok(self.produced - consumed < depth)
    }

    /// Puts one in; there is room.
    pub(super) fn put(&mut self, memory: &Memory, descriptor: &RequestDescriptor) -> Result<(), Impossible> {
        descriptor.store(&memory.shared, memory.shape.request(self.produced)).map_err(|_| Impossible)?;
        self.produced += 1;
        // Release: descriptor and payload are seen by who sees the index.
        memory.store(user::REQUEST_PRODUCER, self.produced, Ordering::Release);
        Ok(())
    }
}

/// Takes responses out.
#[derive(Default)]
pub(super) struct ResponseConsumer {
    consumed: u64,
}

impl ResponseConsumer {
    /// Whether there is something.
    pub(super) fn has_some(&self, memory: &Memory) -> bool {
        memory.load(device::RESPONSE_PRODUCER, Ordering::Acquire) != self.consumed
    }

    /// How many there are.
    pub(super) fn available(&self, memory: &Memory) -> Result<u64, Impossible> {
        // Acquire: descriptors and results are seen by who sees the index.
        let produced = memory.load(device::RESPONSE_PRODUCER, Ordering::Acquire);
        match produced.checked_sub(self.consumed) {
            Some(count) if count <= u64::from(memory.shape.ring_depth) => Ok(count),
            _ => Err(Impossible),
        }
    }

    /// Takes one out; there is one.
    pub(super) fn take(&mut self, memory: &Memory) -> Result<ResponseDescriptor, Impossible> {
        let offset = memory.shape.response(self.consumed);
        let descriptor = ResponseDescriptor::load(&memory.shared, offset).map_err(|_| Impossible)?;
        self.consumed += 1;
        Ok(descriptor)
    }

    /// Tells the device how many were taken.
    pub(super) fn publish(&self, memory: &Memory) {
        // Release: we have read the descriptors before the device may write over them.
        memory.store(user::RESPONSE_CONSUMER, self.consumed, Ordering::Release);
    }
}
