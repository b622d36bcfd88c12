//! Requests: one primitive operation each, as a device computes it. They know nothing of OpenSSL.
//!
//! Numbers are big-endian and of fixed length (that of the modulus or of the field), except those of RFC 7748,
//! which are little-endian as that document has them.

use crate::bytes::SecretBytes;
pub use crate::curve::{Curve, MontgomeryCurve};
use crate::key::{Key, KeyMaterial, RSA_MAX_BYTES};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// RSADP / RSASP1 with the Chinese remainder theorem (RFC 8017, 5.1.2, 2.b). Input: a number below the modulus.
    /// Output: as long as the modulus.
    RsaPrivate,
    /// RSADP / RSASP1 with modulus and private exponent alone (RFC 8017, 5.1.2, 2.a), for keys without primes. Input and
    /// output as for `RsaPrivate`.
    RsaPrivateExponent,
    /// RSAEP / RSAVP1 (RFC 8017, 5.1.1). Input and output as for `RsaPrivate`.
    RsaPublic,
    /// ECDSA signature (FIPS 186-5, 6.4.1) over a digest, with the nonce k given. Input: digest (1 to 64 bytes), nonce
    /// (field length). Output: r, s, each of field length. Software may draw a nonce of its own.
    EcdsaSign(Curve),
    /// ECDSA verification (FIPS 186-5, 6.4.2) with a public key. Input: digest (1 to 64 bytes), r, s (field length each).
    /// Output, of field length: r if the signature is right, anything else if not. (v of step 6 is such an output. The driver of
    /// a device that says only yes or no gives r, or zeros. So no disturbed bit turns a wrong signature into a right one.)
    EcdsaVerify(Curve),
    /// The key's scalar times a point. Input: the point's x, y. Output: the product's x, y. Of the generator, this makes
    /// a public key.
    EcMultiply(Curve),
    /// The X25519 or X448 function (RFC 7748, 5). Input: u. Output: u'. An all-zero result is left to the caller to
    /// judge. Of the base point, this makes a public key.
    MontgomeryMultiply(MontgomeryCurve),
    /// Input ^ exponent mod modulus, the last two from the key, the modulus odd. Input: a number below the modulus, as long as it.
    /// Output: as long as the modulus.
    ModExp,
}

impl Operation {
    /// The kind of a request with this operation, whose result is that long.
    #[must_use]
    pub const fn kind(self, output_bytes: usize) -> Kind {
        match self {
            Self::RsaPrivate | Self::RsaPrivateExponent => match output_bytes {
                ..=256 => Kind::RsaPrivate2048,
                257..=384 => Kind::RsaPrivate3072,
                385..=512 => Kind::RsaPrivate4096,
                _ => Kind::RsaPrivate8192,
            },
            Self::RsaPublic => Kind::RsaPublic,
            Self::EcdsaSign(Curve::P256) => Kind::EcdsaSignP256,
            Self::EcdsaSign(Curve::P384) => Kind::EcdsaSignP384,
            Self::EcdsaSign(Curve::P521) => Kind::EcdsaSignP521,
            Self::EcdsaVerify(Curve::P256) => Kind::EcdsaVerifyP256,
            Self::EcdsaVerify(Curve::P384) => Kind::EcdsaVerifyP384,
            Self::EcdsaVerify(Curve::P521) => Kind::EcdsaVerifyP521,
            Self::EcMultiply(Curve::P256) => Kind::EcMultiplyP256,
            Self::EcMultiply(Curve::P384) => Kind::EcMultiplyP384,
            Self::EcMultiply(Curve::P521) => Kind::EcMultiplyP521,
            Self::MontgomeryMultiply(MontgomeryCurve::X25519) => Kind::X25519,
            Self::MontgomeryMultiply(MontgomeryCurve::X448) => Kind::X448,
            Self::ModExp => match output_bytes {
                ..=256 => Kind::ModExp2048,
                257..=512 => Kind::ModExp4096,
                _ => Kind::ModExp8192,
            },
        }
    }
}

/// The kinds of operation, for tables and counters: those that take about the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Kind {
    /// [`Operation::RsaPrivate`] or [`Operation::RsaPrivateExponent`], up to 2048 bits.
    RsaPrivate2048,
    /// The same, up to 3072 bits.
    RsaPrivate3072,
    /// The same, up to 4096 bits.
    RsaPrivate4096,
    /// The same, longer.
    RsaPrivate8192,
    /// [`Operation::RsaPublic`].
    RsaPublic,
    /// [`Operation::EcdsaSign`] on P-256.
    EcdsaSignP256,
    /// The same on P-384.
    EcdsaSignP384,
    /// The same on P-521.
    EcdsaSignP521,
    /// [`Operation::EcdsaVerify`] on P-256.
    EcdsaVerifyP256,
    /// The same on P-384.
    EcdsaVerifyP384,
    /// The same on P-521.
    EcdsaVerifyP521,
    /// [`Operation::EcMultiply`] on P-256.
    EcMultiplyP256,
    /// The same on P-384.
    EcMultiplyP384,
    /// The same on P-521.
    EcMultiplyP521,
    /// [`Operation::MontgomeryMultiply`] on Curve25519.
    X25519,
    /// The same on Curve448.
    X448,
    /// [`Operation::ModExp`], modulus up to 2048 bits.
    ModExp2048,
    /// The same, up to 4096 bits.
    ModExp4096,
    /// The same, longer.
    ModExp8192,
}

impl Kind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 19] = [
        Self::RsaPrivate2048,
        Self::RsaPrivate3072,
        Self::RsaPrivate4096,
        Self::RsaPrivate8192,
        Self::RsaPublic,
        Self::EcdsaSignP256,
        Self::EcdsaSignP384,
        Self::EcdsaSignP521,
        Self::EcdsaVerifyP256,
        Self::EcdsaVerifyP384,
        Self::EcdsaVerifyP521,
        Self::EcMultiplyP256,
        Self::EcMultiplyP384,
        Self::EcMultiplyP521,
        Self::X25519,
        Self::X448,
        Self::ModExp2048,
        Self::ModExp4096,
        Self::ModExp8192,
    ];

    /// Its name in statistics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaPrivate2048 => "rsa2048-private",
            Self::RsaPrivate3072 => "rsa3072-private",
            Self::RsaPrivate4096 => "rsa4096-private",
            Self::RsaPrivate8192 => "rsa8192-private",
            Self::RsaPublic => "rsa-public",
            Self::EcdsaSignP256 => "ecdsa-p256-sign",
            Self::EcdsaSignP384 => "ecdsa-p384-sign",
            Self::EcdsaSignP521 => "ecdsa-p521-sign",
            Self::EcdsaVerifyP256 => "ecdsa-p256-verify",
            Self::EcdsaVerifyP384 => "ecdsa-p384-verify",
            Self::EcdsaVerifyP521 => "ecdsa-p521-verify",
            Self::EcMultiplyP256 => "ec-p256-multiply",
            Self::EcMultiplyP384 => "ec-p384-multiply",
            Self::EcMultiplyP521 => "ec-p521-multiply",
            Self::X25519 => "x25519",
            Self::X448 => "x448",
            Self::ModExp2048 => "modexp2048",
            Self::ModExp4096 => "modexp4096",
            Self::ModExp8192 => "modexp8192",
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
                let has_primes = rsa.private.as_ref().is_some_and(|private| private.crt.is_some());
                let operation =
                    if has_primes { Operation::RsaPrivate } else { Operation::RsaPrivateExponent };
                Self::make(operation, key, &[input])
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
        check_digest(digest)?;
        check_length("nonce", nonce, ec.curve.field_bytes())?;
        Self::make(Operation::EcdsaSign(ec.curve), key, &[digest, nonce])
    }

    /// Whether (`r`, `s`), each of field length, is a signature over `digest` with the public key `key`: the output says it,
    /// [`Operation::EcdsaVerify`].
    ///
    /// # Errors
    /// [`InvalidRequest`]: no public EC key, wrong lengths.
    pub fn ecdsa_verify(key: &Key, digest: &[u8], r: &[u8], s: &[u8]) -> Result<Self, InvalidRequest> {
        let KeyMaterial::EcPublic(ec) = key.material() else { return Err(InvalidRequest::WrongKey) };
        check_digest(digest)?;
        check_length("signature r", r, ec.curve.field_bytes())?;
        check_length("signature s", s, ec.curve.field_bytes())?;
        Self::make(Operation::EcdsaVerify(ec.curve), key, &[digest, r, s])
    }

    /// The key's scalar times the generator: its public key.
    ///
    /// # Errors
    /// [`InvalidRequest`]: no EC key.
    pub fn ec_multiply_generator(key: &Key) -> Result<Self, InvalidRequest> {
        let KeyMaterial::Ec(ec) = key.material() else { return Err(InvalidRequest::WrongKey) };
        let (x, y) = ec.curve.generator();
        Self::ec_multiply(key, x, y)
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

    /// X25519 or X448 of the key's scalar and the base point: its public key.
    ///
    /// # Errors
    /// [`InvalidRequest`]: no Montgomery key.
    pub fn montgomery_multiply_base(key: &Key) -> Result<Self, InvalidRequest> {
        let KeyMaterial::Montgomery(montgomery) = key.material() else {
            return Err(InvalidRequest::WrongKey);
        };
        let mut base = [0; MontgomeryCurve::X448.field_bytes()];
        base[0] = montgomery.curve.base();
        Self::montgomery_multiply(key, &base[..montgomery.curve.field_bytes()])
    }

    /// X25519 or X448 of the key's scalar and `u`.
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

    /// `base` to the power of the key's exponent. `base` is below the key's modulus, and as long as it.
    ///
    /// # Errors
    /// [`InvalidRequest`]: no such key, wrong length, number too large.
    pub fn mod_exp(key: &Key, base: &[u8]) -> Result<Self, InvalidRequest> {
        let KeyMaterial::ModExp(numbers) = key.material() else { return Err(InvalidRequest::WrongKey) };
        check_below(base, &numbers.modulus)?;
        Self::make(Operation::ModExp, key, &[base])
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
            (Operation::EcdsaSign(curve) | Operation::EcMultiply(curve), _) => 2 * curve.field_bytes(),
            (Operation::EcdsaVerify(curve), _) => curve.field_bytes(),
            (Operation::MontgomeryMultiply(curve), _) => curve.field_bytes(),
            (_, KeyMaterial::Rsa(key)) => key.modulus.len(),
            (_, KeyMaterial::ModExp(key)) => key.modulus.len(),
            // The constructors never join an operation with a key of another kind.
            (_, KeyMaterial::Ec(_) | KeyMaterial::EcPublic(_) | KeyMaterial::Montgomery(_)) => 0,
        }
    }

    /// Its kind, for tables and counters.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.operation.kind(self.output_length())
    }
}

fn check_digest(digest: &[u8]) -> Result<(), InvalidRequest> {
    if (1..=DIGEST_MAX_BYTES).contains(&digest.len()) {
        return Ok(());
    }
    let (length, wanted) = (digest.len(), DIGEST_MAX_BYTES);
    Err(InvalidRequest::Length { what: "digest (at most)", length, wanted })
}

pub(crate) fn check_length(what: &'static str, bytes: &[u8], wanted: usize) -> Result<(), InvalidRequest> {
    if bytes.len() == wanted {
        Ok(())
    } else {
        Err(InvalidRequest::Length { what, length: bytes.len(), wanted })
    }
}

fn check_below(input: &[u8], modulus: &[u8]) -> Result<(), InvalidRequest> {
    check_length("number", input, modulus.len())?;
    // Not constant-time: the input of a private operation is a ciphertext, a padded digest or a peer's public key, all
    // public; whether it is below the modulus is what every implementation reports.
    if input < modulus { Ok(()) } else { Err(InvalidRequest::NotBelowModulus) }
}
