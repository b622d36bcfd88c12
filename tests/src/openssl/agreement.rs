//! Key agreement.

use std::ptr::NonNull;

use openssl_sys as ossl;

use super::error::{OpensslError, check};
use super::ffi;
use super::key::Key;
use super::library::Side;

/// The secret that `own` shares with `peer`, computed on `side`, with the checks of the peer's key that OpenSSL makes by
/// default.
///
/// # Errors
/// What OpenSSL says.
pub fn derive(side: &Side, own: &Key, peer: &Key) -> Result<Vec<u8>, OpensslError> {
    let context = Context::new(side, own)?;
    let mut length = 0;
    // SAFETY: context and key are valid; without a place for the secret it says how long that is.
    unsafe {
        check("beginning an agreement", ossl::EVP_PKEY_derive_init(context.as_ptr()))?;
        side.assert_computes(context.as_ptr());
        check("taking the peer's key", ossl::EVP_PKEY_derive_set_peer(context.as_ptr(), peer.as_ptr()))?;
        check(
            "the length of a secret",
            ossl::EVP_PKEY_derive(context.as_ptr(), std::ptr::null_mut(), &mut length),
        )?;
    }
    let mut secret = vec![0; length];
    // SAFETY: the context is valid, `length` says how much room there is.
    check("agreeing", unsafe { ossl::EVP_PKEY_derive(context.as_ptr(), secret.as_mut_ptr(), &mut length) })?;
    secret.truncate(length);
    Ok(secret)
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

    fn as_ptr(&self) -> *mut ossl::EVP_PKEY_CTX {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context is ours alone.
        unsafe { ossl::EVP_PKEY_CTX_free(self.as_ptr()) };
    }
}
