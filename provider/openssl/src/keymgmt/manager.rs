//! The functions of a key manager, the same for every kind: unwrap our key, ask the software provider, wrap what it made.

use std::ffi::{c_int, c_void};
use std::ptr;

use openssl_sys::OSSL_PARAM;

use crate::context::Context;
use crate::entry::entry;
use crate::ffi::functions::Keymgmt;
use crate::ffi::types::Callback;
use crate::keymgmt::{Kind, ProviderKey, generation};
use crate::software::{Object, Software};

pub(super) use crate::keymgmt::generation::gen_set_template;

/// The functions that every kind has.
pub(crate) const fn common<K: Kind>() -> Keymgmt {
    Keymgmt {
        new: Some(new::<K>),
        gen_init: Some(generation::gen_init::<K>),
        gen_set_params: Some(generation::gen_set_params::<K>),
        gen_settable_params: Some(generation::gen_settable_params::<K>),
        generate: Some(generation::generate::<K>),
        gen_cleanup: Some(generation::gen_cleanup),
        free: Some(free),
        get_params: Some(get_params::<K>),
        gettable_params: Some(gettable_params::<K>),
        has: Some(has::<K>),
        validate: Some(validate::<K>),
        matches: Some(matches::<K>),
        import: Some(import::<K>),
        import_types: Some(import_types::<K>),
        export: Some(export::<K>),
        export_types: Some(export_types::<K>),
        dup: Some(dup::<K>),
        ..Keymgmt::NONE
    }
}

entry! {
    /// An empty key, to be imported into.
    fn new<K: Kind>(provider: *mut c_void) -> *mut c_void = ptr::null_mut(); {
        // SAFETY: OpenSSL passes the provider context that we gave it.
        let context = unsafe { Context::share(provider) };
        let Some(software) = context.software() else { return ptr::null_mut() };
        let functions = K::functions(software);
        let Some(new) = functions.new else { return ptr::null_mut() };
        // SAFETY: the argument is the software provider's context.
        let object = unsafe { new(software.context()) };
        // SAFETY: the new key is ours, and `free` belongs to it.
        match unsafe { Object::own(object, functions.free) } {
            Some(object) => ProviderKey::new::<K>(context, object).into_raw(),
            None => ptr::null_mut(),
        }
    }

    fn free(key: *mut c_void) {
        // SAFETY: OpenSSL gives up a key that we gave it.
        drop(unsafe { ProviderKey::from_raw(key) });
    }

    fn get_params<K: Kind>(key: *mut c_void, params: *mut OSSL_PARAM) -> c_int = 0; {
        with_key::<K>(key, |key, functions| {
            // SAFETY: the key is the software provider's, the list OpenSSL's.
            functions.get_params.map_or(0, |get| unsafe { get(key.software_key(), params) })
        })
    }

    fn gettable_params<K: Kind>(provider: *mut c_void) -> *const OSSL_PARAM = ptr::null(); {
        described_by::<K>(provider, |functions| functions.gettable_params)
    }

    pub(super) fn set_params<K: Kind>(key: *mut c_void, params: *const OSSL_PARAM) -> c_int = 0; {
        with_key::<K>(key, |key, functions| {
            let Some(set) = functions.set_params else { return 0 };
            // SAFETY: the key is the software provider's, the list OpenSSL's.
            let done = unsafe { set(key.software_key(), params) };
            key.forget();
            done
        })
    }

    pub(super) fn settable_params<K: Kind>(provider: *mut c_void) -> *const OSSL_PARAM = ptr::null(); {
        described_by::<K>(provider, |functions| functions.settable_params)
    }

    fn has<K: Kind>(key: *const c_void, selection: c_int) -> c_int = 0; {
        with_key::<K>(key, |key, functions| {
            // SAFETY: the key is the software provider's.
            functions.has.map_or(0, |has| unsafe { has(key.software_key(), selection) })
        })
    }

    fn validate<K: Kind>(key: *const c_void, selection: c_int, how: c_int) -> c_int = 0; {
        with_key::<K>(key, |key, functions| {
            // SAFETY: the key is the software provider's.
            functions.validate.map_or(0, |validate| unsafe { validate(key.software_key(), selection, how) })
        })
    }

    fn matches<K: Kind>(one: *const c_void, other: *const c_void, selection: c_int) -> c_int = 0; {
        // SAFETY: null or ours.
        let Some(other) = (unsafe { ProviderKey::borrow::<K>(other) }) else { return 0 };
        with_key::<K>(one, |one, functions| {
            let (one, other) = (one.software_key(), other.software_key());
            // SAFETY: both keys are of the software provider.
            functions.matches.map_or(0, |matches| unsafe { matches(one, other, selection) })
        })
    }

    fn import<K: Kind>(key: *mut c_void, selection: c_int, params: *const OSSL_PARAM) -> c_int = 0; {
        with_key::<K>(key, |key, functions| {
            let Some(import) = functions.import else { return 0 };
            // SAFETY: the key is the software provider's, the list OpenSSL's.
            let done = unsafe { import(key.software_key(), selection, params) };
            key.forget();
            done
        })
    }

    fn export<K: Kind>(
        key: *mut c_void,
        selection: c_int,
        callback: Option<Callback>,
        argument: *mut c_void,
    ) -> c_int = 0; {
        with_key::<K>(key, |key, functions| {
            let Some(export) = functions.export else { return 0 };
            // SAFETY: the key is the software provider's; the callback and its argument are OpenSSL's.
            unsafe { export(key.software_key(), selection, callback, argument) }
        })
    }

    /// What a key is imported from.
    fn import_types<K: Kind>(selection: c_int) -> *const OSSL_PARAM = ptr::null(); {
        let list = Software::any().and_then(|software| K::functions(software).import_types);
        // SAFETY: the list is constant.
        list.map_or(ptr::null(), |list| unsafe { list(selection) })
    }

    /// What a key is exported as.
    fn export_types<K: Kind>(selection: c_int) -> *const OSSL_PARAM = ptr::null(); {
        let list = Software::any().and_then(|software| K::functions(software).export_types);
        // SAFETY: the list is constant.
        list.map_or(ptr::null(), |list| unsafe { list(selection) })
    }

    fn dup<K: Kind>(key: *const c_void, selection: c_int) -> *mut c_void = ptr::null_mut(); {
        // SAFETY: null or ours.
        let Some(key) = (unsafe { ProviderKey::borrow::<K>(key) }) else { return ptr::null_mut() };
        let Some(software) = key.context().software() else { return ptr::null_mut() };
        let functions = K::functions(software);
        let Some(dup) = functions.dup else { return ptr::null_mut() };
        // SAFETY: the key is the software provider's.
        let object = unsafe { dup(key.software_key(), selection) };
        // SAFETY: the copy is ours, and `free` belongs to it.
        match unsafe { Object::own(object, functions.free) } {
            Some(object) => ProviderKey::new::<K>(key.context().clone(), object).into_raw(),
            None => ptr::null_mut(),
        }
    }
}

/// Gives `body` our key and the software provider's functions; 0 if there is no such key.
pub(super) fn with_key<K: Kind>(
    key: *const c_void,
    body: impl FnOnce(&ProviderKey, &Keymgmt) -> c_int,
) -> c_int {
    // SAFETY: only called from the entries, with the key that OpenSSL passed: null or ours.
    let Some(key) = (unsafe { ProviderKey::borrow::<K>(key) }) else { return 0 };
    let Some(software) = key.context().software() else { return 0 };
    body(key, K::functions(software))
}

/// A list of the software provider's that describes parameters.
fn described_by<K: Kind>(
    provider: *mut c_void,
    which: impl FnOnce(&Keymgmt) -> Option<unsafe extern "C" fn(*mut c_void) -> *const OSSL_PARAM>,
) -> *const OSSL_PARAM {
    // SAFETY: only called from the entries: OpenSSL passes the provider context that we gave it.
    let context = unsafe { Context::share(provider) };
    let Some(software) = context.software() else { return ptr::null() };
    // SAFETY: the argument is the software provider's context; its lists live as long as libcrypto.
    which(K::functions(software)).map_or(ptr::null(), |list| unsafe { list(software.context()) })
}
