//! The driver against a scripted device: what only shows on the wire and in the shared memory. What every driver promises is
//! checked by the conformance suite (`device/tests/conformance.rs`).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::instance::EmulatedInstance;
use super::scripted::{ScriptedDevice, ScriptedListener};
use super::wire::descriptor::{ResponseDescriptor, STATUS_DONE, STATUS_MALFORMED};
use super::wire::layout::{self, SLOT_OUTPUT};
use super::wire::message::Refused;
use crate::instance::{Instance, InstanceOptions, OpenError, Response, State, Status, SubmitError, Tag};
use crate::key::{Key, KeyMaterial, MontgomeryKey};
use crate::request::{MontgomeryCurve, Request};

const SCALAR: u8 = 0x5a;

pub(super) struct Socket(pub(super) PathBuf);

impl Socket {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("hotspare-driver-{}-{number}.sock", std::process::id())))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(super) fn options() -> InstanceOptions {
    InstanceOptions { ring_depth: 8, arena_mb: 1, ..InstanceOptions::default() }
}

fn pair() -> (Socket, ScriptedListener, Arc<EmulatedInstance>, ScriptedDevice) {
    let socket = Socket::new();
    let listener = ScriptedListener::new(&socket.0).unwrap();
    let opener = std::thread::spawn({
        let path = socket.0.clone();
        move || EmulatedInstance::open("0000:6b:00.0".parse().unwrap(), &path, &options()).unwrap()
    });
    let device = listener.welcome(1).unwrap();
    (socket, listener, Arc::new(opener.join().unwrap()), device)
}

pub(super) fn request() -> Request {
    let material = MontgomeryKey { curve: MontgomeryCurve::X25519, scalar: vec![SCALAR; 32] };
    let key = Key::new(KeyMaterial::Montgomery(material)).unwrap();
    Request::montgomery_multiply(&key, &[9; 32]).unwrap()
}

pub(super) fn poll(instance: &EmulatedInstance) -> Vec<(u64, Status, Vec<u8>)> {
    let mut responses = Vec::new();
    instance.poll(&mut |response: Response<'_>| {
        responses.push((response.tag.0, response.status, response.output.to_vec()));
    });
    responses
}

fn dummy(tag: u64) -> (u64, Status, Vec<u8>) {
    (tag, Status::Dummy, Vec::new())
}

#[test]
fn requests_arrive_whole_and_answers_come_back_in_any_order() {
    let (_socket, _listener, instance, mut device) = pair();
    for tag in 1..=2 {
        instance.submit(&request(), Tag(tag)).unwrap();
    }
    let (first, second) = (device.take().unwrap(), device.take().unwrap());
    assert_eq!(device.part(&first, 0).unwrap(), [SCALAR; 32]);
    assert_eq!(device.part(&second, 1).unwrap(), [9; 32]);
    device.answer(&second, &[2; 32]).unwrap();
    device.answer(&first, &[1; 32]).unwrap();
    assert_eq!(poll(&instance), [(2, Status::Done, vec![2; 32]), (1, Status::Done, vec![1; 32])]);
    // Law 5: key and result have left the shared memory.
    assert!(device.payload(&first).unwrap().iter().all(|byte| *byte == 0));
    let mut output = [1; 32];
    device.memory.read(device.shape.slot(first.slot) + SLOT_OUTPUT, &mut output).unwrap();
    assert_eq!(output, [0; 32]);
}

#[test]
fn an_error_gives_the_real_answers_first_and_then_dummies_in_the_order_of_submission() {
    let (_socket, _listener, instance, mut device) = pair();
    for tag in 1..=5 {
        instance.submit(&request(), Tag(tag)).unwrap();
    }
    let requests: Vec<_> = (0..5).map(|_| device.take().unwrap()).collect();
    device.answer(&requests[3], &[4; 32]).unwrap();
    device.set_state(State::Error, 1);
    assert_eq!(poll(&instance), [(4, Status::Done, vec![4; 32]), dummy(1), dummy(2), dummy(3), dummy(5)]);
    assert!(device.payload(&requests[0]).unwrap().iter().all(|byte| *byte == 0), "the key stays no longer");
    assert_eq!(instance.submit(&request(), Tag(6)), Err(SubmitError::Error));
    device.set_state(State::Restarting, 1);
    assert_eq!(instance.submit(&request(), Tag(6)), Err(SubmitError::Restarting));
    device.set_state(State::Down, 1);
    assert_eq!(instance.submit(&request(), Tag(6)), Err(SubmitError::Gone));
    assert_eq!(poll(&instance), []);
}

#[test]
fn requests_that_are_enqueued_together_ring_once() {
    let (_socket, _listener, instance, mut device) = pair();
    for tag in 1..=5 {
        instance.enqueue(&request(), Tag(tag)).unwrap();
    }
    let mut rings = [0; 8];
    let silent = rustix::io::read(device.request_doorbell(), &mut rings);
    assert_eq!(silent, Err(rustix::io::Errno::AGAIN));
    instance.ring();
    rustix::io::read(device.request_doorbell(), &mut rings).unwrap();
    assert_eq!(u64::from_ne_bytes(rings), 1);
    for _ in 0..5 {
        let request = device.take().unwrap();
        device.answer(&request, &[9; 32]).unwrap();
    }
    assert_eq!(poll(&instance).len(), 5, "all are taken at once");
}

#[test]
fn memory_is_used_again_only_after_the_fence_and_late_writes_reach_nobody() {
    let (_socket, _listener, instance, mut device) = pair();
    instance.submit(&request(), Tag(1)).unwrap();
    let caught = device.take().unwrap();
    device.set_state(State::Error, 1);
    assert_eq!(poll(&instance), [dummy(1)]);
    assert_eq!(instance.occupancy().quarantined, 1);
    // Up again with no new epoch: nobody has fenced it, so the slot is not used.
    device.set_state(State::Up, 1);
    instance.submit(&request(), Tag(2)).unwrap();
    let next = device.take().unwrap();
    assert_ne!(next.slot, caught.slot);
    device.answer(&caught, &[0xee; 32]).unwrap();
    device.answer(&next, &[2; 32]).unwrap();
    assert_eq!(poll(&instance), [(2, Status::Done, vec![2; 32])], "the late answer is nobody's");
    assert_eq!(instance.occupancy().stray_responses, 1);
    assert_eq!(instance.occupancy().quarantined, 1);
    device.restart();
    assert_eq!(poll(&instance), []);
    assert_eq!(instance.occupancy().quarantined, 0);
    let mut output = [1; 32];
    device.memory.read(device.shape.slot(caught.slot) + SLOT_OUTPUT, &mut output).unwrap();
    assert_eq!(output, [0; 32], "what was written late is wiped after the fence");
}

#[test]
fn an_abandoned_request_keeps_its_slot_until_it_is_answered() {
    let (_socket, _listener, instance, mut device) = pair();
    instance.submit(&request(), Tag(1)).unwrap();
    instance.abandon(Tag(1));
    let late = device.take().unwrap();
    assert_eq!(instance.occupancy().quarantined, 1);
    for tag in 2..=8 {
        instance.submit(&request(), Tag(tag)).unwrap();
        assert_ne!(device.take().unwrap().slot, late.slot);
    }
    assert_eq!(instance.submit(&request(), Tag(9)), Err(SubmitError::Full));
    device.answer(&late, &[1; 32]).unwrap();
    assert_eq!(poll(&instance), [(1, Status::Done, vec![1; 32])]);
    assert_eq!(instance.occupancy().quarantined, 0);
    instance.submit(&request(), Tag(9)).unwrap();
}

#[test]
fn a_restart_that_nobody_saw_gives_dummies_and_answers_of_the_older_epoch_are_nobodys() {
    let (_socket, _listener, instance, mut device) = pair();
    instance.submit(&request(), Tag(1)).unwrap();
    let old = device.take().unwrap();
    device.restart();
    assert_eq!(instance.submit(&request(), Tag(2)), Err(SubmitError::Restarting), "its dummies come first");
    assert_eq!(poll(&instance), [dummy(1)]);
    instance.submit(&request(), Tag(2)).unwrap();
    let new = device.take().unwrap();
    assert_eq!((old.epoch, new.epoch), (1, 2));
    device.answer(&old, &[1; 32]).unwrap();
    assert_eq!(poll(&instance), []);
    device.answer(&new, &[2; 32]).unwrap();
    assert_eq!(poll(&instance), [(2, Status::Done, vec![2; 32])]);
}

#[test]
fn a_response_for_another_request_an_unknown_status_and_a_wrong_length_are_noticed() {
    let (_socket, _listener, instance, mut device) = pair();
    for tag in 1..=3 {
        instance.submit(&request(), Tag(tag)).unwrap();
    }
    let requests: Vec<_> = (0..3).map(|_| device.take().unwrap()).collect();
    let good = ResponseDescriptor {
        sequence: requests[0].sequence,
        epoch: 1,
        status: STATUS_DONE,
        output_length: 32,
        slot: requests[0].slot,
    };
    for stray in [
        ResponseDescriptor { slot: requests[1].slot, ..good },
        ResponseDescriptor { slot: u32::MAX, ..good },
        ResponseDescriptor { sequence: 99, ..good },
        ResponseDescriptor { epoch: 0, ..good },
    ] {
        device.respond(stray).unwrap();
    }
    assert_eq!(poll(&instance), []);
    assert_eq!(instance.occupancy().stray_responses, 4);
    device.respond(ResponseDescriptor { status: 0xdead, ..good }).unwrap();
    device
        .respond(ResponseDescriptor { output_length: 31, sequence: 2, slot: requests[1].slot, ..good })
        .unwrap();
    let malformed =
        ResponseDescriptor { status: STATUS_MALFORMED, sequence: 3, slot: requests[2].slot, ..good };
    device.respond(malformed).unwrap();
    let statuses: Vec<_> = poll(&instance).into_iter().map(|(tag, status, _)| (tag, status)).collect();
    assert_eq!(
        statuses,
        [(1, Status::Broken(0xdead)), (2, Status::Broken(0)), (3, Status::Broken(STATUS_MALFORMED))]
    );
    device.respond(good).unwrap();
    assert_eq!(poll(&instance), [], "a doubled response is nobody's");
}

#[test]
fn impossible_indices_end_the_use_of_the_device_until_it_restarts() {
    let (_socket, _listener, instance, mut device) = pair();
    instance.submit(&request(), Tag(1)).unwrap();
    device.take().unwrap();
    device.set_word(layout::device::RESPONSE_PRODUCER, u64::MAX);
    assert_eq!(poll(&instance), [dummy(1)]);
    assert_eq!(instance.state().0, State::Error);
    assert_eq!(instance.submit(&request(), Tag(2)), Err(SubmitError::Error));
    device.set_word(layout::device::RESPONSE_PRODUCER, 0);
    device.restart();
    assert_eq!(poll(&instance), []);
    instance.submit(&request(), Tag(2)).unwrap();
    let taken = device.take().unwrap();
    device.answer(&taken, &[2; 32]).unwrap();
    assert_eq!(poll(&instance).len(), 1);
    // A device that goes back in time lies.
    instance.submit(&request(), Tag(3)).unwrap();
    device.set_state(State::Up, 0);
    assert_eq!(poll(&instance), [dummy(3)]);
    assert_eq!(instance.state().0, State::Error);
}

#[test]
fn random_bytes_in_the_whole_shared_memory_hurt_nobody() {
    let seed = std::env::var("HOTSPARE_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0x2545_f491_4f6c_dd1d);
    println!("HOTSPARE_TEST_SEED={seed}");
    let (_socket, _listener, instance, device) = pair();
    let mut state: u64 = seed;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut answered = 0;
    let mut accepted = 0;
    for round in 0..20_000_u64 {
        for _ in 0..4 {
            // The control words more often than the rest, and small numbers more often than large ones.
            let offset = match random() % 4 {
                0 => layout::device::RESPONSE_PRODUCER,
                1 => layout::device::STATE,
                2 => layout::device::REQUEST_CONSUMER,
                _ => usize::try_from(random() % 4096).unwrap() * 8,
            };
            let value = if random() % 2 == 0 { random() % 1024 } else { random() };
            device.set_word(offset, value);
        }
        accepted += usize::from(instance.submit(&request(), Tag(round)).is_ok());
        answered += poll(&instance).len();
        instance.prepare_wait();
        instance.end_wait();
    }
    device.set_word(
        layout::device::STATE,
        layout::StateWord { state: State::Error, epoch: u64::MAX >> 8 }.encode(),
    );
    answered += poll(&instance).len();
    assert!(accepted > 0);
    assert_eq!(accepted, answered, "each accepted request is answered once");
}

#[test]
fn a_doorbell_is_rung_for_who_sleeps_and_a_removal_is_noticed_by_its_descriptor() {
    let (_socket, _listener, instance, mut device) = pair();
    instance.submit(&request(), Tag(1)).unwrap();
    let taken = device.take().unwrap();
    assert!(instance.prepare_wait());
    assert_ne!(device.word(layout::user::SLEEPING), 0);
    device.answer(&taken, &[1; 32]).unwrap();
    let mut descriptors =
        [rustix::event::PollFd::from_borrowed_fd(instance.descriptor(), rustix::event::PollFlags::IN)];
    assert_eq!(rustix::event::poll(&mut descriptors, None), Ok(1));
    instance.end_wait();
    assert_eq!(device.word(layout::user::SLEEPING), 0);
    assert!(!instance.prepare_wait(), "something is there");
    assert_eq!(poll(&instance).len(), 1);

    // A device that has answered looks only afterwards whether it is to ring; a thread that sleeps already relies on it.
    instance.submit(&request(), Tag(1)).unwrap();
    let taken = device.take().unwrap();
    assert!(instance.prepare_wait());
    device.answer(&taken, &[1; 32]).unwrap();
    assert!(!instance.prepare_wait(), "something is there");
    assert_ne!(device.word(layout::user::SLEEPING), 0);
    assert_eq!(poll(&instance).len(), 1);
    instance.end_wait();

    instance.submit(&request(), Tag(2)).unwrap();
    let removal = instance.removal_descriptor().unwrap();
    assert!(!instance.notice_removal());
    drop(device);
    let mut descriptors = [rustix::event::PollFd::new(&*removal, rustix::event::PollFlags::IN)];
    assert_eq!(rustix::event::poll(&mut descriptors, None), Ok(1));
    assert!(instance.notice_removal());
    assert_eq!(poll(&instance), [dummy(2)]);
    assert_eq!(instance.state().0, State::Removed);
    assert_eq!(instance.submit(&request(), Tag(3)), Err(SubmitError::Gone));
    assert!(instance.removal_descriptor().is_none());
}

#[test]
fn memory_that_somebody_alive_may_still_write_to_is_not_handed_over_again() {
    let (_socket, listener, instance, device) = pair();
    instance.submit(&request(), Tag(1)).unwrap();
    drop(device);
    assert!(instance.notice_removal());
    assert!(matches!(instance.rejoin(), Err(OpenError::NotUp(_, State::Removed))), "dummies come first");
    assert_eq!(poll(&instance), [dummy(1)]);
    // The "device" is this very process, which lives on, so the caught request keeps the memory from being used.
    assert!(matches!(instance.rejoin(), Err(OpenError::Protocol { .. })));
    drop(listener);
}

#[test]
fn what_is_no_device_is_told_from_what_is_not_there() {
    let open = |path: &std::path::Path| {
        let options = InstanceOptions { connect_timeout: std::time::Duration::from_millis(50), ..options() };
        EmulatedInstance::open("0000:6b:00.0".parse().unwrap(), path, &options).err().unwrap()
    };
    let nobody = Socket::new();
    assert!(matches!(open(&nobody.0), OpenError::Unreachable { .. }));

    let stream = Socket::new();
    let _listener = std::os::unix::net::UnixListener::bind(&stream.0).unwrap();
    assert!(matches!(open(&stream.0), OpenError::Protocol { .. }));

    let silent = Socket::new();
    let _listener = ScriptedListener::new(&silent.0).unwrap();
    let error = open(&silent.0);
    assert!(error.to_string().contains("no answer"), "{error}");

    for (answer, wanted) in [
        (&b"HTTP/1.1 400"[..], "no packet of ours"),
        (&[0; 65][..], "no packet of ours"),
        (&[][..], "end of file"),
    ] {
        let socket = Socket::new();
        let listener = ScriptedListener::new(&socket.0).unwrap();
        let answerer = std::thread::spawn(move || drop(listener.answer_with(answer)));
        let error = open(&socket.0).to_string();
        assert!(error.contains(wanted), "{error}");
        answerer.join().unwrap();
    }
    for (refusal, wanted) in
        [(Refused::NoFreeInstance, "all instances are taken"), (Refused::Version, "another version")]
    {
        let socket = Socket::new();
        let listener = ScriptedListener::new(&socket.0).unwrap();
        let answerer = std::thread::spawn(move || drop(listener.refuse(refusal)));
        let error = open(&socket.0).to_string();
        assert!(error.contains(wanted), "{error}");
        answerer.join().unwrap();
    }
}

#[test]
fn nothing_waits_for_a_handshake_that_takes_its_time() {
    let (_socket, listener, instance, device) = pair();
    drop(device);
    assert!(instance.notice_removal());
    let (entered, rejoiner) = (std::sync::mpsc::channel(), instance.clone());
    let thread = std::thread::spawn(move || {
        entered.0.send(()).unwrap();
        rejoiner.rejoin().err()
    });
    entered.1.recv().unwrap();
    // The listener takes the connection and says nothing: the handshake lasts as long as its timeout.
    let began = std::time::Instant::now();
    let timeout = options().connect_timeout;
    let mut done_in_between = 0;
    while !thread.is_finished() {
        assert_eq!(instance.submit(&request(), Tag(1)), Err(SubmitError::Gone));
        assert_eq!(poll(&instance), []);
        done_in_between += usize::from((timeout / 4..timeout * 3 / 4).contains(&began.elapsed()));
        std::thread::yield_now();
        assert!(began.elapsed() < super::scripted::PATIENCE);
    }
    assert!(matches!(thread.join().unwrap(), Some(OpenError::Unreachable { .. })));
    assert!(done_in_between > 0);
    drop(listener);
}
