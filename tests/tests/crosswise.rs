//! What one side signs the other verifies, and both agree on the same secrets: Hotspare and OpenSSL's default provider,
//! over thousands of random messages and a pool of keys made by either.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hotspare_tests::mode::{Mode, Setup};
use hotspare_tests::openssl::agreement::derive;
use hotspare_tests::openssl::signature::{Padding, Scheme, sign, verify};
use hotspare_tests::openssl::{Key, Side};
use hotspare_tests::random::{self, Random};

/// Threads that work at once, so that a dying device has several requests in flight.
const THREADS: u64 = 6;
/// Rounds in all, at least. A round is a message signed and verified both ways, or a secret agreed on.
const ROUNDS: usize = 3000;
/// How often devices must have died, replays on both paths among them, before a run with dying devices is enough, and
/// how long it may take to that.
const DEATHS: usize = 20;
const BOUND: Duration = Duration::from_secs(300);
/// The longest message.
const MESSAGE_BYTES: usize = 2000;

#[test]
fn default_provider() {
    run(Mode::DefaultProvider);
}

#[test]
fn software() {
    run(Mode::Software);
}

#[test]
fn by_device() {
    run(Mode::Devices);
}

#[test]
fn with_devices_dying_all_the_while() {
    run(Mode::DyingDevices);
}

fn run(mode: Mode) {
    // One mode at a time: each alone keeps the machine busy.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = random::seed();
    let setup = Setup::new(mode, seed);
    let work = Work {
        keys: Keys::generate(&setup),
        setup,
        rounds: AtomicUsize::new(0),
        end: Instant::now() + BOUND,
    };
    thread::scope(|scope| {
        let start = |number| {
            let work = &work;
            scope.spawn(move || work.until_enough(Random::new(seed, number)))
        };
        let threads: Vec<_> = (0..THREADS).map(start).collect();
        // A scope waits for the work of its threads, not for their end. OpenSSL must have freed what it holds for each of
        // them before the library context goes.
        for thread in threads {
            thread.join().unwrap();
        }
    });
    println!("{mode:?}: {} rounds, {} deaths", work.rounds.load(Ordering::Relaxed), work.setup.deaths());
    work.setup.check_counters();
}

/// What the threads share.
struct Work {
    // Before the setup, to whose library context they belong.
    keys: Keys,
    setup: Setup,
    rounds: AtomicUsize,
    end: Instant,
}

impl Work {
    fn until_enough(&self, mut random: Random) {
        while !self.is_enough() {
            assert!(Instant::now() < self.end, "not enough within {BOUND:?}: {} deaths", self.setup.deaths());
            round(&self.setup, &self.keys, &mut random);
            self.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_enough(&self) -> bool {
        self.rounds.load(Ordering::Relaxed) >= ROUNDS
            && (self.setup.mode() != Mode::DyingDevices
                || (self.setup.deaths() >= DEATHS && self.setup.has_replayed()))
    }
}

/// The pool. Of each kind one key is made by either side.
struct Keys {
    rsa: Vec<Key>,
    p256: Vec<Key>,
    x25519: Vec<Key>,
}

impl Keys {
    fn generate(setup: &Setup) -> Self {
        let sides = [setup.tested(), setup.reference()];
        let rsa = |side| [2048, 2048, 2048, 3072].map(|bits| Key::generate_rsa(side, bits).unwrap());
        let p256 = |side| [(); 6].map(|()| Key::generate_ec(side, "P-256").unwrap());
        let x25519 = |side| [(); 6].map(|()| Key::generate_x25519(side).unwrap());
        let mut keys = Self {
            rsa: sides.into_iter().flat_map(rsa).collect(),
            p256: sides.into_iter().flat_map(p256).collect(),
            x25519: sides.into_iter().flat_map(x25519).collect(),
        };
        keys.rsa.push(Key::generate_rsa(setup.reference(), 4096).unwrap());
        keys
    }
}

fn round(setup: &Setup, keys: &Keys, random: &mut Random) {
    match random.below(8) {
        0..=2 => signature(setup, random.choose(&keys.rsa), &rsa_scheme(random), random),
        3..=5 => {
            let scheme = Scheme { digest: digest(random), padding: Padding::None };
            signature(setup, random.choose(&keys.p256), &scheme, random);
        }
        6 => agreement(setup, random.choose(&keys.p256), random.choose(&keys.p256)),
        _ => agreement(setup, random.choose(&keys.x25519), random.choose(&keys.x25519)),
    }
}

const DIGESTS: [&CStr; 5] = [c"SHA1", c"SHA2-256", c"SHA2-384", c"SHA2-512", c"SHA3-256"];

fn digest(random: &mut Random) -> &'static CStr {
    DIGESTS[random.below(DIGESTS.len())]
}

fn rsa_scheme(random: &mut Random) -> Scheme {
    let digest = digest(random);
    let padding = match random.below(2) {
        0 => Padding::Pkcs1,
        _ => {
            // 2048 bits leave room for a salt of 126 bytes beside the longest digest.
            let salt_bytes = i32::try_from(random.below(127)).unwrap();
            Padding::Pss { mask_digest: self::digest(random), salt_bytes }
        }
    };
    Scheme { digest, padding }
}

fn signature(setup: &Setup, key: &Key, scheme: &Scheme, random: &mut Random) {
    let length = random.below(MESSAGE_BYTES);
    let message = random.bytes(length);
    for (signer, verifier) in crosswise(setup) {
        let mut signature = sign(signer, key, scheme, &message).unwrap();
        assert!(
            verify(verifier, key, scheme, &message, &signature).unwrap(),
            "{} signed, {} refuses: {scheme:?}, {length} bytes",
            signer.provider(),
            verifier.provider()
        );
        let place = random.below(signature.len());
        signature[place] ^= 1 << random.below(8);
        assert!(
            !verify(verifier, key, scheme, &message, &signature).unwrap(),
            "{} takes a changed signature: {scheme:?}, byte {place}",
            verifier.provider()
        );
    }
}

fn agreement(setup: &Setup, one: &Key, other: &Key) {
    for (mine, theirs) in crosswise(setup) {
        let secrets = (derive(mine, one, other).unwrap(), derive(theirs, other, one).unwrap());
        assert_eq!(secrets.0, secrets.1, "{} and {}", mine.provider(), theirs.provider());
    }
}

fn crosswise(setup: &Setup) -> [(&Side, &Side); 2] {
    [(setup.tested(), setup.reference()), (setup.reference(), setup.tested())]
}
