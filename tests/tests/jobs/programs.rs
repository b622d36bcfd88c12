//! Programs of others that run jobs: `openssl speed -async_jobs`, `openssl s_server -async`.

use std::fs;
use std::process::Command;
use std::time::Duration;

use hotspare_device::stats::{Counter, Sum, read_all};
use hotspare_tests::emulator::Emulator;
use hotspare_tests::process::{self, Program};
use hotspare_tests::programs;
use hotspare_tests::scratch::Scratch;

use crate::connections::make_certificates;
use crate::{PATIENCE, eventually};

struct World {
    files: Scratch,
    _emulator: Emulator,
}

impl World {
    fn new() -> Self {
        let (files, emulator) = (Scratch::new(), Emulator::start(2));
        let text = format!(
            "openssl_conf = all\n[all]\nproviders = providers\nalg_section = algorithms\n\
             [algorithms]\ndefault_properties = ?provider=hotspare\n\
             [providers]\ndefault = default_section\nhotspare = hotspare_section\n[default_section]\nactivate = 1\n\
             [hotspare_section]\nactivate = 1\nmodule = {}\ndevices = {}\nstats_dir = {}/stats\n",
            programs::provider_module().display(),
            emulator.specification(),
            files.path().display(),
        );
        fs::write(files.path().join("openssl.cnf"), text).unwrap();
        Self { files, _emulator: emulator }
    }

    fn openssl(&self, arguments: &str) -> Command {
        let mut command = Command::new("openssl");
        command.env("OPENSSL_CONF", self.files.path().join("openssl.cnf"));
        command.current_dir(self.files.path()).args(arguments.split(' '));
        command
    }

    fn counters(&self) -> Sum {
        let (processes, errors) = read_all(&self.files.path().join("stats")).unwrap();
        assert!(errors.is_empty(), "{errors:?}");
        let mut sum = Sum::default();
        processes.iter().for_each(|process| sum.add(&process.sum));
        sum
    }
}

#[test]
fn openssl_speed() {
    let world = World::new();
    let measured = "rsa2048 ecdsap256 ecdhx25519";
    let said =
        process::run(world.openssl(&format!("speed -elapsed -seconds 1 -async_jobs 8 {measured}")), PATIENCE);
    let said = said.unwrap();
    assert!(!said.contains("failure") && !said.contains(":error:"), "{said}");
    let sum = world.counters();
    assert_eq!((sum.imbalance(), sum.value(Counter::InFlight)), (0, 0), "law 2");
    assert_eq!(sum.value(Counter::CallerErrors) + sum.value(Counter::Refused), 0);
    let (hardware, paused) = (sum.value(Counter::Hardware), sum.value(Counter::JobsPaused));
    println!("{} requests, {hardware} by devices, {paused} pauses", sum.value(Counter::Submitted));
    assert!(hardware > 0 && paused > 0);
}

#[test]
fn s_server_and_s_client() {
    let world = World::new();
    make_certificates(world.files.path());
    let server =
        "s_server -async -unix server.sock -www -cert rsa.pem -key rsa.key -dcert ec.pem -dkey ec.key";
    let _server = Program::start(world.openssl(server));
    eventually("it listens", || world.files.path().join("server.sock").exists());
    for version in ["-tls1_2", "-tls1_3"] {
        for algorithm in ["RSA-PSS+SHA256", "ECDSA+SHA256"] {
            for jobs in ["", " -async"] {
                let client = format!("s_client -unix server.sock {version} -sigalgs {algorithm}{jobs}");
                let said = process::run(world.openssl(&client), PATIENCE).unwrap();
                assert!(said.contains("New, TLSv1"), "{client}: {said}");
            }
        }
    }
    std::thread::sleep(Duration::from_millis(1));
    let sum = world.counters();
    assert_eq!((sum.imbalance(), sum.value(Counter::InFlight)), (0, 0), "law 2");
    assert!(sum.value(Counter::JobsPaused) > 0);
}
