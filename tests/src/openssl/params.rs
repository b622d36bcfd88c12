//! Lists of parameters.

use std::ffi::{CStr, CString, c_uint};
use std::ptr;

use openssl_sys as ossl;

/// `OSSL_PARAM_UNSIGNED_INTEGER`, `_UTF8_STRING`, `_OCTET_STRING` (core.h).
const UNSIGNED_INTEGER: c_uint = 2;
const UTF8_STRING: c_uint = 4;
const OCTET_STRING: c_uint = 5;

/// A list in the making, with what its entries point to.
#[derive(Debug, Default)]
pub struct Params {
    entries: Vec<(CString, c_uint, Vec<u8>, usize)>,
}

impl Params {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a number, most significant byte first.
    #[must_use]
    pub fn number(self, name: &CStr, big_endian: &[u8]) -> Self {
        let mut native = big_endian.to_vec();
        if cfg!(target_endian = "little") {
            native.reverse();
        }
        let length = native.len();
        self.with(name, UNSIGNED_INTEGER, native, length)
    }

    /// With a small number.
    #[must_use]
    pub fn small(self, name: &CStr, value: usize) -> Self {
        self.number(name, &value.to_be_bytes())
    }

    /// With a text. OpenSSL reads it up to its NUL byte, which is not counted.
    #[must_use]
    pub fn text(self, name: &CStr, value: &str) -> Self {
        let bytes = CString::new(value).unwrap().into_bytes_with_nul();
        self.with(name, UTF8_STRING, bytes, value.len())
    }

    /// With bytes.
    #[must_use]
    pub fn bytes(self, name: &CStr, value: &[u8]) -> Self {
        self.with(name, OCTET_STRING, value.to_vec(), value.len())
    }

    fn with(mut self, name: &CStr, kind: c_uint, data: Vec<u8>, length: usize) -> Self {
        self.entries.push((name.to_owned(), kind, data, length));
        self
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The list. It points into this.
    pub(crate) fn list(&mut self) -> Vec<ossl::OSSL_PARAM> {
        let entry = |(name, data_type, data, data_size): &mut (CString, c_uint, Vec<u8>, usize)| {
            let (key, data, data_type, data_size) =
                (name.as_ptr(), data.as_mut_ptr().cast(), *data_type, *data_size);
            ossl::OSSL_PARAM { key, data_type, data, data_size, return_size: usize::MAX }
        };
        let mut list: Vec<_> = self.entries.iter_mut().map(entry).collect();
        let (key, data) = (ptr::null(), ptr::null_mut());
        list.push(ossl::OSSL_PARAM { key, data_type: 0, data, data_size: 0, return_size: 0 });
        list
    }
}
