//! The completion loop: one thread for each process that uses devices. It notices the answers to watched requests (those whose
//! owners want to be woken), missed deadlines, device events and device processes that are gone, all in one wait. What
//! takes time is for others: owners verify and compute, the carer opens and tests devices. So a slow request, or a
//! slow device, never delays another one's completion.
//!
//! It spins for a moment after work, as long as that has paid lately, and only while watched requests are in flight. When none is, no timer
//! runs and it sleeps for ever.
//!
//! The thread exists from a process's first request on, if devices are configured: device events come at any time. It is
//! needless for requests whose owners poll ([`crate::Completion::Poll`], or a waiting thread): it is not woken for those.
//!
//! Like the carer it calls nothing of OpenSSL's, but for what an owner's waker does.

mod handle;
mod spin;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

use hotspare_device::events::Monitor;
use hotspare_device::stats::Counter;
use hotspare_device::{Class, Instance};
use rustix::event::Timespec;
use rustix::event::epoll::{CreateFlags, Event, EventData, EventFlags};

pub(crate) use handle::LoopHandle;

use crate::core::Core;
use crate::target::Standing;
use spin::Spin;

/// A running loop.
pub(crate) struct EventLoop(JoinHandle<()>);

impl EventLoop {
    /// Starts it; `core` has its handle.
    pub(crate) fn start(core: Arc<Core>) -> std::io::Result<Self> {
        let epoll = rustix::event::epoll::create(CreateFlags::CLOEXEC)?;
        crate::threads::spawn("hotspare-loop", move || {
            if let Some(handle) = &core.event_loop {
                Running::new(&core, handle, epoll).run();
            }
        })
        .map(Self)
    }

    /// Ends it and waits for its end.
    pub(crate) fn stop(self, core: &Core) {
        if let Some(handle) = &core.event_loop {
            handle.stop();
        }
        crate::threads::join(self.0);
    }
}

/// What is waited for. Its number and the device's index make the data of an epoll event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// [`LoopHandle::bell`].
    Bell,
    /// [`LoopHandle::timer`].
    Timer,
    /// Device events.
    Monitor,
    /// The rings of the device with this index.
    Rings(usize),
    /// The process of the device with this index is gone.
    Removal(usize),
}

impl Source {
    fn data(self) -> EventData {
        let (kind, index) = match self {
            Self::Bell => (0, 0),
            Self::Timer => (1, 0),
            Self::Monitor => (2, 0),
            Self::Rings(index) => (3, index),
            Self::Removal(index) => (4, index),
        };
        EventData::new_u64(kind << 32 | index as u64)
    }

    fn of(data: EventData) -> Self {
        let index = usize::try_from(data.u64() & 0xffff_ffff).unwrap_or(0);
        match data.u64() >> 32 {
            0 => Self::Bell,
            1 => Self::Timer,
            2 => Self::Monitor,
            3 => Self::Rings(index),
            _ => Self::Removal(index),
        }
    }
}

/// What of one device is waited for. Held, so that a descriptor is taken out of the wait before it is closed: its other end
/// lives in the device's process, so closing alone would leave it in.
#[derive(Default)]
struct Known {
    instance: Option<Arc<dyn Instance>>,
    removal: Option<Arc<OwnedFd>>,
}

struct Running<'a> {
    core: &'a Core,
    handle: &'a LoopHandle,
    epoll: OwnedFd,
    monitor: Option<Monitor>,
    known: Vec<Known>,
    spin: Spin,
}

/// How many events are taken in one wait.
const EVENTS: usize = 64;
/// How long a wait is that only takes what is there.
const NOTHING: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

impl<'a> Running<'a> {
    fn new(core: &'a Core, handle: &'a LoopHandle, epoll: OwnedFd) -> Self {
        let monitor = Monitor::new().inspect_err(|error| tracing::warn!(%error, "no device events")).ok();
        let spin = Spin::new(core.config.spin);
        let new = Self { core, handle, epoll, monitor, known: Vec::new(), spin };
        new.wait_for(handle.bell.as_fd(), Source::Bell, EventFlags::empty());
        new.wait_for(handle.timer.as_fd(), Source::Timer, EventFlags::empty());
        if let Some(monitor) = &new.monitor {
            for descriptor in monitor.descriptors() {
                new.wait_for(descriptor, Source::Monitor, EventFlags::empty());
            }
        }
        new
    }

    fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        let mut looked = Instant::now();
        while !self.handle.stop.load(Ordering::Acquire) {
            let is_busy = self.spin();
            // However busy the rings keep us, deadlines and events are looked at, though not every time: that is a system call. A
            // doorbell that rang meanwhile is still there when we come to look.
            let patience = if is_busy || !self.is_quiet() { Some(&NOTHING) } else { None };
            if patience.is_some() {
                let now = Instant::now();
                if now.saturating_duration_since(looked) < spin::LONGEST_ROUND {
                    self.handle.sleep.end();
                    continue;
                }
                looked = now;
            }
            events.clear();
            // An interrupted or failed wait is a short one: we look again.
            let spare = rustix::buffer::spare_capacity(&mut events);
            let _ = rustix::event::epoll::wait(&self.epoll, spare, patience);
            self.handle.sleep.end();
            for Event { data, .. } in events.drain(..) {
                self.handle(Source::of(data));
            }
        }
        self.handle.sleep.end();
    }

    /// Polls what is watched for a moment, if that has paid lately. True if there was more to find when its time was over.
    fn spin(&mut self) -> bool {
        let watched = || self.core.targets().filter(|target| target.arming.is_watched());
        if watched().next().is_none() {
            return false;
        }
        let mut round = self.spin.begin();
        while round.goes_on() {
            let given: usize = watched().map(|target| self.core.poll_if_free(target)).sum();
            round.found(given);
            if watched().next().is_none() {
                break;
            }
            std::hint::spin_loop();
        }
        self.spin.end(&round);
        round.is_cut_short()
    }

    /// Says that it sleeps, and arms what is watched. False if that has found something.
    fn is_quiet(&self) -> bool {
        self.handle.sleep.begin();
        let mut quiet = true;
        for target in self.core.targets().filter(|target| target.arming.is_watched()) {
            quiet &= !self.core.arm(target);
        }
        self.core.deliver();
        quiet
    }

    fn handle(&mut self, source: Source) {
        match source {
            Source::Bell => {
                let _ = rustix::io::read(&self.handle.bell, &mut [0_u8; 8]);
                if self.handle.look_at_devices.swap(false, Ordering::AcqRel) {
                    self.look_at_devices();
                }
            }
            Source::Timer => {
                self.handle.take_timer();
                if let Some(next) = self.core.take_overdue(Instant::now()) {
                    self.handle.wake_at(next);
                }
            }
            Source::Monitor => self.take_events(),
            Source::Rings(index) => {
                if let Some(target) = self.core.target(index) {
                    // Its doorbell is not silenced: only a new ring wakes us (edge-triggered), and a thread that waits
                    // for it as well must find it rung.
                    target.arming.disarm();
                    self.core.poll_if_free(target);
                }
            }
            Source::Removal(index) => self.note_removal(index),
        }
    }

    /// Waits for the rings that devices have now, and no more for those that they had.
    fn look_at_devices(&mut self) {
        for (index, target) in self.core.targets().enumerate() {
            if self.known.len() <= index {
                self.known.push(Known::default());
            }
            let instance = target.instance();
            let removal = instance.as_ref().and_then(|instance| instance.removal_descriptor());
            let known = &self.known[index];
            let same_rings = match (&known.instance, &instance) {
                (Some(known), Some(instance)) => Arc::ptr_eq(known, instance),
                (None, None) => true,
                _ => false,
            };
            if !same_rings {
                if let Some(former) = &known.instance {
                    let _ = rustix::event::epoll::delete(&self.epoll, former.descriptor());
                }
                if let Some(instance) = &instance {
                    self.wait_for(instance.descriptor(), Source::Rings(index), EventFlags::ET);
                }
            }
            // What was told to the former rings, the new ones don't know; nor do the same after the device has joined anew.
            target.arming.disarm();
            let same_removal = match (&known.removal, &removal) {
                (Some(known), Some(removal)) => Arc::ptr_eq(known, removal),
                (None, None) => true,
                _ => false,
            };
            if !same_removal {
                if let Some(former) = &known.removal {
                    let _ = rustix::event::epoll::delete(&self.epoll, former);
                }
                if let Some(removal) = &removal {
                    self.wait_for(removal.as_fd(), Source::Removal(index), EventFlags::ET);
                }
            }
            self.known[index] = Known { instance, removal };
        }
    }

    fn wait_for(&self, descriptor: BorrowedFd<'_>, source: Source, how: EventFlags) {
        let added = rustix::event::epoll::add(&self.epoll, descriptor, source.data(), EventFlags::IN | how);
        if let Err(error) = added {
            tracing::error!(?source, %error, "the completion loop can't wait for this");
        }
    }

    /// The process behind a device may be gone.
    fn note_removal(&self, index: usize) {
        let Some(target) = self.core.target(index) else { return };
        let Some(instance) = target.instance() else { return };
        if instance.notice_removal() {
            if target.standing() == Standing::Active {
                self.core.fault(target, Class::DeviceDown);
            }
            // Those that wait for it get their dummies at once.
            self.core.poll_if_free(target);
            self.core.care.look();
        }
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
        self.core.care.tell(events, drained.lost);
    }
}
