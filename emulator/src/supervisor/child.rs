//! A device process, from the supervisor's side.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{PidfdFlags, Signal};

use crate::channel::{Channel, ChannelError, Received};
use crate::orders::{Action, DeviceConfig, Order, Report};

/// How long a device process may take to start, or to carry an order out, before it is ended by force. It does neither
/// any waiting nor any long work; what takes longer is stopped or broken.
const ORDER_TIME: Duration = Duration::from_secs(2);

/// What processes are called in lists of processes.
const PROGRAM: &str = "hotspare-emulator";

/// The hidden subcommand that runs a device.
pub(crate) const DEVICE_SUBCOMMAND: &str = "device";

/// A running device process. Ended when dropped.
pub(super) struct Child {
    process: std::process::Child,
    /// Readable when the process has ended. Signals sent by it can't hit another process.
    pidfd: OwnedFd,
    channel: Channel,
    started_at: Instant,
    ready: bool,
    serial: u64,
    pending: VecDeque<(u64, Instant)>,
}

/// What a device process has said.
pub(super) enum Said {
    /// Nothing more at this moment.
    Nothing,
    /// It listens.
    Ready,
    /// The order with this number is carried out.
    Done(u64),
    /// It can't go on.
    Broken(String),
}

impl Child {
    /// Starts a process with this configuration. `page` is the device page.
    pub(super) fn start(config: &DeviceConfig, page: BorrowedFd<'_>, now: Instant) -> io::Result<Self> {
        let (ours, theirs) = Channel::pair()?;
        // Its one inherited descriptor is the channel, as standard input; the page comes through that.
        // The link leads to this program also if its file has been replaced meanwhile.
        let process = Command::new("/proc/self/exe")
            .arg0(PROGRAM)
            .arg(DEVICE_SUBCOMMAND)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        let pid = i32::try_from(process.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("a process without a number"))?;
        // The number is not reused before we have waited for the process.
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        let channel = Channel::new(ours);
        let child = Self {
            process,
            pidfd,
            channel,
            started_at: now,
            ready: false,
            serial: 0,
            pending: VecDeque::new(),
        };
        child.channel.send(config, Some(page)).map_err(|error| match error {
            ChannelError::System(error) => error,
            other => io::Error::other(other),
        })?;
        Ok(child)
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Readable when the process has ended.
    pub(super) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Readable when it has said something.
    pub(super) fn channel(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// Gives an order; its number comes back in [`Said::Done`].
    pub(super) fn order(&mut self, action: Action, now: Instant) -> u64 {
        self.serial += 1;
        // Should it not get through, its time runs out.
        let _ = self.channel.send(&Order { serial: self.serial, action }, None);
        self.pending.push_back((self.serial, now + ORDER_TIME));
        self.serial
    }

    /// What it has said next.
    pub(super) fn listen(&mut self) -> Said {
        match self.channel.receive() {
            Ok(Received::Message(Report::Ready, _)) => {
                self.ready = true;
                Said::Ready
            }
            Ok(Received::Message(Report::Done { serial }, _)) => match self.pending.pop_front() {
                Some((expected, _)) if expected == serial => Said::Done(serial),
                _ => Said::Broken("it answered orders out of turn".to_owned()),
            },
            Ok(Received::Message(Report::Failed { why }, _)) => Said::Broken(why),
            // That it has ended is told by its pidfd.
            Ok(Received::Nothing | Received::Closed) => Said::Nothing,
            Err(error) => Said::Broken(error.to_string()),
        }
    }

    /// When it is to be ended by force, unless it says something.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.ready {
            self.pending.front().map(|(_, deadline)| *deadline)
        } else {
            Some(self.started_at + ORDER_TIME)
        }
    }

    /// Ends it by force. It is noticed as any other end.
    pub(super) fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// How it has ended, if it has.
    pub(super) fn ended(&mut self) -> Option<String> {
        self.process.try_wait().ok().flatten().map(|status| status.to_string())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        // Short: nothing survives that signal.
        let _ = self.process.wait();
    }
}
