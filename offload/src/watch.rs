//! The watcher: one thread for each process that uses devices. It opens them, notices what happens to them when nobody is
//! waiting for them, and takes them back when they return and have proved themselves.
//!
//! It sleeps on device events (both udev groups), on the descriptors that say that a device process is gone, and on its
//! bell, which is rung when a request has found a fault. It sets itself a time to look again only while some device is out
//! of use, so a process whose devices are well, and that has no requests, sleeps for ever. With requests the bell rings every few
//! seconds.
//!
//! It calls nothing of OpenSSL's, not even through the software path, since it may still run while a process exits.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hotspare_device::events::{DeviceEvent, Monitor};
use hotspare_device::stats::{Counter, DeviceCounter};
use hotspare_device::{Class, Driver, OpenError, State};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::core::Core;
use crate::health::{Flaps, back_off, consequence};
use crate::known_answers::{self, KnownAnswer};
use crate::probe;
use crate::target::{Standing, Target};

/// A running watcher.
pub(crate) struct Watcher {
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Whether every device was tried once.
    first_round_over: Mutex<bool>,
    changed: Condvar,
}

impl Watcher {
    /// Starts it. Its thread blocks all signals, so that the application's handlers never run in it.
    pub(crate) fn start(core: Arc<Core>) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = with_signals_blocked(|| {
            std::thread::Builder::new().name("hotspare-watch".to_owned()).spawn(move || run(&core, &theirs))
        });
        match thread {
            Ok(thread) => Self { thread: Some(thread), shared },
            Err(error) => {
                tracing::error!(%error, "no thread to watch devices: everything is computed in software");
                *shared.first_round_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
                Self { thread: None, shared }
            }
        }
    }

    /// Waits until every device was tried once, no longer than `longest`.
    pub(crate) fn wait_for_first_round(&self, longest: Duration) {
        let over = self.shared.first_round_over.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.shared.changed.wait_timeout_while(over, longest, |over| !*over));
    }

    /// Ends it and waits for its end.
    pub(crate) fn stop(mut self, core: &Core) {
        self.shared.stop.store(true, Ordering::Release);
        core.wake_watcher();
        if let Some(thread) = self.thread.take() {
            // It never panics; if it did, its end is what we wanted.
            let _ = thread.join();
        }
    }
}

fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
    let mut before = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are valid for writing; `sigfillset` initialises the one that is read, and `before` is read only if
    // the call that fills it succeeded.
    unsafe {
        let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        let blocked = libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) == 0;
        let result = work();
        if blocked {
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
        }
        result
    }
}

/// What the watcher remembers of a device.
struct Care {
    /// Nothing to do before this; none: nothing to do until something happens.
    due: Option<Instant>,
    pause: Duration,
    flaps: Flaps,
    joined: Option<Instant>,
    times_left: u64,
    epoch: u64,
    /// Stray responses that were counted.
    strays: u64,
}

struct Watch<'a> {
    core: &'a Core,
    shared: &'a Shared,
    drivers: Vec<Box<dyn Driver>>,
    answers: Vec<KnownAnswer>,
    monitor: Option<Monitor>,
    cares: Vec<Care>,
    /// When the drivers are asked for their devices again.
    rescan: Option<Instant>,
    rescan_pause: Duration,
    /// The interval in which we last looked for new ones.
    interval: u64,
}

fn run(core: &Core, shared: &Shared) {
    let drivers = core.config.devices.iter().filter_map(|spec| hotspare_device::open(spec).ok()).collect();
    let monitor = Monitor::new().inspect_err(|error| tracing::warn!(%error, "no device events")).ok();
    let mut watch = Watch {
        core,
        shared,
        drivers,
        answers: known_answers::all(),
        monitor,
        cares: Vec::new(),
        rescan: Some(Instant::now()),
        rescan_pause: Duration::ZERO,
        interval: 0,
    };
    while !shared.stop.load(Ordering::Acquire) {
        watch.look();
        *shared.first_round_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        shared.changed.notify_all();
        watch.sleep();
    }
}

impl Watch<'_> {
    /// Does whatever is due.
    fn look(&mut self) {
        let now = Instant::now();
        let interval = self.core.interval();
        let is_time = std::mem::replace(&mut self.interval, interval) != interval;
        if is_time || self.rescan.is_some_and(|rescan| rescan <= now) {
            self.scan(now);
        }
        for (index, target) in self.core.targets().enumerate() {
            if self.shared.stop.load(Ordering::Acquire) {
                return;
            }
            self.note_departure(index, target, now);
            self.count_strays(index, target);
            match target.standing() {
                Standing::Active => self.look_at_active(target),
                Standing::Left => {}
            }
            if target.standing() == Standing::Left {
                self.note_departure(index, target, now);
                if self.cares[index].due.is_some_and(|due| due <= now) {
                    self.try_to_take_back(index, target);
                }
            }
        }
    }

    /// Asks the drivers for devices that we don't have.
    fn scan(&mut self, now: Instant) {
        let mut found_any = false;
        for driver in &self.drivers {
            match driver.devices() {
                Ok(devices) => {
                    for device in devices {
                        found_any = true;
                        let known = |target: &Target| target.address() == device.address();
                        if !self.core.targets().any(known) && !self.core.add_target(device) {
                            tracing::error!("too many devices for one process: some are not used");
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, "no devices"),
            }
        }
        while self.cares.len() < self.core.targets().count() {
            let due = Some(now);
            let (pause, flaps) = (Duration::ZERO, Flaps::default());
            self.cares.push(Care { due, pause, flaps, joined: None, times_left: 0, epoch: 0, strays: 0 });
        }
        // Where there are none, some may come; where there are some, an event says when more come.
        self.rescan_pause = back_off(self.rescan_pause, consequence(Class::Misconfigured).look_again);
        self.rescan = (!found_any).then(|| now + self.rescan_pause);
    }

    /// A request or we ourselves have left the device: when will it be tried again?
    fn note_departure(&mut self, index: usize, target: &Target, now: Instant) {
        let care = &mut self.cares[index];
        if care.times_left != target.times_left() {
            care.times_left = target.times_left();
            let served = care.joined.map_or(Duration::ZERO, |joined| now.saturating_duration_since(joined));
            care.pause = Duration::ZERO;
            care.due = Some(now + care.flaps.left_after(served));
        }
    }

    /// The driver drops responses that are nobody's, and knows how many.
    fn count_strays(&mut self, index: usize, target: &Target) {
        let strays = target.instance().map_or(0, |instance| instance.occupancy().stray_responses);
        let counted = std::mem::replace(&mut self.cares[index].strays, strays);
        // Fewer than before: other rings.
        let news = strays.checked_sub(counted).unwrap_or(strays);
        self.core.stats.add(Counter::StrayResponses, news);
    }

    /// Reads the state of a device in use: its rings may say what no event has said.
    fn look_at_active(&self, target: &Target) {
        let Some(instance) = target.instance() else { return };
        if instance.state().0 != State::Up || instance.notice_removal() {
            self.core.fault(target, Class::DeviceDown);
        }
        if target.standing() == Standing::Left {
            // Those that wait for it get their dummies at once.
            self.core.poll_if_free(target);
        }
    }

    fn try_to_take_back(&mut self, index: usize, target: &Target) {
        let care = &mut self.cares[index];
        match attempt(self.core, target, &self.answers) {
            Ok(epoch) => {
                care.due = None;
                care.pause = Duration::ZERO;
                care.joined = Some(Instant::now());
                care.times_left = target.times_left();
                care.epoch = epoch;
                self.core.count_for(target, |stats, place| {
                    stats.device_counter(place, DeviceCounter::Epoch).store(epoch, Ordering::Relaxed);
                });
                self.core.join(target);
            }
            Err(class) => {
                care.pause = back_off(care.pause, consequence(class).look_again);
                care.due = Some(Instant::now() + care.pause);
                target.set_fault(class);
            }
        }
    }

    /// Sleeps until something happens or is due.
    fn sleep(&mut self) {
        let due = self.cares.iter().filter_map(|care| care.due).chain(self.rescan).min();
        let timeout = due.map(|due| {
            Timespec::try_from(due.saturating_duration_since(Instant::now()))
                .unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 })
        });
        let Some(bell) = &self.core.watcher_bell else { return };
        let removals: Vec<Arc<OwnedFd>> =
            self.core.targets().filter_map(|target| target.instance()?.removal_descriptor()).collect();
        let mut descriptors = vec![PollFd::from_borrowed_fd(bell.as_fd(), PollFlags::IN)];
        descriptors.extend(removals.iter().map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)));
        if let Some(monitor) = &self.monitor {
            descriptors.extend(monitor.descriptors().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        }
        // An interrupted or failed wait is a short one: we look again.
        let _ = rustix::event::poll(&mut descriptors, timeout.as_ref());
        let removed =
            descriptors[1..=removals.len()].iter().any(|descriptor| !descriptor.revents().is_empty());
        drop(descriptors);
        let _ = rustix::io::read(bell, &mut [0_u8; 8]);
        if removed {
            for target in self.core.targets().filter(|target| target.standing() == Standing::Left) {
                if let Some(instance) = target.instance() {
                    instance.notice_removal();
                }
            }
        }
        self.take_events();
    }

    /// An event is a hint to look, never the state itself: so it does not matter what it says, or how often.
    fn take_events(&mut self) {
        let Some(monitor) = &mut self.monitor else { return };
        let mut events = Vec::new();
        let drained = monitor.drain(&mut |event| events.push(event));
        if events.is_empty() && !drained.lost {
            return;
        }
        self.core.stats.add(Counter::Events, events.len() as u64);
        let now = Instant::now();
        self.rescan = Some(now);
        for (index, target) in self.core.targets().enumerate() {
            let about = |event: &DeviceEvent| event.address.is_none_or(|address| address == target.address());
            if !drained.lost && !events.iter().any(about) {
                continue;
            }
            match target.standing() {
                Standing::Active => self.suspicion(target),
                Standing::Left => {
                    // What waits for having flapped, goes on waiting.
                    if let Some(care) = self.cares.get_mut(index).filter(|care| care.pause > Duration::ZERO) {
                        care.due = Some(now);
                    }
                }
            }
        }
    }

    /// Somebody says something of a device that is in use. Its rings may not know it yet (a hang is found by a monitor), so it is
    /// asked known-answer requests while it goes on working.
    fn suspicion(&self, target: &Target) {
        let well = target.instance().is_some_and(|instance| instance.state().0 == State::Up);
        if !well {
            self.core.fault(target, Class::DeviceDown);
        } else if !probe::passes(self.core, target, &self.answers) {
            self.core.fault(target, Class::Unproven);
        }
    }
}

/// Opens or rejoins the device if need be, and asks it known-answer requests. Gives its epoch, or why it is not taken back yet.
fn attempt(core: &Core, target: &Target, answers: &[KnownAnswer]) -> Result<u64, Class> {
    let again = |error: OpenError| {
        let class = error.class();
        if target.fault() != Some(class) {
            tracing::warn!(device = %target.address(), %error, "device can't be used");
        }
        class
    };
    let open = || {
        let opened = target.device.open_instance(&core.config.instance).map_err(again)?;
        target.set_instance(Some(opened.clone()));
        Ok(opened)
    };
    let mut instance = match target.instance() {
        Some(instance) => instance,
        None => open()?,
    };
    // Dummies are taken, a new epoch is adopted.
    core.poll_if_free(target);
    if instance.state().0 == State::Removed {
        match instance.rejoin() {
            Ok(()) => {}
            Err(error @ OpenError::Protocol { .. }) if instance.occupancy().quarantined > 0 => {
                tracing::warn!(device = %target.address(), %error, "its memory can't be used again");
                target.set_instance(None);
                instance = open()?;
            }
            Err(error) => return Err(again(error)),
        }
    }
    let (state, epoch) = instance.state();
    if state != State::Up {
        return Err(Class::DeviceDown);
    }
    if instance.occupancy().is_clogged() {
        return Err(Class::Quarantined);
    }
    if !probe::passes(core, target, answers) {
        tracing::debug!(device = %target.address(), "known-answer requests failed");
        return Err(Class::Unproven);
    }
    Ok(epoch)
}
