//! A library context of our own with one provider in it.

use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use hotspare_device::Curve;
use once_cell::race::OnceBox;
use openssl_sys as ossl;

use crate::FallbackError;
use crate::ec::{Group, unknown_curve};
use crate::error_queue::ErrorMark;
use crate::failure::Failure;
use crate::pkey::Makers;
use crate::section::{self, Unloaded};

/// The context, its provider, and what is made once from it: one for each provider's name in a process, never freed.
///
/// OpenSSL frees its random generators of a thread when that thread ends, and crashes if their library context is freed
/// at that moment by another thread (seen with 3.0). Who uses Hotspare can't keep its threads from ending while keys or
/// provider are freed, so what threads have used stays.
///
/// It reads no configuration file as a whole (see [`section`]), and everything is fetched with the query `provider=NAME`, so that whatever an
/// administrator prefers elsewhere (Hotspare itself above all), what is found here is that provider's.
pub(crate) struct Library {
    // Dropped before the context that they belong to.
    groups: [OnceBox<Group>; Curve::ALL.len()],
    makers: Makers,
    properties: CString,
    in_libcrypto: bool,
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

/// OpenSSL's provider that is part of libcrypto, and needs no parameters.
const IN_LIBCRYPTO: &CStr = c"default";

/// The libraries of this process: a list that only grows. Nobody waits for anybody: if two threads come at once, both
/// open a library and one is kept.
static FIRST: OnceBox<Node> = OnceBox::new();

struct Node {
    provider: String,
    library: Library,
    next: OnceBox<Node>,
}

impl Library {
    /// The library of the provider with this name, opened at the first call.
    pub(crate) fn of(provider: &str) -> Result<&'static Self, FallbackError> {
        let mut place = &FIRST;
        let mut opened = None;
        loop {
            match (place.get(), opened.take()) {
                (Some(node), _) if node.provider == provider => return Ok(&node.library),
                (Some(node), unused) => (place, opened) = (&node.next, unused),
                (None, None) => opened = Some(Box::new(Node::open(provider)?)),
                // Whoever comes first is kept. A library that is not kept was used by this thread alone, which is
                // there to free it.
                (None, Some(node)) => opened = place.set(node).err(),
            }
        }
    }

    fn open(provider: &str) -> Result<Self, FallbackError> {
        let mark = ErrorMark::new();
        let failed = |why: String| FallbackError::Provider { provider: provider.to_owned(), why };
        let no_name = |_| failed("a provider's name has no NUL bytes".to_owned());
        let name = CString::new(provider).map_err(no_name)?;
        let properties = CString::new(format!("provider={provider}")).map_err(no_name)?;

        let context = LoadedContext::load(&name).map_err(|unloaded| {
            failed(match unloaded {
                Unloaded::OpenSsl => mark.reason(),
                Unloaded::Line(name) => {
                    format!("OpenSSL's configuration: the value of {name} has control characters")
                }
            })
        })?;
        Ok(Self {
            groups: [const { OnceBox::new() }; Curve::ALL.len()],
            makers: Makers::default(),
            properties,
            in_libcrypto: *name == *IN_LIBCRYPTO,
            context,
        })
    }

    /// The context, for calls.
    pub(crate) fn context(&self) -> *mut ossl::OSSL_LIB_CTX {
        self.context.context.as_ptr()
    }

    /// What makes keys.
    pub(crate) fn makers(&self) -> &Makers {
        &self.makers
    }

    /// Whether the provider's code is libcrypto's own, so that what libcrypto computes is computed by the provider.
    pub(crate) fn is_in_libcrypto(&self) -> bool {
        self.in_libcrypto
    }

    /// The property query for every fetch.
    pub(crate) fn properties(&self) -> &CStr {
        &self.properties
    }

    /// The group of `curve`, made at the first call. If two threads come at once, both make one and one is kept.
    pub(crate) fn group(&self, curve: Curve) -> Result<&Group, Failure> {
        let places = Curve::ALL.iter().zip(&self.groups);
        let (_, place) = places.into_iter().find(|(one, _)| **one == curve).ok_or_else(unknown_curve)?;
        place.get_or_try_init(|| Ok(Box::new(Group::new(self.context.context, &self.properties, curve)?)))
    }
}

impl Node {
    fn open(provider: &str) -> Result<Self, FallbackError> {
        Ok(Self { provider: provider.to_owned(), library: Library::open(provider)?, next: OnceBox::new() })
    }
}

impl LoadedContext {
    fn load(name: &CStr) -> Result<Self, Unloaded> {
        // SAFETY: no arguments. A context made so reads no configuration file.
        let context = NonNull::new(unsafe { ossl::OSSL_LIB_CTX_new() }).ok_or(Unloaded::OpenSsl)?;
        let mut loaded = Self { context, provider: None };
        if name != IN_LIBCRYPTO {
            // SAFETY: the context is valid and known to nobody else yet.
            unsafe { section::load(context, name) }?;
        }
        // SAFETY: the context is valid and `name` a C string. Loading a provider by name also keeps OpenSSL from
        // activating its default one beside it.
        loaded.provider = NonNull::new(unsafe { ossl::OSSL_PROVIDER_load(context.as_ptr(), name.as_ptr()) });
        loaded.provider.ok_or(Unloaded::OpenSsl)?;
        Ok(loaded)
    }
}

impl Drop for LoadedContext {
    fn drop(&mut self) {
        // SAFETY: both are ours alone: this is a library that was not kept, or that could not be opened whole, so that
        // nothing else was made from it. The provider goes before its context.
        unsafe {
            if let Some(provider) = self.provider {
                ossl::OSSL_PROVIDER_unload(provider.as_ptr());
            }
            ossl::OSSL_LIB_CTX_free(self.context.as_ptr());
        }
    }
}
