//! Library contexts, and who computes in them.

use std::ffi::{CStr, CString};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use openssl_sys as ossl;

use super::error::{OpensslError, check};
use super::ffi;

/// A fresh library context with a configuration file loaded, as a server has it.
#[derive(Debug)]
pub struct Library(NonNull<ossl::OSSL_LIB_CTX>);

// SAFETY: a library context may be used by many threads at once; it locks inside.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    /// Makes one and loads `configuration`, which activates its providers.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn load(configuration: &Path) -> Result<Self, OpensslError> {
        let file = CString::new(configuration.to_str().unwrap()).unwrap();
        // SAFETY: no arguments.
        let library = Self(NonNull::new(unsafe { ossl::OSSL_LIB_CTX_new() }).unwrap());
        // SAFETY: the context and the string are valid.
        check("loading a configuration", unsafe {
            ffi::OSSL_LIB_CTX_load_config(library.as_ptr(), file.as_ptr())
        })?;
        Ok(library)
    }

    /// Whether a provider is active in it. A module that can't be loaded is no error of loading the configuration.
    #[must_use]
    pub fn has_provider(&self, name: &str) -> bool {
        let name = CString::new(name).unwrap();
        // SAFETY: the context and the string are valid.
        unsafe { ffi::OSSL_PROVIDER_available(self.as_ptr(), name.as_ptr()) == 1 }
    }

    pub(crate) fn as_ptr(&self) -> *mut ossl::OSSL_LIB_CTX {
        self.0.as_ptr()
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: keys and operations hold an `Arc` of this, so this is its last use.
        unsafe { ossl::OSSL_LIB_CTX_free(self.as_ptr()) };
    }
}

/// Who computes: one provider of a library context.
#[derive(Debug, Clone)]
pub struct Side {
    library: Arc<Library>,
    provider: &'static str,
    properties: CString,
}

impl Side {
    /// The provider with this name.
    ///
    /// # Panics
    /// If it is not active.
    #[must_use]
    pub fn new(library: &Arc<Library>, provider: &'static str) -> Self {
        assert!(
            library.has_provider(provider),
            "provider {provider} is not active: {}",
            OpensslError::of("loading")
        );
        let properties = CString::new(format!("provider={provider}")).unwrap();
        Self { library: Arc::clone(library), provider, properties }
    }

    /// Its library context.
    #[must_use]
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// The name of its provider.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    pub(crate) fn libctx(&self) -> *mut ossl::OSSL_LIB_CTX {
        self.library.as_ptr()
    }

    pub(crate) fn properties(&self) -> &CStr {
        &self.properties
    }

    /// Makes sure that an operation, which is begun, is this side's.
    ///
    /// # Safety
    /// `context` is valid, and its operation is begun.
    pub(crate) unsafe fn assert_computes(&self, context: *const ossl::EVP_PKEY_CTX) {
        // SAFETY: the context is valid by this function's contract; the provider and its name live as long as the
        // library context.
        let name = unsafe {
            let provider = ffi::EVP_PKEY_CTX_get0_provider(context);
            assert!(!provider.is_null(), "the operation is nobody's");
            CStr::from_ptr(ffi::OSSL_PROVIDER_get0_name(provider))
        };
        assert_eq!(name.to_str().unwrap(), self.provider, "another provider computes");
    }
}
