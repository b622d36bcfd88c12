//! Keys.

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use openssl_sys as ossl;

use super::encryption::KeyContext;
use super::error::{OpensslError, check};
use super::ffi;
use super::library::{Library, Side};
use super::params::Params;

/// An EVP_PKEY. Any side of its library context may use it: OpenSSL takes it over to that side's key manager.
#[derive(Debug)]
pub struct Key {
    key: NonNull<ossl::EVP_PKEY>,
    library: Arc<Library>,
}

// SAFETY: an EVP_PKEY that nobody changes may be used by many threads at once; this type never changes it.
unsafe impl Send for Key {}
// SAFETY: as above.
unsafe impl Sync for Key {}

impl Key {
    /// Reads a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) as an application does: with whatever decoder there is.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn from_public_der(library: &Arc<Library>, der: &[u8]) -> Result<Self, OpensslError> {
        let mut place = der.as_ptr();
        // SAFETY: `place` points to as many bytes as are said; the library context is valid.
        let key = unsafe {
            let length = der.len().try_into().unwrap();
            ffi::d2i_PUBKEY_ex(ptr::null_mut(), &mut place, length, library.as_ptr(), ptr::null())
        };
        if place as usize != der.as_ptr() as usize + der.len() && !key.is_null() {
            // SAFETY: the key is ours.
            unsafe { ossl::EVP_PKEY_free(key) };
            return Err(OpensslError::of("reading a public key: bytes after it"));
        }
        Self::own(library, key, "reading a public key")
    }

    /// Reads a private key as an application does: with whatever decoder there is.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn from_private_der(library: &Arc<Library>, der: &[u8]) -> Result<Self, OpensslError> {
        let mut place = der.as_ptr();
        // SAFETY: `place` points to as many bytes as are said; the library context is valid.
        let key = unsafe {
            let length = der.len().try_into().unwrap();
            ffi::d2i_AutoPrivateKey_ex(ptr::null_mut(), &mut place, length, library.as_ptr(), ptr::null())
        };
        Self::own(library, key, "reading a private key")
    }

    /// The key as [`Key::from_private_der`] reads it.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn private_der(&self) -> Result<Vec<u8>, OpensslError> {
        let what = "writing a private key";
        // SAFETY: the key is valid; without a place it says how much room is needed.
        let length = unsafe { ossl::i2d_PrivateKey(self.as_ptr(), ptr::null_mut()) };
        let mut der = vec![0; usize::try_from(length).map_err(|_| OpensslError::of(what))?];
        let mut place = der.as_mut_ptr();
        // SAFETY: there is as much room as it said.
        let written = unsafe { ossl::i2d_PrivateKey(self.as_ptr(), &mut place) };
        if written == length { Ok(der) } else { Err(OpensslError::of(what)) }
    }

    /// A private key on a curve from its scalar, without the public point, in the key manager of `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn ec_private(side: &Side, curve: &str, scalar: &[u8]) -> Result<Self, OpensslError> {
        let numbers = Params::new().text(c"group", curve).number(c"priv", scalar);
        Self::from_params(side, c"EC", ossl::EVP_PKEY_KEYPAIR, numbers)
    }

    /// A public key on a curve from its encoded point (SEC 1, 2.3.3), in the key manager of `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn ec_public(side: &Side, curve: &str, point: &[u8]) -> Result<Self, OpensslError> {
        let numbers = Params::new().text(c"group", curve).bytes(c"pub", point);
        Self::from_params(side, c"EC", ossl::EVP_PKEY_PUBLIC_KEY, numbers)
    }

    /// An X25519 or X448 private key, in the key manager of `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn raw_private(side: &Side, algorithm: &CStr, scalar: &[u8]) -> Result<Self, OpensslError> {
        // SAFETY: the library context and the strings are valid, the slice says its length.
        let key = unsafe {
            let (name, properties) = (algorithm.as_ptr(), side.properties().as_ptr());
            let (bytes, length) = (scalar.as_ptr(), scalar.len());
            ossl::EVP_PKEY_new_raw_private_key_ex(side.libctx(), name, properties, bytes, length)
        };
        Self::own(side.library(), key, "making a private key")
    }

    /// An X25519 or X448 public key, in the key manager of `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn raw_public(side: &Side, algorithm: &CStr, u: &[u8]) -> Result<Self, OpensslError> {
        // SAFETY: as in `raw_private`.
        let key = unsafe {
            let (name, properties) = (algorithm.as_ptr(), side.properties().as_ptr());
            ossl::EVP_PKEY_new_raw_public_key_ex(side.libctx(), name, properties, u.as_ptr(), u.len())
        };
        Self::own(side.library(), key, "making a public key")
    }

    /// A pair of keys from its numbers, in the key manager of `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn pair(side: &Side, algorithm: &CStr, numbers: Params) -> Result<Self, OpensslError> {
        Self::from_params(side, algorithm, ossl::EVP_PKEY_KEYPAIR, numbers)
    }

    /// A public key from its numbers, in the key manager of `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn public(side: &Side, algorithm: &CStr, numbers: Params) -> Result<Self, OpensslError> {
        Self::from_params(side, algorithm, ossl::EVP_PKEY_PUBLIC_KEY, numbers)
    }

    /// A new key, generated by `side` with these settings.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn generate(side: &Side, algorithm: &CStr, mut settings: Params) -> Result<Self, OpensslError> {
        let what = "generating a key";
        let mut key = ptr::null_mut();
        // SAFETY: the library context and the strings are valid, the list ends with an empty entry.
        unsafe {
            let (name, properties) = (algorithm.as_ptr(), side.properties().as_ptr());
            let context = ossl::EVP_PKEY_CTX_new_from_name(side.libctx(), name, properties);
            if context.is_null() {
                return Err(OpensslError::of(what));
            }
            let result = check(what, ossl::EVP_PKEY_keygen_init(context))
                .and_then(|()| {
                    // What has no settings refuses an empty list as well.
                    if settings.is_empty() {
                        return Ok(());
                    }
                    check(what, ffi::EVP_PKEY_CTX_set_params(context, settings.list().as_mut_ptr()))
                })
                .and_then(|()| check(what, ffi::EVP_PKEY_generate(context, &mut key)));
            ossl::EVP_PKEY_CTX_free(context);
            result?;
        }
        Self::own(side.library(), key, what)
    }

    /// A new RSA key, generated by `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn generate_rsa(side: &Side, bits: usize) -> Result<Self, OpensslError> {
        Self::generate(side, c"RSA", Params::new().small(c"bits", bits))
    }

    /// A new key on a curve, generated by `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn generate_ec(side: &Side, curve: &str) -> Result<Self, OpensslError> {
        Self::generate(side, c"EC", Params::new().text(c"group", curve))
    }

    /// A new X25519 key, generated by `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn generate_x25519(side: &Side) -> Result<Self, OpensslError> {
        Self::generate(side, c"X25519", Params::new())
    }

    /// A new X448 key, generated by `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn generate_x448(side: &Side) -> Result<Self, OpensslError> {
        Self::generate(side, c"X448", Params::new())
    }

    fn from_params(
        side: &Side,
        algorithm: &CStr,
        selection: c_int,
        mut params: Params,
    ) -> Result<Self, OpensslError> {
        let what = "making a key from its numbers";
        let mut key = ptr::null_mut();
        // SAFETY: the library context and the strings are valid, the parameters end with an empty one.
        unsafe {
            let (name, properties) = (algorithm.as_ptr(), side.properties().as_ptr());
            let context = ossl::EVP_PKEY_CTX_new_from_name(side.libctx(), name, properties);
            if context.is_null() {
                return Err(OpensslError::of(what));
            }
            let result = check(what, ossl::EVP_PKEY_fromdata_init(context)).and_then(|()| {
                check(what, ossl::EVP_PKEY_fromdata(context, &mut key, selection, params.list().as_mut_ptr()))
            });
            ossl::EVP_PKEY_CTX_free(context);
            result?;
        }
        Self::own(side.library(), key, what)
    }

    fn own(library: &Arc<Library>, key: *mut ossl::EVP_PKEY, what: &str) -> Result<Self, OpensslError> {
        match NonNull::new(key) {
            Some(key) => Ok(Self { key, library: Arc::clone(library) }),
            None => Err(OpensslError::of(what)),
        }
    }

    /// One of its numbers, most significant byte first.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn number(&self, name: &CStr) -> Result<Vec<u8>, OpensslError> {
        let mut number = ptr::null_mut();
        // SAFETY: key and string are valid; the number is ours then.
        unsafe {
            check(
                "a number of a key",
                ffi::EVP_PKEY_get_bn_param(self.as_ptr(), name.as_ptr(), &mut number),
            )?;
            let bits = ossl::BN_num_bits(number);
            let mut bytes = vec![0; usize::try_from(bits).unwrap().div_ceil(8)];
            ossl::BN_bn2bin(number, bytes.as_mut_ptr());
            ossl::BN_clear_free(number);
            Ok(bytes)
        }
    }

    /// Whether its public half is one, as `side` finds.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn check_public(&self, side: &Side) -> Result<(), OpensslError> {
        let context = KeyContext::new(side, self)?;
        // SAFETY: the context is valid.
        check("a public key", unsafe { ffi::EVP_PKEY_public_check(context.as_ptr()) })
    }

    /// Whether its halves belong together, as `side` finds.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn check_pair(&self, side: &Side) -> Result<(), OpensslError> {
        let context = KeyContext::new(side, self)?;
        // SAFETY: the context is valid.
        check("a pair of keys", unsafe { ffi::EVP_PKEY_pairwise_check(context.as_ptr()) })
    }

    /// Whether `side` has a key manager for its type. If not, its operations are another provider's.
    #[must_use]
    pub fn is_for(&self, side: &Side) -> bool {
        // SAFETY: the key has a type, whose name is a string; library context and strings are valid; a manager that is
        // found is given back.
        let found = unsafe {
            let (name, properties) =
                (ffi::EVP_PKEY_get0_type_name(self.as_ptr()), side.properties().as_ptr());
            let manager = ffi::EVP_KEYMGMT_fetch(side.libctx(), name, properties);
            ffi::EVP_KEYMGMT_free(manager);
            !manager.is_null()
        };
        if !found {
            drop(OpensslError::of("looking for a key manager"));
        }
        found
    }

    pub(crate) fn as_ptr(&self) -> *mut ossl::EVP_PKEY {
        self.key.as_ptr()
    }

    /// The library context that it belongs to.
    #[must_use]
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: this reference is ours.
        unsafe { ossl::EVP_PKEY_free(self.as_ptr()) };
    }
}
