//! The load: full handshakes from real TLS clients, begun at a given rate whether or not the earlier ones are over, as the
//! world outside does it.

mod client;
mod pace;
mod tally;

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) use tally::{Counted, Tally};

use crate::error::{DemoError, system};
use crate::interrupt::Interrupt;
use crate::world::Certificates;
use client::{Client, Visit};

/// Clients that may be in a handshake at once.
const CLIENTS: usize = 16;

/// Clients stand for other machines: they may not take the processors from the server and its devices.
const NICE: i32 = 10;

/// Visits that may wait for a free client; beyond this, the load is more than this machine can bring up.
const MOST_WAITING: usize = 512;

/// How long the visits under way may take to end: more than the clients' own bound.
const QUIET_TIME: Duration = Duration::from_secs(15);

/// The clients and their pacemaker. They end when this is dropped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    waiting: Mutex<VecDeque<Visit>>,
    more: Condvar,
    /// Handshakes a second; 0: none.
    rate: AtomicU32,
    next: AtomicU64,
    busy: AtomicUsize,
    over: AtomicBool,
    tally: Arc<Tally>,
    log: Mutex<File>,
}

impl Load {
    /// Makes the clients, which wait for a rate.
    pub(crate) fn start(certificates: &Certificates, log: &Path) -> Result<Self, DemoError> {
        let client = Arc::new(Client::new(certificates)?);
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            more: Condvar::new(),
            rate: AtomicU32::new(0),
            next: AtomicU64::new(0),
            busy: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            tally: Arc::new(Tally::new()),
            log: Mutex::new(File::create(log).map_err(system(log.display().to_string()))?),
        });
        let mut load = Self { shared: shared.clone(), threads: Vec::new() };
        for _ in 0..CLIENTS {
            let (shared, client) = (shared.clone(), client.clone());
            load.spawn("client", move || shared.visit(&client))?;
        }
        load.spawn("pacemaker", move || pace::keep(&shared))?;
        Ok(load)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), DemoError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        self.threads.push(thread.map_err(system("a thread for the load"))?);
        Ok(())
    }

    /// From now on, so many handshakes a second are begun.
    pub(crate) fn set_rate(&self, rate: u32) {
        self.shared.rate.store(rate, Ordering::Relaxed);
    }

    /// Begins so many handshakes at once: requests are in flight for sure in what follows.
    pub(crate) fn burst(&self, visits: usize) {
        for _ in 0..visits {
            self.shared.begin(&mut self.shared.lock());
        }
    }

    /// What came of the handshakes so far.
    pub(crate) fn tally(&self) -> &Arc<Tally> {
        &self.shared.tally
    }

    /// Begins no more handshakes, and waits until those under way are over.
    pub(crate) fn quiet(&self, interrupt: &Interrupt) -> Result<(), DemoError> {
        self.set_rate(0);
        interrupt.wait_for("the end of the handshakes under way", QUIET_TIME, || {
            Ok(self.shared.lock().is_empty() && self.shared.busy.load(Ordering::SeqCst) == 0)
        })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.shared.lock().clear();
        self.shared.more.notify_all();
        for thread in self.threads.drain(..) {
            // A client that panicked has nothing left to say.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Visit>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a visit, unless the load was stopped: looked at under the lock, so that nothing begins once it is quiet.
    fn begin_paced(&self) {
        let mut waiting = self.lock();
        if self.rate.load(Ordering::Relaxed) > 0 {
            self.begin(&mut waiting);
        }
    }

    fn begin(&self, waiting: &mut VecDeque<Visit>) {
        let visit = Visit::number(self.next.fetch_add(1, Ordering::Relaxed));
        if waiting.len() >= MOST_WAITING {
            self.tally.skip();
            return;
        }
        waiting.push_back(visit);
        self.more.notify_one();
    }

    /// One client's life.
    fn visit(&self, client: &Client) {
        // Without the priority the load is a little unkind to the server, no more.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
        while let Some(visit) = self.next_visit() {
            match client.visit(visit) {
                Ok(took) => self.tally.handshake(took),
                Err(why) => {
                    self.tally.fail();
                    let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
                    // A full disk must not look like a lost handshake.
                    let _ = writeln!(log, "{visit}: {why}");
                }
            }
            self.busy.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// None at the end.
    fn next_visit(&self) -> Option<Visit> {
        let idle = |waiting: &mut VecDeque<Visit>| waiting.is_empty() && !self.over.load(Ordering::SeqCst);
        let mut waiting = self.more.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let visit = waiting.pop_front()?;
        // Before the lock is given up, so that nobody finds the queue empty and all clients idle.
        self.busy.fetch_add(1, Ordering::SeqCst);
        Some(visit)
    }
}
