//! RSA and RSA-PSS keys.

use std::ffi::CStr;
use std::sync::Arc;

use hotspare_tests::mode::Setup;
use hotspare_tests::openssl::encryption::{self, Wrapping, decrypt, encrypt, has_implicit_rejection};
use hotspare_tests::openssl::params::Params;
use hotspare_tests::openssl::signature::{self, Padding, RawPadding, Scheme};
use hotspare_tests::openssl::{Key, Side};

use crate::case::Case;

pub(crate) const DIGESTS: [(&str, &CStr); 12] = [
    ("MD5", c"MD5"),
    ("SHA1", c"SHA1"),
    ("SHA224", c"SHA2-224"),
    ("SHA256", c"SHA2-256"),
    ("SHA384", c"SHA2-384"),
    ("SHA512", c"SHA2-512"),
    ("SHA512/224", c"SHA2-512/224"),
    ("SHA512/256", c"SHA2-512/256"),
    ("SHA3-224", c"SHA3-224"),
    ("SHA3-256", c"SHA3-256"),
    ("SHA3-384", c"SHA3-384"),
    ("SHA3-512", c"SHA3-512"),
];
const MESSAGE: &[u8] = b"a message of the tests";
/// Salts of this length fit every key and digest here.
const SALT_BYTES: i32 = 20;

struct Sized {
    name: &'static str,
    bytes: usize,
    key: Arc<Key>,
}

pub(crate) fn cases(setup: &Setup) -> Vec<Case> {
    let reference = setup.reference();
    let mut cases = Vec::new();
    for key in keys(reference) {
        signatures(&mut cases, reference, "RSA", &key);
        raw_signatures(&mut cases, reference, &key);
        decryption(&mut cases, reference, &key);
    }
    for (name, bits) in [("1024", 1024), ("2048", 2048), ("3072", 3072)] {
        let key = Key::generate(reference, c"RSA-PSS", Params::new().small(c"bits", bits)).unwrap();
        signatures(&mut cases, reference, "RSA-PSS", &Sized { name, bytes: bits / 8, key: Arc::new(key) });
    }
    for (algorithm, name) in [("RSA", c"RSA"), ("RSA-PSS", c"RSA-PSS")] {
        cases.push(Case::new((algorithm, "generate"), "", "", "2048", move |side| {
            Key::generate(side, name, Params::new().small(c"bits", 2048)).map(drop)
        }));
    }
    cases
}

/// Those that take long to generate are kept in files.
fn keys(side: &Side) -> Vec<Sized> {
    let key = |name, bits: usize, key| Sized { name, bytes: bits / 8, key: Arc::new(key) };
    let generated = |bits| Key::generate_rsa(side, bits).unwrap();
    let stored = |pem: &str| Key::from_private_der(side.library(), &decoded(pem)).unwrap();
    let three = Params::new().small(c"bits", 2048).small(c"primes", 3);
    vec![
        key("1024", 1024, generated(1024)),
        key("2048", 2048, generated(2048)),
        key("2048, no primes", 2048, without_primes(side)),
        key("2048, three primes", 2048, Key::generate(side, c"RSA", three).unwrap()),
        key("3072", 3072, generated(3072)),
        key("4096", 4096, stored(include_str!("rsa4096.pem"))),
        key("8192", 8192, stored(include_str!("rsa8192.pem"))),
    ]
}

fn without_primes(side: &Side) -> Key {
    let key = Key::generate_rsa(side, 2048).unwrap();
    let mut numbers = Params::new();
    for name in [c"n", c"e", c"d"] {
        numbers = numbers.number(name, &key.number(name).unwrap());
    }
    Key::pair(side, c"RSA", numbers).unwrap()
}

fn signatures(cases: &mut Vec<Case>, reference: &Side, algorithm: &'static str, key: &Sized) {
    for padding in ["PKCS#1 v1.5", "PSS", "X9.31"] {
        if algorithm == "RSA-PSS" && padding != "PSS" {
            continue;
        }
        for (name, digest) in DIGESTS {
            let scheme = Scheme {
                digest,
                padding: match padding {
                    "PSS" => Padding::Pss { mask_digest: digest, salt_bytes: SALT_BYTES },
                    "X9.31" => Padding::X931,
                    _ => Padding::Pkcs1,
                },
            };
            let (signing, signer) = (scheme.clone(), Arc::clone(&key.key));
            cases.push(Case::new((algorithm, "sign"), padding, name, key.name, move |side| {
                signature::sign(side, &signer, &signing, MESSAGE).map(drop)
            }));
            let (signer, reference) = (Arc::clone(&key.key), reference.clone());
            cases.push(Case::new((algorithm, "verify"), padding, name, key.name, move |side| {
                let signature = signature::sign(&reference, &signer, &scheme, MESSAGE)?;
                assert!(signature::verify(side, &signer, &scheme, MESSAGE, &signature)?);
                Ok(())
            }));
        }
    }
}

fn raw_signatures(cases: &mut Vec<Case>, reference: &Side, key: &Sized) {
    let full = vec![1; key.bytes];
    let short = [1; 32];
    let paddings = [("none", RawPadding::None, &full[..]), ("PKCS#1 v1.5", RawPadding::Pkcs1, &short[..])];
    for (name, padding, ready) in paddings {
        let (signer, own) = (Arc::clone(&key.key), ready.to_vec());
        cases.push(Case::new(("RSA", "sign, no digest"), name, "", key.name, move |side| {
            signature::sign_raw(side, &signer, padding, &own).map(drop)
        }));
        let (signer, own, reference) = (Arc::clone(&key.key), ready.to_vec(), reference.clone());
        cases.push(Case::new(("RSA", "verify, recover"), name, "", key.name, move |side| {
            let signature = signature::sign_raw(&reference, &signer, padding, &own)?;
            signature::recover(side, &signer, padding, &signature).map(drop)
        }));
    }
}

fn decryption(cases: &mut Vec<Case>, reference: &Side, key: &Sized) {
    let has_rejection = has_implicit_rejection(reference, &key.key).unwrap();
    let premaster = {
        let mut secret = vec![7; 48];
        secret[..2].copy_from_slice(&encryption::TLS_1_2.to_be_bytes()[2..]);
        secret
    };
    let plain = Wrapping::Pkcs1 { implicit_rejection: None };
    let rejecting = |rejects| Wrapping::Pkcs1 { implicit_rejection: Some(rejects) };
    let mut wrappings = vec![
        ("none", "", Wrapping::None, Wrapping::None, vec![1; key.bytes]),
        ("PKCS#1 v1.5", "", plain.clone(), plain.clone(), MESSAGE.to_vec()),
        ("PKCS#1 v1.5, implicit-rejection = 1", "", plain.clone(), rejecting(true), MESSAGE.to_vec()),
        ("PKCS#1 v1.5, implicit-rejection = 0", "", plain.clone(), rejecting(false), MESSAGE.to_vec()),
        ("PKCS#1 v1.5 of TLS", "", plain, Wrapping::Tls, premaster),
    ];
    for (name, digest) in DIGESTS {
        let oaep = Wrapping::Oaep { digest, mask_digest: digest, label: Vec::new() };
        wrappings.push(("OAEP", name, oaep.clone(), oaep, vec![1; 10]));
    }
    for (name, digest, wrapping, unwrapping, message) in wrappings {
        let needs_rejection = matches!(unwrapping, Wrapping::Pkcs1 { implicit_rejection: Some(_) });
        let encrypter = Arc::clone(&key.key);
        let (wrap, own) = (wrapping.clone(), message.clone());
        if !needs_rejection && unwrapping == wrapping {
            cases.push(Case::new(("RSA", "encrypt"), name, digest, key.name, move |side| {
                encrypt(side, &encrypter, &wrap, &own).map(drop)
            }));
        }
        let (decrypter, reference) = (Arc::clone(&key.key), reference.clone());
        let mut case = Case::new(("RSA", "decrypt"), name, digest, key.name, move |side| {
            let sealed = encrypt(&reference, &decrypter, &wrapping, &message)?;
            assert_eq!(decrypt(side, &decrypter, &unwrapping, &sealed)?, message);
            Ok(())
        });
        if needs_rejection {
            case.versions = "since 3.2";
            let offloaded = key.name != "1024";
            let paths = if offloaded { ["software", "device"] } else { ["passed through"; 2] };
            case.unavailable = (!has_rejection).then_some(paths);
        }
        cases.push(case);
    }
}

/// The bytes of a PEM file (RFC 7468).
fn decoded(pem: &str) -> Vec<u8> {
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let value = |character: u8| match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => 0,
    };
    let padding = text.len() - text.trim_end_matches('=').len();
    let mut bytes: Vec<u8> = text
        .as_bytes()
        .chunks(4)
        .flat_map(|four| {
            let bits = four.iter().fold(0, |bits, one| bits << 6 | u32::from(value(*one)));
            bits.to_be_bytes().into_iter().skip(1)
        })
        .collect();
    bytes.truncate(bytes.len() - padding);
    bytes
}
