//! The software path of this face: OpenSSL's own provider, in a library context of our own.
//!
//! Its functions are called through its dispatch tables, as OpenSSL's core would call them
//! (`OSSL_PROVIDER_query_operation`, provider-base(7)). So whatever is not offloaded behaves as without us, error for
//! error, in whatever version of OpenSSL, and costs what it costs without us. The library context is our own, so that a
//! fetch in it never leads back to us, never waits for a configuration that is still being read, and never sees a
//! default property query that prefers us.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};

use once_cell::race::OnceBox;
use openssl_sys::{OSSL_LIB_CTX, OSSL_PROVIDER};

use crate::digest::{Digest, Digests};
use crate::ffi::functions::{AsymCipher, Keyexch, Keymgmt, Signature};
use crate::ffi::libcrypto;
use crate::ffi::names;
use crate::ffi::types::Dispatch;

/// OpenSSL's provider and what of it we pass operations to.
pub(crate) struct Software {
    pub(crate) rsa: Keymgmt,
    pub(crate) rsa_pss: Keymgmt,
    pub(crate) ec: Keymgmt,
    pub(crate) x25519: Keymgmt,
    pub(crate) x448: Keymgmt,
    pub(crate) dh: Keymgmt,
    pub(crate) dhx: Keymgmt,
    pub(crate) rsa_signature: Signature,
    pub(crate) ecdsa: Signature,
    pub(crate) ecdh: Keyexch,
    pub(crate) x25519_exchange: Keyexch,
    pub(crate) x448_exchange: Keyexch,
    pub(crate) dh_exchange: Keyexch,
    pub(crate) rsa_cipher: AsymCipher,
    digests: Digests,
    provider: Provider,
    library: Library,
}

/// Why there is no software path.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SoftwareError {
    /// No library context.
    #[error("OpenSSL gave no library context: {0}")]
    Library(String),
    /// The provider does not load.
    #[error("OpenSSL's provider `{name}` does not load: {why}; is it installed and configured?")]
    Provider { name: String, why: String },
    /// The provider lacks something that we pass on.
    #[error("OpenSSL's provider `{provider}` has no {operation} for {name}")]
    Missing { provider: String, operation: &'static str, name: &'static str },
}

static FIPS: OnceBox<Software> = OnceBox::new();
static DEFAULT: OnceBox<Software> = OnceBox::new();

impl Software {
    /// The software path through `provider` (`default`, `fips`), opened at the first call, without a lock that a fork could
    /// leave held: two threads may both open one, one is kept.
    ///
    /// It is never closed. OpenSSL frees a thread's random generators when that thread ends, and crashes if their library
    /// context is freed by another thread at that moment (seen with 3.0); who unloads a provider can't know of all
    /// threads that have used it.
    pub(crate) fn of(provider: &str) -> Result<&'static Self, SoftwareError> {
        let place = if provider == "fips" { &FIPS } else { &DEFAULT };
        place.get_or_try_init(|| Self::open(provider).map(Box::new))
    }

    /// Whichever is open, for questions that come without a provider context and have one answer from all of OpenSSL's providers.
    pub(crate) fn any() -> Option<&'static Self> {
        DEFAULT.get().or_else(|| FIPS.get()).or_else(|| Self::of("default").ok())
    }

    /// Loads `provider` into a new library context.
    fn open(provider: &str) -> Result<Self, SoftwareError> {
        let library = Library::new()?;
        let loaded = Provider::load(&library, provider)?;
        let table = |operation, what, name| {
            loaded.table(operation, name).ok_or(SoftwareError::Missing {
                provider: provider.to_owned(),
                operation: what,
                name,
            })
        };
        let keymgmt = |name| {
            // SAFETY: the table is that of a key manager.
            table(names::OP_KEYMGMT, "key management", name).map(|table| unsafe { Keymgmt::read(table) })
        };
        let signature = |name| {
            // SAFETY: the table is that of a signature.
            table(names::OP_SIGNATURE, "signature", name).map(|table| unsafe { Signature::read(table) })
        };
        let exchange = |name| {
            // SAFETY: the table is that of a key exchange.
            table(names::OP_KEYEXCH, "key exchange", name).map(|table| unsafe { Keyexch::read(table) })
        };
        let cipher = |name| {
            // SAFETY: the table is that of an asymmetric cipher.
            table(names::OP_ASYM_CIPHER, "asymmetric cipher", name)
                .map(|table| unsafe { AsymCipher::read(table) })
        };
        Ok(Self {
            rsa: keymgmt("RSA")?,
            rsa_pss: keymgmt("RSA-PSS")?,
            ec: keymgmt("EC")?,
            x25519: keymgmt("X25519")?,
            x448: keymgmt("X448")?,
            dh: keymgmt("DH")?,
            dhx: keymgmt("DHX")?,
            rsa_signature: signature("RSA")?,
            ecdsa: signature("ECDSA")?,
            ecdh: exchange("ECDH")?,
            x25519_exchange: exchange("X25519")?,
            x448_exchange: exchange("X448")?,
            dh_exchange: exchange("DH")?,
            rsa_cipher: cipher("RSA")?,
            digests: Digests::fetch(library.0.as_ptr()),
            provider: loaded,
            library,
        })
    }

    /// The provider's own context, which its functions take.
    pub(crate) fn context(&self) -> *mut c_void {
        self.provider.context
    }

    /// OpenSSL's provider, for its capabilities.
    pub(crate) fn provider(&self) -> *const OSSL_PROVIDER {
        self.provider.handle.as_ptr()
    }

    /// The library context, for what is fetched in it.
    pub(crate) fn library(&self) -> *mut OSSL_LIB_CTX {
        self.library.0.as_ptr()
    }

    /// Whether the provider is a validated one, whose every step is to be its own.
    pub(crate) fn is_validated(&self) -> bool {
        std::ptr::from_ref(self) != DEFAULT.get().map_or(ptr::null(), ptr::from_ref)
    }

    /// The digest with this name.
    pub(crate) fn digest(&self, name: &CStr) -> Option<Digest> {
        self.digests.find(name).or_else(|| Digest::fetch(self.library.0.as_ptr(), name))
    }

    /// Fills `buffer` with public random bytes (salts).
    pub(crate) fn random(&self, buffer: &mut [u8]) -> bool {
        let (data, length) = (buffer.as_mut_ptr(), buffer.len());
        // SAFETY: data and length are those of `buffer`.
        unsafe { libcrypto::RAND_bytes_ex(self.library.0.as_ptr(), data, length, 0) == 1 }
    }

    /// Fills `buffer` from the private random generator (nonces).
    pub(crate) fn private_random(&self, buffer: &mut [u8]) -> bool {
        let (data, length) = (buffer.as_mut_ptr(), buffer.len());
        // SAFETY: data and length are those of `buffer`.
        unsafe { libcrypto::RAND_priv_bytes_ex(self.library.0.as_ptr(), data, length, 0) == 1 }
    }
}

// SAFETY: library contexts, providers, fetched digests and functions of OpenSSL may be used from any thread.
unsafe impl Send for Software {}
// SAFETY: as above; nothing changes after `new`.
unsafe impl Sync for Software {}

/// A library context that we own. Dropped after everything that was made in it.
struct Library(NonNull<OSSL_LIB_CTX>);

impl Library {
    fn new() -> Result<Self, SoftwareError> {
        // SAFETY: takes no arguments.
        let context = unsafe { openssl_sys::OSSL_LIB_CTX_new() };
        NonNull::new(context).map(Self).ok_or_else(|| SoftwareError::Library(last_error()))
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: we own it; the provider in it was unloaded before (order of the fields of `Software`).
        unsafe { openssl_sys::OSSL_LIB_CTX_free(self.0.as_ptr()) };
    }
}

/// A provider that we loaded.
struct Provider {
    handle: NonNull<OSSL_PROVIDER>,
    context: *mut c_void,
}

impl Provider {
    fn load(library: &Library, name: &str) -> Result<Self, SoftwareError> {
        let c_name = CString::new(name).unwrap_or_default();
        // SAFETY: the context is alive, the name is a string.
        let handle = unsafe { openssl_sys::OSSL_PROVIDER_load(library.0.as_ptr(), c_name.as_ptr()) };
        let Some(handle) = NonNull::new(handle) else {
            return Err(SoftwareError::Provider { name: name.to_owned(), why: last_error() });
        };
        // SAFETY: the provider is loaded.
        let context = unsafe { libcrypto::OSSL_PROVIDER_get0_provider_ctx(handle.as_ptr()) };
        Ok(Self { handle, context })
    }

    /// The functions of the algorithm called `name`. They live as long as the provider is loaded.
    fn table(&self, operation: c_int, name: &str) -> Option<*const Dispatch> {
        let mut no_cache = 0;
        let provider = self.handle.as_ptr();
        // SAFETY: the provider is loaded.
        let list = unsafe { libcrypto::OSSL_PROVIDER_query_operation(provider, operation, &mut no_cache) };
        let mut found = None;
        let mut entry = list;
        // SAFETY: null, or an entry before the list's end, which has no name.
        while let Some(algorithm) = unsafe { entry.as_ref() }.filter(|algorithm| !algorithm.names.is_null()) {
            // SAFETY: the name is a string of the provider.
            if has_name(unsafe { CStr::from_ptr(algorithm.names) }, name) {
                found = Some(algorithm.implementation);
                break;
            }
            // SAFETY: this was not the last entry.
            entry = unsafe { entry.add(1) };
        }
        // SAFETY: the list is given back to who gave it.
        unsafe { libcrypto::OSSL_PROVIDER_unquery_operation(provider, operation, list) };
        found
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // SAFETY: we loaded it, and nothing of it is used any more.
        unsafe { openssl_sys::OSSL_PROVIDER_unload(self.handle.as_ptr()) };
    }
}

/// Whether `name` is one of `names`, which colons separate.
fn has_name(names: &CStr, name: &str) -> bool {
    names.to_bytes().split(|byte| *byte == b':').any(|one| one.eq_ignore_ascii_case(name.as_bytes()))
}

/// What OpenSSL said last.
fn last_error() -> String {
    let mut text = [0_u8; 256];
    // SAFETY: works on this thread's queue.
    let error = unsafe { openssl_sys::ERR_peek_last_error() };
    let buffer = text.as_mut_ptr().cast::<c_char>();
    // SAFETY: writes at most the given length, with a zero at the end.
    unsafe { libcrypto::ERR_error_string_n(error, buffer, text.len()) };
    CStr::from_bytes_until_nul(&text).unwrap_or_default().to_string_lossy().into_owned()
}

/// An object of OpenSSL's provider (a key, an operation), freed when dropped.
pub(crate) struct Object {
    pointer: NonNull<c_void>,
    free: Option<unsafe extern "C" fn(*mut c_void)>,
}

// SAFETY: OpenSSL may free and use its objects on another thread than the one that made them; who holds an `Object` makes
// sure that what changes it has it alone.
unsafe impl Send for Object {}
// SAFETY: as above: sharing gives only the pointer.
unsafe impl Sync for Object {}

impl Object {
    /// Takes what a function of the provider made.
    ///
    /// # Safety
    /// `pointer` is null or an object that we own, and `free` is what frees it.
    pub(crate) unsafe fn own(
        pointer: *mut c_void,
        free: Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> Option<Self> {
        NonNull::new(pointer).map(|pointer| Self { pointer, free })
    }

    /// For the provider's functions.
    pub(crate) fn as_ptr(&self) -> *mut c_void {
        self.pointer.as_ptr()
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: we own the object, and this is what frees it.
            unsafe { free(self.pointer.as_ptr()) };
        }
    }
}

/// A null key or context, where the provider's functions allow one.
pub(crate) const NOTHING: *mut c_void = ptr::null_mut();
