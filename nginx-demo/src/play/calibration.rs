//! How much load this machine takes: enough that requests are in flight all the time, not so much that threads wait for
//! processors. Measured at a low rate, by the processor time that a handshake costs all of our processes together.

use std::fs;
use std::time::Duration;

use serde::Serialize;

use super::stage::{SHOWING, Stage};
use crate::error::{DemoError, strange, system};

/// The rate at which is measured.
const MEASURING_RATE: u32 = 60;

/// The share of the idle processors that the load may take, in percent.
const SHARE: u32 = 45;

/// What makes sense as a rate: below, a phase has too few handshakes; above, nothing more is shown.
const RATES: std::ops::RangeInclusive<u32> = 50..=400;

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Calibration {
    /// Handshakes a second in all phases.
    pub(crate) rate: u32,
    /// Processor time of one handshake, for client, server and device together.
    handshake_us: f64,
    /// Processors that this run had, or found idle.
    processors_free: f64,
    /// Processors that this run uses without any handshake: watchdogs, heartbeats, the recorder.
    processors_used_idle: f64,
}

/// Waits until both devices work, measures, and sets the rate; `wanted` wins.
pub(super) fn calibrate(stage: &mut Stage<'_>, wanted: Option<u32>) -> Result<Calibration, DemoError> {
    stage.recorder.begin("warming up");
    let all = stage.world.emulator.devices;
    stage.load.set_rate(MEASURING_RATE);
    stage.wait_for_active(|active| active == all.len(), SHOWING, &mut Vec::new())?;
    stage.wait_for_work_of(&all)?;
    stage.load.quiet(stage.interrupt)?;
    let idle = measure(stage)?;
    stage.load.set_rate(MEASURING_RATE);
    let busy = measure(stage)?;
    let handshake =
        busy.ours.saturating_sub(idle.ours) / u32::try_from(busy.handshakes.max(1)).unwrap_or(u32::MAX);
    let may_use = (busy.ours + busy.unused) * SHARE / 100;
    let left = may_use.saturating_sub(idle.ours).as_micros() / handshake.as_micros().max(1);
    let left = left * 1_000_000 / stage.pace.calibration.as_micros().max(1);
    let rate =
        wanted.unwrap_or_else(|| u32::try_from(left).unwrap_or(u32::MAX).clamp(*RATES.start(), *RATES.end()));
    stage.load.set_rate(rate);
    stage.progress.say(&format!(
        "a handshake takes {handshake:.1?} of processor time, for client, server and device; from here on {rate} a second"
    ));
    let seconds = stage.pace.calibration.as_secs_f64();
    Ok(Calibration {
        rate,
        handshake_us: handshake.as_secs_f64() * 1e6,
        processors_free: (busy.ours + busy.unused).as_secs_f64() / seconds,
        processors_used_idle: idle.ours.as_secs_f64() / seconds,
    })
}

/// Processor time in a while of load.
struct Spent {
    /// By our processes.
    ours: Duration,
    /// By nobody.
    unused: Duration,
    handshakes: u64,
}

fn measure(stage: &Stage<'_>) -> Result<Spent, DemoError> {
    let (ticks, first) = (Ticks::now()?, stage.snapshot()?);
    stage.interrupt.pass(stage.pace.calibration)?;
    let (after, last) = (Ticks::now()?, stage.snapshot()?);
    let time = |after: u64, before: u64| {
        TICK.saturating_mul(u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX))
    };
    Ok(Spent {
        ours: time(after.ours, ticks.ours),
        unused: time(after.idle, ticks.idle),
        handshakes: last.since(&first).handshakes,
    })
}

/// `USER_HZ`, the unit of processor times in `/proc`, is 100 on all architectures that Linux has kept.
const TICK: Duration = Duration::from_millis(10);

/// Processor time so far.
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
