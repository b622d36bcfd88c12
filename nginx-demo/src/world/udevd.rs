//! The real udevd, with no rules: it relays what the kernel announces to whoever listens to udev.

use std::path::Path;
use std::process::Command;

use super::START_TIME;
use crate::error::{DemoError, system};
use crate::interrupt::Interrupt;
use crate::process::Program;

/// Where distributions keep it.
const PROGRAMS: [&str; 2] = ["/usr/lib/systemd/systemd-udevd", "/lib/systemd/systemd-udevd"];

/// It exists when udevd serves, and libudev looks for it.
const CONTROL: &str = "/run/udev/control";

pub(super) fn start(log: &Path, interrupt: &Interrupt) -> Result<Program, DemoError> {
    let program = PROGRAMS.iter().find(|path| Path::new(path).exists()).unwrap_or(&PROGRAMS[0]);
    // Of the play before this one: in a namespace of our own it can be nobody else's.
    match std::fs::remove_file(CONTROL) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(system(CONTROL)(error)),
        _ => {}
    }
    let mut udevd = Program::start("udevd", Command::new(program), log)?;
    interrupt.wait_for("udevd's start", START_TIME, || {
        udevd.check()?;
        Ok(Path::new(CONTROL).exists())
    })?;
    Ok(udevd)
}
