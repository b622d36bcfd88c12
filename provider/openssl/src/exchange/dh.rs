//! Finite-field Diffie-Hellman (SP 800-56A, 5.7.1.1). Offloaded: primes of 2048 to 8192 bits.

use std::ffi::CStr;

use hotspare_device::{Key, KeyMaterial, Request};

use crate::exchange::{Scheme, operation};
use crate::ffi::functions::Keyexch;
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::dh;
use crate::software::Software;

/// The scheme.
pub(crate) struct Dh;

/// The functions.
pub(crate) static FUNCTIONS: Constant<[Dispatch; Keyexch::COUNT + 1]> =
    Constant(operation::functions::<Dh>().dispatch());

impl Scheme for Dh {
    type Kind = dh::Dh;
    const HAS_SETTINGS: bool = true;
    const IS_NUMBER: bool = true;

    fn functions(software: &Software) -> &Keyexch {
        &software.dh_exchange
    }

    fn material_parameter(name: &CStr) -> Option<&'static CStr> {
        (name == names::X942_KDF).then_some(names::KDF_PARAM_UKM)
    }

    fn secret_bytes(key: &Key) -> usize {
        modulus(key).len()
    }

    fn request(key: &Key, public: &[u8]) -> Option<Request> {
        let mut base = vec![0; modulus(key).len().checked_sub(public.len())?];
        base.extend_from_slice(public);
        Request::mod_exp(key, &base).ok()
    }

    /// 0, 1 and p - 1 come from peers that are up to something.
    fn is_sound(key: &Key, secret: &[u8]) -> bool {
        dh::is_inside(secret, modulus(key))
    }
}

fn modulus(key: &Key) -> &[u8] {
    if let KeyMaterial::ModExp(key) = key.material() { &key.modulus } else { &[] }
}
