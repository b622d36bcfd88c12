//! Signatures over messages.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::{self, NonNull};

use openssl_sys as ossl;

use super::encryption::KeyContext;
use super::error::{OpensslError, check};
use super::ffi;
use super::key::Key;
use super::library::Side;

/// How a message is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// The digest, as OpenSSL names it.
    pub digest: &'static CStr,
    /// What is special to RSA.
    pub padding: Padding,
}

/// What is special to RSA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Padding {
    /// Nothing: no RSA key, or what the key prescribes.
    None,
    /// PKCS#1 v1.5 (RFC 8017, 8.2).
    Pkcs1,
    /// ANSI X9.31.
    X931,
    /// PSS (RFC 8017, 8.1).
    Pss {
        /// The digest of the mask.
        mask_digest: &'static CStr,
        /// Length of the salt in bytes.
        salt_bytes: c_int,
    },
}

/// Signs `message` on `side`.
///
/// # Errors
/// What OpenSSL says.
pub fn sign(side: &Side, key: &Key, scheme: &Scheme, message: &[u8]) -> Result<Vec<u8>, OpensslError> {
    let context = Context::begin(side, key, scheme, ffi::EVP_DigestSignInit_ex)?;
    let mut length = 0;
    // SAFETY: the context is valid; without a place for the signature it says how much room is needed at most.
    check("the length of a signature", unsafe {
        ossl::EVP_DigestSign(context.as_ptr(), ptr::null_mut(), &mut length, message.as_ptr(), message.len())
    })?;
    let mut signature = vec![0; length];
    // SAFETY: the context is valid, `length` says how much room there is.
    check("signing", unsafe {
        let place = signature.as_mut_ptr();
        ossl::EVP_DigestSign(context.as_ptr(), place, &mut length, message.as_ptr(), message.len())
    })?;
    signature.truncate(length);
    Ok(signature)
}

/// Whether `side` takes `signature` for one of `message`.
///
/// # Errors
/// What OpenSSL says, if verification can't even begin.
pub fn verify(
    side: &Side,
    key: &Key,
    scheme: &Scheme,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, OpensslError> {
    let context = Context::begin(side, key, scheme, ffi::EVP_DigestVerifyInit_ex)?;
    // SAFETY: the context is valid, the slices say their lengths.
    let answer = unsafe {
        let (bytes, length) = (signature.as_ptr(), signature.len());
        ossl::EVP_DigestVerify(context.as_ptr(), bytes, length, message.as_ptr(), message.len())
    };
    if answer != 1 {
        // Empties the queue: a signature that is refused leaves errors there.
        drop(OpensslError::of("verifying"));
    }
    Ok(answer == 1)
}

/// Signs what was made ready for it, with an RSA key and no digest.
///
/// # Errors
/// What OpenSSL says.
pub fn sign_raw(side: &Side, key: &Key, padding: RawPadding, ready: &[u8]) -> Result<Vec<u8>, OpensslError> {
    let context = raw(side, key, padding, ossl::EVP_PKEY_sign_init)?;
    context.transform(ossl::EVP_PKEY_sign, ready)
}

/// What was signed with an RSA key and no digest.
///
/// # Errors
/// What OpenSSL says.
pub fn recover(
    side: &Side,
    key: &Key,
    padding: RawPadding,
    signature: &[u8],
) -> Result<Vec<u8>, OpensslError> {
    let context = raw(side, key, padding, ffi::EVP_PKEY_verify_recover_init)?;
    context.transform(ffi::EVP_PKEY_verify_recover, signature)
}

/// The paddings that there are without a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawPadding {
    /// As many bytes as the modulus has.
    None,
    /// PKCS#1 v1.5.
    Pkcs1,
}

fn raw(
    side: &Side,
    key: &Key,
    padding: RawPadding,
    begin: unsafe extern "C" fn(*mut ossl::EVP_PKEY_CTX) -> c_int,
) -> Result<KeyContext, OpensslError> {
    let context = KeyContext::new(side, key)?;
    let padding = match padding {
        RawPadding::None => ossl::RSA_NO_PADDING,
        RawPadding::Pkcs1 => ossl::RSA_PKCS1_PADDING,
    };
    // SAFETY: the context is valid.
    unsafe {
        check("beginning a signature", begin(context.as_ptr()))?;
        side.assert_computes(context.as_ptr());
        check("padding", ossl::EVP_PKEY_CTX_set_rsa_padding(context.as_ptr(), padding))?;
    }
    Ok(context)
}

type Begin = unsafe extern "C" fn(
    *mut ossl::EVP_MD_CTX,
    *mut *mut ossl::EVP_PKEY_CTX,
    *const c_char,
    *mut ossl::OSSL_LIB_CTX,
    *const c_char,
    *mut ossl::EVP_PKEY,
    *const ossl::OSSL_PARAM,
) -> c_int;

struct Context(NonNull<ossl::EVP_MD_CTX>);

impl Context {
    fn begin(side: &Side, key: &Key, scheme: &Scheme, begin: Begin) -> Result<Self, OpensslError> {
        // SAFETY: no arguments.
        let context = Self(NonNull::new(unsafe { ossl::EVP_MD_CTX_new() }).unwrap());
        let mut key_context = ptr::null_mut();
        // SAFETY: contexts, key and strings are valid; the digest context owns the key context.
        unsafe {
            let (digest, properties) = (scheme.digest.as_ptr(), side.properties().as_ptr());
            check(
                "beginning a signature",
                begin(
                    context.as_ptr(),
                    &mut key_context,
                    digest,
                    side.libctx(),
                    properties,
                    key.as_ptr(),
                    ptr::null(),
                ),
            )?;
            side.assert_computes(key_context);
            match &scheme.padding {
                Padding::None => {}
                Padding::Pkcs1 => {
                    let padding = ossl::RSA_PKCS1_PADDING;
                    check("PKCS#1 padding", ossl::EVP_PKEY_CTX_set_rsa_padding(key_context, padding))?;
                }
                Padding::X931 => {
                    let padding = ossl::RSA_X931_PADDING;
                    check("X9.31 padding", ossl::EVP_PKEY_CTX_set_rsa_padding(key_context, padding))?;
                }
                Padding::Pss { mask_digest, salt_bytes } => {
                    let padding = ossl::RSA_PKCS1_PSS_PADDING;
                    let mask = mask_digest.as_ptr();
                    check("PSS padding", ossl::EVP_PKEY_CTX_set_rsa_padding(key_context, padding))?;
                    check("salt length", ossl::EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, *salt_bytes))?;
                    check(
                        "mask digest",
                        ffi::EVP_PKEY_CTX_set_rsa_mgf1_md_name(key_context, mask, ptr::null()),
                    )?;
                }
            }
        }
        Ok(context)
    }

    fn as_ptr(&self) -> *mut ossl::EVP_MD_CTX {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context is ours alone.
        unsafe { ossl::EVP_MD_CTX_free(self.as_ptr()) };
    }
}
