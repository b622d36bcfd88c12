//! The device's side of one instance: a user's pair of rings.
//!
//! Everything in the memory was written, and may be rewritten at any moment, by a stranger. So the device keeps its own
//! indices in private memory, copies each descriptor once and checks the copy, and computes on private copies.
//!
//! **The fence.** Results and response descriptors are written with the `responses` lock held, and only if the ring is
//! open and the request is of the ring's epoch. A change of state or epoch takes the same lock, changes both, and
//! publishes the state word, before it lets go. So once a user reads a state word, no engine writes to its memory for
//! an older one: an engine that was in mid-work finds the ring closed, or of another epoch, and drops its result. No
//! engine has to be waited for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hotspare_device::State;
use hotspare_device::drivers::emulated::wire::descriptor::{RequestDescriptor, ResponseDescriptor};
use hotspare_device::drivers::emulated::wire::layout::{SLOT_OUTPUT, Shape, StateWord, device, user};
use hotspare_device::shared_memory::{OutOfBounds, SharedMemory};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::handshake::Offer;
use super::users::Standing;

/// One user's rings.
pub(crate) struct Ring {
    instance: u32,
    peer: i32,
    shape: Shape,
    memory: SharedMemory,
    request_doorbell: OwnedFd,
    response_doorbell: OwnedFd,
    /// Held while a request is taken out.
    requests: Mutex<()>,
    /// How many requests were taken out. Written with `requests` held.
    taken: AtomicU64,
    /// Requests taken out and not yet answered or dropped.
    in_work: AtomicU32,
    responses: Mutex<Responses>,
    /// How many responses were put in. Written with `responses` held.
    answered: AtomicU64,
    /// Requests of another epoch are dropped. Written with `responses` held.
    epoch: AtomicU64,
    /// The user broke the rules; nothing is taken any more, and the connection will be closed.
    expelled: AtomicBool,
    /// The sleep of the user that was last rung for.
    rung_for: AtomicU64,
}

struct Responses {
    /// Whether results may be written.
    open: bool,
}

/// A request that an engine has taken. To be given to [`Ring::answer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) descriptor: RequestDescriptor,
}

/// What there is to do in a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    /// Nothing, or no room for its answer.
    Nothing,
    /// A request of another epoch was dropped; there may be more.
    Stale,
    /// A request.
    Taken(Work),
    /// The user broke the rules.
    Broken(BrokenRule),
}

/// What a user did that no driver does. It is detached for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BrokenRule {
    #[error("its request index is further ahead than the ring is long")]
    RequestIndex,
    #[error("its response index is ahead of the device's, or too far behind")]
    ResponseIndex,
}

impl Ring {
    /// Takes over what a user has brought, which was checked, and sets up the device's words in it.
    pub(super) fn new(
        instance: u32,
        peer: i32,
        offer: Offer,
        standing: Standing,
    ) -> Result<Self, OutOfBounds> {
        let Offer { shape, memory, request_doorbell, response_doorbell } = offer;
        let Standing { word, open } = standing;
        for (offset, value) in [
            (device::REQUEST_CONSUMER, 0),
            (device::RESPONSE_PRODUCER, 0),
            // Engines clear it when they next wake; until then a doorbell too many does no harm.
            (device::SLEEPING, 1),
            (device::STATE, word.encode()),
        ] {
            // Relaxed: the handshake's answer, a system call each side, publishes them.
            memory.word(offset)?.store(value, Ordering::Relaxed);
        }
        // The last word of the memory: everything below is inside too.
        memory.word(shape.length() - size_of::<u64>())?;
        Ok(Self {
            instance,
            peer,
            shape,
            memory,
            request_doorbell,
            response_doorbell,
            requests: Mutex::new(()),
            taken: AtomicU64::new(0),
            in_work: AtomicU32::new(0),
            responses: Mutex::new(Responses { open }),
            answered: AtomicU64::new(0),
            epoch: AtomicU64::new(word.epoch),
            expelled: AtomicBool::new(false),
            rung_for: AtomicU64::new(0),
        })
    }

    /// Number of the instance.
    pub(crate) fn instance(&self) -> u32 {
        self.instance
    }

    /// The user's process, for the log.
    pub(crate) fn peer(&self) -> i32 {
        self.peer
    }

    /// The doorbell that the user rings.
    pub(crate) fn request_doorbell(&self) -> BorrowedFd<'_> {
        self.request_doorbell.as_fd()
    }

    /// The shape that was agreed on.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// The memory; what is copied out of it is to be checked.
    pub(crate) fn memory(&self) -> &SharedMemory {
        &self.memory
    }

    /// Nothing is taken from it any more. True for the first who says so.
    pub(crate) fn expel(&self) -> bool {
        !self.expelled.swap(true, Ordering::Relaxed)
    }

    /// Whether [`Ring::expel`] was called.
    pub(crate) fn is_expelled(&self) -> bool {
        self.expelled.load(Ordering::Relaxed)
    }

    /// Whether there is something to take, or a broken rule to act upon.
    pub(crate) fn wants_attention(&self) -> bool {
        !self.is_expelled() && !matches!(self.look(), Ok(0))
    }

    /// Takes the next request out.
    pub(crate) fn take(&self) -> Take {
        if self.is_expelled() {
            return Take::Nothing;
        }
        let _taking = lock(&self.requests);
        match self.look() {
            Ok(0) => return Take::Nothing,
            Err(rule) => return Take::Broken(rule),
            Ok(_) => {}
        }
        let index = self.taken.load(Ordering::Relaxed);
        // The places were checked when the ring was made.
        let Ok(descriptor) = RequestDescriptor::load(&self.memory, self.shape.request(index)) else {
            return Take::Broken(BrokenRule::RequestIndex);
        };
        let next = index.wrapping_add(1);
        self.taken.store(next, Ordering::Relaxed);
        // Release: the descriptor was read before its place is given back.
        self.store(device::REQUEST_CONSUMER, next, Ordering::Release);
        // The epoch that the user saw in its state word was stored here before that word was published, and the user's
        // producer index, read with Acquire, was stored after it read that word: so this is no older than what an
        // honest user wrote.
        if descriptor.epoch != self.epoch.load(Ordering::Relaxed) {
            return Take::Stale;
        }
        self.in_work.fetch_add(1, Ordering::Relaxed);
        Take::Taken(Work { descriptor })
    }

    /// How many requests can be taken at this moment.
    fn look(&self) -> Result<u64, BrokenRule> {
        let depth = u64::from(self.shape.ring_depth);
        // Acquire: descriptors and payloads were written before the user stored the index.
        let produced = self.load(user::REQUEST_PRODUCER, Ordering::Acquire);
        let waiting = produced.wrapping_sub(self.taken.load(Ordering::Relaxed));
        if waiting > depth {
            return Err(BrokenRule::RequestIndex);
        }
        if waiting == 0 {
            return Ok(0);
        }
        // Read in the order opposite to that in which they change, so that a request which is being answered counts
        // twice rather than not at all, and an honest user's index is never ahead of ours. Acquire on both: what
        // follows is read after them.
        let in_work = u64::from(self.in_work.load(Ordering::Acquire));
        let consumed = self.load(user::RESPONSE_CONSUMER, Ordering::Acquire);
        let unread = self.answered.load(Ordering::Relaxed).wrapping_sub(consumed);
        if unread > depth {
            return Err(BrokenRule::ResponseIndex);
        }
        // No more is taken than the response ring has room for. A driver that never has more than `ring_depth` requests
        // in flight doesn't meet this bound; for others, requests wait until the next time that an engine looks.
        Ok(waiting.min(depth.saturating_sub(unread + in_work)))
    }

    /// Writes the result and the response, unless the fence is down, and wakes the user if it sleeps.
    pub(crate) fn answer(&self, work: &Work, status: u32, output: &[u8]) {
        let written = {
            let responses = lock(&self.responses);
            responses.open
                && work.descriptor.epoch == self.epoch.load(Ordering::Relaxed)
                && self.write_answer(work, status, output).is_ok()
        };
        self.drop_work();
        if written {
            // Dekker: we stored the producer index, then read "I sleep"; the user stores "I sleep", then reads the
            // index. With a sequentially consistent fence between the two on either side, at least one sees the
            // other's store: the user finds the response, or we ring.
            fence(Ordering::SeqCst);
            let sleep = self.load(user::SLEEPING, Ordering::Relaxed);
            // Once for each sleep: a user that wakes finds all answers that are there by then.
            if sleep != 0 && self.rung_for.swap(sleep, Ordering::Relaxed) != sleep {
                self.ring_user();
            }
        }
    }

    /// Ends work, answered or not.
    fn drop_work(&self) {
        // Release: who sees it lower also sees `answered` higher.
        self.in_work.fetch_sub(1, Ordering::Release);
    }

    fn write_answer(&self, work: &Work, status: u32, output: &[u8]) -> Result<(), OutOfBounds> {
        let RequestDescriptor { sequence, epoch, slot, .. } = work.descriptor;
        if !output.is_empty() {
            // Engines answer with a result only after they have checked the slot.
            self.memory.write(self.shape.slot(slot) + SLOT_OUTPUT, output)?;
        }
        let output_length = u32::try_from(output.len()).unwrap_or(0);
        let index = self.answered.load(Ordering::Relaxed);
        ResponseDescriptor { sequence, epoch, status, output_length, slot }
            .store(&self.memory, self.shape.response(index))?;
        let next = index.wrapping_add(1);
        self.answered.store(next, Ordering::Relaxed);
        // Release: result and descriptor are there before the index says so.
        self.store(device::RESPONSE_PRODUCER, next, Ordering::Release);
        Ok(())
    }

    /// Publishes a state (see the fence above) and rings, whether or not the user sleeps.
    pub(crate) fn publish(&self, word: StateWord) {
        {
            let mut responses = lock(&self.responses);
            responses.open = word.state == State::Up;
            self.epoch.store(word.epoch, Ordering::Relaxed);
            // Release: a user that reads the state finds every response that was written before it.
            self.store(device::STATE, word.encode(), Ordering::Release);
        }
        self.ring_user();
    }

    /// Writes nothing any more, and says nothing of it: a hang, or a user that has left.
    pub(crate) fn close(&self) {
        lock(&self.responses).open = false;
    }

    /// Tells the user whether engines want to be woken. Publishes nothing by itself: see `Sleepers`.
    pub(crate) fn set_sleeping(&self, sleeping: bool) {
        self.store(device::SLEEPING, u64::from(sleeping), Ordering::Relaxed);
    }

    fn ring_user(&self) {
        // A bell whose counter is full is readable already. It must be left alone: the user may have taken back the flag
        // by which a write to it does not block, and no engine is to wait for a user.
        let mut bell = [PollFd::new(&self.response_doorbell, PollFlags::OUT)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        if rustix::event::poll(&mut bell, Some(&at_once)) == Ok(1) {
            let _ = rustix::io::write(&self.response_doorbell, &1_u64.to_ne_bytes());
        }
    }

    // The words of the layout were checked to be inside when the ring was made.
    fn load(&self, offset: usize, ordering: Ordering) -> u64 {
        self.memory.word(offset).map_or(0, |word| word.load(ordering))
    }

    fn store(&self, offset: usize, value: u64, ordering: Ordering) {
        if let Ok(word) = self.memory.word(offset) {
            word.store(value, ordering);
        }
    }
}

/// Nothing that holds these locks can panic half-way in a way that matters: what they guard are single words.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
