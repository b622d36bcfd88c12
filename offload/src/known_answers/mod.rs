//! Requests whose answers are published: what a returned device must get right before it is used again.
//!
//! Every operation is here, on every curve; those that a device does not have it is not asked. RSA and modular exponentiation
//! are here with 2048 bits, which take a device one or two milliseconds.

mod curves;
mod rsa;

use hotspare_device::{Curve, Request};

/// A request and its answer.
pub(crate) struct KnownAnswer {
    /// What is asked.
    pub(crate) request: Request,
    /// The one right result; or, if `is_not`, the one wrong result.
    pub(crate) expected: &'static [u8],
    /// Every other result is right (the refusal of a signature has many).
    pub(crate) is_not: bool,
}

impl KnownAnswer {
    fn is(request: Request, expected: &'static [u8]) -> Self {
        Self { request, expected, is_not: false }
    }

    fn is_not(request: Request, wrong: &'static [u8]) -> Self {
        Self { request, expected: wrong, is_not: true }
    }
}

/// All of them.
pub(crate) fn all() -> Vec<KnownAnswer> {
    let [p256, p384, p521] = Curve::ALL;
    // None of them fails: the numbers are constants, and a test sees that all are here.
    [
        rsa::private(),
        rsa::public(),
        curves::sign(p256),
        curves::multiply(p256),
        curves::x25519(),
        curves::verify(p256),
        curves::refuse(p256),
        curves::sign(p384),
        curves::multiply(p384),
        curves::verify(p384),
        curves::refuse(p384),
        curves::sign(p521),
        curves::multiply(p521),
        curves::verify(p521),
        curves::refuse(p521),
        curves::x448(),
        rsa::private_exponent(),
        rsa::mod_exp(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The bytes that `text` writes in hexadecimal; a wrong length or digit does not compile.
const fn hex<const N: usize>(text: &str) -> [u8; N] {
    let digits = text.as_bytes();
    assert!(digits.len() == 2 * N, "two digits for each byte");
    let mut bytes = [0; N];
    let mut index = 0;
    while index < N {
        bytes[index] = digit(digits[2 * index]) << 4 | digit(digits[2 * index + 1]);
        index += 1;
    }
    bytes
}

const fn digit(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => character - b'0',
        _ => {
            assert!(matches!(character, b'a'..=b'f'), "a hexadecimal digit");
            character - b'a' + 10
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use hotspare_device::{MontgomeryCurve, Operation, Output};
    use hotspare_fallback::Fallback;

    use super::*;

    #[test]
    fn every_operation_is_here() {
        let on_curves = Curve::ALL.into_iter().flat_map(|curve| {
            [Operation::EcdsaSign(curve), Operation::EcdsaVerify(curve), Operation::EcMultiply(curve)]
        });
        let others = [
            Operation::RsaPrivate,
            Operation::RsaPrivateExponent,
            Operation::RsaPublic,
            Operation::MontgomeryMultiply(MontgomeryCurve::X25519),
            Operation::MontgomeryMultiply(MontgomeryCurve::X448),
            Operation::ModExp,
        ];
        let wanted: HashSet<_> = on_curves.chain(others).collect();
        let operations: HashSet<_> = all().iter().map(|known| known.request.operation()).collect();
        assert_eq!(operations, wanted);
        assert_eq!(all().len(), wanted.len() + Curve::ALL.len());
        for known in all() {
            assert_eq!(known.expected.len(), known.request.output_length());
        }
    }

    /// The nonce is the device's to use: software draws its own, so its signature is another one.
    #[test]
    fn software_agrees_wherever_the_answer_depends_on_the_request_alone() {
        let fallback = Fallback::new("default");
        for known in all() {
            let mut output = Output::new();
            fallback.execute(&known.request, &mut output).unwrap();
            let other = known.is_not || matches!(known.request.operation(), Operation::EcdsaSign(_));
            assert_eq!(output.as_slice() == known.expected, !other, "{:?}", known.request.operation());
        }
    }
}
