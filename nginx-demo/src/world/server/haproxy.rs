//! HAProxy: one process with several threads. What makes it use the devices stands in its own configuration; with
//! `ssl-mode-async` in it, the threads do other work while a handshake waits for a device.
//!
//! It runs in master-worker mode, as the distribution's service does (`-Ws` there, which is `-W` and a word to systemd):
//! so the provider is begun in a master that starts itself again for each reload, and used in a worker forked from it.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{MountFlags, mount_bind_recursive, mount_remount};
use rustix::process::Signal;

use super::page::{Page, place};
use super::{ORDINARY, PORTS, Recipe, ordinary_user_exists};
use crate::error::{DemoError, strange, system};
use crate::options::ServerName;
use crate::world::{Certificates, Places, write};

/// Threads of the one worker.
const THREADS: usize = 2;

/// What an administrator reads.
const PAGE: Page = Page { name: "docs/haproxy.md", text: include_str!("../../../../docs/haproxy.md") };

pub(super) fn recipe(
    directory: &Path,
    places: &Places,
    certificates: &Certificates,
) -> Result<Recipe, DemoError> {
    let configuration = directory.join("haproxy.cfg");
    let root = directory.join("chroot");
    furnish(&root, places)?;
    for name in Certificates::SERVERS {
        let read = |path: &Path| std::fs::read_to_string(path).map_err(system(path.display().to_string()));
        let (certificate, key) = (read(&certificates.certificate(name))?, read(&certificates.key(name))?);
        write(&both(directory, name), &(certificate + &key))?;
    }
    let of_page = place(&PAGE.block("/etc/haproxy/haproxy.cfg")?, places);
    write(&configuration, &haproxy_cfg(&of_page, &root, directory))?;
    let command = |argument: &str| {
        let mut command = Command::new("haproxy");
        command.arg(argument).arg("-f").arg(&configuration);
        command
    };
    Ok(Recipe {
        check: command("-c"),
        run: command("-W"),
        workers: 1,
        reload: Signal::USR2,
        reload_shown: "kill -USR2 haproxy",
        quit: Signal::USR1,
        log: places.log(ServerName::Haproxy.text()),
        page: PAGE,
    })
}

/// A server's certificate and key, which HAProxy wants in one file.
fn both(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.pem"))
}

/// Where the distribution's configuration has HAProxy's workers call `chroot`.
const ROOT: &str = "/var/lib/haproxy";

/// Does what systemd does for the lines `BindPaths=` of the page: workers can reach nothing else once they have their root.
fn furnish(root: &Path, places: &Places) -> Result<(), DemoError> {
    let unit = PAGE.block("/etc/systemd/system/haproxy.service.d/hotspare.conf")?;
    for line in unit.lines() {
        let Some((key, paths)) = line.split_once('=') else { continue };
        let read_only = match key {
            "BindPaths" => false,
            "BindReadOnlyPaths" => true,
            _ => continue,
        };
        let (from, to) = paths.split_once(':').ok_or(line).map_err(strange(PAGE.name))?;
        let to = to.strip_prefix(ROOT).ok_or(line).map_err(strange(PAGE.name))?;
        let (from, to) = (place(from, places), format!("{}{}", root.display(), place(to, places)));
        std::fs::create_dir_all(&to).map_err(system(to.clone()))?;
        mount_bind_recursive(&from, &to).map_err(system(format!("binding {from} to {to}")))?;
        if read_only {
            let flags = MountFlags::BIND
                | MountFlags::RDONLY
                | MountFlags::NOSUID
                | MountFlags::NODEV
                | MountFlags::NOEXEC;
            mount_remount(&to, flags, c"").map_err(system(format!("{to}, read-only")))?;
        }
    }
    Ok(())
}

fn haproxy_cfg(of_page: &str, root: &Path, directory: &Path) -> String {
    let user = if ordinary_user_exists() {
        format!("    uid {ORDINARY}\n    gid {ORDINARY}\n")
    } else {
        String::new()
    };
    let frontends: String = Certificates::SERVERS
        .iter()
        .zip(PORTS)
        .map(|(name, port)| {
            format!(
                "\nfrontend {name}\n    bind 127.0.0.1:{port} ssl crt {certificate}\n    \
                 http-request return status 200 content-type text/plain string \"{name}\\n\"\n",
                certificate = both(directory, name).display(),
            )
        })
        .collect();
    format!(
        "{of_page}{user}    chroot {root}\n    nbthread {THREADS}\n    log stderr format raw local0 notice\n    \
         ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets\n    ssl-default-bind-curves X25519:P-256\n    \
         tune.ssl.cachesize 0\n\ndefaults\n    mode http\n    option httpclose\n    timeout client 10s\n    \
         timeout http-request 10s\n{frontends}",
        root = root.display(),
    )
}
