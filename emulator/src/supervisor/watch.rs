//! Noticing that somebody wrote to a file of a device, by inotify.
//!
//! Directories are watched. We ourselves only ever put new files in the place of old ones, under other names first, so
//! that what is noticed is what others did.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify;
use rustix::io::Errno;

/// The files that others may write.
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

impl Watched {
    const ALL: [Self; 5] =
        [Self::State, Self::AutoReset, Self::Services, Self::ResetErrorCounters, Self::Timer];

    /// The file's name in its directory. No two are equal, so the directory need not be told.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::AutoReset => "auto_reset",
            Self::Services => "cfg_services",
            Self::ResetErrorCounters => "reset_error_counters",
            Self::Timer => "config",
        }
    }
}

/// Watches on the directories of all devices.
pub(super) struct Watch {
    inotify: OwnedFd,
    /// Whose directory it is, by the watch's number. Numbers are not used twice.
    devices: HashMap<i32, usize>,
}

/// A write ends with the close; it is then that the content is complete. Modifications are asked for only so that two
/// writes in a row are two events: the kernel joins equal events that follow each other.
const EVENTS: inotify::WatchFlags = inotify::WatchFlags::CLOSE_WRITE.union(inotify::WatchFlags::MODIFY);

impl Watch {
    pub(super) fn new() -> Result<Self, Errno> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        Ok(Self { inotify, devices: HashMap::new() })
    }

    /// Watches a directory of a device.
    pub(super) fn add(&mut self, device: usize, directory: &Path) {
        match inotify::add_watch(&self.inotify, directory, EVENTS) {
            Ok(number) => drop(self.devices.insert(number, device)),
            Err(errno) => tracing::warn!("{}: writes there won't be noticed: {errno}", directory.display()),
        }
    }

    /// The files that others have written since the last call, in order; one twice if it was written twice.
    pub(super) fn written(&mut self) -> Vec<(usize, Watched)> {
        let mut written = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            let flags = event.events();
            if flags.contains(inotify::ReadFlags::QUEUE_OVERFLOW) {
                // Whose writes were lost is not known: every file is looked at.
                for &device in self.devices.values() {
                    written.extend(Watched::ALL.map(|file| (device, file)));
                }
            } else if flags.contains(inotify::ReadFlags::IGNORED) {
                // The directory is gone.
                self.devices.remove(&event.wd());
            } else if flags.contains(inotify::ReadFlags::CLOSE_WRITE) {
                let name = event.file_name().and_then(|name| name.to_str().ok());
                let file = Watched::ALL.into_iter().find(|file| Some(file.name()) == name);
                if let (Some(&device), Some(file)) = (self.devices.get(&event.wd()), file) {
                    written.push((device, file));
                }
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

/// Puts new content in the place of a file that others may write, with one rename: they find the old content or the new,
/// and what they write after they have seen the new is not touched by us. The permissions, which an administrator may
/// have changed, stay.
pub(super) fn replace(path: &Path, content: &str) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let written = File::create(&temporary).and_then(|mut file| {
        if let Ok(metadata) = fs::metadata(path) {
            file.set_permissions(metadata.permissions())?;
        }
        file.write_all(content.as_bytes())
        // Closed here, under the other name.
    });
    let written = written.and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one worth telling.
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_of_others_are_noticed_one_by_one_and_ours_are_not() {
        let directory = std::env::temp_dir().join(format!("hotspare-watch-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("state");
        fs::write(&path, "up\n").unwrap();
        let mut watch = Watch::new().unwrap();
        watch.add(3, &directory);
        for word in ["down\n", "up\n", "up\n"] {
            fs::write(&path, word).unwrap();
        }
        fs::write(directory.join("something"), "else").unwrap();
        assert_eq!(watch.written(), [(3, Watched::State); 3]);
        replace(&path, "down\n").unwrap();
        assert_eq!(watch.written(), []);
        assert_eq!(fs::read_to_string(&path).unwrap(), "down\n");
        fs::write(&path, "up\n").unwrap();
        assert_eq!(watch.written(), [(3, Watched::State)]);
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(watch.written(), []);
        assert!(watch.devices.is_empty());
    }
}
