//! Tells a process from the one that it was forked from. The kernel does: a page that it wipes in every child, whoever forked and
//! however (see `ARCHITECTURE.md`, "Decisions").

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// The page of this module; never unmapped.
static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
/// The last number that was given out, to this process or to one that it descends from.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The smallest that the kernel wipes.
const PAGE_BYTES: usize = 4096;

/// The number of this process: another one than that of any process that it descends from by forks. None if the system gives us no page.
pub(super) fn number() -> Option<u64> {
    let word = word()?;
    let known = word.load(Ordering::Relaxed);
    if known != 0 {
        return Some(known);
    }
    let new = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    Some(
        word.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed)
            .map_or_else(|other| other, |_| new),
    )
}

fn word() -> Option<&'static AtomicU64> {
    let word = NonNull::new(PAGE.load(Ordering::Acquire)).or_else(map)?;
    // SAFETY: the page is aligned, all zero or what we wrote, and never unmapped.
    Some(unsafe { word.as_ref() })
}

fn map() -> Option<NonNull<AtomicU64>> {
    let (protection, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new anonymous mapping at an address of the kernel's choice disturbs no memory of ours.
    let page = unsafe { libc::mmap(ptr::null_mut(), PAGE_BYTES, protection, kind, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the range is the mapping just made.
    let wiped = unsafe { libc::madvise(page, PAGE_BYTES, libc::MADV_WIPEONFORK) } == 0;
    let stored = if wiped {
        PAGE.compare_exchange(ptr::null_mut(), page.cast(), Ordering::AcqRel, Ordering::Acquire)
    } else {
        Err(ptr::null_mut())
    };
    let Err(other) = stored else { return NonNull::new(page.cast()) };
    // SAFETY: the mapping is ours, and nobody has seen it.
    unsafe { libc::munmap(page, PAGE_BYTES) };
    NonNull::new(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_and_their_children_have_numbers_of_their_own() {
        let ours = number().unwrap();
        assert_eq!(number(), Some(ours));
        // SAFETY: the child only touches atomics and makes system calls.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let its = number();
            // SAFETY: as above.
            let grandchild = unsafe { libc::fork() };
            let well = match grandchild {
                0 => number().is_some() && number() != its && number() != Some(ours),
                _ => its != Some(ours) && exit_code(grandchild) == 0,
            };
            // SAFETY: ends this process at once.
            unsafe { libc::_exit(i32::from(!well)) };
        }
        assert_eq!(exit_code(child), 0);
        assert_eq!(number(), Some(ours));
    }

    fn exit_code(child: libc::pid_t) -> i32 {
        let mut status = -1;
        // SAFETY: waits for our own child; `status` is valid for writing.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        status
    }
}
