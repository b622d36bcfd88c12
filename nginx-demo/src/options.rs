//! The command line, and the times that follow from it.

use std::path::PathBuf;
use std::time::Duration;

/// Shows that nginx and HAProxy lose no handshake when their accelerators die
///
/// Starts, in a private namespace, udevd, two emulated accelerators, the heartbeat daemon and a server with the provider;
/// drives full TLS handshakes; and lets the devices fail. What happened is in target/demo/SERVER/: report.json,
/// timeline.svg, and the logs of all programs. The last lines printed are the results, one a server.
///
/// Exit status: 0 if no handshake failed and all was as it should be; 1 if not; 2 for a wrong command line.
#[derive(Debug, clap::Parser)]
#[command(name = "demo", version)]
pub(crate) struct Options {
    /// What serves: nginx, several processes; HAProxy, one process with several threads; or one after the other
    #[arg(long, value_name = "SERVER", default_value = "both")]
    pub(crate) server: Servers,
    /// Play fast: both servers in about a minute
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

/// The servers to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Servers {
    Nginx,
    Haproxy,
    Both,
}

/// A server that can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerName {
    Nginx,
    Haproxy,
}

impl Servers {
    /// One after the other, in this order.
    pub(crate) fn names(self) -> &'static [ServerName] {
        match self {
            Self::Nginx => &[ServerName::Nginx],
            Self::Haproxy => &[ServerName::Haproxy],
            Self::Both => &[ServerName::Nginx, ServerName::Haproxy],
        }
    }
}

impl ServerName {
    /// As its program is called.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    /// As its makers write it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        }
    }

    /// Whether it runs handshakes as jobs that pause while a device works.
    pub(crate) fn is_asynchronous(self) -> bool {
        self == Self::Haproxy
    }
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
        let (phase, calibration) = if self.quick { (1500, 800) } else { (8000, 2000) };
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
        let servers = |name: &str| Options::parse_from(["demo", "--server", name]).server.names();
        assert_eq!([servers("nginx"), servers("haproxy")].concat(), servers("both"));
        assert!(Options::try_parse_from(["demo", "--server", "apache"]).is_err());
        assert!(Options::try_parse_from(["demo", "--rate", "0"]).is_err());
    }
}
