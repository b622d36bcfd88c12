//! OpenSSL's errors.

use std::ffi::{CStr, c_int};
use std::fmt;
use std::ptr;

use openssl_sys as ossl;

/// What failed, with everything that OpenSSL's error queue had to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpensslError {
    what: String,
    queue: Vec<String>,
}

impl OpensslError {
    /// The failure of `what`; the queue is empty then.
    #[must_use]
    pub fn of(what: impl Into<String>) -> Self {
        let mut queue = Vec::new();
        loop {
            let (mut data, mut flags) = (ptr::null(), 0);
            // SAFETY: the places are valid or null; `data` is null or a string until the next error is pushed.
            unsafe {
                let code = ossl::ERR_get_error_all(
                    ptr::null_mut(),
                    ptr::null_mut(),
                    ptr::null_mut(),
                    &mut data,
                    &mut flags,
                );
                if code == 0 {
                    break;
                }
                let reason = ossl::ERR_reason_error_string(code);
                let text = |string| CStr::from_ptr(string).to_string_lossy().into_owned();
                let reason = if reason.is_null() { format!("{code:08x}") } else { text(reason) };
                queue.push(if data.is_null() { reason } else { format!("{reason} ({})", text(data)) });
            }
        }
        Self { what: what.into(), queue }
    }
}

impl fmt::Display for OpensslError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.queue.join("; "))
    }
}

impl std::error::Error for OpensslError {}

/// An error unless OpenSSL said 1.
pub(crate) fn check(what: &str, code: c_int) -> Result<(), OpensslError> {
    if code == 1 { Ok(()) } else { Err(OpensslError::of(what)) }
}
