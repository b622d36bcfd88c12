//! ECDSA verification: published signatures, signatures of other implementations, and all that is none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use hotspare_device::{Curve, InvalidRequest, Request};
use hotspare_fallback::{Fallback, FallbackError};
use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use support::{curves, ec_key_on, ec_public_key, hex, run};

/// RFC 6979, A.2.5 to A.2.7: public points and signatures of the message "sample".
struct Vector {
    curve: Curve,
    point: [&'static str; 2],
    hash: &'static Algorithm,
    signature: [&'static str; 2],
}

const P384_POINT: [&str; 2] = [
    "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13",
    "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720",
];

const VECTORS: [Vector; 4] = [
    Vector {
        curve: Curve::P256,
        point: [
            "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
            "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
        ],
        hash: &SHA256,
        signature: [
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
            "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ],
    },
    Vector {
        curve: Curve::P384,
        point: P384_POINT,
        hash: &SHA384,
        signature: [
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
            "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
        ],
    },
    Vector {
        curve: Curve::P384,
        point: P384_POINT,
        // Longer than the order.
        hash: &SHA512,
        signature: [
            "ED0959D5880AB2D869AE7F6C2915C6D60F96507F9CB3E047C0046861DA4A799CFE30F35CC900056D7C99CD7882433709",
            "512C8CCEEE3890A84058CE1E22DBC2198F42323CE8ACA9135329F03C068E5112DC7CC3EF3446DEFCEB01A45C2667FDD5",
        ],
    },
    Vector {
        curve: Curve::P521,
        point: [
            "01894550D0785932E00EAA23B694F213F8C3121F86DC97A04E5A7167DB4E5BCD371123D46E45DB6B5D5370A7F20FB633155D38FFA16D2BD761DCAC474B9A2F5023A4",
            "00493101C962CD4D2FDDF782285E64584139C2F91B47F87FF82354D6630F746A28A0DB25741B5B34A828008B22ACC23F924FAAFBD4D33F81EA66956DFEAA2BFDFCF5",
        ],
        hash: &SHA512,
        signature: [
            "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA",
            "00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A",
        ],
    },
];

/// The output: r, or zeros.
fn verify(
    fallback: &Fallback,
    (curve, point): (Curve, &[Vec<u8>; 2]),
    digest: &[u8],
    [r, s]: &[Vec<u8>; 2],
) -> Result<Vec<u8>, FallbackError> {
    let key = ec_public_key(curve, &point[0], &point[1]);
    run(fallback, &Request::ecdsa_verify(&key, digest, r, s).unwrap())
}

#[test]
fn signatures_of_rfc_6979_are_right() {
    let fallback = Fallback::new("default");
    for vector in &VECTORS {
        let (point, signature) = (vector.point.map(hex), vector.signature.map(hex));
        let sample = digest(vector.hash, b"sample");
        let output = verify(&fallback, (vector.curve, &point), sample.as_ref(), &signature).unwrap();
        assert_eq!(output, signature[0], "{:?}", vector.curve);
    }
}

#[test]
fn whatever_is_changed_makes_a_signature_wrong() {
    let fallback = Fallback::new("default");
    for vector in &VECTORS {
        let (point, [r, s]) = (vector.point.map(hex), vector.signature.map(hex));
        let sample = digest(vector.hash, b"sample");
        let other = digest(vector.hash, b"Sample");
        let changed = |number: &[u8]| {
            let mut changed = number.to_vec();
            changed[number.len() / 2] ^= 0x10;
            changed
        };
        let (zero, zeros) = (vec![0; r.len()], vec![0; vector.curve.field_bytes()]);
        let order = hex(curves::ALL.iter().find(|one| one.curve == vector.curve).unwrap().order);
        let largest = vec![0xff; r.len()];
        let right = [r.clone(), s.clone()];
        let on_curve = (vector.curve, &point);
        assert_eq!(verify(&fallback, on_curve, other.as_ref(), &right).unwrap(), zeros);
        assert_eq!(verify(&fallback, on_curve, &sample.as_ref()[1..], &right).unwrap(), zeros);
        for signature in [
            [changed(&r), s.clone()],
            [r.clone(), changed(&s)],
            [s.clone(), r.clone()],
            // Out of range.
            [zero.clone(), s.clone()],
            [r.clone(), zero.clone()],
            [zero.clone(), zero.clone()],
            [order.clone(), s.clone()],
            [r.clone(), order.clone()],
            [largest.clone(), s.clone()],
            [r.clone(), largest.clone()],
        ] {
            assert_eq!(verify(&fallback, on_curve, sample.as_ref(), &signature).unwrap(), zeros);
        }
        // Another key, whose point is on the curve: the generator.
        let (x, y) = vector.curve.generator();
        let generator = [x.to_vec(), y.to_vec()];
        assert_eq!(verify(&fallback, (vector.curve, &generator), sample.as_ref(), &right).unwrap(), zeros);
        // And the context is as good as before.
        assert_eq!(verify(&fallback, on_curve, sample.as_ref(), &right).unwrap(), r);
    }
}

#[test]
fn one_key_verifies_right_and_wrong_signatures_in_turn() {
    let fallback = Fallback::new("default");
    let vector = &VECTORS[0];
    let ([x, y], [r, s]) = (vector.point.map(hex), vector.signature.map(hex));
    let key = ec_public_key(vector.curve, &x, &y);
    let sample = digest(vector.hash, b"sample");
    let right = Request::ecdsa_verify(&key, sample.as_ref(), &r, &s).unwrap();
    let wrong = Request::ecdsa_verify(&key, &[1; 32], &r, &s).unwrap();
    for _ in 0..20 {
        assert_eq!(run(&fallback, &right).unwrap(), r);
        assert_eq!(run(&fallback, &wrong).unwrap(), [0; 32]);
    }
}

#[test]
fn what_another_implementation_signs_is_right() {
    let fallback = Fallback::new("default");
    let random = SystemRandom::new();
    for (curve, signing, hash) in [
        (Curve::P256, &ECDSA_P256_SHA256_FIXED_SIGNING, &SHA256),
        (Curve::P384, &ECDSA_P384_SHA384_FIXED_SIGNING, &SHA384),
    ] {
        let document = EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(signing, document.as_ref(), &random).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(curve.field_bytes());
        let key = ec_public_key(curve, x, y);
        // So many that numbers with leading zeros and with a first bit that is set are among them.
        for message in 0..600_u32 {
            let message = message.to_be_bytes();
            let signature = pair.sign(&random, &message).unwrap();
            let (r, s) = signature.as_ref().split_at(curve.field_bytes());
            let request = Request::ecdsa_verify(&key, digest(hash, &message).as_ref(), r, s).unwrap();
            assert_eq!(run(&fallback, &request).unwrap(), r);
        }
    }
}

/// Digests of every length, on every curve: what the path signs it finds right, and with one bit of the digest less, wrong.
#[test]
fn what_it_signs_is_right() {
    let fallback = Fallback::new("default");
    for numbers in &curves::ALL {
        let length = numbers.curve.field_bytes();
        let signer = ec_key_on(numbers.curve, hex(numbers.i));
        let point = numbers.gi.map(hex);
        for digest_length in 1..=64 {
            let mut digest = vec![0xa5; digest_length];
            let signing = Request::ecdsa_sign(&signer, &digest, &vec![7; length]).unwrap();
            let signature = run(&fallback, &signing).unwrap();
            let (r, s) = signature.split_at(length);
            let signature = [r.to_vec(), s.to_vec()];
            let output = verify(&fallback, (numbers.curve, &point), &digest, &signature).unwrap();
            assert_eq!(output, r, "{:?}, {digest_length} bytes", numbers.curve);
            digest[0] ^= 0x80;
            let output = verify(&fallback, (numbers.curve, &point), &digest, &signature).unwrap();
            assert_eq!(output, vec![0; length], "{:?}, {digest_length} bytes", numbers.curve);
        }
    }
}

#[test]
fn a_public_key_that_is_none_is_the_callers_error() {
    let fallback = Fallback::new("default");
    for vector in &VECTORS {
        let ([x, y], signature) = (vector.point.map(hex), vector.signature.map(hex));
        let length = x.len();
        let mut other_y = y.clone();
        other_y[length - 1] ^= 1;
        for point in [
            [x.clone(), other_y],
            [y.clone(), x.clone()],
            [vec![0; length], vec![0; length]],
            [vec![0xff; length], y.clone()],
        ] {
            let error = verify(&fallback, (vector.curve, &point), &[1; 32], &signature).unwrap_err();
            assert!(matches!(error, FallbackError::Invalid(InvalidRequest::KeyNumber(_))), "{error}");
        }
    }
}
