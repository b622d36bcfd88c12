//! A device: a process of its own, with engines that serve the rings of its users.
//!
//! It does what its supervisor tells it and dies with it. Its main thread meets users and carries out orders; the engines
//! do everything else.

mod engine;
mod handshake;
mod ring;
mod shared;
mod users;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotspare_device::State;
use hotspare_device::drivers::emulated::wire::layout::StateWord;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Resource, Signal};

use crate::channel::{Channel, ChannelError, Received};
use crate::crypto::Calculator;
use crate::orders::{Action, DeviceConfig, Order, Report};
use crate::page::DevicePage;
use engine::Engine;
use shared::Shared;
use users::{Standing, Users};

/// How long the supervisor may take for its first message. It sends it as soon as it has started us.
const CONFIG_TIME: Duration = Duration::from_secs(5);

/// Why a device process ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeviceError {
    #[error("a device process is started by `hotspare-emulator run` only")]
    NoSupervisor,
    #[error("{what}: {source}")]
    System { what: &'static str, source: io::Error },
    #[error("the supervisor sent no configuration: {0}")]
    Config(#[from] ChannelError),
    #[error("{}: {source}", .path.display())]
    Listen { path: std::path::PathBuf, source: io::Error },
    #[error(transparent)]
    Calculator(#[from] crate::crypto::NoCalculator),
}

fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> DeviceError {
    move |source| DeviceError::System { what, source: source.into() }
}

/// Runs a device whose supervisor is at the other end of standard input. Returns when the supervisor is gone.
pub(crate) fn run() -> Result<(), DeviceError> {
    crate::signals::block_all().map_err(system("blocking signals"))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(system("asking to end with the supervisor"))?;
    // For lists of processes: the kernel names a process after the path that it was started by.
    let _ = rustix::thread::set_name(c"hotspare-device");
    raise_descriptor_limit();
    let channel = supervisor_channel()?;
    // A supervisor that died before the line above is noticed here: its end is closed.
    let (config, page) = configuration(&channel)?;
    let prepared = Device::new(config, page);
    match prepared {
        Ok(device) => device.serve(&channel),
        Err(error) => {
            let _ = channel.send(&Report::Failed { why: error.to_string() }, None);
            Err(error)
        }
    }
}

/// Four descriptors for each user may be more than the usual 1024.
fn raise_descriptor_limit() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it can't be raised, the last users are refused.
    let _ = rustix::process::setrlimit(Resource::Nofile, limit);
}

/// The socket that we were started with as standard input, for ourselves.
fn supervisor_channel() -> Result<Channel, DeviceError> {
    let stdin = io::stdin();
    if rustix::net::sockopt::socket_type(&stdin).is_err() {
        return Err(DeviceError::NoSupervisor);
    }
    let socket =
        rustix::io::fcntl_dupfd_cloexec(&stdin, 3).map_err(system("taking over the supervisor's socket"))?;
    Ok(Channel::new(socket))
}

fn configuration(channel: &Channel) -> Result<(DeviceConfig, DevicePage), DeviceError> {
    let deadline = Instant::now() + CONFIG_TIME;
    loop {
        match channel.receive()? {
            Received::Message(config, Some(page)) => {
                let page = DevicePage::attach(page.as_fd())
                    .map_err(|error| system("mapping the device page")(io::Error::other(error)))?;
                return Ok((config, page));
            }
            Received::Message(_, None) | Received::Closed => return Err(DeviceError::NoSupervisor),
            Received::Nothing => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(DeviceError::NoSupervisor);
                }
                wait(&mut [PollFd::new(channel, PollFlags::IN)], Some(left));
            }
        }
    }
}

/// The device, as its main thread has it.
struct Device {
    shared: Arc<Shared>,
    users: Users,
    listener: OwnedFd,
    standing: Standing,
}

impl Device {
    /// Starts the engines, which wait, and listens.
    fn new(config: DeviceConfig, page: DevicePage) -> Result<Self, DeviceError> {
        let shared = Arc::new(Shared::new(page).map_err(system("making the engines' doorbells"))?);
        for number in 0..config.engines {
            let engine = Engine::new(number, Arc::clone(&shared), config.spin, Calculator::new()?);
            std::thread::Builder::new()
                .name(format!("engine-{number}"))
                .spawn(move || engine.run())
                .map_err(system("starting an engine"))?;
        }
        let listener = users::listen(&config)
            .map_err(|source| DeviceError::Listen { path: config.socket.clone(), source })?;
        let word = StateWord { state: State::Down, epoch: config.epoch };
        shared.page.publish(word);
        let users = Users::new(Arc::clone(&shared), &config);
        Ok(Self { shared, users, listener, standing: Standing { word, open: false } })
    }

    fn serve(mut self, channel: &Channel) -> Result<(), DeviceError> {
        if channel.send(&Report::Ready, None).is_err() {
            return Ok(());
        }
        loop {
            let ready = self.wait(channel.as_fd());
            self.shared.hush_main_bell();
            // Orders first: a state that is ordered before a user comes is the one that it finds.
            loop {
                match channel.receive::<Order>()? {
                    Received::Message(order, _) => {
                        self.carry_out(order.action);
                        let _ = channel.send(&Report::Done { serial: order.serial }, None);
                    }
                    Received::Nothing => break,
                    Received::Closed => return Ok(()),
                }
            }
            let now = Instant::now();
            self.users.ready(&ready, now, self.standing);
            if self.users.has_room() {
                self.users.accept(self.listener.as_fd(), now);
            }
        }
    }

    /// Waits until there is something to do; says which users' connections have something.
    fn wait(&self, channel: BorrowedFd<'_>) -> Vec<bool> {
        let mut wanted = vec![
            PollFd::from_borrowed_fd(channel, PollFlags::IN),
            PollFd::new(self.shared.main_bell(), PollFlags::IN),
        ];
        let users_from = wanted.len();
        wanted.extend(self.users.connections().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let users_to = wanted.len();
        if self.users.has_room() {
            wanted.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        let now = Instant::now();
        let timeout = self.users.next_deadline().map(|deadline| deadline.saturating_duration_since(now));
        wait(&mut wanted, timeout);
        wanted[users_from..users_to].iter().map(|fd| !fd.revents().is_empty()).collect()
    }

    fn carry_out(&mut self, action: Action) {
        let epoch = self.standing.word.epoch;
        let (state, epoch) = match action {
            Action::Hang => {
                self.shared.halt();
                self.users.close_silently();
                self.standing.open = false;
                return;
            }
            Action::Fail => (State::Error, epoch),
            Action::BeginRestart => (State::Restarting, epoch),
            Action::TakeDown => (State::Down, epoch),
            Action::Start { epoch } => (State::Up, epoch),
        };
        let word = StateWord { state, epoch };
        self.standing = Standing { word, open: state == State::Up };
        self.shared.page.publish(word);
        if state != State::Up {
            self.shared.halt();
        }
        // After this no engine writes to any user's memory for an earlier state or epoch (see `ring`).
        self.users.publish(word);
        if state == State::Up {
            self.shared.resume();
        }
    }
}

/// Polls; an interrupted or failed poll is one that found nothing.
fn wait(wanted: &mut [PollFd<'_>], timeout: Option<Duration>) {
    let timeout = timeout.and_then(|timeout| timeout.try_into().ok());
    let _ = rustix::event::poll(wanted, timeout.as_ref());
}
