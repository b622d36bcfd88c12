//! Noticing that somebody wrote to a file of a device, by inotify.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify;
use rustix::io::Errno;

/// The files that are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Watched {
    /// `qat/state`
    State,
    /// `qat/auto_reset`
    AutoReset,
    /// `qat/cfg_services`
    Services,
    /// `qat_ras/reset_error_counters`
    ResetErrorCounters,
    /// `heartbeat/config`
    Timer,
}

/// Watches on the files of all devices.
///
/// Our own writes are noticed too. They are counted before they are made, and so many events are passed over.
pub(super) struct Watch {
    inotify: OwnedFd,
    places: HashMap<i32, (usize, Watched)>,
    own_writes: HashMap<(usize, Watched), u32>,
}

/// A write ends with the close; it is then that the content is complete. Modifications are asked for only so that two
/// writes in a row are two events: the kernel joins equal events that follow each other.
const EVENTS: inotify::WatchFlags = inotify::WatchFlags::CLOSE_WRITE.union(inotify::WatchFlags::MODIFY);

impl Watch {
    pub(super) fn new() -> Result<Self, Errno> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        Ok(Self { inotify, places: HashMap::new(), own_writes: HashMap::new() })
    }

    /// Watches a file of a device. One that was watched before and has been made anew is watched anew.
    pub(super) fn add(&mut self, device: usize, file: Watched, path: &Path) {
        match inotify::add_watch(&self.inotify, path, EVENTS) {
            Ok(place) => {
                self.places.retain(|other, what| *what != (device, file) || *other == place);
                self.places.insert(place, (device, file));
                self.own_writes.remove(&(device, file));
            }
            Err(errno) => tracing::warn!("{}: writes to it won't be noticed: {errno}", path.display()),
        }
    }

    /// All files of a device are about to vanish.
    pub(super) fn forget(&mut self, device: usize) {
        self.places.retain(|_, (of, _)| *of != device);
        self.own_writes.retain(|(of, _), _| *of != device);
    }

    /// We are about to write to this file ourselves.
    pub(super) fn own_write(&mut self, device: usize, file: Watched) {
        *self.own_writes.entry((device, file)).or_default() += 1;
    }

    /// The files that others have written since the last call, in order.
    pub(super) fn written(&mut self) -> Vec<(usize, Watched)> {
        let mut written = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) {
                // Whose writes were lost is not known: every file is looked at.
                self.own_writes.clear();
                written.extend(self.places.values());
            }
            if !event.events().contains(inotify::ReadFlags::CLOSE_WRITE) {
                continue;
            }
            let Some(&what) = self.places.get(&event.wd()) else { continue };
            match self.own_writes.get_mut(&what) {
                Some(count) if *count > 0 => *count -= 1,
                _ => written.push(what),
            }
        }
        written
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
