//! The supervisor: what the kernel's driver is to real devices. One thread that waits for whatever happens next.

mod announcer;
mod child;
mod commands;
mod device;
mod heartbeat;
mod panel;
mod root;
mod watch;

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use hotspare_device::files::EmulatorPaths;
use rustix::event::{PollFd, PollFlags};

use crate::control::Command;
use crate::faults::{self, Effect};
use crate::settings::Settings;
use announcer::Announcer;
pub(crate) use child::DEVICE_SUBCOMMAND;
use commands::Commands;
use device::{Device, Ticket, World};
use root::Root;
use watch::Watch;

/// Why the emulator does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RunError {
    #[error("another hotspare-emulator runs under {}: end it, or choose another --root", .0.display())]
    RootTaken(PathBuf),
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{what}: {source}")]
    System { what: &'static str, source: io::Error },
    #[error("a device can't be started: {0}")]
    Device(String),
}

fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> RunError {
    move |source| RunError::System { what, source: source.into() }
}

/// Runs an emulator until it is asked to end (SIGTERM, SIGINT, SIGHUP).
pub(crate) fn run(settings: Settings) -> Result<(), RunError> {
    let end = crate::signals::end_requests().map_err(system("preparing for signals"))?;
    let root = Root::take(&settings.root)?;
    let mut supervisor = Supervisor::new(settings, end)?;
    let result = supervisor.run();
    supervisor.end();
    drop(root);
    result
}

struct Supervisor {
    end: OwnedFd,
    devices: Vec<Device>,
    commands: Commands,
    world: World,
    all_ready: bool,
}

impl Supervisor {
    fn new(settings: Settings, end: OwnedFd) -> Result<Self, RunError> {
        let path = EmulatorPaths::new(&settings.root).control_socket();
        let commands = Commands::listen(&path).map_err(|source| RunError::File { path, source })?;
        let watch = Watch::new().map_err(system("preparing to watch files"))?;
        let settings = Rc::new(settings);
        let devices = (0..settings.devices as usize)
            .map(|index| Device::new(&settings, index))
            .collect::<Result<_, _>>()
            .map_err(system("preparing a device"))?;
        let world = World { announcer: Announcer::new(settings.uevents), watch, answers: Vec::new() };
        Ok(Self { end, devices, commands, world, all_ready: false })
    }

    fn run(&mut self) -> Result<(), RunError> {
        let now = Instant::now();
        for device in &mut self.devices {
            device.start(now);
        }
        loop {
            if self.wait() {
                return Ok(());
            }
            let now = Instant::now();
            for device in &mut self.devices {
                // What a process said before it ended is heard first.
                device.listen(now, &mut self.world);
                device.notice_end(now, &mut self.world);
            }
            for (index, file) in self.world.watch.written() {
                if let Some(device) = self.devices.get_mut(index) {
                    device.written(file, now);
                }
            }
            for (ticket, command) in self.commands.hear(now) {
                if let Err(why) = self.obey(ticket, &command, now) {
                    self.world.answers.push((ticket, Err(why)));
                }
            }
            for device in &mut self.devices {
                device.on_time(now);
            }
            for (ticket, outcome) in self.world.answers.drain(..) {
                self.commands.answer(ticket, &outcome);
            }
            self.say_ready()?;
        }
    }

    /// Waits until something happens. True if the emulator is asked to end.
    fn wait(&self) -> bool {
        let mut wanted = vec![
            PollFd::new(&self.end, PollFlags::IN),
            PollFd::from_borrowed_fd(self.world.watch.as_fd(), PollFlags::IN),
        ];
        let others = self.devices.iter().flat_map(Device::descriptors).chain(self.commands.descriptors());
        wanted.extend(others.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let deadlines = self.devices.iter().filter_map(Device::next_deadline);
        let timeout = deadlines
            .chain(self.commands.next_deadline())
            .min()
            .and_then(|deadline| deadline.saturating_duration_since(Instant::now()).try_into().ok());
        // An interrupted or failed wait is one in which nothing happened.
        let _ = rustix::event::poll(&mut wanted, timeout.as_ref());
        wanted.first().is_some_and(|end| !end.revents().is_empty())
    }

    fn obey(&mut self, ticket: Ticket, command: &Command, now: Instant) -> Result<(), String> {
        let (Command::Inject { device: name, .. } | Command::Reset { device: name }) = command;
        let Some(device) = self.devices.iter_mut().find(|device| device.is_called(name)) else {
            return Err(format!("there is no device `{name}`: give its PCI address or its number"));
        };
        match command {
            Command::Reset { .. } => device.reset(ticket, now),
            Command::Inject { fault, .. } => match faults::find(fault).map(|fault| fault.effect) {
                Some(Effect::Fatal) => device.inject_fatal(ticket, now),
                Some(Effect::Hang) => device.inject_hang(ticket, now),
                None => Err(format!("there is no fault `{fault}`: there are {}", faults::names())),
            },
        }
    }

    /// Says once that all devices accept users; an emulator that doesn't get there ends.
    fn say_ready(&mut self) -> Result<(), RunError> {
        if self.all_ready {
            return Ok(());
        }
        if let Some(trouble) = self.devices.iter().find_map(Device::trouble) {
            return Err(RunError::Device(trouble.to_owned()));
        }
        if self.devices.iter().all(Device::is_ready) {
            self.all_ready = true;
            let mut stdout = io::stdout().lock();
            // Whoever started us may have closed it: that is no reason not to run.
            let _ = writeln!(stdout, "ready").and_then(|()| stdout.flush());
        }
        Ok(())
    }

    fn end(&mut self) {
        for device in &mut self.devices {
            device.end();
        }
    }
}
