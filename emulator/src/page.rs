//! The page that the supervisor and one device process share: the firmware's heartbeat, and what the device last said of
//! its state.
//!
//! | offset | what |
//! | --- | --- |
//! | 0 | state and epoch, a [`StateWord`] |
//! | 64 + 128 e | engine e: how often its loop began |
//! | 128 + 128 e | engine e: how often its loop ended |
//!
//! The supervisor makes it and keeps it while device processes come and go. It believes the page no more than the
//! kernel's driver believes its firmware: whatever stands there, the worst is a wrong verdict on that device.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

use hotspare_device::drivers::emulated::wire::layout::StateWord;
use hotspare_device::shared_memory::{AttachError, SharedMemory};

/// The most engines that a device may have.
pub(crate) const MAX_ENGINES: u32 = 16;

const LENGTH: usize = 4096;
const STATE: usize = 0;
const FIRST_PAIR: usize = 64;
const PAIR_BYTES: usize = 128;
const END: usize = 64;

const _: () = assert!(FIRST_PAIR + MAX_ENGINES as usize * PAIR_BYTES <= LENGTH);

/// The counters of one engine. Begun and not ended means that it is in the middle of its loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Beat {
    pub(crate) begun: u64,
    pub(crate) ended: u64,
}

/// The page, mapped.
pub(crate) struct DevicePage(SharedMemory);

impl DevicePage {
    pub(crate) fn create() -> io::Result<(OwnedFd, Self)> {
        let (fd, memory) = SharedMemory::create(c"hotspare-device-page", LENGTH)?;
        Ok((fd, Self(memory)))
    }

    pub(crate) fn attach(fd: BorrowedFd<'_>) -> Result<Self, AttachError> {
        SharedMemory::attach(fd, LENGTH).map(Self)
    }

    pub(crate) fn publish(&self, word: StateWord) {
        self.store(STATE, word.encode());
    }

    pub(crate) fn state(&self) -> StateWord {
        StateWord::decode(self.load(STATE))
    }

    /// The engine's loop begins.
    pub(crate) fn begin(&self, engine: u32) {
        self.raise(pair(engine));
    }

    /// The engine's loop ends.
    pub(crate) fn end(&self, engine: u32) {
        self.raise(pair(engine) + END);
    }

    pub(crate) fn beat(&self, engine: u32) -> Beat {
        Beat { begun: self.load(pair(engine)), ended: self.load(pair(engine) + END) }
    }

    /// No read-modify-write: each counter has one writer, its engine.
    fn raise(&self, offset: usize) {
        self.store(offset, self.load(offset).wrapping_add(1));
    }

    // Relaxed throughout: each word stands for itself, and nothing else is published by it.
    fn load(&self, offset: usize) -> u64 {
        self.0.word(offset).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    fn store(&self, offset: usize, value: u64) {
        if let Ok(word) = self.0.word(offset) {
            word.store(value, Ordering::Relaxed);
        }
    }
}

fn pair(engine: u32) -> usize {
    FIRST_PAIR + engine as usize * PAIR_BYTES
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use hotspare_device::State;

    use super::*;

    #[test]
    fn both_sides_see_the_same_counters_and_state() {
        let (fd, ours) = DevicePage::create().unwrap();
        let theirs = DevicePage::attach(fd.as_fd()).unwrap();
        let last = MAX_ENGINES - 1;
        theirs.begin(last);
        theirs.begin(last);
        theirs.end(last);
        theirs.end(0);
        assert_eq!(ours.beat(last), Beat { begun: 2, ended: 1 });
        assert_eq!(ours.beat(0), Beat { begun: 0, ended: 1 });
        let word = StateWord { state: State::Restarting, epoch: 9 };
        theirs.publish(word);
        assert_eq!(ours.state(), word);
    }
}
