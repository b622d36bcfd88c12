//! Requests: one primitive operation each, as a device computes it. They know nothing of OpenSSL.
//!
//! Numbers are big-endian and of fixed length (that of the modulus or of the field), except those of RFC 7748,
//! which are little-endian as that document has them.

use crate::bytes::SecretBytes;
use crate::key::{Key, KeyMaterial, RSA_MAX_BYTES};

/// A short Weierstrass curve (SEC 2, FIPS 186).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Curve {
    /// secp256r1.
    P256,
}

impl Curve {
    /// Length of a coordinate, and of a scalar, in bytes.
    #[must_use]
    pub const fn field_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
        }
    }
}

/// A Montgomery curve of RFC 7748.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MontgomeryCurve {
    /// Curve25519.
    X25519,
}

impl MontgomeryCurve {
    /// Length of a coordinate, and of a scalar, in bytes.
    #[must_use]
    pub const fn field_bytes(self) -> usize {
        match self {
            Self::X25519 => 32,
        }
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// RSADP / RSASP1 with the Chinese remainder theorem (RFC 8017, 5.1.2). Input: a number below the modulus.
    /// Output: as long as the modulus.
    RsaPrivate,
    /// RSAEP / RSAVP1 (RFC 8017, 5.1.1). Input and output as for `RsaPrivate`.
    RsaPublic,
    /// ECDSA signature (FIPS 186-5, 6.4.1) over a digest, with the nonce k given. Input: digest (1 to 64 bytes), nonce
    /// (field length). Output: r, s, each of field length. Software may draw a nonce of its own.
    EcdsaSign(Curve),
    /// The key's scalar times a point. Input: the point's x, y. Output: the product's x, y.
    EcMultiply(Curve),
    /// The X25519 function (RFC 7748, 5). Input: u. Output: u'. An all-zero result is left to the caller to
    /// judge.
    MontgomeryMultiply(MontgomeryCurve),
}

/// The kinds of operation, for tables and counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Kind {
    /// [`Operation::RsaPrivate`], up to 2048 bits.
    RsaPrivate2048,
    /// [`Operation::RsaPrivate`], up to 3072 bits.
    RsaPrivate3072,
    /// [`Operation::RsaPrivate`], longer.
    RsaPrivate4096,
    /// [`Operation::RsaPublic`].
    RsaPublic,
    /// [`Operation::EcdsaSign`].
    EcdsaSign,
    /// [`Operation::EcMultiply`].
    EcMultiply,
    /// [`Operation::MontgomeryMultiply`].
    MontgomeryMultiply,
}

impl Kind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::RsaPrivate2048,
        Self::RsaPrivate3072,
        Self::RsaPrivate4096,
        Self::RsaPublic,
        Self::EcdsaSign,
        Self::EcMultiply,
        Self::MontgomeryMultiply,
    ];

    /// Its name in statistics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaPrivate2048 => "rsa2048-private",
            Self::RsaPrivate3072 => "rsa3072-private",
            Self::RsaPrivate4096 => "rsa4096-private",
            Self::RsaPublic => "rsa-public",
            Self::EcdsaSign => "ecdsa-p256-sign",
            Self::EcMultiply => "ec-p256-multiply",
            Self::MontgomeryMultiply => "x25519",
        }
    }
}

/// The longest digest that ECDSA takes here: SHA-512's.
pub const DIGEST_MAX_BYTES: usize = 64;

/// The operands of a public-key request, at most four, one after the other.
#[derive(Debug, Clone, Default)]
pub struct Operands {
    bytes: SecretBytes<RSA_MAX_BYTES>,
    ends: [usize; 4],
    count: usize,
}

impl Operands {
    fn of(parts: &[&[u8]]) -> Result<Self, InvalidRequest> {
        let bytes = SecretBytes::concatenation(parts).map_err(|_| InvalidRequest::InputTooLong)?;
        let (mut ends, mut end) = ([0; 4], 0);
        for (place, part) in ends.iter_mut().zip(parts) {
            end += part.len();
            *place = end;
        }
        Ok(Self { bytes, ends, count: parts.len() })
    }

    /// The operand with this number; empty if there is none.
    #[must_use]
    pub fn part(&self, index: usize) -> &[u8] {
        if index >= self.count {
            return &[];
        }
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// All operands, one after the other without gaps.
    #[must_use]
    pub fn all(&self) -> &[u8] {
        &self.bytes
    }
}

/// The longest result of a public-key request, in bytes.
pub const OUTPUT_MAX_BYTES: usize = RSA_MAX_BYTES;

/// The result of a public-key request. It may be secret (a premaster secret, a shared secret): wiped when dropped.
pub type Output = SecretBytes<OUTPUT_MAX_BYTES>;

/// One primitive operation: `{ operation, key, input }`. Made by the constructors below, which check what every
/// executor may then rely on. Cloning shares the key.
#[derive(Debug, Clone)]
pub struct Request {
    operation: Operation,
    key: Key,
    operands: Operands,
}

/// A request that nobody could compute: the caller's own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// Something has the wrong length.
    #[error("{what}: {length} bytes, wanted {wanted}")]
    Length {
        /// Which operand.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// What it should be.
        wanted: usize,
    },
    /// The operands are longer than any operation takes.
    #[error("the operands are longer than 1024 bytes")]
    InputTooLong,
    /// The number is not below the modulus.
    #[error("the input is not below the modulus")]
    NotBelowModulus,
    /// The key is of another kind than the operation, or has no private part.
    #[error("the key does not fit the operation")]
    WrongKey,
    /// A number of the key is out of bounds.
    #[error("{0}")]
    KeyNumber(&'static str),
    /// The operands are of the right length, but there is no result for them (a point that is not on the curve, the
    /// point at infinity).
    #[error("the operation has no result for these operands")]
    NoResult,
}

impl Request {
    /// RSA private operation on `input`, a number below the modulus and as long as it.
    ///
    /// # Errors
    /// [`InvalidRequest`]: no private RSA key, wrong length, number too large.
    pub fn rsa_private(key: &Key, input: &[u8]) -> Result<Self, InvalidRequest> {
        match key.material() {
            KeyMaterial::Rsa(rsa) if rsa.private.is_some() => {
                check_below(input, &rsa.modulus)?;
                Self::make(Operation::RsaPrivate, key, &[input])
            }
            _ => Err(InvalidRequest::WrongKey),
        }
    }

    /// RSA public operation on `input`, a number below the modulus and as long as it.
    ///
    /// # Errors
    /// [`InvalidRequest`]: no RSA key, wrong length, number too large.
    pub fn rsa_public(key: &Key, input: &[u8]) -> Result<Self, InvalidRequest> {
        match key.material() {
            KeyMaterial::Rsa(rsa) => {
                check_below(input, &rsa.modulus)?;
                Self::make(Operation::RsaPublic, key, &[input])
            }
            _ => Err(InvalidRequest::WrongKey),
        }
    }

    /// ECDSA signature over `digest` with `nonce` (field length, 0 < nonce < order). The nonce must be fresh and
    /// secret; it goes with this digest only, however often the request is tried.
    ///
    /// # Errors
    /// [`InvalidRequest`]: no EC key, wrong lengths.
    pub fn ecdsa_sign(key: &Key, digest: &[u8], nonce: &[u8]) -> Result<Self, InvalidRequest> {
        let KeyMaterial::Ec(ec) = key.material() else { return Err(InvalidRequest::WrongKey) };
        if digest.is_empty() || digest.len() > DIGEST_MAX_BYTES {
            let (length, wanted) = (digest.len(), DIGEST_MAX_BYTES);
            return Err(InvalidRequest::Length { what: "digest (at most)", length, wanted });
        }
        check_length("nonce", nonce, ec.curve.field_bytes())?;
        Self::make(Operation::EcdsaSign(ec.curve), key, &[digest, nonce])
    }

    /// The key's scalar times the point (`x`, `y`).
    ///
    /// # Errors
    /// [`InvalidRequest`]: no EC key, wrong lengths. Whether the point is on the curve is found by who computes.
    pub fn ec_multiply(key: &Key, x: &[u8], y: &[u8]) -> Result<Self, InvalidRequest> {
        let KeyMaterial::Ec(ec) = key.material() else { return Err(InvalidRequest::WrongKey) };
        check_length("point x", x, ec.curve.field_bytes())?;
        check_length("point y", y, ec.curve.field_bytes())?;
        Self::make(Operation::EcMultiply(ec.curve), key, &[x, y])
    }

    /// X25519 of the key's scalar and `u`.
    ///
    /// # Errors
    /// [`InvalidRequest`]: no Montgomery key, wrong length.
    pub fn montgomery_multiply(key: &Key, u: &[u8]) -> Result<Self, InvalidRequest> {
        let KeyMaterial::Montgomery(montgomery) = key.material() else {
            return Err(InvalidRequest::WrongKey);
        };
        check_length("u coordinate", u, montgomery.curve.field_bytes())?;
        Self::make(Operation::MontgomeryMultiply(montgomery.curve), key, &[u])
    }

    fn make(operation: Operation, key: &Key, parts: &[&[u8]]) -> Result<Self, InvalidRequest> {
        Ok(Self { operation, key: key.clone(), operands: Operands::of(parts)? })
    }

    /// What is asked.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// With which key.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// On what.
    #[must_use]
    pub fn operands(&self) -> &Operands {
        &self.operands
    }

    /// How long the result is, in bytes.
    #[must_use]
    pub fn output_length(&self) -> usize {
        match (self.operation, self.key.material()) {
            (Operation::RsaPrivate | Operation::RsaPublic, KeyMaterial::Rsa(key)) => key.modulus.len(),
            (Operation::EcdsaSign(curve) | Operation::EcMultiply(curve), _) => 2 * curve.field_bytes(),
            (Operation::MontgomeryMultiply(curve), _) => curve.field_bytes(),
            // The constructors never join an RSA operation with another key.
            (Operation::RsaPrivate | Operation::RsaPublic, _) => 0,
        }
    }

    /// Its kind, for tables and counters.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.operation {
            Operation::RsaPrivate => match self.output_length() {
                ..=256 => Kind::RsaPrivate2048,
                257..=384 => Kind::RsaPrivate3072,
                _ => Kind::RsaPrivate4096,
            },
            Operation::RsaPublic => Kind::RsaPublic,
            Operation::EcdsaSign(_) => Kind::EcdsaSign,
            Operation::EcMultiply(_) => Kind::EcMultiply,
            Operation::MontgomeryMultiply(_) => Kind::MontgomeryMultiply,
        }
    }
}

fn check_length(what: &'static str, bytes: &[u8], wanted: usize) -> Result<(), InvalidRequest> {
    if bytes.len() == wanted {
        Ok(())
    } else {
        Err(InvalidRequest::Length { what, length: bytes.len(), wanted })
    }
}

fn check_below(input: &[u8], modulus: &[u8]) -> Result<(), InvalidRequest> {
    check_length("RSA input", input, modulus.len())?;
    // Not constant-time: the input of a private operation is a ciphertext or a padded digest, both public; whether
    // it is below the modulus is what every implementation reports.
    if input < modulus { Ok(()) } else { Err(InvalidRequest::NotBelowModulus) }
}
