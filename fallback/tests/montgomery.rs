//! X25519: the vectors of RFC 7748, and results that are zero.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use hotspare_device::Request;
use hotspare_fallback::Fallback;
use support::{hex, run, x25519_key};

fn multiply(fallback: &Fallback, scalar: &str, u: &[u8]) -> Vec<u8> {
    run(fallback, &Request::montgomery_multiply(&x25519_key(scalar), u).unwrap()).unwrap()
}

const ALICE: &str = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";

fn written(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn products_are_those_of_rfc_7748() {
    let fallback = Fallback::new("default");
    for (scalar, u, product) in [
        // 5.2
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        // 5.2, with the top bit of u set, which does not count
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
        // 6.1
        (
            ALICE,
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
            "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
        ),
    ] {
        assert_eq!(written(&multiply(&fallback, scalar, &hex(u))), product);
    }
}

/// RFC 7748, 5.2: the result becomes the scalar and the scalar becomes u, a thousand times.
#[test]
fn a_thousand_rounds_end_where_rfc_7748_says() {
    let fallback = Fallback::new("default");
    let (mut scalar, mut u) = (format!("09{}", "00".repeat(31)), format!("09{}", "00".repeat(31)));
    for _ in 0..1000 {
        let product = written(&multiply(&fallback, &scalar, &hex(&u)));
        u = scalar;
        scalar = product;
    }
    assert_eq!(scalar, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

/// All u of small order, with and without the top bit, canonical and not. The result is zero, and the caller gets it.
#[test]
fn a_point_of_small_order_gives_zeros() {
    let fallback = Fallback::new("default");
    for u in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        let mut u = hex(u);
        for _ in 0..2 {
            assert_eq!(multiply(&fallback, ALICE, &u), [0; 32], "{}", written(&u));
            u[31] ^= 0x80;
        }
        // Three more is a point of large order.
        u[0] += 3;
        assert_ne!(multiply(&fallback, ALICE, &u), [0; 32], "{}", written(&u));
    }
}

/// A scalar is clamped where it is used: the bits that clamping sets make no difference.
#[test]
fn scalars_are_clamped() {
    let fallback = Fallback::new("default");
    let u = [vec![9], vec![0; 31]].concat();
    let mut clamped = hex(ALICE);
    clamped[0] &= 248;
    clamped[31] = clamped[31] & 127 | 64;
    assert_ne!(clamped, hex(ALICE));
    assert_eq!(multiply(&fallback, &written(&clamped), &u), multiply(&fallback, ALICE, &u));
}
