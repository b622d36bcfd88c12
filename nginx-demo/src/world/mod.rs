//! Everything that the demonstration runs: certificates, udevd, the emulator, the heartbeat daemon, a server.

mod certificates;
mod daemon;
mod emulator;
mod server;
mod status;
mod udevd;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use certificates::Certificates;
use emulator::Emulator;
pub(crate) use emulator::devices_up;
pub(crate) use server::{PORTS, Server};
pub(crate) use status::Status;

use crate::error::{DemoError, system};
use crate::interrupt::Interrupt;
use crate::options::{Options, ServerName};
use crate::process::Program;

/// How long a program may take until it serves.
const START_TIME: Duration = Duration::from_secs(10);

/// Where things are.
pub(crate) struct Places {
    /// The programs of the project.
    programs: PathBuf,
    /// A directory that vanishes with the namespace: sockets, device files, keys.
    run: PathBuf,
    /// Report and picture.
    pub(crate) out: PathBuf,
}

impl Places {
    /// Makes the directories for one server's play, empty but for what somebody else keeps in `out`.
    pub(crate) fn make(options: &Options, server: ServerName) -> Result<Self, DemoError> {
        let absolute = |path: &Path| fs::canonicalize(path).map_err(system(path.display().to_string()));
        let places = Self {
            programs: absolute(&options.programs)?,
            run: PathBuf::from("/run/hotspare-demo").join(server.text()),
            out: absolute(&options.out)?.join(server.text()),
        };
        fs::create_dir_all(&places.run).map_err(system(places.run.display().to_string()))?;
        let logs = places.logs();
        if logs.exists() {
            fs::remove_dir_all(&logs).map_err(system(logs.display().to_string()))?;
        }
        fs::create_dir_all(&logs).map_err(system(logs.display().to_string()))?;
        // As the pages have systemd-tmpfiles make it: servers' workers, who are no administrators, publish there.
        let stats = places.stats();
        fs::create_dir_all(&stats)
            .and_then(|()| fs::set_permissions(&stats, fs::Permissions::from_mode(0o1777)))
            .map_err(system(stats.display().to_string()))?;
        Ok(places)
    }

    /// The directory of the logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.out.join("logs")
    }

    /// The log of one program.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// Where the processes that use the provider publish their counters.
    pub(crate) fn stats(&self) -> PathBuf {
        self.run.join("stats")
    }

    fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    fn emulator_root(&self) -> PathBuf {
        self.run.join("devices")
    }

    fn daemon_run(&self) -> PathBuf {
        self.run.join("hbd")
    }
}

/// What runs. Ended when dropped, users first.
pub(crate) struct World {
    pub(crate) server: Server,
    daemon: Program,
    pub(crate) emulator: Emulator,
    udevd: Program,
    pub(crate) certificates: Certificates,
}

impl World {
    /// Starts everything.
    pub(crate) fn start(
        name: ServerName,
        places: &Places,
        reset_delay: Duration,
        interrupt: &Interrupt,
    ) -> Result<Self, DemoError> {
        let certificates = Certificates::make(&places.run.join("certificates"))?;
        let udevd = udevd::start(&places.log("udevd"), interrupt)?;
        let emulator = Emulator::start(places)?;
        let daemon = daemon::start(places, reset_delay, interrupt)?;
        let server = Server::start(name, places, &certificates, interrupt)?;
        Ok(Self { server, daemon, emulator, udevd, certificates })
    }

    /// How many devices the daemon has reset and brought back.
    pub(crate) fn devices_reset_by_daemon(&self, places: &Places) -> Result<usize, DemoError> {
        daemon::devices_reset(&places.daemon_run())
    }

    /// An error if something has ended that should run.
    pub(crate) fn check(&mut self) -> Result<(), DemoError> {
        self.server.check()?;
        self.daemon.check()?;
        self.emulator.check()?;
        self.udevd.check()
    }
}

fn write(path: &Path, content: &str) -> Result<(), DemoError> {
    fs::write(path, content).map_err(system(path.display().to_string()))
}
