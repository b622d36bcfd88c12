//! The consumer that never waits: many tickets from one thread.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hotspare_device::stats::Counter::{
    Abandoned, ActiveDevices, Dummies, Hardware, InFlight, ReplayedHardware, Software, StrayResponses,
    Submitted,
};

use super::rig::{Mode, NO_ENDLESS_WAIT, Rig, eventually, is_right, request, wake};
use crate::Completion;

const MOMENT: Duration = Duration::from_millis(20);

#[test]
fn many_tickets_in_flight_from_one_thread_some_of_them_abandoned_while_devices_die() {
    let rig = Rig::new(2);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    let (mut open, mut done, mut dropped) = (VecDeque::new(), 0, 0);
    let noticed = Arc::new(AtomicUsize::new(0));
    for number in 0..2000 {
        let place = number % 5;
        let noticed = noticed.clone();
        let notice = move || {
            noticed.fetch_add(1, Ordering::Relaxed);
        };
        let ticket = offload.submit(request(place), wake(notice));
        if number % 7 == 3 {
            drop(ticket);
            dropped += 1;
        } else {
            open.push_back((place, ticket));
        }
        match number % 400 {
            100 => rig.devices[0].fail(),
            150 => rig.devices[0].restart(),
            200 => rig.devices[1].fail(),
            250 => rig.devices[1].restart(),
            _ => {}
        }
        offload.drive(Duration::ZERO);
        while open.len() > 64 {
            offload.drive(MOMENT);
            open.retain_mut(|(place, ticket)| match ticket.take() {
                Some(result) => {
                    assert!(is_right(*place, &result.unwrap()));
                    done += 1;
                    false
                }
                None => true,
            });
        }
    }
    for (place, ticket) in open {
        assert!(is_right(place, &ticket.wait().unwrap()));
        done += 1;
    }
    let sum = rig.sum();
    assert_eq!(sum.imbalance(), 0);
    assert_eq!(sum.value(InFlight), 0);
    assert_eq!(done + dropped, 2000);
    assert_eq!(sum.value(Submitted), 2001);
    // A ticket may be dropped after its request has ended: then it counts as what it ended as.
    assert!(sum.value(Abandoned) <= dropped as u64);
    let computed = sum.value(Hardware) + sum.value(ReplayedHardware) + sum.value(Software);
    assert_eq!(computed + sum.value(Abandoned), sum.value(Submitted));
    assert!(noticed.load(Ordering::Relaxed) >= done - 64);
}

#[test]
fn an_abandoned_request_ends_once_and_what_the_device_makes_of_it_later_is_nobodys() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    let tickets: Vec<_> = (0..10).map(|_| offload.submit(request(2), Completion::Poll)).collect();
    rig.devices[0].until_held(10);
    drop(tickets);
    rig.assert_counters(&[(Submitted, 11), (Hardware, 1), (Abandoned, 10)]);
    rig.devices[0].set(Mode::Good);
    rig.devices[0].answer_held();
    assert!(is_right(2, &offload.execute(request(2)).unwrap()));
    rig.assert_counters(&[(Submitted, 12), (Hardware, 2), (Abandoned, 10)]);
}

#[test]
fn an_answer_after_the_end_changes_nothing_even_before_the_result_is_taken() {
    let rig = Rig::new(1);
    let mut config = rig.config();
    config.set("deadline_ms", "50").unwrap();
    let offload = crate::Offload::new(config);
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    let mut ticket = offload.submit(request(2), Completion::Poll);
    rig.devices[0].until_held(1);
    eventually("the deadline passed", || {
        offload.drive(MOMENT);
        ticket.is_done()
    });
    rig.devices[0].set(Mode::Good);
    rig.devices[0].answer_held();
    rig.until(StrayResponses, 1);
    assert!(is_right(2, &ticket.take().unwrap().unwrap()));
    rig.assert_counters(&[(Submitted, 2), (Hardware, 1), (Software, 1)]);
}

#[test]
fn a_notice_may_submit_and_the_driver_is_woken_by_answers() {
    let rig = Rig::new(1);
    let offload = Arc::new(rig.offload());
    offload.execute(request(4)).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let inner = offload.clone();
    let first = offload.submit(
        request(4),
        wake(move || {
            let _ = sender.send(inner.submit(request(2), Completion::Poll));
        }),
    );
    let rounds = Cell::new(0);
    eventually("the notice was given", || {
        rounds.set(rounds.get() + 1);
        offload.drive(Duration::from_secs(5)) > 0
    });
    assert!(first.is_done());
    assert!(is_right(2, &receiver.recv().unwrap().wait().unwrap()));
}

#[test]
fn tickets_of_a_dying_device_are_replayed_and_those_of_a_silent_one_end_by_their_deadline() {
    let rig = Rig::new(2);
    let mut config = rig.config();
    config.set("deadline_ms", "100").unwrap();
    let offload = crate::Offload::new(config);
    offload.execute(request(4)).unwrap();
    rig.until(ActiveDevices, 2);
    rig.devices[0].set(Mode::Silent);
    rig.devices[1].set(Mode::Silent);
    let tickets: Vec<_> = (0..20).map(|_| offload.submit(request(4), Completion::Poll)).collect();
    rig.devices[0].until_held(10);
    rig.devices[1].until_held(10);
    rig.devices[0].fail();
    let started = Instant::now();
    for ticket in tickets {
        assert!(is_right(4, &ticket.wait().unwrap()));
    }
    assert!(started.elapsed() < NO_ENDLESS_WAIT, "{:?}", started.elapsed());
    let sum = rig.sum();
    assert_eq!(sum.imbalance(), 0);
    assert_eq!(sum.value(Submitted), 21);
    assert_eq!(sum.value(Dummies), 10);
    assert_eq!(sum.value(Software), 20);
}
