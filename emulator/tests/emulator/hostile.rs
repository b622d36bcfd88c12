//! Users that break the rules of the rings: they are answered or detached, and nobody else notices.

use std::sync::atomic::Ordering;

use hotspare_device::drivers::emulated::wire::descriptor::{
    RequestDescriptor, STATUS_DONE, STATUS_MALFORMED, STATUS_UNSUPPORTED, operation_code,
};
use hotspare_device::drivers::emulated::wire::layout::{device, user};

use super::machine::{Machine, PATIENCE};
use super::user::{PRODUCT, SCALAR, U, User, X25519};

/// A descriptor of a good request whose payload stands in slot 0.
fn good(user: &User) -> RequestDescriptor {
    let (slot, payload_length) = user.write_payload(&[&SCALAR, &U]);
    RequestDescriptor {
        sequence: 77,
        epoch: user.state().epoch,
        operation: operation_code(X25519).unwrap(),
        output_length: 32,
        slot,
        payload_length,
    }
}

#[test]
fn corrupt_descriptors_are_answered_as_such() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut user = User::attach(&machine.socket(0));
    let pid = machine.device_pid(0);
    type Change = fn(&mut RequestDescriptor);
    let cases: [(Change, u32); 11] = [
        (|_| (), STATUS_DONE),
        (|request| request.operation = 0, STATUS_UNSUPPORTED),
        (|request| request.operation = u32::MAX, STATUS_UNSUPPORTED),
        (|request| request.slot = 16, STATUS_MALFORMED),
        (|request| request.slot = u32::MAX, STATUS_MALFORMED),
        (|request| request.payload_length = 0, STATUS_MALFORMED),
        (|request| request.payload_length -= 1, STATUS_MALFORMED),
        (|request| request.payload_length = 7169, STATUS_MALFORMED),
        (|request| request.payload_length = u32::MAX, STATUS_MALFORMED),
        (|request| request.output_length = 1025, STATUS_MALFORMED),
        (|request| request.output_length = u32::MAX, STATUS_MALFORMED),
    ];
    for (case, (change, status)) in cases.into_iter().enumerate() {
        let mut request = good(&user);
        change(&mut request);
        user.submit_raw(request);
        let answered = user.wait(PATIENCE).expect("an answer").descriptor;
        assert_eq!((answered.status, answered.sequence, answered.slot), (status, 77, request.slot), "{case}");
        assert_eq!(answered.output_length, if status == STATUS_DONE { 32 } else { 0 }, "{case}");
    }
    user.check();
    assert_eq!(machine.device_pid(0), pid);
}

#[test]
fn lengths_in_a_payload_that_lead_outside_are_malformed() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut user = User::attach(&machine.socket(0));
    for length in [33_u64, 40, 7168, 8192, 1 << 32, u64::MAX - 7, u64::MAX] {
        let request = good(&user);
        let at = user.shape.slot(request.slot);
        user.memory.write(at, &length.to_le_bytes()).unwrap();
        user.submit_raw(request);
        let answered = user.wait(PATIENCE).expect("an answer").descriptor;
        assert_eq!(answered.status, STATUS_MALFORMED, "{length}");
    }
    user.check();
}

#[test]
fn other_epochs_are_dropped_silently() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut user = User::attach(&machine.socket(0));
    for change in [1, 2, u64::MAX] {
        let mut request = good(&user);
        request.epoch = request.epoch.wrapping_add(change);
        user.submit_raw(request);
    }
    // Taken in turn, so the answer to the last means that the others were passed over.
    let request = RequestDescriptor { sequence: 78, ..good(&user) };
    user.submit_raw(request);
    assert_eq!(user.wait(PATIENCE).unwrap().descriptor.sequence, 78);
    assert_eq!((user.take(), user.consumed()), (None, 4));
}

#[test]
fn indices_out_of_range_end_the_relation_and_no_other() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut bystander = User::attach(&machine.socket(0));
    let pid = machine.device_pid(0);
    for index in [17, 1 << 32, u64::MAX, u64::MAX / 2] {
        let hostile = User::attach(&machine.socket(0));
        hostile.publish_index(index);
        assert!(hostile.is_detached(PATIENCE), "{index}");
        bystander.check();
    }
    // Ahead of the device, or further behind than the ring is long.
    for index in [1, 17, u64::MAX - 16, u64::MAX / 2] {
        let mut hostile = User::attach(&machine.socket(0));
        hostile.memory.word(user::RESPONSE_CONSUMER).unwrap().store(index, Ordering::Relaxed);
        hostile.submit_raw(good(&hostile));
        assert!(hostile.is_detached(PATIENCE), "{index}");
        assert_eq!(hostile.responses(), 0);
        bystander.check();
    }
    assert_eq!(machine.device_pid(0), pid);
    User::attach(&machine.socket(0)).check();
}

#[test]
fn responses_are_never_overwritten_before_they_are_read() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut user = User::attach(&machine.socket(0));
    let depth = user.shape.ring_depth;
    for _ in 0..depth {
        user.submit(X25519, &[&SCALAR, &U], 32);
    }
    super::machine::eventually("all are answered", || (user.responses() == u64::from(depth)).then_some(()));
    // A second ring full, with no response read: the device must wait.
    for _ in 0..depth {
        user.submit(X25519, &[&SCALAR, &U], 32);
    }
    let mut bystander = User::attach(&machine.socket(0));
    for _ in 0..20 {
        bystander.check();
    }
    assert_eq!(user.responses(), u64::from(depth));
    let sequences: Vec<_> = (0..2 * depth)
        .map(|_| {
            let answered = user.wait(PATIENCE).expect("an answer");
            assert_eq!(answered.output, PRODUCT);
            answered.descriptor.sequence
        })
        .collect();
    let mut sorted = sequences.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), 2 * depth as usize);
}

#[test]
fn the_devices_own_words_are_not_believed_when_a_user_changes_them() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut hostile = User::attach(&machine.socket(0));
    hostile.check();
    for offset in [device::REQUEST_CONSUMER, device::RESPONSE_PRODUCER, device::STATE, device::SLEEPING] {
        hostile.memory.word(offset).unwrap().store(u64::MAX, Ordering::SeqCst);
    }
    hostile.publish_index(1);
    let mut bystander = User::attach(&machine.socket(0));
    for _ in 0..50 {
        bystander.check();
    }
}

#[test]
fn a_bell_that_would_block_is_not_rung() {
    let machine = Machine::start(&["--devices", "1", "--engines", "1"]);
    let mut hostile = User::attach(&machine.socket(0));
    let bell = &hostile.response_doorbell;
    rustix::io::write(bell, &(u64::MAX - 1).to_ne_bytes()).unwrap();
    let flags = rustix::fs::fcntl_getfl(bell).unwrap();
    rustix::fs::fcntl_setfl(bell, flags - rustix::fs::OFlags::NONBLOCK).unwrap();
    hostile.memory.word(user::SLEEPING).unwrap().store(1, Ordering::SeqCst);
    hostile.submit_raw(good(&hostile));
    User::attach(&machine.socket(0)).check();
    machine.inject(0, "fatal");
    machine.reset(0);
    User::attach(&machine.socket(0)).check();
}

/// Writes random words all over the memory while requests run, then lets go.
#[test]
fn random_memory_harms_nobody() {
    let seed = std::env::var("HOTSPARE_SEED").ok().map_or(0x5eed, |seed| seed.parse().unwrap());
    println!("HOTSPARE_SEED={seed}");
    let machine = Machine::start(&["--devices", "1"]);
    let pid = machine.device_pid(0);
    let mut bystander = User::attach(&machine.socket(0));
    let mut state: u64 = seed;
    // xorshift64*
    let mut random = move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    for round in 0..40 {
        let hostile = User::attach(&machine.socket(0));
        let words = u64::try_from(hostile.memory.length() / 8).unwrap();
        for _ in 0..2000 {
            let ring = 3 * 4096 / 8 + random() % (2 * 16 * 8);
            let place = if random() % 2 == 0 { ring } else { random() % words };
            let value = match random() % 4 {
                0 => random(),
                1 => hostile.state().epoch,
                2 => random() % 1024,
                _ => 0x101 | 64 << 32,
            };
            let offset = usize::try_from(place * 8).unwrap();
            hostile.memory.word(offset).unwrap().store(value, Ordering::Relaxed);
            if random() % 8 == 0 {
                hostile.publish_index(random() % 17);
            }
        }
        bystander.check();
        assert_eq!(machine.device_pid(0), pid, "round {round}");
    }
}
