//! What `openssl-sys` does not declare of OpenSSL 3.0.

use std::ffi::{c_char, c_int, c_void};

use openssl_sys::{EVP_PKEY, EVP_PKEY_CTX, OSSL_LIB_CTX};

/// A job: a function with a stack of its own, which can be left and entered again.
pub(super) enum AsyncJob {}
/// What a paused job waits for.
pub(super) enum AsyncWaitContext {}

/// `ASYNC_PAUSE` and `ASYNC_FINISH`.
pub(super) const PAUSE: c_int = 2;
pub(super) const FINISH: c_int = 3;

unsafe extern "C" {
    // openssl/async.h
    pub(super) fn ASYNC_init_thread(most: usize, at_first: usize) -> c_int;
    pub(super) fn ASYNC_cleanup_thread();
    pub(super) fn ASYNC_WAIT_CTX_new() -> *mut AsyncWaitContext;
    pub(super) fn ASYNC_WAIT_CTX_free(context: *mut AsyncWaitContext);
    pub(super) fn ASYNC_WAIT_CTX_set_callback(
        context: *mut AsyncWaitContext,
        callback: extern "C" fn(*mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    pub(super) fn ASYNC_start_job(
        job: *mut *mut AsyncJob,
        context: *mut AsyncWaitContext,
        result: *mut c_int,
        work: extern "C" fn(*mut c_void) -> c_int,
        arguments: *mut c_void,
        size: usize,
    ) -> c_int;
    pub(super) fn ASYNC_pause_job() -> c_int;

    // openssl/crypto.h
    pub(super) fn OSSL_LIB_CTX_load_config(library: *mut OSSL_LIB_CTX, file: *const c_char) -> c_int;

    // openssl/evp.h
    pub(super) fn EVP_PKEY_CTX_new_from_pkey(
        library: *mut OSSL_LIB_CTX,
        key: *mut EVP_PKEY,
        properties: *const c_char,
    ) -> *mut EVP_PKEY_CTX;
}
