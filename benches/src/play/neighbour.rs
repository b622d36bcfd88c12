//! What a request that takes long on one device does to the completions of another.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hotspare_offload::Offload;

use super::rig::{Requests, Rig, hotspare};
use super::{ALONE, BESIDE, Played};
use crate::engine::SLOW;
use crate::error::BenchError;
use crate::processor;

/// Between two completions that are looked at.
const PAUSE: Duration = Duration::from_micros(200);

/// How long a thread that waits looks at the ring before it sleeps: the default. A completion includes waking up.
const SPIN: Duration = Duration::from_micros(20);

/// A watchdog sleeps so long, again and again.
const NAP: Duration = Duration::from_millis(1);

/// Before the long request is submitted, or its neighbours are looked at.
const SETTLE: Duration = Duration::from_millis(2);

pub(crate) fn play(time: Duration) -> Result<Played, BenchError> {
    let rig = Rig::new(2)?;
    let offload = rig.offload(SPIN)?;
    let requests = Requests::new()?;
    let (excess, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let pair = rig.pair();
    std::thread::scope(|scope| {
        for cpu in [pair.measured, pair.engine] {
            let (excess, over) = (&excess, &over);
            scope.spawn(move || watch(cpu, excess, over));
        }
        let looked = look(&offload, &requests, &excess, time);
        over.store(true, Ordering::Relaxed);
        looked
    })
}

fn look(
    offload: &Offload,
    requests: &Requests,
    excess: &AtomicU64,
    time: Duration,
) -> Result<Played, BenchError> {
    let mut played = Played::new();
    let end = Instant::now() + time;
    while played.is_empty() || Instant::now() < end {
        let alone = window(offload, requests, excess, || false)?;
        played.entry(ALONE.to_owned()).or_default().push(alone);
        let is_over = AtomicBool::new(false);
        let beside = std::thread::scope(|scope| {
            let slow = scope.spawn(|| {
                let result = requests.slow().and_then(|slow| offload.execute(slow).map_err(hotspare));
                is_over.store(true, Ordering::Relaxed);
                result
            });
            std::thread::sleep(SETTLE);
            let beside = window(offload, requests, excess, || is_over.load(Ordering::Relaxed));
            match slow.join() {
                Ok(result) => result.and(beside),
                Err(_) => Err(BenchError::Hotspare("the long request panicked".to_owned())),
            }
        })?;
        played.entry(BESIDE.to_owned()).or_default().push(beside);
    }
    Ok(played)
}

/// Looks at completions for less than [`SLOW`]; the longest beyond the usual one, and beyond what the watchdogs saw, in
/// microseconds. An error if the long request has ended before, which must lie beside all of them.
fn window(
    offload: &Offload,
    requests: &Requests,
    excess: &AtomicU64,
    is_over: impl Fn() -> bool,
) -> Result<f64, BenchError> {
    excess.store(0, Ordering::Relaxed);
    let end = Instant::now() + SLOW * 4 / 5;
    let mut took = Vec::new();
    while Instant::now() < end && !is_over() {
        let started = Instant::now();
        offload.execute(requests.instant()?).map_err(hotspare)?;
        took.push(started.elapsed());
        std::thread::sleep(PAUSE);
    }
    took.sort_unstable();
    let (Some(longest), Some(usual)) = (took.last(), took.get(took.len() / 2)) else {
        return Err(BenchError::Hotspare("nothing was completed beside a long request".to_owned()));
    };
    let seen = Duration::from_nanos(excess.load(Ordering::Relaxed));
    Ok(longest.saturating_sub(*usual).saturating_sub(seen).as_secs_f64() * 1e6)
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
