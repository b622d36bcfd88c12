//! The other side of the files: what an emulated device does in the place of the kernel's driver.
//!
//! `state`, `auto_reset` and `config` are written by others too, who are noticed by inotify, so they keep their
//! inodes: see [`write_in_place`]. The other files are replaced, so that no reader sees half a number. The directory
//! `heartbeat/` appears and vanishes as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::{FileError, replace, write_in_place};
use super::device::{AdminState, Answer, DeviceFiles};

impl DeviceFiles {
    /// Makes the files of a device (whose type must be known) that is down: `qat/` with `state` (`down`), `auto_reset` (`off`), `num_rps`, and
    /// the PCI device's `numa_node` (-1 if none). Files of an earlier run are overwritten, a `heartbeat/` that it left
    /// is removed.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn publish_device(&self, ring_pairs: u32, node: Option<u32>) -> Result<(), FileError> {
        self.publish_no_heartbeat()?;
        let settings = self.settings();
        create(&settings)?;
        if let Ok(heartbeat) = self.heartbeat() {
            if let Some(directory) = heartbeat.parent() {
                create(directory)?;
            }
        }
        self.publish_state(AdminState::Down)?;
        self.publish_auto_reset(false)?;
        exchange(&settings.join("num_rps"), &format!("{ring_pairs}\n"))?;
        let node = node.map_or_else(|| "-1".to_owned(), |node| node.to_string());
        exchange(&self.pci_directory().join("numa_node"), &format!("{node}\n"))
    }

    /// Makes `heartbeat/` appear, complete at once: `status` says responsive, the counters are 0, as after a start
    /// of the kernel's driver.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn publish_heartbeat(&self, timer: Duration) -> Result<(), FileError> {
        self.publish_no_heartbeat()?;
        let heartbeat = self.heartbeat()?;
        let making = sibling(&heartbeat, "new");
        remove(&making)?;
        create(&making)?;
        for (name, value) in [
            ("status", "0".to_owned()),
            ("queries_sent", "0".to_owned()),
            ("queries_failed", "0".to_owned()),
            ("config", timer.as_millis().to_string()),
        ] {
            put(&making.join(name), &debugfs(&value))?;
        }
        fs::rename(&making, &heartbeat).map_err(|source| FileError::from_system(&heartbeat, source))
    }

    /// Makes `heartbeat/` vanish, as a whole at once. Nothing happens if it isn't there.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn publish_no_heartbeat(&self) -> Result<(), FileError> {
        let heartbeat = self.heartbeat()?;
        let going = sibling(&heartbeat, "old");
        remove(&going)?;
        match fs::rename(&heartbeat, &going) {
            Ok(()) => remove(&going),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(FileError::from_system(&heartbeat, source)),
        }
    }

    /// The result of a check: the counters first, then `status`, so that whoever reads the status and then the
    /// counters finds them at least as new.
    ///
    /// # Errors
    /// [`FileError`]; [`FileError::Absent`] if `heartbeat/` isn't there.
    pub fn publish_check(&self, answer: Answer, sent: u32, failed: u32) -> Result<(), FileError> {
        let heartbeat = self.heartbeat()?;
        exchange(&heartbeat.join("queries_sent"), &debugfs(&sent.to_string()))?;
        exchange(&heartbeat.join("queries_failed"), &debugfs(&failed.to_string()))?;
        let word = match answer {
            Answer::Responsive => "0",
            Answer::Unresponsive => "-1",
        };
        exchange(&heartbeat.join("status"), &debugfs(word))
    }

    /// The timer, when it has another value than was written, or a write was refused.
    ///
    /// # Errors
    /// [`FileError`]; [`FileError::Absent`] if `heartbeat/` isn't there.
    pub fn publish_timer(&self, timer: Duration) -> Result<(), FileError> {
        put(&self.heartbeat()?.join("config"), &debugfs(&timer.as_millis().to_string()))
    }

    /// The state in `qat/state`.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn publish_state(&self, state: AdminState) -> Result<(), FileError> {
        put(&self.settings().join("state"), &format!("{state}\n"))
    }

    /// The setting in `qat/auto_reset`.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn publish_auto_reset(&self, on: bool) -> Result<(), FileError> {
        put(&self.settings().join("auto_reset"), if on { "on\n" } else { "off\n" })
    }

    /// Removes all files of the device: it is gone from the bus.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn publish_removal(&self) -> Result<(), FileError> {
        self.publish_no_heartbeat()?;
        if let Some(directory) = self.heartbeat()?.parent() {
            remove(directory)?;
        }
        remove(&self.pci_directory())
    }
}

/// Content of a debugfs file of the QAT driver: it has one byte more than the text, a NUL.
fn debugfs(value: &str) -> String {
    format!("{value}\n\0")
}

fn put(path: &Path, content: &str) -> Result<(), FileError> {
    write_in_place(path, content.as_bytes()).map_err(|source| FileError::from_system(path, source))
}

fn exchange(path: &Path, content: &str) -> Result<(), FileError> {
    replace(path, content.as_bytes()).map_err(|source| FileError::from_system(path, source))
}

fn create(directory: &Path) -> Result<(), FileError> {
    fs::create_dir_all(directory).map_err(|source| FileError::from_system(directory, source))
}

fn remove(directory: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(directory) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FileError::from_system(directory, source))
        }
        _ => Ok(()),
    }
}

/// A hidden neighbour of a directory, on the same file system.
fn sibling(directory: &Path, suffix: &str) -> PathBuf {
    directory.with_file_name(format!(".heartbeat.{suffix}"))
}
