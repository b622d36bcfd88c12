//! Published vectors, and operands that have no result.

mod curves;
mod powers;
mod vectors;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0);
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn compute_with(
    calculator: &mut Calculator,
    operation: Operation,
    parts: &[&[u8]],
    length: usize,
) -> (Outcome, Vec<u8>) {
    let mut payload = Vec::new();
    for part in parts {
        payload.extend((part.len() as u64).to_le_bytes());
        payload.extend(*part);
        payload.resize(payload.len().next_multiple_of(8), 0);
    }
    let payload = Payload::parse(&payload, operation).unwrap();
    let mut output = vec![0x77; length];
    let outcome = calculator.compute(operation, &payload, &mut output);
    (outcome, output)
}

fn compute(operation: Operation, parts: &[&[u8]], length: usize) -> (Outcome, Vec<u8>) {
    compute_with(&mut Calculator::new().unwrap(), operation, parts, length)
}

#[test]
fn wrong_lengths_are_malformed() {
    const X25519: Operation = Operation::MontgomeryMultiply(MontgomeryCurve::X25519);
    const X448: Operation = Operation::MontgomeryMultiply(MontgomeryCurve::X448);
    const SIGN: Operation = Operation::EcdsaSign(Curve::P256);
    const VERIFY: Operation = Operation::EcdsaVerify(Curve::P384);
    const MULTIPLY: Operation = Operation::EcMultiply(Curve::P256);
    let k = [1; 32];
    let (long, odd, odder) = ([1; 48], [1; 56], [1; 66]);
    for (operation, parts, length) in [
        (X25519, &[&k[..], &k[..31]][..], 32),
        (X25519, &[&k, &k], 31),
        (X448, &[&odd, &k], 56),
        (X448, &[&odd, &odd], 57),
        (SIGN, &[&k, &[], &k], 64),
        (SIGN, &[&k, &[1; 65], &k], 64),
        (SIGN, &[&k[..31], &k, &k], 64),
        (SIGN, &[&k, &k, &k], 63),
        (VERIFY, &[&long, &long, &k, &long, &long], 96),
        (VERIFY, &[&long, &long, &k, &long, &k], 48),
        (VERIFY, &[&long, &k, &k, &long, &long], 48),
        (VERIFY, &[&long, &long, &[], &long, &long], 48),
        (MULTIPLY, &[&k, &k, &k[..31]], 64),
        (MULTIPLY, &[&k, &k, &k], 32),
        (Operation::EcMultiply(Curve::P521), &[&odder, &odder, &odder[..65]], 132),
        (Operation::RsaPublic, &[&[1; 1025], &[1], &[1; 1025]], 1025),
        (Operation::RsaPublic, &[&[1; 64], &[], &[1; 64]], 64),
        (Operation::RsaPublic, &[&[1; 385], &[1; 9], &[0; 385]], 385),
        (Operation::RsaPrivate, &[&k, &k, &k, &k, &k, &[]], 0),
        (Operation::ModExp, &[&k, &[1; 33], &k], 32),
        (Operation::ModExp, &[&k, &k, &k[1..]], 32),
        (Operation::ModExp, &[&k, &[], &k], 32),
        (Operation::RsaPrivateExponent, &[&[1; 1025], &[1], &[1; 1025]], 1025),
        (Operation::RsaPrivateExponent, &[&k, &k, &k], 31),
    ] {
        assert_eq!(compute(operation, parts, length).0, Outcome::Malformed, "{operation:?}");
    }
}

#[test]
fn every_operation_of_the_wire_is_computed() {
    for operation in hotspare_device::drivers::emulated::wire::descriptor::operations() {
        let length = match operation {
            Operation::EcdsaSign(curve) | Operation::EcMultiply(curve) => 2 * curve.field_bytes(),
            Operation::EcdsaVerify(curve) => curve.field_bytes(),
            Operation::MontgomeryMultiply(curve) => curve.field_bytes(),
            _ => 64,
        };
        let field = match operation {
            Operation::EcdsaSign(_) | Operation::EcMultiply(_) => length / 2,
            _ => length,
        };
        let field = vec![1; field];
        let half: &[u8] = &[1; 32];
        let parts: &[&[u8]] = match operation {
            Operation::RsaPrivate => &[half, half, half, half, half, &field],
            Operation::EcdsaVerify(_) => &[&field, &field, &[1], &field, &field],
            Operation::MontgomeryMultiply(_) => &[&field, &field],
            Operation::EcdsaSign(_) => &[&field, &[1], &field],
            _ => &[&field, &field, &field],
        };
        let (outcome, _) = compute(operation, parts, length);
        assert!(matches!(outcome, Outcome::Done | Outcome::Rejected), "{operation:?}: {outcome:?}");
    }
}
