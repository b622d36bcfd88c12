//! Requests through `offload`: synchronous ones, and tickets.

use std::collections::VecDeque;
use std::task::Poll;
use std::time::Duration;

use hotspare_offload::{Completion, Ticket};

use super::rig::{Requests, Rig, hotspare};
use super::ring::WINDOW;
use super::{NANOS, PROCESSOR_NANOS, Played, played, repeat};
use crate::error::BenchError;
use crate::processor;

const REQUESTS: u32 = 1_000;
const TICKETS: u32 = 5_000;

/// Longer than the engine ever takes: nobody sleeps.
const ALWAYS_SPIN: Duration = Duration::from_millis(10);

/// `Offload::execute`, again and again. Making the request is part of it.
pub(crate) fn synchronous(time: Duration) -> Result<Played, BenchError> {
    let rig = Rig::new(1)?;
    let offload = rig.offload(ALWAYS_SPIN)?;
    let requests = Requests::new()?;
    let samples = repeat(time, REQUESTS, || {
        for _ in 0..REQUESTS {
            offload.execute(requests.instant()?).map_err(hotspare)?;
        }
        Ok(())
    })?;
    Ok(played(NANOS, samples))
}

/// [`WINDOW`] tickets in flight, whose owner polls. Making the requests is part of it.
pub(crate) fn tickets(time: Duration, devices: u8) -> Result<Played, BenchError> {
    let rig = Rig::new(devices)?;
    let offload = rig.offload(ALWAYS_SPIN)?;
    let requests = Requests::new()?;
    let window = WINDOW as usize;
    let mut open: VecDeque<Ticket> = VecDeque::with_capacity(window);
    let mut processor_samples = Vec::new();
    let samples = repeat(time, TICKETS, || {
        let used = processor::used_by_this_thread();
        let mut done = 0;
        while done < TICKETS {
            while open.len() < window {
                open.push_back(offload.submit(requests.instant()?, Completion::Poll));
            }
            offload.poll();
            while let Some(ticket) = open.front_mut() {
                let Poll::Ready(result) = ticket.poll() else { break };
                result.map_err(hotspare)?;
                open.pop_front();
                done += 1;
            }
        }
        let used = processor::used_by_this_thread().saturating_sub(used);
        processor_samples.push(used.as_secs_f64() * 1e9 / f64::from(TICKETS));
        Ok(())
    })?;
    let mut played = played(NANOS, samples);
    // The first was the warm-up.
    played.insert(PROCESSOR_NANOS.to_owned(), processor_samples.split_off(1));
    Ok(played)
}
