//! The control socket: who commands, what, and what became of it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::device::Ticket;
use crate::channel::{Channel, Received};
use crate::control::{COMMAND_TIME, Command, Outcome};

/// How many may command at once; more wait in the listener's queue.
const MAX_CLIENTS: usize = 16;

/// How long a client may take to say what it wants.
const FIRST_WORD_TIME: Duration = Duration::from_secs(1);

/// Only the owner may connect; that it is the owner, or root, is asked again of each peer.
const SOCKET_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The control socket and those who are connected to it.
pub(super) struct Commands {
    path: PathBuf,
    listener: OwnedFd,
    clients: Vec<Client>,
    tickets: u64,
}

struct Client {
    channel: Channel,
    ticket: Ticket,
    /// It has said what it wants, and waits.
    waits: bool,
    deadline: Instant,
}

impl Commands {
    pub(super) fn listen(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        rustix::net::bind(&listener, &SocketAddrUnix::new(path)?)?;
        rustix::fs::chmod(path, SOCKET_MODE)?;
        rustix::net::listen(&listener, 16)?;
        Ok(Self { path: path.to_owned(), listener, clients: Vec::new(), tickets: 0 })
    }

    /// What to wait on.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let listener = (self.clients.len() < MAX_CLIENTS).then(|| self.listener.as_fd());
        listener.into_iter().chain(self.clients.iter().map(|client| client.channel.as_fd()))
    }

    /// When the next client's time is over.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.clients.iter().map(|client| client.deadline).min()
    }

    /// Meets new clients, forgets those who left or took too long, and gives the commands that came.
    pub(super) fn hear(&mut self, now: Instant) -> Vec<(Ticket, Command)> {
        while self.clients.len() < MAX_CLIENTS {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let Ok(socket) = rustix::net::accept_with(&self.listener, flags) else { break };
            if !may_command(&socket) {
                tracing::warn!("a command of another user is refused");
                continue;
            }
            self.tickets += 1;
            let (ticket, deadline) = (Ticket(self.tickets), now + FIRST_WORD_TIME);
            self.clients.push(Client { channel: Channel::new(socket), ticket, waits: false, deadline });
        }
        let mut heard = Vec::new();
        self.clients.retain_mut(|client| match client.channel.receive() {
            Ok(Received::Message(command, _)) if !client.waits => {
                (client.waits, client.deadline) = (true, now + COMMAND_TIME);
                heard.push((client.ticket, command));
                true
            }
            Ok(Received::Nothing) => client.deadline > now,
            Ok(Received::Closed) => false,
            Ok(Received::Message(..)) | Err(_) => {
                let _ = client.channel.send(&Outcome::Err("that is no command".to_owned()), None);
                false
            }
        });
        heard
    }

    /// Tells a client what became of its command. One that has left is not there to be told.
    pub(super) fn answer(&mut self, ticket: Ticket, outcome: &Outcome) {
        self.clients.retain(|client| {
            if client.ticket == ticket {
                let _ = client.channel.send(outcome, None);
            }
            client.ticket != ticket
        });
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn may_command(socket: &OwnedFd) -> bool {
    rustix::net::sockopt::socket_peercred(socket)
        .is_ok_and(|peer| peer.uid.is_root() || peer.uid == rustix::process::geteuid())
}
