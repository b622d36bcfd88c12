//! What belongs to one process. A fork copies our memory but none of our threads, rings or locks, so a child must start
//! anew, and must not even look at its parent's. The kernel itself marks the border: what says "we have a context" lies in
//! a page that it wipes in every child (`MADV_WIPEONFORK`), whoever forked and however.
//!
//! Nothing is made before [`ProcessSlot::enter`] is called for the first time.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::thread::futex;

/// A place for this process's context of type `T`.
pub(crate) struct ProcessSlot<T> {
    page: AtomicPtr<Page<T>>,
}

/// Lies in a page of its own; all zero in a new process. Every field is an atomic, and zero is a valid state of each.
struct Page<T> {
    /// One of the states below.
    state: AtomicU32,
    /// How many threads are between reading `context` and having counted themselves as its users.
    entering: AtomicU32,
    /// An `Arc<T>` as a raw pointer, or null.
    context: AtomicPtr<T>,
    /// Not zero in the process that made the page or entered it first.
    marker: AtomicU32,
}

/// Nobody has entered.
const FRESH: u32 = 0;
/// One thread is making the context; the others wait.
const STARTING: u32 = 1;
/// The context is there.
const READY: u32 = 2;
/// It was closed, and there will be none again in this process.
const CLOSED: u32 = 3;

/// Length of the mapping: the smallest that the kernel wipes.
const PAGE_BYTES: usize = 4096;

/// Tells whether the process is still the one in which it was made.
#[derive(Clone, Copy)]
pub(crate) struct Home(NonNull<AtomicU32>);

// SAFETY: it points to an atomic in a mapping that is never unmapped.
unsafe impl Send for Home {}
// SAFETY: as above.
unsafe impl Sync for Home {}

impl Home {
    /// False in every child of a fork.
    pub(crate) fn is_here(self) -> bool {
        // SAFETY: the pointer is to a field of a `Page`, whose mapping is never unmapped.
        unsafe { self.0.as_ref() }.load(Ordering::Relaxed) != 0
    }
}

/// A child of a fork has inherited a reference to what is its parent's: it is never dropped.
pub(crate) fn forget<T>(parents: Arc<T>) {
    let _ = std::mem::ManuallyDrop::new(parents);
}

impl<T: Send + Sync> ProcessSlot<T> {
    pub(crate) const fn new() -> Self {
        Self { page: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// This process's context, made by `start` if it is the first to enter. None if it was closed, or can't be made (out of
    /// memory): the caller goes on without.
    pub(crate) fn enter(&self, start: impl FnOnce(Home) -> Option<Arc<T>>) -> Option<Arc<T>> {
        let page = self.page()?;
        loop {
            if let Some(context) = page.users_context() {
                return Some(context);
            }
            match page.state.compare_exchange(FRESH, STARTING, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return page.start(start),
                // `start` has bounds of its own, so this wait has one.
                Err(STARTING) => {
                    let _ = futex::wait(&page.state, futex::Flags::PRIVATE, STARTING, None);
                }
                Err(READY) => std::hint::spin_loop(),
                Err(_) => return None,
            }
        }
    }

    /// The context, if this process has one; makes none.
    pub(crate) fn current(&self) -> Option<Arc<T>> {
        let page = NonNull::new(self.page.load(Ordering::Acquire))?;
        // SAFETY: a page, once stored, is never unmapped.
        unsafe { page.as_ref() }.users_context()
    }

    /// Takes the context out for good. None if this process has none, or it was taken before.
    pub(crate) fn close(&self) -> Option<Arc<T>> {
        let page = NonNull::new(self.page.load(Ordering::Acquire))?;
        // SAFETY: a page, once stored, is never unmapped.
        let page = unsafe { page.as_ref() };
        // A start that is under way has bounds of its own; what it makes must not outlive the close.
        while page.state.load(Ordering::Acquire) == STARTING {
            let _ = futex::wait(&page.state, futex::Flags::PRIVATE, STARTING, None);
        }
        let context = page.context.swap(std::ptr::null_mut(), Ordering::SeqCst);
        page.state.store(CLOSED, Ordering::Release);
        let context = NonNull::new(context)?;
        // Who read the pointer before the swap counts itself as a user within a few instructions, without any wait.
        while page.entering.load(Ordering::SeqCst) != 0 {
            std::thread::yield_now();
        }
        // SAFETY: the pointer came from `Arc::into_raw` in `start`, and the swap gave this one reference to us alone.
        Some(unsafe { Arc::from_raw(context.as_ptr()) })
    }

    fn page(&self) -> Option<&Page<T>> {
        let existing = self.page.load(Ordering::Acquire);
        let page = if existing.is_null() { self.install_page()? } else { NonNull::new(existing)? };
        // SAFETY: a page, once stored, is never unmapped: `Home`s point to it, and it is one page for each `Offload`.
        Some(unsafe { page.as_ref() })
    }

    fn install_page(&self) -> Option<NonNull<Page<T>>> {
        const { assert!(size_of::<Page<T>>() <= PAGE_BYTES) };
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice disturbs no memory of ours.
        let base = unsafe {
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), PAGE_BYTES, protection, MapFlags::PRIVATE)
        };
        let base = base.ok()?;
        // SAFETY: the range is the mapping just made.
        let advised = unsafe { rustix::mm::madvise(base, PAGE_BYTES, Advice::LinuxWipeOnFork) };
        let ours: *mut Page<T> = base.cast();
        let stored =
            self.page.compare_exchange(std::ptr::null_mut(), ours, Ordering::AcqRel, Ordering::Acquire);
        if let (Ok(()), Ok(_)) = (advised, stored) {
            return NonNull::new(ours);
        }
        // SAFETY: the mapping is ours, and nobody has seen it.
        let _ = unsafe { rustix::mm::munmap(base, PAGE_BYTES) };
        stored.err().and_then(NonNull::new)
    }
}

impl<T> Page<T> {
    fn users_context(&self) -> Option<Arc<T>> {
        // SeqCst with the swap in `close`: either it sees us entering, or we see its null.
        self.entering.fetch_add(1, Ordering::SeqCst);
        let context = NonNull::new(self.context.load(Ordering::SeqCst));
        let context = context.map(|context| {
            // SAFETY: the pointer came from `Arc::into_raw`; the page's own reference can't go before `entering` is zero.
            unsafe {
                Arc::increment_strong_count(context.as_ptr());
                Arc::from_raw(context.as_ptr())
            }
        });
        self.entering.fetch_sub(1, Ordering::SeqCst);
        context
    }

    fn start(&self, start: impl FnOnce(Home) -> Option<Arc<T>>) -> Option<Arc<T>> {
        // Should `start` fail, or panic, the next who enters tries again.
        struct Reset<'a>(&'a AtomicU32, u32);
        impl Drop for Reset<'_> {
            fn drop(&mut self) {
                self.0.store(self.1, Ordering::Release);
                let _ = futex::wake(self.0, futex::Flags::PRIVATE, u32::MAX >> 1);
            }
        }
        let mut outcome = Reset(&self.state, FRESH);
        self.marker.store(1, Ordering::Relaxed);
        let context = start(Home(NonNull::from(&self.marker)))?;
        self.context.store(Arc::into_raw(context.clone()).cast_mut(), Ordering::SeqCst);
        outcome.1 = READY;
        Some(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn many_threads_make_one_context_and_a_closed_one_stays_closed() {
        let slot = ProcessSlot::<usize>::new();
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let context = slot.enter(|_| Some(Arc::new(made.fetch_add(1, Ordering::Relaxed) + 1)));
                    assert_eq!(context.as_deref(), Some(&1));
                });
            }
        });
        assert_eq!(slot.current().as_deref(), Some(&1));
        let taken = slot.close().unwrap();
        assert_eq!(Arc::strong_count(&taken), 1);
        assert!(slot.close().is_none());
        assert!(slot.enter(|_| Some(Arc::new(9))).is_none());
    }

    #[test]
    fn a_close_waits_for_a_start_that_is_under_way() {
        let slot = ProcessSlot::<u32>::new();
        let (started, starting) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _ = slot.enter(|_| {
                    started.send(()).unwrap();
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    Some(Arc::new(1))
                });
            });
            starting.recv().unwrap();
            assert!(slot.close().is_some());
        });
        assert!(slot.current().is_none());
        assert!(slot.enter(|_| Some(Arc::new(2))).is_none());
    }

    #[test]
    fn a_child_starts_anew_and_its_parent_keeps_what_it_has() {
        let slot = ProcessSlot::<u32>::new();
        let mut home = None;
        let parents = slot
            .enter(|here| {
                home = Some(here);
                Some(Arc::new(1))
            })
            .unwrap();
        let home = home.unwrap();
        assert!(home.is_here());
        // SAFETY: the child only touches memory and atomics, makes one allocation (glibc's allocator is made for that),
        // and leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let fresh = !home.is_here() && slot.current().is_none();
            let own = slot.enter(|_| Some(Arc::new(2))).is_some_and(|context| *context == 2);
            // SAFETY: ends this process at once.
            unsafe { libc::_exit(if fresh && own { 0 } else { 1 }) };
        }
        let mut status = -1;
        // SAFETY: waits for our own child; `status` is valid for writing.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        assert!(home.is_here());
        assert_eq!(slot.current(), Some(parents));
    }

    #[test]
    fn nothing_is_mapped_before_somebody_enters() {
        let slot = ProcessSlot::<u32>::new();
        assert!(slot.current().is_none());
        assert!(slot.page.load(Ordering::Relaxed).is_null());
    }
}
