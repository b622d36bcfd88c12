//! The root directory: one emulator at a time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hotspare_device::files::{DeviceFiles, DeviceInfo, EmulatorPaths};
use rustix::fs::FlockOperation;

use super::RunError;

/// Users of other accounts must find sockets and files.
const DIRECTORY_MODE: u32 = 0o755;

/// The root, which is ours as long as this value lives.
pub(super) struct Root {
    /// Locked; the lock goes with the descriptor, however we end.
    _lock: File,
}

impl Root {
    /// Makes the directories, takes the lock, and removes what an emulator that was killed has left behind.
    pub(super) fn take(root: &Path) -> Result<Self, RunError> {
        let paths = EmulatorPaths::new(root);
        let file_error = |path: &Path| {
            let path: PathBuf = path.to_owned();
            move |source: io::Error| RunError::File { path, source }
        };
        let mut directories = vec![root, paths.directory()];
        directories.extend(paths.directory().parent());
        directories.sort_unstable();
        for directory in directories {
            make(directory).map_err(file_error(directory))?;
        }
        let path = paths.directory().join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(file_error(&path))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
            rustix::io::Errno::WOULDBLOCK => RunError::RootTaken(root.to_owned()),
            errno => RunError::File { path, source: errno.into() },
        })?;
        clear(root, &paths);
        Ok(Self { _lock: lock })
    }
}

fn make(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
    // The umask may have taken permissions away.
    fs::set_permissions(directory, PermissionsExt::from_mode(DIRECTORY_MODE))
}

/// Devices of an earlier emulator, which may have had more than we shall have.
fn clear(root: &Path, paths: &EmulatorPaths) {
    let Ok(infos) = DeviceInfo::read_all(paths) else { return };
    for mut info in infos.into_iter().flatten() {
        let files = DeviceFiles::new(root, info.address, Some(&info.kind));
        if let Err(error) = files.publish_removal() {
            tracing::warn!("{error}");
        }
        let _ = fs::remove_file(paths.socket(info.address));
        info.state = hotspare_device::State::Removed;
        info.pid = None;
        if let Err(error) = info.write(paths) {
            tracing::warn!("{error}");
        }
    }
}
