//! The functions of a signature algorithm, the same for every scheme.

use std::ffi::{c_char, c_int, c_uchar, c_void};
use std::ptr;

use hotspare_device::key::RSA_MAX_BYTES;
use openssl_sys::OSSL_PARAM;

use crate::context::Context;
use crate::entry::entry;
use crate::ffi::functions::Signature;
use crate::ffi::libcrypto;
use crate::signature::operation::{Operation, Output, input};
use crate::signature::{Outcome, Scheme};
use crate::software::Object;

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
        if data_length <= RSA_MAX_BYTES {
            // SAFETY: the caller's input. It is copied, for a caller may sign in place.
            let data = unsafe { input(data, data_length) }.to_vec();
            // SAFETY: the caller's output.
            match operation.sign_offloaded(&data, unsafe { output.as_slice() }) {
                Outcome::Done(signed) => return output.done(signed),
                Outcome::Failed => return 0,
                Outcome::Software => {}
            }
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
