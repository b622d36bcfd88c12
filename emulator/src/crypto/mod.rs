//! What the engines compute, with aws-lc: other code than the fallback's, so that one's mistakes are not the other's.

mod number;
mod p256;
mod rsa;
mod x25519;

#[cfg(test)]
mod tests;

use hotspare_device::drivers::emulated::wire::descriptor::{
    STATUS_DONE, STATUS_MALFORMED, STATUS_REJECTED, STATUS_UNSUPPORTED,
};
use hotspare_device::drivers::emulated::wire::payload::Payload;
use hotspare_device::key::RSA_MAX_BYTES;
use hotspare_device::request::DIGEST_MAX_BYTES;
use hotspare_device::{Curve, MontgomeryCurve, Operation};

use number::{Context, Refused};
use p256::P256;

/// How a computation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The result is there.
    Done,
    /// The operands have no result.
    Rejected,
    /// The operands are not of the lengths that the operation takes.
    Malformed,
    /// Not an operation of this device.
    Unsupported,
}

impl Outcome {
    /// Its code in a response.
    pub(crate) fn status(self) -> u32 {
        match self {
            Self::Done => STATUS_DONE,
            Self::Rejected => STATUS_REJECTED,
            Self::Malformed => STATUS_MALFORMED,
            Self::Unsupported => STATUS_UNSUPPORTED,
        }
    }
}

/// Computes for one engine, and keeps what is worth keeping from one request to the next. No key is.
pub(crate) struct Calculator {
    context: Context,
    p256: P256,
}

/// The library could not be set up: no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic library cannot be set up (out of memory?)")]
pub(crate) struct NoCalculator;

impl From<Refused> for NoCalculator {
    fn from(_: Refused) -> Self {
        Self
    }
}

impl Calculator {
    pub(crate) fn new() -> Result<Self, NoCalculator> {
        let mut context = Context::new()?;
        let p256 = P256::new(&mut context)?;
        Ok(Self { context, p256 })
    }

    /// Computes `operation` of the payload into `output`, whose length is what the request asks for. Only `Done`
    /// leaves a result there; anything else may leave part of one: the caller wipes it.
    pub(crate) fn compute(
        &mut self,
        operation: Operation,
        payload: &Payload<'_>,
        output: &mut [u8],
    ) -> Outcome {
        if !lengths_fit(operation, payload, output.len()) {
            return Outcome::Malformed;
        }
        let context = &mut self.context;
        let part = |index| payload.part(index);
        let result = match operation {
            Operation::RsaPrivate => rsa::private(
                &rsa::PrivateNumbers {
                    prime1: part(0),
                    prime2: part(1),
                    exponent1: part(2),
                    exponent2: part(3),
                    coefficient: part(4),
                    input: part(5),
                },
                context,
                output,
            ),
            Operation::RsaPublic => rsa::public(part(0), part(1), part(2), context, output),
            Operation::EcdsaSign(Curve::P256) => self.p256.sign(part(0), part(1), part(2), context, output),
            Operation::EcMultiply(Curve::P256) => {
                self.p256.multiply(part(0), part(1), part(2), context, output)
            }
            Operation::MontgomeryMultiply(MontgomeryCurve::X25519) => {
                x25519::multiply(part(0), part(1), output)
            }
            _ => return Outcome::Unsupported,
        };
        if result.is_ok() { Outcome::Done } else { Outcome::Rejected }
    }
}

/// Above this length of the modulus, the public exponent may have [`LARGE_MODULUS_EXPONENT_BYTES`] only. OpenSSL has the
/// same rule, for the same reason: a long exponent makes the public operation as long as many private ones
/// (`OPENSSL_RSA_SMALL_MODULUS_BITS`, `OPENSSL_RSA_MAX_PUBEXP_BITS`).
const LARGE_MODULUS_BYTES: usize = 3072 / 8;
const LARGE_MODULUS_EXPONENT_BYTES: usize = 64 / 8;

/// Whether parts and result have lengths that the operation takes. The bounds also bound the time that one request
/// keeps an engine: that of an 8192-bit private operation, some 50 ms. The heartbeat bears with ten times that.
fn lengths_fit(operation: Operation, payload: &Payload<'_>, output: usize) -> bool {
    let length = |index| payload.part(index).len();
    match operation {
        Operation::RsaPrivate => {
            let half = output.div_ceil(2);
            (1..=RSA_MAX_BYTES).contains(&output)
                && length(5) == output
                && (0..5).all(|index| (1..=half).contains(&length(index)))
        }
        Operation::RsaPublic => {
            let exponent = if output > LARGE_MODULUS_BYTES { LARGE_MODULUS_EXPONENT_BYTES } else { output };
            (1..=RSA_MAX_BYTES).contains(&output)
                && length(0) == output
                && (1..=exponent).contains(&length(1))
                && length(2) == output
        }
        Operation::EcdsaSign(curve) => {
            let field = curve.field_bytes();
            output == 2 * field
                && length(0) == field
                && (1..=DIGEST_MAX_BYTES).contains(&length(1))
                && length(2) == field
        }
        Operation::EcMultiply(curve) => {
            let field = curve.field_bytes();
            output == 2 * field && (0..3).all(|index| length(index) == field)
        }
        Operation::MontgomeryMultiply(curve) => {
            let field = curve.field_bytes();
            output == field && length(0) == field && length(1) == field
        }
        // The compiler wants this for operations to come; what is not computed is refused above all.
        _ => true,
    }
}
