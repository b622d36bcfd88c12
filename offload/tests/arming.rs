//! `arming.rs` under loom: in every order of events, a response that nobody has taken finds the completion loop awake, or
//! has rung for it.

#[path = "../src/arming.rs"]
#[allow(dead_code, unreachable_pub, reason = "the file is part of the crate; not all of it is used here")]
mod arming;

/// What `arming.rs` computes with.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
}

use arming::{Arming, Doorbell, Sleep};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use loom::thread;

/// A process, its loop, and one device.
#[derive(Default)]
struct World {
    sleep: Sleep,
    arming: Arming,
    /// The rings: how many responses there are, and how many were taken.
    produced: AtomicU32,
    consumed: AtomicU32,
    /// Whether the device is to ring.
    wanted: AtomicBool,
    /// It has rung, and the loop has not seen it. An eventfd: what was rung stays.
    rung: AtomicBool,
    turn: AtomicBool,
}

impl World {
    /// The device answers a watched request.
    fn answer(&self) {
        self.produced.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.wanted.load(Ordering::Relaxed) {
            self.rung.store(true, Ordering::SeqCst);
        }
    }

    fn try_turn(&self) -> bool {
        self.turn.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn give_up_turn(&self) {
        self.turn.store(false, Ordering::Release);
    }

    /// The caller has the turn.
    fn take_all(&self) {
        let produced = self.produced.load(Ordering::Acquire);
        let consumed = self.consumed.swap(produced, Ordering::Relaxed);
        (consumed..produced).for_each(|_| self.arming.unwatch());
    }

    /// What `Core::pass_on` does.
    fn pass_on(&self) {
        if self.arming.is_watched() && self.sleep.is_asleep() {
            self.arming.arm(self);
        }
    }

    /// A thread that waits for a request of its own polls once for all, sleeps in between or not, and goes.
    fn lead(&self) {
        if self.try_turn() {
            self.take_all();
            // `prepare_wait` and `end_wait` around its own sleep.
            self.wanted.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            self.wanted.store(false, Ordering::Relaxed);
            self.arming.disarm();
            self.give_up_turn();
            fence(Ordering::SeqCst);
            self.pass_on();
        }
    }

    /// The loop goes to sleep, and is there when it does. True if it would sleep now.
    fn fall_asleep(&self) -> bool {
        self.sleep.begin();
        !(self.arming.is_watched() && self.arming.arm(self))
    }

    /// A request is submitted, which the device answers in another thread.
    fn submit(&self) {
        if self.sleep.is_asleep() {
            self.arming.arm(self);
        }
    }

    /// After everything else: would the loop sleep for ever?
    fn check(&self, asleep: bool) {
        let all_taken = self.consumed.load(Ordering::SeqCst) == self.produced.load(Ordering::SeqCst);
        assert!(all_taken || !asleep || self.rung.load(Ordering::SeqCst), "a response is left lying");
    }
}

impl Doorbell for World {
    fn prepare_wait(&self) -> bool {
        self.wanted.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.produced.load(Ordering::Acquire) == self.consumed.load(Ordering::Relaxed)
    }

    fn poll(&self) -> bool {
        if !self.try_turn() {
            return false;
        }
        self.take_all();
        self.give_up_turn();
        true
    }
}

#[test]
fn a_request_submitted_while_the_loop_falls_asleep_is_not_left_lying() {
    loom::model(|| {
        let world = Arc::new(World::default());
        let submitter = {
            let world = world.clone();
            thread::spawn(move || {
                world.arming.watch();
                world.answer();
                world.submit();
            })
        };
        let asleep = world.fall_asleep();
        submitter.join().unwrap();
        world.check(asleep);
    });
}

#[test]
fn an_answer_that_comes_while_the_loop_falls_asleep_is_not_left_lying() {
    loom::model(|| {
        let world = Arc::new(World::default());
        world.arming.watch();
        let device = {
            let world = world.clone();
            thread::spawn(move || world.answer())
        };
        let asleep = world.fall_asleep();
        device.join().unwrap();
        world.check(asleep);
    });
}

#[test]
fn a_thread_that_leaves_its_turn_leaves_nothing_lying() {
    let mut model = loom::model::Builder::new();
    // Three threads: all orders with up to this many switches in between (what loom's guide advises).
    model.preemption_bound = Some(3);
    model.check(|| {
        let world = Arc::new(World::default());
        world.arming.watch();
        let device = {
            let world = world.clone();
            thread::spawn(move || world.answer())
        };
        let leader = {
            let world = world.clone();
            thread::spawn(move || world.lead())
        };
        let asleep = world.fall_asleep();
        device.join().unwrap();
        leader.join().unwrap();
        world.check(asleep);
    });
}

#[test]
fn who_arms_does_not_rob_a_waiting_thread_of_its_ring() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let world = Arc::new(World::default());
        world.arming.watch();
        let device = {
            let world = world.clone();
            thread::spawn(move || world.answer())
        };
        let leader = {
            let world = world.clone();
            // It keeps the turn while it sleeps, so nobody else takes what it waits for.
            thread::spawn(move || {
                let has_turn = world.try_turn();
                if has_turn {
                    world.take_all();
                }
                has_turn && world.prepare_wait()
            })
        };
        world.fall_asleep();
        device.join().unwrap();
        let sleeps = leader.join().unwrap();
        world.check(sleeps);
    });
}
