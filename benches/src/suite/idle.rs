//! A process with devices and nothing to do.

use std::process::Command;
use std::time::Duration;

use crate::bars;
use crate::error::BenchError;
use crate::report::{Row, Unit};
use crate::samples::Samples;

use super::stage::{Stage, nothing};

/// "Over ten seconds."
const LOOKED_AT: Duration = Duration::from_secs(10);
const QUICKLY_LOOKED_AT: Duration = Duration::from_secs(2);

pub(super) fn run(stage: &Stage) -> Result<Vec<Row>, BenchError> {
    let time = if stage.options.quick { QUICKLY_LOOKED_AT } else { LOOKED_AT };
    stage.note("a process that sleeps", time);
    // In a network of its own: events of other devices, of which every network has its own, are none of its business.
    let mut command = Command::new("unshare");
    command.arg(if rustix::process::geteuid().is_root() { "-n" } else { "-rn" });
    command.arg(stage.own()).args(["play", "idle", "--seconds", &time.as_secs().to_string()]);
    command.arg("--emulator").arg(stage.program("hotspare-emulator")?);
    let used = stage.play_command(&mut command)?;
    let all = used.values().flatten().sum();
    let samples = Samples::new(vec![all]).filter(|_| !used.is_empty()).ok_or_else(|| nothing(&["idle"]))?;
    let what = format!("processor time of an idle process in {} s, two devices", time.as_secs());
    let show = |(thread, nanos): (&String, &Vec<f64>)| format!("{thread} {:.0}", nanos.iter().sum::<f64>());
    let threads = used.iter().map(show).collect::<Vec<_>>().join(", ");
    Ok(vec![Row::new("idle", what, Unit::Nanos, &samples).bar(bars::IDLE_NANOS).beside(threads)])
}
