//! What happens to requests when devices fail.

use std::time::{Duration, Instant};

use hotspare_device::stats::Counter::{
    Abandoned, ActiveDevices, CallerErrors, DeadlinesMissed, Dummies, Hardware, Refused, ReplayedHardware,
    ReplayedSoftware, RingFull, Software, StrayResponses, Submitted, Verified, WrongAnswers,
};
use hotspare_device::{Curve, EcKey, InvalidRequest, Key, KeyMaterial, Request};

use super::rig::{Mode, NO_ENDLESS_WAIT, Rig, is_right, request, requests};
use crate::{Completion, Error, verify};

#[test]
fn every_operation_is_computed_by_the_devices_in_turn() {
    let rig = Rig::new(2);
    let offload = rig.offload();
    for round in 0..4 {
        for known in requests() {
            let output = offload.execute(known.request.clone()).unwrap();
            assert_eq!(&*output, known.expected, "round {round}");
        }
    }
    let count = requests().len() as u64;
    let is_verified =
        |known: &&crate::known_answers::KnownAnswer| verify::is_needed(known.request.operation());
    let verified = requests().iter().filter(is_verified).count() as u64;
    rig.assert_counters(&[
        (Submitted, 4 * count),
        (Hardware, 4 * count),
        (Verified, 4 * verified),
        (ActiveDevices, 2),
    ]);
    let known_answers = crate::known_answers::all().len() as u64;
    assert_eq!(rig.devices[0].answered(), 2 * count + known_answers);
    assert_eq!(rig.devices[1].answered(), 2 * count + known_answers);
}

#[test]
fn a_request_caught_by_a_fatal_error_is_replayed_on_the_other_device() {
    let rig = Rig::new(2);
    let offload = rig.offload();
    offload.execute(request(1)).unwrap();
    rig.until(ActiveDevices, 2);
    rig.devices[0].set(Mode::Silent);
    rig.devices[1].set(Mode::Silent);
    let ticket = offload.submit(request(0), Completion::Poll);
    let caught = usize::from(
        rig.devices[0].held() == 0 && {
            rig.devices[1].until_held(1);
            true
        },
    );
    rig.devices[caught].until_held(1);
    rig.devices[1 - caught].set(Mode::Good);
    rig.devices[caught].fail();
    assert!(is_right(0, &ticket.wait().unwrap()));
    rig.assert_counters(&[(Submitted, 2), (Hardware, 1), (ReplayedHardware, 1), (Dummies, 1), (Verified, 1)]);
}

#[test]
fn with_no_device_left_it_is_replayed_in_software_and_the_work_goes_back_when_the_device_does() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    let ticket = offload.submit(request(4), Completion::Poll);
    rig.devices[0].until_held(1);
    rig.devices[0].fail();
    assert!(is_right(4, &ticket.wait().unwrap()));
    rig.until(ActiveDevices, 0);
    assert!(is_right(4, &offload.execute(request(4)).unwrap()));
    rig.assert_counters(&[(Submitted, 3), (Hardware, 1), (Software, 2), (ReplayedSoftware, 1), (Dummies, 1)]);
    // Time enough for the watcher to have looked in vain. From then on no event comes and nobody asks: that the rings' own
    // state is read now and then is enough (law 6).
    std::thread::sleep(Duration::from_millis(300));
    rig.devices[0].restart();
    rig.until(ActiveDevices, 1);
    offload.execute(request(4)).unwrap();
    rig.assert_counters(&[(Submitted, 4), (Hardware, 2), (Software, 2), (ReplayedSoftware, 1)]);
}

#[test]
fn a_request_that_is_stuck_ends_by_its_deadline_and_its_late_answer_is_nobodys() {
    let rig = Rig::new(2);
    let mut config = rig.config();
    config.set("deadline_ms", "50").unwrap();
    let offload = crate::Offload::new(config);
    offload.execute(request(4)).unwrap();
    rig.until(ActiveDevices, 2);
    for device in &rig.devices {
        device.set(Mode::Silent);
    }
    let started = Instant::now();
    assert!(is_right(4, &offload.execute(request(4)).unwrap()));
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(50), "{took:?}");
    assert!(took < NO_ENDLESS_WAIT, "{took:?}");
    // It did not try the second device: software surely answers.
    rig.assert_counters(&[
        (Submitted, 2),
        (Hardware, 1),
        (Software, 1),
        (ReplayedSoftware, 1),
        (DeadlinesMissed, 1),
    ]);
    for device in &rig.devices {
        device.set(Mode::Good);
        device.answer_held();
    }
    rig.until(StrayResponses, 1);
    rig.until(ActiveDevices, 2);
    assert!(is_right(4, &offload.execute(request(4)).unwrap()));
    rig.assert_counters(&[(Submitted, 3), (Hardware, 2), (Software, 1)]);
}

#[test]
fn a_wrong_result_never_leaves() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    for place in [0, 3] {
        rig.until(ActiveDevices, 1);
        rig.devices[0].set(Mode::Wrong);
        assert!(is_right(place, &offload.execute(request(place)).unwrap()));
        rig.devices[0].set(Mode::Good);
    }
    rig.assert_counters(&[
        (Submitted, 3),
        (Hardware, 1),
        (Software, 2),
        (ReplayedSoftware, 2),
        (WrongAnswers, 2),
    ]);
}

#[test]
fn a_device_that_answers_known_answer_requests_wrongly_is_not_used() {
    let rig = Rig::new(1);
    rig.devices[0].set(Mode::Wrong);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.assert_counters(&[(Submitted, 1), (Software, 1), (ActiveDevices, 0)]);
    rig.devices[0].set(Mode::Good);
    rig.until(ActiveDevices, 1);
}

#[test]
fn a_device_that_finds_every_signature_right_is_not_used() {
    let rig = Rig::new(1);
    rig.devices[0].set(Mode::Gullible);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.assert_counters(&[(Submitted, 1), (Software, 1), (ActiveDevices, 0)]);
    rig.devices[0].set(Mode::Good);
    rig.until(ActiveDevices, 1);
}

#[test]
fn only_software_says_that_there_is_no_result() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Rejecting);
    assert!(is_right(3, &offload.execute(request(3)).unwrap()), "the device's word is not believed");
    let key = Key::new(KeyMaterial::Ec(EcKey { curve: Curve::P256, scalar: vec![1; 32] })).unwrap();
    let off_curve = Request::ec_multiply(&key, &[1; 32], &[1; 32]).unwrap();
    assert_eq!(offload.execute(off_curve).err(), Some(Error::Invalid(InvalidRequest::NoResult)));
    rig.assert_counters(&[(Submitted, 3), (Hardware, 1), (Software, 1), (CallerErrors, 1)]);
}

#[test]
fn required_hardware_fails_rather_than_computes() {
    let rig = Rig::new(1);
    let mut config = rig.config();
    config.set("require_hardware", "yes").unwrap();
    let offload = crate::Offload::new(config);
    offload.execute(request(4)).unwrap();
    rig.devices[0].fail();
    assert_eq!(offload.execute(request(4)).err(), Some(Error::HardwareRequired));
    rig.assert_counters(&[(Submitted, 2), (Hardware, 1), (Refused, 1)]);
}

#[test]
fn a_device_that_vanishes_and_returns_is_used_again_and_closing_always_succeeds() {
    let mut rig = Rig::new(2);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.until(ActiveDevices, 2);
    rig.devices[0].vanish();
    rig.until(ActiveDevices, 1);
    for _ in 0..4 {
        offload.execute(request(4)).unwrap();
    }
    rig.devices[0].appear();
    rig.until(ActiveDevices, 2);
    rig.devices[0].vanish();
    rig.devices[1].vanish();
    offload.execute(request(4)).unwrap();
    offload.close();
    offload.close();
    assert!(is_right(4, &offload.execute(request(4)).unwrap()), "in software after the close");
}

#[test]
fn a_device_that_comes_later_is_found() {
    let rig = Rig::new(0);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.assert_counters(&[(Submitted, 1), (Software, 1)]);
    let socket = rig.directory.join("run/hotspare-emulator/0000:aa:00.0.sock");
    let device = super::rig::TestDevice::new(socket);
    rig.until(ActiveDevices, 1);
    offload.execute(request(4)).unwrap();
    rig.assert_counters(&[(Submitted, 2), (Software, 1), (Hardware, 1)]);
    drop(offload);
    drop(device);
}

#[test]
fn many_threads_share_an_instance_while_devices_die() {
    let rig = Rig::new(2);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    let (threads, each) = (8, 150);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let offload = &offload;
            scope.spawn(move || {
                for number in 0..each {
                    let place = (thread + number) % 5;
                    assert!(is_right(place, &offload.execute(request(place)).unwrap()));
                }
            });
        }
        for round in 0..20 {
            let device = &rig.devices[round % 2];
            device.fail();
            std::thread::sleep(Duration::from_millis(3));
            device.restart();
        }
    });
    let sum = rig.sum();
    assert_eq!(sum.imbalance(), 0);
    assert_eq!(sum.value(Submitted), threads as u64 * each as u64 + 1);
    assert_eq!(sum.value(Hardware) + sum.value(ReplayedHardware) + sum.value(Software), sum.value(Submitted));
    assert!(sum.value(Hardware) > 0);
}

#[test]
fn a_device_whose_memory_quarantine_has_filled_is_out_until_it_is_reset() {
    let rig = Rig::new(1);
    let mut config = rig.config();
    config.set("ring_depth", "16").unwrap();
    let offload = crate::Offload::new(config);
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    let mut lost = 0;
    // Nobody waits for these any more, and the device does not give their memory back.
    while lost < 16 {
        drop(offload.submit(request(4), Completion::Poll));
        lost += 1;
        rig.devices[0].until_held(lost);
    }
    for _ in 0..100 {
        assert!(is_right(4, &offload.execute(request(4)).unwrap()));
    }
    assert_eq!(rig.sum().value(ActiveDevices), 0);
    assert!(
        rig.sum().value(RingFull) < 3,
        "it is left, not tried by each request: {}",
        rig.sum().value(RingFull)
    );
    rig.devices[0].set(Mode::Good);
    // Well, and with room for known-answer requests, but most of its memory is still not ours.
    for _ in 0..6 {
        rig.devices[0].answer_first_held();
    }
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(rig.sum().value(ActiveDevices), 0);
    rig.devices[0].restart();
    rig.until(ActiveDevices, 1);
    offload.execute(request(4)).unwrap();
    rig.assert_counters(&[(Submitted, 118), (Hardware, 2), (Software, 100), (Abandoned, 16)]);
}

#[test]
fn a_second_device_that_comes_without_an_event_is_found_by_a_later_request() {
    let mut rig = Rig::new(1);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    let socket = rig.directory.join("run/hotspare-emulator/0000:aa:00.0.sock");
    rig.devices.push(super::rig::TestDevice::new(socket));
    super::rig::eventually("it is found", || {
        offload.execute(request(4)).unwrap();
        rig.sum().value(ActiveDevices) == 2
    });
    offload.close();
    rig.until(ActiveDevices, 0);
}
