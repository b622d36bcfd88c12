//! Numbers of operations and names of parameters (`openssl/core_dispatch.h`, `core_names.h`, `core.h`, `rsa.h`).

use std::ffi::{CStr, c_int, c_uint};

macro_rules! values {
    ($($(#[$meta:meta])* $name:ident: $type:ty = $value:expr, $header:literal;)*) => {
        $($(#[$meta])* pub(crate) const $name: $type = $value;)*

        /// Each value as the header names it, for the test which compares them.
        #[cfg(test)]
        pub(crate) fn in_headers() -> Vec<(&'static str, Value)> {
            vec![$(($header, Value::from($name))),*]
        }
    };
}

values! {
    /// Operation: key management.
    OP_KEYMGMT: c_int = 10, "OSSL_OP_KEYMGMT";
    /// Operation: key exchange.
    OP_KEYEXCH: c_int = 11, "OSSL_OP_KEYEXCH";
    /// Operation: signatures.
    OP_SIGNATURE: c_int = 12, "OSSL_OP_SIGNATURE";
    /// Operation: asymmetric ciphers.
    OP_ASYM_CIPHER: c_int = 13, "OSSL_OP_ASYM_CIPHER";

    /// Every part of a key: private, public, domain parameters, other parameters.
    SELECT_ALL: c_int = 0x87, "OSSL_KEYMGMT_SELECT_ALL";
    /// The public half.
    SELECT_PUBLIC: c_int = 0x02, "OSSL_KEYMGMT_SELECT_PUBLIC_KEY";
    /// What a key shares with others: a group and its like.
    SELECT_PARAMETERS: c_int = 0x84, "OSSL_KEYMGMT_SELECT_ALL_PARAMETERS";
    /// Without what follows from the rest.
    VALIDATE_QUICK: c_int = 1, "OSSL_KEYMGMT_VALIDATE_QUICK_CHECK";
    /// Private and public half.
    SELECT_KEY_PAIR: c_int = 0x03, "OSSL_KEYMGMT_SELECT_KEYPAIR";

    PARAM_INTEGER: c_uint = 1, "OSSL_PARAM_INTEGER";
    PARAM_UNSIGNED_INTEGER: c_uint = 2, "OSSL_PARAM_UNSIGNED_INTEGER";
    PARAM_UTF8_STRING: c_uint = 4, "OSSL_PARAM_UTF8_STRING";
    PARAM_OCTET_STRING: c_uint = 5, "OSSL_PARAM_OCTET_STRING";
    PARAM_UTF8_PTR: c_uint = 6, "OSSL_PARAM_UTF8_PTR";
    PARAM_OCTET_PTR: c_uint = 7, "OSSL_PARAM_OCTET_PTR";

    PROVIDER_NAME: &CStr = c"name", "OSSL_PROV_PARAM_NAME";
    PROVIDER_VERSION: &CStr = c"version", "OSSL_PROV_PARAM_VERSION";
    PROVIDER_BUILDINFO: &CStr = c"buildinfo", "OSSL_PROV_PARAM_BUILDINFO";
    PROVIDER_STATUS: &CStr = c"status", "OSSL_PROV_PARAM_STATUS";

    RSA_N: &CStr = c"n", "OSSL_PKEY_PARAM_RSA_N";
    RSA_E: &CStr = c"e", "OSSL_PKEY_PARAM_RSA_E";
    RSA_D: &CStr = c"d", "OSSL_PKEY_PARAM_RSA_D";
    RSA_FACTOR1: &CStr = c"rsa-factor1", "OSSL_PKEY_PARAM_RSA_FACTOR1";
    RSA_FACTOR2: &CStr = c"rsa-factor2", "OSSL_PKEY_PARAM_RSA_FACTOR2";
    RSA_FACTOR3: &CStr = c"rsa-factor3", "OSSL_PKEY_PARAM_RSA_FACTOR3";
    RSA_EXPONENT1: &CStr = c"rsa-exponent1", "OSSL_PKEY_PARAM_RSA_EXPONENT1";
    RSA_EXPONENT2: &CStr = c"rsa-exponent2", "OSSL_PKEY_PARAM_RSA_EXPONENT2";
    RSA_COEFFICIENT1: &CStr = c"rsa-coefficient1", "OSSL_PKEY_PARAM_RSA_COEFFICIENT1";

    GROUP_NAME: &CStr = c"group", "OSSL_PKEY_PARAM_GROUP_NAME";
    PRIVATE_KEY: &CStr = c"priv", "OSSL_PKEY_PARAM_PRIV_KEY";
    PUBLIC_KEY: &CStr = c"pub", "OSSL_PKEY_PARAM_PUB_KEY";
    EC_PUBLIC_X: &CStr = c"qx", "OSSL_PKEY_PARAM_EC_PUB_X";
    EC_PUBLIC_Y: &CStr = c"qy", "OSSL_PKEY_PARAM_EC_PUB_Y";
    EC_ENCODING: &CStr = c"encoding", "OSSL_PKEY_PARAM_EC_ENCODING";
    EC_POINT_FORMAT: &CStr = c"point-format", "OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT";
    BITS: &CStr = c"bits", "OSSL_PKEY_PARAM_BITS";
    FFC_P: &CStr = c"p", "OSSL_PKEY_PARAM_FFC_P";
    FFC_Q: &CStr = c"q", "OSSL_PKEY_PARAM_FFC_Q";
    FFC_G: &CStr = c"g", "OSSL_PKEY_PARAM_FFC_G";
    FFC_VALIDATE_LEGACY: &CStr = c"validate-legacy", "OSSL_PKEY_PARAM_FFC_VALIDATE_LEGACY";
    DH_PRIVATE_LENGTH: &CStr = c"priv_len", "OSSL_PKEY_PARAM_DH_PRIV_LEN";

    DIGEST: &CStr = c"digest", "OSSL_SIGNATURE_PARAM_DIGEST";
    DIGEST_SIZE: &CStr = c"digest-size", "OSSL_SIGNATURE_PARAM_DIGEST_SIZE";
    PAD_MODE: &CStr = c"pad-mode", "OSSL_SIGNATURE_PARAM_PAD_MODE";
    PSS_SALT_LENGTH: &CStr = c"saltlen", "OSSL_SIGNATURE_PARAM_PSS_SALTLEN";
    MGF1_DIGEST: &CStr = c"mgf1-digest", "OSSL_SIGNATURE_PARAM_MGF1_DIGEST";
    OAEP_LABEL: &CStr = c"oaep-label", "OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL";
    TLS_CLIENT_VERSION: &CStr = c"tls-client-version", "OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION";
    TLS_NEGOTIATED_VERSION: &CStr = c"tls-negotiated-version", "OSSL_ASYM_CIPHER_PARAM_TLS_NEGOTIATED_VERSION";
    PAD: &CStr = c"pad", "OSSL_EXCHANGE_PARAM_PAD";
    KDF_TYPE: &CStr = c"kdf-type", "OSSL_EXCHANGE_PARAM_KDF_TYPE";
    KDF_DIGEST: &CStr = c"kdf-digest", "OSSL_EXCHANGE_PARAM_KDF_DIGEST";
    KDF_OUTPUT_LENGTH: &CStr = c"kdf-outlen", "OSSL_EXCHANGE_PARAM_KDF_OUTLEN";
    KDF_USER_MATERIAL: &CStr = c"kdf-ukm", "OSSL_EXCHANGE_PARAM_KDF_UKM";

    X963_KDF: &CStr = c"X963KDF", "OSSL_KDF_NAME_X963KDF";
    X942_KDF: &CStr = c"X942KDF-ASN1", "OSSL_KDF_NAME_X942KDF_ASN1";
    KDF_PARAM_KEY: &CStr = c"key", "OSSL_KDF_PARAM_KEY";
    KDF_PARAM_INFO: &CStr = c"info", "OSSL_KDF_PARAM_INFO";
    KDF_PARAM_UKM: &CStr = c"ukm", "OSSL_KDF_PARAM_UKM";
    KDF_PARAM_CIPHER: &CStr = c"cekalg", "OSSL_KDF_PARAM_CEK_ALG";

    TLS_GROUP_ALGORITHM: &CStr = c"tls-group-alg", "OSSL_CAPABILITY_TLS_GROUP_ALG";

    PADDING_PKCS1: c_int = 1, "RSA_PKCS1_PADDING";
    PADDING_NONE: c_int = 3, "RSA_NO_PADDING";
    PADDING_OAEP: c_int = 4, "RSA_PKCS1_OAEP_PADDING";
    PADDING_X931: c_int = 5, "RSA_X931_PADDING";
    PADDING_PSS: c_int = 6, "RSA_PKCS1_PSS_PADDING";
    PADDING_TLS: c_int = 7, "RSA_PKCS1_WITH_TLS_PADDING";

    NID_SHA512_224: c_int = 1094, "NID_sha512_224";
    NID_SHA512_256: c_int = 1095, "NID_sha512_256";

    SALT_DIGEST: c_int = -1, "RSA_PSS_SALTLEN_DIGEST";
    SALT_AUTO: c_int = -2, "RSA_PSS_SALTLEN_AUTO";
    SALT_MAX: c_int = -3, "RSA_PSS_SALTLEN_MAX";
}

/// Salt as long as the digest, at most as long as fits (`RSA_PSS_SALTLEN_AUTO_DIGEST_MAX`, since 3.1).
pub(crate) const SALT_AUTO_DIGEST_MAX: c_int = -4;
/// Whether an ECDSA nonce is deterministic (`OSSL_SIGNATURE_PARAM_NONCE_TYPE`, since 3.2).
pub(crate) const NONCE_TYPE: &CStr = c"nonce-type";
/// Whether PKCS#1 v1.5 decryption rejects implicitly (`OSSL_ASYM_CIPHER_PARAM_IMPLICIT_REJECTION`, since 3.2).
pub(crate) const IMPLICIT_REJECTION: &CStr = c"implicit-rejection";

/// A value of [`in_headers`].
#[cfg(test)]
pub(crate) enum Value {
    /// A number.
    Number(i64),
    /// A string.
    Text(&'static str),
}

#[cfg(test)]
impl From<c_int> for Value {
    fn from(value: c_int) -> Self {
        Self::Number(value.into())
    }
}

#[cfg(test)]
impl From<c_uint> for Value {
    fn from(value: c_uint) -> Self {
        Self::Number(value.into())
    }
}

#[cfg(test)]
impl From<&'static CStr> for Value {
    fn from(value: &'static CStr) -> Self {
        Self::Text(value.to_str().unwrap())
    }
}
