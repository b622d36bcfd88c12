//! Memory shared with another process, which is taken for hostile: it may change at any moment, so nothing here ever
//! becomes a Rust reference to plain bytes. Words are atomics; byte strings are copied out once, then looked at.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{Advice, MapFlags, MlockFlags, ProtFlags};

/// Seals without which no memory is mapped: its size can't change under us (a shrunk file would kill us with SIGBUS),
/// and the seals can't be changed.
const NEEDED_SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// A mapped, sealed memory file.
pub struct SharedMemory {
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is reached by atomic operations and by copies made of them only, which any thread may do at any
// time; the pointer stays valid until drop.
unsafe impl Send for SharedMemory {}
// SAFETY: as above.
unsafe impl Sync for SharedMemory {}

/// Why a file handed over by another process was not mapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// Not a memory file, or its seals are missing.
    #[error("the memory file lacks its seals (shrink, grow, seal)")]
    Seals,
    /// Its size is not the one announced.
    #[error("the memory file has {found} bytes, {wanted} were announced")]
    Size {
        /// Its size.
        found: u64,
        /// What the handshake said.
        wanted: u64,
    },
    /// The system refused.
    #[error("mapping the memory file: {0}")]
    System(#[from] io::Error),
}

/// An offset and length that are not inside the memory, or not aligned to eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes at offset {offset} are not inside the shared memory")]
pub struct OutOfBounds {
    /// Where.
    pub offset: usize,
    /// How many.
    pub length: usize,
}

impl SharedMemory {
    /// A new, zeroed, sealed memory file of `length` bytes (rounded up to whole pages by the caller), mapped. It
    /// stays out of core dumps and out of the children of a fork, and is locked in memory if the limits allow.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(name: &CStr, length: usize) -> io::Result<(OwnedFd, Self)> {
        let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&fd, u64::try_from(length).map_err(io::Error::other)?)?;
        rustix::fs::fcntl_add_seals(&fd, NEEDED_SEALS)?;
        let memory = Self::map(fd.as_fd(), length)?;
        Ok((fd, memory))
    }

    /// Maps a memory file that another process handed over. Its seals and size are checked before.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn attach(fd: BorrowedFd<'_>, length: usize) -> Result<Self, AttachError> {
        let seals = rustix::fs::fcntl_get_seals(fd).map_err(|_| AttachError::Seals)?;
        if !seals.contains(NEEDED_SEALS) {
            return Err(AttachError::Seals);
        }
        let stat = rustix::fs::fstat(fd).map_err(io::Error::from)?;
        let found = u64::try_from(stat.st_size).unwrap_or(0);
        let wanted = u64::try_from(length).unwrap_or(u64::MAX);
        if found != wanted {
            return Err(AttachError::Size { found, wanted });
        }
        Ok(Self::map(fd, length)?)
    }

    fn map(fd: BorrowedFd<'_>, length: usize) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice disturbs no memory of ours; the file is sealed
        // against shrinking, so that its pages stay.
        let base =
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), length, protection, MapFlags::SHARED, fd, 0)? };
        let base = NonNull::new(base.cast::<u8>()).ok_or_else(|| io::Error::other("mmap gave null"))?;
        let memory = Self { base, length };
        for advice in [Advice::LinuxDontFork, Advice::LinuxDontDump] {
            // SAFETY: the range is the mapping just made; neither advice changes its contents for this process.
            unsafe { rustix::mm::madvise(base.as_ptr().cast(), length, advice)? };
        }
        // Locked as pages are touched, where RLIMIT_MEMLOCK allows; keys would otherwise only be as safe as swap.
        // SAFETY: the range is the mapping just made.
        let _ = unsafe { rustix::mm::mlock_with(base.as_ptr().cast(), length, MlockFlags::ONFAULT) };
        Ok(memory)
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The word at `offset`.
    ///
    /// # Errors
    /// [`OutOfBounds`] if it is not inside, or the offset is no multiple of eight.
    pub fn word(&self, offset: usize) -> Result<&AtomicU64, OutOfBounds> {
        self.check(offset, size_of::<AtomicU64>())?;
        // SAFETY: in bounds and aligned (checked; the base is page-aligned), valid while `self` lives; any bytes are
        // a valid AtomicU64, and everybody reaches them by atomic operations.
        Ok(unsafe { &*self.base.as_ptr().add(offset).cast::<AtomicU64>() })
    }

    /// Copies `into.len()` bytes out, from `offset`, a multiple of eight. Each byte is read once.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfBounds> {
        self.check(offset, into.len())?;
        let mut at = offset;
        let mut words = into.chunks_exact_mut(8);
        for chunk in &mut words {
            chunk.copy_from_slice(&self.word(at)?.load(Ordering::Relaxed).to_ne_bytes());
            at += 8;
        }
        for byte in words.into_remainder() {
            *byte = self.byte(at).load(Ordering::Relaxed);
            at += 1;
        }
        Ok(())
    }

    /// Copies `from` in, to `offset`, a multiple of eight.
    ///
    /// # Errors
    /// [`OutOfBounds`]; nothing is written then.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<(), OutOfBounds> {
        self.check(offset, from.len())?;
        let mut at = offset;
        let mut words = from.chunks_exact(8);
        for chunk in &mut words {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.word(at)?.store(u64::from_ne_bytes(word), Ordering::Relaxed);
            at += 8;
        }
        for byte in words.remainder() {
            self.byte(at).store(*byte, Ordering::Relaxed);
            at += 1;
        }
        Ok(())
    }

    /// Sets `length` bytes from `offset`, both multiples of eight, to zero. Atomic stores to shared memory are never
    /// optimised away.
    ///
    /// # Errors
    /// [`OutOfBounds`]; nothing is wiped then.
    pub fn wipe(&self, offset: usize, length: usize) -> Result<(), OutOfBounds> {
        self.check(offset, length)?;
        for at in (offset..offset + length).step_by(8) {
            self.word(at)?.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    fn check(&self, offset: usize, length: usize) -> Result<(), OutOfBounds> {
        let inside = offset.checked_add(length).is_some_and(|end| end <= self.length);
        if inside && offset % 8 == 0 { Ok(()) } else { Err(OutOfBounds { offset, length }) }
    }

    /// The byte at `offset`, which the caller has checked to be inside.
    fn byte(&self, offset: usize) -> &AtomicU8 {
        debug_assert!(offset < self.length);
        let offset = offset.min(self.length - 1);
        // SAFETY: in bounds (clamped above), valid while `self` lives; any byte is a valid AtomicU8.
        unsafe { &*self.base.as_ptr().add(offset).cast::<AtomicU8>() }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping that this value owns; no reference into it outlives `self`. It is never
        // dropped in a child of a fork, where the range may hold something else: owners leak it there.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4096;

    #[test]
    fn what_one_mapping_writes_the_other_reads() {
        let (fd, ours) = SharedMemory::create(c"test", PAGE).unwrap();
        let theirs = SharedMemory::attach(fd.as_fd(), PAGE).unwrap();
        let text = b"thirteen byte";
        ours.write(64, text).unwrap();
        let mut copy = [0; 13];
        theirs.read(64, &mut copy).unwrap();
        assert_eq!(&copy, text);
        theirs.wipe(64, 16).unwrap();
        ours.read(64, &mut copy).unwrap();
        assert_eq!(copy, [0; 13]);
        assert!(ours.read(PAGE - 8, &mut copy).is_err());
        assert!(ours.word(PAGE).is_err());
        assert!(ours.word(4).is_err());
        assert!(ours.wipe(usize::MAX - 7, 8).is_err());
    }

    #[test]
    fn a_file_without_seals_or_of_another_size_is_refused() {
        let bare =
            rustix::fs::memfd_create(c"test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&bare, 4096).unwrap();
        assert!(matches!(SharedMemory::attach(bare.as_fd(), PAGE), Err(AttachError::Seals)));
        rustix::fs::fcntl_add_seals(&bare, SealFlags::GROW).unwrap();
        assert!(matches!(SharedMemory::attach(bare.as_fd(), PAGE), Err(AttachError::Seals)));
        let (fd, _memory) = SharedMemory::create(c"test", PAGE).unwrap();
        let error = SharedMemory::attach(fd.as_fd(), 2 * PAGE).err().unwrap();
        assert!(matches!(error, AttachError::Size { found: 4096, wanted: 8192 }));
        let ordinary = std::fs::File::open("/proc/self/exe").unwrap();
        assert!(matches!(SharedMemory::attach(ordinary.as_fd(), PAGE), Err(AttachError::Seals)));
    }
}
