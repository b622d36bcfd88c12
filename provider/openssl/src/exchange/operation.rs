//! A key exchange operation, and the functions of a key exchange, the same for every scheme.

use std::ffi::{c_int, c_uchar, c_void};
use std::ptr;
use std::sync::Arc;

use hotspare_device::Kind as RequestKind;
use hotspare_offload::SoftwareRequest;
use openssl_sys::OSSL_PARAM;

use crate::context::Context;
use crate::entry::entry;
use crate::exchange::{Outcome, Scheme};
use crate::ffi::functions::Keyexch;
use crate::keymgmt::{Kind, ProviderKey};
use crate::software::{Object, Software};

/// The functions that every scheme has.
pub(crate) const fn common<S: Scheme>() -> Keyexch {
    Keyexch {
        newctx: Some(newctx::<S>),
        init: Some(init::<S>),
        derive: Some(derive::<S>),
        set_peer: Some(set_peer::<S>),
        freectx: Some(freectx),
        dupctx: Some(dupctx::<S>),
        ..Keyexch::NONE
    }
}

/// An operation. One thread uses it at a time, as OpenSSL's contexts are used.
struct Operation {
    /// The software provider's operation, with all settings.
    object: Object,
    key: Option<Arc<ProviderKey>>,
    peer: Option<Arc<ProviderKey>>,
    /// Whether the bare secret is asked for, once known.
    bare: Option<bool>,
    /// As which kind of request deriving counts, once known; none: it is none.
    kind: Option<Option<RequestKind>>,
    context: Arc<Context>,
}

impl Operation {
    /// # Safety
    /// `pointer` is null or an operation of ours, and nobody else uses it during this call.
    unsafe fn borrow<'a>(pointer: *mut c_void) -> Option<&'a mut Self> {
        // SAFETY: as the caller says.
        unsafe { pointer.cast::<Self>().as_mut() }
    }

    fn functions<S: Scheme>(&self) -> Option<(&Software, &Keyexch)> {
        self.context.software().map(|software| (software, S::functions(software)))
    }

    /// Takes note of a derivation that the software provider is about to do, since there is no device: it counts as a
    /// request like those that devices compute.
    fn begin_software<S: Scheme>(&mut self) -> Option<SoftwareRequest> {
        let kind = match self.kind {
            Some(kind) => kind,
            None => {
                let functions = S::Kind::functions(self.context.software()?);
                let kind = S::Kind::multiplication(functions, self.key.as_ref()?.software_key());
                *self.kind.insert(kind)
            }
        };
        self.context.offload().begin_software(kind?)
    }

    fn derive_offloaded<S: Scheme>(&mut self, capacity: usize) -> Outcome {
        let (Some(key), Some(peer)) = (&self.key, &self.peer) else { return Outcome::Software };
        // Whether a secret may be cut short differs between versions of OpenSSL: the software provider decides.
        if capacity < S::SECRET_BYTES {
            return Outcome::Software;
        }
        let Some(key) = key.offload_key() else { return Outcome::Software };
        let Some(software) = self.context.software() else { return Outcome::Failed };
        let object = self.object.as_ptr();
        if !*self.bare.get_or_insert_with(|| S::is_bare(software, object)) {
            return Outcome::Software;
        }
        S::derive(&self.context, &key, peer)
    }
}

entry! {
    fn newctx<S: Scheme>(provider: *mut c_void) -> *mut c_void = ptr::null_mut(); {
        // SAFETY: OpenSSL passes the provider context that we gave it.
        let context = unsafe { Context::share(provider) };
        let Some(software) = context.software() else { return ptr::null_mut() };
        let functions = S::functions(software);
        let Some(new) = functions.newctx else { return ptr::null_mut() };
        // SAFETY: the argument is the software provider's context.
        let object = unsafe { new(software.context()) };
        // SAFETY: the new operation is ours, and `freectx` belongs to it.
        let Some(object) = (unsafe { Object::own(object, functions.freectx) }) else { return ptr::null_mut() };
        Box::into_raw(Box::new(Operation { object, key: None, peer: None, bare: None, kind: None, context })).cast()
    }

    fn freectx(operation: *mut c_void) {
        if !operation.is_null() {
            // SAFETY: made from a box, and given up by OpenSSL.
            drop(unsafe { Box::from_raw(operation.cast::<Operation>()) });
        }
    }

    fn dupctx<S: Scheme>(operation: *mut c_void) -> *mut c_void = ptr::null_mut(); {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return ptr::null_mut() };
        let Some((_, functions)) = operation.functions::<S>() else { return ptr::null_mut() };
        let Some(dup) = functions.dupctx else { return ptr::null_mut() };
        // SAFETY: the operation is the software provider's.
        let object = unsafe { dup(operation.object.as_ptr()) };
        // SAFETY: the copy is ours, and `freectx` belongs to it.
        let Some(object) = (unsafe { Object::own(object, functions.freectx) }) else { return ptr::null_mut() };
        let (key, peer, context) = (operation.key.clone(), operation.peer.clone(), operation.context.clone());
        Box::into_raw(Box::new(Operation { object, key, peer, bare: None, kind: operation.kind, context })).cast()
    }

    fn init<S: Scheme>(operation: *mut c_void, key: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: both are ours.
        let (Some(operation), Some(key)) =
            (unsafe { Operation::borrow(operation) }, unsafe { ProviderKey::share::<S::Kind>(key) })
        else {
            return 0;
        };
        (operation.bare, operation.kind) = (None, None);
        let Some((_, functions)) = operation.functions::<S>() else { return 0 };
        let Some(init) = functions.init else { return 0 };
        // SAFETY: operation and key are the software provider's, the list OpenSSL's.
        let done = unsafe { init(operation.object.as_ptr(), key.software_key(), params) };
        operation.key = Some(key);
        done
    }

    fn set_peer<S: Scheme>(operation: *mut c_void, peer: *mut c_void) -> c_int = 0; {
        // SAFETY: both are ours.
        let (Some(operation), Some(peer)) =
            (unsafe { Operation::borrow(operation) }, unsafe { ProviderKey::share::<S::Kind>(peer) })
        else {
            return 0;
        };
        let Some((_, functions)) = operation.functions::<S>() else { return 0 };
        let Some(set_peer) = functions.set_peer else { return 0 };
        // SAFETY: operation and key are the software provider's.
        let done = unsafe { set_peer(operation.object.as_ptr(), peer.software_key()) };
        operation.peer = (done == 1).then_some(peer);
        done
    }

    fn derive<S: Scheme>(
        operation: *mut c_void,
        secret: *mut c_uchar,
        length: *mut usize,
        capacity: usize,
    ) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return 0 };
        let mut request = None;
        if !secret.is_null() {
            request = operation.begin_software::<S>();
        }
        if !secret.is_null() && request.is_none() {
            match operation.derive_offloaded::<S>(capacity) {
                Outcome::Done(derived) => {
                    // SAFETY: the caller's output has room for that, as `derive_offloaded` has checked.
                    unsafe { ptr::copy_nonoverlapping(derived.as_ptr(), secret, S::SECRET_BYTES) };
                    // SAFETY: the caller's place for the length.
                    unsafe { *length = S::SECRET_BYTES };
                    return 1;
                }
                Outcome::Failed => return 0,
                Outcome::Software => operation.context.offload().count_passed_through(),
            }
        }
        let Some(derive) = operation.functions::<S>().and_then(|(_, functions)| functions.derive) else { return 0 };
        // SAFETY: the operation is the software provider's, the rest the caller's.
        let done = unsafe { derive(operation.object.as_ptr(), secret, length, capacity) };
        if let Some(request) = request {
            request.end(done == 1);
        }
        done
    }

    pub(super) fn set_ctx_params<S: Scheme>(operation: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return 0 };
        operation.bare = None;
        let Some(set) = operation.functions::<S>().and_then(|(_, functions)| functions.set_ctx_params) else {
            return 0;
        };
        // SAFETY: the operation is the software provider's, the list OpenSSL's.
        unsafe { set(operation.object.as_ptr(), params) }
    }

    pub(super) fn get_ctx_params<S: Scheme>(operation: *mut c_void, params: *mut OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return 0 };
        let Some(get) = operation.functions::<S>().and_then(|(_, functions)| functions.get_ctx_params) else {
            return 0;
        };
        // SAFETY: the operation is the software provider's, the list OpenSSL's.
        unsafe { get(operation.object.as_ptr(), params) }
    }

    pub(super) fn settable_ctx_params<S: Scheme>(
        operation: *mut c_void,
        provider: *mut c_void,
    ) -> *const OSSL_PARAM = ptr::null(); {
        described::<S>(operation, provider, |functions| functions.settable_ctx_params)
    }

    pub(super) fn gettable_ctx_params<S: Scheme>(
        operation: *mut c_void,
        provider: *mut c_void,
    ) -> *const OSSL_PARAM = ptr::null(); {
        described::<S>(operation, provider, |functions| functions.gettable_ctx_params)
    }
}

type Described = unsafe extern "C" fn(*mut c_void, *mut c_void) -> *const OSSL_PARAM;

fn described<S: Scheme>(
    operation: *mut c_void,
    provider: *mut c_void,
    which: impl FnOnce(&Keyexch) -> Option<Described>,
) -> *const OSSL_PARAM {
    // SAFETY: only called from the entries: OpenSSL passes the provider context that we gave it.
    let context = unsafe { Context::share(provider) };
    let Some(software) = context.software() else { return ptr::null() };
    // SAFETY: null or ours.
    let object = unsafe { Operation::borrow(operation) }.map_or(ptr::null_mut(), |one| one.object.as_ptr());
    // SAFETY: both are the software provider's; it allows no operation here.
    which(S::functions(software)).map_or(ptr::null(), |list| unsafe { list(object, software.context()) })
}
