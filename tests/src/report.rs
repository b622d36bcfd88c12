//! Suites of published vectors: what each vector must give, what was run, what was left out and why.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Mutex;

use crate::mode::Setup;
use crate::openssl::Side;

/// What an operation gave: its output (nothing if it only accepts), or why it was refused.
pub type Outcome = Result<Vec<u8>, String>;

/// What it must give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// This.
    Output(Vec<u8>),
    /// No output.
    Refused,
    /// This or no output, whichever the default provider gives.
    Either(Vec<u8>),
    /// What the default provider gives.
    AsTheReference,
}

/// One vector.
struct Case {
    set: String,
    number: usize,
    comment: String,
    expected: Expected,
    run: Box<dyn Fn(&Side) -> Outcome + Send + Sync>,
}

/// A suite.
#[derive(Default)]
pub struct Plan {
    cases: Vec<Case>,
    /// How many vectors each set has, by the file's own count.
    sets: BTreeMap<String, usize>,
    left_out: BTreeMap<(String, String), usize>,
    /// Sets of which nothing is there to be run.
    files_left_out: BTreeMap<&'static str, &'static str>,
    as_the_reference: BTreeMap<(String, &'static str), Vec<usize>>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} vectors of {} sets", self.cases.len(), self.sets.len())
    }
}

impl Plan {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A set has so many vectors. Each must be run, or left out with a reason.
    pub fn set(&mut self, set: impl fmt::Debug, vectors: usize) {
        let before = self.sets.insert(name(set), vectors);
        assert!(before.is_none(), "a set twice");
    }

    /// A vector of a set, and how it is run on a side.
    pub fn case(
        &mut self,
        set: impl fmt::Debug,
        (number, comment): (usize, &str),
        expected: Expected,
        run: impl Fn(&Side) -> Outcome + Send + Sync + 'static,
    ) {
        let (set, comment, run) = (name(set), comment.to_owned(), Box::new(run));
        self.cases.push(Case { set, number, comment, expected, run });
    }

    /// So many vectors are left out.
    pub fn left_out(&mut self, set: impl fmt::Debug, vectors: usize, why: &str) {
        *self.left_out.entry((name(set), why.to_owned())).or_default() += vectors;
    }

    /// Files that are not at hand, or have nothing that fits.
    pub fn files_left_out(&mut self, files: &[(&'static str, &'static str)]) {
        self.files_left_out.extend(files.iter().copied());
    }

    /// This vector is invalid, but the default provider need not refuse it: what it does is taken for right. Returns what is
    /// expected then.
    #[must_use]
    pub fn as_the_reference(&mut self, set: impl fmt::Debug, number: usize, why: &'static str) -> Expected {
        self.as_the_reference.entry((name(set), why)).or_default().push(number);
        Expected::AsTheReference
    }

    /// Runs everything, with dying devices until they have died so often; prints what was run and what was left out.
    ///
    /// # Panics
    /// If a vector went wrong, or if one was neither run nor left out.
    pub fn run(&self, setup: &Setup, deaths: usize) {
        let found = Mutex::new(Found::default());
        setup.until_enough(deaths, || {
            setup.each(self.cases.len(), |number| {
                let case = &self.cases[number];
                let outcome = (case.run)(setup.tested());
                let wanted = case.wanted(setup);
                found.lock().unwrap().enter(case, &outcome, &wanted);
            });
        });
        let found = found.into_inner().unwrap();
        self.print(&found);
        assert!(found.wrong.is_empty(), "{} wrong:\n{}", found.wrong.len(), found.wrong.join("\n"));
        self.check_complete();
    }

    fn print(&self, found: &Found) {
        let mut text = String::new();
        for (set, (accepted, refused)) in &found.counts {
            let _ = writeln!(text, "{set}: {accepted} accepted, {refused} refused");
        }
        for ((set, why), count) in &self.left_out {
            let _ = writeln!(text, "left out: {set}, {count} vectors: {why}");
        }
        for (files, why) in &self.files_left_out {
            let _ = writeln!(text, "left out: {files}: {why}");
        }
        for ((set, why), numbers) in &self.as_the_reference {
            let _ = writeln!(text, "as the default provider, whatever it does: {set}, {numbers:?}: {why}");
        }
        println!("{text}");
    }

    /// Of each set, what is run and what is left out are all that there is.
    fn check_complete(&self) {
        let mut there: BTreeMap<&str, usize> = BTreeMap::new();
        for case in &self.cases {
            *there.entry(&case.set).or_default() += 1;
        }
        for ((set, _), count) in &self.left_out {
            *there.entry(set).or_default() += count;
        }
        for (set, vectors) in &self.sets {
            assert_eq!(there.remove(set.as_str()), Some(*vectors), "{set}: run or left out");
        }
        assert!(there.is_empty(), "sets of which nobody said how many vectors they have: {there:?}");
        assert!(!self.sets.is_empty());
    }
}

fn name(set: impl fmt::Debug) -> String {
    format!("{set:?}").trim_matches('"').to_owned()
}

impl Case {
    fn wanted(&self, setup: &Setup) -> Wanted {
        let reference = || (self.run)(setup.reference());
        match &self.expected {
            Expected::Output(output) => Wanted::Output(output.clone()),
            Expected::Refused => Wanted::Nothing,
            Expected::Either(output) => match reference() {
                Ok(_) => Wanted::Output(output.clone()),
                Err(_) => Wanted::Nothing,
            },
            Expected::AsTheReference => reference().map_or(Wanted::Nothing, Wanted::Output),
        }
    }
}

enum Wanted {
    Output(Vec<u8>),
    Nothing,
}

#[derive(Default)]
struct Found {
    /// How many were accepted, and refused.
    counts: BTreeMap<String, (usize, usize)>,
    wrong: Vec<String>,
}

impl Found {
    fn enter(&mut self, case: &Case, outcome: &Outcome, wanted: &Wanted) {
        let Case { set, number, comment, expected, .. } = case;
        let what = match (outcome, wanted) {
            (Ok(output), Wanted::Output(wanted)) if output != wanted => Some("another output".to_owned()),
            (Ok(_), Wanted::Nothing) => Some("accepted".to_owned()),
            (Err(why), Wanted::Output(_)) => Some(format!("refused: {why}")),
            _ => None,
        };
        if let Some(what) = what {
            let expected = match expected {
                Expected::Output(_) => "valid",
                Expected::Refused => "invalid",
                Expected::Either(_) | Expected::AsTheReference => "as the reference",
            };
            self.wrong.push(format!("{set} {number} ({expected}; {comment}): {what}"));
        }
        let counts = self.counts.entry(set.clone()).or_default();
        if outcome.is_ok() {
            counts.0 += 1;
        } else {
            counts.1 += 1;
        }
    }
}
