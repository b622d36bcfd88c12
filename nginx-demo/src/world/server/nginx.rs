//! nginx: several processes that wait for the devices. What makes it use them is one variable in its environment.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use super::page::{Page, place};
use super::{PORTS, Recipe, ordinary_user_exists};
use crate::error::DemoError;
use crate::world::{Certificates, Places, write};

/// More than there are processors, as everywhere: several processes share each device.
const WORKERS: usize = 4;

/// What an administrator reads.
const PAGE: Page = Page { name: "docs/nginx.md", text: include_str!("../../../../docs/nginx.md") };

pub(super) fn recipe(
    directory: &Path,
    places: &Places,
    certificates: &Certificates,
) -> Result<Recipe, DemoError> {
    let (configuration, openssl) = (directory.join("nginx.conf"), directory.join("openssl.cnf"));
    write(&openssl, &place(&PAGE.block("/etc/nginx/openssl.cnf")?, places))?;
    let log = places.log("nginx-errors");
    write(&configuration, &nginx_conf(directory, &log, certificates, &PAGE.block("/etc/nginx/nginx.conf")?))?;
    let command = || {
        let mut command = Command::new("nginx");
        command.env("OPENSSL_CONF", &openssl).arg("-p").arg(directory).arg("-c").arg(&configuration);
        // Before it has read its configuration, it would complain in its compiled-in log.
        command.arg("-e").arg(&log);
        command
    };
    let mut check = command();
    check.arg("-t");
    Ok(Recipe {
        check,
        run: command(),
        workers: WORKERS,
        reload: Signal::HUP,
        reload_shown: "nginx -s reload",
        quit: Signal::QUIT,
        // nginx makes its standard error that.
        log,
        page: PAGE,
    })
}

fn nginx_conf(directory: &Path, log: &Path, certificates: &Certificates, of_page: &str) -> String {
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
    let user = if ordinary_user_exists() { "nobody nogroup" } else { "root" };
    format!(
        "daemon off;\nuser {user};\nworker_processes {WORKERS};\npid {directory}/nginx.pid;\nerror_log {log} notice;\n\
         {of_page}events {{ worker_connections 512; }}\nhttp {{\n{temporary}    access_log off;\n    \
         default_type text/plain;\n    keepalive_timeout 0;\n    lingering_close off;\n    \
         ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_ecdh_curve X25519:prime256v1;\n    ssl_session_cache off;\n    \
         ssl_session_tickets off;\n{servers}}}\n",
        directory = directory.display(),
        log = log.display(),
    )
}
