//! A few ready contexts for one operation, with one key or to import keys. A context serves one thread at a time; making one costs
//! a fetch and several allocations.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

use openssl_sys::EVP_PKEY_CTX;

use crate::failure::Failure;
use crate::pkey::Context;

/// How many contexts are kept. More threads than this at once on one key make contexts of their own and free them.
const KEPT: usize = 8;

/// The pool. Each taking or giving back is one atomic exchange, so there is no state between that a fork in another
/// thread could leave to the child: the most that is lost to it is a context.
pub(crate) struct ContextPool {
    slots: [AtomicPtr<EVP_PKEY_CTX>; KEPT],
}

impl ContextPool {
    pub(crate) const fn new() -> Self {
        Self { slots: [const { AtomicPtr::new(ptr::null_mut()) }; KEPT] }
    }

    /// Runs `operation` with a kept context, or with a new one from `make`. A context whose operation failed is not
    /// kept.
    pub(crate) fn with<T>(
        &self,
        make: impl FnOnce() -> Result<Context, Failure>,
        operation: impl FnOnce(&mut Context) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut context = match self.take() {
            Some(context) => context,
            None => make()?,
        };
        let result = operation(&mut context)?;
        self.give_back(context);
        Ok(result)
    }

    fn take(&self) -> Option<Context> {
        // The load before each exchange keeps threads that find a slot empty from writing to its cache line.
        // Acquire: what the thread that gave it back wrote to the context is seen.
        self.slots.iter().filter(|slot| !slot.load(Ordering::Relaxed).is_null()).find_map(|slot| {
            let raw = NonNull::new(slot.swap(ptr::null_mut(), Ordering::Acquire))?;
            // SAFETY: only `give_back` fills slots, from `Context::into_raw`; the exchange made us its only owner.
            Some(unsafe { Context::from_raw(raw) })
        })
    }

    fn give_back(&self, context: Context) {
        let raw = context.into_raw();
        for slot in &self.slots {
            // Release: see `take`.
            let empty = slot.load(Ordering::Relaxed).is_null();
            if empty
                && slot
                    .compare_exchange(ptr::null_mut(), raw.as_ptr(), Ordering::Release, Ordering::Relaxed)
                    .is_ok()
            {
                return;
            }
        }
        // SAFETY: it went into no slot, so it is still ours alone.
        drop(unsafe { Context::from_raw(raw) });
    }
}

impl Default for ContextPool {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ContextPool {
    fn drop(&mut self) {
        while let Some(context) = self.take() {
            drop(context);
        }
    }
}
