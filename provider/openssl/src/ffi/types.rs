//! The structures that core and providers exchange (`openssl/core.h`).

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr;

use openssl_sys::OSSL_PARAM;

/// A function in a dispatch table, before its number says what it takes.
pub(crate) type AnyFunction = unsafe extern "C" fn();

/// `OSSL_DISPATCH`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Dispatch {
    pub(crate) function_id: c_int,
    pub(crate) function: Option<AnyFunction>,
}

impl Dispatch {
    /// `OSSL_DISPATCH_END`.
    pub(crate) const END: Self = Self { function_id: 0, function: None };
}

/// `OSSL_ALGORITHM`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Algorithm {
    pub(crate) names: *const c_char,
    pub(crate) properties: *const c_char,
    pub(crate) implementation: *const Dispatch,
    pub(crate) description: *const c_char,
}

impl Algorithm {
    /// The last entry of a list.
    pub(crate) const END: Self = Self {
        names: ptr::null(),
        properties: ptr::null(),
        implementation: ptr::null(),
        description: ptr::null(),
    };
}

/// `OSSL_ITEM`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Item {
    pub(crate) id: c_uint,
    pub(crate) pointer: *const c_void,
}

/// A table that is never written: OpenSSL reads it from any thread.
#[repr(transparent)]
pub(crate) struct Constant<T>(pub(crate) T);

// SAFETY: a `Constant` is only made from the tables above, which hold pointers to other constants and to functions, and
// nobody writes to one (it is reached through `&'static` and handed out as a pointer to const).
unsafe impl<T> Sync for Constant<T> {}

/// `OSSL_CORE_HANDLE`.
#[repr(C)]
pub(crate) struct CoreHandle {
    _opaque: [u8; 0],
}

/// `OSSL_CALLBACK`.
pub(crate) type Callback = unsafe extern "C" fn(params: *const OSSL_PARAM, argument: *mut c_void) -> c_int;
