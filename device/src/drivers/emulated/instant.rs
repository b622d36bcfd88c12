//! A device that answers at once, and computes nothing: what remains is the cost of everything around a computation. For
//! benchmarks, and for tests that want load.
//!
//! It lives in a thread of the process that starts it. It has one operation, X25519, and one answer, [`ANSWER`], which is
//! right for the one known-answer request that everybody asks of X25519; so it is taken into use like any device, and every
//! other request is answered wrongly. It spins while it has users.
//!
//! ```no_run
//! # use std::path::Path;
//! # use hotspare_device::drivers::emulated::{instant::InstantEngine, socket_path};
//! # fn main() -> std::io::Result<()> {
//! let root = Path::new("/tmp/instant");
//! let socket = socket_path(root, "0000:6b:00.0".parse().map_err(std::io::Error::other)?);
//! std::fs::create_dir_all(socket.parent().unwrap_or(root))?;
//! let engine = InstantEngine::start(&socket)?;
//! // Here `emulated:/tmp/instant` is used.
//! drop(engine);
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, poll};
use rustix::net::RecvFlags;

use super::scripted::{ScriptedDevice, ScriptedListener};
use super::wire::descriptor::{
    OperationSet, RequestDescriptor, ResponseDescriptor, STATUS_DONE, STATUS_UNSUPPORTED,
};
use super::wire::layout::{device, user};
use crate::request::{MontgomeryCurve, Operation};

/// What every X25519 request is answered with: the secret of RFC 7748, 6.1.
pub const ANSWER: [u8; 32] = [
    0x4a, 0x5d, 0x9d, 0x5b, 0xa4, 0xce, 0x2d, 0xe1, 0x72, 0x8e, 0x3b, 0xf4, 0x80, 0x35, 0x0f, 0x25, 0xe0,
    0x7e, 0x21, 0xc9, 0x47, 0xd1, 0x9e, 0x33, 0x76, 0xf0, 0x9b, 0x3c, 0x1e, 0x16, 0x17, 0x42,
];

/// After so many answers the user is told of them, even if there are more requests: it can take the first while the others
/// are answered.
const BATCH: u64 = 32;

/// Users come and go while so many rounds are spun, about a millisecond.
const ROUNDS_BETWEEN_LOOKS: u32 = 1 << 14;

/// The engine; it stops, and its socket goes, when this value is dropped.
pub struct InstantEngine {
    shared: Arc<Shared>,
    socket: PathBuf,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    /// Rung to stop an engine that sleeps because it has no users.
    bell: OwnedFd,
    answered: AtomicU64,
}

impl InstantEngine {
    /// Starts one that listens at `socket`, which is not there yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(socket: &Path) -> io::Result<Self> {
        Self::start_with_delay(socket, Duration::ZERO)
    }

    /// As [`InstantEngine::start`], but each answer comes no sooner than `delay` after its request was found. Any number of
    /// requests wait side by side.
    ///
    /// # Errors
    /// What the system says.
    pub fn start_with_delay(socket: &Path, delay: Duration) -> io::Result<Self> {
        let listener = ScriptedListener::new(socket)?;
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            bell: rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            answered: AtomicU64::new(0),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("instant-engine".to_owned())
            .spawn(move || run(&listener, &theirs, delay))?;
        Ok(Self { shared, socket: socket.to_owned(), thread: Some(thread) })
    }

    /// How many requests it has answered, of all users.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }
}

impl Drop for InstantEngine {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        // A new counter can't be full.
        let _ = rustix::io::write(&self.shared.bell, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // If it panicked it has said so.
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn run(listener: &ScriptedListener, shared: &Shared, delay: Duration) {
    let mut users: Vec<User> = Vec::new();
    let mut rounds = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        if rounds == 0 || users.is_empty() {
            users.retain(User::is_there);
            meet(listener, shared, &mut users);
        }
        rounds = (rounds + 1) % ROUNDS_BETWEEN_LOOKS;
        let mut idle = true;
        users.retain_mut(|user| match user.serve(shared, delay) {
            Ok(has_answered) => {
                idle &= !has_answered;
                true
            }
            Err(error) => {
                tracing::warn!(%error, "an instant engine turns a user away");
                false
            }
        });
        if idle {
            std::hint::spin_loop();
        }
    }
}

/// Welcomes a user, if there is a new one; with no user at all, waits for one.
fn meet(listener: &ScriptedListener, shared: &Shared, users: &mut Vec<User>) {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut wanted = [PollFd::new(listener, PollFlags::IN), PollFd::new(&shared.bell, PollFlags::IN)];
    let found = poll(&mut wanted, (!users.is_empty()).then_some(&at_once));
    if !matches!(found, Ok(1..)) || wanted[0].revents().is_empty() {
        return;
    }
    let x25519 = Operation::MontgomeryMultiply(MontgomeryCurve::X25519);
    match listener.welcome_with(1, OperationSet::of(&[x25519])) {
        Ok(device) => {
            // We never sleep while there is a user.
            device.set_word(device::SLEEPING, 0);
            users.push(User {
                device,
                taken: 0,
                given: 0,
                published: 0,
                rung_for: 0,
                waiting: VecDeque::new(),
            });
        }
        Err(error) => tracing::warn!(%error, "an instant engine did not meet its user"),
    }
}

/// One user's rings.
struct User {
    device: ScriptedDevice,
    taken: u64,
    given: u64,
    /// How many answers the user knows of.
    published: u64,
    /// The sleep of the user that was last rung for.
    rung_for: u64,
    /// Requests that were found, and when they may be answered.
    waiting: VecDeque<(Instant, RequestDescriptor)>,
}

impl User {
    /// Whether its end of the connection is open.
    fn is_there(&self) -> bool {
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        let received = rustix::net::recv(self.device.connection().as_fd(), &mut [0_u8; 1], flags);
        matches!(received, Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR))
    }

    /// Answers what there is, and says whether that was something.
    fn serve(&mut self, shared: &Shared, delay: Duration) -> io::Result<bool> {
        let before = self.given;
        // Acquire: descriptors and payloads are seen by who sees the index.
        let produced = self.load(user::REQUEST_PRODUCER, Ordering::Acquire)?;
        let found = produced.wrapping_sub(self.taken);
        if found > u64::from(self.device.shape.ring_depth) {
            return Err(io::Error::other("its request index is impossible"));
        }
        if found > 0 {
            let due = (!delay.is_zero()).then(|| Instant::now() + delay);
            for number in 1..=found {
                let offset = self.device.shape.request(self.taken);
                let request =
                    RequestDescriptor::load(&self.device.memory, offset).map_err(io::Error::other)?;
                self.taken += 1;
                match due {
                    Some(due) => self.waiting.push_back((due, request)),
                    None => self.answer(&request)?,
                }
                if number % BATCH == 0 || number == found {
                    // Release: we have read the descriptors before the user may write over them.
                    self.store(device::REQUEST_CONSUMER, self.taken, Ordering::Release)?;
                    self.publish(shared)?;
                }
            }
        }
        if !self.waiting.is_empty() {
            let now = Instant::now();
            while let Some((_, request)) = self.waiting.front().copied().filter(|(due, _)| *due <= now) {
                self.waiting.pop_front();
                self.answer(&request)?;
            }
            self.publish(shared)?;
        }
        Ok(self.given != before)
    }

    /// Puts one answer in. The index that tells of it is stored by `publish`.
    fn answer(&mut self, request: &RequestDescriptor) -> io::Result<()> {
        let is_ours = request.output_length as usize == ANSWER.len();
        if is_ours {
            self.device.write_output(request.slot, &ANSWER)?;
        }
        let response = ResponseDescriptor {
            sequence: request.sequence,
            epoch: request.epoch,
            status: if is_ours { STATUS_DONE } else { STATUS_UNSUPPORTED },
            output_length: request.output_length,
            slot: request.slot,
        };
        let offset = self.device.shape.response(self.given);
        response.store(&self.device.memory, offset).map_err(io::Error::other)?;
        self.given += 1;
        Ok(())
    }

    /// Tells the user of the answers since the last time, and wakes it if it sleeps.
    fn publish(&mut self, shared: &Shared) -> io::Result<()> {
        if self.given == self.published {
            return Ok(());
        }
        shared.answered.fetch_add(self.given - self.published, Ordering::Relaxed);
        self.published = self.given;
        // Release: descriptors and results are seen by who sees the index.
        self.store(device::RESPONSE_PRODUCER, self.given, Ordering::Release)?;
        // Dekker's pattern, see `memory::Memory::set_sleeping`.
        fence(Ordering::SeqCst);
        let sleep = self.load(user::SLEEPING, Ordering::Relaxed)?;
        if sleep != 0 && std::mem::replace(&mut self.rung_for, sleep) != sleep {
            self.device.ring();
        }
        Ok(())
    }

    fn load(&self, offset: usize, ordering: Ordering) -> io::Result<u64> {
        Ok(self.device.memory.word(offset).map_err(io::Error::other)?.load(ordering))
    }

    fn store(&self, offset: usize, value: u64, ordering: Ordering) -> io::Result<()> {
        self.device.memory.word(offset).map_err(io::Error::other)?.store(value, ordering);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::emulated::instance::EmulatedInstance;
    use crate::drivers::emulated::scripted::PATIENCE;
    use crate::drivers::emulated::tests::{Socket, options, poll, request};
    use crate::instance::{Instance, InstanceOptions, Status, SubmitError, Tag};

    fn open(socket: &Path) -> EmulatedInstance {
        // The engine looks for users now and then, and not at all while the machine does other things.
        let options = InstanceOptions { connect_timeout: PATIENCE, ..options() };
        let address = "0000:6b:00.0".parse().unwrap();
        EmulatedInstance::open(address, socket, &options).unwrap()
    }

    #[test]
    fn every_request_of_several_users_is_answered_and_users_may_go() {
        let socket = Socket::new();
        let engine = InstantEngine::start(&socket.0).unwrap();
        for round in 1..=3 {
            let users = [open(&socket.0), open(&socket.0)];
            let mut answered = 0;
            for tag in 0..1000 {
                for user in &users {
                    while user.submit(&request(), Tag(tag)) == Err(SubmitError::Full) {
                        answered += poll(user).len();
                    }
                }
            }
            while answered < 2000 {
                for (_, status, output) in users.iter().flat_map(poll) {
                    assert_eq!((status, &output[..]), (Status::Done, &ANSWER[..]), "round {round}");
                    answered += 1;
                }
            }
            assert_eq!(engine.answered(), round * 2000);
        }
        drop(engine);
        assert!(!socket.0.exists());
    }

    #[test]
    fn a_delayed_answer_wakes_who_sleeps() {
        let socket = Socket::new();
        let delay = Duration::from_micros(300);
        let engine = InstantEngine::start_with_delay(&socket.0, delay).unwrap();
        let user = open(&socket.0);
        for tag in 0..20 {
            let began = Instant::now();
            user.submit(&request(), Tag(tag)).unwrap();
            while poll(&user).is_empty() {
                if user.prepare_wait() {
                    let mut wanted = [PollFd::from_borrowed_fd(user.descriptor(), PollFlags::IN)];
                    assert_eq!(rustix::event::poll(&mut wanted, None), Ok(1));
                    user.end_wait();
                }
            }
            assert!(began.elapsed() >= delay);
        }
        drop(user);
        assert_eq!(engine.answered(), 20);
    }
}
