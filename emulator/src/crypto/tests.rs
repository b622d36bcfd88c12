//! Published vectors, and operands that have no result.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0);
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn compute(operation: Operation, parts: &[&[u8]], length: usize) -> (Outcome, Vec<u8>) {
    let mut payload = Vec::new();
    for part in parts {
        payload.extend((part.len() as u64).to_le_bytes());
        payload.extend(*part);
        payload.resize(payload.len().next_multiple_of(8), 0);
    }
    let payload = Payload::parse(&payload, operation).unwrap();
    let mut output = vec![0; length];
    let outcome = Calculator::new().unwrap().compute(operation, &payload, &mut output);
    (outcome, output)
}

const X25519: Operation = Operation::MontgomeryMultiply(MontgomeryCurve::X25519);
const SIGN: Operation = Operation::EcdsaSign(Curve::P256);
const MULTIPLY: Operation = Operation::EcMultiply(Curve::P256);

#[test]
fn x25519_of_rfc_7748() {
    // Section 5.2.
    for (scalar, u, result) in [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ] {
        assert_eq!(compute(X25519, &[&hex(scalar), &hex(u)], 32), (Outcome::Done, hex(result)));
    }
    // A point of small order: zeros, for the user to judge.
    assert_eq!(compute(X25519, &[&[7; 32], &[0; 32]], 32), (Outcome::Done, vec![0; 32]));
}

/// RFC 6979, A.2.5: key, and for each message's digest the nonce, r and s.
const KEY: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
const SIGNATURES: [[&str; 4]; 4] = [
    // SHA-1, "sample": a digest shorter than the order.
    [
        "8151325dcdbae9e0ff95f9f9658432dbedfdb209",
        "882905f1227fd620fbf2abf21244f0ba83d0dc3a9103dbbee43a1fb858109db4",
        "61340c88c3aaebeb4f6d667f672ca9759a6ccaa9fa8811313039ee4a35471d32",
        "6d7f147dac089441bb2e2fe8f7a3fa264b9c475098fdcf6e00d7c996e1b8b7eb",
    ],
    // SHA-256, "sample".
    [
        "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf",
        "a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60",
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    ],
    // SHA-256, "test".
    [
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "d16b6ae827f17175e040871a1c7ec3500192c4c92677336ec2537acaee0008e0",
        "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
        "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
    ],
    // SHA-512, "sample": a digest longer than the order.
    [
        "39a5e04aaff7455d9850c605364f514c11324ce64016960d23d5dc57d3ffd8f4\
         9a739468ab8049bf18eef820cdb1ad6c9015f838556bc7fad4138b23fdf986c7",
        "5fa81c63109badb88c1f367b47da606da28cad69aa22c4fe6ad7df73a7173aa5",
        "8496a60b5e9b47c825488827e0495b0e3fa109ec4568fd3f8d1097678eb97f00",
        "2362ab1adbe2b8adf9cb9edab740ea6049c028114f2460f96554f61fae3302fe",
    ],
];

#[test]
fn ecdsa_of_rfc_6979_with_its_nonces() {
    for [digest, nonce, r, s] in SIGNATURES {
        let signature = [hex(r), hex(s)].concat();
        let result = compute(SIGN, &[&hex(KEY), &hex(digest), &hex(nonce)], 64);
        assert_eq!(result, (Outcome::Done, signature));
    }
}

const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
/// The base point (SP 800-186, 3.2.1.3).
const BASE: [&str; 2] = [
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
];

#[test]
fn keys_and_nonces_out_of_range_are_rejected() {
    let order = hex(ORDER);
    let mut last = order.clone();
    last[31] -= 1;
    let (zero, good, digest) = (vec![0; 32], hex(KEY), [1; 32]);
    for (key, nonce) in [(&good, &zero), (&good, &order), (&zero, &good), (&order, &good)] {
        assert_eq!(compute(SIGN, &[key, &digest, nonce], 64).0, Outcome::Rejected);
    }
    assert_eq!(compute(SIGN, &[&last, &digest, &last], 64).0, Outcome::Done);
    let base = BASE.map(hex);
    for scalar in [&zero, &order] {
        assert_eq!(compute(MULTIPLY, &[scalar, &base[0], &base[1]], 64).0, Outcome::Rejected);
    }
}

#[test]
fn a_signature_whose_s_is_zero_is_rejected() {
    // e = -r d makes s zero; with the nonce 1, r is the base point's x.
    let mut context = Context::new().unwrap();
    let order = number::Modulus::new(number::Number::from_bytes(&hex(ORDER)).unwrap(), &mut context).unwrap();
    let number = |bytes: &[u8]| number::Number::from_bytes(bytes).unwrap();
    let product = order.product(&number(&hex(BASE[0])), &number(&hex(KEY)), &mut context).unwrap();
    let e = order.difference(&number(&[0]), &product).unwrap();
    let mut digest = [0; 32];
    e.write_to(&mut digest).unwrap();
    let mut nonce = [0; 32];
    nonce[31] = 1;
    assert_eq!(compute(SIGN, &[&hex(KEY), &digest, &nonce], 64).0, Outcome::Rejected);
    digest[31] ^= 1;
    assert_eq!(compute(SIGN, &[&hex(KEY), &digest, &nonce], 64).0, Outcome::Done);
}

#[test]
fn point_multiplication_of_nist_cavp() {
    // KAS_ECC_CDH_PrimitiveTest, P-256, COUNT = 0.
    let scalar = hex("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534");
    let (outcome, product) = compute(
        MULTIPLY,
        &[
            &scalar,
            &hex("700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"),
            &hex("db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac"),
        ],
        64,
    );
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(product[..32], hex("46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b"));
    let public = [
        "ead218590119e8876b29146ff89ca61770c4edbbf97d38ce385ed281d8a6b230",
        "28af61281fd35e2fa7002523acc85a429cb06ee6648325389f59edfce1405141",
    ];
    let result = compute(MULTIPLY, &[&scalar, &hex(BASE[0]), &hex(BASE[1])], 64);
    assert_eq!(result, (Outcome::Done, public.map(hex).concat()));
}

#[test]
fn points_off_the_curve_are_rejected() {
    let mut y = hex(BASE[1]);
    y[31] ^= 1;
    let prime = hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    for (x, y) in [(hex(BASE[0]), y), (vec![0; 32], vec![0; 32]), (prime, hex(BASE[1]))] {
        assert_eq!(compute(MULTIPLY, &[&[3; 32], &x, &y], 64).0, Outcome::Rejected);
    }
}

#[test]
fn rsa_of_small_numbers() {
    // p = 61, q = 53, e = 17, d = 413: 65^17 = 2790 (mod 3233).
    let parts: [&[u8]; 6] = [&[61], &[53], &[53], &[49], &[38], &[0x0a, 0xe6]];
    assert_eq!(compute(Operation::RsaPrivate, &parts, 2), (Outcome::Done, vec![0, 65]));
    let public: [&[u8]; 3] = [&[0x0c, 0xa1], &[17], &[0, 65]];
    assert_eq!(compute(Operation::RsaPublic, &public, 2), (Outcome::Done, vec![0x0a, 0xe6]));
    // An even modulus, zero, and an input that is not below the modulus.
    for wrong in [
        [&[0x0c, 0xa0][..], &[17], &[0, 65]],
        [&[0, 0], &[17], &[0, 65]],
        [&[0x0c, 0xa1], &[17], &[0x0c, 0xa1]],
    ] {
        assert_eq!(compute(Operation::RsaPublic, &wrong, 2).0, Outcome::Rejected);
    }
    let mut even = parts;
    even[1] = &[52];
    assert_eq!(compute(Operation::RsaPrivate, &even, 2).0, Outcome::Rejected);
    // Primes too long for the result.
    let long: [&[u8]; 6] = [&[61, 1], &[53], &[53], &[49], &[38], &[0x0a, 0xe6]];
    assert_eq!(compute(Operation::RsaPrivate, &long, 2).0, Outcome::Malformed);
}

#[test]
fn wrong_lengths_are_malformed() {
    let k = [1; 32];
    for (operation, parts, length) in [
        (X25519, &[&k[..], &k[..31]][..], 32),
        (X25519, &[&k, &k], 31),
        (SIGN, &[&k, &[], &k], 64),
        (SIGN, &[&k, &[1; 65], &k], 64),
        (SIGN, &[&k[..31], &k, &k], 64),
        (SIGN, &[&k, &k, &k], 63),
        (MULTIPLY, &[&k, &k, &k[..31]], 64),
        (MULTIPLY, &[&k, &k, &k], 32),
        (Operation::RsaPublic, &[&[1; 1025], &[1], &[1; 1025]], 1025),
        (Operation::RsaPublic, &[&[1; 64], &[], &[1; 64]], 64),
        (Operation::RsaPublic, &[&[1; 385], &[1; 9], &[0; 385]], 385),
        (Operation::RsaPrivate, &[&k, &k, &k, &k, &k, &[]], 0),
    ] {
        assert_eq!(compute(operation, parts, length).0, Outcome::Malformed, "{operation:?}");
    }
    let long_exponent: [&[u8]; 3] = [&[1; 384], &[1; 384], &[0; 384]];
    assert_eq!(compute(Operation::RsaPublic, &long_exponent, 384).0, Outcome::Done);
}
