//! A cipher operation, and the functions of the cipher.

use std::ffi::{c_int, c_uchar, c_void};
use std::ptr;

use hotspare_device::Key;
use openssl_sys::OSSL_PARAM;

use crate::asymcipher::rsa::Padding;
use crate::entry::entry;
use crate::ffi::functions::AsymCipher;
use crate::keymgmt::rsa as keys;
use crate::operation::{self, Held, Outcome, Output, with_copy};
use crate::software::Software;

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
    held: Held<AsymCipher>,
    /// The padding, once read; `Some(None)` if it is not for us.
    padding: Option<Option<Padding>>,
}

impl Operation {
    /// # Safety
    /// `pointer` is null or an operation of ours, and nobody else uses it during this call.
    unsafe fn borrow<'a>(pointer: *mut c_void) -> Option<&'a mut Self> {
        // SAFETY: as the caller says.
        unsafe { pointer.cast::<Self>().as_mut() }
    }

    fn begin(
        &mut self,
        key: *mut c_void,
        init: impl FnOnce(&AsymCipher, *mut c_void, *mut c_void) -> c_int,
    ) -> c_int {
        self.padding = None;
        // SAFETY: only called from the entries, with null or a key of ours.
        self.held.begin(key, |key| unsafe { keys::share(key) }, init)
    }

    fn decrypt(&mut self, output: Output, input: *const c_uchar, input_length: usize) -> c_int {
        let Some(decrypt) = self.held.functions.decrypt else { return 0 };
        let Output { place, length, capacity } = output;
        let in_software = |this: &Self| {
            // SAFETY: the operation is the software provider's, the rest the caller's.
            unsafe { decrypt(this.held.as_ptr(), place, length, capacity, input, input_length) }
        };
        if place.is_null() {
            return in_software(self);
        }
        let key = self.held.key.as_ref().and_then(|key| key.offload_key());
        let key = match self.held.key_for_device(key, keys::private_kind, || in_software(self)) {
            Ok(key) => key,
            Err(done) => return done,
        };
        // SAFETY: the caller's input and output.
        let outcome = unsafe {
            with_copy(input, input_length, |sealed| self.decrypt_offloaded(key, sealed, output.as_slice()))
        };
        match outcome {
            Some(Outcome::Done(length)) => output.done(length),
            Some(Outcome::Failed) => 0,
            Some(Outcome::Software) | None => self.held.pass_through(|| in_software(self)),
        }
    }

    fn decrypt_offloaded(&mut self, key: Key, input: &[u8], output: &mut [u8]) -> Outcome {
        let (software, object) = (self.held.software, self.held.as_ptr());
        let padding = self.padding.get_or_insert_with(|| Padding::read(software, object));
        let key: &Key = self.held.lent.insert(key);
        match padding {
            Some(padding) => padding.decrypt(&self.held.context, key, input, output),
            None => Outcome::Software,
        }
    }
}

entry! {
    fn newctx(provider: *mut c_void) -> *mut c_void = ptr::null_mut(); {
        // SAFETY: the argument is the software provider's context.
        let new = |functions: &AsymCipher, software: &Software| functions.newctx.map_or(ptr::null_mut(), |new| unsafe {
            new(software.context())
        });
        // SAFETY: OpenSSL passes the provider context that we gave it; `new` makes an operation.
        let held = unsafe { Held::new(provider, cipher, new) };
        held.map_or(ptr::null_mut(), |held| Box::into_raw(Box::new(Operation { held, padding: None })).cast())
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
        let held = operation.held.duplicate();
        held.map_or(ptr::null_mut(), |held| Box::into_raw(Box::new(Operation { held, padding: None })).cast())
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
        let Some(encrypt) = operation.held.functions.encrypt else { return 0 };
        if !output.is_null() {
            operation.held.context.offload().count_passed_through();
        }
        // SAFETY: the operation is the software provider's, the rest the caller's.
        unsafe { encrypt(operation.held.as_ptr(), output, length, capacity, input, input_length) }
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
        operation.decrypt(Output { place: output, length, capacity }, input, input_length)
    }

    fn get_ctx_params(operation: *mut c_void, params: *mut OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        unsafe { Operation::borrow(operation) }.map_or(0, |operation| operation.held.get_params(params))
    }

    fn set_ctx_params(operation: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return 0 };
        operation.padding = None;
        operation.held.set_params(params)
    }

    fn gettable_ctx_params(operation: *mut c_void, provider: *mut c_void) -> *const OSSL_PARAM = ptr::null(); {
        // SAFETY: ours.
        let held = unsafe { Operation::borrow(operation) }.map(|operation| &operation.held);
        // SAFETY: the provider context is OpenSSL's argument.
        unsafe { operation::list(held, provider, cipher, |functions| functions.gettable_ctx_params) }
    }

    fn settable_ctx_params(operation: *mut c_void, provider: *mut c_void) -> *const OSSL_PARAM = ptr::null(); {
        // SAFETY: ours.
        let held = unsafe { Operation::borrow(operation) }.map(|operation| &operation.held);
        // SAFETY: the provider context is OpenSSL's argument.
        unsafe { operation::list(held, provider, cipher, |functions| functions.settable_ctx_params) }
    }
}

fn cipher(software: &Software) -> &AsymCipher {
    &software.rsa_cipher
}
