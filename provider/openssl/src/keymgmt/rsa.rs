//! RSA keys. Offloaded: two primes, 2048 to 4096 bits, with a public exponent.

use std::ffi::{c_char, c_int};

use hotspare_device::{KeyMaterial, RsaCrt, RsaKey, RsaPrivate};
use openssl_sys::OSSL_PARAM;

use crate::core::params::{self, END, List, described};
use crate::entry::entry;
use crate::ffi::functions::Keymgmt;
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::{Kind, manager};
use crate::software::Software;

/// Sizes of the modulus that are offloaded, in bits.
const OFFLOADED_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// Longest public exponent of an offloaded key, in bytes. OpenSSL itself takes no longer one with a modulus above 3072 bits;
/// each private result is verified with it, which must stay cheap.
const EXPONENT_MAX_BYTES: usize = 8;

/// The kind.
pub(crate) struct Rsa;

impl Kind for Rsa {
    const NAME: &'static str = "RSA";

    fn functions(software: &Software) -> &Keymgmt {
        &software.rsa
    }

    unsafe fn material(exported: *const OSSL_PARAM) -> Option<KeyMaterial> {
        let number = |name| {
            // SAFETY: the caller vouches for the list.
            unsafe { params::number(exported, name) }
                .map(|number| number.to_vec())
                .filter(|bytes| !bytes.is_empty())
        };
        if number(names::RSA_FACTOR3).is_some() {
            return None;
        }
        let modulus = number(names::RSA_N)?;
        let public_exponent = number(names::RSA_E)?;
        if !OFFLOADED_BITS.contains(&bits(&modulus)) || public_exponent.len() > EXPONENT_MAX_BYTES {
            return None;
        }
        Some(KeyMaterial::Rsa(RsaKey {
            modulus,
            public_exponent,
            // A key of a public half alone, or with a private exponent but no primes, has no private operation for devices.
            private: Some(RsaPrivate {
                exponent: number(names::RSA_D)?,
                crt: Some(RsaCrt {
                    prime1: number(names::RSA_FACTOR1)?,
                    prime2: number(names::RSA_FACTOR2)?,
                    exponent1: number(names::RSA_EXPONENT1)?,
                    exponent2: number(names::RSA_EXPONENT2)?,
                    coefficient: number(names::RSA_COEFFICIENT1)?,
                }),
            }),
        }))
    }
}

/// How many bits a number without leading zero bytes has.
pub(crate) fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| 8 * number.len() - usize::try_from(first.leading_zeros()).unwrap_or(0))
}

/// The key manager.
pub(crate) static FUNCTIONS: Constant<[Dispatch; Keymgmt::COUNT + 1]> = Constant(
    Keymgmt {
        query_operation_name: Some(query_operation_name),
        import_types: Some(types),
        export_types: Some(types),
        ..manager::common::<Rsa>()
    }
    .dispatch(),
);

macro_rules! numbers {
    ($($name:literal),*) => { [$(described($name, names::PARAM_UNSIGNED_INTEGER),)* END] };
}

/// What a key is exported as and imported from: up to ten primes (`RSA_MAX_PRIME_NUM` is 5, the names go to 10).
static TYPES: List<33> = Constant(numbers![
    c"n",
    c"e",
    c"d",
    c"rsa-factor1",
    c"rsa-factor2",
    c"rsa-factor3",
    c"rsa-factor4",
    c"rsa-factor5",
    c"rsa-factor6",
    c"rsa-factor7",
    c"rsa-factor8",
    c"rsa-factor9",
    c"rsa-factor10",
    c"rsa-exponent1",
    c"rsa-exponent2",
    c"rsa-exponent3",
    c"rsa-exponent4",
    c"rsa-exponent5",
    c"rsa-exponent6",
    c"rsa-exponent7",
    c"rsa-exponent8",
    c"rsa-exponent9",
    c"rsa-exponent10",
    c"rsa-coefficient1",
    c"rsa-coefficient2",
    c"rsa-coefficient3",
    c"rsa-coefficient4",
    c"rsa-coefficient5",
    c"rsa-coefficient6",
    c"rsa-coefficient7",
    c"rsa-coefficient8",
    c"rsa-coefficient9"
]);

entry! {
    fn query_operation_name(_operation: c_int) -> *const c_char = std::ptr::null(); {
        c"RSA".as_ptr()
    }

    fn types(selection: c_int) -> *const OSSL_PARAM = std::ptr::null(); {
        if selection & names::SELECT_KEY_PAIR == 0 { std::ptr::null() } else { TYPES.0.as_ptr() }
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
