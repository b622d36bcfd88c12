//! Key management. A key of ours is the software provider's key and, made at its first operation, what the offload needs.
//!
//! Every key that the software provider takes is taken: generation and import of a key that is not offloaded must work as
//! without us.

pub(crate) mod dh;
pub(crate) mod ec;
pub(crate) mod generation;
pub(crate) mod manager;
pub(crate) mod montgomery;
pub(crate) mod rsa;

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::{Arc, PoisonError, RwLock};

use hotspare_device::{Key, KeyMaterial, Kind as RequestKind, Request};
use openssl_sys::OSSL_PARAM;

use crate::context::Context;
use crate::ffi::functions::Keymgmt;
use crate::ffi::names;
use crate::keymgmt::generation::{Draft, Origin};
use crate::software::{Object, Software};

/// A kind of keys.
pub(crate) trait Kind: 'static {
    /// Its name, by which keys are told apart.
    const NAME: &'static str;

    /// The software provider's key manager.
    fn functions(software: &Software) -> &Keymgmt;

    /// The numbers of a key that is offloaded; `None` if this one is not.
    ///
    /// # Safety
    /// `params` is an exported key: a list with an END.
    unsafe fn material(params: *const OSSL_PARAM) -> Option<KeyMaterial>;

    /// The kind of request that a key exchange with `key`, a key of the software provider, is. `None`: such a key is not
    /// offloaded. Cheap, for it is asked where there is no device too.
    fn multiplication(functions: &Keymgmt, key: *mut c_void) -> Option<RequestKind> {
        let _ = (functions, key);
        None
    }

    /// The public half of `key`, a key of the software provider, as requests take it; `None` if it has none or is not offloaded.
    fn public(functions: &Keymgmt, key: *mut c_void) -> Option<Vec<u8>> {
        let _ = (functions, key);
        None
    }

    /// The kind of request that generating a key is whose group comes from `origin`; `None`: no device has a part in it. Cheap.
    fn generation(software: &Software, origin: &Origin<'_>) -> Option<RequestKind> {
        let _ = (software, origin);
        None
    }

    /// Draws the private half of a new key, with the request that gives the public half; `None` if that is left to the software
    /// provider after all.
    fn draft(software: &Software, origin: &Origin<'_>) -> Option<(Request, Draft)> {
        let _ = (software, origin);
        None
    }

    /// Adds the public half, which is the result of the request. False if it can't be one.
    fn complete(draft: &mut Draft, product: &[u8]) -> bool {
        let _ = (draft, product);
        false
    }
}

/// A key, as OpenSSL holds it. Used by many threads at once.
pub(crate) struct ProviderKey {
    kind: &'static str,
    /// What its numbers are, exported by the kind's key manager.
    material: fn(&Self) -> Option<KeyMaterial>,
    // The parts are dropped in this order: the object belongs to the context's software provider.
    object: Object,
    derived: RwLock<Derived>,
    context: Arc<Context>,
}

/// What is made from a key once, until the key is changed. The lock is held for a copy only.
#[derive(Default)]
struct Derived {
    /// By [`Half`].
    keys: [Option<Option<Key>>; 2],
    public: Option<Arc<[u8]>>,
}

/// Which operations a key of the offload's is for.
#[derive(Clone, Copy)]
enum Half {
    Private,
    Public,
}

impl ProviderKey {
    /// A key around the software provider's.
    pub(crate) fn new<K: Kind>(context: Arc<Context>, object: Object) -> Arc<Self> {
        let (derived, material) = (RwLock::default(), Self::material::<K>);
        Arc::new(Self { kind: K::NAME, material, object, derived, context })
    }

    /// The key that OpenSSL means with `pointer`; `None` for null and for a key of another kind.
    ///
    /// # Safety
    /// `pointer` is null or comes from [`Self::into_raw`], and is not yet given back.
    pub(crate) unsafe fn borrow<'a, K: Kind>(pointer: *const c_void) -> Option<&'a Self> {
        // SAFETY: null or an object behind a counted handle.
        unsafe { pointer.cast::<Self>().as_ref() }.filter(|key| key.kind == K::NAME)
    }

    /// Another handle for the key that OpenSSL means with `pointer`.
    ///
    /// # Safety
    /// As [`Self::borrow`].
    pub(crate) unsafe fn share<K: Kind>(pointer: *const c_void) -> Option<Arc<Self>> {
        // SAFETY: as above.
        let key: *const Self = unsafe { Self::borrow::<K>(pointer) }?;
        // SAFETY: the handle that OpenSSL holds is counted.
        unsafe { Arc::increment_strong_count(key) };
        // SAFETY: the count was just raised for this handle.
        Some(unsafe { Arc::from_raw(key) })
    }

    /// The pointer for OpenSSL.
    pub(crate) fn into_raw(self: Arc<Self>) -> *mut c_void {
        Arc::into_raw(self).cast_mut().cast()
    }

    /// Takes back what [`Self::into_raw`] gave.
    ///
    /// # Safety
    /// `pointer` is null or comes from [`Self::into_raw`]; OpenSSL does not use it any more.
    pub(crate) unsafe fn from_raw(pointer: *mut c_void) -> Option<Arc<Self>> {
        if pointer.is_null() {
            return None;
        }
        // SAFETY: the caller gives back the handle.
        Some(unsafe { Arc::from_raw(pointer.cast_const().cast()) })
    }

    /// The software provider's key.
    pub(crate) fn software_key(&self) -> *mut c_void {
        self.object.as_ptr()
    }

    /// What the key belongs to.
    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// The private key for the offload; `None` if this key is not offloaded. Made once, until the key is changed.
    pub(crate) fn offload_key(&self) -> Option<Key> {
        self.derive(Half::Private, self.material)
    }

    /// The public key for the offload, whose numbers `material` finds; `None` if it has none. Made once, until the key is
    /// changed.
    pub(crate) fn public_key(&self, material: impl FnOnce(&Self) -> Option<KeyMaterial>) -> Option<Key> {
        self.derive(Half::Public, material)
    }

    fn derive(&self, half: Half, material: impl FnOnce(&Self) -> Option<KeyMaterial>) -> Option<Key> {
        if let Some(known) = &self.derived.read().unwrap_or_else(PoisonError::into_inner).keys[half as usize]
        {
            return known.clone();
        }
        let made = material(self).and_then(|material| Key::new(material).ok());
        let mut derived = self.derived.write().unwrap_or_else(PoisonError::into_inner);
        // If two threads came at once, both use the first one's: what executors prepare is kept with it.
        derived.keys[half as usize].get_or_insert(made).clone()
    }

    /// The key for the offload is known already.
    pub(crate) fn remember(&self, key: Key) {
        self.derived.write().unwrap_or_else(PoisonError::into_inner).keys[Half::Private as usize] =
            Some(Some(key));
    }

    /// The public half as requests take it; `None` if there is none, or it is of no kind that is offloaded. Asked for once, until
    /// the key is changed.
    pub(crate) fn public<K: Kind>(&self) -> Option<Arc<[u8]>> {
        if let Some(known) = &self.derived.read().unwrap_or_else(PoisonError::into_inner).public {
            return Some(known.clone());
        }
        let public: Arc<[u8]> =
            K::public(K::functions(self.context.software()?), self.software_key())?.into();
        self.derived.write().unwrap_or_else(PoisonError::into_inner).public = Some(public.clone());
        Some(public)
    }

    /// Forgets what was made from the key: it is about to change, or has changed.
    pub(crate) fn forget(&self) {
        *self.derived.write().unwrap_or_else(PoisonError::into_inner) = Derived::default();
    }

    fn material<K: Kind>(&self) -> Option<KeyMaterial> {
        let export = K::functions(self.context.software()?).export?;
        let mut material = None;
        let argument = ptr::from_mut(&mut material).cast();
        // SAFETY: the key is alive; the callback gets the place for its answer, which outlives the call.
        unsafe { export(self.software_key(), names::SELECT_ALL, Some(receive::<K>), argument) };
        material
    }
}

/// An `OSSL_CALLBACK` whose argument is a place for what it makes of the exported key.
unsafe extern "C" fn receive<K: Kind>(params: *const OSSL_PARAM, place: *mut c_void) -> c_int {
    crate::entry::guard(0, || {
        // SAFETY: `ProviderKey::material` passes its own place, which nobody else uses during the call.
        let place = unsafe { &mut *place.cast::<Option<KeyMaterial>>() };
        // SAFETY: the list is an exported key.
        *place = unsafe { K::material(params) };
        1
    })
}
