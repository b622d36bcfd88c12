//! OpenSSL's keys and contexts, owned.

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};

use hotspare_device::MontgomeryCurve;
use openssl_sys as ossl;

use crate::failure::{Failure, check};
use crate::ffi;
use crate::library::Library;
use crate::params::Params;
use crate::pool::{ContextPool, Pool, Pooled};

/// Which parts of a key its parameters have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    /// The public numbers only.
    Public,
    /// The private numbers, and the public ones that are given.
    Pair,
}

impl Parts {
    const fn selection(self) -> c_int {
        match self {
            Self::Public => ossl::EVP_PKEY_PUBLIC_KEY,
            Self::Pair => ossl::EVP_PKEY_KEYPAIR,
        }
    }
}

/// A kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rsa,
    Ec,
    X25519,
    X448,
    Dh,
}

impl Algorithm {
    const fn name(self) -> &'static CStr {
        match self {
            Self::Rsa => c"RSA",
            Self::Ec => c"EC",
            Self::X25519 => c"X25519",
            Self::X448 => c"X448",
            Self::Dh => c"DH",
        }
    }
}

/// What makes keys: a few contexts for each kind, ready to import. And a few keys of the other side, ready to be changed
/// into others.
#[derive(Default)]
pub(crate) struct Makers {
    rsa: ContextPool,
    ec: ContextPool,
    x25519: ContextPool,
    x448: ContextPool,
    dh: ContextPool,
    x25519_peers: Pool<Pkey>,
    x448_peers: Pool<Pkey>,
}

impl Makers {
    fn of(&self, algorithm: Algorithm) -> &ContextPool {
        match algorithm {
            Algorithm::Rsa => &self.rsa,
            Algorithm::Ec => &self.ec,
            Algorithm::X25519 => &self.x25519,
            Algorithm::X448 => &self.x448,
            Algorithm::Dh => &self.dh,
        }
    }

    /// Keys that nobody else changes or computes with while one is taken, though contexts may refer to it: a context that used
    /// one before must be given its peer again.
    pub(crate) fn peers(&self, curve: MontgomeryCurve) -> &Pool<Pkey> {
        if curve == MontgomeryCurve::X448 { &self.x448_peers } else { &self.x25519_peers }
    }
}

/// A key in OpenSSL's form.
pub(crate) struct Pkey(NonNull<ossl::EVP_PKEY>);

// SAFETY: an EVP_PKEY that nobody changes may be used by many threads at once; this type changes it only while a single thread
// has it (`change_public`).
unsafe impl Send for Pkey {}
// SAFETY: as above.
unsafe impl Sync for Pkey {}

impl Pkey {
    /// A key of the provider of `library`, from its numbers.
    pub(crate) fn from_params(
        library: &Library,
        algorithm: Algorithm,
        parts: Parts,
        mut params: Params<'_>,
    ) -> Result<Self, Failure> {
        let start = || Context::for_import(library, algorithm);
        library.makers().of(algorithm).with(start, |context| {
            let mut key = ptr::null_mut();
            // SAFETY: the context is valid; the parameters end with an empty one and live to the end of the call, and
            // `key` is a place for the result.
            check("importing a key", unsafe {
                let (selection, params) = (parts.selection(), params.as_mut_ptr());
                ossl::EVP_PKEY_fromdata(context.as_ptr(), &mut key, selection, params)
            })?;
            NonNull::new(key).map(Self).ok_or(Failure::OpenSsl("importing a key"))
        })
    }

    pub(crate) fn as_ptr(&self) -> *mut ossl::EVP_PKEY {
        self.0.as_ptr()
    }

    /// Changes this public key into another of its kind. (libssl makes its peers' keys so, so every provider can.)
    pub(crate) fn change_public(&mut self, encoded: &[u8]) -> Result<(), Failure> {
        // SAFETY: the key is valid, and this thread's alone; the slice says its length.
        check("changing a key", unsafe {
            ffi::EVP_PKEY_set1_encoded_public_key(self.as_ptr(), encoded.as_ptr(), encoded.len())
        })
    }

    /// A context for operations with this key.
    pub(crate) fn context(&self, library: &Library) -> Result<Context, Failure> {
        // SAFETY: library context, key and string are valid; the context takes a reference of its own on the key.
        let context = unsafe {
            let properties = library.properties().as_ptr();
            ffi::EVP_PKEY_CTX_new_from_pkey(library.context(), self.as_ptr(), properties)
        };
        Context::own(context, "making a context for a key")
    }
}

impl Pooled for Pkey {
    type Raw = ossl::EVP_PKEY;

    fn into_raw(self) -> NonNull<ossl::EVP_PKEY> {
        std::mem::ManuallyDrop::new(self).0
    }

    unsafe fn from_raw(raw: NonNull<ossl::EVP_PKEY>) -> Self {
        Self(raw)
    }
}

impl Drop for Pkey {
    fn drop(&mut self) {
        // SAFETY: this reference is ours. The provider wipes the private numbers with the last.
        unsafe { ossl::EVP_PKEY_free(self.as_ptr()) };
    }
}

/// A context of one operation with one key, for one thread at a time.
pub(crate) struct Context(NonNull<ossl::EVP_PKEY_CTX>);

// SAFETY: a context has no tie to a thread; it must not be used by two at once, and this type is not `Sync`.
unsafe impl Send for Context {}

impl Context {
    /// A context that imports keys.
    fn for_import(library: &Library, algorithm: Algorithm) -> Result<Self, Failure> {
        let what = "finding a key manager";
        // SAFETY: the library context and the strings are valid for the call.
        let context = unsafe {
            let (name, properties) = (algorithm.name().as_ptr(), library.properties().as_ptr());
            ossl::EVP_PKEY_CTX_new_from_name(library.context(), name, properties)
        };
        let context = Self::own(context, what)?;
        // SAFETY: the context is valid and ours.
        check(what, unsafe { ossl::EVP_PKEY_fromdata_init(context.as_ptr()) })?;
        Ok(context)
    }

    fn own(context: *mut ossl::EVP_PKEY_CTX, what: &'static str) -> Result<Self, Failure> {
        NonNull::new(context).map(Self).ok_or(Failure::OpenSsl(what))
    }

    pub(crate) fn as_ptr(&self) -> *mut ossl::EVP_PKEY_CTX {
        self.0.as_ptr()
    }
}

impl Pooled for Context {
    type Raw = ossl::EVP_PKEY_CTX;

    fn into_raw(self) -> NonNull<ossl::EVP_PKEY_CTX> {
        std::mem::ManuallyDrop::new(self).0
    }

    unsafe fn from_raw(raw: NonNull<ossl::EVP_PKEY_CTX>) -> Self {
        Self(raw)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context is ours alone.
        unsafe { ossl::EVP_PKEY_CTX_free(self.as_ptr()) };
    }
}
