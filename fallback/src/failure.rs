//! Failures inside this crate, before OpenSSL's reason is read from its error queue.

use hotspare_device::InvalidRequest;

use crate::FallbackError;
use crate::error_queue::ErrorMark;

/// Why an operation has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The caller's own error.
    Invalid(InvalidRequest),
    /// OpenSSL refused; the reason is in its error queue.
    OpenSsl(&'static str),
}

impl Failure {
    /// With OpenSSL's reason, as the newest entry since `mark` gives it.
    pub(crate) fn explain(self, mark: &ErrorMark) -> FallbackError {
        match self {
            Self::Invalid(error) => FallbackError::Invalid(error),
            Self::OpenSsl(what) => FallbackError::Library { what, why: mark.reason() },
        }
    }
}

impl From<InvalidRequest> for Failure {
    fn from(error: InvalidRequest) -> Self {
        Self::Invalid(error)
    }
}

/// An error if `code`, OpenSSL's answer, is not 1.
pub(crate) fn check(what: &'static str, code: std::ffi::c_int) -> Result<(), Failure> {
    if code == 1 { Ok(()) } else { Err(Failure::OpenSsl(what)) }
}
