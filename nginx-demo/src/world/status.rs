//! What the command `hotspare` says of the devices.

use std::process::{Command, Stdio};

use serde::Deserialize;

use super::Places;
use crate::error::{DemoError, strange, system};

/// The part of `hotspare status --json` that matters here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Status {
    /// How many devices are active.
    pub(crate) active: usize,
}

impl Status {
    /// Asks. Its exit status is no failure: it says that a device is not active.
    pub(crate) fn ask(places: &Places) -> Result<Self, DemoError> {
        let mut command = Command::new(places.program("hotspare"));
        command.arg("status").arg("--json").arg("--root").arg(places.emulator_root());
        command.arg("--run-dir").arg(places.daemon_run()).stdin(Stdio::null());
        let output = command.output().map_err(system("hotspare status"))?;
        Self::parse(&output.stdout)
    }

    fn parse(text: &[u8]) -> Result<Self, DemoError> {
        serde_json::from_slice(text).map_err(strange("what `hotspare status --json` said"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_command_says_is_understood_and_what_it_does_not_say_is_refused() {
        let text = br#"{"version": 1, "active": 1, "total": 2, "problems": [], "devices": [
            {"address": "0000:6b:00.0", "state": "up", "active": true, "number": 0, "events": [
                {"unix_ms": 5, "event": "restarted", "why": "x"}]},
            {"address": "0000:70:00.0", "state": "error", "active": false, "events": []}]}"#;
        let status = Status::parse(text).unwrap();
        assert_eq!(status.active, 1);
        assert!(Status::parse(b"").is_err() && Status::parse(b"{\"total\": 2}").is_err());
    }
}
