//! RSA encryption with OAEP (RFC 8017, 7.1).

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use openssl_sys as ossl;

use super::error::{OpensslError, check};
use super::ffi;
use super::key::Key;
use super::library::Side;

type Begin = unsafe extern "C" fn(*mut ossl::EVP_PKEY_CTX) -> c_int;
type Step = unsafe extern "C" fn(*mut ossl::EVP_PKEY_CTX, *mut u8, *mut usize, *const u8, usize) -> c_int;

/// Encrypts `message` on `side`.
///
/// # Errors
/// What OpenSSL says.
pub fn encrypt(side: &Side, key: &Key, message: &[u8]) -> Result<Vec<u8>, OpensslError> {
    run(side, key, message, ossl::EVP_PKEY_encrypt_init, ossl::EVP_PKEY_encrypt)
}

/// Decrypts `sealed` on `side`.
///
/// # Errors
/// What OpenSSL says.
pub fn decrypt(side: &Side, key: &Key, sealed: &[u8]) -> Result<Vec<u8>, OpensslError> {
    run(side, key, sealed, ossl::EVP_PKEY_decrypt_init, ossl::EVP_PKEY_decrypt)
}

fn run(side: &Side, key: &Key, input: &[u8], begin: Begin, step: Step) -> Result<Vec<u8>, OpensslError> {
    let context = Context::new(side, key)?;
    let mut length = 0;
    // SAFETY: the context is valid; without a place for the output it says how much room is needed at most.
    unsafe {
        check("beginning a cipher", begin(context.0.as_ptr()))?;
        side.assert_computes(context.0.as_ptr());
        let padding = ossl::RSA_PKCS1_OAEP_PADDING;
        check("OAEP padding", ossl::EVP_PKEY_CTX_set_rsa_padding(context.0.as_ptr(), padding))?;
        let (input, input_length) = (input.as_ptr(), input.len());
        check("the length", step(context.0.as_ptr(), ptr::null_mut(), &mut length, input, input_length))?;
    }
    let mut output = vec![0; length];
    // SAFETY: the context is valid, `length` says how much room there is.
    check("a cipher", unsafe {
        step(context.0.as_ptr(), output.as_mut_ptr(), &mut length, input.as_ptr(), input.len())
    })?;
    output.truncate(length);
    Ok(output)
}

struct Context(NonNull<ossl::EVP_PKEY_CTX>);

impl Context {
    fn new(side: &Side, key: &Key) -> Result<Self, OpensslError> {
        // SAFETY: library context, key and string are valid.
        let context = unsafe {
            ffi::EVP_PKEY_CTX_new_from_pkey(side.libctx(), key.as_ptr(), side.properties().as_ptr())
        };
        NonNull::new(context).map(Self).ok_or_else(|| OpensslError::of("taking a key over"))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context is ours alone.
        unsafe { ossl::EVP_PKEY_CTX_free(self.0.as_ptr()) };
    }
}
