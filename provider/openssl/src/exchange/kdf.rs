//! What is made of a secret before the caller gets it: nothing, or the key derivation function of X9.63 or X9.42, which
//! software computes (it is a few digests, and its input is here already).

use std::ffi::{CStr, CString, c_void};
use std::ptr;

use zeroize::Zeroizing;

use crate::core::params::{self, END, Owned};
use crate::exchange::Scheme;
use crate::ffi::libcrypto;
use crate::ffi::names;
use crate::software::Software;

/// What an operation gives.
pub(super) enum Product {
    /// The bare secret.
    Secret,
    /// What a function makes of it.
    Derived(Kdf),
    /// Something that is not known here.
    Unknown,
}

/// A key derivation function with its settings.
pub(super) struct Kdf {
    function: CString,
    digest: CString,
    /// Length of its output in bytes.
    pub(super) length: usize,
    material: Option<Zeroizing<Vec<u8>>>,
    material_parameter: &'static CStr,
    cipher: CString,
}

/// Room for the names of functions, digests and ciphers.
const NAME_BYTES: usize = 80;

impl Product {
    /// The product of `operation`, an operation of the software provider.
    pub(super) fn of<S: Scheme>(software: &Software, operation: *mut c_void) -> Self {
        if !S::HAS_SETTINGS {
            return Self::Secret;
        }
        Self::read::<S>(software, operation).unwrap_or(Self::Unknown)
    }

    fn read<S: Scheme>(software: &Software, operation: *mut c_void) -> Option<Self> {
        let get = S::functions(software).get_ctx_params?;
        let mut function = [0; NAME_BYTES];
        let mut asked = [params::utf8(names::KDF_TYPE, &mut function), END];
        // SAFETY: the operation is the software provider's; the list ends with END and its place outlives the call.
        if unsafe { get(operation, asked.as_mut_ptr()) } != 1 {
            return None;
        }
        let function = name(&function)?;
        if function.is_empty() {
            return Some(Self::Secret);
        }
        let material_parameter = S::material_parameter(&function)?;

        let (mut digest, mut cipher) = ([0; NAME_BYTES], [0; NAME_BYTES]);
        let (mut length, mut material) = (0_usize, ptr::null());
        let mut asked = [
            params::octet_pointer(names::KDF_USER_MATERIAL, &mut material),
            params::utf8(names::KDF_DIGEST, &mut digest),
            params::unsigned(names::KDF_OUTPUT_LENGTH, &mut length),
            params::utf8(names::KDF_PARAM_CIPHER, &mut cipher),
            END,
        ];
        // SAFETY: as above.
        if unsafe { get(operation, asked.as_mut_ptr()) } != 1 {
            return None;
        }
        let material_bytes = asked[0].return_size;
        let material = (!material.is_null() && material_bytes != params::UNMODIFIED).then(|| {
            // SAFETY: the software provider's own block, of that length; it lives until the operation is changed.
            let bytes = unsafe { std::slice::from_raw_parts(material.cast::<u8>(), material_bytes) };
            Zeroizing::new(bytes.to_vec())
        });
        let (digest, cipher) = (name(&digest)?, name(&cipher)?);
        Some(Self::Derived(Kdf { function, digest, length, material, material_parameter, cipher }))
    }
}

fn name(bytes: &[u8]) -> Option<CString> {
    CStr::from_bytes_until_nul(bytes).ok().map(CStr::to_owned)
}

impl Kdf {
    /// Fills `output` with what `secret` makes. False if OpenSSL refuses; it leaves no error then.
    pub(super) fn derive(&self, software: &Software, secret: &[u8], output: &mut [u8]) -> bool {
        if self.digest.is_empty() || output.is_empty() {
            return false;
        }
        let mut list = Owned::default();
        list.text(names::DIGEST, &self.digest);
        list.octets(names::KDF_PARAM_KEY, secret);
        if let Some(material) = &self.material {
            list.octets(self.material_parameter, material);
        }
        if !self.cipher.is_empty() {
            list.text(names::KDF_PARAM_CIPHER, &self.cipher);
        }
        // SAFETY: marks this thread's queue.
        unsafe { libcrypto::ERR_set_mark() };
        // SAFETY: the library context is alive, the name a string.
        let function =
            unsafe { libcrypto::EVP_KDF_fetch(software.library(), self.function.as_ptr(), ptr::null()) };
        // SAFETY: null, or a function that was just fetched, which the context then keeps.
        let context = unsafe { libcrypto::EVP_KDF_CTX_new(function) };
        let (place, length) = (output.as_mut_ptr(), output.len());
        // SAFETY: the context is valid; place and length are those of `output`; the list ends with END.
        let done = !context.is_null()
            && unsafe { libcrypto::EVP_KDF_derive(context, place, length, list.as_ptr()) } == 1;
        // SAFETY: both are ours; null is allowed.
        unsafe { libcrypto::EVP_KDF_CTX_free(context) };
        // SAFETY: as above.
        unsafe { libcrypto::EVP_KDF_free(function) };
        // SAFETY: goes back to the mark.
        unsafe { libcrypto::ERR_pop_to_mark() };
        done
    }
}
