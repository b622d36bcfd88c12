//! A library context of our own with one provider in it.

use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use hotspare_device::Curve;
use openssl_sys as ossl;

use crate::FallbackError;
use crate::ec::Group;
use crate::error_queue::ErrorMark;

/// The context, its provider, and what is made once from it. Shared by the software path and by every key prepared
/// with it: the last to go frees it.
///
/// It reads no configuration file, and everything is fetched with the query `provider=NAME`, so that whatever an
/// administrator prefers elsewhere (Hotspare itself above all), what is found here is that provider's.
pub(crate) struct Library {
    // Dropped before the context that it belongs to.
    p256: Group,
    properties: CString,
    context: LoadedContext,
}

/// A library context and the provider loaded in it.
struct LoadedContext {
    context: NonNull<ossl::OSSL_LIB_CTX>,
    provider: Option<NonNull<ossl::OSSL_PROVIDER>>,
}

// SAFETY: OpenSSL's library contexts and providers may be used by many threads at once; they lock inside.
unsafe impl Send for LoadedContext {}
// SAFETY: as above.
unsafe impl Sync for LoadedContext {}

impl Library {
    /// Makes the context and loads the provider.
    pub(crate) fn open(provider: &str) -> Result<Self, FallbackError> {
        let mark = ErrorMark::new();
        let failed = |why: String| FallbackError::Provider { provider: provider.to_owned(), why };
        let no_name = |_| failed("a provider's name has no NUL bytes".to_owned());
        let name = CString::new(provider).map_err(no_name)?;
        let properties = CString::new(format!("provider={provider}")).map_err(no_name)?;

        let context = LoadedContext::load(&name).ok_or_else(|| failed(mark.reason()))?;
        let p256 =
            Group::new(context.context, &properties, Curve::P256).map_err(|error| error.explain(&mark))?;
        Ok(Self { p256, properties, context })
    }

    /// The context, for calls.
    pub(crate) fn context(&self) -> *mut ossl::OSSL_LIB_CTX {
        self.context.context.as_ptr()
    }

    /// The property query for every fetch.
    pub(crate) fn properties(&self) -> &CStr {
        &self.properties
    }

    /// The group of `curve`.
    pub(crate) fn group(&self, curve: Curve) -> Option<&Group> {
        match curve {
            Curve::P256 => Some(&self.p256),
            _ => None,
        }
    }
}

impl LoadedContext {
    fn load(name: &CStr) -> Option<Self> {
        // SAFETY: no arguments. A context made so reads no configuration file.
        let context = NonNull::new(unsafe { ossl::OSSL_LIB_CTX_new() })?;
        let mut loaded = Self { context, provider: None };
        // SAFETY: the context is valid and `name` a C string. Loading a provider by name also keeps OpenSSL from
        // activating its default one beside it.
        loaded.provider = NonNull::new(unsafe { ossl::OSSL_PROVIDER_load(context.as_ptr(), name.as_ptr()) });
        loaded.provider?;
        Some(loaded)
    }
}

impl Drop for LoadedContext {
    fn drop(&mut self) {
        // SAFETY: both are ours alone: whoever uses objects of this context holds an `Arc<Library>`, and this is the
        // end of the last. The provider goes before its context.
        unsafe {
            if let Some(provider) = self.provider {
                ossl::OSSL_PROVIDER_unload(provider.as_ptr());
            }
            ossl::OSSL_LIB_CTX_free(self.context.as_ptr());
        }
    }
}
