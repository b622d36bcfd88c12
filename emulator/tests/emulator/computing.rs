//! Engines through the rings: against `openssl`, in parallel, and for several users at once.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hotspare_device::drivers::emulated::wire::descriptor::{STATUS_DONE, STATUS_REJECTED};
use hotspare_device::drivers::emulated::wire::layout::device;
use hotspare_device::request::{Curve, Operation};

use super::machine::{Machine, PATIENCE, eventually};
use super::user::{PRODUCT, SCALAR, U, User, X25519};

/// Runs `openssl` in a directory.
fn openssl(directory: &Path, arguments: &str) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(directory)
        .env_remove("OPENSSL_CONF")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The integers in a flat DER sequence of integers, without leading zeros.
fn integers(der: &[u8]) -> Vec<Vec<u8>> {
    fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
        let (tag, first) = (der[0], der[1] as usize);
        let (length, start) = match first {
            0x81 => (der[2] as usize, 3),
            0x82 => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
            _ => (first, 2),
        };
        (tag, &der[start..start + length], &der[start + length..])
    }
    let (0x30, mut rest, []) = element(der) else { panic!("no sequence") };
    let mut integers = Vec::new();
    while !rest.is_empty() {
        let (2, value, after) = element(rest) else { panic!("no integer") };
        let zeros = value.iter().take_while(|byte| **byte == 0).count();
        integers.push(value[zeros..].to_vec());
        rest = after;
    }
    integers
}

#[test]
fn rsa_undoes_what_openssl_did_and_the_other_way_round() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut user = User::attach(&machine.socket(0));
    let directory = machine.root();
    for bits in [2048, 2049, 3072, 4096] {
        openssl(directory, &format!("genrsa -traditional -out key.pem {bits}"));
        let numbers = integers(&openssl(directory, "rsa -traditional -in key.pem -outform DER"));
        let [_version, n, e, _d, p, q, dp, dq, inverse] = &numbers[..] else { panic!("no RSA key") };
        let mut input = vec![0x5a; n.len()];
        input[0] = 0;
        std::fs::write(directory.join("input"), &input).unwrap();
        let raw = "-inkey key.pem -pkeyopt rsa_padding_mode:none -in input";
        let power = openssl(directory, &format!("pkeyutl -encrypt {raw}"));
        let public = user.call(Operation::RsaPublic, &[n, e, &input], n.len());
        assert_eq!((public.descriptor.status, &public.output), (STATUS_DONE, &power), "{bits} bits");
        let parts: [&[u8]; 6] = [p, q, dp, dq, inverse, &power];
        let private = user.call(Operation::RsaPrivate, &parts, n.len());
        assert_eq!((private.descriptor.status, &private.output), (STATUS_DONE, &input), "{bits} bits");
        let root = openssl(directory, &format!("pkeyutl -decrypt {raw}"));
        let private = user.call(Operation::RsaPrivate, &[p, q, dp, dq, inverse, &input], n.len());
        assert_eq!((private.descriptor.status, &private.output), (STATUS_DONE, &root), "{bits} bits");
    }
}

/// The last 32-byte octet string of a SEC 1 private key, and the public point at its end.
fn ec_numbers(directory: &Path, name: &str) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    openssl(directory, &format!("ecparam -name prime256v1 -genkey -noout -out {name}.pem"));
    let der = openssl(directory, &format!("ec -in {name}.pem -outform DER -conv_form uncompressed"));
    // SEQUENCE, version, OCTET STRING of 32 bytes; at the end 04, x, y.
    assert_eq!(der[5..7], [4, 32]);
    let point = &der[der.len() - 64..];
    (der[7..39].to_vec(), point[..32].to_vec(), point[32..].to_vec())
}

#[test]
fn openssl_verifies_ecdsa_signatures_and_agrees_on_secrets() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut user = User::attach(&machine.socket(0));
    let directory = machine.root();
    let (ours, _, _) = ec_numbers(directory, "ours");
    let (_, x, y) = ec_numbers(directory, "theirs");
    openssl(directory, "ec -in ours.pem -pubout -out ours.pub");
    openssl(directory, "ec -in theirs.pem -pubout -out theirs.pub");
    for (digest, nonce) in [(vec![7; 32], [9; 32]), (vec![0xff; 32], [1; 32]), (vec![3; 20], [0x7f; 32])] {
        let answered = user.call(Operation::EcdsaSign(Curve::P256), &[&ours, &digest, &nonce], 64);
        assert_eq!(answered.descriptor.status, STATUS_DONE);
        std::fs::write(directory.join("digest"), &digest).unwrap();
        std::fs::write(directory.join("signature"), der_signature(&answered.output)).unwrap();
        openssl(directory, "pkeyutl -verify -pubin -inkey ours.pub -in digest -sigfile signature");
    }
    let secret = openssl(directory, "pkeyutl -derive -inkey ours.pem -peerkey theirs.pub");
    let answered = user.call(Operation::EcMultiply(Curve::P256), &[&ours, &x, &y], 64);
    assert_eq!((answered.descriptor.status, &answered.output[..32]), (STATUS_DONE, &secret[..]));
    // Off the curve: an answer, not an error of the device.
    let answered = user.call(Operation::EcMultiply(Curve::P256), &[&ours, &x, &x], 64);
    assert_eq!((answered.descriptor.status, answered.output.len()), (STATUS_REJECTED, 0));
}

fn der_signature(raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for number in raw.chunks(32) {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let sign = usize::from(number.get(zeros).is_none_or(|byte| *byte >= 0x80));
        body.extend([2, u8::try_from(32 - zeros + sign).unwrap()]);
        body.extend(std::iter::repeat_n(0, sign));
        body.extend(&number[zeros..]);
    }
    [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat()
}

#[test]
fn a_full_ring_is_answered_exactly_once_each_round_after_round() {
    let machine = Machine::start(&["--devices", "1", "--engines", "3"]);
    let mut users: Vec<_> = (0..3).map(|_| User::attach(&machine.socket(0))).collect();
    let mut instances: Vec<_> = users.iter().map(|user| user.welcome.instance).collect();
    instances.dedup();
    assert_eq!(instances.len(), 3);
    for _ in 0..50 {
        for user in &mut users {
            for _ in 0..user.shape.ring_depth {
                user.submit(X25519, &[&SCALAR, &U], 32);
            }
        }
        for user in &mut users {
            let mut answered: Vec<_> = (0..user.shape.ring_depth)
                .map(|_| {
                    let answered = user.wait(PATIENCE).expect("an answer");
                    assert_eq!((answered.descriptor.status, &answered.output[..]), (0, &PRODUCT[..]));
                    answered.descriptor.sequence
                })
                .collect();
            answered.sort_unstable();
            answered.dedup();
            assert_eq!(answered.len(), user.shape.ring_depth as usize);
        }
    }
    for user in &mut users {
        assert_eq!(user.take(), None);
    }
}

/// Without the doorbell, an engine would look by itself only every 60 ms.
#[test]
fn a_sleeping_engine_is_woken_by_the_doorbell() {
    let machine = Machine::start(&["--devices", "1", "--engines", "1"]);
    let mut user = User::attach(&machine.socket(0));
    let mut times: Vec<_> = (0..31)
        .map(|_| {
            let sleeps = || {
                let flag = user.memory.word(device::SLEEPING).unwrap();
                (flag.load(std::sync::atomic::Ordering::Acquire) != 0).then_some(())
            };
            eventually("the engine sleeps", sleeps);
            let began = Instant::now();
            user.check();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    assert!(times[15] < Duration::from_millis(15), "{times:?}");
}
