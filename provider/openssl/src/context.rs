//! A provider context: what one loading of the provider into one library context owns.

use std::ffi::c_void;
use std::sync::Arc;

use hotspare_device::{Output, Request};
use hotspare_offload::{Error, Offload};
use once_cell::race::OnceRef;

use crate::core::Core;
use crate::core::errors::Reason;
use crate::job;
use crate::settings::Settings;
use crate::software::Software;

/// What one loading of the provider owns. Keys and operations hold it, so it outlives the provider's teardown when
/// OpenSSL lets some of them live longer.
pub(crate) struct Context {
    offload: Offload,
    // Found at the first use.
    software: OnceRef<'static, Software>,
    fallback_provider: String,
    core: Core,
}

/// Why the hardware path has no result for the caller.
pub(crate) enum Refused {
    /// The input can't be computed, or not here: the software path computes it, or says why not in the installed OpenSSL's words.
    Invalid,
    /// The error is on the queue.
    Raised,
}

impl Context {
    /// A context with these settings. Touches nothing: no thread, socket, mapping or library context is made.
    pub(crate) fn new(core: Core, settings: Settings) -> Self {
        let fallback_provider = settings.offload.fallback_provider.clone();
        Self { offload: Offload::new(settings.offload), software: OnceRef::new(), fallback_provider, core }
    }

    /// Another handle for the context that OpenSSL holds.
    ///
    /// # Safety
    /// `pointer` was made by [`Self::into_raw`] and has not been given back to [`Self::from_raw`].
    pub(crate) unsafe fn share(pointer: *mut c_void) -> Arc<Self> {
        let pointer: *const Self = pointer.cast_const().cast();
        // SAFETY: the handle that `into_raw` leaked is still counted.
        unsafe { Arc::increment_strong_count(pointer) };
        // SAFETY: the count was just raised for this handle.
        unsafe { Arc::from_raw(pointer) }
    }

    /// The pointer that OpenSSL keeps.
    pub(crate) fn into_raw(self: Arc<Self>) -> *mut c_void {
        Arc::into_raw(self).cast_mut().cast()
    }

    /// Takes back what [`Self::into_raw`] gave.
    ///
    /// # Safety
    /// `pointer` comes from [`Self::into_raw`], and nobody uses it any more.
    pub(crate) unsafe fn from_raw(pointer: *mut c_void) -> Arc<Self> {
        // SAFETY: the caller gives back the leaked handle.
        unsafe { Arc::from_raw(pointer.cast_const().cast()) }
    }

    /// Our side of OpenSSL's core.
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// Where requests go.
    pub(crate) fn offload(&self) -> &Offload {
        &self.offload
    }

    /// The provider that computes whatever is not offloaded. With an error on the queue if there is none.
    pub(crate) fn software(&self) -> Option<&'static Software> {
        match self.software.get_or_try_init(|| Software::of(&self.fallback_provider)) {
            Ok(software) => Some(software),
            Err(error) => {
                self.core.raise(Reason::SoftwareProvider, &error.to_string());
                None
            }
        }
    }

    /// Has `request` computed, and waits for it. In an ASYNC job the wait is a pause, which may last for ever: the caller's frames own
    /// nothing that must be freed or wiped (`crate::job`).
    pub(crate) fn execute(&self, request: Request) -> Result<Output, Refused> {
        job::execute(&self.offload, request).map_err(|error| self.refuse(error))
    }

    /// The same for a caller that owns something meanwhile. He has it back if the result is good.
    pub(crate) fn execute_with<T: Send + 'static>(
        &self,
        request: Request,
        held: T,
    ) -> Result<(Output, T), Refused> {
        let (result, held) = job::execute_with(&self.offload, request, held);
        match (result, held) {
            (Ok(output), Some(held)) => Ok((output, held)),
            (Ok(_), None) => Err(Refused::Invalid),
            (Err(error), _) => Err(self.refuse(error)),
        }
    }

    fn refuse(&self, error: Error) -> Refused {
        match error {
            // A child has resumed a job of its parent's: it computes for itself.
            Error::Invalid(_) | Error::Forked => Refused::Invalid,
            Error::HardwareRequired => {
                self.core.raise(Reason::HardwareRequired, "see `hotspare status`");
                Refused::Raised
            }
            other => {
                self.core.raise(Reason::Software, &other.to_string());
                Refused::Raised
            }
        }
    }
}
