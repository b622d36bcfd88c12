//! The ledger: the record of every request between its acceptance and its completion. It owns the request and its result,
//! so that a caller may go away.
//!
//! Entries are made in blocks, never freed while the process runs, and used again and again; a generation tells the uses
//! apart. A response carries a [`Tag`] of entry, attempt and generation, so that one which comes late finds that it is
//! nobody's.
//!
//! Locks, in the order in which they may be taken: an entry's `request`, an instance's own, an entry's `progress`. A driver's
//! sink runs under the instance's lock and therefore takes `progress` only.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::thread::Thread;
use std::time::Instant;

use hotspare_device::{Kind, Output, Request, Tag};

use crate::{Error, verify};

/// Entries in a block.
const BLOCK: usize = 64;
/// Blocks at most: what is submitted beyond so many requests at once is computed at once by its submitter.
const BLOCKS: usize = 1024;

/// All entries of this process.
pub(crate) struct Ledger {
    blocks: Box<[OnceLock<Box<[Entry]>>]>,
    free: Mutex<Free>,
}

/// The entries that are nobody's. The one left last is used first: it is still in the processor's cache.
#[derive(Default)]
struct Free {
    indices: Vec<u32>,
    /// How many blocks there are.
    made: usize,
}

/// One request's place.
pub(crate) struct Entry {
    request: Mutex<Option<Request>>,
    progress: Mutex<Progress>,
}

/// How far a request is.
pub(crate) struct Progress {
    pub(crate) generation: u32,
    pub(crate) stage: Stage,
    /// The request's kind, for tables and counters.
    pub(crate) kind: Kind,
    /// A device's result is verified before it counts.
    pub(crate) verified: bool,
    /// Counts the submissions to devices, so that the answer to an earlier one is known as such.
    pub(crate) attempt: u8,
    /// The devices that it was offered to, as a bit set of their indices.
    pub(crate) tried: u64,
    /// How many devices took it.
    pub(crate) taken: u8,
    pub(crate) submitted: Instant,
    /// When the device that has it got it.
    pub(crate) given: Instant,
    pub(crate) deadline: Instant,
    pub(crate) output: Output,
    pub(crate) error: Option<Error>,
    /// Who is to be woken when a device has answered.
    pub(crate) waiter: Waiter,
    /// The device that has it counts it as watched ([`crate::arming`]).
    pub(crate) watched: bool,
    /// The ticket was dropped while somebody else was working on the entry.
    pub(crate) deserted: bool,
}

/// What is to be done next with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The entry is nobody's.
    Free,
    /// Choose a device, or software.
    Route,
    /// The device with this index has it.
    Hardware(usize),
    /// The device with this index has answered; the answer is to be verified.
    Verify(usize),
    /// To be computed in software.
    Software,
    /// Somebody is at one of the steps above.
    Busy,
    /// Completed; the result waits for its owner.
    Done,
}

/// Who is to be woken.
pub(crate) enum Waiter {
    /// Nobody sleeps.
    Nobody,
    /// A thread that parks.
    Thread(Thread),
    /// The owner of a ticket, when there is something for him to do. The completion loop sees to that.
    Woken(Waker),
}

/// A use of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

const INDEX_BITS: u32 = 16;
const ATTEMPT_BITS: u32 = 8;
const _: () = assert!(BLOCK * BLOCKS <= 1 << INDEX_BITS);

/// Tags with this bit belong to known-answer requests, which are in no ledger.
pub(crate) const PROBE_TAG: u64 = 1 << 63;

impl EntryId {
    /// The tag of an attempt: from below 16 bits of index, 8 of attempt, 32 of generation.
    pub(crate) fn tag(self, attempt: u8) -> Tag {
        let generation = u64::from(self.generation) << (INDEX_BITS + ATTEMPT_BITS);
        Tag(u64::from(self.index) | u64::from(attempt) << INDEX_BITS | generation)
    }

    /// The use and attempt that a tag is of. A driver gives back what it was given, but nothing depends on it.
    pub(crate) fn from_tag(tag: Tag) -> (Self, u8) {
        let [a, b, attempt, c, d, e, f, _] = tag.0.to_le_bytes();
        let index = u32::from(u16::from_le_bytes([a, b]));
        (Self { index, generation: u32::from_le_bytes([c, d, e, f]) }, attempt)
    }
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { blocks: (0..BLOCKS).map(|_| OnceLock::new()).collect(), free: Mutex::default() }
    }

    /// Enters a request. Gives it back if the ledger is full.
    pub(crate) fn enter(
        &self,
        request: Request,
        now: Instant,
        deadline: Instant,
        waiter: Waiter,
    ) -> Result<EntryId, Request> {
        let Some(index) = self.take_free() else { return Err(request) };
        let Some(entry) = self.entry(index) else { return Err(request) };
        let (kind, verified) = (request.kind(), verify::is_needed(request.operation()));
        *entry.request() = Some(request);
        let mut progress = entry.progress();
        progress.stage = Stage::Route;
        progress.kind = kind;
        progress.verified = verified;
        progress.attempt = 0;
        progress.tried = 0;
        progress.taken = 0;
        progress.submitted = now;
        progress.given = now;
        progress.deadline = deadline;
        progress.error = None;
        progress.waiter = waiter;
        progress.watched = false;
        progress.deserted = false;
        Ok(EntryId { index, generation: progress.generation })
    }

    /// Frees an entry whose request has ended; the caller has the result out already.
    pub(crate) fn leave(&self, id: EntryId) {
        let Some(entry) = self.entry(id.index) else { return };
        let progress = entry.progress();
        if progress.generation == id.generation {
            self.leave_with(id, entry, progress);
        }
    }

    /// The same, for who holds the entry's progress.
    pub(crate) fn leave_with(&self, id: EntryId, entry: &Entry, mut progress: MutexGuard<'_, Progress>) {
        progress.generation = progress.generation.wrapping_add(1);
        progress.stage = Stage::Free;
        progress.output.wipe();
        let waiter = std::mem::replace(&mut progress.waiter, Waiter::Nobody);
        drop(progress);
        // Dropping the request wipes its operands.
        drop(entry.request().take());
        self.free().indices.push(id.index);
        // With no lock held: a waker may own anything, tickets included.
        drop(waiter);
    }

    /// The entry with this index, whoever uses it.
    pub(crate) fn entry(&self, index: u32) -> Option<&Entry> {
        let index = index as usize;
        self.blocks.get(index / BLOCK)?.get()?.get(index % BLOCK)
    }

    /// Every entry that was ever used, in its present use.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.blocks.iter().map_while(OnceLock::get).flatten()
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_free(&self) -> Option<u32> {
        let mut free = self.free();
        if let Some(index) = free.indices.pop() {
            return Some(index);
        }
        let block = self.blocks.get(free.made)?;
        block.get_or_init(|| (0..BLOCK).map(|_| Entry::new()).collect());
        let [first, end] = [free.made * BLOCK, (free.made + 1) * BLOCK].map(u32::try_from);
        let (first, end) = (first.ok()?, end.ok()?);
        free.made += 1;
        // From the last to the first, which is given out next.
        free.indices.extend((first + 1..end).rev());
        Some(first)
    }
}

impl Entry {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            request: Mutex::new(None),
            progress: Mutex::new(Progress {
                generation: 0,
                stage: Stage::Free,
                kind: Kind::RsaPublic,
                verified: false,
                attempt: 0,
                tried: 0,
                taken: 0,
                submitted: now,
                given: now,
                deadline: now,
                output: Output::new(),
                error: None,
                waiter: Waiter::Nobody,
                watched: false,
                deserted: false,
            }),
        }
    }

    /// The request. A lock, since the caller may go away while somebody else works on it; never contended otherwise.
    pub(crate) fn request(&self) -> MutexGuard<'_, Option<Request>> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it is. A lock, since device answers arrive in any thread; held for a copy at most.
    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it is, if the entry is still in this use.
    pub(crate) fn progress_of(&self, id: EntryId) -> Option<MutexGuard<'_, Progress>> {
        let progress = self.progress();
        (progress.generation == id.generation && progress.stage != Stage::Free).then_some(progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotspare_device::{Key, KeyMaterial, MontgomeryCurve, MontgomeryKey};

    fn request() -> Request {
        let material = MontgomeryKey { curve: MontgomeryCurve::X25519, scalar: vec![1; 32] };
        let key = Key::new(KeyMaterial::Montgomery(material)).unwrap();
        Request::montgomery_multiply(&key, &[9; 32]).unwrap()
    }

    #[test]
    fn tags_come_back_as_what_they_were_made_of() {
        for id in [EntryId { index: 0, generation: 0 }, EntryId { index: 65_535, generation: u32::MAX }] {
            for attempt in [0, 1, 255] {
                assert_eq!(EntryId::from_tag(id.tag(attempt)), (id, attempt));
                assert_eq!(id.tag(attempt).0 & PROBE_TAG, 0);
            }
        }
    }

    #[test]
    fn an_entry_left_is_used_again_under_another_generation() {
        let ledger = Ledger::new();
        let now = Instant::now();
        let ids: Vec<_> =
            (0..3 * BLOCK).map(|_| ledger.enter(request(), now, now, Waiter::Nobody).unwrap()).collect();
        let mut indices: Vec<_> = ids.iter().map(|id| id.index).collect();
        indices.sort_unstable();
        indices.dedup();
        assert_eq!(indices.len(), 3 * BLOCK);
        let old = ids[7];
        ledger.leave(old);
        assert!(ledger.entry(old.index).unwrap().progress_of(old).is_none());
        ledger.leave(old);
        let again = std::iter::repeat_with(|| ledger.enter(request(), now, now, Waiter::Nobody).unwrap())
            .find(|id| id.index == old.index)
            .unwrap();
        assert_ne!(again.generation, old.generation);
        assert!(ledger.entry(old.index).unwrap().progress_of(old).is_none());
    }

    #[test]
    fn a_full_ledger_gives_the_request_back() {
        let ledger = Ledger::new();
        let now = Instant::now();
        for _ in 0..BLOCK * BLOCKS {
            ledger.enter(request(), now, now, Waiter::Nobody).unwrap();
        }
        assert!(ledger.enter(request(), now, now, Waiter::Nobody).is_err());
    }
}
