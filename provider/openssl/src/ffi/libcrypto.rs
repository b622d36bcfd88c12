//! Functions of libcrypto that `openssl-sys` does not declare.

use std::ffi::{c_char, c_int, c_uchar, c_uint, c_void};

use openssl_sys::{EVP_MD, EVP_MD_CTX, OSSL_LIB_CTX, OSSL_PARAM, OSSL_PROVIDER};

use super::types::{Algorithm, Callback};

/// `ASYNC_JOB`.
pub(crate) enum AsyncJob {}
/// `ASYNC_WAIT_CTX`.
pub(crate) enum AsyncWaitContext {}
/// `ASYNC_callback_fn`.
pub(crate) type AsyncCallback = unsafe extern "C" fn(*mut c_void) -> c_int;
/// What `ASYNC_WAIT_CTX_free` calls for a descriptor: with context, key, descriptor and data.
pub(crate) type AsyncCleanup = unsafe extern "C" fn(*mut AsyncWaitContext, *const c_void, c_int, *mut c_void);

unsafe extern "C" {
    // openssl/provider.h
    pub(crate) fn OSSL_PROVIDER_query_operation(
        provider: *const OSSL_PROVIDER,
        operation_id: c_int,
        no_cache: *mut c_int,
    ) -> *const Algorithm;
    pub(crate) fn OSSL_PROVIDER_unquery_operation(
        provider: *const OSSL_PROVIDER,
        operation_id: c_int,
        algorithms: *const Algorithm,
    );
    pub(crate) fn OSSL_PROVIDER_get0_provider_ctx(provider: *const OSSL_PROVIDER) -> *mut c_void;
    pub(crate) fn OSSL_PROVIDER_get_capabilities(
        provider: *const OSSL_PROVIDER,
        capability: *const c_char,
        callback: Option<Callback>,
        argument: *mut c_void,
    ) -> c_int;

    // openssl/async.h
    pub(crate) fn ASYNC_get_current_job() -> *mut AsyncJob;
    pub(crate) fn ASYNC_get_wait_ctx(job: *mut AsyncJob) -> *mut AsyncWaitContext;
    pub(crate) fn ASYNC_pause_job() -> c_int;
    pub(crate) fn ASYNC_WAIT_CTX_get_callback(
        context: *mut AsyncWaitContext,
        callback: *mut Option<AsyncCallback>,
        argument: *mut *mut c_void,
    ) -> c_int;
    pub(crate) fn ASYNC_WAIT_CTX_get_fd(
        context: *mut AsyncWaitContext,
        key: *const c_void,
        descriptor: *mut c_int,
        data: *mut *mut c_void,
    ) -> c_int;
    pub(crate) fn ASYNC_WAIT_CTX_set_wait_fd(
        context: *mut AsyncWaitContext,
        key: *const c_void,
        descriptor: c_int,
        data: *mut c_void,
        cleanup: Option<AsyncCleanup>,
    ) -> c_int;
    pub(crate) fn ASYNC_WAIT_CTX_get_changed_fds(
        context: *mut AsyncWaitContext,
        added: *mut c_int,
        added_count: *mut usize,
        deleted: *mut c_int,
        deleted_count: *mut usize,
    ) -> c_int;
    pub(crate) fn ASYNC_WAIT_CTX_clear_fd(context: *mut AsyncWaitContext, key: *const c_void) -> c_int;
    pub(crate) fn ASYNC_WAIT_CTX_set_status(context: *mut AsyncWaitContext, status: c_int) -> c_int;

    // openssl/err.h
    pub(crate) fn ERR_add_error_txt(separator: *const c_char, text: *const c_char);
    pub(crate) fn ERR_set_mark() -> c_int;
    pub(crate) fn ERR_pop_to_mark() -> c_int;
    pub(crate) fn ERR_error_string_n(error: std::ffi::c_ulong, buffer: *mut c_char, length: usize);

    // openssl/evp.h
    pub(crate) fn EVP_DigestInit_ex2(
        context: *mut EVP_MD_CTX,
        digest: *const EVP_MD,
        params: *const OSSL_PARAM,
    ) -> c_int;
    pub(crate) fn EVP_MD_CTX_copy_ex(to: *mut EVP_MD_CTX, from: *const EVP_MD_CTX) -> c_int;
    pub(crate) fn EVP_MD_CTX_set_params(context: *mut EVP_MD_CTX, params: *const OSSL_PARAM) -> c_int;
    pub(crate) fn EVP_MD_CTX_get_params(context: *mut EVP_MD_CTX, params: *mut OSSL_PARAM) -> c_int;
    pub(crate) fn EVP_MD_up_ref(digest: *mut EVP_MD) -> c_int;
    pub(crate) fn EVP_Digest(
        data: *const c_void,
        length: usize,
        output: *mut c_uchar,
        output_length: *mut c_uint,
        digest: *const EVP_MD,
        engine: *mut c_void,
    ) -> c_int;

    // openssl/rand.h
    pub(crate) fn RAND_bytes_ex(
        context: *mut OSSL_LIB_CTX,
        buffer: *mut c_uchar,
        length: usize,
        strength: c_uint,
    ) -> c_int;
    pub(crate) fn RAND_priv_bytes_ex(
        context: *mut OSSL_LIB_CTX,
        buffer: *mut c_uchar,
        length: usize,
        strength: c_uint,
    ) -> c_int;

    // openssl/params.h
    pub(crate) fn OSSL_PARAM_get_uint(param: *const OSSL_PARAM, value: *mut c_uint) -> c_int;

    // openssl/kdf.h
    pub(crate) fn EVP_KDF_fetch(
        context: *mut OSSL_LIB_CTX,
        algorithm: *const c_char,
        properties: *const c_char,
    ) -> *mut c_void;
    pub(crate) fn EVP_KDF_free(kdf: *mut c_void);
    pub(crate) fn EVP_KDF_CTX_new(kdf: *mut c_void) -> *mut c_void;
    pub(crate) fn EVP_KDF_CTX_free(context: *mut c_void);
    pub(crate) fn EVP_KDF_derive(
        context: *mut c_void,
        key: *mut c_uchar,
        length: usize,
        params: *const OSSL_PARAM,
    ) -> c_int;

    // openssl/rsa.h
    pub(crate) fn RSA_padding_check_PKCS1_OAEP_mgf1(
        to: *mut c_uchar,
        to_length: c_int,
        from: *const c_uchar,
        from_length: c_int,
        modulus_length: c_int,
        label: *const c_uchar,
        label_length: c_int,
        digest: *const EVP_MD,
        mgf1_digest: *const EVP_MD,
    ) -> c_int;
    pub(crate) fn RSA_padding_check_PKCS1_type_2(
        to: *mut c_uchar,
        to_length: c_int,
        from: *const c_uchar,
        from_length: c_int,
        modulus_length: c_int,
    ) -> c_int;
}
