//! A process with devices and nothing to do.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::bars;
use crate::error::{BenchError, system};
use crate::play::PROCESSOR_NANOS;
use crate::report::{Row, Unit};
use crate::samples::Samples;
use crate::scratch::Scratch;

use super::stage::{Stage, nothing, with_us};

/// "Over ten seconds."
const LOOKED_AT: Duration = Duration::from_secs(10);
const QUICKLY_LOOKED_AT: Duration = Duration::from_secs(2);

pub(super) fn run(stage: &Stage) -> Result<Vec<Row>, BenchError> {
    let time = if stage.options.quick { QUICKLY_LOOKED_AT } else { LOOKED_AT };
    stage.note("a process that sleeps", time);
    let scratch = Scratch::new()?;
    let emulator = stage.program("hotspare-emulator")?;
    let mut command = Command::new(&emulator);
    command.arg("run").arg("--root").arg(scratch.path()).args(["--devices", "2"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut emulator = with_us(&mut command).spawn().map_err(system(emulator.display().to_string()))?;
    let ready = emulator.stdout.take().is_some_and(|output| {
        BufReader::new(output).lines().map_while(Result::ok).any(|line| line.trim_end() == "ready")
    });
    let played = if ready {
        let root = scratch.path().display().to_string();
        stage.play(&["idle", "--root", &root, "--seconds", &time.as_secs().to_string()])
    } else {
        Err(BenchError::Hotspare("the emulator did not start".to_owned()))
    };
    if let Some(pid) = i32::try_from(emulator.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It ends its devices; it is our child and was not waited for yet, so the id is its own.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    emulator.wait().map_err(system("waiting for the emulator"))?;
    let used = played?.remove(PROCESSOR_NANOS).and_then(Samples::new);
    let used = used.ok_or_else(|| nothing(&["idle"]))?;
    let what = format!("processor time of an idle process in {} s, two devices", time.as_secs());
    Ok(vec![Row::new("idle", what, Unit::Nanos, &used).bar(bars::IDLE_NANOS)])
}
