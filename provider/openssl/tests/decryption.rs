//! RSA encryption and decryption, with every padding, good and bad.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Bench, SIDES, Side, reasons, text};

const PADDINGS: &[&str] = &[
    "",
    "-pkeyopt rsa_padding_mode:pkcs1",
    "-pkeyopt rsa_padding_mode:oaep",
    "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256",
    "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha512 -pkeyopt rsa_mgf1_md:sha1",
    "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_label:0011223344",
];

fn bench_with_keys(settings: &str) -> Bench {
    let bench = Bench::with_settings(settings);
    for bits in [1024, 2048, 3072] {
        bench.openssl(
            Side::Default,
            &format!("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:{bits} -out {bits}.pem"),
        );
        bench.openssl(Side::Default, &format!("pkey -in {bits}.pem -pubout -out {bits}.pub"));
    }
    bench
}

#[test]
fn what_one_side_encrypts_the_other_decrypts() {
    let bench = bench_with_keys("");
    for bits in [1024, 2048, 3072] {
        for padding in PADDINGS {
            if bits == 1024 && padding.contains("sha512") {
                continue;
            }
            for message in [&b""[..], b"a message"] {
                bench.write("message", message);
                for sender in SIDES {
                    let encrypt = format!(
                        "pkeyutl -encrypt -pubin -inkey {bits}.pub {padding} -in message -out sealed"
                    );
                    bench.openssl(sender, &encrypt);
                    for receiver in SIDES {
                        let decrypt = format!("pkeyutl -decrypt -inkey {bits}.pem {padding} -in sealed");
                        assert_eq!(
                            bench.openssl(receiver, &decrypt),
                            message,
                            "{bits} {padding} {receiver:?}"
                        );
                    }
                }
            }
        }
    }
    bench.write("block", [vec![0], vec![0x77; 255]].concat());
    bench.openssl(
        Side::Hotspare,
        "pkeyutl -encrypt -pubin -inkey 2048.pub -pkeyopt rsa_padding_mode:none -in block -out sealed",
    );
    let decrypt = "pkeyutl -decrypt -inkey 2048.pem -pkeyopt rsa_padding_mode:none -in sealed";
    assert_eq!(bench.openssl(Side::Hotspare, decrypt), bench.read("block"));
}

#[test]
fn a_bad_ciphertext_is_answered_as_the_default_provider_answers_it() {
    let bench = bench_with_keys("");
    bench.write("message", b"a message");
    bench.write("short", [1; 255]);
    bench.write("large", [0xff; 256]);
    for padding in PADDINGS {
        bench.openssl(
            Side::Default,
            &format!("pkeyutl -encrypt -pubin -inkey 2048.pub {padding} -in message -out good"),
        );
        let mut damaged = bench.read("good");
        damaged[100] ^= 1;
        bench.write("damaged", damaged);
        for input in ["damaged", "short", "large"] {
            let decrypt = format!("pkeyutl -decrypt -inkey 2048.pem {padding} -in {input}");
            let outputs = SIDES.map(|side| bench.try_openssl(side, &decrypt));
            assert_eq!(outputs[0].status, outputs[1].status, "{padding} {input}");
            // With implicit rejection both give the same made-up message.
            assert_eq!(outputs[0].stdout, outputs[1].stdout, "{padding} {input}");
            let said = outputs.map(|output| reasons(&output.stderr));
            assert_eq!(said[0].first(), said[1].first(), "{padding} {input}");
        }
    }
    // Another label is another message.
    bench.openssl(
        Side::Default,
        "pkeyutl -encrypt -pubin -inkey 2048.pub -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_label:01 -in message -out s",
    );
    let decrypt =
        "pkeyutl -decrypt -inkey 2048.pem -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_label:02 -in s";
    assert!(!bench.try_openssl(Side::Hotspare, decrypt).status.success());
}

#[test]
fn what_is_offloaded_and_what_is_not() {
    let bench = bench_with_keys("require_hardware = yes");
    bench.write("message", b"a message");
    bench.write("block", [vec![0], vec![7; 255]].concat());
    for (bits, padding, input, offloaded) in [
        (2048, "-pkeyopt rsa_padding_mode:oaep", "message", true),
        (3072, "-pkeyopt rsa_padding_mode:oaep", "message", true),
        (1024, "-pkeyopt rsa_padding_mode:oaep", "message", false),
        (2048, "-pkeyopt rsa_padding_mode:none", "block", true),
        (2048, "", "message", true),
    ] {
        bench.openssl(
            Side::Hotspare,
            &format!("pkeyutl -encrypt -pubin -inkey {bits}.pub {padding} -in {input} -out s"),
        );
        let output =
            bench.try_openssl(Side::Hotspare, &format!("pkeyutl -decrypt -inkey {bits}.pem {padding} -in s"));
        assert_eq!(output.status.success(), !offloaded, "{bits} {padding}: {}", text(&output.stderr));
        if offloaded {
            assert!(text(&output.stderr).contains("require_hardware forbids software"));
        }
    }
}

#[test]
fn enveloped_messages() {
    let bench = bench_with_keys("");
    bench.write("message", vec![9; 5000]);
    bench.openssl(Side::Hotspare, "req -x509 -key 2048.pem -subj /CN=receiver -out cert.pem");
    for options in ["", "-keyopt rsa_padding_mode:oaep"] {
        for sender in SIDES {
            let encrypt = format!(
                "cms -encrypt -binary -aes128 -in message -outform DER -out sealed -recip cert.pem {options}"
            );
            bench.openssl(sender, &encrypt);
            for receiver in SIDES {
                bench.openssl(
                    receiver,
                    "cms -decrypt -binary -inform DER -in sealed -inkey 2048.pem -recip cert.pem -out back",
                );
                assert_eq!(bench.read("back"), bench.read("message"), "{options}: {sender:?} {receiver:?}");
            }
        }
    }
}
