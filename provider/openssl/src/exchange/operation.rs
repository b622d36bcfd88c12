//! A key exchange operation, and the functions of a key exchange, the same for every scheme.

use std::ffi::{c_int, c_uchar, c_void};
use std::ptr;
use std::sync::Arc;

use hotspare_device::{Kind as RequestKind, Request};
use hotspare_offload::SoftwareRequest;
use openssl_sys::OSSL_PARAM;

use crate::context::{Context, Refused};
use crate::core::params;
use crate::entry::entry;
use crate::exchange::Scheme;
use crate::exchange::kdf::Product;
use crate::ffi::functions::Keyexch;
use crate::ffi::{libcrypto, names};
use crate::keymgmt::{Kind, ProviderKey};
use crate::software::{Object, Software};

/// The functions of a scheme.
pub(crate) const fn functions<S: Scheme>() -> Keyexch {
    let settings = if S::HAS_SETTINGS {
        Keyexch {
            set_ctx_params: Some(set_ctx_params::<S>),
            settable_ctx_params: Some(settable_ctx_params::<S>),
            get_ctx_params: Some(get_ctx_params::<S>),
            gettable_ctx_params: Some(gettable_ctx_params::<S>),
            ..Keyexch::NONE
        }
    } else {
        Keyexch::NONE
    };
    Keyexch {
        newctx: Some(newctx::<S>),
        init: Some(init::<S>),
        derive: Some(derive::<S>),
        set_peer: Some(set_peer::<S>),
        freectx: Some(freectx),
        dupctx: Some(dupctx::<S>),
        ..settings
    }
}

/// An operation. One thread uses it at a time, as OpenSSL's contexts are used.
struct Operation {
    /// The software provider's operation, with all settings.
    object: Object,
    key: Option<Arc<ProviderKey>>,
    peer: Option<Arc<ProviderKey>>,
    /// What is asked for, once known.
    product: Option<Product>,
    /// Whether a secret that is a number keeps its leading zeros; `None` if that is not known. It can't be asked for.
    padded: Option<bool>,
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

    /// Writes the secret to `place`.
    ///
    /// # Safety
    /// `place` is not null and has room for `capacity` bytes, and nobody else uses it during this call.
    unsafe fn derive_offloaded<S: Scheme>(&mut self, place: *mut c_uchar, capacity: usize) -> Outcome {
        let Some(software) = self.context.software() else { return Outcome::Failed };
        let Some((request, bytes)) = self.request::<S>() else { return Outcome::Software };
        let object = self.object.as_ptr();
        let product = self.product.get_or_insert_with(|| Product::of::<S>(software, object));
        // Whether a secret may be cut short differs between schemes: the software provider decides.
        let wanted = match product {
            Product::Secret if self.padded.is_some() => bytes,
            Product::Derived(kdf) => kdf.length,
            Product::Secret | Product::Unknown => return Outcome::Software,
        };
        if wanted > capacity {
            return Outcome::Software;
        }
        // SAFETY: as the caller says.
        let place = unsafe { std::slice::from_raw_parts_mut(place, wanted) };
        // Nothing is owned here over the wait: it may be that of a job which nobody resumes.
        let output = match self.context.execute(request) {
            Ok(output) => output,
            Err(Refused::Invalid) => return Outcome::Software,
            Err(Refused::Raised) => return Outcome::Failed,
        };
        let Some(key) = self.key.as_ref().and_then(|key| key.offload_key()) else { return Outcome::Software };
        // The software provider comes to the same secret if it is none, and says so.
        let secret = match output.get(..bytes) {
            Some(secret) if S::is_sound(&key, secret) => secret,
            _ => return Outcome::Software,
        };
        match product {
            Product::Derived(kdf) if kdf.derive(software, secret, place) => Outcome::Done(wanted),
            Product::Derived(_) | Product::Unknown => Outcome::Software,
            Product::Secret if S::IS_NUMBER && self.padded == Some(false) => {
                // OpenSSL moves the number to the front and leaves the zeros behind it.
                let zeros = secret.iter().take_while(|byte| **byte == 0).count();
                let (number, rest) = place.split_at_mut(wanted - zeros);
                number.copy_from_slice(&secret[zeros..]);
                rest.fill(0);
                Outcome::Done(wanted - zeros)
            }
            Product::Secret => {
                place.copy_from_slice(secret);
                Outcome::Done(wanted)
            }
        }
    }

    /// What gives the secret, and how long that is, in bytes.
    fn request<S: Scheme>(&self) -> Option<(Request, usize)> {
        let (key, peer) = (self.key.as_ref()?.offload_key()?, self.peer.as_ref()?);
        let request = S::request(&key, &peer.public::<S::Kind>()?)?;
        Some((request, S::secret_bytes(&key)))
    }

    /// Takes note of settings that the software provider has `accepted`.
    ///
    /// # Safety
    /// `params` is null or a list with an END.
    unsafe fn follow<S: Scheme>(&mut self, params: *const OSSL_PARAM, accepted: bool) {
        self.product = None;
        if !S::IS_NUMBER {
            return;
        }
        // SAFETY: as the caller says.
        if let Some(param) = unsafe { params::find(params, names::PAD) } {
            let mut pad = 0;
            // SAFETY: an entry of the list, and a place for the answer.
            let is_read = unsafe { libcrypto::OSSL_PARAM_get_uint(param, &mut pad) } == 1;
            self.padded = (accepted && is_read).then_some(pad != 0);
        }
    }
}

/// What came of deriving.
enum Outcome {
    /// The secret is this long.
    Done(usize),
    /// Not for the offload: the software provider derives, or says what is wrong.
    Software,
    /// The error is on the queue.
    Failed,
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
        Box::into_raw(Box::new(Operation { object, key: None, peer: None, product: None, padded: Some(false), kind: None, context })).cast()
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
        let (padded, kind) = (operation.padded, operation.kind);
        Box::into_raw(Box::new(Operation { object, key, peer, product: None, padded, kind, context })).cast()
    }

    fn init<S: Scheme>(operation: *mut c_void, key: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: both are ours.
        let (Some(operation), Some(key)) =
            (unsafe { Operation::borrow(operation) }, unsafe { ProviderKey::share::<S::Kind>(key) })
        else {
            return 0;
        };
        operation.kind = None;
        let Some((_, functions)) = operation.functions::<S>() else { return 0 };
        let Some(init) = functions.init else { return 0 };
        // SAFETY: operation and key are the software provider's, the list OpenSSL's.
        let done = unsafe { init(operation.object.as_ptr(), key.software_key(), params) };
        // SAFETY: OpenSSL's list.
        unsafe { operation.follow::<S>(params, done == 1) };
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
            // SAFETY: the caller's place, which is not null.
            match unsafe { operation.derive_offloaded::<S>(secret, capacity) } {
                Outcome::Done(derived) => {
                    // SAFETY: the caller's place for the length.
                    unsafe { *length = derived };
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

    fn set_ctx_params<S: Scheme>(operation: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return 0 };
        let Some(set) = operation.functions::<S>().and_then(|(_, functions)| functions.set_ctx_params) else {
            return 0;
        };
        // SAFETY: the operation is the software provider's, the list OpenSSL's.
        let done = unsafe { set(operation.object.as_ptr(), params) };
        // SAFETY: OpenSSL's list.
        unsafe { operation.follow::<S>(params, done == 1) };
        done
    }

    fn get_ctx_params<S: Scheme>(operation: *mut c_void, params: *mut OSSL_PARAM) -> c_int = 0; {
        // SAFETY: ours.
        let Some(operation) = (unsafe { Operation::borrow(operation) }) else { return 0 };
        let Some(get) = operation.functions::<S>().and_then(|(_, functions)| functions.get_ctx_params) else {
            return 0;
        };
        // SAFETY: the operation is the software provider's, the list OpenSSL's.
        unsafe { get(operation.object.as_ptr(), params) }
    }

    fn settable_ctx_params<S: Scheme>(
        operation: *mut c_void,
        provider: *mut c_void,
    ) -> *const OSSL_PARAM = ptr::null(); {
        described::<S>(operation, provider, |functions| functions.settable_ctx_params)
    }

    fn gettable_ctx_params<S: Scheme>(
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
