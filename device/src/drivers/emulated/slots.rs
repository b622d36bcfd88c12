//! The driver's private memory of what it has handed out: who waits for which slot, in which order they were submitted,
//! and which slots a device may still write to.

use crate::instance::Tag;

/// Who has a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Nobody.
    Free,
    /// The device: it has not answered yet.
    Device(Pending),
    /// Nobody, but the device may still write to it: its dummy was given, and it waits for a fence.
    Quarantine,
}

/// A request that the device has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) tag: Tag,
    /// Number of the submission, which is also the order of dummies.
    pub(super) sequence: u64,
    /// Epoch at submission.
    pub(super) epoch: u64,
    /// How long the result has to be, in bytes.
    pub(super) output_length: u32,
    /// How long its operands and key are, in bytes.
    pub(super) payload_length: u32,
    /// The caller no longer waits.
    abandoned: bool,
}

/// All slots of one arena.
pub(super) struct Slots {
    owners: Vec<Owner>,
    free: Vec<u32>,
    last_sequence: u64,
    in_flight: u32,
    abandoned: u32,
    quarantined: u32,
}

impl Slots {
    pub(super) fn new(count: u32) -> Self {
        Self {
            owners: vec![Owner::Free; count as usize],
            // The last comes first: slot 0 is the first to be used, and the one most used stays warm.
            free: (0..count).rev().collect(),
            last_sequence: 0,
            in_flight: 0,
            abandoned: 0,
            quarantined: 0,
        }
    }

    /// How many requests the device has.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// How many slots nobody waits for, and nobody may use.
    pub(super) fn quarantined(&self) -> u32 {
        self.quarantined + self.abandoned
    }

    /// How many requests the device could have at once if it may have `depth`: those that were abandoned keep their places in
    /// the ring and their slots, those in quarantine their slots.
    pub(super) fn usable(&self, depth: u32) -> u32 {
        let slots = u32::try_from(self.owners.len()).unwrap_or(u32::MAX);
        (depth - self.abandoned.min(depth)).min(slots - self.quarantined())
    }

    /// A free slot, which stays free until `submitted`.
    pub(super) fn peek_free(&self) -> Option<u32> {
        self.free.last().copied()
    }

    /// The free slot last peeked at now belongs to the device. Returns the submission's sequence number.
    pub(super) fn submitted(&mut self, tag: Tag, epoch: u64, output_length: u32, payload_length: u32) -> u64 {
        self.last_sequence += 1;
        if let Some(slot) = self.free.pop() {
            let sequence = self.last_sequence;
            self.owners[slot as usize] = Owner::Device(Pending {
                tag,
                sequence,
                epoch,
                output_length,
                payload_length,
                abandoned: false,
            });
            self.in_flight += 1;
        }
        self.last_sequence
    }

    /// What the device has in this slot under this sequence number and epoch; none if it has no such thing.
    pub(super) fn find(&self, slot: u32, sequence: u64, epoch: u64) -> Option<Pending> {
        match self.owners.get(slot as usize) {
            Some(Owner::Device(pending)) if pending.sequence == sequence && pending.epoch == epoch => {
                Some(*pending)
            }
            _ => None,
        }
    }

    /// The device has answered: the slot is free.
    pub(super) fn answered(&mut self, slot: u32) {
        if let Some(Owner::Device(pending)) = self.owners.get(slot as usize).copied() {
            self.owners[slot as usize] = Owner::Free;
            self.free.push(slot);
            self.in_flight -= 1;
            self.abandoned -= u32::from(pending.abandoned);
        }
    }

    /// Nobody waits any more for the request with this tag.
    pub(super) fn abandon(&mut self, tag: Tag) {
        for owner in &mut self.owners {
            if let Owner::Device(pending) = owner {
                if pending.tag == tag && !pending.abandoned {
                    pending.abandoned = true;
                    self.abandoned += 1;
                    return;
                }
            }
        }
    }

    /// Everything that the device has goes to quarantine. Gives slot and request of each, in the order of submission.
    pub(super) fn take_all(&mut self) -> Vec<(u32, Pending)> {
        let mut taken = Vec::with_capacity(self.in_flight as usize);
        for (slot, owner) in (0_u32..).zip(&mut self.owners) {
            if let Owner::Device(pending) = *owner {
                *owner = Owner::Quarantine;
                taken.push((slot, pending));
            }
        }
        taken.sort_unstable_by_key(|(_, pending)| pending.sequence);
        self.quarantined += self.in_flight;
        self.in_flight = 0;
        self.abandoned = 0;
        taken
    }

    /// The device was fenced: nothing of it writes any more to what is in quarantine. Gives the slots that are free now.
    pub(super) fn fenced(&mut self) -> Vec<u32> {
        let mut freed = Vec::with_capacity(self.quarantined as usize);
        for (slot, owner) in (0_u32..).zip(&mut self.owners) {
            if *owner == Owner::Quarantine {
                *owner = Owner::Free;
                freed.push(slot);
            }
        }
        self.free.extend(&freed);
        self.quarantined = 0;
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dummies_come_in_the_order_of_submission_and_slots_come_back_only_after_the_fence() {
        let mut slots = Slots::new(3);
        for number in 1..=3 {
            assert_eq!(slots.submitted(Tag(number), 1, 32, 96), number);
        }
        assert_eq!(slots.peek_free(), None);
        // The first slot is answered and used again: the order of slots is not that of submissions any more.
        let first = (0..3).find(|slot| slots.find(*slot, 1, 1).is_some()).unwrap();
        slots.answered(first);
        assert_eq!(slots.find(first, 1, 1), None);
        slots.submitted(Tag(4), 1, 32, 96);
        slots.abandon(Tag(3));
        assert_eq!((slots.in_flight(), slots.quarantined()), (3, 1));
        let tags: Vec<_> = slots.take_all().iter().map(|(_, pending)| pending.tag.0).collect();
        assert_eq!(tags, [2, 3, 4]);
        assert_eq!((slots.in_flight(), slots.quarantined()), (0, 3));
        assert_eq!(slots.peek_free(), None);
        assert_eq!(slots.fenced().len(), 3);
        assert!(slots.peek_free().is_some());
        assert_eq!(slots.quarantined(), 0);
    }
}
