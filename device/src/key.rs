//! Keys: shared, zeroised handles in ordinary memory. Their bytes enter a device's memory for one request only.

use std::any::Any;
use std::sync::Arc;

use once_cell::race::OnceBox;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::request::{Curve, InvalidRequest, MontgomeryCurve, check_length};

/// The numbers of an RSA key, big-endian. `modulus` has no leading zero byte.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RsaKey {
    /// n.
    pub modulus: Vec<u8>,
    /// e.
    pub public_exponent: Vec<u8>,
    /// What the private operation needs, if the key has it.
    pub private: Option<RsaPrivate>,
}

/// The private part of an RSA key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RsaPrivate {
    /// d.
    pub exponent: Vec<u8>,
    /// The Chinese-remainder form, if the key has its two primes. Then this is what devices compute with.
    pub crt: Option<RsaCrt>,
}

/// The private part of an RSA key in Chinese-remainder form (RFC 8017, 3.2), two primes, each half the modulus
/// long.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RsaCrt {
    /// p.
    pub prime1: Vec<u8>,
    /// q.
    pub prime2: Vec<u8>,
    /// d mod (p - 1).
    pub exponent1: Vec<u8>,
    /// d mod (q - 1).
    pub exponent2: Vec<u8>,
    /// q^-1 mod p.
    pub coefficient: Vec<u8>,
}

/// A private scalar on a short Weierstrass curve, big-endian, [`Curve::field_bytes`] long.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct EcKey {
    /// The curve.
    #[zeroize(skip)]
    pub curve: Curve,
    /// The private scalar d, 0 < d < order.
    pub scalar: Vec<u8>,
}

/// A public point on a short Weierstrass curve, each coordinate big-endian and [`Curve::field_bytes`] long. Whether it is on
/// the curve is for whoever makes the key to check.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct EcPublicKey {
    /// The curve.
    #[zeroize(skip)]
    pub curve: Curve,
    /// x.
    pub x: Vec<u8>,
    /// y.
    pub y: Vec<u8>,
}

/// What a number is raised to, and by what the result is reduced: a Diffie-Hellman key (RFC 7919, SP 800-56A).
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ModExpKey {
    /// The modulus, odd, without leading zero bytes.
    pub modulus: Vec<u8>,
    /// The exponent, above 0, not longer than the modulus.
    pub exponent: Vec<u8>,
}

/// A private scalar for RFC 7748, as given (clamping happens where it is used), little-endian.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MontgomeryKey {
    /// The curve.
    #[zeroize(skip)]
    pub curve: MontgomeryCurve,
    /// The private scalar, [`MontgomeryCurve::field_bytes`] long.
    pub scalar: Vec<u8>,
}

/// What a key is made of.
#[derive(Zeroize, ZeroizeOnDrop)]
#[non_exhaustive]
pub enum KeyMaterial {
    /// RSA, public or private.
    Rsa(RsaKey),
    /// A scalar on a short Weierstrass curve.
    Ec(EcKey),
    /// A point on a short Weierstrass curve, to verify with.
    EcPublic(EcPublicKey),
    /// A scalar on a Montgomery curve.
    Montgomery(MontgomeryKey),
    /// An exponent with its modulus.
    ModExp(ModExpKey),
}

/// Who may keep something prepared with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executor {
    /// The software path, one request at a time.
    Software,
    /// The software path, many requests side by side.
    Lanes,
}

/// What an executor keeps with a key.
pub type Prepared = Box<dyn Any + Send + Sync>;

/// A shared handle of a key. Cloning is one atomic addition; the last handle to go wipes the numbers.
///
/// Preparing a key for an operation (Montgomery constants, contexts) costs as much as an operation, so whoever
/// computes keeps its preparation here, once for all handles: [`Key::prepared`].
#[derive(Clone)]
pub struct Key(Arc<Inner>);

struct Inner {
    // Dropped before the numbers that it may have been made from.
    prepared: [OnceBox<Prepared>; 2],
    material: KeyMaterial,
}

impl Key {
    /// A key from its numbers, checked for what every driver may rely on: lengths, and numbers in range.
    ///
    /// # Errors
    /// [`InvalidRequest`] that says which number is out of bounds.
    pub fn new(material: KeyMaterial) -> Result<Self, InvalidRequest> {
        match &material {
            KeyMaterial::Rsa(key) => check_rsa(key)?,
            KeyMaterial::Ec(key) => check_length("EC scalar", &key.scalar, key.curve.field_bytes())?,
            KeyMaterial::EcPublic(key) => {
                check_length("point x", &key.x, key.curve.field_bytes())?;
                check_length("point y", &key.y, key.curve.field_bytes())?;
            }
            KeyMaterial::ModExp(key) => check_mod_exp(key)?,
            KeyMaterial::Montgomery(key) => {
                check_length("Montgomery scalar", &key.scalar, key.curve.field_bytes())?;
            }
        }
        Ok(Self(Arc::new(Inner { prepared: [OnceBox::new(), OnceBox::new()], material })))
    }

    /// The numbers.
    #[must_use]
    pub fn material(&self) -> &KeyMaterial {
        &self.0.material
    }

    /// What `executor` keeps with this key, made by `prepare` at the first call. Nobody waits for anybody, so that a fork
    /// can't leave a child waiting: if two threads come at once, both prepare and one result is kept. An error is not
    /// kept: the next call tries again.
    ///
    /// # Errors
    /// What `prepare` returns.
    pub fn prepared<E>(
        &self,
        executor: Executor,
        prepare: impl FnOnce(&KeyMaterial) -> Result<Prepared, E>,
    ) -> Result<&(dyn Any + Send + Sync), E> {
        let place = match executor {
            Executor::Software => &self.0.prepared[0],
            Executor::Lanes => &self.0.prepared[1],
        };
        place.get_or_try_init(|| prepare(&self.0.material).map(Box::new)).map(|kept| &**kept)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0.material {
            KeyMaterial::Rsa(key) => write!(f, "RSA key of {} bits (not shown)", key.modulus.len() * 8),
            KeyMaterial::Ec(key) => write!(f, "{:?} key (not shown)", key.curve),
            KeyMaterial::EcPublic(key) => write!(f, "{:?} public key", key.curve),
            KeyMaterial::ModExp(key) => {
                write!(f, "exponent for a modulus of {} bits (not shown)", key.modulus.len() * 8)
            }
            KeyMaterial::Montgomery(key) => write!(f, "{:?} key (not shown)", key.curve),
        }
    }
}

/// Longest modulus that a request may have, of RSA or of a modular exponentiation: 8192 bits.
pub const RSA_MAX_BYTES: usize = 1024;
/// Shortest modulus.
const MODULUS_MIN_BYTES: usize = 64;

fn check_modulus(n: &[u8]) -> Result<(), InvalidRequest> {
    if n.len() < MODULUS_MIN_BYTES || n.len() > RSA_MAX_BYTES {
        return Err(InvalidRequest::KeyNumber("modulus: between 64 and 1024 bytes"));
    }
    if n[0] == 0 || n[n.len() - 1] & 1 == 0 {
        return Err(InvalidRequest::KeyNumber("modulus: odd, without leading zeros"));
    }
    Ok(())
}

fn check_mod_exp(key: &ModExpKey) -> Result<(), InvalidRequest> {
    check_modulus(&key.modulus)?;
    let exponent = &key.exponent;
    if exponent.len() > key.modulus.len() || exponent.iter().all(|byte| *byte == 0) {
        return Err(InvalidRequest::KeyNumber("exponent: above 0, not longer than the modulus"));
    }
    Ok(())
}

fn check_rsa(key: &RsaKey) -> Result<(), InvalidRequest> {
    let n = &key.modulus;
    check_modulus(n)?;
    let e = &key.public_exponent;
    if e.is_empty() || e.len() > n.len() || e[e.len() - 1] & 1 == 0 {
        return Err(InvalidRequest::KeyNumber("RSA public exponent: odd, not longer than the modulus"));
    }
    let Some(private) = &key.private else { return Ok(()) };
    if private.exponent.is_empty() || private.exponent.len() > n.len() {
        return Err(InvalidRequest::KeyNumber("RSA private exponent: not longer than the modulus"));
    }
    if let Some(crt) = &private.crt {
        let half = n.len().div_ceil(2);
        let parts = [&crt.prime1, &crt.prime2, &crt.exponent1, &crt.exponent2, &crt.coefficient];
        if parts.iter().any(|part| part.is_empty() || part.len() > half) {
            return Err(InvalidRequest::KeyNumber("RSA primes and their numbers: at most half the modulus"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x25519() -> Key {
        let curve = MontgomeryCurve::X25519;
        Key::new(KeyMaterial::Montgomery(MontgomeryKey { curve, scalar: vec![7; 32] })).unwrap()
    }

    #[test]
    fn preparation_happens_once_for_all_handles_and_an_error_is_not_kept() {
        let key = x25519();
        assert_eq!(key.prepared(Executor::Software, |_| Err("no memory")).unwrap_err(), "no memory");
        let other = key.clone();
        key.prepared(Executor::Software, |_| Ok::<_, ()>(Box::new(42_u32))).unwrap();
        let kept = other.prepared(Executor::Software, |_| Err("prepared twice")).unwrap();
        assert_eq!(kept.downcast_ref::<u32>(), Some(&42));
    }

    #[test]
    fn a_key_does_not_show_its_numbers() {
        assert_eq!(format!("{:?}", x25519()), "X25519 key (not shown)");
    }

    #[test]
    fn lengths_are_checked() {
        let short = KeyMaterial::Ec(EcKey { curve: Curve::P256, scalar: vec![1; 31] });
        assert!(matches!(Key::new(short), Err(InvalidRequest::Length { wanted: 32, length: 31, .. })));
    }
}
