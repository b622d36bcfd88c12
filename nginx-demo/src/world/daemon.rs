//! The heartbeat daemon.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hotspare_device::files::{MonitorPaths, MonitorState};

use super::{Places, START_TIME, write};
use crate::error::{DemoError, strange};
use crate::interrupt::Interrupt;
use crate::process::Program;

pub(super) fn start(
    places: &Places,
    reset_delay: Duration,
    interrupt: &Interrupt,
) -> Result<Program, DemoError> {
    let run_dir = places.daemon_run();
    let file = places.run.join("hotspare-hbd.toml");
    let configuration = format!(
        "root = \"{}\"\nrun_dir = \"{}\"\nreset = \"managed\"\nreset_delay_ms = {}\nlog = \"info\"\n",
        places.emulator_root().display(),
        run_dir.display(),
        reset_delay.as_millis(),
    );
    write(&file, &configuration)?;
    let mut command = Command::new(places.program("hotspare-hbd"));
    command.arg("--config").arg(&file);
    let mut daemon = Program::start("hotspare-hbd", command, &places.log("hotspare-hbd"))?;
    let paths = MonitorPaths::new(&run_dir);
    interrupt.wait_for("the start of hotspare-hbd", START_TIME, || {
        daemon.check()?;
        Ok(MonitorState::read(&paths).is_ok_and(|state| !state.devices.is_empty()))
    })?;
    Ok(daemon)
}

/// How many devices it has reset and brought back, by its own account.
pub(super) fn devices_reset(run_dir: &Path) -> Result<usize, DemoError> {
    let state = MonitorState::read(&MonitorPaths::new(run_dir)).map_err(strange("the daemon's state"))?;
    Ok(state.devices.iter().filter(|device| device.resets > 0).count())
}
