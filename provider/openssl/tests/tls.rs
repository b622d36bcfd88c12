//! TLS handshakes between `s_server` and `s_client`, each with and without the provider.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use support::{Bench, SIDES, Side, text};

/// A server on a port that the system chose; ended when dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(bench: &Bench, side: Side, arguments: &str) -> Self {
        let mut child = bench
            .command(side, "openssl")
            .args("s_server -accept 127.0.0.1:0 -www -naccept 1000".split_whitespace())
            .args(arguments.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // "ACCEPT 127.0.0.1:PORT"
        let port = loop {
            let Some(Ok(line)) = lines.next() else {
                let mut said = String::new();
                child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                let _ = child.wait();
                panic!("{side:?}: s_server {arguments}: {said}");
            };
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                break address.rsplit(':').next().unwrap().trim().parse().unwrap();
            }
        };
        // What it writes later must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        let mut errors = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        Self { child, port }
    }

    /// A handshake; what the client said.
    fn connect(&self, bench: &Bench, side: Side, arguments: &str) -> Result<String, String> {
        let mut client = bench
            .command(side, "openssl")
            .args(["s_client", "-connect", &format!("127.0.0.1:{}", self.port)])
            .args("-CAfile ca.pem -verify_return_error -verify_hostname test.invalid".split_whitespace())
            .args(arguments.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut output = client.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut said = Vec::new();
            let _ = output.read_to_end(&mut said);
            said
        });
        let mut errors = client.stderr.take().unwrap();
        let failures = std::thread::spawn(move || {
            let mut said = Vec::new();
            let _ = errors.read_to_end(&mut said);
            said
        });
        while client.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                client.kill().unwrap();
            }
            std::thread::yield_now();
        }
        let status = client.wait().unwrap();
        let (said, failed) = (text(&reader.join().unwrap()), text(&failures.join().unwrap()));
        if status.success() && said.contains("Verify return code: 0 (ok)") {
            Ok(said)
        } else {
            Err(said + &failed)
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bench_with_certificates(settings: &str) -> Bench {
    let bench = Bench::with_settings(settings);
    bench.write("names.cnf", "subjectAltName = DNS:test.invalid\n");
    bench.openssl(
        Side::Default,
        "req -x509 -newkey ec -pkeyopt group:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 9 \
         -addext basicConstraints=critical,CA:true",
    );
    for (name, kind) in [
        ("rsa", "RSA -pkeyopt rsa_keygen_bits:2048"),
        ("p256", "EC -pkeyopt group:P-256"),
        ("p384", "EC -pkeyopt group:P-384"),
    ] {
        bench.openssl(Side::Default, &format!("genpkey -algorithm {kind} -out {name}.key"));
        bench.openssl(
            Side::Default,
            &format!("req -new -key {name}.key -subj /CN=test.invalid -out {name}.csr"),
        );
        bench.openssl(
            Side::Default,
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -days 9 -set_serial 1 -extfile names.cnf -out {name}.pem"
            ),
        );
    }
    bench
}

#[test]
fn handshakes_of_all_sides_versions_certificates_and_groups() {
    let bench = bench_with_certificates("");
    for server_side in SIDES {
        let server = Server::start(
            &bench,
            server_side,
            "-cert rsa.pem -key rsa.key -dcert p256.pem -dkey p256.key -groups P-256:X25519:P-384:P-521:X448",
        );
        for client_side in SIDES {
            if (server_side, client_side) == (Side::Default, Side::Default) {
                continue;
            }
            for version in ["-tls1_2", "-tls1_3"] {
                for (group, shown) in [
                    ("P-256", "prime256v1"),
                    ("X25519", "X25519"),
                    ("P-384", "secp384r1"),
                    ("P-521", "secp521r1"),
                    ("X448", "X448"),
                ] {
                    for algorithm in ["RSA-PSS+SHA256", "ECDSA+SHA256"] {
                        let groups =
                            if group == "P-256" { group.to_owned() } else { format!("{group}:P-256") };
                        // Before 1.3 the groups are those of the certificate's key too. The client's first is taken.
                        let arguments = format!("{version} -groups {groups} -sigalgs {algorithm}");
                        let said = server.connect(&bench, client_side, &arguments).unwrap_or_else(|said| {
                            panic!("{server_side:?} {client_side:?} {arguments}: {said}")
                        });
                        let key = said.lines().find(|line| line.contains("Temp Key")).unwrap_or(&said);
                        assert!(key.contains(shown), "{arguments}: {key}");
                    }
                }
            }
        }
    }
}

#[test]
fn handshakes_with_finite_fields() {
    let bench = bench_with_certificates("");
    bench.openssl(Side::Default, "dhparam -dsaparam -out dh.pem 2048");
    for server_side in SIDES {
        let groups = "-groups ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192";
        let server = Server::start(&bench, server_side, &format!("-cert rsa.pem -key rsa.key {groups}"));
        let file = Server::start(
            &bench,
            server_side,
            "-cert rsa.pem -key rsa.key -dhparam dh.pem -cipher DHE:@SECLEVEL=1",
        );
        for client_side in SIDES {
            if (server_side, client_side) == (Side::Default, Side::Default) {
                continue;
            }
            let connect = |server: &Server, arguments: &str, shown: &str| {
                let said = server
                    .connect(&bench, client_side, arguments)
                    .unwrap_or_else(|said| panic!("{server_side:?} {client_side:?} {arguments}: {said}"));
                let key = said.lines().find(|line| line.contains("Temp Key")).unwrap_or(&said);
                assert!(key.contains(shown), "{arguments}: {key}");
            };
            for bits in [2048, 3072, 4096, 8192] {
                connect(&server, &format!("-tls1_3 -groups ffdhe{bits}"), &format!("DH, {bits} bits"));
            }
            // The server's own choice of a group by the strength of its certificate, and parameters from a file.
            connect(&server, "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256", "DH, ");
            connect(&file, "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=1", "DH, 2048 bits");
        }
    }
}

#[test]
fn other_ways_to_shake_hands() {
    let bench = bench_with_certificates("");
    let server = Server::start(&bench, Side::Hotspare, "-cert rsa.pem -key rsa.key");
    for side in SIDES {
        // PKCS#1 v1.5 signatures, and RSA decryption of the premaster secret.
        server.connect(&bench, side, "-tls1_2 -sigalgs RSA+SHA256").unwrap();
        server.connect(&bench, side, "-tls1_2 -cipher AES128-GCM-SHA256").unwrap();
        server.connect(&bench, side, "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256").unwrap();
        // The default groups, in whatever version of OpenSSL.
        server.connect(&bench, side, "").unwrap();
    }
    let server = Server::start(&bench, Side::Hotspare, "-cert p384.pem -key p384.key");
    for side in SIDES {
        server.connect(&bench, side, "-sigalgs ECDSA+SHA384").unwrap();
    }
    // Certificates of the client.
    for name in ["rsa", "p256", "p384"] {
        let server = Server::start(
            &bench,
            Side::Hotspare,
            "-cert rsa.pem -key rsa.key -Verify 1 -CAfile ca.pem -verify_return_error",
        );
        for version in ["-tls1_2", "-tls1_3"] {
            let arguments = format!("{version} -cert {name}.pem -key {name}.key");
            server.connect(&bench, Side::Hotspare, &arguments).unwrap();
        }
    }
}

/// A client that does not trust the server must say so with us too.
#[test]
fn a_wrong_certificate_is_refused() {
    let bench = bench_with_certificates("");
    bench.openssl(
        Side::Default,
        "req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -subj /CN=test.invalid \
         -addext subjectAltName=DNS:test.invalid",
    );
    let server = Server::start(&bench, Side::Hotspare, "-cert other.pem -key other.key");
    for side in SIDES {
        let said = server.connect(&bench, side, "").unwrap_err();
        assert!(said.contains("self-signed certificate"), "{said}");
    }
}

#[test]
fn without_hardware_a_handshake_that_requires_it_fails() {
    let bench = bench_with_certificates("require_hardware = yes");
    let server = Server::start(&bench, Side::Hotspare, "-cert rsa.pem -key rsa.key");
    assert!(server.connect(&bench, Side::Default, "-tls1_3").is_err());
}
