//! A signature operation: the software provider's beside what we need to sign and verify in the offload.

use std::ffi::{CStr, c_int, c_uchar, c_void};
use std::ptr;

use hotspare_device::Key;
use openssl_sys::OSSL_PARAM;

use crate::core::errors::Reason;
use crate::core::params::{END, utf8};
use crate::digest::Hash;
use crate::ffi::functions::Signature;
use crate::ffi::names;
use crate::operation::{DIGEST_NAME_BYTES, Held, Outcome, Output, input, with_copy};
use crate::signature::{Scheme, Verdict};
use crate::software::Object;

/// An operation. One thread uses it at a time, as OpenSSL's contexts are used.
pub(super) struct Operation<S> {
    /// The software provider's operation, with all settings.
    pub(super) held: Held<Signature>,
    /// The settings, once read.
    pub(super) scheme: Option<S>,
    /// The message's digest so far, if we are the ones who digest. Then the software provider's operation does not.
    pub(super) hash: Option<Hash>,
}

impl<S: Scheme> Operation<S> {
    /// # Safety
    /// `pointer` is null or an operation of ours, and nobody else uses it during this call.
    pub(super) unsafe fn borrow<'a>(pointer: *mut c_void) -> Option<&'a mut Self> {
        // SAFETY: as the caller says.
        unsafe { pointer.cast::<Self>().as_mut() }
    }

    /// Begins anew with `key` (null: the one from before), by the software provider's `init`.
    pub(super) fn begin(
        &mut self,
        key: *mut c_void,
        init: impl FnOnce(&Signature, *mut c_void, *mut c_void) -> c_int,
    ) -> c_int {
        self.scheme = None;
        self.hash = None;
        // SAFETY: only called from the entries, with null or a key of ours.
        self.held.begin(key, |key| unsafe { S::share(key) }, init)
    }

    /// Takes over the digesting, if a device may have the signature with `key`. `params` are those of the initialisation.
    pub(super) fn begin_digest(&mut self, key: impl FnOnce(&Self) -> Option<Key>, params: *const OSSL_PARAM) {
        if !self.held.context.offload().may_have_hardware() || key(self).is_none() {
            return;
        }
        let mut name = [0; DIGEST_NAME_BYTES];
        if self.held.get_params([utf8(names::DIGEST, &mut name), END].as_mut_ptr()) == 1 {
            let digest =
                CStr::from_bytes_until_nul(&name).ok().and_then(|name| self.held.software.digest(name));
            self.hash = digest.and_then(|digest| Hash::start(&digest, params));
        }
    }

    /// What the offload signs with.
    pub(super) fn signing_key(&self) -> Option<Key> {
        self.held.key.as_ref().and_then(|key| key.offload_key())
    }

    /// What the offload verifies with.
    pub(super) fn verifying_key(&self) -> Option<Key> {
        self.held.key.as_ref().and_then(|key| S::verifying_key(key))
    }

    /// Signs what the caller gives, a digest as a rule.
    pub(super) fn sign(&mut self, output: Output, data: *const c_uchar, length: usize) -> c_int {
        let Some(sign) = self.held.functions.sign else { return 0 };
        let Output { place, length: signed, capacity } = output;
        // SAFETY: the operation is the software provider's, the rest the caller's.
        let in_software =
            |this: &Self| unsafe { sign(this.held.as_ptr(), place, signed, capacity, data, length) };
        if place.is_null() {
            return in_software(self);
        }
        let key = self.signing_key();
        let key = match self.held.key_for_device(key, S::kind, || in_software(self)) {
            Ok(key) => key,
            Err(done) => return done,
        };
        // SAFETY: the caller's input and output.
        let outcome =
            unsafe { with_copy(data, length, |data| self.sign_offloaded(key, data, output.as_slice())) };
        match outcome {
            Some(Outcome::Done(length)) => output.done(length),
            Some(Outcome::Failed) => 0,
            Some(Outcome::Software) | None => self.held.pass_through(|| in_software(self)),
        }
    }

    /// Verifies a signature of what the caller gives, a digest as a rule.
    pub(super) fn verify(&mut self, signature: &[u8], data: &[u8]) -> c_int {
        if self.held.context.offload().may_have_hardware() {
            match self.verify_offloaded(data, signature) {
                Verdict::Right => return 1,
                Verdict::Wrong | Verdict::Failed => return 0,
                Verdict::Software => {}
            }
        }
        let Some(verify) = self.held.functions.verify else { return 0 };
        let (object, length) = (self.held.as_ptr(), signature.len());
        // SAFETY: the operation is the software provider's, the rest slices.
        self.held
            .pass_through(|| unsafe { verify(object, signature.as_ptr(), length, data.as_ptr(), data.len()) })
    }

    /// Takes a part of a message, which the software provider's `update` would take.
    pub(super) fn update(
        &mut self,
        data: *const c_uchar,
        length: usize,
        update: Option<unsafe extern "C" fn(*mut c_void, *const c_uchar, usize) -> c_int>,
    ) -> c_int {
        if let Some(hash) = &mut self.hash {
            // SAFETY: the caller's data.
            return c_int::from(hash.update(unsafe { input(data, length) }));
        }
        // SAFETY: the operation is the software provider's, the data the caller's.
        update.map_or(0, |update| unsafe { update(self.held.as_ptr(), data, length) })
    }

    /// Signs the message that was taken.
    pub(super) fn finish_signing(&mut self, output: Output) -> c_int {
        let Output { place, length, capacity } = output;
        let Some(finish) = self.held.functions.digest_sign_final else { return 0 };
        // SAFETY: the operation is the software provider's, the output the caller's.
        let in_software = |this: &Self| unsafe { finish(this.held.as_ptr(), place, length, capacity) };
        if place.is_null() {
            return in_software(self);
        }
        let key = self.signing_key();
        let Some(hash) = &mut self.hash else {
            // There was no device when the message began.
            let Some(key) = key else { return self.held.pass_through(|| in_software(self)) };
            let request = self.held.context.offload().go_on_in_software(S::kind(&key));
            let done = in_software(self);
            request.end(done == 1);
            return done;
        };
        let Some((digest, digest_length)) = hash.finish() else { return 0 };
        let digest = &digest[..digest_length];
        let outcome = match key {
            // SAFETY: the caller's output.
            Some(key) => self.sign_offloaded(key, digest, unsafe { output.as_slice() }),
            None => Outcome::Software,
        };
        match outcome {
            Outcome::Done(length) => output.done(length),
            Outcome::Failed => 0,
            Outcome::Software => {
                self.with_fresh(
                    |functions| functions.sign_init,
                    |functions, object| {
                        let Some(sign) = functions.sign else { return 0 };
                        // SAFETY: the operation is the software provider's, the output the caller's.
                        unsafe { sign(object, place, length, capacity, digest.as_ptr(), digest.len()) }
                    },
                )
            }
        }
    }

    /// Verifies a signature of the message that was taken.
    pub(super) fn finish_verifying(&mut self, signature: &[u8]) -> c_int {
        let Some(hash) = &mut self.hash else {
            let Some(finish) = self.held.functions.digest_verify_final else { return 0 };
            let object = self.held.as_ptr();
            // SAFETY: the operation is the software provider's, the signature a slice.
            return self.held.pass_through(|| unsafe { finish(object, signature.as_ptr(), signature.len()) });
        };
        let Some((digest, length)) = hash.finish() else { return 0 };
        let digest = &digest[..length];
        match self.verify_offloaded(digest, signature) {
            Verdict::Right => 1,
            Verdict::Wrong | Verdict::Failed => 0,
            Verdict::Software => {
                self.with_fresh(
                    |functions| functions.verify_init,
                    |functions, object| {
                        let Some(verify) = functions.verify else { return 0 };
                        // SAFETY: the operation is the software provider's, the rest slices.
                        unsafe {
                            verify(object, signature.as_ptr(), signature.len(), digest.as_ptr(), digest.len())
                        }
                    },
                )
            }
        }
    }

    fn sign_offloaded(&mut self, key: Key, digest: &[u8], output: &mut [u8]) -> Outcome {
        self.read_scheme();
        let key: &Key = self.held.lent.insert(key);
        match &self.scheme {
            Some(scheme) => scheme.sign(&self.held.context, key, digest, output),
            None if self.has_digested() => Outcome::Failed,
            None => Outcome::Software,
        }
    }

    fn verify_offloaded(&mut self, digest: &[u8], signature: &[u8]) -> Verdict {
        let Some(key) = self.verifying_key() else { return Verdict::Software };
        self.read_scheme();
        let key: &Key = self.held.lent.insert(key);
        match &self.scheme {
            Some(scheme) => scheme.verify(&self.held.context, key, digest, signature),
            None if self.has_digested() => Verdict::Failed,
            None => Verdict::Software,
        }
    }

    fn read_scheme(&mut self) {
        if self.scheme.is_none() {
            self.scheme = S::read(self.held.software, self.held.as_ptr());
        }
    }

    /// Whether we have digested, so that the software provider can't go on without our settings; then with an error on the queue.
    fn has_digested(&self) -> bool {
        if self.hash.is_some() {
            self.held.context.core().raise(Reason::Software, "the signature's settings can't be read");
        }
        self.hash.is_some()
    }

    /// Gives `then` another operation of the software provider with the same key and settings, for a digest that we have made:
    /// its own operation has not seen the message.
    fn with_fresh(
        &mut self,
        init: impl FnOnce(&Signature) -> Option<Init>,
        then: impl FnOnce(&Signature, *mut c_void) -> c_int,
    ) -> c_int {
        self.read_scheme();
        let functions = self.held.functions;
        let (Some(new), Some(init), Some(key), Some(scheme)) =
            (functions.newctx, init(functions), &self.held.key, &self.scheme)
        else {
            return 0;
        };
        // SAFETY: the argument is the software provider's context; a property query is optional.
        let object = unsafe { new(self.held.software.context(), ptr::null()) };
        // SAFETY: the new operation is ours, and `freectx` belongs to it.
        let Some(object) = (unsafe { Object::own(object, functions.freectx) }) else { return 0 };
        // SAFETY: operation and key are the software provider's; the list ends with END.
        if scheme.with_params(|params| unsafe { init(object.as_ptr(), key.software_key(), params) }) != 1 {
            return 0;
        }
        self.held.pass_through(|| then(functions, object.as_ptr()))
    }
}

type Init = unsafe extern "C" fn(*mut c_void, *mut c_void, *const OSSL_PARAM) -> c_int;
