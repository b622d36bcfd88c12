//! The servers that are shown, as the distribution has them. What makes one use the accelerators is written as its page in
//! `docs/` tells an administrator to; all else that they differ in is a [`Recipe`].

mod haproxy;
mod nginx;
mod page;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use page::Page;
use rustix::process::Signal;

use super::{Certificates, Places, START_TIME};
use crate::error::{DemoError, system};
use crate::interrupt::Interrupt;
use crate::options::ServerName;
use crate::process::{Program, run};

/// The ports of [`Certificates::SERVERS`].
pub(crate) const PORTS: [u16; 2] = [8443, 8444];

/// How long a server may take to exchange its workers.
const RELOAD_TIME: Duration = Duration::from_secs(15);

/// The number of the user `nobody` and of the group `nogroup`: workers are no administrators.
const ORDINARY: u32 = 65534;

/// Whether there is such a user here. In the namespace of somebody who is not root there is only that somebody.
fn ordinary_user_exists() -> bool {
    // A line each for a range: its first number here, its first number outside, how many.
    let has = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
        let (first, count) = (numbers.next(), numbers.nth(1));
        matches!((first, count), (Some(Ok(first)), Some(Ok(count)))
            if (first..first + count).contains(&ORDINARY.into()))
    };
    std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.lines().any(has))
}

/// How one of the servers is run.
struct Recipe {
    /// Reads the configuration, and fails if there is something wrong with it.
    check: Command,
    /// Runs it, in the foreground.
    run: Command,
    /// Its child processes, which serve.
    workers: usize,
    /// Has it start new workers and let the old ones finish.
    reload: Signal,
    /// What an administrator types for that.
    reload_shown: &'static str,
    /// Has it end when all requests are answered.
    quit: Signal,
    /// Where its standard error ends up.
    log: PathBuf,
    /// What an administrator reads.
    page: Page,
}

/// A running server.
pub(crate) struct Server {
    recipe: Recipe,
    process: Program,
}

impl Server {
    pub(super) fn start(
        name: ServerName,
        places: &Places,
        certificates: &Certificates,
        interrupt: &Interrupt,
    ) -> Result<Self, DemoError> {
        let directory = places.run.join(name.text());
        std::fs::create_dir_all(&directory).map_err(system(directory.display().to_string()))?;
        let mut recipe = match name {
            ServerName::Nginx => nginx::recipe(&directory, places, certificates)?,
            ServerName::Haproxy => haproxy::recipe(&directory, places, certificates)?,
        };
        run(&mut recipe.check)?;
        let command = std::mem::replace(&mut recipe.run, Command::new("true"));
        let process = Program::start(name.text(), command, &places.log(name.text()))?;
        let mut server = Self { recipe, process };
        interrupt.wait_for("the server's start", START_TIME, || {
            server.check()?;
            let listens = |port| TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok();
            Ok(PORTS.into_iter().all(listens))
        })?;
        Ok(server)
    }

    pub(super) fn check(&mut self) -> Result<(), DemoError> {
        self.process.check()
    }

    /// What an administrator types to have it reloaded.
    pub(crate) fn reload_shown(&self) -> &'static str {
        self.recipe.reload_shown
    }

    /// Has it start new workers and let the old ones finish; waits until they have.
    pub(crate) fn reload(&mut self, interrupt: &Interrupt) -> Result<(), DemoError> {
        let old = self.workers()?;
        self.process.signal(self.recipe.reload)?;
        interrupt.wait_for("the server's exchange of its workers", RELOAD_TIME, || {
            self.check()?;
            let now = self.workers()?;
            Ok(now.len() == self.recipe.workers && now.iter().all(|pid| !old.contains(pid)))
        })
    }

    /// Ends it as an administrator would, with all requests answered. True if it did so in time.
    pub(crate) fn quit(&mut self) -> bool {
        self.process.end(self.recipe.quit)
    }

    /// What its page says that its log says, and its log doesn't.
    pub(crate) fn unsaid(&self) -> Result<Vec<&'static str>, DemoError> {
        let log = &self.recipe.log;
        let said = std::fs::read(log).map_err(system(log.display().to_string()))?;
        let said = String::from_utf8_lossy(&said);
        Ok(self.recipe.page.log_lines().filter(|line| !said.contains(line)).collect())
    }

    fn workers(&self) -> Result<Vec<u32>, DemoError> {
        let path = format!("/proc/{0}/task/{0}/children", self.process.pid());
        let children = std::fs::read_to_string(&path).map_err(system(path))?;
        Ok(children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
    }
}
