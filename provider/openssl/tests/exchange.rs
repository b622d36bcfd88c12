//! Key exchange: both sides come to the same secret, or to the same error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Bench, SIDES, Side, reasons, text};

fn bench_with_pairs(settings: &str) -> Bench {
    let bench = Bench::with_settings(settings);
    for (name, kind) in [
        ("p256", "EC -pkeyopt ec_paramgen_curve:P-256"),
        ("p384", "EC -pkeyopt ec_paramgen_curve:P-384"),
        ("k256", "EC -pkeyopt ec_paramgen_curve:secp256k1"),
        ("x25519", "X25519"),
        ("x448", "X448"),
    ] {
        for (owner, side) in [("ours", Side::Hotspare), ("peer", Side::Default)] {
            bench.openssl(side, &format!("genpkey -algorithm {kind} -out {name}-{owner}.pem"));
            bench.openssl(side, &format!("pkey -in {name}-{owner}.pem -pubout -out {name}-{owner}.pub"));
        }
    }
    bench
}

#[test]
fn both_sides_agree() {
    let bench = bench_with_pairs("");
    for kind in ["p256", "p384", "k256", "x25519", "x448"] {
        let options: &[&str] = match kind {
            "x25519" | "x448" => &[""],
            _ => &[
                "",
                "-pkeyopt ecdh_cofactor_mode:1",
                "-pkeyopt ecdh_cofactor_mode:0",
                "-pkeyopt kdf-type:X963KDF -pkeyopt kdf-digest:SHA256 -pkeyopt kdf-outlen:20",
                "-pkeyopt kdf-type:X963KDF -pkeyopt kdf-digest:SHA256 -pkeyopt kdf-outlen:80",
            ],
        };
        for options in options {
            let derive = |side, ours, peer| {
                let keys = format!("-inkey {kind}-{ours}.pem -peerkey {kind}-{peer}.pub");
                bench.openssl(side, &format!("pkeyutl -derive {keys} {options}"))
            };
            let secrets = [
                derive(Side::Hotspare, "ours", "peer"),
                derive(Side::Default, "ours", "peer"),
                derive(Side::Hotspare, "peer", "ours"),
                derive(Side::Default, "peer", "ours"),
            ];
            assert!(secrets.iter().all(|secret| *secret == secrets[0]), "{kind} {options}: {secrets:?}");
            let length = match kind {
                _ if options.contains("outlen:20") => 20,
                _ if options.contains("outlen:80") => 80,
                "p384" => 48,
                "x448" => 56,
                _ => 32,
            };
            assert_eq!(secrets[0].len(), length, "{kind} {options}");
        }
    }
}

#[test]
fn what_is_offloaded_and_what_is_not() {
    let bench = bench_with_pairs("require_hardware = yes");
    for (kind, options, offloaded) in [
        ("p256", "", true),
        ("x25519", "", true),
        ("p256", "-pkeyopt kdf-type:X963KDF -pkeyopt kdf-digest:SHA256 -pkeyopt kdf-outlen:80", false),
        ("p384", "", false),
        ("k256", "", false),
        ("x448", "", false),
    ] {
        let derive = format!("pkeyutl -derive -inkey {kind}-ours.pem -peerkey {kind}-peer.pub {options}");
        let output = bench.try_openssl(Side::Hotspare, &derive);
        assert_eq!(output.status.success(), !offloaded, "{kind} {options}: {}", text(&output.stderr));
        if offloaded {
            assert!(text(&output.stderr).contains("require_hardware forbids software"));
        }
    }
}

/// SubjectPublicKeyInfo of X25519 (RFC 8410, 10.1) before the key itself.
const X25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00];

#[test]
fn peers_that_lead_nowhere_are_refused_for_the_same_reason() {
    let bench = bench_with_pairs("");
    // Points of small order: the secret would be zero.
    for first in [0, 1] {
        let mut spki = [&X25519_PREFIX[..], &[0; 32]].concat();
        spki[12] = first;
        bench.write("bad.der", spki);
        compare_failure(&bench, "pkeyutl -derive -inkey x25519-ours.pem -peerkey bad.der -peerform DER");
    }
    // A point that is not on the curve.
    let mut spki = bench.openssl(Side::Default, "pkey -pubin -in p256-peer.pub -outform DER");
    let last = spki.len() - 1;
    spki[last] ^= 1;
    bench.write("bad.der", spki);
    compare_failure(&bench, "pkeyutl -derive -inkey p256-ours.pem -peerkey bad.der -peerform DER");
    // A peer on another curve, of another kind.
    compare_failure(&bench, "pkeyutl -derive -inkey p256-ours.pem -peerkey p384-peer.pub");
    compare_failure(&bench, "pkeyutl -derive -inkey p256-ours.pem -peerkey x25519-peer.pub");
    compare_failure(&bench, "pkeyutl -derive -inkey x25519-ours.pem -peerkey x448-peer.pub");
}

fn compare_failure(bench: &Bench, arguments: &str) {
    let outputs = SIDES.map(|side| bench.try_openssl(side, arguments));
    assert!(outputs.iter().all(|output| !output.status.success()), "{arguments}");
    let said = outputs.map(|output| reasons(&output.stderr));
    assert_eq!(said[0], said[1], "{arguments}");
}
