//! The caller's OpenSSL stays as it is: its error queue, and its default library context, in which nothing of ours
//! is looked up. One test, since it changes its process's default library context.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use hotspare_device::Request;
use hotspare_fallback::Fallback;
use openssl_sys as ossl;
use support::{P256_X, P256_Y, ec_key, hex, one_of_each, run, x25519_key};

unsafe extern "C" {
    fn EVP_set_default_properties(libctx: *mut c_void, properties: *const c_char) -> c_int;
    fn OSSL_PROVIDER_available(libctx: *mut c_void, name: *const c_char) -> c_int;
}

/// ERR_LIB_USER and a reason of nobody's.
const CALLERS: (c_int, c_int) = (128, 77);

#[test]
fn nothing_of_the_callers_is_used_or_changed() {
    // SAFETY: the strings are valid; this is the only thread that uses OpenSSL in this process.
    unsafe {
        // From now on the default library context finds nothing: if a fetch of ours went there, it would fail.
        assert!(!ossl::OSSL_PROVIDER_load(ptr::null_mut(), c"null".as_ptr()).is_null());
        assert_eq!(EVP_set_default_properties(ptr::null_mut(), c"provider=nobody".as_ptr()), 1);
        ossl::ERR_clear_error();
    }
    exercise();
    assert_eq!(take_error(), 0, "an empty queue stays empty");

    // SAFETY: no pointers but static strings.
    unsafe {
        ossl::ERR_new();
        ossl::ERR_set_debug(c"caller.c".as_ptr(), 1, c"caller".as_ptr());
        ossl::ERR_set_error(CALLERS.0, CALLERS.1, ptr::null());
    }
    exercise();
    let code = take_error();
    assert_eq!((ossl::ERR_GET_LIB(code), ossl::ERR_GET_REASON(code)), CALLERS);
    assert_eq!(take_error(), 0, "nothing of ours in the queue");

    assert!(!is_available(c"default"));
    assert!(is_available(c"null"));
    // SAFETY: the string is valid.
    let digest = unsafe { ossl::EVP_MD_fetch(ptr::null_mut(), c"SHA256".as_ptr(), ptr::null()) };
    assert!(digest.is_null(), "the default library context found something: a provider was loaded there");
}

/// Everything once, with success and without.
fn exercise() {
    let fallback = Fallback::new("default");
    let (ec, x25519) = (ec_key(&"11".repeat(32)), x25519_key(&"11".repeat(32)));
    let more = [
        Request::ecdsa_sign(&ec, &[1; 32], &[1; 32]).unwrap(),
        // OpenSSL itself calls this one an error.
        Request::montgomery_multiply(&x25519, &[0; 32]).unwrap(),
    ];
    for good in one_of_each().iter().chain(&more) {
        run(&fallback, good).unwrap();
    }
    let off_curve = Request::ec_multiply(&ec, &[1; 32], &[1; 32]).unwrap();
    let error = run(&fallback, &off_curve).unwrap_err();
    assert!(support::is_no_result(&error), "{error}");
    let no_scalar = Request::ec_multiply(&ec_key(&"00".repeat(32)), &hex(P256_X), &hex(P256_Y)).unwrap();
    run(&fallback, &no_scalar).unwrap_err();
    run(&Fallback::new("no-such-provider"), &no_scalar).unwrap_err();
}

fn take_error() -> std::ffi::c_ulong {
    // SAFETY: no arguments.
    unsafe { ossl::ERR_get_error() }
}

fn is_available(name: &CStr) -> bool {
    // SAFETY: the string is valid; null is the default library context.
    unsafe { OSSL_PROVIDER_available(ptr::null_mut(), name.as_ptr()) == 1 }
}
