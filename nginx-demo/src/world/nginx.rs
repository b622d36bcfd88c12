//! nginx, as the distribution has it: what makes it use the accelerators is one variable in its environment.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::{Certificates, Places, START_TIME, write};
use crate::error::{DemoError, system};
use crate::interrupt::Interrupt;
use crate::process::{Program, run};

/// More than there are processors, as everywhere: several processes share each device.
const WORKERS: usize = 4;

/// The ports of [`Certificates::SERVERS`].
pub(crate) const PORTS: [u16; 2] = [8443, 8444];

/// How long nginx may take to exchange its workers.
const RELOAD_TIME: Duration = Duration::from_secs(15);

/// The running nginx.
pub(crate) struct Nginx {
    process: Program,
}

impl Nginx {
    pub(super) fn start(
        places: &Places,
        certificates: &Certificates,
        interrupt: &Interrupt,
    ) -> Result<Self, DemoError> {
        let directory = places.run.join("nginx");
        std::fs::create_dir_all(&directory).map_err(system(directory.display().to_string()))?;
        let (configuration, openssl) = (directory.join("nginx.conf"), directory.join("openssl.cnf"));
        write(&configuration, &nginx_conf(&directory, &places.log("nginx"), certificates))?;
        write(&openssl, &openssl_cnf(places))?;
        let command = |test: bool| {
            let mut command = Command::new("nginx");
            command.env("OPENSSL_CONF", &openssl).arg("-p").arg(&directory).arg("-c").arg(&configuration);
            // Before it has read its configuration, it would complain in its compiled-in log.
            command.arg("-e").arg(places.log("nginx"));
            if test {
                command.arg("-t");
            }
            command
        };
        run(&mut command(true))?;
        let process = Program::start("nginx", command(false), &places.log("nginx-output"))?;
        let mut nginx = Self { process };
        interrupt.wait_for("nginx's start", START_TIME, || {
            nginx.process.check()?;
            let listens = |port| TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok();
            Ok(PORTS.into_iter().all(listens))
        })?;
        Ok(nginx)
    }

    pub(super) fn check(&mut self) -> Result<(), DemoError> {
        self.process.check()
    }

    /// Has nginx start new workers and let the old ones finish; waits until they have.
    pub(crate) fn reload(&mut self, interrupt: &Interrupt) -> Result<(), DemoError> {
        let old = self.workers()?;
        self.process.signal(Signal::HUP)?;
        interrupt.wait_for("nginx's exchange of its workers", RELOAD_TIME, || {
            self.check()?;
            let now = self.workers()?;
            Ok(now.len() == WORKERS && now.iter().all(|pid| !old.contains(pid)))
        })
    }

    /// Ends it as an administrator would, with all requests answered. True if it did so in time.
    pub(crate) fn quit(&mut self) -> bool {
        self.process.end(Signal::QUIT)
    }

    fn workers(&self) -> Result<Vec<u32>, DemoError> {
        let path = format!("/proc/{0}/task/{0}/children", self.process.pid());
        let children = std::fs::read_to_string(&path).map_err(system(path))?;
        Ok(children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
    }
}

fn nginx_conf(directory: &Path, log: &Path, certificates: &Certificates) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {}/{kind};\n", directory.display()))
        .collect();
    let servers: String = Certificates::SERVERS.iter().zip(PORTS).map(|(name, port)| {
        format!(
            "    server {{\n        listen 127.0.0.1:{port} ssl;\n        server_name {host};\n        \
             ssl_certificate {certificate};\n        ssl_certificate_key {key};\n        location / {{ return 200 \
             \"{name}\\n\"; }}\n    }}\n",
            host = Certificates::host(name),
            certificate = certificates.certificate(name).display(),
            key = certificates.key(name).display(),
        )
    }).collect();
    // In a user namespace there is no other user than root that workers could become.
    format!(
        "daemon off;\nuser root;\nworker_processes {WORKERS};\npid {directory}/nginx.pid;\nerror_log {log} notice;\n\
         env OPENSSL_CONF;\nevents {{ worker_connections 512; }}\nhttp {{\n{temporary}    access_log off;\n    \
         default_type text/plain;\n    keepalive_timeout 0;\n    lingering_close off;\n    \
         ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_ecdh_curve X25519:prime256v1;\n    ssl_session_cache off;\n    \
         ssl_session_tickets off;\n{servers}}}\n",
        directory = directory.display(),
        log = log.display(),
    )
}

fn openssl_cnf(places: &Places) -> String {
    format!(
        "openssl_conf = openssl\n\n[openssl]\nproviders = providers\nalg_section = algorithms\n\n[algorithms]\n\
         default_properties = ?provider=hotspare\n\n[providers]\ndefault = default_provider\n\
         hotspare = hotspare_provider\n\n[default_provider]\nactivate = 1\n\n[hotspare_provider]\nmodule = {}\n\
         activate = 1\ndevices = emulated:{}\nstats_dir = {}\nlog = info\n",
        places.program("hotspare.so").display(),
        places.emulator_root().display(),
        places.stats().display(),
    )
}
