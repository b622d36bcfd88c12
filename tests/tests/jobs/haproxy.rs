//! Connections to an asynchronous HAProxy that are cut off in mid-handshake. When a connection is closed while its job is paused,
//! HAProxy waits until the job is woken, and then frees the connection without resuming the job (haproxy#3453).

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hotspare_device::stats::{Counter, Sum, read_all};
use hotspare_tests::chaos::Chaos;
use hotspare_tests::emulator::Emulator;
use hotspare_tests::mode::{Mode, Setup};
use hotspare_tests::process::{self, Program};
use hotspare_tests::programs;
use hotspare_tests::random::{self, Random};
use hotspare_tests::scratch::Scratch;
use rustix::process::Signal;

use crate::connections::{connections, hellos, make_certificates};
use crate::{PATIENCE, eventually};

/// How many are cut off before anything is measured.
const FIRST: usize = 500;
/// How long requests may be with devices, in milliseconds: usually, and so long that HAProxy gives up first.
const DEADLINE_MS: u64 = 20;
const LONG_DEADLINE_MS: u64 = 500;
/// Jobs that are given up before it is enough.
const GIVEN_UP: u64 = 100;
/// So many connections are open at once.
const AT_ONCE: usize = 32;
/// What a paused job leaves when it is given up is OpenSSL's and HAProxy's: its stack, and what lies on it (see `connections.rs`, where it
/// is measured to the byte). This bounds what HAProxy's memory grows by for each, whoever it is.
const GROWTH_MAX_BYTES: u64 = 48 << 10;

/// What is behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    Devices,
    /// They die all the while, and it has less patience than a request with a device that hangs.
    DyingDevices(u64),
}

struct Haproxy {
    program: Program,
    files: Scratch,
    // Stops before the emulator that it breaks.
    chaos: Option<Chaos>,
    _emulator: Option<Arc<Emulator>>,
}

impl Haproxy {
    fn start(behind: Behind) -> Self {
        let files = Scratch::new();
        make_certificates(files.path());
        for name in ["rsa", "ec"] {
            let read = |kind| fs::read_to_string(files.path().join(format!("{name}.{kind}"))).unwrap();
            fs::write(files.path().join(format!("{name}.both")), read("pem") + &read("key")).unwrap();
        }
        let emulator = (behind != Behind::Nothing).then(|| Arc::new(Emulator::start(2)));
        let is_dying = matches!(behind, Behind::DyingDevices(_));
        let mut text = String::from("global\n    nbthread 2\n    maxconn 2000\n    ssl-mode-async\n");
        if let Some(emulator) = &emulator {
            std::os::unix::fs::symlink(programs::provider_module(), files.path().join("hotspare.so"))
                .unwrap();
            let (path, devices) = (files.path().display(), emulator.specification());
            let deadline = if is_dying { LONG_DEADLINE_MS } else { DEADLINE_MS };
            // A provider reads its settings as it is loaded.
            write!(
                text,
                "    setenv HOTSPARE_DEVICES {devices}\n    setenv HOTSPARE_STATS_DIR {path}/stats\n    \
                 setenv HOTSPARE_DEADLINE_MS {deadline}\n    \
                 ssl-provider-path {path}\n    ssl-provider default\n    ssl-provider hotspare\n    \
                 ssl-propquery ?provider=hotspare\n"
            )
            .unwrap();
        }
        let patience = if is_dying { "50ms" } else { "10s" };
        write!(
            text,
            "defaults\n    mode http\n    timeout client {patience}\n    timeout http-request {patience}\n"
        )
        .unwrap();
        for name in ["rsa", "ec"] {
            let path = files.path().display();
            write!(
                text,
                "frontend {name}\n    bind unix@{path}/{name}.sock ssl crt {path}/{name}.both\n    \
                 http-request return status 200 content-type text/plain string well\n"
            )
            .unwrap();
        }
        fs::write(files.path().join("haproxy.cfg"), text).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(files.path().join("haproxy.cfg"));
        let program = Program::start(command);
        let chaos = match (behind, &emulator) {
            (Behind::DyingDevices(seed), Some(emulator)) => Some(Chaos::start(emulator, seed)),
            _ => None,
        };
        let server = Self { program, files, chaos, _emulator: emulator };
        eventually("HAProxy listens", || server.connect("ec").is_ok());
        server
    }

    fn path(&self) -> &Path {
        self.files.path()
    }

    fn connect(&self, name: &str) -> std::io::Result<UnixStream> {
        UnixStream::connect(self.path().join(format!("{name}.sock")))
    }

    /// A whole handshake and a request.
    fn serves(&self, name: &str) {
        let mut command = Command::new("openssl");
        let socket = self.path().join(format!("{name}.sock"));
        // The client asks, and waits for the server's end.
        command.env_remove("OPENSSL_CONF").args(["s_client", "-quiet", "-unix"]).arg(socket);
        let said = process::run(command, PATIENCE);
        // Without a request the server says that one is missing, or ends; what counts is the handshake.
        let said = said.unwrap_or_else(|said| said);
        assert!(said.contains("verify error") || said.contains("verify return"), "{said}");
    }

    fn resident(&self) -> u64 {
        let pages: u64 = self.of_process("statm").split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4096
    }

    fn of_process(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.program.id())).unwrap()
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.program.id())).unwrap().count()
    }

    fn counters(&self) -> Sum {
        let mut sum = Sum::default();
        if let Ok((processes, errors)) = read_all(&self.path().join("stats")) {
            assert!(errors.is_empty(), "{errors:?}");
            processes.iter().for_each(|process| sum.add(&process.sum));
        }
        sum
    }

    /// Cuts connections off: clients say hello and are gone a little later.
    fn cut_off(&self, count: usize, hellos: &[Vec<u8>], random: &mut Random) {
        let mut open = std::collections::VecDeque::new();
        for _ in 0..count {
            let name: &&str = random.choose(&["rsa", "ec"]);
            let mut client = self.connect(name).unwrap();
            let hello: &Vec<u8> = random.choose(hellos);
            client.write_all(hello).unwrap();
            open.push_back(client);
            if open.len() >= AT_ONCE {
                let place = random.below(open.len());
                let mut client = open.swap_remove_back(place).unwrap();
                match random.below(3) {
                    // It is gone.
                    0 => drop(client),
                    // It will say no more, and hears what is still said.
                    1 => {
                        client.shutdown(Shutdown::Write).unwrap();
                        client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                        let _ = client.read(&mut [0; 100]);
                    }
                    // It says what makes no sense.
                    _ => drop(client.write_all(b"what makes no sense")),
                }
            }
        }
    }

    /// What each of `count` connections that are cut off leaves of memory.
    fn growth(&self, hellos: &[Vec<u8>], random: &mut Random) -> (u64, usize) {
        self.cut_off(FIRST, hellos, random);
        let settled = || self.counters().value(Counter::InFlight) == 0;
        eventually("nothing is in flight", settled);
        let before = (self.resident(), self.descriptors());
        self.cut_off(connections(), hellos, random);
        eventually("nothing is in flight", settled);
        eventually("connections and their descriptors are closed", || self.descriptors() <= before.1);
        let growth = self.resident().saturating_sub(before.0);
        (growth, self.descriptors())
    }
}

#[test]
fn connections_cut_off_in_mid_handshake_leave_nothing_of_ours() {
    let seed = random::seed();
    let mut random = Random::new(seed, 0);
    let plain = Setup::new(Mode::DefaultProvider, seed);
    let hellos = hellos(plain.reference().library());

    let server = Haproxy::start(Behind::Nothing);
    let (growth, _) = server.growth(&hellos, &mut random);
    println!(
        "{} cut off with OpenSSL's provider: {} bytes for each",
        connections(),
        growth / connections() as u64
    );
    drop(server);

    let mut server = Haproxy::start(Behind::Devices);
    ["rsa", "ec"].iter().for_each(|name| server.serves(name));
    let before = server.counters();
    let (growth, descriptors) = server.growth(&hellos, &mut random);
    let sum = server.counters();
    let count = |counter| sum.value(counter) - before.value(counter);
    println!(
        "{} cut off with ours: {} bytes for each, {descriptors} descriptors; {} requests, {} pauses, {} abandoned",
        connections(),
        growth / connections() as u64,
        count(Counter::Submitted),
        count(Counter::JobsPaused),
        count(Counter::Abandoned)
    );
    assert_eq!(sum.imbalance(), 0, "law 2");
    assert!(count(Counter::JobsPaused) > 0);
    assert!(growth / connections() as u64 <= GROWTH_MAX_BYTES, "{growth} bytes");
    ["rsa", "ec"].iter().for_each(|name| server.serves(name));
    // It ends well, too.
    server.program.signal(Signal::USR1);
    assert!(
        server.program.wait(PATIENCE).is_some_and(|status| status.success()),
        "{}",
        server.program.said()
    );
}

#[test]
fn jobs_that_haproxy_gives_up_leave_nothing_of_ours() {
    let seed = random::seed();
    let mut random = Random::new(seed, 0);
    let plain = Setup::new(Mode::DefaultProvider, seed);
    let hellos = hellos(plain.reference().library());
    let mut server = Haproxy::start(Behind::DyingDevices(seed));
    server.cut_off(FIRST, &hellos, &mut random);
    let (before, resident) = (server.counters(), server.resident());
    let abandoned = |sum: &Sum| sum.value(Counter::Abandoned) - before.value(Counter::Abandoned);
    eventually("jobs were given up", || {
        server.cut_off(100, &hellos, &mut random);
        abandoned(&server.counters()) >= GIVEN_UP
    });
    let deaths = server.chaos.take().map_or(0, |chaos| chaos.deaths());
    eventually("nothing is in flight", || server.counters().value(Counter::InFlight) == 0);
    let sum = server.counters();
    let growth = server.resident().saturating_sub(resident) / abandoned(&sum);
    println!("{deaths} deaths, {} jobs given up, {growth} bytes of memory for each", abandoned(&sum));
    assert_eq!(sum.imbalance(), 0, "law 2");
    assert_eq!(sum.value(Counter::CallerErrors) + sum.value(Counter::Refused), 0);
    server.program.signal(Signal::USR1);
    assert!(
        server.program.wait(PATIENCE).is_some_and(|status| status.success()),
        "{}",
        server.program.said()
    );
}
