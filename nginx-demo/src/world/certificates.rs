//! An authority and two servers' certificates, made anew for each run by the command `openssl`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::write;
use crate::error::{DemoError, system};
use crate::process::run;

/// OpenSSL's own configuration must not matter, nor ours, which is for nginx.
const CONFIGURATION: &str = "[req]\ndistinguished_name = name\n[name]\n";

/// Longer than any run.
const DAYS: &str = "7";

/// Where they are. The files vanish with the namespace.
pub(crate) struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    /// The names of the servers, which are those of the files too.
    pub(crate) const SERVERS: [&'static str; 2] = ["rsa", "ecdsa"];

    pub(super) fn make(directory: &Path) -> Result<Self, DemoError> {
        fs::create_dir_all(directory).map_err(system(directory.display().to_string()))?;
        write(&directory.join("openssl.cnf"), CONFIGURATION)?;
        let certificates = Self { directory: directory.to_owned() };
        let p256: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        let authority = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign"];
        certificates.request("authority", &[&p256[..], &authority].concat())?;
        for server in Self::SERVERS {
            let key: &[&str] = if server == "rsa" { &["-newkey", "rsa:2048"] } else { &p256 };
            let names = format!("subjectAltName=DNS:{}", Self::host(server));
            let of_authority = ["-CA", "authority.pem", "-CAkey", "authority.key"];
            let server_only = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", names.as_str()];
            certificates.request(server, &[key, &of_authority, &server_only].concat())?;
        }
        Ok(certificates)
    }

    /// The name by which clients know a server.
    pub(crate) fn host(server: &str) -> String {
        format!("{server}.hotspare.test")
    }

    /// A server's certificate, or the authority's.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.pem"))
    }

    /// A server's key.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.key"))
    }

    fn request(&self, name: &str, more: &[&str]) -> Result<(), DemoError> {
        let mut command = Command::new("openssl");
        command.current_dir(&self.directory).env("OPENSSL_CONF", "openssl.cnf");
        command.args(["req", "-x509", "-new", "-nodes", "-sha256", "-config", "openssl.cnf", "-days", DAYS]);
        command.args(["-subj", &format!("/CN=Hotspare demonstration {name}")]);
        command.arg("-keyout").arg(self.key(name)).arg("-out").arg(self.certificate(name));
        run(command.args(more)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_has_a_certificate_of_the_authority_for_its_name() {
        let directory = std::env::temp_dir().join(format!("hotspare-certificates-{}", std::process::id()));
        let made = Certificates::make(&directory);
        let verified: Vec<_> = Certificates::SERVERS
            .iter()
            .map(|server| {
                let made = made.as_ref().unwrap();
                let mut command = Command::new("openssl");
                command.args(["verify", "-verify_hostname", &Certificates::host(server), "-CAfile"]);
                run(command.arg(made.certificate("authority")).arg(made.certificate(server)))
            })
            .collect();
        fs::remove_dir_all(&directory).unwrap();
        for verified in verified {
            assert!(verified.unwrap().contains("OK"));
        }
    }
}
