//! What one side signs the other verifies, and both agree on the same secrets: Hotspare and OpenSSL's default provider,
//! over thousands of random messages and a pool of keys made by either.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};

use hotspare_tests::mode::{self, Mode, Setup};
use hotspare_tests::openssl::agreement::derive;
use hotspare_tests::openssl::params::Params;
use hotspare_tests::openssl::signature::{Padding, Scheme, sign, verify};
use hotspare_tests::openssl::{Key, Side};
use hotspare_tests::random::Random;

/// Rounds of a pass. A round is a message signed and verified both ways, or a secret agreed on.
const ROUNDS: usize = 3000;
/// How often devices must have died before a run with dying devices is enough.
const DEATHS: usize = 20;
/// The longest message.
const MESSAGE_BYTES: usize = 2000;

hotspare_tests::in_every_mode!(run);

fn run(mode: Mode) {
    mode::run(mode, |setup| {
        let keys = Keys::generate(setup);
        let rounds = AtomicU64::new(0);
        setup.until_enough(DEATHS, || {
            setup.each(ROUNDS, |_| {
                let number = rounds.fetch_add(1, Ordering::Relaxed);
                round(setup, &keys, &mut Random::new(setup.seed(), number));
            });
        });
        println!("{} rounds", rounds.load(Ordering::Relaxed));
    });
}

/// The pool. Of each kind one key is made by either side.
struct Keys {
    rsa: Vec<Key>,
    p256: Vec<Key>,
    p384: Vec<Key>,
    p521: Vec<Key>,
    x25519: Vec<Key>,
    x448: Vec<Key>,
}

impl Keys {
    fn generate(setup: &Setup) -> Self {
        let sides = [setup.tested(), setup.reference()];
        let rsa = |side| [2048, 2048, 2048, 3072].map(|bits| Key::generate_rsa(side, bits).unwrap());
        let curve = |name| move |side| [(); 4].map(|()| Key::generate_ec(side, name).unwrap());
        let montgomery =
            |name| move |side| [(); 4].map(|()| Key::generate(side, name, Params::new()).unwrap());
        let mut keys = Self {
            rsa: sides.into_iter().flat_map(rsa).collect(),
            p256: sides.into_iter().flat_map(curve("P-256")).collect(),
            p384: sides.into_iter().flat_map(curve("P-384")).collect(),
            p521: sides.into_iter().flat_map(curve("P-521")).collect(),
            x25519: sides.into_iter().flat_map(montgomery(c"X25519")).collect(),
            x448: sides.into_iter().flat_map(montgomery(c"X448")).collect(),
        };
        keys.rsa.push(Key::generate_rsa(setup.reference(), 4096).unwrap());
        keys
    }
}

fn round(setup: &Setup, keys: &Keys, random: &mut Random) {
    match random.below(12) {
        0..=2 => signature(setup, random.choose(&keys.rsa), &rsa_scheme(random), random),
        3..=6 => {
            let curve = *random.choose(&[&keys.p256, &keys.p256, &keys.p384, &keys.p521]);
            let scheme = Scheme { digest: digest(random), padding: Padding::None };
            signature(setup, random.choose(curve), &scheme, random);
        }
        _ => {
            let kinds = [&keys.p256, &keys.p384, &keys.p521, &keys.x25519, &keys.x448];
            let kind = *random.choose(&kinds);
            agreement(setup, random.choose(kind), random.choose(kind));
        }
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
