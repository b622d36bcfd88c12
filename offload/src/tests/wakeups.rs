//! Who waits is woken by what he waits for, whoever else waits, drives or submits at the same time. Deadlines are far away here,
//! so a wake-up that is lost shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::rig::{Mode, Rig, eventually, is_right, request, wake};
use crate::{Completion, Offload};

/// What a busy machine may add to a wake-up.
const PROMPT: Duration = Duration::from_secs(3);
/// Longer than any of these tests takes if nothing is lost.
const LONG: Duration = Duration::from_secs(10);

fn rig() -> (Rig, Arc<Offload>) {
    let rig = Rig::new(1);
    let mut config = rig.config();
    config.set("deadline_ms", "10000").unwrap();
    let offload = Arc::new(Offload::new(config));
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    (rig, offload)
}

fn counted() -> (Arc<AtomicUsize>, Completion) {
    let count = Arc::new(AtomicUsize::new(0));
    let inner = count.clone();
    let notice = move || {
        inner.fetch_add(1, Ordering::SeqCst);
    };
    (count, wake(notice))
}

#[test]
fn a_driver_takes_over_from_a_waiting_thread_that_leaves() {
    let (rig, offload) = rig();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| offload.execute(request(4)).unwrap());
        rig.devices[0].until_held(1);
        let (noticed, notice) = counted();
        let _ticket = offload.submit(request(2), notice);
        rig.devices[0].until_held(2);
        let driver = scope.spawn(|| offload.drive(LONG));
        // Time for the driver to fall asleep while the other thread has the turn.
        std::thread::sleep(Duration::from_millis(50));
        rig.devices[0].answer_first_held();
        assert!(is_right(4, &waiter.join().unwrap()));
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(noticed.load(Ordering::SeqCst), 0);
        let answered = Instant::now();
        rig.devices[0].answer_held();
        assert_eq!(driver.join().unwrap(), 1);
        assert!(answered.elapsed() < PROMPT, "{:?}", answered.elapsed());
    });
}

#[test]
fn a_sleeping_driver_learns_of_tickets_that_another_thread_submits() {
    let (rig, offload) = rig();
    std::thread::scope(|scope| {
        let driver = scope.spawn(|| offload.drive(LONG));
        std::thread::sleep(Duration::from_millis(50));
        let ticket = offload.submit(request(4), Completion::Poll);
        rig.devices[0].until_held(1);
        let answered = Instant::now();
        rig.devices[0].answer_held();
        assert_eq!(driver.join().unwrap(), 1);
        assert!(answered.elapsed() < PROMPT, "{:?}", answered.elapsed());
        assert!(ticket.is_done());
    });
}

#[test]
fn threads_that_wait_for_tickets_side_by_side_do_not_wait_for_each_other() {
    const ROUNDS: u32 = 40;
    let (rig, offload) = rig();
    let mut took = Duration::ZERO;
    for _ in 0..ROUNDS {
        let [first, second] = [4, 2].map(|place| offload.submit(request(place), Completion::Poll));
        rig.devices[0].until_held(2);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| second.wait().unwrap());
            std::thread::sleep(Duration::from_millis(5));
            let first = scope.spawn(|| first.wait().unwrap());
            std::thread::sleep(Duration::from_millis(5));
            // Whoever of the two sleeps on the descriptors, and whoever moves it on, the other must hear of it.
            rig.devices[0].answer_first_held();
            let began = Instant::now();
            assert!(is_right(4, &first.join().unwrap()));
            took += began.elapsed();
            rig.devices[0].answer_held();
            let began = Instant::now();
            assert!(is_right(2, &second.join().unwrap()));
            took += began.elapsed();
        });
    }
    assert!(took < ROUNDS * Duration::from_millis(50), "{took:?}");
}

#[test]
fn a_request_that_ends_at_once_gives_its_notice_too() {
    let (rig, offload) = rig();
    offload.close();
    let (noticed, notice) = counted();
    let mut ticket = offload.submit(request(4), notice);
    assert_eq!(noticed.load(Ordering::SeqCst), 1);
    assert!(is_right(4, &ticket.take().unwrap().unwrap()));
    eventually("closing gave the instance back", || rig.devices[0].user_count() == 0);
}
