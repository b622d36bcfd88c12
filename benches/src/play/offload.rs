//! Requests through `offload`: synchronous ones, and tickets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Wake};
use std::time::Duration;

use hotspare_offload::{Completion, Config, Ticket};

use super::ready::{MOST, Ready};
use super::rig::{Requests, Rig, hotspare};
use super::ring::WINDOW;
use super::{NANOS, PROCESSOR_NANOS, Played, played, repeat};
use crate::engine;
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

/// [`MOST`] tickets in flight, whose owner sleeps when none of them is worth polling, as a server does.
pub(crate) fn woken(time: Duration, devices: u8) -> Result<Played, BenchError> {
    let rig = Rig::new(devices)?;
    let offload = rig.offload(Config::default().spin)?;
    let requests = Requests::new()?;
    let ready = Arc::new(Ready::all());
    let completion = |number| Completion::Wake(Arc::new(Bell { ready: ready.clone(), number }).into());
    let completions: [Completion; MOST] = std::array::from_fn(completion);
    let mut open: [Option<Ticket>; MOST] = [const { None }; MOST];
    let mut done = 0_u32;
    let mut after_warm_up = None;
    let samples = repeat(time, TICKETS, || {
        if done > 0 && after_warm_up.is_none() {
            after_warm_up = Some((done, processor::used_by_threads_but(engine::THREAD)));
        }
        let end = done + TICKETS;
        while done < end {
            for number in ready.take()? {
                match open[number].as_mut().map(Ticket::poll) {
                    Some(Poll::Pending) => continue,
                    Some(Poll::Ready(result)) => {
                        result.map_err(hotspare)?;
                        done += 1;
                    }
                    None => {}
                }
                open[number] = Some(offload.submit(requests.instant()?, completions[number].clone()));
            }
        }
        Ok(())
    })?;
    // The scheduler's account is as old as its last tick: it is taken over all samples.
    let used = processor::used_by_threads_but(engine::THREAD);
    let (earlier, used_earlier) = after_warm_up.unwrap_or_default();
    let mut played = played(NANOS, samples);
    let each = used.saturating_sub(used_earlier).as_secs_f64() * 1e9 / f64::from(done - earlier);
    played.insert(PROCESSOR_NANOS.to_owned(), vec![each]);
    Ok(played)
}

struct Bell {
    ready: Arc<Ready>,
    number: usize,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.add(self.number);
    }
}
