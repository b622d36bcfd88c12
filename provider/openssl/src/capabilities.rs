//! What TLS may ask of this provider: the groups of our key managers.
//!
//! libssl takes a group only from the provider whose key manager it would use, so a provider that is preferred for EC, X25519,
//! X448 and DH must name their groups, or "P-256 cannot be set". The list is OpenSSL's own, so it is that of the installed
//! version, with all that belongs to a group.

use std::ffi::{CStr, c_char, c_int, c_void};

use openssl_sys::OSSL_PARAM;

use crate::context::Context;
use crate::core::params;
use crate::entry::guard;
use crate::ffi::libcrypto;
use crate::ffi::names;
use crate::ffi::types::Callback;
use crate::keymgmt::Kind;
use crate::keymgmt::{dh::Dh, ec::Ec, montgomery::X448, montgomery::X25519};

/// The capability.
const TLS_GROUP: &CStr = c"TLS-GROUP";

/// Calls `callback` for each of our groups. 0 if the capability is not ours, or as the callback said.
///
/// # Safety
/// The arguments are those of `provider_get_capabilities`.
pub(crate) unsafe fn each(
    context: &Context,
    capability: *const c_char,
    callback: Option<Callback>,
    argument: *mut c_void,
) -> c_int {
    let Some(callback) = callback else { return 0 };
    if capability.is_null() {
        return 0;
    }
    // SAFETY: a string of the caller's.
    if !unsafe { CStr::from_ptr(capability) }.to_bytes().eq_ignore_ascii_case(TLS_GROUP.to_bytes()) {
        return 0;
    }
    let Some(software) = context.software() else { return 0 };
    let mut caller = Caller { callback, argument };
    let ours = std::ptr::from_mut(&mut caller).cast();
    let provider = software.provider();
    // SAFETY: the provider is loaded; `filter` gets the `Caller`, which outlives the call.
    unsafe { libcrypto::OSSL_PROVIDER_get_capabilities(provider, TLS_GROUP.as_ptr(), Some(filter), ours) }
}

struct Caller {
    callback: Callback,
    argument: *mut c_void,
}

/// Passes on the groups of our key managers.
unsafe extern "C" fn filter(group: *const OSSL_PARAM, argument: *mut c_void) -> c_int {
    guard(0, || {
        // SAFETY: `each` passes its `Caller`.
        let caller = unsafe { &*argument.cast::<Caller>() };
        // SAFETY: the group's list ends with END.
        let is = |kind| unsafe { params::is_text(group, names::TLS_GROUP_ALGORITHM, kind) };
        if [Ec::NAME, X25519::NAME, X448::NAME, Dh::NAME].into_iter().any(is) {
            // SAFETY: callback and argument belong together.
            return unsafe { (caller.callback)(group, caller.argument) };
        }
        1
    })
}
