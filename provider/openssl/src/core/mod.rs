//! OpenSSL's core, as seen from one provider context: its upcalls, its errors, parameters.

pub(crate) mod errors;
pub(crate) mod params;

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use crate::core::errors::Reason;
use crate::core::params::{self as param, END};
use crate::ffi::functions::CoreFunctions;
use crate::ffi::types::{CoreHandle, Dispatch};

/// The core's side of one provider context. Several contexts may live in one process, each with its own.
pub(crate) struct Core {
    handle: *const CoreHandle,
    functions: CoreFunctions,
}

// SAFETY: the handle is only ever given back to the core's upcalls, which may be called from any thread.
unsafe impl Send for Core {}
// SAFETY: as above; nothing here changes after it was made.
unsafe impl Sync for Core {}

impl Core {
    /// The upcalls in `functions`.
    ///
    /// # Safety
    /// The arguments are those of `OSSL_provider_init`, and `Core` is dropped before the provider is torn down.
    pub(crate) unsafe fn new(handle: *const CoreHandle, functions: *const Dispatch) -> Self {
        // SAFETY: the core gives a table that ends with number 0.
        Self { handle, functions: unsafe { CoreFunctions::read(functions) } }
    }

    /// A value from this provider's section of the configuration file.
    pub(crate) fn setting(&self, name: &CStr) -> Option<String> {
        let get_params = self.functions.core_get_params?;
        let mut value: *const c_char = ptr::null();
        let mut params = [param::utf8_pointer(name, &mut value), END];
        // SAFETY: the list ends with END, and its one place outlives the call.
        if unsafe { get_params(self.handle, params.as_mut_ptr()) } != 1 || value.is_null() {
            return None;
        }
        // SAFETY: the core answered with a string of its own, which lives as long as the provider.
        Some(unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned())
    }

    /// Puts an error on the calling thread's queue.
    pub(crate) fn raise(&self, reason: Reason, text: &str) {
        self.raise_code(reason.code(), text);
    }

    /// Puts an error on the queue before `OSSL_provider_init` has returned: reasons of our own have no texts then.
    pub(crate) fn raise_during_init(&self, text: &str) {
        self.raise_code(errors::INIT_FAILED, text);
    }

    fn raise_code(&self, code: u32, text: &str) {
        let (Some(new_error), Some(set_error)) =
            (self.functions.core_new_error, self.functions.core_vset_error)
        else {
            return;
        };
        // SAFETY: the handle is the core's own.
        unsafe { new_error(self.handle) };
        if let Some(set_debug) = self.functions.core_set_error_debug {
            // SAFETY: the strings are constants.
            unsafe { set_debug(self.handle, c"hotspare".as_ptr(), 0, c"".as_ptr()) };
        }
        // Without a format the core never looks at the arguments: this stands in for an empty va_list, which is 24 bytes
        // on x86-64 and 32 on aarch64, both passed by address.
        let mut no_arguments = [0_u64; 4];
        // SAFETY: the format is null, so nothing is read through the argument list.
        unsafe { set_error(self.handle, code, ptr::null(), no_arguments.as_mut_ptr().cast()) };
        let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
        // SAFETY: both are strings; the call copies them. It adds to the error that was just made.
        unsafe { crate::ffi::libcrypto::ERR_add_error_txt(c"".as_ptr(), text.as_ptr()) };
    }
}
