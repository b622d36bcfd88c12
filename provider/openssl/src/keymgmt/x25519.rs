//! X25519 keys. All private ones are offloaded.

use std::ffi::{c_int, c_void};

use hotspare_device::{KeyMaterial, Kind as RequestKind, MontgomeryCurve, MontgomeryKey};
use openssl_sys::OSSL_PARAM;

use crate::core::params::{self, END, List, described};
use crate::entry::entry;
use crate::ffi::functions::Keymgmt;
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::{Kind, ProviderKey, manager};
use crate::software::Software;

/// The kind.
pub(crate) struct X25519;

/// A public or private key, and a shared secret (RFC 7748, 5).
pub(crate) const BYTES: usize = MontgomeryCurve::X25519.field_bytes();

impl Kind for X25519 {
    const NAME: &'static str = "X25519";

    fn functions(software: &Software) -> &Keymgmt {
        &software.x25519
    }

    unsafe fn material(exported: *const OSSL_PARAM) -> Option<KeyMaterial> {
        // SAFETY: the caller vouches for the list.
        let scalar = unsafe { params::octet_string(exported, names::PRIVATE_KEY) }?;
        (scalar.len() == BYTES).then(|| {
            KeyMaterial::Montgomery(MontgomeryKey { curve: MontgomeryCurve::X25519, scalar: scalar.to_vec() })
        })
    }

    fn multiplication(_functions: &Keymgmt, _key: *mut c_void) -> Option<RequestKind> {
        Some(RequestKind::X25519)
    }
}

/// The public half of a key.
pub(crate) fn public(key: &ProviderKey) -> Option<[u8; BYTES]> {
    let get = X25519::functions(key.context().software()?).get_params?;
    let mut public = [0; BYTES];
    let mut asked = [params::octets(names::PUBLIC_KEY, &mut public), END];
    // SAFETY: the key is the software provider's; the list ends with END and its place outlives the call.
    let done = unsafe { get(key.software_key(), asked.as_mut_ptr()) };
    (done == 1 && asked[0].return_size == BYTES).then_some(public)
}

/// The key manager.
pub(crate) static FUNCTIONS: Constant<[Dispatch; Keymgmt::COUNT + 1]> = Constant(
    Keymgmt {
        set_params: Some(manager::set_params::<X25519>),
        settable_params: Some(manager::settable_params::<X25519>),
        import_types: Some(types),
        export_types: Some(types),
        ..manager::common::<X25519>()
    }
    .dispatch(),
);

/// What a key is exported as and imported from.
static TYPES: List<3> = Constant([
    described(names::PUBLIC_KEY, names::PARAM_OCTET_STRING),
    described(names::PRIVATE_KEY, names::PARAM_OCTET_STRING),
    END,
]);

entry! {
    fn types(selection: c_int) -> *const OSSL_PARAM = std::ptr::null(); {
        if selection & names::SELECT_KEY_PAIR == 0 { std::ptr::null() } else { TYPES.0.as_ptr() }
    }
}
