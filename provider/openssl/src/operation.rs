//! What operations of all sorts have in common: the software provider's operation is kept beside ours, with all its settings.

use std::ffi::{c_int, c_uchar, c_void};
use std::ptr;
use std::sync::Arc;

use hotspare_device::key::RSA_MAX_BYTES;
use hotspare_device::{Key, Kind};
use openssl_sys::OSSL_PARAM;

use crate::context::Context;
use crate::ffi::functions::{AsymCipher, Signature};
use crate::keymgmt::ProviderKey;
use crate::software::{Object, Software};

/// Longest name of a digest in a parameter (`OSSL_MAX_NAME_SIZE`).
pub(crate) const DIGEST_NAME_BYTES: usize = 50;

/// What came of giving an operation to the offload.
pub(crate) enum Outcome {
    /// A result of this length.
    Done(usize),
    /// Not for the offload: the software provider computes, or says what is wrong.
    Software,
    /// The error is on the queue.
    Failed,
}

/// The functions that operations of all sorts have.
pub(crate) struct Common {
    free: Option<unsafe extern "C" fn(*mut c_void)>,
    duplicate: Option<unsafe extern "C" fn(*mut c_void) -> *mut c_void>,
    get_params: Option<unsafe extern "C" fn(*mut c_void, *mut OSSL_PARAM) -> c_int>,
    set_params: Option<unsafe extern "C" fn(*mut c_void, *const OSSL_PARAM) -> c_int>,
}

/// The software provider's functions of one sort of operations.
pub(crate) trait Functions: 'static {
    /// Those of every sort.
    fn common(&self) -> Common;
}

macro_rules! common {
    ($($sort:ident),*) => {$(
        impl Functions for $sort {
            fn common(&self) -> Common {
                Common {
                    free: self.freectx,
                    duplicate: self.dupctx,
                    get_params: self.get_ctx_params,
                    set_params: self.set_ctx_params,
                }
            }
        }
    )*};
}
common!(Signature, AsymCipher);

/// The software provider's operation, and what it was begun with. One thread uses it at a time, as OpenSSL's contexts are
/// used.
pub(crate) struct Held<F: 'static> {
    // The parts are dropped in this order.
    object: Object,
    /// What it was begun with last.
    pub(crate) key: Option<Arc<ProviderKey>>,
    /// The offload's key that it computed with last. It lies here and not on the stack, which may be that of a job that nobody
    /// resumes (`crate::job`).
    pub(crate) lent: Option<Key>,
    /// Its functions.
    pub(crate) functions: &'static F,
    /// Whose they are.
    pub(crate) software: &'static Software,
    /// What it belongs to.
    pub(crate) context: Arc<Context>,
}

impl<F: Functions> Held<F> {
    /// An operation that `new` makes.
    ///
    /// # Safety
    /// `provider` is the context that OpenSSL passes; `new` makes an operation of the software provider for us.
    pub(crate) unsafe fn new(
        provider: *mut c_void,
        functions: impl FnOnce(&Software) -> &F,
        new: impl FnOnce(&F, &Software) -> *mut c_void,
    ) -> Option<Self> {
        // SAFETY: OpenSSL passes the provider context that we gave it.
        let context = unsafe { Context::share(provider) };
        let software = context.software()?;
        let functions = functions(software);
        // SAFETY: the new operation is ours, and `free` belongs to it.
        let object = unsafe { Object::own(new(functions, software), functions.common().free) }?;
        Some(Self { object, key: None, lent: None, functions, software, context })
    }

    /// A copy with the same state.
    pub(crate) fn duplicate(&self) -> Option<Self> {
        let common = self.functions.common();
        // SAFETY: the operation is the software provider's.
        let copy = unsafe { common.duplicate?(self.as_ptr()) };
        // SAFETY: the copy is ours, and `free` belongs to it.
        let object = unsafe { Object::own(copy, common.free) }?;
        let Self { functions, software, .. } = *self;
        let (key, context) = (self.key.clone(), self.context.clone());
        Some(Self { object, key, lent: None, functions, software, context })
    }

    /// For the software provider's functions.
    pub(crate) fn as_ptr(&self) -> *mut c_void {
        self.object.as_ptr()
    }

    /// Begins anew with `key` (null: the one from before), which `share` finds, by the software provider's `init`.
    pub(crate) fn begin(
        &mut self,
        key: *mut c_void,
        share: impl FnOnce(*const c_void) -> Option<Arc<ProviderKey>>,
        init: impl FnOnce(&F, *mut c_void, *mut c_void) -> c_int,
    ) -> c_int {
        let new = share(key);
        if new.is_none() && !key.is_null() {
            return 0;
        }
        let software_key = new.as_ref().map_or(ptr::null_mut(), |key| key.software_key());
        let done = init(self.functions, self.as_ptr(), software_key);
        if new.is_some() {
            self.key = new;
        }
        done
    }

    /// The key, if a device may compute with it. If not (there is none that is offloaded, or no device is in use), what came of
    /// `in_software`, counted; `kind` is what it is as a request.
    pub(crate) fn key_for_device(
        &self,
        key: Option<Key>,
        kind: impl FnOnce(&Key) -> Kind,
        in_software: impl FnOnce() -> c_int,
    ) -> Result<Key, c_int> {
        let Some(key) = key else { return Err(self.pass_through(in_software)) };
        let Some(request) = self.context.offload().begin_software(kind(&key)) else { return Ok(key) };
        let done = in_software();
        request.end(done == 1);
        Err(done)
    }

    /// What comes of `in_software`, which is no request.
    pub(crate) fn pass_through(&self, in_software: impl FnOnce() -> c_int) -> c_int {
        self.context.offload().count_passed_through();
        in_software()
    }

    /// Asks the software provider's operation.
    pub(crate) fn get_params(&self, params: *mut OSSL_PARAM) -> c_int {
        // SAFETY: the operation is the software provider's, the list ends with END.
        self.functions.common().get_params.map_or(0, |get| unsafe { get(self.as_ptr(), params) })
    }

    /// Tells the software provider's operation.
    pub(crate) fn set_params(&self, params: *const OSSL_PARAM) -> c_int {
        // SAFETY: the operation is the software provider's, the list ends with END.
        self.functions.common().set_params.map_or(0, |set| unsafe { set(self.as_ptr(), params) })
    }
}

/// A function that lists parameters of an operation, which may be null.
type Lists = unsafe extern "C" fn(*mut c_void, *mut c_void) -> *const OSSL_PARAM;

/// The list that the software provider gives for `operation` (null: for none in particular).
///
/// # Safety
/// `provider` is the context that OpenSSL passes.
pub(crate) unsafe fn list<F: Functions>(
    operation: Option<&Held<F>>,
    provider: *mut c_void,
    functions: impl FnOnce(&Software) -> &F,
    which: impl FnOnce(&F) -> Option<Lists>,
) -> *const OSSL_PARAM {
    // SAFETY: OpenSSL passes the provider context that we gave it.
    let context = unsafe { Context::share(provider) };
    let Some(software) = context.software() else { return ptr::null() };
    let object = operation.map_or(ptr::null_mut(), Held::as_ptr);
    // SAFETY: both are the software provider's; it allows no operation here.
    which(functions(software)).map_or(ptr::null(), |list| unsafe { list(object, software.context()) })
}

/// Where a result goes.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    /// Its place; null if only the length is wanted.
    pub(crate) place: *mut c_uchar,
    /// The place of its length.
    pub(crate) length: *mut usize,
    /// How much room there is.
    pub(crate) capacity: usize,
}

impl Output {
    /// # Safety
    /// The place is the caller's, not null, and nobody else uses it during the call.
    pub(crate) unsafe fn as_slice<'a>(self) -> &'a mut [u8] {
        // Callers of old leave the capacity unset: no more of it is believed than any result of ours can need.
        let capacity = self.capacity.min(RSA_MAX_BYTES);
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.place, capacity) }
    }

    /// It has been filled up to this length.
    pub(crate) fn done(self, length: usize) -> c_int {
        // SAFETY: the caller's place for the length.
        unsafe { *self.length = length };
        1
    }
}

/// # Safety
/// `data` is null (then it is empty) or that long, as long as the result is used.
pub(crate) unsafe fn input<'a>(data: *const c_uchar, length: usize) -> &'a [u8] {
    if data.is_null() {
        return &[];
    }
    // SAFETY: as the caller says.
    unsafe { std::slice::from_raw_parts(data, length) }
}

/// Gives `then` a copy of the caller's input, for a caller may let the output overwrite it. `None` if it is longer than any
/// request takes.
///
/// # Safety
/// As [`input`].
pub(crate) unsafe fn with_copy<T>(
    data: *const c_uchar,
    length: usize,
    then: impl FnOnce(&[u8]) -> T,
) -> Option<T> {
    let mut copy = [0; RSA_MAX_BYTES];
    let copy = copy.get_mut(..length)?;
    // SAFETY: the caller's input.
    copy.copy_from_slice(unsafe { input(data, length) });
    Some(then(copy))
}
