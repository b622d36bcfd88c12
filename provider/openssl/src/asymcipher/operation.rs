//! A cipher operation, and the functions of the cipher.

use std::ffi::{c_int, c_uchar, c_void};
use std::ptr;
use std::sync::Arc;

use hotspare_device::key::RSA_MAX_BYTES;
use openssl_sys::OSSL_PARAM;

use crate::asymcipher::rsa::{Outcome, Padding};
use crate::context::Context;
use crate::entry::entry;
use crate::ffi::functions::AsymCipher;
use crate::keymgmt::ProviderKey;
use crate::keymgmt::rsa::Rsa;
use crate::software::{Object, Software};

/// The functions.
pub(super) const FUNCTIONS: AsymCipher = AsymCipher {
    newctx: Some(newctx),
    encrypt_init: Some(encrypt_init),
    encrypt: Some(encrypt),
    decrypt_init: Some(decrypt_init),
    decrypt: Some(decrypt),
    freectx: Some(freectx),
    dupctx: Some(dupctx),
    get_ctx_params: Some(get_ctx_params),
    gettable_ctx_params: Some(gettable_ctx_params),
    set_ctx_params: Some(set_ctx_params),
    settable_ctx_params: Some(settable_ctx_params),
};

/// An operation. One thread uses it at a time, as OpenSSL's contexts are used.
struct Operation {
    /// The software provider's operation, with all settings.
    object: Object,
    key: Option<Arc<ProviderKey>>,
    /// The padding, once read; `Some(None)` if it is not for us.
    padding: Option<Option<Padding>>,
    context: Arc<Context>,
}

impl Operation {
    /// # Safety
    /// `pointer` is null or an operation of ours, and nobody else uses it during this call.
    unsafe fn borrow<'a>(pointer: *mut c_void) -> Option<&'a mut Self> {
        // SAFETY: as the caller says.
        unsafe { pointer.cast::<Self>().as_mut() }
    }

    fn functions(&self) -> Option<(&Software, &AsymCipher)> {
        self.context.software().map(|software| (software, &software.rsa_cipher))
    }

    fn begin(
        &mut self,
        key: *mut c_void,
        init: impl FnOnce(&AsymCipher, *mut c_void, *mut c_void) -> c_int,
    ) -> c_int {
        self.padding = None;
        // SAFETY: OpenSSL passes a key of ours.
        let Some(key) = (unsafe { ProviderKey::share::<Rsa>(key) }) else { return 0 };
        let Some((_, functions)) = self.functions() else { return 0 };
        let done = init(functions, self.object.as_ptr(), key.software_key());
        self.key = Some(key);
        done
    }

    fn decrypt_offloaded(&mut self, input: &[u8], output: &mut [u8]) -> Outcome {
        let Some(key) = self.key.as_ref().and_then(|key| key.offload_key::<Rsa>()) else {
            return Outcome::Software;
        };
        if self.padding.is_none() {
            let read = |software: &Software| Padding::read(software, self.object.as_ptr());
            self.padding = Some(self.context.software().and_then(read));
        }
        match &self.padding {
            Some(Some(padding)) => padding.decrypt(&self.context, &key, input, output),
            _ => Outcome::Software,
        }
    }
}

entry! {
    fn newctx(provider: *mut c_void) -> *mut c_void = ptr::null_mut(); {
        // SAFETY: OpenSSL passes the provider context that we gave it.
        let context = unsafe { Context::share(provider) };
        let Some(software) = context.software() else { return ptr::null_mut() };
        let functions = &software.rsa_cipher;
        let Some(new) = functions.newctx else { return ptr::null_mut() };
        // SAFETY: the argument is the software provider's context.
        let object = unsafe { new(software.context()) };
        // SAFETY: the new operation is ours, and `freectx` belongs to it.
        let Some(object) = (unsafe { Object::own(object, functions.freectx) }) else { return ptr::null_mut() };
        Box::into_raw(Box::new(Operation { object, key: None, padding: None, context })).cast()
    }

    fn freectx(operation: *mut c_void) {
        if !operation.is_null() {
            // SAFETY: made from a box, and given up by OpenSSL.
            drop(unsafe { Box::from_raw(operation.cast::<Operation>()) });
        }
    }

    fn dupctx(operation: *mut c_void) -> *mut c_void = ptr::null_mut(); {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return ptr::null_mut() };
        let Some((_, functions)) = operation.functions() else { return ptr::null_mut() };
        let Some(dup) = functions.dupctx else { return ptr::null_mut() };
        // SAFETY: the operation is the software provider's.
        let object = unsafe { dup(operation.object.as_ptr()) };
        // SAFETY: the copy is ours, and `freectx` belongs to it.
        let Some(object) = (unsafe { Object::own(object, functions.freectx) }) else { return ptr::null_mut() };
        let (key, context) = (operation.key.clone(), operation.context.clone());
        Box::into_raw(Box::new(Operation { object, key, padding: None, context })).cast()
    }

    fn encrypt_init(operation: *mut c_void, key: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return 0 };
        operation.begin(key, |functions, object, key| {
            // SAFETY: both are the software provider's, the list OpenSSL's.
            functions.encrypt_init.map_or(0, |init| unsafe { init(object, key, params) })
        })
    }

    fn encrypt(
        operation: *mut c_void,
        output: *mut c_uchar,
        length: *mut usize,
        capacity: usize,
        input: *const c_uchar,
        input_length: usize,
    ) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return 0 };
        let Some(encrypt) = operation.functions().and_then(|(_, functions)| functions.encrypt) else { return 0 };
        if !output.is_null() {
            operation.context.offload().count_passed_through();
        }
        // SAFETY: the operation is the software provider's, the rest the caller's.
        unsafe { encrypt(operation.object.as_ptr(), output, length, capacity, input, input_length) }
    }

    fn decrypt_init(operation: *mut c_void, key: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return 0 };
        operation.begin(key, |functions, object, key| {
            // SAFETY: both are the software provider's, the list OpenSSL's.
            functions.decrypt_init.map_or(0, |init| unsafe { init(object, key, params) })
        })
    }

    fn decrypt(
        operation: *mut c_void,
        output: *mut c_uchar,
        length: *mut usize,
        capacity: usize,
        input: *const c_uchar,
        input_length: usize,
    ) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return 0 };
        if !output.is_null() && !input.is_null() && input_length <= RSA_MAX_BYTES {
            // SAFETY: the caller's input. It is copied, for a caller may decrypt in place.
            let sealed = unsafe { std::slice::from_raw_parts(input, input_length) }.to_vec();
            let room = capacity.min(RSA_MAX_BYTES);
            // SAFETY: the caller's output.
            let place = unsafe { std::slice::from_raw_parts_mut(output, room) };
            match operation.decrypt_offloaded(&sealed, place) {
                Outcome::Done(message) => {
                    // SAFETY: the caller's place for the length.
                    unsafe { *length = message };
                    return 1;
                }
                Outcome::Failed => return 0,
                Outcome::Software => operation.context.offload().count_passed_through(),
            }
        }
        let Some(decrypt) = operation.functions().and_then(|(_, functions)| functions.decrypt) else { return 0 };
        // SAFETY: the operation is the software provider's, the rest the caller's.
        unsafe { decrypt(operation.object.as_ptr(), output, length, capacity, input, input_length) }
    }

    fn get_ctx_params(operation: *mut c_void, params: *mut OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return 0 };
        let Some(get) = operation.functions().and_then(|(_, functions)| functions.get_ctx_params) else { return 0 };
        // SAFETY: the operation is the software provider's, the list OpenSSL's.
        unsafe { get(operation.object.as_ptr(), params) }
    }

    fn set_ctx_params(operation: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return 0 };
        operation.padding = None;
        let Some(set) = operation.functions().and_then(|(_, functions)| functions.set_ctx_params) else { return 0 };
        // SAFETY: the operation is the software provider's, the list OpenSSL's.
        unsafe { set(operation.object.as_ptr(), params) }
    }

    fn gettable_ctx_params(operation: *mut c_void, provider: *mut c_void) -> *const OSSL_PARAM = ptr::null(); {
        described(operation, provider, |functions| functions.gettable_ctx_params)
    }

    fn settable_ctx_params(operation: *mut c_void, provider: *mut c_void) -> *const OSSL_PARAM = ptr::null(); {
        described(operation, provider, |functions| functions.settable_ctx_params)
    }
}

type Described = unsafe extern "C" fn(*mut c_void, *mut c_void) -> *const OSSL_PARAM;

fn described(
    operation: *mut c_void,
    provider: *mut c_void,
    which: impl FnOnce(&AsymCipher) -> Option<Described>,
) -> *const OSSL_PARAM {
    // SAFETY: only called from the entries: OpenSSL passes the provider context that we gave it.
    let context = unsafe { Context::share(provider) };
    let Some(software) = context.software() else { return ptr::null() };
    // SAFETY: null or ours.
    let object = unsafe { Operation::borrow(operation) }.map_or(ptr::null_mut(), |one| one.object.as_ptr());
    // SAFETY: both are the software provider's; it allows no operation here.
    which(&software.rsa_cipher).map_or(ptr::null(), |list| unsafe { list(object, software.context()) })
}
