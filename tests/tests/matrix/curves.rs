//! Curves: ECDSA, ECDH, X25519, X448.

use std::sync::Arc;

use hotspare_tests::mode::Setup;
use hotspare_tests::openssl::Key;
use hotspare_tests::openssl::agreement::{derive, derive_with};
use hotspare_tests::openssl::params::Params;
use hotspare_tests::openssl::signature::{self, Padding, Scheme};

use crate::case::Case;
use crate::rsa::DIGESTS;

const CURVES: [&str; 4] = ["P-224", "P-256", "P-384", "P-521"];
/// Those that builds of OpenSSL may lack.
const MORE_CURVES: [&str; 3] = ["P-192", "secp256k1", "brainpoolP256r1"];
const MESSAGE: &[u8] = b"a message of the tests";

pub(crate) fn cases(setup: &Setup) -> Vec<Case> {
    let reference = setup.reference();
    let mut cases = Vec::new();
    for curve in CURVES.into_iter().chain(MORE_CURVES) {
        let first = cases.len();
        let exists = Key::generate_ec(reference, curve).is_ok();
        // Where the curve is not there, its cases are made and not run.
        let name = if exists { curve } else { "P-256" };
        let keys = [(); 2].map(|()| Arc::new(Key::generate_ec(reference, name).unwrap()));
        ecdsa(&mut cases, setup, curve, &keys[0]);
        for (mode, kdf) in [("", false), ("X963KDF", true)] {
            let [own, peer] = keys.clone();
            cases.push(Case::new(
                ("ECDH", "derive"),
                mode,
                if kdf { "SHA256" } else { "" },
                curve,
                move |side| {
                    let mut settings = Params::new();
                    if kdf {
                        settings = settings.text(c"kdf-type", "X963KDF").text(c"kdf-digest", "SHA2-256");
                        settings = settings.small(c"kdf-outlen", 32);
                    }
                    derive_with(side, &own, &peer, settings).map(drop)
                },
            ));
        }
        cases.push(Case::new(("EC", "generate"), "", "", curve, move |side| {
            Key::generate_ec(side, curve).map(drop)
        }));
        if MORE_CURVES.contains(&curve) {
            for case in &mut cases[first..] {
                case.versions = "where built in";
                case.unavailable = (!exists).then_some(["passed through"; 2]);
            }
        }
    }
    for (name, algorithm) in [("X25519", c"X25519"), ("X448", c"X448")] {
        let [own, peer] = [(); 2].map(|()| Key::generate(reference, algorithm, Params::new()).unwrap());
        cases
            .push(Case::new((name, "derive"), "", "", name, move |side| derive(side, &own, &peer).map(drop)));
        cases.push(Case::new((name, "generate"), "", "", name, move |side| {
            Key::generate(side, algorithm, Params::new()).map(drop)
        }));
    }
    cases
}

fn ecdsa(cases: &mut Vec<Case>, setup: &Setup, curve: &'static str, key: &Arc<Key>) {
    for (name, digest) in DIGESTS {
        let scheme = Scheme { digest, padding: Padding::None };
        let (signer, signing) = (Arc::clone(key), scheme.clone());
        cases.push(Case::new(("ECDSA", "sign"), "", name, curve, move |side| {
            signature::sign(side, &signer, &signing, MESSAGE).map(drop)
        }));
        let (signer, reference) = (Arc::clone(key), setup.reference().clone());
        cases.push(Case::new(("ECDSA", "verify"), "", name, curve, move |side| {
            let signature = signature::sign(&reference, &signer, &scheme, MESSAGE)?;
            assert!(signature::verify(side, &signer, &scheme, MESSAGE, &signature)?);
            Ok(())
        }));
    }
}
