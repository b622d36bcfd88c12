//! Who waits is woken by what he waits for, whoever else waits, polls or submits at the same time. Deadlines are far away here,
//! so a wake-up that is lost shows.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use hotspare_device::drivers::emulated::instant::InstantEngine;
use hotspare_device::stats::Counter;
use hotspare_device::stats::Counter::Software;

use super::rig::{Mode, Rig, eventually, is_right, request, wake, worth_polling};
use crate::{Completion, Offload, Ticket};

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

#[test]
fn the_loop_takes_over_from_a_waiting_thread_that_leaves() {
    let (rig, offload) = rig();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| offload.execute(request(4)).unwrap());
        rig.devices[0].until_held(1);
        let (woken, completion) = worth_polling();
        let mut ticket = offload.submit(request(2), completion);
        rig.devices[0].until_held(2);
        // Time for the loop to find that another thread has the turn.
        std::thread::sleep(Duration::from_millis(50));
        rig.devices[0].answer_first_held();
        assert!(is_right(4, &waiter.join().unwrap()));
        std::thread::sleep(Duration::from_millis(50));
        assert!(woken.try_recv().is_err());
        rig.devices[0].answer_held();
        woken.recv_timeout(PROMPT).unwrap();
        assert!(matches!(ticket.poll(), Poll::Ready(Ok(output)) if is_right(2, &output)));
    });
}

#[test]
fn a_waiting_thread_hands_on_what_it_finds_for_others_at_once() {
    let (rig, offload) = rig();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| offload.execute(request(4)).unwrap());
        rig.devices[0].until_held(1);
        let (woken, completion) = worth_polling();
        let mut ticket = offload.submit(request(2), completion);
        rig.devices[0].until_held(2);
        rig.devices[0].answer_last_held();
        woken.recv_timeout(PROMPT).unwrap();
        assert!(matches!(ticket.poll(), Poll::Ready(Ok(output)) if is_right(2, &output)));
        rig.devices[0].answer_held();
        assert!(is_right(4, &waiter.join().unwrap()));
    });
}

#[test]
fn a_sleeping_loop_rings_for_requests_that_came_after_it_fell_asleep() {
    let (rig, offload) = rig();
    for round in 0..200 {
        let (woken, completion) = worth_polling();
        let mut ticket = offload.submit(request(4), completion);
        rig.devices[0].until_held(1);
        if round % 3 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        rig.devices[0].answer_held();
        woken.recv_timeout(PROMPT).unwrap();
        assert!(matches!(ticket.poll(), Poll::Ready(Ok(output)) if is_right(4, &output)));
    }
}

#[test]
fn waiting_threads_and_woken_owners_share_a_device_and_nobody_is_forgotten() {
    let (rig, offload) = rig();
    rig.devices[0].set(Mode::Good);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope
                .spawn(|| (0..500).for_each(|_| assert!(is_right(4, &offload.execute(request(4)).unwrap()))));
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let (woken, completion) = worth_polling();
                    let mut ticket = offload.submit(request(2), completion);
                    let mut result = ticket.poll();
                    while result.is_pending() {
                        woken.recv_timeout(PROMPT).unwrap();
                        result = ticket.poll();
                    }
                    assert!(matches!(result, Poll::Ready(Ok(output)) if is_right(2, &output)));
                }
            });
        }
    });
    assert!(began.elapsed() < 4 * LONG, "{:?}", began.elapsed());
    assert_eq!(rig.sum().value(Software), 0, "no deadline was missed");
}

/// Submits a request whose owner submits the next one as it is woken, in the loop's own thread, and so on. All tickets go to `tickets`.
fn link(offload: &Arc<Offload>, left: u32, tickets: &Sender<Ticket>) {
    let next = Mutex::new((left > 0).then(|| (offload.clone(), tickets.clone())));
    let go_on = move || {
        if let Some((offload, tickets)) = next.lock().unwrap().take() {
            link(&offload, left - 1, &tickets);
        }
    };
    // Who no longer waits for them has failed already.
    let _ = tickets.send(offload.submit(request(4), wake(go_on)));
}

#[test]
fn a_device_that_rings_only_if_it_is_told_to_wakes_the_loop_for_each_request() {
    const LINKS: u32 = 500;
    let rig = Rig::new(0);
    // Longer than the loop spins: it sleeps before each answer.
    let delay = Duration::from_micros(300);
    let socket = rig.directory.join("run/hotspare-emulator/0000:aa:00.0.sock");
    let engine = InstantEngine::start_with_delay(&socket, delay).unwrap();
    let mut config = rig.config();
    config.set("deadline_ms", "10000").unwrap();
    let offload = Arc::new(Offload::new(config));
    offload.execute(request(4)).unwrap();
    rig.until(Counter::ActiveDevices, 1);
    let (sender, tickets) = std::sync::mpsc::channel();
    link(&offload, LINKS - 1, &sender);
    // None is waited for before all were submitted: who waits polls, and the loop would not have to.
    let all: Vec<_> = (0..LINKS)
        .map(|_| tickets.recv_timeout(PROMPT).expect("the owner of the one before is woken"))
        .collect();
    for ticket in all {
        assert!(is_right(4, &ticket.wait().unwrap()));
    }
    assert_eq!(rig.sum().value(Counter::DeadlinesMissed), 0);
    offload.close();
    drop(engine);
}

#[test]
fn what_comes_after_a_waiting_thread_has_left_wakes_the_loop() {
    let rig = Rig::new(0);
    let socket = rig.directory.join("run/hotspare-emulator/0000:aa:00.0.sock");
    let engine = InstantEngine::start_with_delay(&socket, Duration::from_millis(2)).unwrap();
    let mut config = rig.config();
    config.set("deadline_ms", "10000").unwrap();
    let offload = Offload::new(config);
    offload.execute(request(4)).unwrap();
    rig.until(Counter::ActiveDevices, 1);
    for _ in 0..200 {
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| offload.execute(request(4)).unwrap());
            std::thread::sleep(Duration::from_millis(1));
            // Answered after the other: it is the loop's, though the waiting thread has told the device not to ring.
            let (woken, completion) = worth_polling();
            let mut ticket = offload.submit(request(4), completion);
            woken.recv_timeout(PROMPT).unwrap();
            assert!(matches!(ticket.poll(), Poll::Ready(Ok(output)) if is_right(4, &output)));
            assert!(is_right(4, &waiter.join().unwrap()));
        });
    }
    offload.close();
    drop(engine);
}

#[test]
fn the_loop_ends_what_misses_its_deadline() {
    let rig = Rig::new(1);
    let mut config = rig.config();
    config.set("deadline_ms", "60").unwrap();
    let offload = Offload::new(config);
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    let (woken, completion) = worth_polling();
    let mut ticket = offload.submit(request(2), completion);
    assert!(ticket.poll().is_pending());
    woken.recv_timeout(PROMPT).unwrap();
    assert!(matches!(ticket.poll(), Poll::Ready(Ok(output)) if is_right(2, &output)));
    rig.assert_counters(&[(Counter::Submitted, 2), (Counter::Hardware, 1), (Counter::Software, 1)]);
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
            // Whoever of the two polls, the other must hear of it.
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
fn the_owner_of_a_request_that_ends_at_once_is_woken_too() {
    let (rig, offload) = rig();
    offload.close();
    let (woken, completion) = worth_polling();
    let mut ticket = offload.submit(request(4), completion);
    woken.try_recv().unwrap();
    assert!(matches!(ticket.poll(), Poll::Ready(Ok(output)) if is_right(4, &output)));
    eventually("closing gave the instance back", || rig.devices[0].user_count() == 0);
}
