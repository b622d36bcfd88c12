//! Receiving device events.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::event::{DeviceEvent, Group};

/// How many events one [`Monitor::drain`] takes from each group at most, so that a storm of events cannot hold its
/// caller up.
pub const MAX_EVENTS_PER_DRAIN: usize = 256;

const SUBSYSTEM: &str = "pci";

/// Listens for events of PCI devices in both multicast groups, the kernel's and that of systemd-udevd.
///
/// Both, because a monitor of the "udev" group is silently deaf where no systemd-udevd runs (containers), and the
/// kernel's group does not show what rules add. So most events arrive twice; whoever handles them is idempotent.
///
/// Receiving needs no privilege. A monitor belongs to the thread that made it, and to its process: make it after a
/// fork, not before.
pub struct Monitor {
    sources: Vec<Source>,
}

struct Source {
    group: Group,
    socket: udev::MonitorSocket,
}

/// There are no events to be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "device events cannot be received ({group} group): {source}; failures are noticed only by deadlines and by \
     reading the state"
)]
pub struct MonitorError {
    /// The group that failed last.
    pub group: &'static str,
    /// What the system said.
    pub source: io::Error,
}

/// What a [`Monitor::drain`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Events that were given to the caller.
    pub events: usize,
    /// Events were lost, since they came faster than they were taken (ENOBUFS): read the state of every device.
    pub lost: bool,
    /// The bound was reached; there may be more.
    pub more: bool,
}

impl Monitor {
    /// Listens in both groups, or in the one that can be had.
    ///
    /// # Errors
    /// [`MonitorError`] if neither can be had. Callers go on without events.
    pub fn new() -> Result<Self, MonitorError> {
        let mut sources = Vec::new();
        let mut failure = None;
        for group in [Group::Kernel, Group::Udev] {
            match listen(group) {
                Ok(socket) => sources.push(Source { group, socket }),
                Err(source) => failure = Some(MonitorError { group: name(group), source }),
            }
        }
        match failure {
            Some(error) if sources.is_empty() => Err(error),
            Some(error) => {
                tracing::warn!("no device events from the {} group: {}", error.group, error.source);
                Ok(Self { sources })
            }
            None => Ok(Self { sources }),
        }
    }

    /// What to wait on, level-triggered: readable when [`Monitor::drain`] has something to do.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sources.iter().map(|source| source.socket.as_fd())
    }

    /// Gives the events that are there to `take`. Does not block; takes [`MAX_EVENTS_PER_DRAIN`] messages from each
    /// group at most.
    pub fn drain(&mut self, take: &mut dyn FnMut(DeviceEvent)) -> Drained {
        let mut drained = Drained::default();
        for source in &self.sources {
            source.drain(take, &mut drained);
        }
        drained
    }
}

impl Source {
    fn drain(&self, take: &mut dyn FnMut(DeviceEvent), drained: &mut Drained) {
        for _ in 0..MAX_EVENTS_PER_DRAIN {
            // libudev's receive gives nothing for an overflow and for a message that it does not believe, just as it
            // does for an empty socket. The socket itself tells these apart.
            if matches!(rustix::net::sockopt::socket_error(&self.socket), Ok(Err(Errno::NOBUFS))) {
                drained.lost = true;
            }
            let Some(event) = self.socket.iter().next() else {
                if readable(self.socket.as_fd()) {
                    continue;
                }
                return;
            };
            let entries: Vec<_> = event.properties().collect();
            let properties = entries.iter().map(|entry| (entry.name(), entry.value()));
            if let Some(event) = DeviceEvent::from_properties(properties, self.group) {
                drained.events += 1;
                take(event);
            }
        }
        drained.more = true;
    }
}

fn readable(descriptor: BorrowedFd<'_>) -> bool {
    let mut wanted = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    rustix::event::poll(&mut wanted, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

fn listen(group: Group) -> io::Result<udev::MonitorSocket> {
    let builder = match group {
        Group::Kernel => udev::MonitorBuilder::new_kernel(),
        Group::Udev => udev::MonitorBuilder::new(),
    };
    builder?.match_subsystem(SUBSYSTEM)?.listen()
}

const fn name(group: Group) -> &'static str {
    match group {
        Group::Kernel => "kernel",
        Group::Udev => "udev",
    }
}
