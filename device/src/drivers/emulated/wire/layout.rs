//! Where things lie in the shared memory.
//!
//! | offset | who writes | what |
//! | --- | --- | --- |
//! | 0 | user, once | [`Header`] |
//! | 4096 | user | [`user`]: producer of requests, consumer of responses, "I sleep" |
//! | 8192 | device | [`device`]: consumer of requests, producer of responses, "I sleep", state and epoch |
//! | 12288 | user | request ring: `ring_depth` descriptors of 64 bytes |
//! | then | device | response ring, likewise |
//! | next page | both | arena: `slots` slots of [`SLOT_BYTES`] |
//!
//! Indices count descriptors since the last handshake and are never reduced; the place in the ring is the index modulo
//! `ring_depth`, a power of two. Each side takes the other's indices for hints from a stranger: a distance of more than
//! `ring_depth` ends the relation.

use crate::shared_memory::{OutOfBounds, SharedMemory};
use std::sync::atomic::Ordering;

/// First word of the memory: "hotspare", little-endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"hotspare");

/// Everything begins on a page of its own.
pub const PAGE: usize = 4096;

/// One descriptor, one cache line.
pub const DESCRIPTOR_BYTES: usize = 64;

/// The piece of arena that one request gets: its payload, then, at [`SLOT_OUTPUT`], its result.
pub const SLOT_BYTES: usize = 8192;

/// Where in its slot the result lies.
pub const SLOT_OUTPUT: usize = 7168;

/// How long a result may be.
pub const SLOT_OUTPUT_BYTES: usize = SLOT_BYTES - SLOT_OUTPUT;

const _: () = assert!(SLOT_OUTPUT_BYTES >= crate::request::OUTPUT_MAX_BYTES);

/// Offsets of the words that the user writes, each on a cache line of its own.
pub mod user {
    use super::PAGE;
    /// How many requests were put into the ring.
    pub const REQUEST_PRODUCER: usize = PAGE;
    /// Not zero while the user sleeps and wants its doorbell rung: another number for each sleep. The device need ring only once
    /// for each.
    pub const SLEEPING: usize = PAGE + 64;
    /// How many responses were taken out of the ring.
    pub const RESPONSE_CONSUMER: usize = PAGE + 128;
}

/// Offsets of the words that the device writes, each on a cache line of its own.
pub mod device {
    use super::PAGE;
    /// How many requests were taken out of the ring.
    pub const REQUEST_CONSUMER: usize = 2 * PAGE;
    /// Not zero while engines sleep and want their doorbell rung.
    pub const SLEEPING: usize = 2 * PAGE + 64;
    /// How many responses were put into the ring.
    pub const RESPONSE_PRODUCER: usize = 2 * PAGE + 128;
    /// State and epoch in one word, see [`super::StateWord`].
    pub const STATE: usize = 2 * PAGE + 192;
}

/// Where the request ring begins.
pub const REQUEST_RING: usize = 3 * PAGE;

/// The shape of one memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Descriptors in each ring; a power of two, 8 to 4096.
    pub ring_depth: u32,
    /// Slots in the arena, at least `ring_depth`: the rest is room for quarantine.
    pub slots: u32,
}

/// A shape that nobody builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "ring depth {ring_depth} with {slots} slots: wanted a power of two from 8 to 4096, and {MIN_SLOTS} to {MAX_SLOTS} slots"
)]
pub struct BadShape {
    ring_depth: u32,
    slots: u32,
}

/// The fewest slots: one for each of the smallest ring.
pub const MIN_SLOTS: u32 = 8;

/// The most slots: an arena of 1 GiB.
pub const MAX_SLOTS: u32 = 131_072;

impl Shape {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`BadShape`].
    pub fn new(ring_depth: u32, slots: u32) -> Result<Self, BadShape> {
        let good = ring_depth.is_power_of_two()
            && (8..=4096).contains(&ring_depth)
            && (MIN_SLOTS..=MAX_SLOTS).contains(&slots);
        if good { Ok(Self { ring_depth, slots }) } else { Err(BadShape { ring_depth, slots }) }
    }

    /// Where the response ring begins.
    #[must_use]
    pub fn response_ring(self) -> usize {
        REQUEST_RING + self.depth() * DESCRIPTOR_BYTES
    }

    /// Where the arena begins.
    #[must_use]
    pub fn arena(self) -> usize {
        (self.response_ring() + self.depth() * DESCRIPTOR_BYTES).next_multiple_of(PAGE)
    }

    /// Where a slot begins; `slot` is below `slots`.
    #[must_use]
    pub fn slot(self, slot: u32) -> usize {
        self.arena() + slot as usize * SLOT_BYTES
    }

    /// Length of the whole memory in bytes.
    #[must_use]
    pub fn length(self) -> usize {
        self.slot(self.slots)
    }

    /// Where in the request ring the descriptor with this index lies.
    #[must_use]
    pub fn request(self, index: u64) -> usize {
        REQUEST_RING + self.place(index) * DESCRIPTOR_BYTES
    }

    /// Where in the response ring the descriptor with this index lies.
    #[must_use]
    pub fn response(self, index: u64) -> usize {
        self.response_ring() + self.place(index) * DESCRIPTOR_BYTES
    }

    fn depth(self) -> usize {
        self.ring_depth as usize
    }

    fn place(self, index: u64) -> usize {
        // The remainder is below 4096.
        usize::try_from(index % u64::from(self.ring_depth)).unwrap_or(0)
    }
}

/// What the user writes at offset 0 before it hands the memory over. The handshake says the same; a device compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Version of the layout.
    pub version: u16,
    /// The shape.
    pub shape: Shape,
}

impl Header {
    /// Writes it.
    ///
    /// # Errors
    /// [`OutOfBounds`] if the memory is smaller than a header.
    pub fn write(self, memory: &SharedMemory) -> Result<(), OutOfBounds> {
        memory.word(0)?.store(MAGIC, Ordering::Relaxed);
        memory.word(8)?.store(u64::from(self.version), Ordering::Relaxed);
        let shape = u64::from(self.shape.ring_depth) | u64::from(self.shape.slots) << 32;
        memory.word(16)?.store(shape, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the memory carries just this header.
    #[must_use]
    pub fn stands_in(self, memory: &SharedMemory) -> bool {
        let word = |offset| memory.word(offset).map(|word| word.load(Ordering::Relaxed));
        let shape = u64::from(self.shape.ring_depth) | u64::from(self.shape.slots) << 32;
        word(0) == Ok(MAGIC) && word(8) == Ok(u64::from(self.version)) && word(16) == Ok(shape)
    }
}

/// State and epoch of a device, in one word so that they are always read together: the epoch above, the state in the
/// lowest byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateWord {
    /// The state.
    pub state: crate::instance::State,
    /// The epoch; goes up with every restart.
    pub epoch: u64,
}

impl StateWord {
    /// As it lies in memory.
    #[must_use]
    pub fn encode(self) -> u64 {
        use crate::instance::State;
        let state = match self.state {
            State::Removed => 0,
            State::Up => 1,
            State::Error => 2,
            State::Restarting => 3,
            State::Down => 4,
        };
        self.epoch << 8 | state
    }

    /// From memory; a state that there isn't is taken for an error.
    #[must_use]
    pub fn decode(word: u64) -> Self {
        use crate::instance::State;
        let state = match word & 0xff {
            0 => State::Removed,
            1 => State::Up,
            3 => State::Restarting,
            4 => State::Down,
            _ => State::Error,
        };
        Self { state, epoch: word >> 8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::State;

    #[test]
    fn parts_do_not_overlap_and_fill_whole_pages() {
        for (depth, slots) in [(8, 8), (256, 512), (4096, MAX_SLOTS)] {
            let shape = Shape::new(depth, slots).unwrap();
            assert!(shape.request(u64::from(depth) - 1) + DESCRIPTOR_BYTES <= shape.response_ring());
            assert!(shape.response(u64::from(depth) - 1) + DESCRIPTOR_BYTES <= shape.arena());
            assert_eq!(shape.request(u64::from(depth)), REQUEST_RING);
            assert_eq!(shape.length() % PAGE, 0);
        }
        for (depth, slots) in [(0, 8), (7, 8), (12, 16), (8192, 8192), (8, 7), (8, MAX_SLOTS + 1)] {
            assert!(Shape::new(depth, slots).is_err());
        }
    }

    #[test]
    fn state_words_survive_and_nonsense_is_an_error() {
        for state in [State::Removed, State::Up, State::Error, State::Restarting, State::Down] {
            let word = StateWord { state, epoch: 7 };
            assert_eq!(StateWord::decode(word.encode()), word);
        }
        assert_eq!(StateWord::decode(0x7ff), StateWord { state: State::Error, epoch: 7 });
    }
}
