//! Every request in software, through OpenSSL's own provider in a library context of its own.
//!
//! Implementations, keys and contexts are prepared once: an implementation at the first request, a key at its first
//! operation (it is kept with the key, [`hotspare_device::Key::prepared`]).

use hotspare_device::{Curve, InvalidRequest, Output, Request};

/// The software path. Creating it touches nothing; the library context is made at the first request.
pub struct Fallback {
    provider: String,
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
        Self { provider: provider.to_owned() }
    }

    /// Computes `request`; the result is written to `output`.
    ///
    /// # Errors
    /// [`FallbackError`]; `Invalid` is the caller's own error.
    pub fn execute(&self, request: &Request, output: &mut Output) -> Result<(), FallbackError> {
        let _ = (request, output, &self.provider);
        Err(FallbackError::Library { what: "fallback", why: "not built yet".into() })
    }

    /// Whether the point (`x`, `y`), big-endian, is on the curve (and so not at infinity).
    ///
    /// # Errors
    /// [`FallbackError`] if OpenSSL fails.
    pub fn is_on_curve(&self, curve: Curve, x: &[u8], y: &[u8]) -> Result<bool, FallbackError> {
        let _ = (curve, x, y);
        Ok(false)
    }
}
