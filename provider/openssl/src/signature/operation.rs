//! A signature operation, and the functions of a signature algorithm, the same for every scheme.

use std::ffi::{c_char, c_int, c_uchar, c_void};
use std::ptr;
use std::sync::Arc;

use openssl_sys::OSSL_PARAM;

use crate::context::Context;
use crate::core::params::{END, utf8};
use crate::digest::Hash;
use crate::entry::entry;
use crate::ffi::functions::Signature;
use crate::ffi::libcrypto;
use crate::ffi::names;
use crate::keymgmt::ProviderKey;
use crate::signature::{Outcome, Scheme};
use crate::software::{Object, Software};

/// The functions that every scheme has.
pub(crate) const fn common<S: Scheme>() -> Signature {
    Signature {
        newctx: Some(newctx::<S>),
        sign_init: Some(sign_init::<S>),
        sign: Some(sign::<S>),
        verify_init: Some(verify_init::<S>),
        verify: Some(verify::<S>),
        digest_sign_init: Some(digest_sign_init::<S>),
        digest_sign_update: Some(digest_sign_update::<S>),
        digest_sign_final: Some(digest_sign_final::<S>),
        digest_sign: Some(digest_sign::<S>),
        digest_verify_init: Some(digest_verify_init::<S>),
        digest_verify_update: Some(digest_verify_update::<S>),
        digest_verify_final: Some(digest_verify_final::<S>),
        freectx: Some(freectx::<S>),
        dupctx: Some(dupctx::<S>),
        get_ctx_params: Some(get_ctx_params::<S>),
        gettable_ctx_params: Some(gettable_ctx_params::<S>),
        set_ctx_params: Some(set_ctx_params::<S>),
        settable_ctx_params: Some(settable_ctx_params::<S>),
        get_ctx_md_params: Some(get_ctx_md_params::<S>),
        gettable_ctx_md_params: Some(gettable_ctx_md_params::<S>),
        set_ctx_md_params: Some(set_ctx_md_params::<S>),
        settable_ctx_md_params: Some(settable_ctx_md_params::<S>),
        ..Signature::NONE
    }
}

/// An operation. One thread uses it at a time, as OpenSSL's contexts are used.
struct Operation<S> {
    /// The software provider's operation, with all settings.
    object: Object,
    key: Option<Arc<ProviderKey>>,
    /// The settings, once read.
    scheme: Option<S>,
    /// The message's digest so far, if we are the ones who digest. Then the software provider's operation does not.
    hash: Option<Hash>,
    context: Arc<Context>,
}

impl<S: Scheme> Operation<S> {
    /// # Safety
    /// `pointer` is null or an operation of ours, and nobody else uses it during this call.
    unsafe fn borrow<'a>(pointer: *mut c_void) -> Option<&'a mut Self> {
        // SAFETY: as the caller says.
        unsafe { pointer.cast::<Self>().as_mut() }
    }

    fn functions(&self) -> Option<(&Software, &Signature)> {
        self.context.software().map(|software| (software, S::functions(software)))
    }

    /// Begins anew with `key` (null: the one from before), by the software provider's `init`.
    fn begin(
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
    fn begin_digest(&mut self, params: *const OSSL_PARAM) {
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
    fn sign_offloaded(&mut self, digest: &[u8], output: &mut [u8]) -> Outcome {
        let Some(key) = self.key.as_ref().and_then(|key| key.offload_key::<S::Kind>()) else {
            return Outcome::Software;
        };
        if self.scheme.is_none() {
            self.scheme =
                self.context.software().and_then(|software| S::read(software, self.object.as_ptr()));
        }
        match &self.scheme {
            Some(scheme) => scheme.sign(&self.context, &key, digest, output),
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
    fn size(&self, length: *mut usize) -> c_int {
        let Some(sign) = self.functions().and_then(|(_, functions)| functions.sign) else { return 0 };
        // SAFETY: without an output only the length is answered.
        unsafe { sign(self.object.as_ptr(), ptr::null_mut(), length, 0, ptr::null(), 0) }
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
struct Output {
    signature: *mut c_uchar,
    length: *mut usize,
    capacity: usize,
}

impl Output {
    /// # Safety
    /// The signature's place is the caller's, not null, and nobody else uses it during the call.
    unsafe fn as_slice<'a>(self) -> &'a mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.signature, self.capacity) }
    }

    fn done(self, length: usize) -> c_int {
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

entry! {
    fn newctx<S: Scheme>(provider: *mut c_void, _properties: *const c_char) -> *mut c_void = ptr::null_mut(); {
        // SAFETY: OpenSSL passes the provider context that we gave it.
        let context = unsafe { Context::share(provider) };
        let Some(software) = context.software() else { return ptr::null_mut() };
        let functions = S::functions(software);
        let Some(new) = functions.newctx else { return ptr::null_mut() };
        // The caller's property query chose us; in our library context there is nothing to choose from.
        // SAFETY: the argument is the software provider's context.
        let object = unsafe { new(software.context(), ptr::null()) };
        // SAFETY: the new operation is ours, and `freectx` belongs to it.
        let Some(object) = (unsafe { Object::own(object, functions.freectx) }) else { return ptr::null_mut() };
        let operation = Operation::<S> { object, key: None, scheme: None, hash: None, context };
        Box::into_raw(Box::new(operation)).cast()
    }

    fn freectx<S: Scheme>(operation: *mut c_void) {
        if !operation.is_null() {
            // SAFETY: made from a box, and given up by OpenSSL.
            drop(unsafe { Box::from_raw(operation.cast::<Operation<S>>()) });
        }
    }

    fn dupctx<S: Scheme>(operation: *mut c_void) -> *mut c_void = ptr::null_mut(); {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return ptr::null_mut() };
        let Some((_, functions)) = operation.functions() else { return ptr::null_mut() };
        let Some(dup) = functions.dupctx else { return ptr::null_mut() };
        // SAFETY: the operation is the software provider's.
        let object = unsafe { dup(operation.object.as_ptr()) };
        // SAFETY: the copy is ours, and `freectx` belongs to it.
        let Some(object) = (unsafe { Object::own(object, functions.freectx) }) else { return ptr::null_mut() };
        let hash = match &operation.hash {
            None => None,
            Some(hash) => match hash.duplicate() {
                None => return ptr::null_mut(),
                copy => copy,
            },
        };
        let (key, context) = (operation.key.clone(), operation.context.clone());
        Box::into_raw(Box::new(Operation::<S> { object, key, scheme: None, hash, context })).cast()
    }

    fn sign_init<S: Scheme>(operation: *mut c_void, key: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        operation.begin(key, |functions, object, key| {
            // SAFETY: both are the software provider's, the list OpenSSL's.
            functions.sign_init.map_or(0, |init| unsafe { init(object, key, params) })
        })
    }

    fn sign<S: Scheme>(
        operation: *mut c_void,
        signature: *mut c_uchar,
        length: *mut usize,
        capacity: usize,
        data: *const c_uchar,
        data_length: usize,
    ) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        if signature.is_null() {
            return operation.size(length);
        }
        let output = Output { signature, length, capacity };
        // SAFETY: the caller's input and output.
        match operation.sign_offloaded(unsafe { input(data, data_length) }, unsafe { output.as_slice() }) {
            Outcome::Done(signed) => return output.done(signed),
            Outcome::Failed => return 0,
            Outcome::Software => {}
        }
        let Some(sign) = operation.functions().and_then(|(_, functions)| functions.sign) else { return 0 };
        operation.context.offload().count_passed_through();
        // SAFETY: the operation is the software provider's, the rest the caller's.
        unsafe { sign(operation.object.as_ptr(), signature, length, capacity, data, data_length) }
    }

    fn verify_init<S: Scheme>(operation: *mut c_void, key: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        operation.begin(key, |functions, object, key| {
            // SAFETY: both are the software provider's, the list OpenSSL's.
            functions.verify_init.map_or(0, |init| unsafe { init(object, key, params) })
        })
    }

    fn verify<S: Scheme>(
        operation: *mut c_void,
        signature: *const c_uchar,
        length: usize,
        data: *const c_uchar,
        data_length: usize,
    ) -> c_int = 0; {
        in_software::<S>(operation, |functions, object| {
            // SAFETY: the operation is the software provider's, the rest the caller's.
            functions.verify.map_or(0, |verify| unsafe { verify(object, signature, length, data, data_length) })
        })
    }

    pub(super) fn verify_recover_init<S: Scheme>(
        operation: *mut c_void,
        key: *mut c_void,
        params: *const OSSL_PARAM,
    ) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        operation.begin(key, |functions, object, key| {
            // SAFETY: both are the software provider's, the list OpenSSL's.
            functions.verify_recover_init.map_or(0, |init| unsafe { init(object, key, params) })
        })
    }

    pub(super) fn verify_recover<S: Scheme>(
        operation: *mut c_void,
        output: *mut c_uchar,
        length: *mut usize,
        capacity: usize,
        signature: *const c_uchar,
        signature_length: usize,
    ) -> c_int = 0; {
        in_software::<S>(operation, |functions, object| {
            let Some(recover) = functions.verify_recover else { return 0 };
            // SAFETY: the operation is the software provider's, the rest the caller's.
            unsafe { recover(object, output, length, capacity, signature, signature_length) }
        })
    }

    fn digest_sign_init<S: Scheme>(
        operation: *mut c_void,
        digest: *const c_char,
        key: *mut c_void,
        params: *const OSSL_PARAM,
    ) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        let done = operation.begin(key, |functions, object, key| {
            // SAFETY: both are the software provider's, the rest OpenSSL's.
            functions.digest_sign_init.map_or(0, |init| unsafe { init(object, digest, key, params) })
        });
        if done == 1 {
            operation.begin_digest(params);
        }
        done
    }

    fn digest_sign_update<S: Scheme>(operation: *mut c_void, data: *const c_uchar, length: usize) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        operation.update(data, length)
    }

    fn digest_sign_final<S: Scheme>(
        operation: *mut c_void,
        signature: *mut c_uchar,
        length: *mut usize,
        capacity: usize,
    ) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        operation.finish(Output { signature, length, capacity })
    }

    /// Without this OpenSSL duplicates the operation for each signature, so as to leave the caller's unfinished.
    fn digest_sign<S: Scheme>(
        operation: *mut c_void,
        signature: *mut c_uchar,
        length: *mut usize,
        capacity: usize,
        data: *const c_uchar,
        data_length: usize,
    ) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        if !signature.is_null() {
            let mut needed = 0;
            // A caller may come again with more room: the message must not have been taken then.
            let fits = operation.size(&mut needed) == 1 && capacity >= needed;
            if fits && operation.update(data, data_length) != 1 {
                return 0;
            }
        }
        operation.finish(Output { signature, length, capacity })
    }

    fn digest_verify_init<S: Scheme>(
        operation: *mut c_void,
        digest: *const c_char,
        key: *mut c_void,
        params: *const OSSL_PARAM,
    ) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        operation.begin(key, |functions, object, key| {
            // SAFETY: both are the software provider's, the rest OpenSSL's.
            functions.digest_verify_init.map_or(0, |init| unsafe { init(object, digest, key, params) })
        })
    }

    fn digest_verify_update<S: Scheme>(operation: *mut c_void, data: *const c_uchar, length: usize) -> c_int = 0; {
        with::<S>(operation, |functions, object| {
            // SAFETY: the operation is the software provider's, the data the caller's.
            functions.digest_verify_update.map_or(0, |update| unsafe { update(object, data, length) })
        })
    }

    fn digest_verify_final<S: Scheme>(operation: *mut c_void, signature: *const c_uchar, length: usize) -> c_int = 0; {
        in_software::<S>(operation, |functions, object| {
            // SAFETY: the operation is the software provider's, the signature the caller's.
            functions.digest_verify_final.map_or(0, |verify| unsafe { verify(object, signature, length) })
        })
    }

    fn get_ctx_params<S: Scheme>(operation: *mut c_void, params: *mut OSSL_PARAM) -> c_int = 0; {
        with::<S>(operation, |functions, object| {
            // SAFETY: the operation is the software provider's, the list OpenSSL's.
            functions.get_ctx_params.map_or(0, |get| unsafe { get(object, params) })
        })
    }

    fn set_ctx_params<S: Scheme>(operation: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        operation.scheme = None;
        let Some(set) = operation.functions().and_then(|(_, functions)| functions.set_ctx_params) else { return 0 };
        // SAFETY: the operation is the software provider's, the list OpenSSL's.
        unsafe { set(operation.object.as_ptr(), params) }
    }

    fn gettable_ctx_params<S: Scheme>(
        operation: *mut c_void,
        provider: *mut c_void,
    ) -> *const OSSL_PARAM = ptr::null(); {
        described::<S>(operation, provider, |functions| functions.gettable_ctx_params)
    }

    fn settable_ctx_params<S: Scheme>(
        operation: *mut c_void,
        provider: *mut c_void,
    ) -> *const OSSL_PARAM = ptr::null(); {
        described::<S>(operation, provider, |functions| functions.settable_ctx_params)
    }

    fn get_ctx_md_params<S: Scheme>(operation: *mut c_void, params: *mut OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        if let Some(hash) = &operation.hash {
            // SAFETY: the digest is being computed, the list OpenSSL's.
            return unsafe { libcrypto::EVP_MD_CTX_get_params(hash.as_ptr(), params) };
        }
        let Some(get) = operation.functions().and_then(|(_, functions)| functions.get_ctx_md_params) else { return 0 };
        // SAFETY: the operation is the software provider's, the list OpenSSL's.
        unsafe { get(operation.object.as_ptr(), params) }
    }

    fn set_ctx_md_params<S: Scheme>(operation: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        if let Some(hash) = &operation.hash {
            // SAFETY: the digest is being computed, the list OpenSSL's.
            return unsafe { libcrypto::EVP_MD_CTX_set_params(hash.as_ptr(), params) };
        }
        let Some(set) = operation.functions().and_then(|(_, functions)| functions.set_ctx_md_params) else { return 0 };
        // SAFETY: the operation is the software provider's, the list OpenSSL's.
        unsafe { set(operation.object.as_ptr(), params) }
    }

    fn gettable_ctx_md_params<S: Scheme>(operation: *mut c_void) -> *const OSSL_PARAM = ptr::null(); {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return ptr::null() };
        let list = operation.functions().and_then(|(_, functions)| functions.gettable_ctx_md_params);
        // SAFETY: the operation is the software provider's.
        list.map_or(ptr::null(), |list| unsafe { list(operation.object.as_ptr()) })
    }

    fn settable_ctx_md_params<S: Scheme>(operation: *mut c_void) -> *const OSSL_PARAM = ptr::null(); {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return ptr::null() };
        let list = operation.functions().and_then(|(_, functions)| functions.settable_ctx_md_params);
        // SAFETY: the operation is the software provider's.
        list.map_or(ptr::null(), |list| unsafe { list(operation.object.as_ptr()) })
    }
}

impl<S: Scheme> Operation<S> {
    fn update(&mut self, data: *const c_uchar, length: usize) -> c_int {
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

    fn finish(&mut self, output: Output) -> c_int {
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
}

/// Gives `body` the software provider's functions and operation.
fn with<S: Scheme>(operation: *mut c_void, body: impl FnOnce(&Signature, *mut c_void) -> c_int) -> c_int {
    // SAFETY: only called from the entries, with an operation of ours.
    let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
    let Some((_, functions)) = operation.functions() else { return 0 };
    body(functions, operation.object.as_ptr())
}

/// As [`with`], for what counts as an operation.
fn in_software<S: Scheme>(
    operation: *mut c_void,
    body: impl FnOnce(&Signature, *mut c_void) -> c_int,
) -> c_int {
    // SAFETY: as above.
    if let Some(operation) = unsafe { Operation::<S>::borrow(operation) } {
        operation.context.offload().count_passed_through();
    }
    with::<S>(operation, body)
}

type Described = unsafe extern "C" fn(*mut c_void, *mut c_void) -> *const OSSL_PARAM;

fn described<S: Scheme>(
    operation: *mut c_void,
    provider: *mut c_void,
    which: impl FnOnce(&Signature) -> Option<Described>,
) -> *const OSSL_PARAM {
    // SAFETY: only called from the entries: OpenSSL passes the provider context that we gave it.
    let context = unsafe { Context::share(provider) };
    let Some(software) = context.software() else { return ptr::null() };
    // SAFETY: null or ours.
    let object =
        unsafe { Operation::<S>::borrow(operation) }.map_or(ptr::null_mut(), |one| one.object.as_ptr());
    // SAFETY: both are the software provider's; it allows no operation here.
    which(S::functions(software)).map_or(ptr::null(), |list| unsafe { list(object, software.context()) })
}
