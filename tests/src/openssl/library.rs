//! Library contexts, and who computes in them.

use std::ffi::{CStr, CString};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use openssl_sys as ossl;

use super::error::{OpensslError, check};
use super::ffi;

/// A library context of its own, as a server has it, or the process's default one.
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
        let library = Self::empty();
        // SAFETY: the context and the string are valid.
        check("loading a configuration", unsafe {
            ffi::OSSL_LIB_CTX_load_config(library.as_ptr(), file.as_ptr())
        })?;
        Ok(library)
    }

    /// Makes one without any provider.
    ///
    /// # Panics
    /// If there is no memory.
    #[must_use]
    pub fn empty() -> Self {
        // SAFETY: no arguments.
        Self(NonNull::new(unsafe { ossl::OSSL_LIB_CTX_new() }).unwrap())
    }

    /// The process's default one, which OpenSSL cleans up when the process exits.
    ///
    /// # Panics
    /// If OpenSSL can't be initialised.
    #[must_use]
    pub fn of_the_process() -> Self {
        // SAFETY: no arguments. Freeing what it gives does nothing.
        Self(NonNull::new(unsafe { ffi::OSSL_LIB_CTX_get0_global_default() }).unwrap())
    }

    /// Loads the provider with this name, a built-in one or the module `folder/name.so`. It is unloaded when what this gives
    /// is dropped.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn load_provider(self: &Arc<Self>, folder: &Path, name: &str) -> Result<Provider, OpensslError> {
        let folder = CString::new(folder.to_str().unwrap()).unwrap();
        let name = CString::new(name).unwrap();
        // SAFETY: the context and the strings are valid.
        let provider = unsafe {
            check(
                "the folder of modules",
                ossl::OSSL_PROVIDER_set_default_search_path(self.as_ptr(), folder.as_ptr()),
            )?;
            ossl::OSSL_PROVIDER_load(self.as_ptr(), name.as_ptr())
        };
        match NonNull::new(provider) {
            Some(provider) => Ok(Provider { provider, _library: Arc::clone(self) }),
            None => Err(OpensslError::of("loading a provider")),
        }
    }

    /// Whether a provider is active in it. A module that can't be loaded is no error of loading the configuration.
    #[must_use]
    pub fn has_provider(&self, name: &str) -> bool {
        let name = CString::new(name).unwrap();
        // SAFETY: the context and the string are valid.
        unsafe { ffi::OSSL_PROVIDER_available(self.as_ptr(), name.as_ptr()) == 1 }
    }

    /// The library context as OpenSSL has it.
    #[must_use]
    pub fn as_ptr(&self) -> *mut ossl::OSSL_LIB_CTX {
        self.0.as_ptr()
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: keys and operations hold an `Arc` of this, so this is its last use.
        unsafe { ossl::OSSL_LIB_CTX_free(self.as_ptr()) };
    }
}

/// A provider that was loaded into a library context.
#[derive(Debug)]
pub struct Provider {
    provider: NonNull<ossl::OSSL_PROVIDER>,
    _library: Arc<Library>,
}

// SAFETY: a loaded provider may be unloaded by any thread.
unsafe impl Send for Provider {}
// SAFETY: a shared one can't be used for anything.
unsafe impl Sync for Provider {}

impl Drop for Provider {
    fn drop(&mut self) {
        // SAFETY: it was loaded once for this, and its library context lives.
        unsafe { ossl::OSSL_PROVIDER_unload(self.provider.as_ptr()) };
    }
}

/// Who computes: one provider of a library context.
#[derive(Debug, Clone)]
pub struct Side {
    library: Arc<Library>,
    provider: &'static str,
    /// Another one may compute instead.
    only_preferred: bool,
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
        Self { library: Arc::clone(library), provider, only_preferred: false, properties }
    }

    /// The provider with this name if it is active at the moment, otherwise any other one: as an application has it that
    /// prefers a provider.
    ///
    /// # Panics
    /// If the name has a NUL byte.
    #[must_use]
    pub fn preferring(library: &Arc<Library>, provider: &'static str) -> Self {
        let properties = CString::new(format!("?provider={provider}")).unwrap();
        Self { library: Arc::clone(library), provider, only_preferred: true, properties }
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
        if self.only_preferred {
            return;
        }
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
