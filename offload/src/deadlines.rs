//! The deadlines of asynchronous requests, soonest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::ledger::EntryId;

/// The fewest deadlines that are worth looking through for those of requests that have ended.
const FEW: usize = 1024;

/// Most requests end long before their deadlines, which stay here until they come up, or until they are more than those that
/// still count: so there are never more than twice as many as requests in flight, however long deadlines are.
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, u32, u32)>>,
    /// With how many it is looked through next.
    full: usize,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), full: FEW }
    }
}

impl Deadlines {
    /// Adds one. `counts` tells whether a request may still miss its deadline.
    pub(crate) fn add(&mut self, id: EntryId, deadline: Instant, counts: &dyn Fn(EntryId) -> bool) {
        if self.heap.len() >= self.full {
            self.heap.retain(|Reverse((_, index, generation))| {
                counts(EntryId { index: *index, generation: *generation })
            });
            self.full = FEW.max(2 * self.heap.len());
        }
        self.heap.push(Reverse((deadline, id.index, id.generation)));
    }

    /// The soonest one that counts.
    pub(crate) fn next(&mut self, counts: &dyn Fn(EntryId) -> bool) -> Option<Instant> {
        while let Some(Reverse((deadline, index, generation))) = self.heap.peek() {
            if counts(EntryId { index: *index, generation: *generation }) {
                return Some(*deadline);
            }
            self.heap.pop();
        }
        None
    }

    /// Takes out one that has passed.
    pub(crate) fn overdue(&mut self, now: Instant) -> Option<EntryId> {
        if self.heap.peek().is_none_or(|Reverse((deadline, _, _))| *deadline > now) {
            return None;
        }
        self.heap.pop().map(|Reverse((_, index, generation))| EntryId { index, generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn those_of_requests_that_have_ended_do_not_pile_up_and_wake_nobody() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        let ids = (0..100_000).map(|index| EntryId { index, generation: 0 });
        for id in ids {
            // The last ten are in flight.
            let counts = |other: EntryId| other.index + 10 > id.index;
            deadlines.add(id, start + Duration::from_micros(id.index.into()), &counts);
            assert!(deadlines.heap.len() <= FEW, "{}", deadlines.heap.len());
        }
        let last = |id: EntryId| id.index == 99_999;
        assert_eq!(deadlines.next(&last), Some(start + Duration::from_micros(99_999)));
        assert_eq!(deadlines.overdue(start), None);
        let overdue = deadlines.overdue(start + Duration::from_secs(1));
        assert_eq!(overdue, Some(EntryId { index: 99_999, generation: 0 }));
        assert_eq!(deadlines.next(&last), None);
    }
}
