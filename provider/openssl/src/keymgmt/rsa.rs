//! RSA keys, for all uses (`RSA`) or for PSS signatures alone (`RSA-PSS`). Offloaded: 2048 to 8192 bits, with a public
//! exponent that is not too long.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use hotspare_device::request::{self, Operation};
use hotspare_device::{Key, KeyMaterial, RsaCrt, RsaKey, RsaPrivate};
use openssl_sys::OSSL_PARAM;

use crate::core::params;
use crate::entry::entry;
use crate::ffi::functions::Keymgmt;
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::{Kind, ProviderKey, manager};
use crate::software::Software;

/// Sizes of the modulus that are offloaded, in bits.
const OFFLOADED_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Longest public exponent of an offloaded key, in bytes. OpenSSL itself takes no longer one with a modulus above 3072 bits;
/// each private result is verified with it, which must stay cheap.
const EXPONENT_MAX_BYTES: usize = 8;

/// Keys for all uses.
pub(crate) struct Rsa;

/// Keys for PSS signatures alone, which may restrict digests and salt (RFC 4055, 3.1).
pub(crate) struct RsaPss;

impl Kind for Rsa {
    const NAME: &'static str = "RSA";

    fn functions(software: &Software) -> &Keymgmt {
        &software.rsa
    }

    unsafe fn material(exported: *const OSSL_PARAM) -> Option<KeyMaterial> {
        // SAFETY: the caller vouches for the list.
        unsafe { material(exported) }
    }
}

impl Kind for RsaPss {
    const NAME: &'static str = "RSA-PSS";

    fn functions(software: &Software) -> &Keymgmt {
        &software.rsa_pss
    }

    unsafe fn material(exported: *const OSSL_PARAM) -> Option<KeyMaterial> {
        // SAFETY: the caller vouches for the list.
        unsafe { material(exported) }
    }
}

/// A key of either kind: OpenSSL has one signature algorithm and one cipher for both, which tell them apart themselves.
///
/// # Safety
/// `pointer` is null or a key that OpenSSL passes.
pub(crate) unsafe fn share(pointer: *const c_void) -> Option<Arc<ProviderKey>> {
    // SAFETY: as the caller says.
    unsafe { ProviderKey::share::<Rsa>(pointer).or_else(|| ProviderKey::share::<RsaPss>(pointer)) }
}

/// What a private operation with an offloaded key is as a request.
pub(crate) fn private_kind(key: &Key) -> request::Kind {
    let length = match key.material() {
        KeyMaterial::Rsa(rsa) => rsa.modulus.len(),
        // An RSA key manager's keys for the offload are of no other sort.
        _ => 0,
    };
    Operation::RsaPrivate.kind(length)
}

/// The numbers of an exported key, if it is offloaded.
///
/// # Safety
/// `exported` is a list with an END.
unsafe fn material(exported: *const OSSL_PARAM) -> Option<KeyMaterial> {
    let number = |name| {
        // SAFETY: the caller vouches for the list.
        unsafe { params::number(exported, name) }
            .map(|number| number.to_vec())
            .filter(|bytes| !bytes.is_empty())
    };
    let modulus = number(names::RSA_N)?;
    let public_exponent = number(names::RSA_E)?;
    if !OFFLOADED_BITS.contains(&bits(&modulus)) || public_exponent.len() > EXPONENT_MAX_BYTES {
        return None;
    }
    // Devices take two primes, each half the modulus long. A key with others, or with none, is computed with its exponent alone.
    let half = modulus.len().div_ceil(2);
    let part = |name| number(name).filter(|bytes| bytes.len() <= half);
    let two_primes = || {
        Some(RsaCrt {
            prime1: part(names::RSA_FACTOR1)?,
            prime2: part(names::RSA_FACTOR2)?,
            exponent1: part(names::RSA_EXPONENT1)?,
            exponent2: part(names::RSA_EXPONENT2)?,
            coefficient: part(names::RSA_COEFFICIENT1)?,
        })
    };
    let crt = if number(names::RSA_FACTOR3).is_none() { two_primes() } else { None };
    // A public key has no private operation for devices.
    let private = Some(RsaPrivate { exponent: number(names::RSA_D)?, crt });
    Some(KeyMaterial::Rsa(RsaKey { modulus, public_exponent, private }))
}

/// How many bits a number without leading zero bytes has.
pub(crate) fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| 8 * number.len() - usize::try_from(first.leading_zeros()).unwrap_or(0))
}

/// The key manager.
pub(crate) static FUNCTIONS: Constant<[Dispatch; Keymgmt::COUNT + 1]> =
    Constant(functions::<Rsa>().dispatch());

/// The key manager of keys for PSS alone.
pub(crate) static PSS_FUNCTIONS: Constant<[Dispatch; Keymgmt::COUNT + 1]> =
    Constant(functions::<RsaPss>().dispatch());

const fn functions<K: Kind>() -> Keymgmt {
    Keymgmt { query_operation_name: Some(query_operation_name), ..manager::common::<K>() }
}

entry! {
    /// The signature algorithm and the cipher of both kinds.
    fn query_operation_name(_operation: c_int) -> *const c_char = std::ptr::null(); {
        c"RSA".as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_from_the_highest_set_one() {
        assert_eq!(bits(&[]), 0);
        assert_eq!(bits(&[1]), 1);
        assert_eq!(bits(&[0x80, 0]), 16);
        assert_eq!(bits(&[0x40, 0]), 15);
    }
}
