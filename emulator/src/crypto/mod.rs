//! What the engines compute, with aws-lc: other code than the fallback's, so that one's mistakes are not the other's.

mod number;
mod rsa;
mod weierstrass;
mod x25519;
mod x448;

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
use weierstrass::Weierstrass;
use x448::X448;

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
    p256: Weierstrass,
    p384: Weierstrass,
    p521: Weierstrass,
    x448: X448,
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
        Ok(Self {
            p256: Weierstrass::new(Curve::P256, &mut context)?,
            p384: Weierstrass::new(Curve::P384, &mut context)?,
            p521: Weierstrass::new(Curve::P521, &mut context)?,
            x448: X448::new(&mut context)?,
            context,
        })
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
        let Self { context, p256, p384, p521, x448 } = self;
        let part = |index| payload.part(index);
        let curve = match operation {
            Operation::EcdsaSign(curve) | Operation::EcdsaVerify(curve) | Operation::EcMultiply(curve) => {
                curve
            }
            // Unused.
            _ => Curve::P256,
        };
        let curve = match curve {
            Curve::P256 => p256,
            Curve::P384 => p384,
            Curve::P521 => p521,
            _ => return Outcome::Unsupported,
        };
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
            Operation::RsaPublic | Operation::RsaPrivateExponent | Operation::ModExp => {
                rsa::power(part(0), part(1), part(2), context, output)
            }
            Operation::EcdsaSign(_) => curve.sign(part(0), part(1), part(2), context, output),
            Operation::EcdsaVerify(_) => {
                curve.verify((part(0), part(1)), part(2), (part(3), part(4)), context, output)
            }
            Operation::EcMultiply(_) => curve.multiply(part(0), part(1), part(2), context, output),
            Operation::MontgomeryMultiply(MontgomeryCurve::X25519) => {
                x25519::multiply(part(0), part(1), output)
            }
            Operation::MontgomeryMultiply(MontgomeryCurve::X448) => {
                x448.multiply(part(0), part(1), context, output)
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
/// keeps an engine.
///
/// The longest is a power whose modulus and exponent have 8192 bits each ([`Operation::ModExp`],
/// [`Operation::RsaPrivateExponent`]): 100 ms, on one core of a virtual machine (`tests/powers.rs` measures it). RSA with primes
/// takes a quarter of that, a power of 4096 bits an eighth. To the heartbeat an engine hangs when three checks in a row find
/// it in the same request, and its timer makes checks 200 ms apart at least. So an engine may be six times slower than
/// that one, or share its processor with five others, before its longest request is taken for a hang.
fn lengths_fit(operation: Operation, payload: &Payload<'_>, output: usize) -> bool {
    let length = |index| payload.part(index).len();
    match operation {
        Operation::RsaPrivate => {
            let half = output.div_ceil(2);
            (1..=RSA_MAX_BYTES).contains(&output)
                && length(5) == output
                && (0..5).all(|index| (1..=half).contains(&length(index)))
        }
        Operation::RsaPrivateExponent | Operation::ModExp => power_fits(payload, output, output),
        Operation::RsaPublic => {
            let exponent = if output > LARGE_MODULUS_BYTES { LARGE_MODULUS_EXPONENT_BYTES } else { output };
            power_fits(payload, output, exponent)
        }
        Operation::EcdsaSign(curve) => {
            let field = curve.field_bytes();
            output == 2 * field && length(0) == field && digest_fits(length(1)) && length(2) == field
        }
        Operation::EcdsaVerify(curve) => {
            let field = curve.field_bytes();
            output == field && digest_fits(length(2)) && [0, 1, 3, 4].iter().all(|at| length(*at) == field)
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

/// Modulus, exponent and input of a power, the exponent no longer than so many bytes.
fn power_fits(payload: &Payload<'_>, output: usize, longest_exponent: usize) -> bool {
    let length = |index| payload.part(index).len();
    (1..=RSA_MAX_BYTES).contains(&output)
        && length(0) == output
        && (1..=longest_exponent).contains(&length(1))
        && length(2) == output
}

fn digest_fits(length: usize) -> bool {
    (1..=DIGEST_MAX_BYTES).contains(&length)
}
