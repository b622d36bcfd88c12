//! Key agreement.

use openssl_sys as ossl;

use super::encryption::KeyContext;
use super::error::{OpensslError, check};
use super::key::Key;
use super::library::Side;
use super::{ffi, params::Params};

/// The secret that `own` shares with `peer`, computed on `side`, with the checks of the peer's key that OpenSSL makes by
/// default.
///
/// # Errors
/// What OpenSSL says.
pub fn derive(side: &Side, own: &Key, peer: &Key) -> Result<Vec<u8>, OpensslError> {
    derive_with(side, own, peer, Params::new())
}

/// The same, with settings of the exchange.
///
/// # Errors
/// What OpenSSL says.
pub fn derive_with(
    side: &Side,
    own: &Key,
    peer: &Key,
    mut settings: Params,
) -> Result<Vec<u8>, OpensslError> {
    let context = KeyContext::new(side, own)?;
    let mut length = 0;
    // SAFETY: context, key and list are valid; without a place for the secret it says how long that is.
    unsafe {
        check("beginning an agreement", ossl::EVP_PKEY_derive_init(context.as_ptr()))?;
        side.assert_computes(context.as_ptr());
        // What has no settings refuses an empty list as well.
        if !settings.is_empty() {
            let mut list = settings.list();
            check("settings", ffi::EVP_PKEY_CTX_set_params(context.as_ptr(), list.as_mut_ptr()))?;
        }
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
