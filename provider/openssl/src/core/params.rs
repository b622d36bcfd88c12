//! `OSSL_PARAM`: places for answers, and reading what came.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

use openssl_sys::OSSL_PARAM;
use zeroize::Zeroizing;

use crate::ffi::names;
use crate::ffi::types::Constant;

/// `OSSL_PARAM_UNMODIFIED`: nobody answered.
pub(crate) const UNMODIFIED: usize = usize::MAX;

/// `OSSL_PARAM_END`.
pub(crate) const END: OSSL_PARAM =
    OSSL_PARAM { key: ptr::null(), data_type: 0, data: ptr::null_mut(), data_size: 0, return_size: 0 };

const fn place(name: &CStr, data_type: u32, data: *mut c_void, data_size: usize) -> OSSL_PARAM {
    OSSL_PARAM { key: name.as_ptr(), data_type, data, data_size, return_size: UNMODIFIED }
}

/// A place for an `int`.
pub(crate) fn integer(name: &CStr, value: &mut c_int) -> OSSL_PARAM {
    place(name, names::PARAM_INTEGER, ptr::from_mut(value).cast(), size_of::<c_int>())
}

/// A place for a `size_t` or an `unsigned int`.
pub(crate) fn unsigned<T>(name: &CStr, value: &mut T) -> OSSL_PARAM {
    place(name, names::PARAM_UNSIGNED_INTEGER, ptr::from_mut(value).cast(), size_of::<T>())
}

/// A place for a string, with room for the zero at its end.
pub(crate) fn utf8(name: &CStr, buffer: &mut [u8]) -> OSSL_PARAM {
    place(name, names::PARAM_UTF8_STRING, buffer.as_mut_ptr().cast(), buffer.len())
}

/// A place for bytes.
pub(crate) fn octets(name: &CStr, buffer: &mut [u8]) -> OSSL_PARAM {
    place(name, names::PARAM_OCTET_STRING, buffer.as_mut_ptr().cast(), buffer.len())
}

/// A place for an unsigned number of up to `buffer.len()` bytes, in the machine's byte order.
pub(crate) fn big_number(name: &CStr, buffer: &mut [u8]) -> OSSL_PARAM {
    place(name, names::PARAM_UNSIGNED_INTEGER, buffer.as_mut_ptr().cast(), buffer.len())
}

/// A place for the address of a string.
pub(crate) fn utf8_pointer(name: &CStr, value: &mut *const c_char) -> OSSL_PARAM {
    place(name, names::PARAM_UTF8_PTR, ptr::from_mut(value).cast(), 0)
}

/// A place for the address of bytes; how many comes in `return_size`.
pub(crate) fn octet_pointer(name: &CStr, value: &mut *const c_void) -> OSSL_PARAM {
    place(name, names::PARAM_OCTET_PTR, ptr::from_mut(value).cast(), 0)
}

/// A string to be handed over. The callee only reads it.
pub(crate) fn utf8_value(name: &CStr, value: &CStr) -> OSSL_PARAM {
    let length = value.count_bytes();
    OSSL_PARAM {
        return_size: 0,
        ..place(name, names::PARAM_UTF8_STRING, value.as_ptr().cast_mut().cast(), length)
    }
}

/// An entry that only says that a parameter exists, for the lists of what can be set or got.
pub(crate) const fn described(name: &CStr, data_type: u32) -> OSSL_PARAM {
    place(name, data_type, ptr::null_mut(), 0)
}

/// A list of parameters that owns its values. They may be secret: wiped when they go.
#[derive(Default)]
pub(crate) struct Owned {
    entries: Vec<OSSL_PARAM>,
    // What the entries point to: the blocks stay where they are when these lists grow.
    values: Vec<Zeroizing<Vec<u8>>>,
    copies: Vec<Copied>,
}

// SAFETY: what the entries point to is owned here, or constant.
unsafe impl Send for Owned {}

impl Owned {
    /// Adds a string.
    pub(crate) fn text(&mut self, name: &'static CStr, value: &CStr) {
        self.push(name, names::PARAM_UTF8_STRING, Zeroizing::new(value.to_bytes().to_vec()));
    }

    /// Adds bytes.
    pub(crate) fn octets(&mut self, name: &'static CStr, value: &[u8]) {
        self.push(name, names::PARAM_OCTET_STRING, Zeroizing::new(value.to_vec()));
    }

    /// Adds an unsigned number, given big-endian.
    pub(crate) fn number(&mut self, name: &'static CStr, big_endian: &[u8]) {
        let mut native = Zeroizing::new(big_endian.to_vec());
        if cfg!(target_endian = "little") {
            native.reverse();
        }
        self.push(name, names::PARAM_UNSIGNED_INTEGER, native);
    }

    /// Adds the entries of `list` but those called as in `without`.
    pub(crate) fn extend(&mut self, list: Copied, without: &[&CStr]) {
        let mut entry = list.0;
        // SAFETY: an entry before the list's end, which has no name.
        while let Some(param) = unsafe { entry.as_ref() }.filter(|param| !param.key.is_null()) {
            // SAFETY: names are strings.
            if !without.contains(&unsafe { CStr::from_ptr(param.key) }) {
                self.entries.push(OSSL_PARAM { ..*param });
            }
            // SAFETY: this was not the last entry.
            entry = unsafe { entry.add(1) };
        }
        self.copies.push(list);
    }

    /// The list as OpenSSL wants it, as long as `self` lives unchanged. OpenSSL only reads it.
    pub(crate) fn as_ptr(&mut self) -> *const OSSL_PARAM {
        if self.entries.last().is_none_or(|last| !last.key.is_null()) {
            self.entries.push(END);
        }
        self.entries.as_ptr()
    }

    fn push(&mut self, name: &'static CStr, data_type: u32, mut value: Zeroizing<Vec<u8>>) {
        self.entries.push(place(name, data_type, value.as_mut_ptr().cast(), value.len()));
        self.values.push(value);
    }
}

/// A copy of a list, values and all, made by OpenSSL.
pub(crate) struct Copied(*mut OSSL_PARAM);

impl Copied {
    /// # Safety
    /// `params` is a list with an END.
    pub(crate) unsafe fn of(params: *const OSSL_PARAM) -> Option<Self> {
        // SAFETY: as the caller says.
        let copy = unsafe { openssl_sys::OSSL_PARAM_dup(params) };
        (!copy.is_null()).then_some(Self(copy))
    }

    /// For reading.
    pub(crate) fn as_ptr(&self) -> *const OSSL_PARAM {
        self.0
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // SAFETY: the copy is ours.
        unsafe { openssl_sys::OSSL_PARAM_free(self.0) };
    }
}

/// A constant list of parameters.
pub(crate) type List<const N: usize> = Constant<[OSSL_PARAM; N]>;

/// The parameter called `name`.
///
/// # Safety
/// `params` is null or a list with an END, valid as long as the result is used.
pub(crate) unsafe fn find<'a>(params: *const OSSL_PARAM, name: &CStr) -> Option<&'a OSSL_PARAM> {
    // SAFETY: the list is valid; null is allowed.
    let found = unsafe { openssl_sys::OSSL_PARAM_locate_const(params, name.as_ptr()) };
    // SAFETY: null, or an entry of the list.
    unsafe { found.as_ref() }
}

/// The bytes of `param`, if it has any.
///
/// # Safety
/// `param` holds a value that lives as long as the result is used.
unsafe fn bytes(param: &OSSL_PARAM) -> Option<&[u8]> {
    if param.data.is_null() {
        return None;
    }
    // SAFETY: data and data_size belong together.
    Some(unsafe { std::slice::from_raw_parts(param.data.cast::<u8>(), param.data_size) })
}

/// An unsigned number as big-endian bytes without leading zeros. Wiped when dropped.
///
/// # Safety
/// As [`find`].
pub(crate) unsafe fn number(params: *const OSSL_PARAM, name: &CStr) -> Option<Zeroizing<Vec<u8>>> {
    // SAFETY: the caller vouches for the list.
    let param =
        unsafe { find(params, name) }.filter(|param| param.data_type == names::PARAM_UNSIGNED_INTEGER)?;
    // SAFETY: the parameter is part of the list.
    let bytes = unsafe { bytes(param) }?;
    Some(big_endian(bytes))
}

/// A number in the machine's byte order as big-endian bytes without leading zeros.
pub(crate) fn big_endian(native: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut number = Zeroizing::new(Vec::with_capacity(native.len()));
    if cfg!(target_endian = "little") {
        number.extend(native.iter().rev().copied().skip_while(|byte| *byte == 0));
    } else {
        number.extend(native.iter().copied().skip_while(|byte| *byte == 0));
    }
    number
}

/// The bytes of an octet string. Wiped when dropped.
///
/// # Safety
/// As [`find`].
pub(crate) unsafe fn octet_string(params: *const OSSL_PARAM, name: &CStr) -> Option<Zeroizing<Vec<u8>>> {
    // SAFETY: the caller vouches for the list.
    let param = unsafe { find(params, name) }.filter(|param| param.data_type == names::PARAM_OCTET_STRING)?;
    // SAFETY: the parameter is part of the list.
    unsafe { bytes(param) }.map(|bytes| Zeroizing::new(bytes.to_vec()))
}

/// A string.
///
/// # Safety
/// As [`find`].
pub(crate) unsafe fn text(params: *const OSSL_PARAM, name: &CStr) -> Option<CString> {
    // SAFETY: the caller vouches for the list.
    let param = unsafe { find(params, name) }.filter(|param| param.data_type == names::PARAM_UTF8_STRING)?;
    // SAFETY: the parameter is part of the list.
    let bytes = unsafe { bytes(param) }?;
    CString::new(bytes.split(|byte| *byte == 0).next()?).ok()
}

/// Whether the string called `name` is `wanted`, in whatever case.
///
/// # Safety
/// As [`find`].
pub(crate) unsafe fn is_text(params: *const OSSL_PARAM, name: &CStr, wanted: &str) -> bool {
    // SAFETY: the caller vouches for the list.
    let Some(param) = (unsafe { find(params, name) }) else { return false };
    let text = match param.data_type {
        // SAFETY: the parameter is part of the list.
        names::PARAM_UTF8_STRING => unsafe { bytes(param) },
        _ => None,
    };
    text.is_some_and(|text| {
        text.split(|byte| *byte == 0).next().unwrap_or_default().eq_ignore_ascii_case(wanted.as_bytes())
    })
}
