//! What `openssl-sys` does not declare. All of it is public and stands unchanged from OpenSSL 3.0 on.

use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};

use openssl_sys::{
    BIGNUM, BIO, BN_CTX, EC_GROUP, EC_POINT, EVP_PKEY, EVP_PKEY_CTX, OPENSSL_STACK, OSSL_LIB_CTX,
};

/// `OSSL_PARAM_UNSIGNED_INTEGER` (core.h).
pub(crate) const OSSL_PARAM_UNSIGNED_INTEGER: c_uint = 2;
/// `OSSL_PARAM_UTF8_STRING` (core.h).
pub(crate) const OSSL_PARAM_UTF8_STRING: c_uint = 4;
/// `OSSL_PARAM_OCTET_STRING` (core.h).
pub(crate) const OSSL_PARAM_OCTET_STRING: c_uint = 5;
/// `EC_R_INVALID_ENCODING` (ecerr.h): a coordinate that is not below the field's prime.
pub(crate) const EC_R_INVALID_ENCODING: c_int = 102;
/// `EC_R_POINT_IS_NOT_ON_CURVE` (ecerr.h).
pub(crate) const EC_R_POINT_IS_NOT_ON_CURVE: c_int = 107;
/// `EVP_R_PROVIDER_SIGNATURE_FAILURE` (evperr.h of OpenSSL 3.4).
pub(crate) const EVP_R_PROVIDER_SIGNATURE_FAILURE: c_int = 234;
/// `ERR_LIB_EVP` (err.h).
pub(crate) const ERR_LIB_EVP: c_int = 6;
/// `EC_R_BAD_SIGNATURE` (ecerr.h).
pub(crate) const EC_R_BAD_SIGNATURE: c_int = 156;
/// `ERR_LIB_EC` (err.h).
pub(crate) const ERR_LIB_EC: c_int = 16;

/// `CONF_R_NO_SUCH_FILE` (conferr.h).
pub(crate) const CONF_R_NO_SUCH_FILE: c_int = 114;

/// `BN_MONT_CTX`, a modulus prepared for multiplications (bn.h).
pub(crate) enum MontgomeryContext {}

/// `CONF`, a parsed configuration file.
pub(crate) enum Conf {}

/// `CONF_VALUE`, one entry of a section (conftypes.h).
#[repr(C)]
pub(crate) struct ConfValue {
    pub(crate) section: *mut c_char,
    pub(crate) name: *mut c_char,
    pub(crate) value: *mut c_char,
}

unsafe extern "C" {
    pub(crate) fn CONF_get1_default_config_file() -> *mut c_char;
    pub(crate) fn NCONF_new_ex(libctx: *mut OSSL_LIB_CTX, method: *mut c_void) -> *mut Conf;
    pub(crate) fn NCONF_free(configuration: *mut Conf);
    pub(crate) fn NCONF_load(configuration: *mut Conf, file: *const c_char, error_line: *mut c_long)
    -> c_int;
    pub(crate) fn NCONF_load_bio(
        configuration: *mut Conf,
        source: *mut BIO,
        error_line: *mut c_long,
    ) -> c_int;
    pub(crate) fn NCONF_get_string(
        configuration: *const Conf,
        section: *const c_char,
        name: *const c_char,
    ) -> *mut c_char;
    pub(crate) fn NCONF_get_section(configuration: *const Conf, section: *const c_char)
    -> *mut OPENSSL_STACK;
    pub(crate) fn CONF_modules_load(
        configuration: *const Conf,
        application: *const c_char,
        flags: c_ulong,
    ) -> c_int;
    pub(crate) fn CRYPTO_free(memory: *mut c_void, file: *const c_char, line: c_int);

    pub(crate) fn ERR_set_mark() -> c_int;
    pub(crate) fn ERR_pop_to_mark() -> c_int;
    pub(crate) fn ERR_peek_last_error_all(
        file: *mut *const c_char,
        line: *mut c_int,
        func: *mut *const c_char,
        data: *mut *const c_char,
        flags: *mut c_int,
    ) -> c_ulong;

    pub(crate) fn EVP_PKEY_CTX_new_from_pkey(
        libctx: *mut OSSL_LIB_CTX,
        pkey: *mut EVP_PKEY,
        propquery: *const c_char,
    ) -> *mut EVP_PKEY_CTX;

    pub(crate) fn EVP_PKEY_get_octet_string_param(
        pkey: *const EVP_PKEY,
        key_name: *const c_char,
        buf: *mut u8,
        max_buf_sz: usize,
        out_sz: *mut usize,
    ) -> c_int;
    pub(crate) fn EVP_PKEY_set1_encoded_public_key(
        pkey: *mut EVP_PKEY,
        public: *const u8,
        length: usize,
    ) -> c_int;
    pub(crate) fn EVP_PKEY_CTX_set_dh_pad(ctx: *mut EVP_PKEY_CTX, pad: c_int) -> c_int;

    pub(crate) fn BN_MONT_CTX_new() -> *mut MontgomeryContext;
    pub(crate) fn BN_MONT_CTX_free(mont: *mut MontgomeryContext);
    pub(crate) fn BN_MONT_CTX_set(mont: *mut MontgomeryContext, m: *const BIGNUM, ctx: *mut BN_CTX) -> c_int;
    pub(crate) fn BN_mod_exp_mont_consttime(
        r: *mut BIGNUM,
        a: *const BIGNUM,
        p: *const BIGNUM,
        m: *const BIGNUM,
        ctx: *mut BN_CTX,
        in_mont: *mut MontgomeryContext,
    ) -> c_int;
    pub(crate) fn BN_CTX_secure_new_ex(libctx: *mut OSSL_LIB_CTX) -> *mut BN_CTX;
    pub(crate) fn EC_GROUP_new_by_curve_name_ex(
        libctx: *mut OSSL_LIB_CTX,
        propq: *const c_char,
        nid: c_int,
    ) -> *mut EC_GROUP;
    pub(crate) fn EC_GROUP_get_curve(
        group: *const EC_GROUP,
        p: *mut BIGNUM,
        a: *mut BIGNUM,
        b: *mut BIGNUM,
        ctx: *mut BN_CTX,
    ) -> c_int;
    pub(crate) fn EC_POINT_clear_free(point: *mut EC_POINT);
}
