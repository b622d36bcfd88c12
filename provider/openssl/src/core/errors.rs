//! Errors that are ours: their numbers and texts. Where a caller did something wrong, the software path says so, with the
//! errors that the caller would see without us.

use std::ffi::{c_int, c_void};
use std::ptr;

use crate::ffi::types::{Constant, Item};

/// `ERR_LIB_PROV` (`openssl/err.h`): errors of providers in general.
pub(crate) const LIB_PROVIDER: c_int = 57;
/// The flags that `openssl/err.h` gives to reasons which are fatal and common to all libraries.
const FATAL_AND_COMMON: u32 = 0x000c_0000;
/// `ERR_R_INTERNAL_ERROR` (`openssl/err.h`).
pub(crate) const INTERNAL_ERROR: c_int = 0x000c_0000 | 259;
/// `ERR_PACK(ERR_LIB_CRYPTO, 0, ERR_R_INIT_FAIL)`: the library in bits 23 to 30, the reason below.
pub(crate) const INIT_FAILED: u32 = (15 << 23) | FATAL_AND_COMMON | 261;

/// Why an operation failed by our doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Reason {
    /// `require_hardware = yes`, and no device has computed the request.
    HardwareRequired = 1,
    /// The software path failed.
    Software = 2,
    /// The provider that computes in software can't be used.
    SoftwareProvider = 3,
    /// The random generator gave nothing.
    Random = 4,
}

impl Reason {
    /// Its number on the queue; OpenSSL adds the number that it gave to this provider.
    pub(crate) const fn code(self) -> u32 {
        // A field-less enum of this representation.
        match self {
            Self::HardwareRequired => 1,
            Self::Software => 2,
            Self::SoftwareProvider => 3,
            Self::Random => 4,
        }
    }
}

const fn item(reason: Reason, text: &'static std::ffi::CStr) -> Item {
    Item { id: reason.code(), pointer: text.as_ptr().cast::<c_void>() }
}

/// The texts, as OpenSSL asks for them.
pub(crate) static REASONS: Constant<[Item; 5]> = Constant([
    item(Reason::HardwareRequired, c"no device computed this, and require_hardware forbids software"),
    item(Reason::Software, c"computing in software failed"),
    item(Reason::SoftwareProvider, c"the fallback provider can't be used"),
    item(Reason::Random, c"no random numbers"),
    Item { id: 0, pointer: ptr::null() },
]);
