//! A user of a device, made of nothing but the wire: it can also do what no driver does.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use hotspare_device::State;
use hotspare_device::drivers::emulated::wire::VERSION;
use hotspare_device::drivers::emulated::wire::descriptor::{
    RequestDescriptor, ResponseDescriptor, operation_code,
};
use hotspare_device::drivers::emulated::wire::layout::{Header, SLOT_OUTPUT, Shape, StateWord, device, user};
use hotspare_device::drivers::emulated::wire::message::{Hello, Refused, Welcome, decode_answer};
use hotspare_device::request::Operation;
use hotspare_device::shared_memory::SharedMemory;
use rustix::event::{EventfdFlags, PollFd, PollFlags};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};

use super::machine::PATIENCE;

/// A connection to the device's socket.
pub(crate) fn connect(socket: &Path) -> OwnedFd {
    let made =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .unwrap();
    rustix::net::connect(&made, &SocketAddrUnix::new(socket).unwrap()).unwrap();
    made
}

/// Sends a packet with descriptors.
pub(crate) fn send(connection: impl AsFd, packet: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
    }
    let packet = [std::io::IoSlice::new(packet)];
    rustix::net::sendmsg(connection, &packet, &mut ancillary, SendFlags::NOSIGNAL).unwrap();
}

/// What comes back; none if the connection ends.
pub(crate) fn receive(connection: impl AsFd) -> Option<Vec<u8>> {
    let mut packet = [0; 256];
    wait_readable(connection.as_fd(), PATIENCE).expect("an answer in time");
    match rustix::net::recv(connection, &mut packet, RecvFlags::empty()) {
        Ok((0, _)) | Err(_) => None,
        Ok((length, _)) => Some(packet[..length].to_vec()),
    }
}

/// Waits until a descriptor is readable, or closed at the other end.
pub(crate) fn wait_readable(descriptor: BorrowedFd<'_>, longest: Duration) -> Option<()> {
    let deadline = Instant::now() + longest;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = left.try_into().ok();
        let mut wanted = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
        match rustix::event::poll(&mut wanted, timeout.as_ref()) {
            Ok(0) => return None,
            Ok(_) => return Some(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => panic!("{errno}"),
        }
    }
}

pub(crate) fn eventfd() -> OwnedFd {
    rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap()
}

/// A user with its memory.
pub(crate) struct User {
    pub(crate) connection: OwnedFd,
    pub(crate) memory: SharedMemory,
    pub(crate) shape: Shape,
    pub(crate) welcome: Welcome,
    request_doorbell: OwnedFd,
    pub(crate) response_doorbell: OwnedFd,
    submitted: u64,
    taken: u64,
    /// The number of the next sleep.
    sleeps: u64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) descriptor: ResponseDescriptor,
    pub(crate) output: Vec<u8>,
}

impl User {
    pub(crate) fn attach(socket: &Path) -> Self {
        Self::try_attach(socket).unwrap()
    }

    pub(crate) fn try_attach(socket: &Path) -> Result<Self, Refused> {
        let shape = Shape::new(16, 16).unwrap();
        let (file, memory) = SharedMemory::create(c"user", shape.length()).unwrap();
        Header { version: VERSION, shape }.write(&memory).unwrap();
        let connection = connect(socket);
        let (request_doorbell, response_doorbell) = (eventfd(), eventfd());
        let descriptors = [file.as_fd(), request_doorbell.as_fd(), response_doorbell.as_fd()];
        send(&connection, &Hello { shape }.encode(), &descriptors);
        let answer = receive(&connection).expect("an answer before the connection ends");
        let welcome = decode_answer(&answer).unwrap()?;
        let (submitted, taken, sleeps) = (0, 0, 1);
        Ok(Self {
            connection,
            memory,
            shape,
            welcome,
            request_doorbell,
            response_doorbell,
            submitted,
            taken,
            sleeps,
        })
    }

    pub(crate) fn state(&self) -> StateWord {
        StateWord::decode(self.memory.word(device::STATE).unwrap().load(Ordering::Acquire))
    }

    /// Waits until the state word says so, woken by the doorbell.
    pub(crate) fn wait_for(&self, state: State) -> StateWord {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let word = self.state();
            if word.state == state {
                return word;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(wait_readable(self.response_doorbell.as_fd(), left).is_some(), "never {state}");
            self.hush();
        }
    }

    /// Forgets that the doorbell was rung.
    pub(crate) fn hush(&self) {
        let _ = rustix::io::read(&self.response_doorbell, &mut [0_u8; 8]);
    }

    /// Submits a request in the current epoch and gives its number.
    pub(crate) fn submit(&mut self, operation: Operation, parts: &[&[u8]], output_length: usize) -> u64 {
        let (slot, payload_length) = self.write_payload(parts);
        let epoch = self.state().epoch;
        self.submit_raw(RequestDescriptor {
            sequence: self.submitted + 1,
            epoch,
            operation: operation_code(operation).unwrap(),
            output_length: output_length.try_into().unwrap(),
            slot,
            payload_length,
        })
    }

    /// Writes a payload to the slot that the next request gets.
    pub(crate) fn write_payload(&self, parts: &[&[u8]]) -> (u32, u32) {
        let slot = u32::try_from(self.submitted % u64::from(self.shape.slots)).unwrap();
        let mut at = self.shape.slot(slot);
        let start = at;
        for part in parts {
            self.memory.write(at, &(part.len() as u64).to_le_bytes()).unwrap();
            self.memory.write(at + 8, part).unwrap();
            at += 8 + part.len().next_multiple_of(8);
        }
        (slot, u32::try_from(at - start).unwrap())
    }

    /// Submits any descriptor.
    pub(crate) fn submit_raw(&mut self, descriptor: RequestDescriptor) -> u64 {
        descriptor.store(&self.memory, self.shape.request(self.submitted)).unwrap();
        self.submitted += 1;
        self.publish_index(self.submitted);
        descriptor.sequence
    }

    /// Says that so many requests were put into the ring, and rings if engines sleep.
    pub(crate) fn publish_index(&self, index: u64) {
        self.memory.word(user::REQUEST_PRODUCER).unwrap().store(index, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.memory.word(device::SLEEPING).unwrap().load(Ordering::Relaxed) != 0 {
            rustix::io::write(&self.request_doorbell, &1_u64.to_ne_bytes()).unwrap();
        }
    }

    /// The next answer, if it is there.
    pub(crate) fn take(&mut self) -> Option<Answered> {
        let produced = self.memory.word(device::RESPONSE_PRODUCER).unwrap().load(Ordering::Acquire);
        if produced == self.taken {
            return None;
        }
        let descriptor = ResponseDescriptor::load(&self.memory, self.shape.response(self.taken)).unwrap();
        let mut output = vec![0; descriptor.output_length as usize];
        if descriptor.status == 0 {
            self.memory.read(self.shape.slot(descriptor.slot) + SLOT_OUTPUT, &mut output).unwrap();
        }
        self.taken += 1;
        self.memory.word(user::RESPONSE_CONSUMER).unwrap().store(self.taken, Ordering::Release);
        Some(Answered { descriptor, output })
    }

    /// The next answer; sleeps until it comes.
    pub(crate) fn wait(&mut self, longest: Duration) -> Option<Answered> {
        let deadline = Instant::now() + longest;
        loop {
            self.memory.word(user::SLEEPING).unwrap().store(self.sleeps, Ordering::SeqCst);
            self.sleeps += 1;
            fence(Ordering::SeqCst);
            let answered = self.take();
            if answered.is_none() {
                let left = deadline.saturating_duration_since(Instant::now());
                wait_readable(self.response_doorbell.as_fd(), left)?;
                self.hush();
            }
            self.memory.word(user::SLEEPING).unwrap().store(0, Ordering::SeqCst);
            if answered.is_some() {
                return answered;
            }
        }
    }

    /// Submits and waits for the one answer.
    pub(crate) fn call(&mut self, operation: Operation, parts: &[&[u8]], output_length: usize) -> Answered {
        let sequence = self.submit(operation, parts, output_length);
        let answered = self.wait(PATIENCE).expect("an answer");
        assert_eq!(answered.descriptor.sequence, sequence);
        answered
    }

    /// How many requests the device has taken out of the ring.
    pub(crate) fn consumed(&self) -> u64 {
        self.memory.word(device::REQUEST_CONSUMER).unwrap().load(Ordering::Acquire)
    }

    /// How many responses the device has put into the ring.
    pub(crate) fn responses(&self) -> u64 {
        self.memory.word(device::RESPONSE_PRODUCER).unwrap().load(Ordering::Acquire)
    }

    /// Whether the device has closed the connection, or does so in time.
    pub(crate) fn is_detached(&self, longest: Duration) -> bool {
        wait_readable(self.connection.as_fd(), longest).is_some() && receive(&self.connection).is_none()
    }

    /// A request that a working device answers rightly.
    pub(crate) fn check(&mut self) {
        let answered = self.call(X25519, &[&SCALAR, &U], 32);
        assert_eq!((answered.descriptor.status, &answered.output[..]), (0, &PRODUCT[..]));
    }
}

pub(crate) const X25519: Operation = Operation::MontgomeryMultiply(hotspare_device::MontgomeryCurve::X25519);

/// RFC 7748, 6.1: Alice's private key, Bob's public key, their secret.
pub(crate) const SCALAR: [u8; 32] = [
    0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf,
    0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
];
pub(crate) const U: [u8; 32] = [
    0xde, 0x9e, 0xdb, 0x7d, 0x7b, 0x7d, 0xc1, 0xb4, 0xd3, 0x5b, 0x61, 0xc2, 0xec, 0xe4, 0x35, 0x37, 0x3f,
    0x83, 0x43, 0xc8, 0x5b, 0x78, 0x67, 0x4d, 0xad, 0xfc, 0x7e, 0x14, 0x6f, 0x88, 0x2b, 0x4f,
];
pub(crate) const PRODUCT: [u8; 32] = [
    0x4a, 0x5d, 0x9d, 0x5b, 0xa4, 0xce, 0x2d, 0xe1, 0x72, 0x8e, 0x3b, 0xf4, 0x80, 0x35, 0x0f, 0x25, 0xe0,
    0x7e, 0x21, 0xc9, 0x47, 0xd1, 0x9e, 0x33, 0x76, 0xf0, 0x9b, 0x3c, 0x1e, 0x16, 0x17, 0x42,
];
