//! Engines through the rings: against `openssl`, in parallel, and for several users at once.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hotspare_device::drivers::emulated::wire::descriptor::{STATUS_DONE, STATUS_REJECTED};
use hotspare_device::drivers::emulated::wire::layout::device;
use hotspare_device::request::{Curve, MontgomeryCurve, Operation};

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

/// A new key of `openssl`'s on this curve: its scalar, and its public point's x and y. The files are `name.pem` and `name.pub`.
fn ec_key(directory: &Path, curve: Curve, name: &str) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let theirs = match curve {
        Curve::P256 => "prime256v1",
        Curve::P384 => "secp384r1",
        _ => "secp521r1",
    };
    openssl(directory, &format!("ecparam -name {theirs} -genkey -noout -out {name}.pem"));
    openssl(directory, &format!("ec -in {name}.pem -pubout -out {name}.pub"));
    let der = openssl(directory, &format!("ec -in {name}.pem -outform DER -conv_form uncompressed"));
    // SEQUENCE, version, OCTET STRING of field length; at the end 04, x, y.
    let field = curve.field_bytes();
    let before = [2, 1, 1, 4, u8::try_from(field).unwrap()];
    let at = der.windows(5).position(|window| window == before).unwrap() + 5;
    let (x, y) = der[der.len() - 2 * field..].split_at(field);
    (der[at..at + field].to_vec(), x.to_vec(), y.to_vec())
}

#[test]
fn openssl_and_the_engines_verify_each_others_signatures_and_agree_on_secrets() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut user = User::attach(&machine.socket(0));
    let directory = machine.root();
    for curve in Curve::ALL {
        let field = curve.field_bytes();
        let (ours, our_x, our_y) = ec_key(directory, curve, "ours");
        let (_, x, y) = ec_key(directory, curve, "theirs");
        for (digest, nonce) in [(vec![7; 32], 9), (vec![0xff; 32], 1), (vec![3; 20], 0x7f), (vec![5; 64], 3)]
        {
            let mut nonce = vec![nonce; field];
            nonce[0] = 0;
            let answered = user.call(Operation::EcdsaSign(curve), &[&ours, &digest, &nonce], 2 * field);
            assert_eq!(answered.descriptor.status, STATUS_DONE);
            std::fs::write(directory.join("digest"), &digest).unwrap();
            std::fs::write(directory.join("signature"), der_signature(&answered.output)).unwrap();
            openssl(directory, "pkeyutl -verify -pubin -inkey ours.pub -in digest -sigfile signature");

            openssl(directory, "pkeyutl -sign -inkey ours.pem -in digest -out signature");
            let [r, s] = &integers(&std::fs::read(directory.join("signature")).unwrap())[..] else {
                panic!("no signature")
            };
            let [r, s] = [r, s].map(|number| [&vec![0; field - number.len()][..], number].concat());
            for (digest, right) in [(digest, true), (vec![8; 20], false)] {
                let parts: [&[u8]; 5] = [&our_x, &our_y, &digest, &r, &s];
                let answered = user.call(Operation::EcdsaVerify(curve), &parts, field);
                assert_eq!(answered.descriptor.status, STATUS_DONE);
                assert_eq!(answered.output == r, right, "{curve:?}");
            }
        }
        let secret = openssl(directory, "pkeyutl -derive -inkey ours.pem -peerkey theirs.pub");
        let answered = user.call(Operation::EcMultiply(curve), &[&ours, &x, &y], 2 * field);
        assert_eq!((answered.descriptor.status, &answered.output[..field]), (STATUS_DONE, &secret[..]));
        // Off the curve: an answer, not an error of the device.
        let answered = user.call(Operation::EcMultiply(curve), &[&ours, &x, &x], 2 * field);
        assert_eq!((answered.descriptor.status, answered.output.len()), (STATUS_REJECTED, 0));
    }
}

fn der_signature(raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for number in raw.chunks(raw.len() / 2) {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let sign = usize::from(number.get(zeros).is_none_or(|byte| *byte >= 0x80));
        body.extend([2, u8::try_from(number.len() - zeros + sign).unwrap()]);
        body.extend(std::iter::repeat_n(0, sign));
        body.extend(&number[zeros..]);
    }
    let length = u8::try_from(body.len()).unwrap();
    // Two numbers of P-521 need the long form.
    let header = if length < 0x80 { vec![0x30, length] } else { vec![0x30, 0x81, length] };
    [header, body].concat()
}

/// The raw private and public numbers of a new X448 key; the files are `name.pem` and `name.pub`.
fn x448_key(directory: &Path, name: &str) -> (Vec<u8>, Vec<u8>) {
    openssl(directory, &format!("genpkey -algorithm X448 -out {name}.pem"));
    openssl(directory, &format!("pkey -in {name}.pem -pubout -out {name}.pub"));
    let private = openssl(directory, &format!("pkey -in {name}.pem -outform DER"));
    let public = openssl(directory, &format!("pkey -in {name}.pem -pubout -outform DER"));
    (private[private.len() - 56..].to_vec(), public[public.len() - 56..].to_vec())
}

#[test]
fn x448_agrees_with_openssl() {
    const X448: Operation = Operation::MontgomeryMultiply(MontgomeryCurve::X448);
    let machine = Machine::start(&["--devices", "1"]);
    let mut user = User::attach(&machine.socket(0));
    let directory = machine.root();
    for _ in 0..4 {
        let ((ours, our_u), (_, u)) = (x448_key(directory, "ours"), x448_key(directory, "theirs"));
        let mut base = [0; 56];
        base[0] = MontgomeryCurve::X448.base();
        let public = user.call(X448, &[&ours, &base], 56);
        assert_eq!((public.descriptor.status, public.output), (STATUS_DONE, our_u));
        let secret = openssl(directory, "pkeyutl -derive -inkey ours.pem -peerkey theirs.pub");
        let answered = user.call(X448, &[&ours, &u], 56);
        assert_eq!((answered.descriptor.status, answered.output), (STATUS_DONE, secret));
    }
}

/// The bytes of a number that `openssl ... -text` prints after this title.
fn number_in(text: &str, title: &str) -> Vec<u8> {
    let lines = text.lines().skip_while(|line| line.trim() != title).skip(1);
    let digits: String = lines
        .take_while(|line| line.trim().split(':').all(|pair| pair.len() == 2 || pair.is_empty()))
        .flat_map(|line| line.trim().split(':'))
        .collect();
    assert!(!digits.is_empty(), "{title} in {text}");
    let bytes: Vec<_> =
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
    bytes[bytes.iter().take_while(|byte| **byte == 0).count()..].to_vec()
}

#[test]
fn diffie_hellman_agrees_with_openssl_up_to_8192_bits() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut user = User::attach(&machine.socket(0));
    let directory = machine.root();
    for (group, bits) in [("ffdhe2048", 2048), ("ffdhe8192", 8192)] {
        let key = |name: &str| {
            let generate = format!("genpkey -algorithm DH -pkeyopt group:{group} -out {name}.pem");
            openssl(directory, &generate);
            openssl(directory, &format!("pkey -in {name}.pem -pubout -out {name}.pub"));
            String::from_utf8(openssl(directory, &format!("pkey -in {name}.pem -noout -text"))).unwrap()
        };
        let (ours, theirs) = (key("ours"), key("theirs"));
        let parameters = format!("genpkey -genparam -algorithm DH -pkeyopt group:{group} -out group.pem");
        openssl(directory, &parameters);
        let prime = integers(&openssl(directory, "dhparam -in group.pem -outform DER")).swap_remove(0);
        assert_eq!(prime.len() * 8, bits);
        let padded = |number: Vec<u8>| [&vec![0; prime.len() - number.len()][..], &number].concat();
        let exponent = number_in(&ours, "private-key:");
        let base = padded(number_in(&theirs, "public-key:"));
        let secret = openssl(directory, "pkeyutl -derive -inkey ours.pem -peerkey theirs.pub");
        let answered = user.call(Operation::ModExp, &[&prime, &exponent, &base], prime.len());
        assert_eq!((answered.descriptor.status, answered.output), (STATUS_DONE, padded(secret)), "{group}");
    }
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
