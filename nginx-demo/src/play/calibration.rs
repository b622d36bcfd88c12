//! How much load this machine takes: enough that requests are in flight all the time, not so much that threads wait for
//! processors. Measured at a low rate, by the processor time that a handshake costs all of our processes together.

use std::fs;

use serde::Serialize;

use super::stage::{SHOWING, Stage};
use crate::error::{DemoError, strange, system};

/// The rate at which is measured.
const MEASURING_RATE: u32 = 60;

/// The share of the idle processors that the load may take, in percent.
const SHARE: u64 = 45;

/// What makes sense as a rate: below, a phase has too few handshakes; above, nothing more is shown.
const RATES: std::ops::RangeInclusive<u64> = 30..=400;

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Calibration {
    /// Handshakes a second in all phases.
    pub(crate) rate: u32,
    /// Processor time of one handshake, for client, server and devices together, in microseconds.
    handshake_us: u64,
    /// Processors that this run had to itself or found idle, in hundredths.
    processors_percent: u64,
}

/// Waits until both devices work, measures, and sets the rate; `wanted` wins.
pub(super) fn calibrate(stage: &mut Stage<'_>, wanted: Option<u32>) -> Result<Calibration, DemoError> {
    stage.recorder.begin("warming up");
    stage.load.set_rate(MEASURING_RATE);
    stage.wait_for_active(stage.world.emulator.devices.len(), SHOWING, &mut Vec::new())?;
    stage.wait_for_work_of(&stage.world.emulator.devices.clone())?;
    let (before, first) = (Ticks::now()?, stage.snapshot()?);
    stage.interrupt.pass(stage.pace.calibration)?;
    let (spent, last) = (Ticks::now()?.since(before), stage.snapshot()?);
    let handshakes = last.since(&first).handshakes.max(1);
    // All times in ticks, so that the tick's length cancels out; `machine` is the time of one processor.
    let free = spent.ours + spent.idle;
    let rate = free * MEASURING_RATE_SHARES / (spent.ours.max(1) * 100);
    let rate = u32::try_from(rate.clamp(*RATES.start(), *RATES.end())).unwrap_or(MEASURING_RATE);
    let rate = wanted.unwrap_or(rate);
    stage.load.set_rate(rate);
    let calibration = Calibration {
        rate,
        handshake_us: spent.ours * MICROS_PER_TICK / handshakes,
        processors_percent: free * 100 * MICROS_PER_TICK
            / u64::try_from(stage.pace.calibration.as_micros()).unwrap_or(1).max(1),
    };
    stage.progress.say(&format!(
        "a handshake takes {} us of processor time in all; from here on {rate} a second",
        calibration.handshake_us
    ));
    Ok(calibration)
}

/// Handshakes a second that use [`SHARE`] percent, times 100: the measuring rate used `ours` of `free`.
const MEASURING_RATE_SHARES: u64 = MEASURING_RATE as u64 * SHARE;

/// `USER_HZ`, the unit of processor times in `/proc`, is 100 on all architectures that Linux has kept.
const MICROS_PER_TICK: u64 = 10_000;

/// Processor time so far.
#[derive(Clone, Copy)]
struct Ticks {
    /// Of our processes: those in our network namespace.
    ours: u64,
    /// Of all processors that had nothing to do.
    idle: u64,
}

impl Ticks {
    fn now() -> Result<Self, DemoError> {
        let own = fs::read_link("/proc/self/ns/net").map_err(system("/proc/self/ns/net"))?;
        let processes = fs::read_dir("/proc").map_err(system("/proc"))?.flatten().map(|entry| entry.path());
        // Those of others may not be looked at, or are gone: they are not ours.
        let ours = processes
            .filter(|process| fs::read_link(process.join("ns/net")).is_ok_and(|namespace| namespace == own))
            .filter_map(|process| processor_time(&fs::read_to_string(process.join("stat")).ok()?))
            .sum();
        let stat = fs::read_to_string("/proc/stat").map_err(system("/proc/stat"))?;
        let idle = idle_time(&stat).ok_or("no idle time").map_err(strange("/proc/stat"))?;
        Ok(Self { ours, idle })
    }

    fn since(self, earlier: Self) -> Self {
        Self { ours: self.ours.saturating_sub(earlier.ours), idle: self.idle.saturating_sub(earlier.idle) }
    }
}

/// Fields 14 and 15 of `/proc/PID/stat`: in user mode and in the kernel.
fn processor_time(stat: &str) -> Option<u64> {
    // The second field, the name in parentheses, may hold anything; the 14th is the 12th after it.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// The fourth number of the first line of `/proc/stat`.
fn idle_time(stat: &str) -> Option<u64> {
    stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_in_their_fields() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 2 3 4 70 5 6 7 20 0 1 0 99 1 2";
        assert_eq!(processor_time(stat), Some(75));
        assert_eq!(processor_time("42 (x) S"), None);
        assert_eq!(idle_time("cpu  1 2 3 456 5 6\ncpu0 1 2 3 4\n"), Some(456));
        assert_eq!(idle_time(""), None);
    }
}
