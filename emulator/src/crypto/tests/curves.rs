//! Curves: ECDSA, point multiplication, X25519, X448.

use super::vectors::{CURVES, OfCurve, X448, X448_ITERATED};
use super::*;

const X25519_OPERATION: Operation = Operation::MontgomeryMultiply(MontgomeryCurve::X25519);
const X448_OPERATION: Operation = Operation::MontgomeryMultiply(MontgomeryCurve::X448);

/// With what a curve's operations are called.
struct Bench {
    calculator: Calculator,
    of: &'static OfCurve,
    field: usize,
}

impl Bench {
    fn all() -> impl Iterator<Item = Self> {
        CURVES.iter().map(|of| {
            let field = of.curve.field_bytes();
            Self { calculator: Calculator::new().unwrap(), of, field }
        })
    }

    fn sign(&mut self, key: &[u8], digest: &[u8], nonce: &[u8]) -> (Outcome, Vec<u8>) {
        let operation = Operation::EcdsaSign(self.of.curve);
        compute_with(&mut self.calculator, operation, &[key, digest, nonce], 2 * self.field)
    }

    fn verify(&mut self, digest: &[u8], r: &[u8], s: &[u8]) -> (Outcome, Vec<u8>) {
        let operation = Operation::EcdsaVerify(self.of.curve);
        let [x, y] = self.of.public.map(hex);
        compute_with(&mut self.calculator, operation, &[&x, &y, digest, r, s], self.field)
    }

    fn multiply(&mut self, scalar: &[u8], x: &[u8], y: &[u8]) -> (Outcome, Vec<u8>) {
        let operation = Operation::EcMultiply(self.of.curve);
        compute_with(&mut self.calculator, operation, &[scalar, x, y], 2 * self.field)
    }

    fn number(&self, small: u8) -> Vec<u8> {
        let mut bytes = vec![0; self.field];
        *bytes.last_mut().unwrap() = small;
        bytes
    }
}

#[test]
fn ecdsa_of_rfc_6979_with_its_nonces_and_its_verification() {
    for mut bench in Bench::all() {
        for signature in bench.of.signatures {
            let [digest, nonce, r, s] =
                [signature.digest, signature.nonce, signature.r, signature.s].map(hex);
            let made = bench.sign(&hex(bench.of.key), &digest, &nonce);
            assert_eq!(made, (Outcome::Done, [&r[..], &s].concat()), "{:?}", bench.of.curve);
            assert_eq!(bench.verify(&digest, &r, &s), (Outcome::Done, r));
        }
    }
}

#[test]
fn a_wrong_signature_is_answered_by_anything_but_its_r() {
    for mut bench in Bench::all() {
        let signature = &bench.of.signatures[1];
        let [digest, r, s, order] = [signature.digest, signature.r, signature.s, bench.of.order].map(hex);
        let flipped = |bytes: &[u8], at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1;
            bytes
        };
        let last = bench.field - 1;
        for (digest, r, s) in [
            (flipped(&digest, 0), r.clone(), s.clone()),
            (digest.clone(), flipped(&r, last), s.clone()),
            (digest.clone(), r.clone(), flipped(&s, last)),
            (digest.clone(), s.clone(), r.clone()),
        ] {
            let (outcome, v) = bench.verify(&digest, &r, &s);
            assert_eq!(outcome, Outcome::Done);
            assert_ne!(v, r);
            assert_ne!(v, bench.number(0), "v of the computation");
        }
        let (zero, one, zeros) = (bench.number(0), bench.number(1), bench.number(0));
        // Out of range, both ways, each alone.
        for (r, s) in [(&order, &s), (&r, &order), (&r, &zero)] {
            assert_eq!(bench.verify(&digest, r, s), (Outcome::Done, zeros.clone()));
        }
        for s in [&s, &zero, &one] {
            let (outcome, v) = bench.verify(&digest, &zero, s);
            assert_eq!(outcome, Outcome::Done);
            assert_ne!(v, zero, "r that is zero is not confirmed");
        }
    }
}

#[test]
fn the_point_at_infinity_verifies_nothing() {
    for mut bench in Bench::all() {
        // u1 G + u2 Q with u1 = e / s, u2 = r / s and Q = d G: infinity if e = -r d. Here e is 1.
        let mut context = Context::new().unwrap();
        let number = |bytes: &[u8]| number::Number::from_bytes(bytes).unwrap();
        let order = number::Modulus::new(number(&hex(bench.of.order)), &mut context).unwrap();
        let less = order.number().minus_small(2).unwrap();
        let inverse = order.power(&number(&hex(bench.of.key)), &less, &mut context).unwrap();
        let mut r = bench.number(0);
        order.difference(&number(&[0]), &inverse).unwrap().write_to(&mut r).unwrap();
        let digest = &bench.number(1)[bench.field.saturating_sub(64)..];
        let s = bench.number(7);
        assert_eq!(bench.verify(digest, &r, &s), (Outcome::Done, bench.number(0)));
    }
}

#[test]
fn keys_and_nonces_out_of_range_are_rejected() {
    for mut bench in Bench::all() {
        let order = hex(bench.of.order);
        let mut last = order.clone();
        *last.last_mut().unwrap() -= 1;
        let (zero, good, digest) = (bench.number(0), hex(bench.of.key), [1; 32]);
        for (key, nonce) in [(&good, &zero), (&good, &order), (&zero, &good), (&order, &good)] {
            assert_eq!(bench.sign(key, &digest, nonce).0, Outcome::Rejected);
        }
        assert_eq!(bench.sign(&last, &digest, &last).0, Outcome::Done);
        let (x, y) = bench.of.curve.generator();
        for scalar in [&zero, &order] {
            assert_eq!(bench.multiply(scalar, x, y).0, Outcome::Rejected);
        }
    }
}

#[test]
fn a_signature_whose_s_is_zero_is_rejected() {
    // e = -r d makes s zero; with the nonce 1, r is the base point's x.
    for mut bench in Bench::all().filter(|bench| bench.of.curve != Curve::P521) {
        let mut context = Context::new().unwrap();
        let number = |bytes: &[u8]| number::Number::from_bytes(bytes).unwrap();
        let order = number::Modulus::new(number(&hex(bench.of.order)), &mut context).unwrap();
        let (x, _) = bench.of.curve.generator();
        let key = hex(bench.of.key);
        let product = order.product(&number(x), &number(&key), &mut context).unwrap();
        let e = order.difference(&number(&[0]), &product).unwrap();
        let mut digest = vec![0; bench.field];
        e.write_to(&mut digest).unwrap();
        let nonce = bench.number(1);
        assert_eq!(bench.sign(&key, &digest, &nonce).0, Outcome::Rejected);
        *digest.last_mut().unwrap() ^= 1;
        assert_eq!(bench.sign(&key, &digest, &nonce).0, Outcome::Done);
    }
}

#[test]
fn point_multiplication_of_nist_cavp() {
    for mut bench in Bench::all() {
        let [scalar, x, y, wanted] = bench.of.product.map(hex);
        let (outcome, product) = bench.multiply(&scalar, &x, &y);
        assert_eq!((outcome, &product[..bench.field]), (Outcome::Done, &wanted[..]));
        let (x, y) = bench.of.curve.generator();
        let public = bench.of.public.map(hex).concat();
        assert_eq!(bench.multiply(&hex(bench.of.key), x, y), (Outcome::Done, public));
    }
}

#[test]
fn points_off_the_curve_are_rejected() {
    for mut bench in Bench::all() {
        let (x, y) = bench.of.curve.generator();
        let mut off = y.to_vec();
        *off.last_mut().unwrap() ^= 1;
        let (zero, prime, three) = (bench.number(0), hex(bench.of.prime), bench.number(3));
        for (x, y) in [(x, &off[..]), (&zero, &zero), (&prime, y)] {
            assert_eq!(bench.multiply(&three, x, y).0, Outcome::Rejected);
            let operation = Operation::EcdsaVerify(bench.of.curve);
            let parts = [x, y, &[1; 32], &three, &three];
            let result = compute_with(&mut bench.calculator, operation, &parts, bench.field);
            assert_eq!(result.0, Outcome::Rejected);
        }
    }
}

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
        assert_eq!(compute(X25519_OPERATION, &[&hex(scalar), &hex(u)], 32), (Outcome::Done, hex(result)));
    }
    // A point of small order: zeros, for the user to judge.
    assert_eq!(compute(X25519_OPERATION, &[&[7; 32], &[0; 32]], 32), (Outcome::Done, vec![0; 32]));
}

#[test]
fn x448_of_rfc_7748() {
    for [scalar, u, result] in X448.map(|vector| vector.map(hex)) {
        assert_eq!(compute(X448_OPERATION, &[&scalar, &u], 56), (Outcome::Done, result));
    }
    // Points of small order, one of them written as a number that is not below the prime: zeros.
    let mut prime = [0xff; 56];
    prime[28] = 0xfe;
    for u in [[0; 56], prime] {
        assert_eq!(compute(X448_OPERATION, &[&[7; 56], &u], 56), (Outcome::Done, vec![0; 56]));
    }
}

#[test]
fn x448_of_rfc_7748_iterated() {
    let mut calculator = Calculator::new().unwrap();
    let mut base = vec![0; 56];
    base[0] = 5;
    let (mut scalar, mut u) = (base.clone(), base);
    for round in 1..=1000 {
        let (outcome, result) = compute_with(&mut calculator, X448_OPERATION, &[&scalar, &u], 56);
        assert_eq!(outcome, Outcome::Done);
        u = std::mem::replace(&mut scalar, result);
        match round {
            1 => assert_eq!(scalar, hex(X448_ITERATED[0])),
            1000 => assert_eq!(scalar, hex(X448_ITERATED[1])),
            _ => {}
        }
    }
}
