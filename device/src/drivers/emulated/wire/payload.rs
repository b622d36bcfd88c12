//! The payload of a request in its slot: the key's numbers and the operands, each as a 64-bit length (little-endian)
//! and the bytes, padded to a multiple of eight.
//!
//! | operation | parts |
//! | --- | --- |
//! | RSA private | p, q, d mod p-1, d mod q-1, q^-1 mod p, input |
//! | RSA private, exponent alone | n, d, input |
//! | RSA public | n, e, input |
//! | ECDSA sign | d, digest, nonce |
//! | ECDSA verify | x, y, digest, r, s |
//! | EC multiply | scalar, x, y |
//! | X25519, X448 | scalar, u |
//! | modular exponentiation | modulus, exponent, base |

use super::layout::SLOT_OUTPUT;
use crate::key::KeyMaterial;
use crate::request::{Operation, Request};
use crate::shared_memory::{OutOfBounds, SharedMemory};

/// The most parts that a payload has.
pub const MAX_PARTS: usize = 6;

/// How many parts the operation's payload has.
#[must_use]
pub fn part_count(operation: Operation) -> usize {
    match operation {
        Operation::RsaPrivate => 6,
        Operation::EcdsaVerify(_) => 5,
        Operation::RsaPrivateExponent
        | Operation::RsaPublic
        | Operation::EcdsaSign(_)
        | Operation::EcMultiply(_)
        | Operation::ModExp => 3,
        Operation::MontgomeryMultiply(_) => 2,
    }
}

/// A request whose key does not have the numbers that its operation needs, or that is too long for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request does not fit into a slot")]
pub struct DoesNotFit;

impl From<OutOfBounds> for DoesNotFit {
    fn from(_: OutOfBounds) -> Self {
        Self
    }
}

fn parts(request: &Request) -> Result<([&[u8]; MAX_PARTS], usize), DoesNotFit> {
    let operands = request.operands();
    let none: &[u8] = &[];
    let parts = match (request.operation(), request.key().material()) {
        (Operation::RsaPrivate, KeyMaterial::Rsa(key)) => {
            let crt = key.private.as_ref().and_then(|private| private.crt.as_ref()).ok_or(DoesNotFit)?;
            [
                &*crt.prime1,
                &*crt.prime2,
                &*crt.exponent1,
                &*crt.exponent2,
                &*crt.coefficient,
                operands.part(0),
            ]
        }
        (Operation::RsaPrivateExponent, KeyMaterial::Rsa(key)) => {
            let private = key.private.as_ref().ok_or(DoesNotFit)?;
            [&*key.modulus, &*private.exponent, operands.part(0), none, none, none]
        }
        (Operation::RsaPublic, KeyMaterial::Rsa(key)) => {
            [&*key.modulus, &*key.public_exponent, operands.part(0), none, none, none]
        }
        (Operation::EcdsaSign(_) | Operation::EcMultiply(_), KeyMaterial::Ec(key)) => {
            [&*key.scalar, operands.part(0), operands.part(1), none, none, none]
        }
        (Operation::EcdsaVerify(_), KeyMaterial::EcPublic(key)) => {
            [&*key.x, &*key.y, operands.part(0), operands.part(1), operands.part(2), none]
        }
        (Operation::ModExp, KeyMaterial::ModExp(key)) => {
            [&*key.modulus, &*key.exponent, operands.part(0), none, none, none]
        }
        (Operation::MontgomeryMultiply(_), KeyMaterial::Montgomery(key)) => {
            [&*key.scalar, operands.part(0), none, none, none, none]
        }
        _ => return Err(DoesNotFit),
    };
    Ok((parts, part_count(request.operation())))
}

/// Writes the payload of `request` to the slot at `offset` and returns its length in bytes.
///
/// # Errors
/// [`DoesNotFit`]; what was written until then is wiped.
pub fn write(memory: &SharedMemory, offset: usize, request: &Request) -> Result<u32, DoesNotFit> {
    let (parts, count) = parts(request)?;
    let parts = &parts[..count];
    let total: usize = parts.iter().map(|part| 8 + part.len().next_multiple_of(8)).sum();
    if total > SLOT_OUTPUT {
        return Err(DoesNotFit);
    }
    let mut at = offset;
    for part in parts {
        let length = u64::try_from(part.len()).map_err(|_| DoesNotFit)?;
        memory.write(at, &length.to_le_bytes())?;
        memory.write(at + 8, part)?;
        at += 8 + part.len().next_multiple_of(8);
    }
    u32::try_from(total).map_err(|_| DoesNotFit)
}

/// A payload that was copied out of shared memory.
pub struct Payload<'a> {
    parts: [&'a [u8]; MAX_PARTS],
}

impl<'a> Payload<'a> {
    /// Takes a private copy of a payload apart. None if it is malformed: lengths beyond its end, parts missing.
    #[must_use]
    pub fn parse(copy: &'a [u8], operation: Operation) -> Option<Self> {
        let mut parts: [&[u8]; MAX_PARTS] = [&[]; MAX_PARTS];
        let mut rest = copy;
        for part in parts.iter_mut().take(part_count(operation)) {
            let (length, after) = rest.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            *part = after.get(..length)?;
            rest = after.get(length.checked_next_multiple_of(8)?..)?;
        }
        rest.is_empty().then_some(Self { parts })
    }

    /// The part with this number.
    #[must_use]
    pub fn part(&self, index: usize) -> &'a [u8] {
        self.parts.get(index).copied().unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{EcKey, Key};
    use crate::request::Curve;

    #[test]
    fn parts_come_out_as_they_went_in_and_truncation_is_noticed() {
        let key = Key::new(KeyMaterial::Ec(EcKey { curve: Curve::P256, scalar: vec![1; 32] })).unwrap();
        let request = Request::ecdsa_sign(&key, &[2; 20], &[3; 32]).unwrap();
        let (_fd, memory) = SharedMemory::create(c"test", 8192).unwrap();
        let length = write(&memory, 0, &request).unwrap() as usize;
        let mut copy = vec![0; length];
        memory.read(0, &mut copy).unwrap();
        let payload = Payload::parse(&copy, request.operation()).unwrap();
        assert_eq!(
            (payload.part(0), payload.part(1), payload.part(2)),
            (&[1; 32][..], &[2; 20][..], &[3; 32][..])
        );
        for end in 0..length {
            assert!(Payload::parse(&copy[..end], request.operation()).is_none());
        }
        copy[0] = 0xff;
        copy[7] = 0xff;
        assert!(Payload::parse(&copy, request.operation()).is_none());
    }
}
