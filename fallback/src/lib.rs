//! Every request in software, through OpenSSL's own provider in a library context of its own.
//!
//! Implementations, keys and contexts are prepared once: an implementation at the first request, a key at its first
//! operation (it is kept with the key, [`hotspare_device::Key::prepared`]).
//!
//! Nothing of ours waits or holds a lock, so a fork finds nothing half-done of ours, and a child goes on with what its
//! parent prepared (the locks inside OpenSSL are as they are in every process that uses it). The library context has
//! random generators of its own, which OpenSSL seeds anew in a child. The caller's OpenSSL error queue and default
//! library context stay as they are.

mod der;
mod ec;
mod ecdsa;
mod error_queue;
mod failure;
mod ffi;
mod library;
mod mod_exp;
mod montgomery;
mod number;
mod params;
mod pkey;
mod pool;
mod prepared;
mod recovery;
mod rsa;
mod section;

use hotspare_device::{Curve, InvalidRequest, Output, Request};
use once_cell::race::OnceRef;

use error_queue::ErrorMark;
use failure::Failure;
use library::Library;

/// The software path. Creating it touches nothing; the library context is made at the first request in this process
/// that needs its provider, and stays.
pub struct Fallback {
    provider: String,
    library: OnceRef<'static, Library>,
}

/// Why software has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FallbackError {
    /// The caller's own error: nobody could compute this.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// The provider named in the configuration can't be used.
    #[error("fallback_provider `{provider}`: {why}")]
    Provider {
        /// Its name.
        provider: String,
        /// What OpenSSL said.
        why: String,
    },
    /// OpenSSL failed where it should not.
    #[error("{what}: {why}")]
    Library {
        /// What was tried.
        what: &'static str,
        /// What OpenSSL said.
        why: String,
    },
}

impl Fallback {
    /// A software path through the OpenSSL provider with this name (`default`, `fips`).
    #[must_use]
    pub fn new(provider: &str) -> Self {
        Self { provider: provider.to_owned(), library: OnceRef::new() }
    }

    /// Computes `request`; the result is written to `output`, which is empty after an error.
    ///
    /// # Errors
    /// [`FallbackError`]; `Invalid` is the caller's own error.
    pub fn execute(&self, request: &Request, output: &mut Output) -> Result<(), FallbackError> {
        let library = self.library()?;
        let mark = ErrorMark::new();
        output.wipe();
        let result = output
            .resize(request.output_length())
            .map_err(|_| Failure::OpenSsl("a result that is too long"))
            .and_then(|place| prepared::execute(library, request, place));
        result.map_err(|failure| {
            output.wipe();
            failure.explain(&mark)
        })
    }

    /// Whether the point (`x`, `y`), big-endian, is on the curve (and so not at infinity). A coordinate that is not
    /// below the field's prime is none of the curve's.
    ///
    /// # Errors
    /// [`FallbackError`] if a coordinate is not [`Curve::field_bytes`] long, or if OpenSSL fails.
    pub fn is_on_curve(&self, curve: Curve, x: &[u8], y: &[u8]) -> Result<bool, FallbackError> {
        let library = self.library()?;
        let mark = ErrorMark::new();
        ec::is_on_curve(library, curve, x, y).map_err(|failure| failure.explain(&mark))
    }

    fn library(&self) -> Result<&'static Library, FallbackError> {
        self.library.get_or_try_init(|| Library::of(&self.provider))
    }
}

impl std::fmt::Debug for Fallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "software path through provider {}", self.provider)
    }
}
