//! Keys.

use std::ffi::{CStr, CString, c_int, c_uint};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use openssl_sys as ossl;

use super::error::{OpensslError, check};
use super::ffi;
use super::library::{Library, Side};

/// `OSSL_PARAM_UNSIGNED_INTEGER`, `_UTF8_STRING`, `_OCTET_STRING` (core.h).
const UNSIGNED_INTEGER: c_uint = 2;
const UTF8_STRING: c_uint = 4;
const OCTET_STRING: c_uint = 5;

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

    /// A private key on P-256 from its scalar, without the public point, in the key manager of `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn p256_private(side: &Side, scalar: &[u8]) -> Result<Self, OpensslError> {
        let mut native = scalar.to_vec();
        if cfg!(target_endian = "little") {
            native.reverse();
        }
        let mut params = [group(), param(c"priv", UNSIGNED_INTEGER, &mut native), end_of_params()];
        Self::from_params(side, c"EC", ossl::EVP_PKEY_KEYPAIR, &mut params)
    }

    /// A public key on P-256 from its encoded point (SEC 1, 2.3.3), in the key manager of `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn p256_public(side: &Side, point: &[u8]) -> Result<Self, OpensslError> {
        let mut point = point.to_vec();
        let mut params = [group(), param(c"pub", OCTET_STRING, &mut point), end_of_params()];
        Self::from_params(side, c"EC", ossl::EVP_PKEY_PUBLIC_KEY, &mut params)
    }

    /// An X25519 private key, in the key manager of `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn x25519_private(side: &Side, scalar: &[u8]) -> Result<Self, OpensslError> {
        // SAFETY: the library context and the strings are valid, the slice says its length.
        let key = unsafe {
            let (name, properties) = (c"X25519".as_ptr(), side.properties().as_ptr());
            ossl::EVP_PKEY_new_raw_private_key_ex(
                side.libctx(),
                name,
                properties,
                scalar.as_ptr(),
                scalar.len(),
            )
        };
        Self::own(side.library(), key, "making an X25519 private key")
    }

    /// An X25519 public key, in the key manager of `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn x25519_public(side: &Side, u: &[u8]) -> Result<Self, OpensslError> {
        // SAFETY: as in `x25519_private`.
        let key = unsafe {
            let (name, properties) = (c"X25519".as_ptr(), side.properties().as_ptr());
            ossl::EVP_PKEY_new_raw_public_key_ex(side.libctx(), name, properties, u.as_ptr(), u.len())
        };
        Self::own(side.library(), key, "making an X25519 public key")
    }

    /// A new RSA key, generated by `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn generate_rsa(side: &Side, bits: usize) -> Result<Self, OpensslError> {
        // SAFETY: the library context and the strings are valid; for RSA one argument follows, a size_t.
        let key = unsafe {
            ossl::EVP_PKEY_Q_keygen(side.libctx(), side.properties().as_ptr(), c"RSA".as_ptr(), bits)
        };
        Self::own(side.library(), key, "generating an RSA key")
    }

    /// A new key on a curve, generated by `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn generate_ec(side: &Side, curve: &str) -> Result<Self, OpensslError> {
        let curve = CString::new(curve).unwrap();
        // SAFETY: the library context and the strings are valid; for EC one argument follows, a string.
        let key = unsafe {
            let properties = side.properties().as_ptr();
            ossl::EVP_PKEY_Q_keygen(side.libctx(), properties, c"EC".as_ptr(), curve.as_ptr())
        };
        Self::own(side.library(), key, "generating an EC key")
    }

    /// A new X25519 key, generated by `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn generate_x25519(side: &Side) -> Result<Self, OpensslError> {
        Self::generate_plain(side, c"X25519")
    }

    /// A new X448 key, generated by `side`.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn generate_x448(side: &Side) -> Result<Self, OpensslError> {
        Self::generate_plain(side, c"X448")
    }

    fn generate_plain(side: &Side, algorithm: &CStr) -> Result<Self, OpensslError> {
        // SAFETY: the library context and the strings are valid; for keys without settings no argument follows.
        let key =
            unsafe { ossl::EVP_PKEY_Q_keygen(side.libctx(), side.properties().as_ptr(), algorithm.as_ptr()) };
        Self::own(side.library(), key, "generating a key")
    }

    fn from_params(
        side: &Side,
        algorithm: &CStr,
        selection: c_int,
        params: &mut [ossl::OSSL_PARAM],
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
                check(what, ossl::EVP_PKEY_fromdata(context, &mut key, selection, params.as_mut_ptr()))
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

fn param(key: &'static CStr, data_type: c_uint, data: &mut [u8]) -> ossl::OSSL_PARAM {
    let (key, data_size) = (key.as_ptr(), data.len());
    ossl::OSSL_PARAM { key, data_type, data: data.as_mut_ptr().cast(), data_size, return_size: usize::MAX }
}

/// P-256. OpenSSL reads the name up to its NUL byte, which is not counted.
fn group() -> ossl::OSSL_PARAM {
    let name = c"P-256";
    let (data, data_size) = (name.as_ptr().cast_mut().cast(), name.count_bytes());
    ossl::OSSL_PARAM {
        key: c"group".as_ptr(),
        data_type: UTF8_STRING,
        data,
        data_size,
        return_size: usize::MAX,
    }
}

fn end_of_params() -> ossl::OSSL_PARAM {
    ossl::OSSL_PARAM { key: ptr::null(), data_type: 0, data: ptr::null_mut(), data_size: 0, return_size: 0 }
}
