//! The OpenSSL 3 provider of Hotspare, `hotspare.so`.
//!
//! It translates between OpenSSL and the offload, and decides nothing. `entry` is the way in from C, `provider` what is
//! offered; `keymgmt`, `signature`, `exchange` and `asymcipher` are the operations; `software` is OpenSSL's own provider, to
//! which everything goes that is not offloaded.

mod asymcipher;
mod capabilities;
mod context;
mod core;
mod digest;
mod entry;
mod exchange;
mod ffi;
mod job;
mod keymgmt;
mod log;
mod operation;
mod provider;
mod random;
mod settings;
mod signature;
mod software;

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use crate::context::Context;
use crate::core::Core;
use crate::ffi::types::{CoreHandle, Dispatch};
use crate::settings::Settings;

/// What OpenSSL calls when it loads the provider into a library context. Reads the configuration and makes nothing else: a
/// server may fork at any time after this.
///
/// # Safety
/// The arguments are those of provider-base(7).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_provider_init(
    handle: *const c_void,
    functions: *const c_void,
    ours: *mut *const c_void,
    context: *mut *mut c_void,
) -> c_int {
    entry::guard(0, || {
        // SAFETY: OpenSSL passes its handle and its functions; a context is torn down before them.
        let core = unsafe { Core::new(handle.cast::<CoreHandle>(), functions.cast::<Dispatch>()) };
        let mut settings = Settings::default();
        let result = settings.read(&core);
        log::enable(settings.log);
        if let Err(error) = result {
            // OpenSSL does not tell anybody when a provider of its configuration file does not load: the log does.
            tracing::error!("hotspare is not loaded: {error}");
            core.raise_during_init(&format!("hotspare: {error}"));
            return 0;
        }
        // SAFETY: OpenSSL's places for the answers.
        unsafe { *ours = provider::FUNCTIONS.0.as_ptr().cast() };
        // SAFETY: as above.
        unsafe { *context = Arc::new(Context::new(core, settings)).into_raw() };
        1
    })
}
