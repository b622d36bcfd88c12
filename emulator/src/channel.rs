//! Messages between processes of the emulator: JSON in packets of bounded size on a `SOCK_SEQPACKET` socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// No message is longer, in bytes.
pub(crate) const MAX_MESSAGE: usize = 4096;

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

/// What came.
#[derive(Debug)]
pub(crate) enum Received<T> {
    /// A message, and the descriptor that came with it.
    Message(T, Option<OwnedFd>),
    /// Nothing at this moment.
    Nothing,
    /// The other end is closed.
    Closed,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ChannelError {
    #[error("{0}")]
    System(#[from] io::Error),
    #[error("a message of more than {MAX_MESSAGE} bytes")]
    TooLong,
    #[error("a message that makes no sense: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl From<Errno> for ChannelError {
    fn from(errno: Errno) -> Self {
        Self::System(errno.into())
    }
}

impl Channel {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Two ends that are connected. Both are closed on exec and do not block.
    pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
    }

    /// Sends `message`, with `descriptor`. Does not block: a peer that lets its queue run full is given up.
    pub(crate) fn send<T: Serialize>(
        &self,
        message: &T,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), ChannelError> {
        let bytes = serde_json::to_vec(message)?;
        if bytes.len() > MAX_MESSAGE {
            return Err(ChannelError::TooLong);
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<_> = descriptor.into_iter().collect();
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        rustix::net::sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, flags)?;
        Ok(())
    }

    /// Takes the next message, if there is one. Does not block.
    pub(crate) fn receive<T: DeserializeOwned>(&self) -> Result<Received<T>, ChannelError> {
        let mut bytes = [0; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let mut into = [IoSliceMut::new(&mut bytes)];
        let received = match rustix::net::recvmsg(&self.0, &mut into, &mut ancillary, flags) {
            Ok(received) => received,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Received::Nothing),
            Err(Errno::CONNRESET) => return Ok(Received::Closed),
            Err(errno) => return Err(errno.into()),
        };
        if received.bytes == 0 {
            return Ok(Received::Closed);
        }
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(ChannelError::TooLong);
        }
        let mut descriptor = None;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                // Surplus ones are closed as they are dropped here.
                descriptor = descriptors.last();
            }
        }
        let message = serde_json::from_slice(bytes.get(..received.bytes).unwrap_or_default())?;
        Ok(Received::Message(message, descriptor))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_pass_with_their_descriptor_and_the_end_is_seen() {
        let (ours, theirs) = Channel::pair().unwrap();
        let (ours, theirs) = (Channel::new(ours), Channel::new(theirs));
        assert!(matches!(theirs.receive::<String>(), Ok(Received::Nothing)));
        let file = std::fs::File::open("/dev/null").unwrap();
        ours.send(&"one", Some(file.as_fd())).unwrap();
        ours.send(&7, None).unwrap();
        match theirs.receive::<String>().unwrap() {
            Received::Message(text, Some(_)) => assert_eq!(text, "one"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(theirs.receive::<String>(), Err(ChannelError::Malformed(_))));
        assert!(matches!(ours.send(&"x".repeat(MAX_MESSAGE), None), Err(ChannelError::TooLong)));
        drop(ours);
        assert!(matches!(theirs.receive::<String>(), Ok(Received::Closed)));
    }
}
