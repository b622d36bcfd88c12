//! The connection to the device process: the handshake, and how its end is noticed.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, recv, sendmsg, socket_with,
};
use rustix::process::{PidfdFlags, pidfd_open};

use super::wire::message::{HELLO_DESCRIPTORS, Hello, PACKET_BYTES, Packet, Refused, Welcome, decode_answer};
use crate::address::Bdf;
use crate::instance::{OpenError, State};

/// A connection that the device has welcomed.
pub(super) struct Connection {
    socket: Arc<OwnedFd>,
    /// The process that serves the device, if it is in our pid namespace: its end is the proof that it writes no more.
    process: Option<OwnedFd>,
}

impl Connection {
    /// Connects to the device's socket, hands over the descriptors, and waits for the answer no longer than `timeout`.
    pub(super) fn make(
        address: Bdf,
        path: &Path,
        hello: Hello,
        descriptors: [BorrowedFd<'_>; HELLO_DESCRIPTORS],
        timeout: Duration,
    ) -> Result<(Self, Welcome), OpenError> {
        let unreachable =
            |source: io::Error| OpenError::Unreachable { what: path.display().to_string(), source };
        let protocol = |why: String| OpenError::Protocol { what: path.display().to_string(), why };
        let deadline = Instant::now() + timeout;

        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map_err(|error| OpenError::Local { what: "making a socket", source: error.into() })?;
        let name = SocketAddrUnix::new(path).map_err(|error| unreachable(error.into()))?;
        rustix::net::connect(&socket, &name).map_err(|error| match error {
            // A stream or datagram socket lives there.
            rustix::io::Errno::PROTOTYPE => protocol("it is a socket of another type".to_owned()),
            error => unreachable(error.into()),
        })?;
        send_hello(socket.as_fd(), hello, descriptors).map_err(unreachable)?;

        let answer = receive(socket.as_fd(), deadline).map_err(unreachable)?;
        let answer = decode_answer(&answer).map_err(|bad| protocol(bad.to_string()))?;
        match answer {
            Ok(welcome) => {
                let process = rustix::net::sockopt::socket_peercred(&socket)
                    .ok()
                    .and_then(|peer| pidfd_open(peer.pid, PidfdFlags::empty()).ok());
                Ok((Self { socket: Arc::new(socket), process }, welcome))
            }
            Err(Refused::NoFreeInstance) => Err(OpenError::NoFreeInstance(address)),
            Err(Refused::NotUp) => Err(OpenError::NotUp(address, State::Error)),
            Err(Refused::Version) => {
                Err(protocol("it speaks another version; upgrade the older of the two".to_owned()))
            }
            Err(Refused::Memory) => Err(protocol("it refused the memory handed to it".to_owned())),
            Err(Refused::Malformed) => Err(protocol("it did not understand our greeting".to_owned())),
        }
    }

    /// Becomes readable when the other side is gone.
    pub(super) fn socket(&self) -> &Arc<OwnedFd> {
        &self.socket
    }

    /// Whether the other side has closed. After the handshake it has nothing to say, so anything but "nothing yet" is the
    /// end: a peer that talks is no device.
    pub(super) fn is_closed(&self) -> bool {
        let mut byte = [0_u8; 1];
        let received = recv(&*self.socket, &mut byte[..], RecvFlags::DONTWAIT | RecvFlags::PEEK);
        !matches!(received, Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR))
    }

    /// Whether the process that served the device has certainly ended, so that nothing of it writes any more.
    pub(super) fn is_process_gone(&self) -> bool {
        let Some(process) = &self.process else { return false };
        let mut descriptors = [PollFd::new(process, PollFlags::IN)];
        matches!(poll(&mut descriptors, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(1))
    }
}

fn send_hello(
    socket: BorrowedFd<'_>,
    hello: Hello,
    descriptors: [BorrowedFd<'_>; HELLO_DESCRIPTORS],
) -> io::Result<()> {
    let packet = hello.encode();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(HELLO_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for the descriptors"));
    }
    let sent = sendmsg(socket, &[IoSlice::new(&packet)], &mut ancillary, SendFlags::NOSIGNAL)?;
    if sent == PACKET_BYTES { Ok(()) } else { Err(io::Error::from(io::ErrorKind::WriteZero)) }
}

/// One packet, or what came instead of one.
fn receive(socket: BorrowedFd<'_>, deadline: Instant) -> io::Result<Vec<u8>> {
    loop {
        // One byte more than a packet, so that a longer one is noticed.
        let mut bytes = [0; PACKET_BYTES + 1];
        match rustix::net::recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut bytes)],
            // No room for descriptors: a device that sends some loses them.
            &mut rustix::net::RecvAncillaryBuffer::default(),
            RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
        ) {
            Ok(message) if message.bytes == 0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Ok(message) => return Ok(bytes[..message.bytes.min(bytes.len())].to_vec()),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer to our greeting"));
                }
                let left = Timespec::try_from(left).map_err(io::Error::other)?;
                let mut descriptors = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
                match poll(&mut descriptors, Some(&left)) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

const _: () = assert!(size_of::<Packet>() == PACKET_BYTES);
