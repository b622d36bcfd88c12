//! Parameters for OpenSSL's key managers (OSSL_PARAM(3)).

use std::ffi::{CStr, c_char, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr;

use openssl_sys::OSSL_PARAM;
use zeroize::Zeroizing;

use crate::ffi::{OSSL_PARAM_OCTET_STRING, OSSL_PARAM_UNSIGNED_INTEGER, OSSL_PARAM_UTF8_STRING};

/// As many as an RSA key has numbers, and the entry that ends the list.
const MAX: usize = 8 + 1;

/// A list of parameters that may be secret: our copies are wiped when it is dropped. A list without integers allocates nothing.
pub(crate) struct Params<'a> {
    entries: [OSSL_PARAM; MAX],
    count: usize,
    // What the entries of integers point to: the heap buffers stay where they are when this list grows.
    numbers: Vec<Zeroizing<Vec<u8>>>,
    borrowed: PhantomData<&'a [u8]>,
}

impl<'a> Params<'a> {
    /// Adds an unsigned integer, given big-endian.
    pub(crate) fn integer(mut self, name: &'static CStr, big_endian: &[u8]) -> Self {
        let mut native = Zeroizing::new(big_endian.to_vec());
        if cfg!(target_endian = "little") {
            native.reverse();
        }
        self.push(name, OSSL_PARAM_UNSIGNED_INTEGER, native.as_mut_ptr().cast(), native.len());
        self.numbers.push(native);
        self
    }

    /// Adds a string.
    pub(crate) fn utf8(mut self, name: &'static CStr, value: &'a CStr) -> Self {
        self.push(name, OSSL_PARAM_UTF8_STRING, value.as_ptr().cast_mut().cast(), value.count_bytes());
        self
    }

    /// Adds bytes.
    pub(crate) fn octets(mut self, name: &'static CStr, value: &'a [u8]) -> Self {
        self.push(name, OSSL_PARAM_OCTET_STRING, value.as_ptr().cast_mut().cast(), value.len());
        self
    }

    /// The list as OpenSSL wants it, ended by an entry without a name. It is valid as long as `self` and unchanged;
    /// OpenSSL only reads it.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut OSSL_PARAM {
        self.entries.as_mut_ptr()
    }

    fn push(&mut self, name: &'static CStr, data_type: c_uint, data: *mut c_void, data_size: usize) {
        // The last entry is never overwritten: it ends the list.
        debug_assert!(self.count + 1 < MAX, "more parameters than any key has");
        if self.count + 1 < MAX {
            self.entries[self.count] = entry(name.as_ptr(), data_type, data, data_size);
            self.count += 1;
        }
    }
}

impl Default for Params<'_> {
    fn default() -> Self {
        let end = || entry(ptr::null(), 0, ptr::null_mut(), 0);
        Self { entries: std::array::from_fn(|_| end()), count: 0, numbers: Vec::new(), borrowed: PhantomData }
    }
}

const fn entry(key: *const c_char, data_type: c_uint, data: *mut c_void, data_size: usize) -> OSSL_PARAM {
    OSSL_PARAM { key, data_type, data, data_size, return_size: usize::MAX }
}
