//! A signature operation: the software provider's beside what we need to sign in the offload.

use std::ffi::{c_int, c_uchar, c_void};
use std::ptr;
use std::sync::Arc;

use hotspare_device::key::RSA_MAX_BYTES;
use openssl_sys::OSSL_PARAM;

use crate::context::Context;
use crate::core::errors::Reason;
use crate::core::params::{END, utf8};
use crate::digest::Hash;
use crate::ffi::functions::Signature;
use crate::ffi::names;
use crate::keymgmt::ProviderKey;
use crate::signature::{Outcome, Scheme};
use crate::software::{Object, Software};

/// An operation. One thread uses it at a time, as OpenSSL's contexts are used.
pub(super) struct Operation<S> {
    /// The software provider's operation, with all settings.
    pub(super) object: Object,
    pub(super) key: Option<Arc<ProviderKey>>,
    /// The settings, once read.
    pub(super) scheme: Option<S>,
    /// The message's digest so far, if we are the ones who digest. Then the software provider's operation does not.
    pub(super) hash: Option<Hash>,
    pub(super) context: Arc<Context>,
}

impl<S: Scheme> Operation<S> {
    /// # Safety
    /// `pointer` is null or an operation of ours, and nobody else uses it during this call.
    pub(super) unsafe fn borrow<'a>(pointer: *mut c_void) -> Option<&'a mut Self> {
        // SAFETY: as the caller says.
        unsafe { pointer.cast::<Self>().as_mut() }
    }

    pub(super) fn functions(&self) -> Option<(&Software, &Signature)> {
        self.context.software().map(|software| (software, S::functions(software)))
    }

    /// Begins anew with `key` (null: the one from before), by the software provider's `init`.
    pub(super) fn begin(
        &mut self,
        key: *mut c_void,
        init: impl FnOnce(&Signature, *mut c_void, *mut c_void) -> c_int,
    ) -> c_int {
        self.scheme = None;
        self.hash = None;
        // SAFETY: OpenSSL passes null or a key of ours.
        let new = unsafe { ProviderKey::share::<S::Kind>(key) };
        if new.is_none() && !key.is_null() {
            return 0;
        }
        let software_key = new.as_ref().map_or(ptr::null_mut(), |key| key.software_key());
        let Some((_, functions)) = self.functions() else { return 0 };
        let done = init(functions, self.object.as_ptr(), software_key);
        if new.is_some() {
            self.key = new;
        }
        done
    }

    /// Takes over the digesting, if the key is offloaded. `params` are those of the initialisation.
    pub(super) fn begin_digest(&mut self, params: *const OSSL_PARAM) {
        let Some(key) = &self.key else { return };
        if key.offload_key::<S::Kind>().is_none() {
            return;
        }
        self.hash = self.functions().and_then(|(software, functions)| {
            let mut name = [0; DIGEST_NAME_BYTES];
            let mut asked = [utf8(names::DIGEST, &mut name), END];
            // SAFETY: the operation is the software provider's; the list ends with END, its place outlives the call.
            if unsafe { functions.get_ctx_params?(self.object.as_ptr(), asked.as_mut_ptr()) } != 1 {
                return None;
            }
            let name = std::ffi::CStr::from_bytes_until_nul(&name).ok()?;
            Hash::start(&software.digest(name)?, params)
        });
    }

    /// Signs with the key in the offload.
    pub(super) fn sign_offloaded(&mut self, digest: &[u8], output: &mut [u8]) -> Outcome {
        let Some(key) = self.key.as_ref().and_then(|key| key.offload_key::<S::Kind>()) else {
            return Outcome::Software;
        };
        if self.scheme.is_none() {
            self.scheme =
                self.context.software().and_then(|software| S::read(software, self.object.as_ptr()));
        }
        match &self.scheme {
            Some(scheme) => scheme.sign(&self.context, &key, digest, output),
            // With a digest of ours under way, the software provider could not go on.
            None if self.hash.is_some() => {
                self.context.core().raise(Reason::Software, "the signature's settings can't be read");
                Outcome::Failed
            }
            None => Outcome::Software,
        }
    }

    /// Signs a digest that we have made with the software provider, whose own operation has not seen the message.
    fn sign_digest_in_software(&self, digest: &[u8], output: Output) -> c_int {
        let (Some((software, functions)), Some(key), Some(scheme)) =
            (self.functions(), &self.key, &self.scheme)
        else {
            return 0;
        };
        let (Some(newctx), Some(init), Some(sign)) = (functions.newctx, functions.sign_init, functions.sign)
        else {
            return 0;
        };
        // SAFETY: the argument is the software provider's context; a property query is optional.
        let object = unsafe { newctx(software.context(), ptr::null()) };
        // SAFETY: the new operation is ours, and `freectx` belongs to it.
        let Some(object) = (unsafe { Object::own(object, functions.freectx) }) else { return 0 };
        // SAFETY: operation and key are the software provider's; the list ends with END.
        if scheme.with_params(|params| unsafe { init(object.as_ptr(), key.software_key(), params) }) != 1 {
            return 0;
        }
        self.context.offload().count_passed_through();
        let Output { signature, length, capacity } = output;
        // SAFETY: the output is the caller's; the digest is a slice.
        unsafe { sign(object.as_ptr(), signature, length, capacity, digest.as_ptr(), digest.len()) }
    }

    /// The length of a signature, as the software provider says it.
    pub(super) fn size(&self, length: *mut usize) -> c_int {
        let Some(sign) = self.functions().and_then(|(_, functions)| functions.sign) else { return 0 };
        // SAFETY: without an output only the length is answered.
        unsafe { sign(self.object.as_ptr(), ptr::null_mut(), length, 0, ptr::null(), 0) }
    }

    pub(super) fn update(&mut self, data: *const c_uchar, length: usize) -> c_int {
        if let Some(hash) = &mut self.hash {
            // SAFETY: the caller's data.
            return c_int::from(hash.update(unsafe { input(data, length) }));
        }
        let Some(update) = self.functions().and_then(|(_, functions)| functions.digest_sign_update) else {
            return 0;
        };
        // SAFETY: the operation is the software provider's, the data the caller's.
        unsafe { update(self.object.as_ptr(), data, length) }
    }

    pub(super) fn finish(&mut self, output: Output) -> c_int {
        if self.hash.is_some() && !output.signature.is_null() {
            return self.finish_digest(output);
        }
        let Some(finish) = self.functions().and_then(|(_, functions)| functions.digest_sign_final) else {
            return 0;
        };
        if !output.signature.is_null() {
            self.context.offload().count_passed_through();
        }
        // SAFETY: the operation is the software provider's, the output the caller's.
        unsafe { finish(self.object.as_ptr(), output.signature, output.length, output.capacity) }
    }

    fn finish_digest(&mut self, output: Output) -> c_int {
        let Some((digest, length)) = self.hash.as_mut().and_then(Hash::finish) else { return 0 };
        let digest = &digest[..length];
        // SAFETY: the caller's output.
        match self.sign_offloaded(digest, unsafe { output.as_slice() }) {
            Outcome::Done(signed) => output.done(signed),
            Outcome::Software => self.sign_digest_in_software(digest, output),
            Outcome::Failed => 0,
        }
    }
}

/// Longest name of a digest in a parameter (`OSSL_MAX_NAME_SIZE`).
pub(super) const DIGEST_NAME_BYTES: usize = 50;

/// Where a signature goes.
#[derive(Clone, Copy)]
pub(super) struct Output {
    pub(super) signature: *mut c_uchar,
    pub(super) length: *mut usize,
    pub(super) capacity: usize,
}

impl Output {
    /// # Safety
    /// The signature's place is the caller's, not null, and nobody else uses it during the call.
    pub(super) unsafe fn as_slice<'a>(self) -> &'a mut [u8] {
        // Callers of old leave the capacity unset: no more of it is believed than any signature of ours can need.
        let capacity = self.capacity.min(RSA_MAX_BYTES);
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.signature, capacity) }
    }

    pub(super) fn done(self, length: usize) -> c_int {
        // SAFETY: the caller's place for the length.
        unsafe { *self.length = length };
        1
    }
}

/// # Safety
/// `data` is null (then it is empty) or that long, as long as the result is used.
pub(super) unsafe fn input<'a>(data: *const c_uchar, length: usize) -> &'a [u8] {
    if data.is_null() {
        return &[];
    }
    // SAFETY: as the caller says.
    unsafe { std::slice::from_raw_parts(data, length) }
}
