//! The device's end of the wire, in the hands of a test: it answers what, when and as wrongly as the test says. It
//! computes nothing. It is always compiled, since a feature that only tests switch on would have everything built twice.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, recvmsg, send, socket_with,
};

use super::wire::descriptor::{OperationSet, RequestDescriptor, ResponseDescriptor, STATUS_DONE};
use super::wire::layout::{self, SLOT_OUTPUT, Shape, StateWord};
use super::wire::message::{Hello, Packet, Refused, Welcome, encode_answer};
use super::wire::payload::Payload;
use crate::instance::State;
use crate::shared_memory::SharedMemory;

/// How long a scripted device waits for anything before it gives up: far longer than any correct run takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A socket that a driver can connect to.
pub struct ScriptedListener {
    socket: OwnedFd,
}

/// One user's rings, seen from the device.
pub struct ScriptedDevice {
    /// The memory that the user handed over.
    pub memory: SharedMemory,
    /// Its shape.
    pub shape: Shape,
    connection: OwnedFd,
    request_doorbell: OwnedFd,
    response_doorbell: OwnedFd,
    taken: u64,
    given: u64,
    epoch: u64,
}

fn wait(fd: &OwnedFd, deadline: Instant) -> io::Result<()> {
    let left =
        Timespec::try_from(deadline.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&left)) {
        Ok(0) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl ScriptedListener {
    /// Listens at `path`.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(path: &Path) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        rustix::net::listen(&socket, 8)?;
        Ok(Self { socket })
    }

    /// Accepts a connection and sends `packet` for an answer, whatever it is. Returns the connection.
    ///
    /// # Errors
    /// What the system says; nobody came in time.
    pub fn answer_with(&self, packet: &[u8]) -> io::Result<OwnedFd> {
        wait(&self.socket, Instant::now() + PATIENCE)?;
        let connection = rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC)?;
        // What is left unread when a Unix socket closes becomes a reset for the other side.
        wait(&connection, Instant::now() + PATIENCE)?;
        rustix::net::recv(&connection, &mut [0_u8; 64][..], RecvFlags::empty())?;
        send(&connection, packet, SendFlags::NOSIGNAL)?;
        Ok(connection)
    }

    /// Refuses the next user.
    ///
    /// # Errors
    /// What the system says; nobody came in time.
    pub fn refuse(&self, why: Refused) -> io::Result<()> {
        self.answer_with(&encode_answer(Err(why))).map(drop)
    }

    /// Welcomes the next user, up, with this epoch, and with every operation.
    ///
    /// # Errors
    /// What the system says; nobody came in time; what came is no user.
    pub fn welcome(&self, epoch: u64) -> io::Result<ScriptedDevice> {
        self.welcome_with(epoch, OperationSet::ALL)
    }

    /// Welcomes the next user, up, with this epoch and these operations.
    ///
    /// # Errors
    /// What the system says; nobody came in time; what came is no user.
    pub fn welcome_with(&self, epoch: u64, operations: OperationSet) -> io::Result<ScriptedDevice> {
        wait(&self.socket, Instant::now() + PATIENCE)?;
        let connection = rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC)?;
        wait(&connection, Instant::now() + PATIENCE)?;
        let mut packet: Packet = [0; 64];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        recvmsg(&connection, &mut [IoSliceMut::new(&mut packet)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        let [memory, request_doorbell, response_doorbell] = <[OwnedFd; 3]>::try_from(descriptors)
            .map_err(|_| io::Error::other("wanted three descriptors"))?;
        let shape = Hello::decode(&packet).map_err(io::Error::other)?.shape;
        let memory = SharedMemory::attach(memory.as_fd(), shape.length()).map_err(io::Error::other)?;
        let device = ScriptedDevice {
            memory,
            shape,
            connection,
            request_doorbell,
            response_doorbell,
            taken: 0,
            given: 0,
            epoch,
        };
        device.set_word(layout::device::SLEEPING, 1);
        device.set_state(State::Up, epoch);
        let welcome = Welcome { instance: 0, number: 0, engines: 1, epoch, operations };
        send(&device.connection, &encode_answer(Ok(welcome)), SendFlags::NOSIGNAL)?;
        Ok(device)
    }
}

impl AsFd for ScriptedListener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl ScriptedDevice {
    /// Waits for the next request and takes it out of the ring.
    ///
    /// # Errors
    /// None came in time.
    pub fn take(&mut self) -> io::Result<RequestDescriptor> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(request) = self.try_take()? {
                return Ok(request);
            }
            wait(&self.request_doorbell, deadline)?;
        }
    }

    /// Takes the next request out of the ring, if there is one.
    ///
    /// # Errors
    /// The user's index is out of bounds.
    pub fn try_take(&mut self) -> io::Result<Option<RequestDescriptor>> {
        // It is rung for each request, since we always say that we sleep.
        let _ = rustix::io::read(&self.request_doorbell, &mut [0_u8; 8]);
        if self.word(layout::user::REQUEST_PRODUCER) == self.taken {
            return Ok(None);
        }
        let request = RequestDescriptor::load(&self.memory, self.shape.request(self.taken))
            .map_err(io::Error::other)?;
        self.taken += 1;
        self.set_word(layout::device::REQUEST_CONSUMER, self.taken);
        Ok(Some(request))
    }

    /// The connection; it ends when the user goes away.
    #[must_use]
    pub fn connection(&self) -> &OwnedFd {
        &self.connection
    }

    /// Rung by the user for each request.
    #[must_use]
    pub fn request_doorbell(&self) -> &OwnedFd {
        &self.request_doorbell
    }

    /// The payload of a request, as it lies in memory now.
    ///
    /// # Errors
    /// The descriptor is out of bounds.
    pub fn payload(&self, request: &RequestDescriptor) -> io::Result<Vec<u8>> {
        let mut copy = vec![0; request.payload_length as usize];
        self.memory.read(self.shape.slot(request.slot), &mut copy).map_err(io::Error::other)?;
        Ok(copy)
    }

    /// One part of a request's payload.
    ///
    /// # Errors
    /// The descriptor is out of bounds, or the payload malformed.
    pub fn part(&self, request: &RequestDescriptor, index: usize) -> io::Result<Vec<u8>> {
        let copy = self.payload(request)?;
        let operation = super::wire::descriptor::operation(request.operation);
        let operation = operation.ok_or_else(|| io::Error::other("unknown operation"))?;
        let payload =
            Payload::parse(&copy, operation).ok_or_else(|| io::Error::other("malformed payload"))?;
        Ok(payload.part(index).to_vec())
    }

    /// Writes a result into the slot of a request, without answering.
    ///
    /// # Errors
    /// Out of bounds.
    pub fn write_output(&self, slot: u32, output: &[u8]) -> io::Result<()> {
        self.memory.write(self.shape.slot(slot) + SLOT_OUTPUT, output).map_err(io::Error::other)
    }

    /// Answers a request as a good device would.
    ///
    /// # Errors
    /// Out of bounds.
    pub fn answer(&mut self, request: &RequestDescriptor, output: &[u8]) -> io::Result<()> {
        self.write_output(request.slot, output)?;
        let output_length = u32::try_from(output.len()).map_err(io::Error::other)?;
        self.respond(ResponseDescriptor {
            sequence: request.sequence,
            epoch: request.epoch,
            status: STATUS_DONE,
            output_length,
            slot: request.slot,
        })
    }

    /// Puts any response into the ring and rings if the user sleeps, as a device does: a driver that forgets to say that it
    /// sleeps is not woken.
    ///
    /// # Errors
    /// Out of bounds.
    pub fn respond(&mut self, response: ResponseDescriptor) -> io::Result<()> {
        response.store(&self.memory, self.shape.response(self.given)).map_err(io::Error::other)?;
        self.given += 1;
        self.set_word(layout::device::RESPONSE_PRODUCER, self.given);
        // Dekker's pattern, see `memory::Memory::set_sleeping`.
        fence(Ordering::SeqCst);
        if self.word(layout::user::SLEEPING) != 0 {
            self.ring();
        }
        Ok(())
    }

    /// Publishes state and epoch and rings, as a device does at each change.
    pub fn set_state(&self, state: State, epoch: u64) {
        self.set_word(layout::device::STATE, StateWord { state, epoch }.encode());
        self.ring();
    }

    /// A whole restart: error, restarting, up with the next epoch.
    pub fn restart(&mut self) {
        self.set_state(State::Restarting, self.epoch);
        self.epoch += 1;
        self.set_state(State::Up, self.epoch);
    }

    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Rings the user's doorbell.
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        let _ = rustix::io::write(&self.response_doorbell, &1_u64.to_ne_bytes());
    }

    /// A word of the memory.
    #[must_use]
    pub fn word(&self, offset: usize) -> u64 {
        self.memory.word(offset).map_or(0, |word| word.load(Ordering::SeqCst))
    }

    /// Sets a word of the memory.
    pub fn set_word(&self, offset: usize, value: u64) {
        if let Ok(word) = self.memory.word(offset) {
            word.store(value, Ordering::SeqCst);
        }
    }
}
