//! The laws for asynchronous requests whose owners are woken: nobody polls the devices but the completion loop.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use hotspare_device::stats::Counter::{
    Abandoned, ActiveDevices, CallerErrors, DeadlinesMissed, Hardware, InFlight, Refused, ReplayedHardware,
    ReplayedSoftware, Software, StrayResponses, Submitted, Verified, WrongAnswers,
};
use hotspare_device::{
    Curve, EcKey, EcPublicKey, InvalidRequest, Key, KeyMaterial, Operation, Output, Request,
};

use super::processes::{die_with_the_test, in_child, wait_for};
use super::rig::{
    Mode, NO_ENDLESS_WAIT, Rig, eventually, expected, is_right, request, requests, wake, worth_polling,
};
use crate::{Completion, Error, Offload, Ticket, verify};

/// A request under way, and what says that it is worth polling.
struct Woken(Receiver<()>, Ticket);

fn submit(offload: &Offload, request: Request) -> Woken {
    let (woken, completion) = worth_polling();
    Woken(woken, offload.submit(request, completion))
}

impl Woken {
    /// Waits to be woken, and polls, until there is a result.
    fn result(mut self) -> Result<Output, Error> {
        loop {
            self.0.recv_timeout(NO_ENDLESS_WAIT).expect("woken in time");
            if let Poll::Ready(result) = self.1.poll() {
                return result;
            }
        }
    }
}

/// Has `request` computed by a woken ticket.
fn compute(offload: &Offload, request: Request) -> Result<Output, Error> {
    submit(offload, request).result()
}

#[test]
fn wrong_results_never_leave() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    let verified: Vec<_> =
        requests().into_iter().filter(|known| verify::is_needed(known.request.operation())).collect();
    let count = verified.len() as u64;
    assert!(count >= 8, "RSA twice, points and signatures on three curves");
    for known in verified {
        // After a wrong answer a device is not used until it has proved itself.
        rig.until(ActiveDevices, 1);
        rig.devices[0].set(Mode::Wrong);
        assert_eq!(&*compute(&offload, known.request).unwrap(), known.expected);
        rig.devices[0].set(Mode::Good);
    }
    rig.assert_counters(&[
        (Submitted, count + 1),
        (Hardware, 1),
        (Software, count),
        (ReplayedSoftware, count),
        (WrongAnswers, count),
    ]);
}

#[test]
fn a_wrong_result_is_replayed_by_another_device() {
    let rig = Rig::new(2);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.until(ActiveDevices, 2);
    rig.devices[0].set(Mode::Wrong);
    // Whoever gets the first, the wrong device is met by one of two.
    for _ in 0..2 {
        assert!(is_right(0, &compute(&offload, request(0)).unwrap()));
    }
    let sum = rig.sum();
    assert_eq!(sum.imbalance(), 0);
    assert_eq!((sum.value(ReplayedHardware), sum.value(WrongAnswers), sum.value(Software)), (1, 1, 0));
}

/// The request to verify the published signature on P-256, and that with a digit of the digest changed.
fn verifications() -> [Request; 2] {
    let Operation::EcdsaVerify(Curve::P256) = request(5).operation() else { panic!("another request") };
    let right = request(5);
    let operands = right.operands();
    let mut digest = operands.part(0).to_vec();
    digest[7] ^= 1;
    let KeyMaterial::EcPublic(EcPublicKey { .. }) = right.key().material() else { panic!("another key") };
    let wrong = Request::ecdsa_verify(right.key(), &digest, operands.part(1), operands.part(2)).unwrap();
    [right, wrong]
}

#[test]
fn a_devices_no_to_a_signature_is_not_believed() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    let [right, _] = verifications();
    for is_woken in [false, true] {
        rig.until(ActiveDevices, 1);
        // It says "no" to what is right.
        rig.devices[0].set(Mode::Wrong);
        let output = match is_woken {
            true => compute(&offload, right.clone()),
            false => offload.execute(right.clone()),
        };
        assert_eq!(&*output.unwrap(), expected(5), "yes");
        rig.devices[0].set(Mode::Good);
    }
    rig.assert_counters(&[(Submitted, 3), (Hardware, 1), (Software, 2), (WrongAnswers, 2)]);
}

#[test]
fn a_signature_that_is_wrong_is_refused_by_whoever_computes() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    let [_, wrong] = verifications();
    // The device knows s, and says yes; its yes is r itself. Wrongly here: so it says no, and that is confirmed.
    rig.devices[0].set(Mode::Wrong);
    let output = compute(&offload, wrong.clone()).unwrap();
    assert_ne!(&*output, expected(5));
    rig.assert_counters(&[(Submitted, 2), (Hardware, 2), (Verified, 1), (WrongAnswers, 0)]);
    offload.close();
    assert_ne!(&*compute(&offload, wrong).unwrap(), expected(5), "in software");
}

#[test]
fn only_software_says_that_there_is_no_result() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Rejecting);
    assert!(is_right(3, &compute(&offload, request(3)).unwrap()), "the device's word is not believed");
    let key = Key::new(KeyMaterial::Ec(EcKey { curve: Curve::P256, scalar: vec![1; 32] })).unwrap();
    let off_curve = Request::ec_multiply(&key, &[1; 32], &[1; 32]).unwrap();
    let result = compute(&offload, off_curve);
    assert_eq!(result.err(), Some(Error::Invalid(InvalidRequest::NoResult)), "the caller's own error");
    rig.assert_counters(&[(Submitted, 3), (Hardware, 1), (Software, 1), (CallerErrors, 1)]);
}

#[test]
fn required_hardware_fails_rather_than_computes() {
    let rig = Rig::new(1);
    let mut config = rig.config();
    config.set("require_hardware", "yes").unwrap();
    let offload = Offload::new(config);
    assert!(is_right(4, &compute(&offload, request(4)).unwrap()));
    rig.devices[0].set(Mode::Silent);
    let caught = submit(&offload, request(4));
    rig.devices[0].until_held(1);
    rig.devices[0].fail();
    assert_eq!(caught.result().err(), Some(Error::HardwareRequired), "caught in flight");
    assert_eq!(compute(&offload, request(4)).err(), Some(Error::HardwareRequired), "with no device");
    rig.assert_counters(&[(Submitted, 3), (Hardware, 1), (Refused, 2)]);
}

#[test]
fn late_answers_to_abandoned_and_overdue_requests_are_nobodys() {
    let rig = Rig::new(1);
    let mut config = rig.config();
    config.set("deadline_ms", "100").unwrap();
    let offload = Offload::new(config);
    assert!(is_right(4, &compute(&offload, request(4)).unwrap()));
    rig.devices[0].set(Mode::Silent);
    let woken = Arc::new(AtomicUsize::new(0));
    let abandoned: Vec<_> = (0..5)
        .map(|_| {
            let woken = woken.clone();
            let notice = move || {
                woken.fetch_add(1, Ordering::SeqCst);
            };
            offload.submit(request(2), wake(notice))
        })
        .collect();
    let overdue = submit(&offload, request(0));
    rig.devices[0].until_held(6);
    drop(abandoned);
    let before = woken.load(Ordering::SeqCst);
    assert!(is_right(0, &overdue.result().unwrap()), "in software, after the deadline");
    rig.devices[0].set(Mode::Good);
    rig.devices[0].answer_held();
    // The five that were abandoned, and the one that is late.
    rig.until(StrayResponses, 6);
    rig.until(ActiveDevices, 1);
    assert!(is_right(2, &compute(&offload, request(2)).unwrap()));
    assert_eq!(woken.load(Ordering::SeqCst), before, "nobody is woken for what he has abandoned");
    rig.assert_counters(&[
        (Submitted, 8),
        (Hardware, 2),
        (Software, 1),
        (Abandoned, 5),
        (DeadlinesMissed, 1),
        (StrayResponses, 6),
    ]);
}

#[test]
fn what_a_killed_process_had_in_flight_is_counted_as_abandoned() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    // SAFETY: the child uses what Hotspare promises to work in a child, and ends by the signal.
    let child = unsafe { libc::fork() };
    if child == 0 {
        die_with_the_test();
        let _ = compute(&offload, request(4));
        rig.devices[0].set(Mode::Silent);
        let tickets: Vec<_> = (0..7).map(|_| submit(&offload, request(4))).collect();
        loop {
            std::thread::park_timeout(Duration::from_secs(60));
            std::hint::black_box(&tickets);
        }
    }
    rig.until(Submitted, 8);
    // SAFETY: our own child, which was not waited for yet.
    unsafe { libc::kill(child, libc::SIGKILL) };
    assert!(libc::WIFSIGNALED(wait_for(child)));
    let sum = rig.sum();
    assert_eq!(sum.imbalance(), 0);
    assert_eq!(sum.value(InFlight), 0);
    // What the device does is decided in the test's process, so it may have answered any of them before the kill.
    assert_eq!(sum.value(Abandoned) + sum.value(Hardware) + sum.value(Software), 8);
    eventually("its instance went back", || rig.devices[0].user_count() == 0);
}

#[test]
fn a_child_leaves_its_parents_tickets_alone_and_has_its_own() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    assert!(is_right(4, &compute(&offload, request(4)).unwrap()));
    rig.devices[0].set(Mode::Silent);
    let (woken, completion) = worth_polling();
    let mut parents = offload.submit(request(2), completion);
    let mut dropped = Some(offload.submit(request(2), wake(|| panic!("nobody is woken for it in a child"))));
    rig.devices[0].until_held(2);
    rig.devices[0].set(Mode::Good);
    let status = in_child(|| {
        let inherited = matches!(parents.poll(), Poll::Ready(Err(Error::Forked)));
        drop(dropped.take());
        let own = (0..20).all(|place| is_right(place % 5, &compute(&offload, request(place % 5)).unwrap()));
        offload.close();
        inherited && own && woken.try_recv().is_err()
    });
    assert_eq!(status, 0);
    drop(dropped.take());
    rig.devices[0].answer_held();
    woken.recv_timeout(NO_ENDLESS_WAIT).unwrap();
    assert!(matches!(parents.poll(), Poll::Ready(Ok(output)) if is_right(2, &output)));
    rig.assert_counters(&[(Submitted, 23), (Hardware, 22), (Abandoned, 1)]);
}

#[test]
fn a_batch_that_is_open_while_all_ends_is_computed_by_its_owners() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    let mut batch = offload.batch();
    let mut submit = |place: usize| {
        let (woken, completion) = worth_polling();
        (place, Woken(woken, batch.submit(request(place), completion)))
    };
    let mut tickets: Vec<_> = (0..10).map(|number| submit(number % 5)).collect();
    offload.close();
    tickets.extend((0..5).map(submit));
    drop(batch);
    for (place, ticket) in tickets {
        assert!(is_right(place, &ticket.result().unwrap()));
    }
    rig.assert_counters(&[(Submitted, 16), (Hardware, 1), (Software, 15)]);
}

#[test]
fn whoever_is_woken_may_be_the_last_who_holds_all_and_let_it_go() {
    let rig = Rig::new(1);
    let offload = Arc::new(rig.offload());
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    let (sender, woken) = std::sync::mpsc::channel();
    let last = Mutex::new(Some(offload.clone()));
    // In the loop's own thread, which closing waits for otherwise.
    let let_go = move || {
        drop(last.lock().unwrap().take());
        let _ = sender.send(());
    };
    let mut ticket = offload.submit(request(4), wake(let_go));
    let other = submit(&offload, request(2));
    rig.devices[0].until_held(2);
    drop(offload);
    rig.devices[0].answer_first_held();
    woken.recv_timeout(NO_ENDLESS_WAIT).unwrap();
    assert!(matches!(ticket.poll(), Poll::Ready(Ok(output)) if is_right(4, &output)));
    assert!(is_right(2, &other.result().unwrap()), "left to its owner");
    drop(ticket);
    eventually("its instance went back", || rig.devices[0].user_count() == 0);
    rig.assert_counters(&[(Submitted, 3), (Hardware, 2), (Software, 1)]);
}

#[test]
fn completion_poll_and_wake_end_alike() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    for known in requests() {
        let mut polled = offload.submit(known.request.clone(), Completion::Poll);
        let polled = loop {
            offload.poll();
            if let Poll::Ready(result) = polled.poll() {
                break result.unwrap();
            }
        };
        assert_eq!(*polled, *compute(&offload, known.request).unwrap());
    }
    let count = 2 * requests().len() as u64;
    let sum = rig.sum();
    assert_eq!((sum.imbalance(), sum.value(Submitted), sum.value(Hardware)), (0, count, count));
}
