//! The provider's own functions: what it offers, and its end.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use openssl_sys::OSSL_PARAM;

use crate::context::Context;
use crate::core::errors::REASONS;
use crate::core::params::{END, List, described};
use crate::entry::entry;
use crate::ffi::functions::ProviderFunctions;
use crate::ffi::names;
use crate::ffi::types::{Algorithm, Callback, Constant, Dispatch, Item};
use crate::{asymcipher, capabilities, exchange, keymgmt, signature};

/// The provider's functions.
pub(crate) static FUNCTIONS: Constant<[Dispatch; ProviderFunctions::COUNT + 1]> = Constant(
    ProviderFunctions {
        provider_teardown: Some(teardown),
        provider_gettable_params: Some(gettable_params),
        provider_get_params: Some(get_params),
        provider_query_operation: Some(query_operation),
        provider_get_reason_strings: Some(reason_strings),
        provider_get_capabilities: Some(get_capabilities),
    }
    .dispatch(),
);

/// By which property queries find us. Not `fips=yes`: what is offloaded leaves any validated module.
const PROPERTIES: &CStr = c"provider=hotspare";

const fn algorithm(names: &'static CStr, functions: &'static [Dispatch]) -> Algorithm {
    Algorithm {
        names: names.as_ptr(),
        properties: PROPERTIES.as_ptr(),
        implementation: functions.as_ptr(),
        description: ptr::null(),
    }
}

// The names are those of OpenSSL's own providers, aliases included: a key type must be one and the same for both.
static KEYMGMT: Constant<[Algorithm; 8]> = Constant([
    algorithm(c"RSA:rsaEncryption:1.2.840.113549.1.1.1", &keymgmt::rsa::FUNCTIONS.0),
    algorithm(c"RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10", &keymgmt::rsa::PSS_FUNCTIONS.0),
    algorithm(c"EC:id-ecPublicKey:1.2.840.10045.2.1", &keymgmt::ec::FUNCTIONS.0),
    algorithm(c"X25519:1.3.101.110", &keymgmt::montgomery::X25519_FUNCTIONS.0),
    algorithm(c"X448:1.3.101.111", &keymgmt::montgomery::X448_FUNCTIONS.0),
    algorithm(c"DH:dhKeyAgreement:1.2.840.113549.1.3.1", &keymgmt::dh::FUNCTIONS.0),
    algorithm(c"DHX:X9.42 DH:dhpublicnumber:1.2.840.10046.2.1", &keymgmt::dh::DHX_FUNCTIONS.0),
    Algorithm::END,
]);

static SIGNATURES: Constant<[Algorithm; 3]> = Constant([
    algorithm(c"RSA:rsaEncryption:1.2.840.113549.1.1.1", &signature::rsa::FUNCTIONS.0),
    algorithm(c"ECDSA", &signature::ecdsa::FUNCTIONS.0),
    Algorithm::END,
]);

static EXCHANGES: Constant<[Algorithm; 5]> = Constant([
    algorithm(c"ECDH", &exchange::ecdh::FUNCTIONS.0),
    algorithm(c"X25519:1.3.101.110", &exchange::montgomery::X25519_FUNCTIONS.0),
    algorithm(c"X448:1.3.101.111", &exchange::montgomery::X448_FUNCTIONS.0),
    algorithm(c"DH:dhKeyAgreement:1.2.840.113549.1.3.1", &exchange::dh::FUNCTIONS.0),
    Algorithm::END,
]);

static CIPHERS: Constant<[Algorithm; 2]> = Constant([
    algorithm(c"RSA:rsaEncryption:1.2.840.113549.1.1.1", &asymcipher::rsa::FUNCTIONS.0),
    Algorithm::END,
]);

static PARAMS: List<5> = Constant([
    described(names::PROVIDER_NAME, names::PARAM_UTF8_PTR),
    described(names::PROVIDER_VERSION, names::PARAM_UTF8_PTR),
    described(names::PROVIDER_BUILDINFO, names::PARAM_UTF8_PTR),
    described(names::PROVIDER_STATUS, names::PARAM_INTEGER),
    END,
]);

const NAME: &CStr = c"Hotspare";
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

unsafe extern "C" {
    fn OSSL_PARAM_set_utf8_ptr(param: *mut OSSL_PARAM, value: *const c_char) -> c_int;
    fn OSSL_PARAM_set_int(param: *mut OSSL_PARAM, value: c_int) -> c_int;
}

entry! {
    /// Ends what runs in this process. Keys that OpenSSL still holds keep what they need.
    fn teardown(provider: *mut c_void) {
        if provider.is_null() {
            return;
        }
        // SAFETY: OpenSSL gives back the context that we gave it.
        let context = unsafe { Context::from_raw(provider) };
        context.offload().close();
    }

    fn gettable_params(_provider: *mut c_void) -> *const OSSL_PARAM = ptr::null(); {
        PARAMS.0.as_ptr()
    }

    fn get_params(_provider: *mut c_void, params: *mut OSSL_PARAM) -> c_int = 0; {
        let texts = [
            (names::PROVIDER_NAME, NAME.as_ptr()),
            (names::PROVIDER_VERSION, VERSION.as_ptr().cast()),
            (names::PROVIDER_BUILDINFO, VERSION.as_ptr().cast()),
        ];
        for (name, value) in texts {
            // SAFETY: OpenSSL's list.
            let param = unsafe { openssl_sys::OSSL_PARAM_locate(params, name.as_ptr()) };
            // SAFETY: an entry of the list; the text is constant.
            if !param.is_null() && unsafe { OSSL_PARAM_set_utf8_ptr(param, value) } != 1 {
                return 0;
            }
        }
        // SAFETY: OpenSSL's list.
        let status = unsafe { openssl_sys::OSSL_PARAM_locate(params, names::PROVIDER_STATUS.as_ptr()) };
        // 1: it runs. Without any device too, for then it runs in software.
        // SAFETY: an entry of the list.
        c_int::from(status.is_null() || unsafe { OSSL_PARAM_set_int(status, 1) } == 1)
    }

    fn query_operation(
        _provider: *mut c_void,
        operation: c_int,
        no_cache: *mut c_int,
    ) -> *const Algorithm = ptr::null(); {
        if !no_cache.is_null() {
            // SAFETY: OpenSSL's place for the answer.
            unsafe { *no_cache = 0 };
        }
        match operation {
            names::OP_KEYMGMT => KEYMGMT.0.as_ptr(),
            names::OP_SIGNATURE => SIGNATURES.0.as_ptr(),
            names::OP_KEYEXCH => EXCHANGES.0.as_ptr(),
            names::OP_ASYM_CIPHER => CIPHERS.0.as_ptr(),
            _ => ptr::null(),
        }
    }

    fn reason_strings(_provider: *mut c_void) -> *const Item = ptr::null(); {
        REASONS.0.as_ptr()
    }

    fn get_capabilities(
        provider: *mut c_void,
        capability: *const c_char,
        callback: Option<Callback>,
        argument: *mut c_void,
    ) -> c_int = 0; {
        // SAFETY: OpenSSL passes the provider context that we gave it.
        let context = unsafe { Context::share(provider) };
        // SAFETY: the arguments are OpenSSL's.
        unsafe { capabilities::each(&context, capability, callback, argument) }
    }
}
