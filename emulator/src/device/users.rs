//! The users of a device: from connecting to leaving.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotspare_device::State;
use hotspare_device::drivers::emulated::wire::descriptor::OperationSet;
use hotspare_device::drivers::emulated::wire::layout::StateWord;
use hotspare_device::drivers::emulated::wire::message::{Answer, Refused, Welcome, encode_answer};
use rustix::net::{RecvFlags, SendFlags, SocketFlags};

use super::handshake::{self, FirstPacket, Offer};
use super::ring::Ring;
use super::shared::Shared;
use crate::orders::DeviceConfig;

/// How long a user may take for its first packet. It has everything ready when it connects.
const HANDSHAKE_TIME: Duration = Duration::from_millis(500);

/// How many connections may be without a first packet at once. More wait in the listener's queue.
const MAX_STRANGERS: usize = 32;

/// Everybody who is connected. Belongs to the main thread.
pub(super) struct Users {
    shared: Arc<Shared>,
    number: u32,
    engines: u32,
    instances: u32,
    strangers: Vec<Stranger>,
    attached: Vec<Attached>,
}

struct Stranger {
    connection: OwnedFd,
    deadline: Instant,
}

struct Attached {
    connection: OwnedFd,
    /// The user's process, if it is in our pid namespace. The connection alone does not tell that it has ended: children
    /// that it has forked hold it open.
    process: Option<OwnedFd>,
    ring: Arc<Ring>,
}

/// The device's state, as new users are to find it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// What the state words say.
    pub(super) word: StateWord,
    /// Whether engines may answer; not in a hang, though the state word says "up".
    pub(super) open: bool,
}

impl Users {
    pub(super) fn new(shared: Arc<Shared>, config: &DeviceConfig) -> Self {
        Self {
            shared,
            number: config.number,
            engines: config.engines,
            instances: config.instances,
            strangers: Vec::new(),
            attached: Vec::new(),
        }
    }

    /// Whether another connection may be accepted.
    pub(super) fn has_room(&self) -> bool {
        self.strangers.len() < MAX_STRANGERS
    }

    /// Takes one connection from the listener, if there is one.
    pub(super) fn accept(&mut self, listener: BorrowedFd<'_>, now: Instant) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        if let Ok(connection) = rustix::net::accept_with(listener, flags) {
            self.strangers.push(Stranger { connection, deadline: now + HANDSHAKE_TIME });
        }
    }

    /// The connections to watch, in an order that [`Users::ready`] understands.
    pub(super) fn connections(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let strangers = self.strangers.iter().map(|stranger| stranger.connection.as_fd());
        let attached = self.attached.iter().map(|user| user.connection.as_fd());
        // As many as there are connections: who has no process to watch is looked at twice.
        let processes =
            self.attached.iter().map(|user| user.process.as_ref().unwrap_or(&user.connection).as_fd());
        strangers.chain(attached).chain(processes)
    }

    /// When the next stranger's time is over.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.strangers.iter().map(|stranger| stranger.deadline).min()
    }

    /// Acts upon the connections that are readable or closed: `ready` answers for each of [`Users::connections`], in
    /// their order.
    pub(super) fn ready(&mut self, ready: &[bool], now: Instant, standing: Standing) {
        let strangers = std::mem::take(&mut self.strangers);
        let (first, rest) = ready.split_at_checked(strangers.len()).unwrap_or((ready, &[]));
        let attached = std::mem::take(&mut self.attached);
        let (rest, processes) = rest.split_at_checked(attached.len()).unwrap_or((rest, &[]));
        // Those who leave make room for those who come.
        for (index, user) in attached.into_iter().enumerate() {
            let speaks = rest.get(index).copied().unwrap_or(false);
            let has_ended = user.process.is_some() && processes.get(index).copied().unwrap_or(false);
            if user.ring.is_expelled() || has_ended || (speaks && self.has_left(&user)) {
                self.shared.detach(&user.ring);
            } else {
                self.attached.push(user);
            }
        }
        for (index, stranger) in strangers.into_iter().enumerate() {
            if first.get(index).copied().unwrap_or(false) {
                self.meet(stranger, standing);
            } else if stranger.deadline > now {
                self.strangers.push(stranger);
            } else {
                tracing::info!("a connection said nothing for {HANDSHAKE_TIME:?} and is closed");
            }
        }
    }

    /// Publishes a state to every user.
    pub(super) fn publish(&self, word: StateWord) {
        for user in &self.attached {
            user.ring.publish(word);
        }
    }

    /// No user hears from us any more, nor learns that.
    pub(super) fn close_silently(&self) {
        for user in &self.attached {
            user.ring.close();
        }
    }

    /// Whether an attached user has closed its connection. One that speaks on it breaks the rules, and is treated
    /// alike.
    fn has_left(&self, user: &Attached) -> bool {
        let mut byte = [0_u8];
        match rustix::net::recv(&user.connection, &mut byte, RecvFlags::DONTWAIT) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => false,
            Ok((0, _)) | Err(_) => true,
            Ok(_) => {
                let ring = &user.ring;
                self.shared.complain(Some(ring.instance()), ring.peer(), &"it spoke after the handshake");
                true
            }
        }
    }

    fn meet(&mut self, stranger: Stranger, standing: Standing) {
        let offer = match handshake::first_packet(stranger.connection.as_fd()) {
            FirstPacket::Nothing => return self.strangers.push(stranger),
            FirstPacket::Closed => return,
            FirstPacket::Good(offer) => Ok(offer),
            FirstPacket::Bad(refused, why) => {
                self.shared.complain(None, peer(&stranger.connection), &why);
                Err(refused)
            }
        };
        let connection = stranger.connection;
        let (ring, welcome) = match offer.and_then(|offer| self.admit(offer, &connection, standing)) {
            Ok(admitted) => admitted,
            // A refused peer that doesn't read has nobody to blame but itself.
            Err(refused) => {
                let _ = tell(&connection, Err(refused));
                return;
            }
        };
        let process = process(&connection);
        if self.shared.attach(Arc::clone(&ring)).is_ok() && tell(&connection, Ok(welcome)).is_ok() {
            self.attached.push(Attached { connection, process, ring });
        } else {
            self.shared.detach(&ring);
        }
    }

    fn admit(
        &self,
        offer: Offer,
        connection: &OwnedFd,
        standing: Standing,
    ) -> Result<(Arc<Ring>, Welcome), Refused> {
        if standing.word.state != State::Up {
            return Err(Refused::NotUp);
        }
        let taken = |instance| self.attached.iter().any(|user| user.ring.instance() == instance);
        let instance =
            (0..self.instances).find(|instance| !taken(*instance)).ok_or(Refused::NoFreeInstance)?;
        let peer = peer(connection);
        tracing::debug!(instance, peer, depth = offer.shape.ring_depth, "a user is attached");
        let ring = Ring::new(instance, peer, offer, standing).map_err(|_| Refused::Memory)?;
        let welcome = Welcome {
            instance,
            number: self.number,
            engines: self.engines,
            epoch: standing.word.epoch,
            operations: OperationSet::ALL,
        };
        Ok((Arc::new(ring), welcome))
    }
}

fn tell(connection: &OwnedFd, answer: Answer) -> Result<(), ()> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::send(connection, &encode_answer(answer), flags).map(drop).map_err(drop)
}

/// The process at the other end, for the log.
fn peer(connection: &OwnedFd) -> i32 {
    rustix::net::sockopt::socket_peercred(connection)
        .map_or(0, |credentials| credentials.pid.as_raw_nonzero().get())
}

/// A descriptor of that process, readable when it has ended.
fn process(connection: &OwnedFd) -> Option<OwnedFd> {
    let peer = rustix::net::sockopt::socket_peercred(connection).ok()?;
    rustix::process::pidfd_open(peer.pid, rustix::process::PidfdFlags::empty()).ok()
}

/// A socket that listens for users at `path`, replacing what an earlier run left there.
pub(super) fn listen(config: &DeviceConfig) -> io::Result<OwnedFd> {
    let path = &config.socket;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::SEQPACKET,
        flags,
        None,
    )?;
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new(path)?)?;
    // Before anybody can connect: the umask may have taken permissions away, or left too many.
    rustix::fs::chmod(path, rustix::fs::Mode::from_raw_mode(config.socket_mode))?;
    rustix::net::listen(&socket, i32::try_from(config.instances).unwrap_or(i32::MAX).max(64))?;
    Ok(socket)
}
