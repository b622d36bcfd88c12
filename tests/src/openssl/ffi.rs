//! What `openssl-sys` does not declare; all of it is in OpenSSL since 3.0.

use std::ffi::{c_char, c_int, c_long};

use openssl_sys::{BIGNUM, EVP_MD_CTX, EVP_PKEY, EVP_PKEY_CTX, OSSL_LIB_CTX, OSSL_PARAM, OSSL_PROVIDER};

/// A key manager.
pub(crate) enum EvpKeymgmt {}

unsafe extern "C" {
    pub(crate) fn EVP_PKEY_get0_type_name(key: *const EVP_PKEY) -> *const c_char;
    pub(crate) fn EVP_KEYMGMT_fetch(
        libctx: *mut OSSL_LIB_CTX,
        algorithm: *const c_char,
        properties: *const c_char,
    ) -> *mut EvpKeymgmt;
    pub(crate) fn EVP_KEYMGMT_free(manager: *mut EvpKeymgmt);
    pub(crate) fn OSSL_LIB_CTX_get0_global_default() -> *mut OSSL_LIB_CTX;
    pub(crate) fn d2i_AutoPrivateKey_ex(
        key: *mut *mut EVP_PKEY,
        bytes: *mut *const u8,
        length: c_long,
        libctx: *mut OSSL_LIB_CTX,
        properties: *const c_char,
    ) -> *mut EVP_PKEY;
    pub(crate) fn OSSL_LIB_CTX_load_config(libctx: *mut OSSL_LIB_CTX, file: *const c_char) -> c_int;
    pub(crate) fn OSSL_PROVIDER_available(libctx: *mut OSSL_LIB_CTX, name: *const c_char) -> c_int;
    pub(crate) fn OSSL_PROVIDER_get0_name(provider: *const OSSL_PROVIDER) -> *const c_char;
    pub(crate) fn EVP_PKEY_CTX_get0_provider(context: *const EVP_PKEY_CTX) -> *const OSSL_PROVIDER;
    pub(crate) fn EVP_PKEY_CTX_new_from_pkey(
        libctx: *mut OSSL_LIB_CTX,
        key: *mut EVP_PKEY,
        properties: *const c_char,
    ) -> *mut EVP_PKEY_CTX;
    pub(crate) fn d2i_PUBKEY_ex(
        key: *mut *mut EVP_PKEY,
        bytes: *mut *const u8,
        length: c_long,
        libctx: *mut OSSL_LIB_CTX,
        properties: *const c_char,
    ) -> *mut EVP_PKEY;
    pub(crate) fn EVP_DigestSignInit_ex(
        context: *mut EVP_MD_CTX,
        key_context: *mut *mut EVP_PKEY_CTX,
        digest: *const c_char,
        libctx: *mut OSSL_LIB_CTX,
        properties: *const c_char,
        key: *mut EVP_PKEY,
        params: *const OSSL_PARAM,
    ) -> c_int;
    pub(crate) fn EVP_DigestVerifyInit_ex(
        context: *mut EVP_MD_CTX,
        key_context: *mut *mut EVP_PKEY_CTX,
        digest: *const c_char,
        libctx: *mut OSSL_LIB_CTX,
        properties: *const c_char,
        key: *mut EVP_PKEY,
        params: *const OSSL_PARAM,
    ) -> c_int;
    pub(crate) fn EVP_PKEY_CTX_set_rsa_mgf1_md_name(
        context: *mut EVP_PKEY_CTX,
        name: *const c_char,
        properties: *const c_char,
    ) -> c_int;
    pub(crate) fn EVP_PKEY_CTX_set_rsa_oaep_md_name(
        context: *mut EVP_PKEY_CTX,
        name: *const c_char,
        properties: *const c_char,
    ) -> c_int;
    pub(crate) fn EVP_PKEY_generate(context: *mut EVP_PKEY_CTX, key: *mut *mut EVP_PKEY) -> c_int;
    pub(crate) fn EVP_PKEY_CTX_set_params(context: *mut EVP_PKEY_CTX, params: *const OSSL_PARAM) -> c_int;
    pub(crate) fn EVP_PKEY_public_check(context: *mut EVP_PKEY_CTX) -> c_int;
    pub(crate) fn EVP_PKEY_pairwise_check(context: *mut EVP_PKEY_CTX) -> c_int;
    pub(crate) fn EVP_PKEY_CTX_settable_params(context: *const EVP_PKEY_CTX) -> *const OSSL_PARAM;
    pub(crate) fn OSSL_PARAM_locate_const(list: *const OSSL_PARAM, name: *const c_char) -> *const OSSL_PARAM;
    pub(crate) fn EVP_PKEY_verify_recover_init(context: *mut EVP_PKEY_CTX) -> c_int;
    pub(crate) fn EVP_PKEY_verify_recover(
        context: *mut EVP_PKEY_CTX,
        message: *mut u8,
        message_length: *mut usize,
        signature: *const u8,
        length: usize,
    ) -> c_int;
    pub(crate) fn EVP_PKEY_get_bn_param(
        key: *const EVP_PKEY,
        name: *const c_char,
        number: *mut *mut BIGNUM,
    ) -> c_int;
}
