//! Digests: fetched once, in our own library context.

use std::ffi::{CStr, c_int};
use std::ptr::NonNull;

use openssl_sys::{EVP_MD, EVP_MD_CTX, OSSL_LIB_CTX, OSSL_PARAM};

use crate::ffi::libcrypto;

/// Longest digest (`EVP_MAX_MD_SIZE`).
pub(crate) const MAX_BYTES: usize = 64;

/// A fetched digest.
pub(crate) struct Digest(NonNull<EVP_MD>);

// SAFETY: a fetched digest is constant and counts its handles atomically.
unsafe impl Send for Digest {}
// SAFETY: as above.
unsafe impl Sync for Digest {}

impl Digest {
    /// The digest called `name`; if there is none, no error is left on the queue.
    pub(crate) fn fetch(library: *mut OSSL_LIB_CTX, name: &CStr) -> Option<Self> {
        // SAFETY: marks this thread's queue.
        unsafe { libcrypto::ERR_set_mark() };
        // SAFETY: the library context is alive and the name a string.
        let digest = unsafe { openssl_sys::EVP_MD_fetch(library, name.as_ptr(), std::ptr::null()) };
        // SAFETY: goes back to the mark.
        unsafe { libcrypto::ERR_pop_to_mark() };
        NonNull::new(digest).map(Self)
    }

    /// Length of the digest in bytes.
    pub(crate) fn size(&self) -> usize {
        // SAFETY: the digest is alive.
        usize::try_from(unsafe { openssl_sys::EVP_MD_get_size(self.0.as_ptr()) }).unwrap_or(0)
    }

    /// OpenSSL's number of it (`NID_sha256` and so on).
    pub(crate) fn nid(&self) -> c_int {
        // SAFETY: the digest is alive.
        unsafe { openssl_sys::EVP_MD_get_type(self.0.as_ptr()) }
    }

    /// For OpenSSL's functions.
    pub(crate) fn as_ptr(&self) -> *const EVP_MD {
        self.0.as_ptr()
    }

    /// The digest of `data`, in the first [`Self::size`] bytes. `None` if OpenSSL fails.
    pub(crate) fn of(&self, data: &[u8]) -> Option<[u8; MAX_BYTES]> {
        let mut output = [0; MAX_BYTES];
        // SAFETY: data and length belong together; no digest is longer than the output.
        let done = unsafe {
            libcrypto::EVP_Digest(
                data.as_ptr().cast(),
                data.len(),
                output.as_mut_ptr(),
                std::ptr::null_mut(),
                self.0.as_ptr(),
                std::ptr::null_mut(),
            )
        };
        (done == 1).then_some(output)
    }
}

impl Clone for Digest {
    fn clone(&self) -> Self {
        // SAFETY: the digest is alive; the count only saturates in theory.
        unsafe { libcrypto::EVP_MD_up_ref(self.0.as_ptr()) };
        Self(self.0)
    }
}

impl Drop for Digest {
    fn drop(&mut self) {
        // SAFETY: gives up the handle that this value owns.
        unsafe { openssl_sys::EVP_MD_free(self.0.as_ptr()) };
    }
}

/// The digests that signatures use, by all their usual names. Fetching takes locks, so it is done once.
pub(crate) struct Digests(Vec<(&'static [&'static str], Digest)>);

/// Names of the digests that are kept; the first is fetched.
const KEPT: &[&[&str]] = &[
    &["SHA2-256", "SHA256", "SHA-256"],
    &["SHA2-384", "SHA384", "SHA-384"],
    &["SHA2-512", "SHA512", "SHA-512"],
    &["SHA2-224", "SHA224", "SHA-224"],
    &["SHA1", "SHA-1"],
    &["MD5-SHA1"],
    &["MD5"],
    &["SHA2-512/256", "SHA512-256", "SHA-512/256"],
    &["SHA2-512/224", "SHA512-224", "SHA-512/224"],
    &["SHA3-256"],
    &["SHA3-384"],
    &["SHA3-512"],
    &["SHA3-224"],
];

impl Digests {
    /// Fetches what the provider in `library` has of them.
    pub(crate) fn fetch(library: *mut OSSL_LIB_CTX) -> Self {
        let fetch = |names: &&'static [&'static str]| {
            let name = std::ffi::CString::new(*names.first()?).ok()?;
            Some((*names, Digest::fetch(library, &name)?))
        };
        Self(KEPT.iter().filter_map(fetch).collect())
    }

    /// The digest called `name`, if it is among them.
    pub(crate) fn find(&self, name: &CStr) -> Option<Digest> {
        let name = name.to_str().ok()?;
        let called = |names: &[&str]| names.iter().any(|one| one.eq_ignore_ascii_case(name));
        self.0.iter().find(|(names, _)| called(names)).map(|(_, digest)| digest.clone())
    }
}

/// A digest being computed.
pub(crate) struct Hash(NonNull<EVP_MD_CTX>);

// SAFETY: a digest context may move between threads; it is used by one at a time.
unsafe impl Send for Hash {}

impl Hash {
    /// Starts `digest`, with the parameters of the caller (null: none).
    pub(crate) fn start(digest: &Digest, params: *const OSSL_PARAM) -> Option<Self> {
        // SAFETY: takes no arguments.
        let hash = NonNull::new(unsafe { openssl_sys::EVP_MD_CTX_new() }).map(Self)?;
        hash.restart(digest, params).then_some(hash)
    }

    /// Starts over.
    pub(crate) fn restart(&self, digest: &Digest, params: *const OSSL_PARAM) -> bool {
        // SAFETY: both are alive; `params` is null or a list with an END.
        unsafe { libcrypto::EVP_DigestInit_ex2(self.0.as_ptr(), digest.as_ptr(), params) == 1 }
    }

    /// Takes more data.
    pub(crate) fn update(&mut self, data: &[u8]) -> bool {
        // SAFETY: data and length belong together.
        unsafe { openssl_sys::EVP_DigestUpdate(self.0.as_ptr(), data.as_ptr().cast(), data.len()) == 1 }
    }

    /// Ends it: the digest, and its length.
    pub(crate) fn finish(&mut self) -> Option<([u8; MAX_BYTES], usize)> {
        let (mut output, mut length) = ([0; MAX_BYTES], 0);
        // SAFETY: no digest is longer than the output.
        let done =
            unsafe { openssl_sys::EVP_DigestFinal_ex(self.0.as_ptr(), output.as_mut_ptr(), &mut length) };
        (done == 1).then_some((output, usize::try_from(length).ok()?))
    }

    /// A copy with the same state.
    pub(crate) fn duplicate(&self) -> Option<Self> {
        // SAFETY: takes no arguments.
        let copy = NonNull::new(unsafe { openssl_sys::EVP_MD_CTX_new() }).map(Self)?;
        // SAFETY: both are alive.
        (unsafe { libcrypto::EVP_MD_CTX_copy_ex(copy.0.as_ptr(), self.0.as_ptr()) } == 1).then_some(copy)
    }

    /// For OpenSSL's functions.
    pub(crate) fn as_ptr(&self) -> *mut EVP_MD_CTX {
        self.0.as_ptr()
    }
}

impl Drop for Hash {
    fn drop(&mut self) {
        // SAFETY: we own it.
        unsafe { openssl_sys::EVP_MD_CTX_free(self.0.as_ptr()) };
    }
}
