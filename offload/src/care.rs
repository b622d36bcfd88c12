//! The carer: one thread for each process that uses devices. It opens them, and takes them back when they return and have
//! proved themselves: all that may have to wait for a device.
//!
//! It sleeps until something is due or until it is told to look: by the completion loop, which has heard of something, or by
//! a request that has found a fault. It sets itself a time only while some device is out of use, so a process whose devices are
//! well, and that has no requests, sleeps for ever. With requests it is told to look every few seconds.
//!
//! It calls nothing of OpenSSL's, not even through the software path, since it may still run while a process exits.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hotspare_device::events::DeviceEvent;
use hotspare_device::stats::{Counter, DeviceCounter};
use hotspare_device::{Class, Driver, OpenError, State};

use crate::core::Core;
use crate::health::{Flaps, back_off, consequence};
use crate::known_answers::{self, KnownAnswer};
use crate::probe;
use crate::target::{Standing, Target};

/// A running carer.
pub(crate) struct Carer(JoinHandle<()>);

/// Where the carer is told what to look at. Its lock is held for a moment only.
#[derive(Default)]
pub(crate) struct CareDesk {
    state: Mutex<Desk>,
    changed: Condvar,
}

#[derive(Default)]
struct Desk {
    stop: bool,
    look: bool,
    events: Vec<DeviceEvent>,
    /// Some events were lost.
    lost: bool,
    /// Whether every device was tried once.
    first_round_over: bool,
}

/// Events beyond so many are lost: then all devices are looked at, which is what so many events come to.
const EVENTS_MAX: usize = 256;

impl CareDesk {
    /// There may be something to do.
    pub(crate) fn look(&self) {
        self.change(|desk| desk.look = true);
    }

    /// These events came, and some were lost or not.
    pub(crate) fn tell(&self, events: Vec<DeviceEvent>, lost: bool) {
        self.change(|desk| {
            desk.look = true;
            desk.lost |= lost || desk.events.len() + events.len() > EVENTS_MAX;
            if !desk.lost {
                desk.events.extend(events);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Desk)) {
        change(&mut self.desk());
        self.changed.notify_all();
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.desk().stop
    }

    /// Waits until every device was tried once, no longer than `longest`.
    pub(crate) fn wait_for_first_round(&self, longest: Duration) {
        let is_open = |desk: &mut Desk| !desk.first_round_over;
        drop(self.changed.wait_timeout_while(self.desk(), longest, is_open));
    }
}

impl Carer {
    /// Starts it.
    pub(crate) fn start(core: Arc<Core>) -> std::io::Result<Self> {
        crate::threads::spawn("hotspare-care", move || run(&core)).map(Self)
    }

    /// Ends it and waits for its end.
    pub(crate) fn stop(self, core: &Core) {
        core.care.change(|desk| desk.stop = true);
        crate::threads::join(self.0);
    }
}

/// What the carer remembers of a device.
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

struct Cares<'a> {
    core: &'a Core,
    drivers: Vec<Box<dyn Driver>>,
    answers: Vec<KnownAnswer>,
    cares: Vec<Care>,
    /// When the drivers are asked for their devices again.
    rescan: Option<Instant>,
    rescan_pause: Duration,
    /// The interval in which we last looked for new ones.
    interval: u64,
}

fn run(core: &Core) {
    let drivers = core.config.devices.iter().filter_map(|spec| hotspare_device::open(spec).ok()).collect();
    let mut cares = Cares {
        core,
        drivers,
        answers: known_answers::all(),
        cares: Vec::new(),
        rescan: Some(Instant::now()),
        rescan_pause: Duration::ZERO,
        interval: 0,
    };
    while !core.care.is_stopped() {
        cares.look();
        core.care.change(|desk| desk.first_round_over = true);
        cares.sleep();
    }
}

impl Cares<'_> {
    /// Does whatever is due.
    fn look(&mut self) {
        let now = Instant::now();
        let interval = self.core.interval();
        let is_time = std::mem::replace(&mut self.interval, interval) != interval;
        if is_time || self.rescan.is_some_and(|rescan| rescan <= now) {
            self.scan(now);
        }
        for (index, target) in self.core.targets().enumerate() {
            if self.core.care.is_stopped() {
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
        let attempted = attempt(self.core, target, &self.answers);
        if let Some(event_loop) = &self.core.event_loop {
            // Its rings or its connection may be others now. Before it is in use, so that the loop knows of it.
            event_loop.look_at_devices();
        }
        let care = &mut self.cares[index];
        match attempted {
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
        let mut desk = self.core.care.desk();
        while !desk.look && !desk.stop {
            let changed = &self.core.care.changed;
            desk = match due.map(|due| due.saturating_duration_since(Instant::now())) {
                None => changed.wait(desk).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => break,
                Some(left) => changed.wait_timeout(desk, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        desk.look = false;
        let (events, lost) = (std::mem::take(&mut desk.events), std::mem::take(&mut desk.lost));
        drop(desk);
        if lost || !events.is_empty() {
            self.take_events(&events, lost);
        }
    }

    /// An event is a hint to look, never the state itself: so it does not matter what it says, or how often.
    fn take_events(&mut self, events: &[DeviceEvent], lost: bool) {
        let now = Instant::now();
        self.rescan = Some(now);
        for (index, target) in self.core.targets().enumerate() {
            let about = |event: &DeviceEvent| event.address.is_none_or(|address| address == target.address());
            if !lost && !events.iter().any(about) {
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
