//! Signatures: what one side signs, the other verifies; what one side refuses, the other refuses, for the same reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Output;

use support::{Bench, SIDES, Side, reasons, text};

fn bench_with_keys(settings: &str) -> Bench {
    let bench = Bench::with_settings(settings);
    for (name, kind) in [
        ("rsa1024", "RSA -pkeyopt rsa_keygen_bits:1024"),
        ("rsa2048", "RSA -pkeyopt rsa_keygen_bits:2048"),
        ("rsa2050", "RSA -pkeyopt rsa_keygen_bits:2050"),
        ("rsa3072", "RSA -pkeyopt rsa_keygen_bits:3072"),
        ("rsa5120", "RSA -pkeyopt rsa_keygen_bits:5120"),
        ("multi", "RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_primes:3"),
        ("pss", "RSA-PSS -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_pss_keygen_md:sha256"),
        ("pss1024", "RSA-PSS -pkeyopt rsa_keygen_bits:1024"),
        ("p521", "EC -pkeyopt ec_paramgen_curve:P-521"),
        ("p256", "EC -pkeyopt ec_paramgen_curve:P-256"),
        ("p384", "EC -pkeyopt ec_paramgen_curve:P-384"),
        ("k256", "EC -pkeyopt ec_paramgen_curve:secp256k1"),
    ] {
        bench.openssl(Side::Default, &format!("genpkey -algorithm {kind} -out {name}.pem"));
        bench.openssl(Side::Default, &format!("pkey -in {name}.pem -pubout -out {name}.pub"));
    }
    bench.write("message", vec![0x5a; 100_000]);
    bench
}

/// Signs with one side and verifies with both.
fn cross(bench: &Bench, key: &str, digest: &str, options: &str) {
    for signer in SIDES {
        bench.openssl(signer, &format!("dgst -{digest} {options} -sign {key}.pem -out signature message"));
        for verifier in SIDES {
            let verify = format!("dgst -{digest} {options} -verify {key}.pub -signature signature message");
            let said = bench.try_openssl(verifier, &verify);
            assert!(
                said.status.success(),
                "{key} {digest} {options}: {signer:?} {verifier:?} {}",
                text(&said.stdout)
            );
        }
        let mut damaged = bench.read("signature");
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        bench.write("signature", damaged);
        for verifier in SIDES {
            let verify = format!("dgst -{digest} {options} -verify {key}.pub -signature signature message");
            assert!(
                !bench.try_openssl(verifier, &verify).status.success(),
                "{key} {digest} {options}: {verifier:?}"
            );
        }
    }
}

#[test]
fn digests_and_keys_of_all_kinds() {
    let bench = bench_with_keys("");
    for key in ["rsa1024", "rsa2048", "rsa2050", "rsa3072", "multi", "p256", "p384", "p521", "k256"] {
        for digest in ["sha1", "sha224", "sha256", "sha384", "sha512", "sha512-256", "sha3-256"] {
            cross(&bench, key, digest, "");
        }
    }
    cross(&bench, "rsa5120", "sha256", "");
    for digest in ["md5", "ripemd160", "md5-sha1", "sm3"] {
        for side in SIDES {
            let signed = bench.try_openssl(side, &format!("dgst -{digest} -sign rsa2048.pem -out s message"));
            let without =
                bench.try_openssl(Side::Default, &format!("dgst -{digest} -sign rsa2048.pem -out s message"));
            assert_eq!(signed.status.success(), without.status.success(), "{digest} {side:?}");
        }
    }
}

#[test]
fn pkcs1_signatures_are_the_same_byte_for_byte() {
    let bench = bench_with_keys("");
    for digest in ["md5", "sha1", "sha256", "sha512", "sha512-224", "sha3-512", "ripemd160"] {
        let made =
            SIDES.map(|side| bench.openssl(side, &format!("dgst -{digest} -sign rsa2048.pem message")));
        assert_eq!(made[0], made[1], "{digest}");
    }
    // TLS before 1.2: MD5 and SHA-1 one after the other, without a DigestInfo.
    bench.write("both", [7; 36]);
    for options in ["", "-pkeyopt rsa_padding_mode:pkcs1", "-pkeyopt digest:md5-sha1"] {
        let made = SIDES
            .map(|side| bench.openssl(side, &format!("pkeyutl -sign -inkey rsa2048.pem -in both {options}")));
        assert_eq!(made[0], made[1], "{options}");
    }
    bench.write("block", [vec![0], vec![7; 255]].concat());
    let raw = "rsautl -sign -raw -inkey rsa2048.pem -in block";
    assert_eq!(bench.openssl(Side::Hotspare, raw), bench.openssl(Side::Default, raw));
    let x931 = "dgst -sha256 -sigopt rsa_padding_mode:x931 -sign rsa2048.pem message";
    assert_eq!(bench.openssl(Side::Hotspare, x931), bench.openssl(Side::Default, x931));
}

#[test]
fn pss_with_every_salt_length_and_mask_digest() {
    let bench = bench_with_keys("");
    for key in ["rsa1024", "rsa2048", "rsa2050"] {
        for salt in ["digest", "max", "auto", "0", "20", "32"] {
            cross(
                &bench,
                key,
                "sha256",
                &format!("-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:{salt}"),
            );
        }
        let options = "-sigopt rsa_padding_mode:pss -sigopt rsa_mgf1_md:sha1 -sigopt rsa_pss_saltlen:digest";
        cross(&bench, key, "sha256", options);
    }
    cross(&bench, "rsa2048", "sha512", "-sigopt rsa_padding_mode:pss");
    cross(&bench, "pss", "sha256", "");
    // The salt has the length that was asked for.
    let sign = "dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20 -sign rsa2048.pem -out s message";
    bench.openssl(Side::Hotspare, sign);
    let verify = "dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:21 -verify rsa2048.pub -signature s message";
    assert!(!bench.try_openssl(Side::Default, verify).status.success());
    // Two signatures of one message differ in their salt.
    let sign = "dgst -sha256 -sigopt rsa_padding_mode:pss -sign rsa2048.pem message";
    assert_ne!(bench.openssl(Side::Hotspare, sign), bench.openssl(Side::Hotspare, sign));
}

#[test]
fn prehashed_input() {
    let bench = bench_with_keys("");
    for (key, lengths) in [
        ("p256", &[1, 20, 31, 32, 33, 48, 64][..]),
        ("p384", &[20, 48, 64]),
        ("p521", &[20, 64]),
        ("rsa2048", &[32]),
    ] {
        for length in lengths {
            bench.write("digest", vec![0xa5; *length]);
            for signer in SIDES {
                bench.openssl(signer, &format!("pkeyutl -sign -inkey {key}.pem -in digest -out s"));
                for verifier in SIDES {
                    let verify = format!("pkeyutl -verify -pubin -inkey {key}.pub -in digest -sigfile s");
                    assert!(
                        text(&bench.openssl(verifier, &verify)).contains("Successfully"),
                        "{key} {length}"
                    );
                }
            }
        }
    }
    bench
        .openssl(Side::Hotspare, "pkeyutl -sign -inkey rsa2048.pem -in digest -pkeyopt digest:sha256 -out s");
    for side in SIDES {
        let recover = "pkeyutl -verifyrecover -pubin -inkey rsa2048.pub -in s -pkeyopt digest:sha256";
        assert_eq!(bench.openssl(side, recover), bench.read("digest"));
    }
    // Two signatures of one digest differ: the nonce is fresh.
    let sign = "pkeyutl -sign -inkey p256.pem -in digest";
    assert_ne!(bench.openssl(Side::Hotspare, sign), bench.openssl(Side::Hotspare, sign));
}

#[test]
fn what_is_wrong_is_refused_for_the_same_reason() {
    let bench = bench_with_keys("");
    bench.write("short", [1; 31]);
    bench.write("long", [1; 300]);
    bench.write("large", [0xff; 256]);
    for arguments in [
        "pkeyutl -sign -inkey rsa2048.pem -in short -pkeyopt digest:sha256",
        "pkeyutl -sign -inkey p256.pem -in short -pkeyopt digest:sha256",
        "pkeyutl -sign -inkey rsa2048.pem -in long",
        "pkeyutl -sign -inkey rsa2048.pem -in large -pkeyopt rsa_padding_mode:none",
        "pkeyutl -sign -inkey rsa2048.pem -in short -pkeyopt rsa_padding_mode:none",
        "pkeyutl -sign -inkey rsa2048.pem -in short -pkeyopt rsa_padding_mode:oaep",
        "pkeyutl -sign -inkey rsa2048.pub -pubin -in short",
        "dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:223 -sign rsa2048.pem message",
        "dgst -sha512 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -sign rsa1024.pem message",
        "dgst -sha1 -sign pss.pem message",
        "dgst -shake128 -sign rsa2048.pem message",
        "dgst -shake256 -sign p256.pem message",
        "dgst -sha256 -sigopt rsa_padding_mode:nonsense -sign rsa2048.pem message",
    ] {
        let outputs = SIDES.map(|side| bench.try_openssl(side, arguments));
        assert_eq!(outputs[0].status.code(), outputs[1].status.code(), "{arguments}");
        let said = outputs.map(|output| reasons(&output.stderr));
        assert_eq!(said[0], said[1], "{arguments}");
    }
}

/// Without a device and with software forbidden, what is meant for a device fails, and all else goes on: so it shows what
/// goes where.
#[test]
fn what_is_offloaded_and_what_is_not() {
    let bench = bench_with_keys("require_hardware = yes");
    for (key, options, offloaded) in [
        ("rsa2048", "", true),
        ("rsa2050", "", true),
        ("rsa3072", "", true),
        ("rsa5120", "", true),
        ("multi", "", true),
        ("pss", "", true),
        ("rsa2048", "-sigopt rsa_padding_mode:pss", true),
        ("rsa2048", "-sigopt rsa_padding_mode:x931", true),
        ("p256", "", true),
        ("p384", "", true),
        ("p521", "", true),
        ("rsa1024", "", false),
        ("pss1024", "", false),
        ("k256", "", false),
    ] {
        let sign = format!("dgst -sha256 {options} -sign {key}.pem message");
        check_offload(&bench.try_openssl(Side::Hotspare, &sign), offloaded, &sign);
    }
    bench.write("block", [vec![0], vec![7; 255]].concat());
    let raw = "rsautl -sign -raw -inkey rsa2048.pem -in block";
    check_offload(&bench.try_openssl(Side::Hotspare, raw), true, raw);
    // Verifying: what is right, what is wrong, and what has not even the form of a signature.
    for (key, offloaded) in
        [("p256", true), ("p384", true), ("p521", true), ("k256", false), ("rsa2048", false)]
    {
        bench.openssl(Side::Default, &format!("dgst -sha256 -sign {key}.pem -out s message"));
        let verify = format!("dgst -sha256 -verify {key}.pub -signature s message");
        check_offload(&bench.try_openssl(Side::Hotspare, &verify), offloaded, &verify);
        let mut other = bench.read("s");
        other[0] ^= 1;
        bench.write("s", other);
        let refused = bench.try_openssl(Side::Hotspare, &verify);
        assert!(!refused.status.success() && !text(&refused.stderr).contains("require_hardware"), "{verify}");
    }
}

fn check_offload(output: &Output, offloaded: bool, what: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.success(), !offloaded, "{what}: {said}");
    if offloaded {
        assert!(said.contains("require_hardware forbids software"), "{what}: {said}");
    }
}

/// Keys for PSS alone: what they restrict is refused, with us as without us, and what they allow is done.
#[test]
fn restricted_keys() {
    let bench = Bench::new();
    for (name, options) in [
        ("free", ""),
        ("digest", "-pkeyopt rsa_pss_keygen_md:sha256"),
        (
            "all",
            "-pkeyopt rsa_pss_keygen_md:sha512 -pkeyopt rsa_pss_keygen_mgf1_md:sha256 -pkeyopt rsa_pss_keygen_saltlen:40",
        ),
    ] {
        for maker in SIDES {
            let generate =
                format!("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 {options} -out {name}.pem");
            bench.openssl(maker, &generate);
            bench.openssl(maker, &format!("pkey -in {name}.pem -pubout -out {name}.pub"));
            let shown =
                SIDES.map(|side| text(&bench.openssl(side, &format!("pkey -in {name}.pem -text -noout"))));
            assert_eq!(shown[0], shown[1], "{name}");
            assert_eq!(shown[0].contains("No PSS parameter restrictions"), name == "free", "{}", shown[0]);
        }
        bench.write("message", b"a message");
        let mut allowed = 0;
        for digest in ["sha1", "sha256", "sha512"] {
            for option in [
                "",
                "-sigopt rsa_padding_mode:pss",
                "-sigopt rsa_padding_mode:pkcs1",
                "-sigopt rsa_padding_mode:x931",
                "-sigopt rsa_pss_saltlen:20",
                "-sigopt rsa_pss_saltlen:40",
                "-sigopt rsa_pss_saltlen:digest",
                "-sigopt rsa_pss_saltlen:max",
                "-sigopt rsa_mgf1_md:sha1",
                "-sigopt rsa_mgf1_md:sha256",
            ] {
                let arguments = format!("dgst -{digest} {option} -sign {name}.pem -out signature message");
                let outputs = SIDES.map(|side| bench.try_openssl(side, &arguments));
                assert_eq!(outputs[0].status.code(), outputs[1].status.code(), "{name}: {arguments}");
                let said = outputs.each_ref().map(|output| reasons(&output.stderr));
                assert_eq!(said[0], said[1], "{name}: {arguments}");
                if outputs[0].status.success() {
                    allowed += 1;
                    cross(&bench, name, digest, option);
                }
            }
        }
        assert!(allowed >= 3, "{name}: {allowed}");
    }
    for arguments in [
        "pkeyutl -decrypt -inkey free.pem -in message",
        "pkeyutl -encrypt -pubin -inkey free.pub -in message",
        "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_pss_keygen_md:nonsense",
    ] {
        let outputs = SIDES.map(|side| bench.try_openssl(side, arguments));
        assert_eq!(outputs[0].status.code(), outputs[1].status.code(), "{arguments}");
        assert!(!outputs[0].status.success(), "{arguments}");
        let said = outputs.map(|output| reasons(&output.stderr));
        assert_eq!(said[0], said[1], "{arguments}");
    }
}

/// What was signed comes back, with every padding that allows it.
#[test]
fn recovery() {
    let bench = bench_with_keys("");
    bench.write("digest", [0xa5; 32]);
    bench.write("block", [vec![0], vec![7; 255]].concat());
    for padding in [
        "-pkeyopt rsa_padding_mode:pkcs1",
        "-pkeyopt rsa_padding_mode:pkcs1 -pkeyopt digest:sha256",
        "-pkeyopt digest:sha256 -pkeyopt rsa_padding_mode:x931",
    ] {
        let sign = format!("pkeyutl -sign -inkey rsa2048.pem -in digest {padding}");
        let signed = SIDES.map(|side| bench.openssl(side, &sign));
        assert_eq!(signed[0], signed[1], "{padding}");
        bench.write("s", &signed[0]);
        for side in SIDES {
            let recover = format!("pkeyutl -verifyrecover -pubin -inkey rsa2048.pub -in s {padding}");
            assert_eq!(bench.openssl(side, &recover), bench.read("digest"), "{side:?} {padding}");
        }
    }
    let signed = SIDES.map(|side| bench.openssl(side, "rsautl -sign -raw -inkey rsa2048.pem -in block"));
    assert_eq!(signed[0], signed[1]);
    bench.write("s", &signed[0]);
    for side in SIDES {
        let recovered = bench.openssl(side, "rsautl -verify -raw -pubin -inkey rsa2048.pub -in s");
        assert_eq!(recovered, bench.read("block"));
    }
}

#[test]
fn signed_messages() {
    let bench = bench_with_keys("");
    for key in ["rsa2048", "p256", "p384"] {
        bench.openssl(Side::Hotspare, &format!("req -x509 -key {key}.pem -subj /CN=signer -out cert.pem"));
        for signer in SIDES {
            bench.openssl(
                signer,
                &format!(
                    "cms -sign -binary -nodetach -in message -signer cert.pem -inkey {key}.pem -outform DER -out signed"
                ),
            );
            for verifier in SIDES {
                let verify =
                    "cms -verify -binary -inform DER -in signed -CAfile cert.pem -purpose any -out back";
                bench.openssl(verifier, verify);
                assert_eq!(bench.read("back"), bench.read("message"), "{key}: {signer:?} {verifier:?}");
            }
        }
    }
}
