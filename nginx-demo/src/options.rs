//! The command line, and the times that follow from it.

use std::path::PathBuf;
use std::time::Duration;

/// Shows that nginx loses no handshake when its accelerators die
///
/// Starts, in a private namespace, udevd, two emulated accelerators, the heartbeat daemon and nginx with the provider;
/// drives full TLS handshakes; and lets the devices fail. What happened is in target/demo/: report.json, timeline.svg, and
/// the logs of all programs. The last line printed is the result.
///
/// Exit status: 0 if no handshake failed and all was as it should be; 1 if not; 2 for a wrong command line.
#[derive(Debug, clap::Parser)]
#[command(name = "demo", version)]
pub(crate) struct Options {
    /// Play fast: all of it in under a minute
    #[arg(long)]
    pub(crate) quick: bool,
    /// Handshakes a second, instead of what about half of the idle processors can take
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=5000))]
    pub(crate) rate: Option<u32>,
    /// Where the programs are
    #[arg(long, value_name = "DIR", default_value = "target/release")]
    pub(crate) programs: PathBuf,
    /// Where report, picture and logs go
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    pub(crate) out: PathBuf,
    /// Already in the namespaces
    #[arg(long, hide = true)]
    pub(crate) inside: bool,
    /// In a pid namespace too
    #[arg(long, hide = true)]
    pub(crate) own_pids: bool,
}

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Load in each phase once its condition has come about, so that it has handshakes by its path.
    pub(crate) phase: Duration,
    /// Load that the processors' share of a handshake is measured by.
    pub(crate) calibration: Duration,
    /// Between a failure and the daemon's reset. The second device must fail, and the load run in software alone for a
    /// phase, while the first device waits for its reset: two phases, and what the daemon takes to find a hang.
    pub(crate) reset_delay: Duration,
}

/// The daemon finds a hang with the third unanswered check, 200 ms apart; the rest is for a busy machine.
const FINDING_A_HANG: Duration = Duration::from_millis(2500);

impl Options {
    pub(crate) fn pace(&self) -> Pace {
        let (phase, calibration) = if self.quick { (2500, 1000) } else { (8000, 2000) };
        let (phase, calibration) = (Duration::from_millis(phase), Duration::from_millis(calibration));
        Pace { phase, calibration, reset_delay: 2 * phase + FINDING_A_HANG }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
        assert!(Options::parse_from(["demo", "--quick"]).quick);
        assert!(Options::try_parse_from(["demo", "--rate", "0"]).is_err());
    }
}
