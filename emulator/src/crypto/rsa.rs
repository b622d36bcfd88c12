//! RSA and modular exponentiation as numbers: RFC 8017, 5.1.

use super::number::{Context, Modulus, Number, Refused};

/// RSADP and RSASP1 with the Chinese remainder theorem (RFC 8017, 5.1.2, 2b). `out` is as long as p * q.
///
/// The numbers come from the user; whether they belong to one key is its affair. Refused: a modulus that is even or
/// zero, an input or a result that is longer than `out`.
pub(super) fn private(
    numbers: &PrivateNumbers<'_>,
    context: &mut Context,
    out: &mut [u8],
) -> Result<(), Refused> {
    let input = Number::from_bytes(numbers.input)?;
    let p = Modulus::new(Number::from_bytes(numbers.prime1)?, context)?;
    let q = Modulus::new(Number::from_bytes(numbers.prime2)?, context)?;
    let (dp, dq) = (Number::from_bytes(numbers.exponent1)?, Number::from_bytes(numbers.exponent2)?);
    let m1 = p.power(&p.reduce(&input, context)?, &dp, context)?;
    let m2 = q.power(&q.reduce(&input, context)?, &dq, context)?;
    // h = (m1 - m2) * qInv mod p, m = m2 + h * q
    let coefficient = p.reduce(&Number::from_bytes(numbers.coefficient)?, context)?;
    let difference = p.difference(&m1, &p.reduce(&m2, context)?)?;
    let h = p.product(&difference, &coefficient, context)?;
    h.times(q.number(), context)?.plus(&m2)?.write_to(out)
}

/// What the private operation takes, big-endian.
pub(super) struct PrivateNumbers<'a> {
    /// p.
    pub(super) prime1: &'a [u8],
    /// q.
    pub(super) prime2: &'a [u8],
    /// d mod (p - 1).
    pub(super) exponent1: &'a [u8],
    /// d mod (q - 1).
    pub(super) exponent2: &'a [u8],
    /// q^-1 mod p.
    pub(super) coefficient: &'a [u8],
    /// The number to compute with.
    pub(super) input: &'a [u8],
}

/// `input ^ exponent` modulo `modulus`: RSAEP and RSAVP1 (RFC 8017, 5.1.1), RSADP and RSASP1 without primes (5.1.2, 2a),
/// Diffie-Hellman. Refused: an even modulus, an input that is not below it.
pub(super) fn power(
    modulus: &[u8],
    exponent: &[u8],
    input: &[u8],
    context: &mut Context,
    out: &mut [u8],
) -> Result<(), Refused> {
    let modulus = Modulus::new(Number::from_bytes(modulus)?, context)?;
    let exponent = Number::from_bytes(exponent)?;
    modulus.power(&Number::from_bytes(input)?, &exponent, context)?.write_to(out)
}
