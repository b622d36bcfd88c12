//! The functions of a signature algorithm, the same for every scheme.

use std::ffi::{c_char, c_int, c_uchar, c_void};
use std::ptr;

use openssl_sys::OSSL_PARAM;

use crate::entry::entry;
use crate::ffi::functions::Signature;
use crate::ffi::libcrypto;
use crate::operation::{self, Held, Output, input};
use crate::signature::Scheme;
use crate::signature::operation::Operation;
use crate::software::Software;

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
        digest_verify: Some(digest_verify::<S>),
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
        // The caller's property query chose us; in our library context there is nothing to choose from.
        // SAFETY: the argument is the software provider's context.
        let new = |functions: &Signature, software: &Software| functions.newctx.map_or(ptr::null_mut(), |new| unsafe {
            new(software.context(), ptr::null())
        });
        // SAFETY: OpenSSL passes the provider context that we gave it; `new` makes an operation.
        let held = unsafe { Held::new(provider, S::functions, new) };
        held.map_or(ptr::null_mut(), |held| {
            Box::into_raw(Box::new(Operation::<S> { held, scheme: None, hash: None })).cast()
        })
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
        let Some(held) = operation.held.duplicate() else { return ptr::null_mut() };
        let hash = match &operation.hash {
            None => None,
            Some(hash) => match hash.duplicate() {
                None => return ptr::null_mut(),
                copy => copy,
            },
        };
        Box::into_raw(Box::new(Operation::<S> { held, scheme: None, hash })).cast()
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
        operation.sign(Output { place: signature, length, capacity }, data, data_length)
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
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        // SAFETY: the caller's signature and data.
        unsafe { operation.verify(input(signature, length), input(data, data_length)) }
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
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        let Some(recover) = operation.held.functions.verify_recover else { return 0 };
        let object = operation.held.as_ptr();
        operation.held.pass_through(|| {
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
            operation.begin_digest(Operation::signing_key, params);
        }
        done
    }

    fn digest_sign_update<S: Scheme>(operation: *mut c_void, data: *const c_uchar, length: usize) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        operation.update(data, length, operation.held.functions.digest_sign_update)
    }

    fn digest_sign_final<S: Scheme>(
        operation: *mut c_void,
        signature: *mut c_uchar,
        length: *mut usize,
        capacity: usize,
    ) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        operation.finish_signing(Output { place: signature, length, capacity })
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
            let size = Output { place: ptr::null_mut(), length: &mut needed, capacity: 0 };
            let fits = operation.finish_signing(size) == 1 && capacity >= needed;
            let update = operation.held.functions.digest_sign_update;
            if fits && operation.update(data, data_length, update) != 1 {
                return 0;
            }
        }
        operation.finish_signing(Output { place: signature, length, capacity })
    }

    fn digest_verify_init<S: Scheme>(
        operation: *mut c_void,
        digest: *const c_char,
        key: *mut c_void,
        params: *const OSSL_PARAM,
    ) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        let done = operation.begin(key, |functions, object, key| {
            // SAFETY: both are the software provider's, the rest OpenSSL's.
            functions.digest_verify_init.map_or(0, |init| unsafe { init(object, digest, key, params) })
        });
        if done == 1 {
            operation.begin_digest(Operation::verifying_key, params);
        }
        done
    }

    fn digest_verify_update<S: Scheme>(operation: *mut c_void, data: *const c_uchar, length: usize) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        operation.update(data, length, operation.held.functions.digest_verify_update)
    }

    fn digest_verify_final<S: Scheme>(operation: *mut c_void, signature: *const c_uchar, length: usize) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        // SAFETY: the caller's signature.
        operation.finish_verifying(unsafe { input(signature, length) })
    }

    /// As [`digest_sign`].
    fn digest_verify<S: Scheme>(
        operation: *mut c_void,
        signature: *const c_uchar,
        length: usize,
        data: *const c_uchar,
        data_length: usize,
    ) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        let update = operation.held.functions.digest_verify_update;
        if operation.update(data, data_length, update) != 1 {
            return 0;
        }
        // SAFETY: the caller's signature.
        operation.finish_verifying(unsafe { input(signature, length) })
    }

    fn get_ctx_params<S: Scheme>(operation: *mut c_void, params: *mut OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        unsafe { Operation::<S>::borrow(operation) }.map_or(0, |operation| operation.held.get_params(params))
    }

    fn set_ctx_params<S: Scheme>(operation: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        operation.scheme = None;
        operation.held.set_params(params)
    }

    fn gettable_ctx_params<S: Scheme>(
        operation: *mut c_void,
        provider: *mut c_void,
    ) -> *const OSSL_PARAM = ptr::null(); {
        // SAFETY: ours.
        let held = unsafe { Operation::<S>::borrow(operation) }.map(|operation| &operation.held);
        // SAFETY: the provider context is OpenSSL's argument.
        unsafe { operation::list(held, provider, S::functions, |functions| functions.gettable_ctx_params) }
    }

    fn settable_ctx_params<S: Scheme>(
        operation: *mut c_void,
        provider: *mut c_void,
    ) -> *const OSSL_PARAM = ptr::null(); {
        // SAFETY: ours.
        let held = unsafe { Operation::<S>::borrow(operation) }.map(|operation| &operation.held);
        // SAFETY: the provider context is OpenSSL's argument.
        unsafe { operation::list(held, provider, S::functions, |functions| functions.settable_ctx_params) }
    }

    fn get_ctx_md_params<S: Scheme>(operation: *mut c_void, params: *mut OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        if let Some(hash) = &operation.hash {
            // SAFETY: the digest is being computed, the list OpenSSL's.
            return unsafe { libcrypto::EVP_MD_CTX_get_params(hash.as_ptr(), params) };
        }
        let Some(get) = operation.held.functions.get_ctx_md_params else { return 0 };
        // SAFETY: the operation is the software provider's, the list OpenSSL's.
        unsafe { get(operation.held.as_ptr(), params) }
    }

    fn set_ctx_md_params<S: Scheme>(operation: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return 0 };
        if let Some(hash) = &operation.hash {
            // SAFETY: the digest is being computed, the list OpenSSL's.
            return unsafe { libcrypto::EVP_MD_CTX_set_params(hash.as_ptr(), params) };
        }
        let Some(set) = operation.held.functions.set_ctx_md_params else { return 0 };
        // SAFETY: the operation is the software provider's, the list OpenSSL's.
        unsafe { set(operation.held.as_ptr(), params) }
    }

    fn gettable_ctx_md_params<S: Scheme>(operation: *mut c_void) -> *const OSSL_PARAM = ptr::null(); {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return ptr::null() };
        let list = operation.held.functions.gettable_ctx_md_params;
        // SAFETY: the operation is the software provider's.
        list.map_or(ptr::null(), |list| unsafe { list(operation.held.as_ptr()) })
    }

    fn settable_ctx_md_params<S: Scheme>(operation: *mut c_void) -> *const OSSL_PARAM = ptr::null(); {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::<S>::borrow(operation) }) else { return ptr::null() };
        let list = operation.held.functions.settable_ctx_md_params;
        // SAFETY: the operation is the software provider's.
        list.map_or(ptr::null(), |list| unsafe { list(operation.held.as_ptr()) })
    }
}
