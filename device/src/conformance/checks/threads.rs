//! Many threads at one instance.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::conformance::trial::{Trial, Verdict, ensure, is_readable};
use crate::conformance::{Action, PATIENCE, Sample, Stand};
use crate::instance::{Instance, Response, Status, SubmitError, Tag};

const THREADS: u64 = 4;
/// Requests of each thread while nothing happens to the device.
const REQUESTS: u64 = 500;
/// Errors and restarts while they go on.
const DEATHS: u32 = 20;

pub(super) fn any_thread_may_call(stand: &dyn Stand) -> Verdict {
    let trial = Trial::new(stand)?;
    let crowd = Crowd::new(&trial);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let crowd = &crowd;
            scope.spawn(move || crowd.work(thread, REQUESTS));
        }
    });
    crowd.settle()?;
    let (computed, dummies) = crowd.count()?;
    ensure!(computed as u64 == THREADS * REQUESTS && dummies == 0, "{computed} computed, {dummies} dummies");
    Ok(())
}

pub(super) fn threads_share_a_device_that_dies_again_and_again(stand: &dyn Stand) -> Verdict {
    let trial = Trial::new(stand)?;
    let crowd = Crowd::new(&trial);
    let died = std::thread::scope(|scope| -> Verdict {
        for thread in 0..THREADS {
            let crowd = &crowd;
            scope.spawn(move || crowd.work(thread, u64::MAX));
        }
        let deaths = || -> Verdict {
            for death in 0..DEATHS {
                let before = crowd.answered.load(Ordering::Relaxed);
                if death % 2 == 0 {
                    trial.act(Action::Fail)?;
                }
                trial.act(Action::Restart)?;
                // It works again before it dies again.
                let deadline = Instant::now() + PATIENCE;
                while crowd.answered.load(Ordering::Relaxed) < before + 50 {
                    ensure!(Instant::now() < deadline, "after restart {death} nothing is answered any more");
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
            Ok(())
        };
        let died = deaths();
        crowd.stop.store(true, Ordering::Relaxed);
        died
    });
    died?;
    crowd.settle()?;
    let (computed, _) = crowd.count()?;
    ensure!(computed > 0, "nothing was computed at all");
    Ok(())
}

/// Threads that submit, poll and wait at one instance.
struct Crowd<'a> {
    instance: &'a dyn Instance,
    samples: &'a [Sample],
    /// What was accepted and what came back for it, by tag.
    books: Mutex<HashMap<u64, Vec<Status>>>,
    accepted: AtomicUsize,
    answered: AtomicUsize,
    wrong: Mutex<Option<String>>,
    stop: AtomicBool,
}

impl<'a> Crowd<'a> {
    fn new(trial: &'a Trial) -> Self {
        Self {
            instance: &*trial.instance,
            // Quick ones, with different results.
            samples: &trial.samples[..trial.samples.len().min(3)],
            books: Mutex::new(HashMap::new()),
            accepted: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            wrong: Mutex::new(None),
            stop: AtomicBool::new(false),
        }
    }

    fn sample(&self, tag: u64) -> &Sample {
        // The remainder is below 3.
        &self.samples[usize::try_from(tag % self.samples.len() as u64).unwrap_or(0)]
    }

    fn complain(&self, why: String) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Submits so many requests, or until it is stopped, and polls when the ring is full, dead, or just so.
    fn work(&self, thread: u64, requests: u64) {
        let mut number = 0;
        let mut idle_since = Instant::now();
        while number < requests && !self.stop.load(Ordering::Relaxed) {
            let tag = thread << 32 | number;
            match self.instance.submit(&self.sample(tag).request, Tag(tag)) {
                Ok(()) => {
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                    number += 1;
                    idle_since = Instant::now();
                    if number % 3 != 0 {
                        continue;
                    }
                }
                Err(SubmitError::Unsupported) => {
                    self.complain("an operation was supported, and is not".into())
                }
                Err(_) if idle_since.elapsed() > PATIENCE => {
                    self.complain("nothing is taken any more".into());
                }
                Err(_) => {}
            }
            if self.poll() > 0 {
                continue;
            }
            std::thread::yield_now();
            if number % 5 == thread && self.instance.prepare_wait() {
                // Another thread may take what rings for us, so this is no test of wake-ups.
                is_readable(&[self.instance.descriptor()], Duration::from_millis(1));
                self.instance.end_wait();
            }
        }
    }

    fn poll(&self) -> usize {
        self.instance.poll(&mut |response: Response<'_>| {
            let expected = &self.sample(response.tag.0).expected;
            match response.status {
                Status::Done if response.output != *expected => {
                    self.complain(format!("{:?} came back with another's result", response.tag));
                }
                Status::Done | Status::Dummy => {}
                status => self.complain(format!("{:?} came back {status:?}", response.tag)),
            }
            let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
            books.entry(response.tag.0).or_default().push(response.status);
            self.answered.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Takes what is still to come.
    fn settle(&self) -> Verdict {
        let deadline = Instant::now() + PATIENCE;
        while self.answered.load(Ordering::Relaxed) < self.accepted.load(Ordering::Relaxed) {
            if self.poll() == 0 {
                let accepted = self.accepted.load(Ordering::Relaxed);
                let answered = self.answered.load(Ordering::Relaxed);
                ensure!(Instant::now() < deadline, "{accepted} were accepted, {answered} answered");
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        for _ in 0..50 {
            ensure!(self.poll() == 0, "more answers than requests");
        }
        Ok(())
    }

    /// How many were computed, and how many got a dummy; each just one of the two.
    fn count(&self) -> Verdict<(usize, usize)> {
        if let Some(why) = self.wrong.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(why.into());
        }
        let books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = self.accepted.load(Ordering::Relaxed);
        ensure!(books.len() == accepted, "{accepted} were accepted, {} of them answered", books.len());
        for (tag, statuses) in &*books {
            ensure!(statuses.len() == 1, "{tag} was answered {} times", statuses.len());
        }
        let computed = books.values().filter(|statuses| statuses[0] == Status::Done).count();
        let now = self.instance.occupancy();
        ensure!(now.in_flight == 0, "all is answered, and {} are in flight", now.in_flight);
        Ok((computed, books.len() - computed))
    }
}
