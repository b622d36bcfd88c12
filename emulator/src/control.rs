//! Commands to a running emulator, on its control socket: the messages, and the client's side.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hotspare_device::files::EmulatorPaths;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};

use crate::channel::{Channel, ChannelError, Received};

/// What can be asked of an emulator. A device is meant by its PCI address or its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Bring a fault about; answered when it is there.
    Inject { device: String, fault: String },
    /// Reset a device; answered when that is over.
    Reset { device: String },
}

/// The answer: nothing, or why not.
pub(crate) type Outcome = Result<(), String>;

/// How long a command may take. A reset takes as long as `run --reset-ms` says.
pub(crate) const COMMAND_TIME: Duration = Duration::from_secs(30);

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CommandError {
    #[error("no emulator runs under {}: start one there with `hotspare-emulator run`", .0.display())]
    NotRunning(PathBuf),
    #[error("only root and the user who started the emulator may command it")]
    NotPermitted,
    #[error("{}: {source}", .path.display())]
    Socket { path: PathBuf, source: io::Error },
    #[error("the emulator's answer: {0}")]
    Channel(#[from] ChannelError),
    #[error("the emulator did not answer within {} s", COMMAND_TIME.as_secs())]
    NoAnswer,
    #[error("{0}")]
    Refused(String),
}

/// Has the emulator under `root` carry out `command`.
pub(crate) fn send(root: &Path, command: &Command) -> Result<(), CommandError> {
    let path = EmulatorPaths::new(root).control_socket();
    let channel = connect(&path).map_err(|errno| match errno {
        Errno::NOENT | Errno::CONNREFUSED => CommandError::NotRunning(root.to_owned()),
        Errno::ACCESS | Errno::PERM => CommandError::NotPermitted,
        errno => CommandError::Socket { path, source: errno.into() },
    })?;
    channel.send(command, None)?;
    let deadline = Instant::now() + COMMAND_TIME;
    loop {
        match channel.receive::<Outcome>()? {
            Received::Message(outcome, _) => return outcome.map_err(CommandError::Refused),
            Received::Closed => return Err(CommandError::NotPermitted),
            Received::Nothing => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(CommandError::NoAnswer);
                }
                let timeout = left.try_into().ok();
                let _ = rustix::event::poll(&mut [PollFd::new(&channel, PollFlags::IN)], timeout.as_ref());
            }
        }
    }
}

fn connect(path: &Path) -> Result<Channel, Errno> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(Channel::new(socket))
}
