//! A few ready things of OpenSSL's, each for one thread at a time: contexts for one operation with one key, contexts that import
//! keys, keys of the other side. Making one costs fetches and allocations.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::failure::Failure;
use crate::pkey::Context;

/// How many are kept. More threads than this at once make their own and free them.
const KEPT: usize = 8;

/// What a pool can keep.
pub(crate) trait Pooled: Send {
    /// OpenSSL's name for it.
    type Raw;

    /// Gives up ownership.
    fn into_raw(self) -> NonNull<Self::Raw>;

    /// Takes ownership again.
    ///
    /// # Safety
    /// `raw` is from [`Self::into_raw`], and taken only once.
    unsafe fn from_raw(raw: NonNull<Self::Raw>) -> Self;
}

/// The pool. Each taking or giving back is one atomic exchange, so there is no state between that a fork in another
/// thread could leave to the child: the most that is lost to it is one of the things.
pub(crate) struct Pool<T: Pooled> {
    slots: [AtomicPtr<T::Raw>; KEPT],
}

/// Of contexts.
pub(crate) type ContextPool = Pool<Context>;

impl<T: Pooled> Pool<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: [const { AtomicPtr::new(ptr::null_mut()) }; KEPT] }
    }

    /// Runs `operation` with a kept one, or with a new one from `make`. One whose operation failed is not kept.
    pub(crate) fn with<R>(
        &self,
        make: impl FnOnce() -> Result<T, Failure>,
        operation: impl FnOnce(&mut T) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let mut pooled = match self.take() {
            Some(pooled) => pooled,
            None => make()?,
        };
        let result = operation(&mut pooled)?;
        self.give_back(pooled);
        Ok(result)
    }

    fn take(&self) -> Option<T> {
        // The load before each exchange keeps threads that find a slot empty from writing to its cache line.
        // Acquire: what the thread that gave it back wrote to it is seen.
        self.slots.iter().filter(|slot| !slot.load(Ordering::Relaxed).is_null()).find_map(|slot| {
            let raw = NonNull::new(slot.swap(ptr::null_mut(), Ordering::Acquire))?;
            // SAFETY: only `give_back` fills slots, from `into_raw`; the exchange made us its only owner.
            Some(unsafe { T::from_raw(raw) })
        })
    }

    fn give_back(&self, pooled: T) {
        let raw = pooled.into_raw();
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
        drop(unsafe { T::from_raw(raw) });
    }
}

impl<T: Pooled> Default for Pool<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Pooled> Drop for Pool<T> {
    fn drop(&mut self) {
        while let Some(pooled) = self.take() {
            drop(pooled);
        }
    }
}
