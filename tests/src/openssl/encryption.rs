//! RSA encryption and decryption.

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};

use openssl_sys as ossl;

use super::error::{OpensslError, check};
use super::ffi;
use super::key::Key;
use super::library::Side;
use super::params::Params;

/// How a message was wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrapping {
    /// Not at all: as many bytes as the modulus has.
    None,
    /// PKCS#1 v1.5 (RFC 8017, 7.2).
    Pkcs1 {
        /// `implicit-rejection`, which OpenSSL has since 3.2; none: as it is by default.
        implicit_rejection: Option<bool>,
    },
    /// PKCS#1 v1.5 around the premaster secret of TLS (RFC 5246, 7.4.7.1), of TLS 1.2.
    Tls,
    /// OAEP (RFC 8017, 7.1).
    Oaep {
        /// The digest of the label.
        digest: &'static CStr,
        /// The digest of the mask.
        mask_digest: &'static CStr,
        /// The label.
        label: Vec<u8>,
    },
}

/// `RSA_PKCS1_WITH_TLS_PADDING` (rsa.h).
const RSA_PKCS1_WITH_TLS_PADDING: c_int = 7;
/// The version that begins a premaster secret.
pub const TLS_1_2: u32 = 0x0303;

/// `EVP_PKEY_encrypt` and `EVP_PKEY_decrypt`.
pub(crate) type Transform =
    unsafe extern "C" fn(*mut ossl::EVP_PKEY_CTX, *mut u8, *mut usize, *const u8, usize) -> c_int;

/// The message in `ciphertext`, computed on `side`.
///
/// # Errors
/// What OpenSSL says.
pub fn decrypt(
    side: &Side,
    key: &Key,
    wrapping: &Wrapping,
    ciphertext: &[u8],
) -> Result<Vec<u8>, OpensslError> {
    let context = KeyContext::new(side, key)?;
    // SAFETY: the context is valid.
    check("beginning a decryption", unsafe { ossl::EVP_PKEY_decrypt_init(context.as_ptr()) })?;
    context.run(side, wrapping, ossl::EVP_PKEY_decrypt, ciphertext)
}

/// `message`, encrypted on `side`.
///
/// # Errors
/// What OpenSSL says.
pub fn encrypt(side: &Side, key: &Key, wrapping: &Wrapping, message: &[u8]) -> Result<Vec<u8>, OpensslError> {
    let context = KeyContext::new(side, key)?;
    // SAFETY: the context is valid.
    check("beginning an encryption", unsafe { ossl::EVP_PKEY_encrypt_init(context.as_ptr()) })?;
    context.run(side, wrapping, ossl::EVP_PKEY_encrypt, message)
}

/// Whether the decryption of `side` knows `implicit-rejection`.
///
/// # Errors
/// What OpenSSL says.
pub fn has_implicit_rejection(side: &Side, key: &Key) -> Result<bool, OpensslError> {
    let context = KeyContext::new(side, key)?;
    // SAFETY: the context is valid; the list is constant.
    unsafe {
        check("beginning a decryption", ossl::EVP_PKEY_decrypt_init(context.as_ptr()))?;
        let list = ffi::EVP_PKEY_CTX_settable_params(context.as_ptr());
        Ok(!list.is_null() && !ffi::OSSL_PARAM_locate_const(list, c"implicit-rejection".as_ptr()).is_null())
    }
}

/// A key, about to be used by a side.
pub(crate) struct KeyContext(NonNull<ossl::EVP_PKEY_CTX>);

impl KeyContext {
    pub(crate) fn new(side: &Side, key: &Key) -> Result<Self, OpensslError> {
        // SAFETY: library context, key and string are valid.
        let context = unsafe {
            ffi::EVP_PKEY_CTX_new_from_pkey(side.libctx(), key.as_ptr(), side.properties().as_ptr())
        };
        NonNull::new(context).map(Self).ok_or_else(|| OpensslError::of("taking a key over"))
    }

    pub(crate) fn as_ptr(&self) -> *mut ossl::EVP_PKEY_CTX {
        self.0.as_ptr()
    }

    fn run(
        &self,
        side: &Side,
        wrapping: &Wrapping,
        transform: Transform,
        input: &[u8],
    ) -> Result<Vec<u8>, OpensslError> {
        // SAFETY: the operation is begun.
        unsafe { side.assert_computes(self.as_ptr()) };
        self.wrap(wrapping)?;
        self.transform(transform, input)
    }

    /// What an operation, which is begun and set, makes of `input`.
    pub(crate) fn transform(&self, transform: Transform, input: &[u8]) -> Result<Vec<u8>, OpensslError> {
        let mut length = 0;
        // SAFETY: the context is valid; without a place for the output it says how much room is needed at most.
        check("the length of a message", unsafe {
            transform(self.as_ptr(), ptr::null_mut(), &mut length, input.as_ptr(), input.len())
        })?;
        let mut output = vec![0; length];
        // SAFETY: the context is valid, `length` says how much room there is.
        check("transforming", unsafe {
            transform(self.as_ptr(), output.as_mut_ptr(), &mut length, input.as_ptr(), input.len())
        })?;
        output.truncate(length);
        Ok(output)
    }

    fn wrap(&self, wrapping: &Wrapping) -> Result<(), OpensslError> {
        let context = self.as_ptr();
        let padding = match wrapping {
            Wrapping::None => ossl::RSA_NO_PADDING,
            Wrapping::Pkcs1 { .. } => ossl::RSA_PKCS1_PADDING,
            Wrapping::Tls => RSA_PKCS1_WITH_TLS_PADDING,
            Wrapping::Oaep { .. } => ossl::RSA_PKCS1_OAEP_PADDING,
        };
        // SAFETY: the operation is begun.
        check("padding", unsafe { ossl::EVP_PKEY_CTX_set_rsa_padding(context, padding) })?;
        let mut params = Params::new();
        match wrapping {
            Wrapping::None | Wrapping::Pkcs1 { implicit_rejection: None } => return Ok(()),
            Wrapping::Pkcs1 { implicit_rejection: Some(rejects) } => {
                params = params.number(c"implicit-rejection", &u32::from(*rejects).to_be_bytes());
            }
            Wrapping::Tls => params = params.number(c"tls-client-version", &TLS_1_2.to_be_bytes()),
            Wrapping::Oaep { digest, mask_digest, label } => {
                // SAFETY: the context and the strings are valid.
                unsafe {
                    let (digest, mask) = (digest.as_ptr(), mask_digest.as_ptr());
                    check("digest", ffi::EVP_PKEY_CTX_set_rsa_oaep_md_name(context, digest, ptr::null()))?;
                    check("mask digest", ffi::EVP_PKEY_CTX_set_rsa_mgf1_md_name(context, mask, ptr::null()))?;
                }
                params = params.bytes(c"oaep-label", label);
            }
        }
        // SAFETY: the context and the list are valid.
        check("settings", unsafe { ffi::EVP_PKEY_CTX_set_params(context, params.list().as_mut_ptr()) })
    }
}

impl Drop for KeyContext {
    fn drop(&mut self) {
        // SAFETY: the context is ours alone.
        unsafe { ossl::EVP_PKEY_CTX_free(self.as_ptr()) };
    }
}
