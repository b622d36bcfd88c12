//! What a request that takes long on one device does to the completions of another: of waiting threads, and of owners that are
//! woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use hotspare_device::Request;
use hotspare_offload::{Completion, Config, Offload};

use super::rig::{Requests, Rig, hotspare};
use super::{ALONE, BESIDE, Played};
use crate::engine::SLOW;
use crate::error::BenchError;
use crate::processor;

/// Between two completions that are looked at.
const PAUSE: Duration = Duration::from_micros(200);

/// A watchdog sleeps so long, again and again.
const NAP: Duration = Duration::from_millis(1);

/// Between the submission of the long request and a look at its neighbours.
const SETTLE: Duration = Duration::from_millis(2);

/// How an owner learns of completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It waits in `Offload::execute`.
    Waits,
    /// It sleeps, and is woken for its ticket.
    Sleeps,
}

pub(crate) fn play(time: Duration, owner: Owner) -> Result<Played, BenchError> {
    let rig = Rig::new(2)?;
    let pair = rig.pair();
    // Nobody spins for long: a completion includes waking up.
    let offload = rig.offload(Config::default().spin)?;
    let look = Look { offload, requests: Requests::new()?, owner, excess: AtomicU64::new(0) };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for cpu in [pair.measured, pair.engine] {
            let (excess, over) = (&look.excess, &over);
            scope.spawn(move || watch(cpu, excess, over));
        }
        let looked = look.again_and_again(time);
        over.store(true, Ordering::Relaxed);
        looked
    })
}

struct Look {
    offload: Offload,
    requests: Requests,
    owner: Owner,
    /// By how much a watchdog's nap was too long, at worst, in nanoseconds.
    excess: AtomicU64,
}

impl Look {
    fn again_and_again(&self, time: Duration) -> Result<Played, BenchError> {
        let mut played = Played::new();
        let end = Instant::now() + time;
        while played.is_empty() || Instant::now() < end {
            let alone = self.window(|| false)?;
            played.entry(ALONE.to_owned()).or_default().push(alone);
            let is_over = AtomicBool::new(false);
            let beside = std::thread::scope(|scope| {
                let slow = scope.spawn(|| {
                    let result = self.requests.slow().and_then(|slow| self.complete(slow));
                    is_over.store(true, Ordering::Relaxed);
                    result
                });
                std::thread::sleep(SETTLE);
                let beside = self.window(|| is_over.load(Ordering::Relaxed));
                match slow.join() {
                    Ok(result) => result.and(beside),
                    Err(_) => Err(BenchError::Hotspare("the long request panicked".to_owned())),
                }
            })?;
            played.entry(BESIDE.to_owned()).or_default().push(beside);
        }
        Ok(played)
    }

    /// Looks at completions for less than [`SLOW`], and not after `is_over`. The longest, beyond the usual one and beyond what the
    /// watchdogs saw, in microseconds.
    fn window(&self, is_over: impl Fn() -> bool) -> Result<f64, BenchError> {
        self.excess.store(0, Ordering::Relaxed);
        let end = Instant::now() + SLOW * 4 / 5;
        let mut took = Vec::new();
        while Instant::now() < end && !is_over() {
            let started = Instant::now();
            self.complete(self.requests.instant()?)?;
            took.push(started.elapsed());
            std::thread::sleep(PAUSE);
        }
        took.sort_unstable();
        let (Some(longest), Some(usual)) = (took.last(), took.get(took.len() / 2)) else {
            return Err(BenchError::Hotspare("nothing was completed beside a long request".to_owned()));
        };
        let seen = Duration::from_nanos(self.excess.load(Ordering::Relaxed));
        Ok(longest.saturating_sub(*usual).saturating_sub(seen).as_secs_f64() * 1e6)
    }

    fn complete(&self, request: Request) -> Result<(), BenchError> {
        if self.owner == Owner::Waits {
            return self.offload.execute(request).map(drop).map_err(hotspare);
        }
        let bell = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut ticket = self.offload.submit(request, Completion::Wake(bell));
        loop {
            match ticket.poll() {
                Poll::Ready(result) => return result.map(drop).map_err(hotspare),
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Notes how much longer its naps take than they should, at worst.
fn watch(cpu: usize, excess: &AtomicU64, over: &AtomicBool) {
    processor::pin(cpu);
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        std::thread::sleep(NAP);
        let late = began.elapsed().saturating_sub(NAP);
        excess.fetch_max(u64::try_from(late.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
