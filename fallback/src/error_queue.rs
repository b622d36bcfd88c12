//! OpenSSL's error queue of this thread: read for our messages, and left to the caller as it was.

use std::ffi::{CStr, c_char, c_int, c_ulong};
use std::ptr;

use openssl_sys as ossl;

use crate::ffi;

/// A mark in the queue. What is pushed while it lives is ours, and is taken off when it is dropped.
pub(crate) struct ErrorMark {
    before: Newest,
}

impl ErrorMark {
    pub(crate) fn new() -> Self {
        // With an empty queue there is no entry to mark: it answers 0, and popping later empties the queue again,
        // which is what we want.
        // SAFETY: no arguments; it works on this thread's queue.
        unsafe { ffi::ERR_set_mark() };
        Self { before: Newest::read() }
    }

    /// The newest entry since the mark, in words.
    pub(crate) fn reason(&self) -> String {
        let Some(newest) = self.before.since() else { return "OpenSSL gives no reason".to_owned() };
        // SAFETY: the function takes any code; its result is null or a static string.
        let reason = unsafe { text(ossl::ERR_reason_error_string(newest.code)) };
        let reason = reason.unwrap_or_else(|| format!("error {:08x}", newest.code));
        // SAFETY: `data` is null or a string that the queue's entry owns. The entry is this thread's and nothing was
        // called since it was read that could take it off.
        match unsafe { text(newest.data) } {
            Some(data) if !data.is_empty() => format!("{reason} ({data})"),
            _ => reason,
        }
    }
}

impl Drop for ErrorMark {
    fn drop(&mut self) {
        // SAFETY: no arguments; it works on this thread's queue.
        unsafe { ffi::ERR_pop_to_mark() };
    }
}

/// The newest entry of the queue at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newest {
    code: c_ulong,
    // With the code, what tells two entries apart; never read through.
    file: *const c_char,
    line: c_int,
    data: *const c_char,
}

impl Newest {
    pub(crate) fn read() -> Self {
        let (mut file, mut line, mut data) = (ptr::null(), 0, ptr::null());
        // SAFETY: the places are valid for writing; those that are null are not written.
        let code = unsafe {
            ffi::ERR_peek_last_error_all(&mut file, &mut line, ptr::null_mut(), &mut data, ptr::null_mut())
        };
        Self { code, file, line, data }
    }

    /// OpenSSL's library and reason of the newest entry, if one was pushed since this one was read.
    pub(crate) fn code_since(&self) -> Option<(c_int, c_int)> {
        self.since().map(|newest| (ossl::ERR_GET_LIB(newest.code), ossl::ERR_GET_REASON(newest.code)))
    }

    fn since(&self) -> Option<Self> {
        let newest = Self::read();
        (newest.code != 0 && newest != *self).then_some(newest)
    }
}

/// # Safety
/// `string` is null or a C string that lives for the time of the call.
unsafe fn text(string: *const c_char) -> Option<String> {
    if string.is_null() {
        return None;
    }
    // SAFETY: not null, and a C string by this function's contract.
    Some(unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned())
}
