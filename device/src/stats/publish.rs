//! The writing side: one per `Offload` and process.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path as FilePath, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::mm::{Advice, MapFlags, ProtFlags};

use super::fold::{file_name, fold_if_many};
use super::{
    Counter, DEVICE_WORDS, DeviceCounter, FILE_BYTES, FIRST_COUNTER, FIRST_DEVICE, FIRST_KIND, FIRST_LATENCY,
    LATENCY_BUCKETS, MAGIC, MAX_DEVICES, Path, VERSION, WORDS, pack, start_time,
};
use crate::address::Bdf;
use crate::request::Kind;

/// How many `Offload`s of one process may publish.
const MAX_FILES_OF_A_PROCESS: u64 = 1024;

/// The counters of this process. All methods may be called from any thread; each is an atomic addition or two.
///
/// Not to be used in a child of a fork: the mapping is not inherited.
pub struct Published {
    base: NonNull<u8>,
    path: Option<PathBuf>,
    /// Locked as long as we count, so that nobody takes our counters for those of an ended process.
    _lock: Option<File>,
}

// SAFETY: the mapping is reached as atomic words only; the pointer stays valid until drop.
unsafe impl Send for Published {}
// SAFETY: as above.
unsafe impl Sync for Published {}

impl Published {
    /// Publishes in `directory`, which is made if it is missing (mode 1777, as `/tmp`: workers of a server run as
    /// other users than their master).
    ///
    /// # Errors
    /// What the system says.
    pub fn create(directory: &FilePath) -> io::Result<Self> {
        if !directory.is_dir() {
            std::fs::create_dir_all(directory)?;
            // Somebody else may have made it in between, with a mode of his own: fine.
            let _ = rustix::fs::chmod(directory, rustix::fs::Mode::from_raw_mode(0o1777));
        }
        let pid = u64::from(std::process::id());
        let started = start_time(pid).unwrap_or(0);
        let (file, hidden, number) = create_file(directory, pid, started)?;
        // Nobody else knows the file yet.
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        // Space is taken now: a full file system must not become a SIGBUS later.
        let length = u64::try_from(FILE_BYTES).map_err(io::Error::other)?;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, length).or_else(|error| {
            if error == rustix::io::Errno::OPNOTSUPP {
                file.set_len(length).map_err(|_| error)
            } else {
                Err(error)
            }
        })?;
        // SAFETY: a new mapping at an address of the kernel's choice disturbs no memory of ours. The file is this
        // process's own (O_EXCL, mode 0644, in a sticky directory), so nobody but its user can truncate it.
        let base = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                FILE_BYTES,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file.as_fd(),
                0,
            )?
        };
        let mut published = Self::begin(base, pid, started, number)?;
        let shown = directory.join(file_name(pid, started, number));
        std::fs::rename(&hidden, &shown)?;
        published.path = Some(shown);
        published._lock = Some(file);
        if let Err(error) = fold_if_many(directory) {
            tracing::debug!(directory = %directory.display(), %error, "files of ended processes are not folded");
        }
        Ok(published)
    }

    /// Counts without publishing.
    ///
    /// # Errors
    /// What the system says.
    pub fn private() -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice disturbs no memory of ours.
        let base = unsafe {
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), FILE_BYTES, protection, MapFlags::PRIVATE)?
        };
        Self::begin(base, u64::from(std::process::id()), 0, 0)
    }

    fn begin(base: *mut std::ffi::c_void, pid: u64, started: u64, number: u64) -> io::Result<Self> {
        let base = NonNull::new(base.cast::<u8>()).ok_or_else(|| io::Error::other("mmap gave null"))?;
        let published = Self { base, path: None, _lock: None };
        // SAFETY: the range is the mapping just made; the advice keeps it out of children, whose counters are
        // their own.
        unsafe { rustix::mm::madvise(base.as_ptr().cast(), FILE_BYTES, Advice::LinuxDontFork)? };
        let mut name = [0; 16];
        let comm = std::fs::read("/proc/self/comm").unwrap_or_default();
        for (to, from) in name.iter_mut().zip(comm.iter().take_while(|byte| **byte != b'\n')) {
            *to = *from;
        }
        let [first, second] = [&name[..8], &name[8..]].map(|half| {
            let mut word = [0; 8];
            word.copy_from_slice(half);
            u64::from_ne_bytes(word)
        });
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(0);
        let header = [VERSION, pid, started, first, second, nanos, number];
        for (word, value) in (1..).zip(header) {
            published.word(word).store(value, Ordering::Relaxed);
        }
        published.word(0).store(MAGIC, Ordering::Relaxed);
        Ok(published)
    }

    /// Where the file is, if there is one.
    #[must_use]
    pub fn path(&self) -> Option<&FilePath> {
        self.path.as_deref()
    }

    /// Counts one.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts `amount`.
    pub fn add(&self, counter: Counter, amount: u64) {
        self.counter(counter).fetch_add(amount, Ordering::Relaxed);
    }

    /// Takes one off, for what goes up and down.
    pub fn subtract(&self, counter: Counter) {
        self.counter(counter).fetch_sub(1, Ordering::Relaxed);
    }

    /// Sets what is no count.
    pub fn set(&self, counter: Counter, value: u64) {
        self.counter(counter).store(value, Ordering::Relaxed);
    }

    /// A counter's value.
    #[must_use]
    pub fn value(&self, counter: Counter) -> u64 {
        self.counter(counter).load(Ordering::Relaxed)
    }

    /// Counts a completed request: by kind and path, and how long it took from its submission.
    pub fn completed(&self, kind: Kind, path: Path, took: Duration) {
        let place = FIRST_KIND + kind as usize * Path::ALL.len() + path as usize;
        self.word(place).fetch_add(1, Ordering::Relaxed);
        let bucket = usize::try_from(took.as_millis()).unwrap_or(usize::MAX).min(LATENCY_BUCKETS - 1);
        self.word(FIRST_LATENCY + bucket).fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let longest = self.counter(Counter::LongestMicros);
        // Read first: a store to a shared cache line for every request would be dear.
        if longest.load(Ordering::Relaxed) < micros {
            longest.fetch_max(micros, Ordering::Relaxed);
        }
    }

    /// The place of a device, made at the first call. None if there are more devices than places.
    #[must_use]
    pub fn device(&self, address: Bdf) -> Option<DevicePlace> {
        let packed = pack(address);
        (0..MAX_DEVICES).map(DevicePlace).find(|place| {
            let word = self.word(FIRST_DEVICE + place.0 * DEVICE_WORDS);
            let claimed = word.compare_exchange(0, packed, Ordering::Relaxed, Ordering::Relaxed);
            claimed.is_ok() || claimed == Err(packed)
        })
    }

    /// A device's counter.
    #[must_use]
    pub fn device_counter(&self, place: DevicePlace, counter: DeviceCounter) -> &AtomicU64 {
        self.word(FIRST_DEVICE + place.0 * DEVICE_WORDS + 1 + counter as usize)
    }

    fn counter(&self, counter: Counter) -> &AtomicU64 {
        self.word(FIRST_COUNTER + counter as usize)
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        let index = index.min(WORDS - 1);
        // SAFETY: inside the mapping (clamped above), aligned to eight since the base is page-aligned, valid while
        // `self` lives; any bytes are a valid AtomicU64 and everybody in this process reaches them as such.
        unsafe { &*self.base.as_ptr().cast::<AtomicU64>().add(index) }
    }
}

/// Where a device's counters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DevicePlace(usize);

impl Drop for Published {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping that this value owns; no reference into it outlives `self`. It is never
        // dropped in a child of a fork: owners leak it there.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), FILE_BYTES) };
    }
}

/// A new file under a name that no reader looks at, so that they never meet a half-made one, and its number.
fn create_file(directory: &FilePath, pid: u64, started: u64) -> io::Result<(File, PathBuf, u64)> {
    for number in 0..MAX_FILES_OF_A_PROCESS {
        let name = file_name(pid, started, number);
        if directory.join(&name).exists() {
            continue;
        }
        let hidden = directory.join(format!(".{name}.new"));
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o644).open(&hidden) {
            Ok(file) => return Ok((file, hidden, number)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "this process publishes too many files"))
}
