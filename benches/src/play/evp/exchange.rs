//! An X25519 exchange by EVP, prepared once and then derived from again and again.

use std::ffi::{CString, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::rc::Rc;

use openssl_sys as ossl;

use super::ffi;
use crate::engine::PEER;
use crate::error::BenchError;

/// Length of a secret of X25519.
pub(crate) const SECRET_BYTES: usize = 32;
const SCALAR: [u8; 32] = [7; 32];

/// A library context with a configuration of its own.
pub(crate) struct Library(NonNull<ossl::OSSL_LIB_CTX>);

impl Library {
    /// Makes one, and loads the configuration.
    pub(crate) fn load(configuration: &Path) -> Result<Rc<Self>, BenchError> {
        let file = CString::new(configuration.as_os_str().as_bytes());
        let file = file.map_err(|_| BenchError::Openssl("a path with a zero byte"))?;
        // SAFETY: no arguments.
        let library = NonNull::new(unsafe { ossl::OSSL_LIB_CTX_new() });
        let library = Self(library.ok_or(BenchError::Openssl("OSSL_LIB_CTX_new"))?);
        // SAFETY: context and string are valid.
        let loaded = unsafe { ffi::OSSL_LIB_CTX_load_config(library.0.as_ptr(), file.as_ptr()) };
        check("OSSL_LIB_CTX_load_config", loaded)?;
        Ok(Rc::new(library))
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: everything made in it holds a reference to us, so this is its last use.
        unsafe { ossl::OSSL_LIB_CTX_free(self.0.as_ptr()) };
    }
}

/// See the module. Its provider is Hotspare.
pub(crate) struct Exchange {
    context: NonNull<ossl::EVP_PKEY_CTX>,
    // After what was made in it.
    _library: Rc<Library>,
}

impl Exchange {
    /// Prepares one.
    pub(crate) fn new(library: &Rc<Library>) -> Result<Self, BenchError> {
        let libctx = library.0.as_ptr();
        let properties = c"provider=hotspare".as_ptr();
        // SAFETY: every pointer comes from a call before and is checked by the next; keys are counted, and the context takes
        // references of its own.
        unsafe {
            let new_raw = |make: RawKey, bytes: &[u8; 32]| {
                Own(make(libctx, c"X25519".as_ptr(), properties, bytes.as_ptr(), bytes.len()))
            };
            let key = new_raw(ossl::EVP_PKEY_new_raw_private_key_ex, &SCALAR);
            let peer = new_raw(ossl::EVP_PKEY_new_raw_public_key_ex, &PEER);
            if key.0.is_null() || peer.0.is_null() {
                return Err(BenchError::Openssl("making X25519 keys (is the provider loaded?)"));
            }
            let context = NonNull::new(ffi::EVP_PKEY_CTX_new_from_pkey(libctx, key.0, properties));
            let context = context.ok_or(BenchError::Openssl("EVP_PKEY_CTX_new_from_pkey"))?;
            let exchange = Self { context, _library: library.clone() };
            check("EVP_PKEY_derive_init", ossl::EVP_PKEY_derive_init(context.as_ptr()))?;
            check("EVP_PKEY_derive_set_peer", ossl::EVP_PKEY_derive_set_peer(context.as_ptr(), peer.0))?;
            Ok(exchange)
        }
    }

    /// Derives the secret.
    pub(crate) fn derive(&self) -> Result<[u8; SECRET_BYTES], BenchError> {
        let (mut secret, mut length) = ([0; SECRET_BYTES], SECRET_BYTES);
        // SAFETY: the context is prepared, and the output has the length that is said.
        check("EVP_PKEY_derive", unsafe {
            ossl::EVP_PKEY_derive(self.context.as_ptr(), secret.as_mut_ptr(), &raw mut length)
        })?;
        Ok(secret)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // SAFETY: ours, and used by nobody any more.
        unsafe { ossl::EVP_PKEY_CTX_free(self.context.as_ptr()) };
    }
}

type RawKey = unsafe extern "C" fn(
    *mut ossl::OSSL_LIB_CTX,
    *const std::ffi::c_char,
    *const std::ffi::c_char,
    *const u8,
    usize,
) -> *mut ossl::EVP_PKEY;

/// A reference to a key, given back when dropped.
struct Own(*mut ossl::EVP_PKEY);

impl Drop for Own {
    fn drop(&mut self) {
        // SAFETY: ours, or null.
        unsafe { ossl::EVP_PKEY_free(self.0) };
    }
}

fn check(what: &'static str, result: c_int) -> Result<(), BenchError> {
    if result == 1 { Ok(()) } else { Err(BenchError::Openssl(what)) }
}
