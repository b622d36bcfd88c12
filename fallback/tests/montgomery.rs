//! X25519 and X448: the vectors of RFC 7748, and results that are zero.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use hotspare_device::MontgomeryCurve::{self, X448, X25519};
use hotspare_device::Request;
use hotspare_fallback::Fallback;
use support::{hex, montgomery_key, run};

fn multiply(fallback: &Fallback, curve: MontgomeryCurve, scalar: &str, u: &[u8]) -> Vec<u8> {
    run(fallback, &Request::montgomery_multiply(&montgomery_key(curve, hex(scalar)), u).unwrap()).unwrap()
}

/// RFC 7748, 6.1.
const ALICE: &str = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
/// RFC 7748, 6.2.
const ALICE_448: &str = "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28d\
                         d9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b";
const ALICE_448_PUBLIC: &str = "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c\
                                22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0";
const BOB_448: &str = "1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d\
                       6927c120bb5ee8972b0d3e21374c9c921b09d1b0366f10b65173992d";
const BOB_448_PUBLIC: &str = "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b430\
                              27d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609";
const SHARED_448: &str = "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282b\
                          b60c0b56fd2464c335543936521c24403085d59a449a5037514a879d";

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
        assert_eq!(written(&multiply(&fallback, X25519, scalar, &hex(u))), product);
    }
    for (scalar, u, product) in [
        // 5.2
        (
            "3d262fddf9ec8e88495266fea19a34d28882acef045104d0d1aae121\
             700a779c984c24f8cdd78fbff44943eba368f54b29259a4f1c600ad3",
            "06fce640fa3487bfda5f6cf2d5263f8aad88334cbd07437f020f08f9\
             814dc031ddbdc38c19c6da2583fa5429db94ada18aa7a7fb4ef8a086",
            "ce3e4ff95a60dc6697da1db1d85e6afbdf79b50a2412d7546d5f239f\
             e14fbaadeb445fc66a01b0779d98223961111e21766282f73dd96b6f",
        ),
        (
            "203d494428b8399352665ddca42f9de8fef600908e0d461cb021f8c5\
             38345dd77c3e4806e25f46d3315c44e0a5b4371282dd2c8d5be3095f",
            "0fbcc2f993cd56d3305b0b7d9e55d4c1a8fb5dbb52f8e9a1e9b6201b\
             165d015894e56c4d3570bee52fe205e28a78b91cdfbde71ce8d157db",
            "884a02576239ff7a2f2f63b2db6a9ff37047ac13568e1e30fe63c4a7\
             ad1b3ee3a5700df34321d62077e63633c575c1c954514e99da7c179d",
        ),
        // 6.2
        (ALICE_448, BOB_448_PUBLIC, SHARED_448),
        (BOB_448, ALICE_448_PUBLIC, SHARED_448),
    ] {
        assert_eq!(written(&multiply(&fallback, X448, scalar, &hex(u))), product);
    }
}

/// RFC 7748, 5.2: the result becomes the scalar and the scalar becomes u, a thousand times.
#[test]
fn a_thousand_rounds_end_where_rfc_7748_says() {
    let fallback = Fallback::new("default");
    for (curve, end) in [
        (X25519, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"),
        (
            X448,
            "aa3b4749d55b9daf1e5b00288826c467274ce3ebbdd5c17b975e09d4\
             af6c67cf10d087202db88286e2b79fceea3ec353ef54faa26e219f38",
        ),
    ] {
        let mut u = vec![0; curve.field_bytes()];
        u[0] = curve.base();
        let mut scalar = written(&u);
        for _ in 0..1000 {
            let product = written(&multiply(&fallback, curve, &scalar, &u));
            u = hex(&scalar);
            scalar = product;
        }
        assert_eq!(scalar, end);
    }
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
            assert_eq!(multiply(&fallback, X25519, ALICE, &u), [0; 32], "{}", written(&u));
            u[31] ^= 0x80;
        }
        // Three more is a point of large order.
        u[0] += 3;
        assert_ne!(multiply(&fallback, X25519, ALICE, &u), [0; 32], "{}", written(&u));
    }
    // 0, 1, -1, and the first two with the prime added.
    for (low, high) in [("00", "00"), ("01", "00"), ("fe", "fe"), ("ff", "fe"), ("00", "ff")] {
        let fill = |first: &str, rest: &str| format!("{first}{}", rest.repeat(27));
        let low_rest = if high == "fe" { "ff" } else { "00" };
        let high_rest = if high == "00" { "00" } else { "ff" };
        let mut u = hex(&(fill(low, low_rest) + &fill(high, high_rest)));
        assert_eq!(multiply(&fallback, X448, ALICE_448, &u), [0; 56], "{}", written(&u));
        // Five more is a point of large order.
        u[0] = u[0].wrapping_add(5);
        assert_ne!(multiply(&fallback, X448, ALICE_448, &u), [0; 56], "{}", written(&u));
    }
}

/// RFC 7748, 6.1 and 6.2: public keys, from a key that is new, from one that has computed public keys, and from one that has computed
/// something else.
#[test]
fn the_product_with_the_base_point_is_the_public_key() {
    let fallback = Fallback::new("default");
    for (curve, private, public) in [
        (X25519, ALICE, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
        (X448, ALICE_448, ALICE_448_PUBLIC),
        (X448, BOB_448, BOB_448_PUBLIC),
    ] {
        let key = montgomery_key(curve, hex(private));
        let base = Request::montgomery_multiply_base(&key).unwrap();
        let other = Request::montgomery_multiply(&key, &vec![7; curve.field_bytes()]).unwrap();
        let product = multiply(&fallback, curve, private, &vec![7; curve.field_bytes()]);
        for _ in 0..2 {
            assert_eq!(written(&run(&fallback, &base).unwrap()), public);
            assert_eq!(run(&fallback, &other).unwrap(), product);
        }
        let key = montgomery_key(curve, hex(private));
        let base = Request::montgomery_multiply_base(&key).unwrap();
        let other = Request::montgomery_multiply(&key, &vec![7; curve.field_bytes()]).unwrap();
        for _ in 0..2 {
            assert_eq!(run(&fallback, &other).unwrap(), product);
            assert_eq!(written(&run(&fallback, &base).unwrap()), public);
        }
        // The same u with the prime added, or with the top bit that X25519 ignores, is not the same bytes.
        if curve == X25519 {
            let mut u = [vec![9], vec![0; 31]].concat();
            u[31] = 0x80;
            assert_eq!(written(&multiply(&fallback, curve, private, &u)), public);
            u = [vec![0xf6], vec![0xff; 30], vec![0x7f]].concat();
            assert_eq!(written(&multiply(&fallback, curve, private, &u)), public);
        }
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
    assert_eq!(multiply(&fallback, X25519, &written(&clamped), &u), multiply(&fallback, X25519, ALICE, &u));
    let mut clamped = hex(ALICE_448);
    clamped[0] &= 252;
    clamped[55] |= 128;
    assert_ne!(clamped, hex(ALICE_448));
    let u = hex(BOB_448_PUBLIC);
    assert_eq!(written(&multiply(&fallback, X448, &written(&clamped), &u)), SHARED_448);
}
