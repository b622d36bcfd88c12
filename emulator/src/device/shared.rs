//! What the engines and the main thread of a device process share.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, epoll};
use rustix::io::Errno;

use super::ring::{Ring, lock};
use crate::page::DevicePage;

/// The rings of all users.
pub(crate) type Rings = Arc<[Arc<Ring>]>;

/// See the module.
pub(crate) struct Shared {
    pub(crate) page: DevicePage,
    /// Readable when a user has rung, or an engine is to look around. Edge-triggered and waited for by all engines: the
    /// kernel wakes one of them for each doorbell, and nobody has to read the doorbells.
    bells: OwnedFd,
    /// Wakes one engine.
    engine_bell: OwnedFd,
    /// Wakes the main thread: an engine has expelled a user.
    main_bell: OwnedFd,
    table: Mutex<Table>,
    /// Number of the table's version, so that engines need not take the lock to see that nothing has changed.
    version: AtomicU64,
    /// Whether engines work.
    running: AtomicBool,
    parked: Mutex<()>,
    resumed: Condvar,
    complained_at: Mutex<Option<Instant>>,
}

/// Misbehaving users are named in the log no more often than this: they can't fill it.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

struct Table {
    rings: Rings,
    /// How many engines sleep, or are about to.
    sleepers: u32,
}

impl Shared {
    pub(crate) fn new(page: DevicePage) -> Result<Self, Errno> {
        let bells = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = || rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let (engine_bell, main_bell) = (bell()?, bell()?);
        let shared = Self {
            page,
            bells,
            engine_bell,
            main_bell,
            table: Mutex::new(Table { rings: Arc::new([]), sleepers: 0 }),
            version: AtomicU64::new(0),
            running: AtomicBool::new(false),
            parked: Mutex::new(()),
            resumed: Condvar::new(),
            complained_at: Mutex::new(None),
        };
        shared.listen(&shared.engine_bell)?;
        Ok(shared)
    }

    fn listen(&self, doorbell: impl std::os::fd::AsFd) -> Result<(), Errno> {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&self.bells, doorbell, epoll::EventData::new_u64(0), flags)
    }

    /// Logs what a user did wrong, unless another one was named just before.
    pub(crate) fn complain(&self, instance: Option<u32>, peer: i32, what: &dyn std::fmt::Display) {
        let now = Instant::now();
        let mut complained_at = lock(&self.complained_at);
        if complained_at.is_none_or(|at| now.saturating_duration_since(at) >= COMPLAINT_INTERVAL) {
            *complained_at = Some(now);
            tracing::warn!(instance, peer, "a user is turned away: {what}");
        }
    }

    /// What the main thread waits on for [`Shared::tell_main`].
    pub(crate) fn main_bell(&self) -> &OwnedFd {
        &self.main_bell
    }

    /// Wakes the main thread.
    pub(crate) fn tell_main(&self) {
        let _ = rustix::io::write(&self.main_bell, &1_u64.to_ne_bytes());
    }

    /// Forgets the wakes so far.
    pub(crate) fn hush_main_bell(&self) {
        let _ = rustix::io::read(&self.main_bell, &mut [0_u8; 8]);
    }

    /// The rings as they are now, and the table's version.
    pub(crate) fn rings(&self) -> (Rings, u64) {
        let table = lock(&self.table);
        (Arc::clone(&table.rings), self.version.load(Ordering::Relaxed))
    }

    /// Whether the table has changed since `version`.
    pub(crate) fn is_outdated(&self, version: u64) -> bool {
        // Relaxed: an engine that misses a change sees it at the latest when it goes to sleep, under the lock.
        self.version.load(Ordering::Relaxed) != version
    }

    /// Adds a user's ring.
    pub(crate) fn attach(&self, ring: Arc<Ring>) -> Result<(), Errno> {
        self.listen(ring.request_doorbell())?;
        let mut table = lock(&self.table);
        table.rings = table.rings.iter().cloned().chain([ring]).collect();
        self.version.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Takes a user's ring away. Engines may hold it a little longer; they write nothing to it any more.
    pub(crate) fn detach(&self, ring: &Arc<Ring>) {
        ring.expel();
        ring.close();
        let _ = epoll::delete(&self.bells, ring.request_doorbell());
        let mut table = lock(&self.table);
        table.rings = table.rings.iter().filter(|other| !Arc::ptr_eq(other, ring)).cloned().collect();
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// Engines work again; one looks around at once.
    pub(crate) fn resume(&self) {
        let guard = lock(&self.parked);
        self.running.store(true, Ordering::Release);
        drop(guard);
        self.resumed.notify_all();
        let _ = rustix::io::write(&self.engine_bell, &1_u64.to_ne_bytes());
    }

    /// Engines stop as soon as they look. What they have in work is fenced off by the rings.
    pub(crate) fn halt(&self) {
        self.running.store(false, Ordering::Release);
    }

    /// For engines: waits until they may work. Without a system call if they may.
    pub(crate) fn wait_until_running(&self) {
        if self.running.load(Ordering::Acquire) {
            return;
        }
        let mut guard = lock(&self.parked);
        while !self.running.load(Ordering::Acquire) {
            guard = self.resumed.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// For engines: sleeps until a user rings or `longest` has passed, unless there is work after all. Returns the
    /// rings as they were when it went to sleep.
    pub(crate) fn sleep(&self, longest: Duration) -> (Rings, u64) {
        // Counting and flags under one lock: otherwise one engine's "all awake" could overwrite the "I sleep" of
        // another one. The table is read under it too, so that no ring is left out.
        let (rings, version) = {
            let mut table = lock(&self.table);
            table.sleepers += 1;
            for ring in table.rings.iter() {
                ring.set_sleeping(true);
            }
            (Arc::clone(&table.rings), self.version.load(Ordering::Relaxed))
        };
        // Dekker, the other way round than in `Ring::answer`: we stored "I sleep", then look for requests; the user
        // stores its index, then reads "I sleep". With this fence, and one at the user's, we find the request or it
        // rings.
        fence(Ordering::SeqCst);
        if !rings.iter().any(|ring| ring.wants_attention()) {
            let mut events = [const { std::mem::MaybeUninit::uninit() }; 1];
            let timeout = longest.try_into().ok();
            let _ = epoll::wait(&self.bells, &mut events, timeout.as_ref());
        }
        let mut table = lock(&self.table);
        table.sleepers -= 1;
        if table.sleepers == 0 {
            for ring in table.rings.iter() {
                ring.set_sleeping(false);
            }
        }
        (rings, version)
    }
}
