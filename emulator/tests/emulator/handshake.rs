//! Whatever comes to a device's socket, the device answers or closes, and serves the next user.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use hotspare_device::drivers::emulated::wire::VERSION;
use hotspare_device::drivers::emulated::wire::layout::{Header, Shape};
use hotspare_device::drivers::emulated::wire::message::{
    Hello, PACKET_BYTES, Packet, Refused, decode_answer,
};
use hotspare_device::shared_memory::SharedMemory;
use rustix::fs::{MemfdFlags, SealFlags};

use super::machine::{Machine, PATIENCE, eventually};
use super::user::{User, connect, eventfd, receive, send, wait_readable};

const SHAPE: (u32, u32) = (16, 16);

fn shape() -> Shape {
    Shape::new(SHAPE.0, SHAPE.1).unwrap()
}

fn hello() -> Packet {
    Hello { shape: shape() }.encode()
}

fn good_memory() -> OwnedFd {
    let (file, memory) = SharedMemory::create(c"user", shape().length()).unwrap();
    Header { version: VERSION, shape: shape() }.write(&memory).unwrap();
    file
}

/// What the device answers; none if it only closes.
fn answer(machine: &Machine, packet: &[u8], descriptors: &[BorrowedFd<'_>]) -> Option<Refused> {
    let connection = connect(&machine.socket(0));
    send(&connection, packet, descriptors);
    let answer = receive(&connection)?;
    let refused = decode_answer(&answer).unwrap().expect_err("a refusal");
    assert_eq!(receive(&connection), None, "the connection ends after a refusal");
    Some(refused)
}

#[test]
fn packets_that_make_no_sense_are_refused() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut bystander = User::attach(&machine.socket(0));
    let (memory, bell) = (good_memory(), eventfd());
    let three = [memory.as_fd(), bell.as_fd(), bell.as_fd()];
    for packet in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0], &[0; PACKET_BYTES], &[0xff; 4000]] {
        assert_eq!(answer(&machine, packet, &three), Some(Refused::Malformed));
    }
    for length in 1..PACKET_BYTES {
        assert_eq!(answer(&machine, &hello()[..length], &three), Some(Refused::Malformed));
    }
    let longer = [&hello()[..], &[0]].concat();
    assert_eq!(answer(&machine, &longer, &three), Some(Refused::Malformed));
    let mut other = hello();
    other[4] ^= 0xff;
    assert_eq!(answer(&machine, &other, &three), Some(Refused::Version));
    // Shapes that nobody builds: no power of two, too many slots.
    for (at, value) in [(8, 17_u32), (8, 0), (8, 1 << 31), (12, u32::MAX), (12, 0)] {
        let mut packet = hello();
        packet[at..at + 4].copy_from_slice(&value.to_le_bytes());
        assert_eq!(answer(&machine, &packet, &three), Some(Refused::Malformed));
    }
    bystander.check();
}

#[test]
fn wrong_counts_and_kinds_of_descriptors_are_refused_and_closed() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut bystander = User::attach(&machine.socket(0));
    let open = || {
        let path = format!("/proc/{}/fd", machine.device_pid(0).as_raw_nonzero());
        std::fs::read_dir(path).unwrap().count()
    };
    let before = open();
    let (memory, bell) = (good_memory(), eventfd());
    let (memory, bell) = (memory.as_fd(), bell.as_fd());
    for count in [0, 1, 2, 4, 8, 9, 64] {
        let descriptors: Vec<_> = [memory].into_iter().chain([bell; 64]).take(count).collect();
        assert_eq!(answer(&machine, &hello(), &descriptors), Some(Refused::Malformed), "{count}");
    }
    let null = File::open("/dev/null").unwrap();
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    for stranger in [null.as_fd(), reader.as_fd(), writer.as_fd(), memory] {
        assert_eq!(answer(&machine, &hello(), &[memory, stranger, bell]), Some(Refused::Malformed));
        assert_eq!(answer(&machine, &hello(), &[memory, bell, stranger]), Some(Refused::Malformed));
    }
    for stranger in [null.as_fd(), reader.as_fd(), bell] {
        assert_eq!(answer(&machine, &hello(), &[stranger, bell, bell]), Some(Refused::Memory));
    }
    eventually("all descriptors are closed", || (open() == before).then_some(()));
    bystander.check();
}

#[test]
fn memory_without_seals_or_of_another_size_or_header_is_refused() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut bystander = User::attach(&machine.socket(0));
    let bell = eventfd();
    let refused =
        |memory: &OwnedFd| answer(&machine, &hello(), &[memory.as_fd(), bell.as_fd(), bell.as_fd()]);
    let make = |length: usize, flags: MemfdFlags, seals: SealFlags| {
        let file = rustix::fs::memfd_create(c"user", MemfdFlags::CLOEXEC | flags).unwrap();
        rustix::fs::ftruncate(&file, length as u64).unwrap();
        if !seals.is_empty() {
            rustix::fs::fcntl_add_seals(&file, seals).unwrap();
        }
        file
    };
    let length = shape().length();
    let all = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    for missing in [all, SealFlags::SHRINK, SealFlags::GROW, SealFlags::SEAL] {
        let memory = make(length, MemfdFlags::ALLOW_SEALING, all - missing);
        assert_eq!(refused(&memory), Some(Refused::Memory), "{missing:?}");
    }
    for length in [0, 4096, length - 4096, length + 4096] {
        assert_eq!(refused(&make(length, MemfdFlags::ALLOW_SEALING, all)), Some(Refused::Memory), "{length}");
    }
    // Not to be written to, and no header.
    let sealed = make(length, MemfdFlags::ALLOW_SEALING, all | SealFlags::WRITE);
    assert_eq!(refused(&sealed), Some(Refused::Memory));
    assert_eq!(refused(&make(length, MemfdFlags::ALLOW_SEALING, all)), Some(Refused::Memory));
    let (other, memory) = SharedMemory::create(c"user", length).unwrap();
    Header { version: VERSION, shape: Shape::new(8, 16).unwrap() }.write(&memory).unwrap();
    assert_eq!(refused(&other), Some(Refused::Memory));
    bystander.check();
    User::attach(&machine.socket(0)).check();
}

/// A file of huge pages takes the same seals, but touching a hole in it may kill.
#[test]
fn memory_of_huge_pages_is_refused() {
    let machine = Machine::start(&["--devices", "1"]);
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB;
    // Kernels without huge pages have no such files, and nothing to refuse.
    if let Ok(file) = rustix::fs::memfd_create(c"user", flags) {
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL).unwrap();
        let bell = eventfd();
        let descriptors = [file.as_fd(), bell.as_fd(), bell.as_fd()];
        assert_eq!(answer(&machine, &hello(), &descriptors), Some(Refused::Memory));
    }
    User::attach(&machine.socket(0)).check();
}

#[test]
fn silence_is_ended_and_does_not_keep_others_waiting() {
    let machine = Machine::start(&["--devices", "1"]);
    let silent: Vec<_> = (0..48).map(|_| connect(&machine.socket(0))).collect();
    let began = Instant::now();
    let mut user = User::attach(&machine.socket(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    user.check();
    for connection in &silent {
        wait_readable(connection.as_fd(), PATIENCE).expect("the device closes it");
        assert_eq!(receive(connection), None);
    }
    user.check();
}

#[test]
fn a_user_that_leaves_or_speaks_gives_its_instance_back() {
    let machine = Machine::start(&["--devices", "1", "--instances", "2"]);
    let first = User::attach(&machine.socket(0));
    let second = User::attach(&machine.socket(0));
    assert_eq!(User::try_attach(&machine.socket(0)).err(), Some(Refused::NoFreeInstance));
    let freed = first.welcome.instance;
    drop(first);
    let mut third = eventually("the instance is free", || User::try_attach(&machine.socket(0)).ok());
    assert_eq!(third.welcome.instance, freed);
    third.check();
    send(&second.connection, b"?", &[]);
    assert!(second.is_detached(PATIENCE));
    eventually("the other is free", || User::try_attach(&machine.socket(0)).ok()).check();
}
