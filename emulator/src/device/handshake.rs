//! A user's first packet: what it must bring, and what is wrong with what it brought.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use hotspare_device::drivers::emulated::wire::VERSION;
use hotspare_device::drivers::emulated::wire::layout::{Header, Shape};
use hotspare_device::drivers::emulated::wire::message::{
    BadPacket, HELLO_DESCRIPTORS, Hello, PACKET_BYTES, Refused,
};
use hotspare_device::shared_memory::SharedMemory;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags};

/// What a user brings.
pub(super) struct Offer {
    pub(super) shape: Shape,
    pub(super) memory: SharedMemory,
    pub(super) request_doorbell: OwnedFd,
    pub(super) response_doorbell: OwnedFd,
}

/// What became of a first packet.
pub(super) enum FirstPacket {
    Good(Offer),
    /// To be answered, then the connection ends.
    Bad(Refused, &'static str),
    /// Not there yet.
    Nothing,
    /// The peer is gone.
    Closed,
}

/// The kernel hands over no more descriptors than there is room for; a few more than a `Hello` has, so that a wrong
/// count is seen as such.
const MOST_DESCRIPTORS: usize = 8;

/// Reads and checks the first packet of a connection. Does not block. Whatever descriptors came are closed unless the
/// packet is good.
pub(super) fn first_packet(connection: BorrowedFd<'_>) -> FirstPacket {
    // One byte more than a packet has, so that a longer one is not taken for one.
    let mut bytes = [0; PACKET_BYTES + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let mut into = [std::io::IoSliceMut::new(&mut bytes)];
    let received = match rustix::net::recvmsg(connection, &mut into, &mut ancillary, flags) {
        Ok(received) => received,
        Err(Errno::AGAIN | Errno::INTR) => return FirstPacket::Nothing,
        Err(_) => return FirstPacket::Closed,
    };
    let mut descriptors = Vec::with_capacity(MOST_DESCRIPTORS);
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            descriptors.extend(some);
        }
    }
    // An empty packet with descriptors is no end of the connection, but nobody honest sends one.
    if received.bytes == 0 {
        return FirstPacket::Closed;
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return FirstPacket::Bad(Refused::Malformed, "its descriptors were cut off");
    }
    let hello = match Hello::decode(bytes.get(..received.bytes).unwrap_or_default()) {
        Ok(hello) => hello,
        Err(BadPacket::Version(_)) => return FirstPacket::Bad(Refused::Version, "it speaks another version"),
        Err(_) => return FirstPacket::Bad(Refused::Malformed, "its packet makes no sense"),
    };
    match check(hello, descriptors) {
        Ok(offer) => FirstPacket::Good(offer),
        Err((refused, why)) => FirstPacket::Bad(refused, why),
    }
}

fn check(hello: Hello, descriptors: Vec<OwnedFd>) -> Result<Offer, (Refused, &'static str)> {
    let Ok([memory, request_doorbell, response_doorbell]) =
        <[OwnedFd; HELLO_DESCRIPTORS]>::try_from(descriptors)
    else {
        return Err((Refused::Malformed, "it brought another number of descriptors"));
    };
    let shape = hello.shape;
    if !is_ordinary_memory(memory.as_fd()) {
        return Err((Refused::Memory, "its memory is no memory file of ordinary pages"));
    }
    let memory = SharedMemory::attach(memory.as_fd(), shape.length())
        .map_err(|_| (Refused::Memory, "its memory lacks the seals or has another size"))?;
    if !(Header { version: VERSION, shape }).stands_in(&memory) {
        return Err((Refused::Memory, "its memory has another header"));
    }
    for doorbell in [&request_doorbell, &response_doorbell] {
        if !is_eventfd(doorbell.as_fd()) {
            return Err((Refused::Malformed, "a doorbell is no eventfd"));
        }
    }
    // A bell whose counter is full must not make an engine wait.
    let quiet = rustix::fs::fcntl_getfl(&response_doorbell)
        .and_then(|flags| rustix::fs::fcntl_setfl(&response_doorbell, flags | OFlags::NONBLOCK));
    if quiet.is_err() {
        return Err((Refused::Malformed, "a doorbell's flags can't be set"));
    }
    Ok(Offer { shape, memory, request_doorbell, response_doorbell })
}

/// Whether the file lies in the page cache of tmpfs. In a file of huge pages, which also takes seals, a hole punched by
/// the user may have no page left to fill it, and touching it would kill us.
fn is_ordinary_memory(file: BorrowedFd<'_>) -> bool {
    /// `TMPFS_MAGIC` of `linux/magic.h`.
    const TMPFS: u64 = 0x0102_1994;
    rustix::fs::fstatfs(file).is_ok_and(|stat| u64::try_from(stat.f_type).is_ok_and(|kind| kind == TMPFS))
}

/// Whether it is an eventfd: writing to anything else could block an engine, or do worse.
fn is_eventfd(descriptor: BorrowedFd<'_>) -> bool {
    use std::os::fd::AsRawFd;
    std::fs::read_link(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
        .is_ok_and(|target| target.as_os_str() == "anon_inode:[eventfd]")
}
