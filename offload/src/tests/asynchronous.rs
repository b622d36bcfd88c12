//! The consumer that never waits: many tickets from one thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Instant;

use hotspare_device::stats::Counter::{
    Abandoned, ActiveDevices, Dummies, Hardware, InFlight, ReplayedHardware, Software, StrayResponses,
    Submitted,
};

use super::rig::{Mode, NO_ENDLESS_WAIT, Rig, is_right, request, wake, worth_polling};
use crate::{Completion, Ticket};

#[test]
fn many_tickets_in_flight_from_one_thread_some_of_them_abandoned_while_devices_die() {
    let rig = Rig::new(2);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    let (mut open, mut done, mut dropped) = (VecDeque::new(), 0, 0);
    let noticed = Arc::new(AtomicUsize::new(0));
    for number in 0..2000 {
        let place = number % 5;
        let (noticed, owner) = (noticed.clone(), std::thread::current());
        let notice = move || {
            noticed.fetch_add(1, Ordering::Relaxed);
            owner.unpark();
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
        while open.len() > 64 {
            // Each of them is woken for: nobody polls the devices but the completion loop.
            std::thread::park_timeout(NO_ENDLESS_WAIT);
            open.retain_mut(|(place, ticket): &mut (usize, Ticket)| match ticket.poll() {
                Poll::Ready(result) => {
                    assert!(is_right(*place, &result.unwrap()));
                    done += 1;
                    false
                }
                Poll::Pending => true,
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
    let mut result = Poll::Pending;
    let patience = Instant::now() + NO_ENDLESS_WAIT;
    while result.is_pending() && Instant::now() < patience {
        offload.poll();
        result = ticket.poll();
    }
    rig.devices[0].set(Mode::Good);
    rig.devices[0].answer_held();
    rig.until(StrayResponses, 1);
    assert!(matches!(result, Poll::Ready(Ok(output)) if is_right(2, &output)));
    rig.assert_counters(&[(Submitted, 2), (Hardware, 1), (Software, 1)]);
}

#[test]
fn an_owner_may_submit_and_drop_tickets_while_it_is_woken() {
    let rig = Rig::new(1);
    let offload = Arc::new(rig.offload());
    offload.execute(request(4)).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let inner = offload.clone();
    let mut first = offload.submit(
        request(4),
        wake(move || {
            drop(inner.submit(request(0), Completion::Poll));
            let _ = sender.send(inner.submit(request(2), Completion::Poll));
        }),
    );
    assert!(is_right(2, &receiver.recv_timeout(NO_ENDLESS_WAIT).unwrap().wait().unwrap()));
    assert!(matches!(first.poll(), Poll::Ready(Ok(output)) if is_right(4, &output)));
}

#[test]
fn woken_owners_of_a_dying_device_are_served_by_another_and_those_of_a_silent_one_by_software() {
    let rig = Rig::new(2);
    let mut config = rig.config();
    config.set("deadline_ms", "300").unwrap();
    let offload = crate::Offload::new(config);
    offload.execute(request(4)).unwrap();
    rig.until(ActiveDevices, 2);
    rig.devices[0].set(Mode::Silent);
    rig.devices[1].set(Mode::Silent);
    let started = Instant::now();
    let tickets: Vec<_> = (0..20)
        .map(|_| {
            let (woken, completion) = worth_polling();
            (woken, offload.submit(request(4), completion))
        })
        .collect();
    rig.devices[0].until_held(10);
    rig.devices[1].until_held(10);
    // Nobody polls but the loop: it hands what the first had to the second.
    rig.devices[0].fail();
    rig.devices[1].until_held(20);
    for (woken, mut ticket) in tickets {
        let mut result = ticket.poll();
        while result.is_pending() {
            woken.recv_timeout(NO_ENDLESS_WAIT).unwrap();
            result = ticket.poll();
        }
        assert!(matches!(result, Poll::Ready(Ok(output)) if is_right(4, &output)));
    }
    assert!(started.elapsed() < NO_ENDLESS_WAIT, "{:?}", started.elapsed());
    let sum = rig.sum();
    assert_eq!(sum.imbalance(), 0);
    assert_eq!((sum.value(Submitted), sum.value(Dummies), sum.value(Software)), (21, 10, 20));
}

#[test]
fn each_request_of_a_batch_has_its_own_fate() {
    let rig = Rig::new(2);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.until(ActiveDevices, 2);
    rig.devices[0].set(Mode::Silent);
    rig.devices[1].set(Mode::Silent);
    let mut batch = offload.batch();
    let mut tickets: Vec<_> =
        (0..20).map(|number| (number % 5, batch.submit(request(number % 5), Completion::Poll))).collect();
    drop(batch);
    rig.devices[0].until_held(10);
    rig.devices[1].until_held(10);
    // One of them is abandoned, half are answered by the one device, and those of the other are redone elsewhere.
    drop(tickets.remove(7));
    rig.devices[1].set(Mode::Good);
    rig.devices[1].answer_held();
    rig.devices[0].fail();
    for (place, ticket) in tickets {
        assert!(is_right(place, &ticket.wait().unwrap()));
    }
    let sum = rig.sum();
    assert_eq!(sum.imbalance(), 0);
    assert_eq!((sum.value(Submitted), sum.value(Abandoned), sum.value(InFlight)), (21, 1, 0));
    assert_eq!(sum.value(Hardware) + sum.value(ReplayedHardware), 20);
    assert!(sum.value(ReplayedHardware) >= 9, "{}", sum.value(ReplayedHardware));
}

#[test]
fn closing_leaves_every_request_to_its_owner_once() {
    let rig = Rig::new(2);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.until(ActiveDevices, 2);
    rig.devices[0].set(Mode::Silent);
    rig.devices[1].set(Mode::Silent);
    let tickets: Vec<_> = (0..40)
        .map(|number| {
            let (woken, completion) = worth_polling();
            let place = number % 5;
            (place, woken, offload.submit(request(place), completion))
        })
        .collect();
    offload.close();
    for (place, woken, mut ticket) in tickets {
        woken.recv_timeout(NO_ENDLESS_WAIT).unwrap();
        assert!(matches!(ticket.poll(), Poll::Ready(Ok(output)) if is_right(place, &output)));
        assert!(ticket.poll().is_pending());
    }
    rig.assert_counters(&[(Submitted, 41), (Hardware, 1), (Software, 40)]);
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
