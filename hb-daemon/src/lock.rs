//! One monitor for each device, one daemon for each run directory.
//!
//! Two monitors would read `heartbeat/status` within each other's timer and see failures that aren't there. So each
//! device's directory in sysfs is locked (flock): that holds between daemons with different run directories too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hotspare_device::Bdf;
use hotspare_device::files::{DeviceFiles, MonitorPaths};
use rustix::fs::FlockOperation;

/// A lock, held until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// Why a lock can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error(
        "another hotspare-hbd{} runs with the run directory {}: stop it first, or set another run_dir",
        holder(.pid), .directory.display()
    )]
    RunDirectory { directory: PathBuf, pid: Option<u32> },
    #[error(
        "{address} is monitored by another process{}: two monitors would each see failures that are not there; stop \
         it, or leave {address} out of `devices`", holder(.pid)
    )]
    Device { address: Bdf, pid: Option<u32> },
    #[error("{} can't be locked: {source}", .path.display())]
    System { path: PathBuf, source: io::Error },
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

impl Lock {
    /// The run directory's, with our pid in it.
    pub(crate) fn run_directory(paths: &MonitorPaths) -> Result<Self, LockError> {
        let path = paths.lock();
        let system = |source| LockError::System { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&path)
            .map_err(system)?;
        if !try_lock(&file).map_err(system)? {
            let mut pid = String::new();
            // The file is ours or a predecessor's: a number. Anything else is not shown.
            let _ = (&mut file).take(16).read_to_string(&mut pid);
            let directory = paths.directory().to_owned();
            return Err(LockError::RunDirectory { directory, pid: pid.trim().parse().ok() });
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(system)?;
        Ok(Self { file })
    }

    /// A device's.
    pub(crate) fn device(files: &DeviceFiles) -> Result<Self, LockError> {
        let path = files.pci_directory();
        let system = |source| LockError::System { path: path.clone(), source };
        let file = File::open(&path).map_err(system)?;
        if !try_lock(&file).map_err(system)? {
            let inode = file.metadata().map_err(system)?.ino();
            return Err(LockError::Device {
                address: files.address(),
                pid: holder_of(inode, Path::new("/proc/locks")),
            });
        }
        Ok(Self { file })
    }
}

impl Lock {
    /// Whether this locks what is at the device's place now: a device that vanished has a new directory when it is
    /// back.
    pub(crate) fn is_of(&self, files: &DeviceFiles) -> bool {
        match (self.file.metadata(), fs::metadata(files.pci_directory())) {
            (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
            _ => false,
        }
    }
}

fn try_lock(file: &File) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Who has the flock on an inode, by `/proc/locks`: `1: FLOCK  ADVISORY  WRITE 1234 00:16:5678 0 EOF`. Only for the
/// message: the device number is not compared, as file systems differ in what they show there.
fn holder_of(inode: u64, locks: &Path) -> Option<u32> {
    let text = fs::read_to_string(locks).ok()?;
    text.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let flock = words.get(1) == Some(&"FLOCK");
        let same = words.get(5)?.rsplit(':').next()?.parse() == Ok(inode);
        (flock && same).then(|| words.get(4)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_names_the_holder() {
        struct TempDir(PathBuf);
        impl Drop for TempDir {
            fn drop(&mut self) {
                let _ = fs::remove_dir_all(&self.0);
            }
        }
        let directory = std::env::temp_dir().join(format!("hotspare-hbd-lock-{}", std::process::id()));
        let _removed = TempDir(directory.clone());
        let files = DeviceFiles::new(&directory, "0000:6b:00.0".parse().unwrap(), Some("4xxx"));
        fs::create_dir_all(files.pci_directory()).unwrap();
        let paths = MonitorPaths::new(&directory);
        let own = format!("pid {}", std::process::id());

        let first = (Lock::device(&files).unwrap(), Lock::run_directory(&paths).unwrap());
        let message = Lock::device(&files).unwrap_err().to_string();
        assert!(message.contains(&own) && message.contains("0000:6b:00.0"), "{message}");
        let message = Lock::run_directory(&paths).unwrap_err().to_string();
        assert!(message.contains(&own), "{message}");
        assert!(first.0.is_of(&files));
        fs::rename(files.pci_directory(), directory.join("gone")).unwrap();
        fs::create_dir(files.pci_directory()).unwrap();
        assert!(!first.0.is_of(&files));
        drop(first);
        assert!(Lock::device(&files).is_ok() && Lock::run_directory(&paths).is_ok());
    }
}
