//! The files of one device, as the in-tree QAT driver of Linux has them
//! (`Documentation/ABI/testing/sysfs-driver-qat`, `debugfs-driver-qat`).

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::{self, FileError};
use crate::address::Bdf;

const SYSFS_DEVICES: &str = "sys/bus/pci/devices";
const DEBUGFS: &str = "sys/kernel/debug";

/// What an administrator made of a device: the two words of `qat/state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdminState {
    /// In service, whatever its health.
    Up,
    /// Out of service; `heartbeat/` is not there.
    Down,
}

impl AdminState {
    /// The word in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What one heartbeat check said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// `0`.
    Responsive,
    /// `-1`: no answer, or asked too soon after another check, or not started. Only a change of `queries_failed` tells
    /// the first from the others.
    Unresponsive,
}

/// Where the files of one device are, under a root directory which is `/` for real devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFiles {
    root: PathBuf,
    address: Bdf,
    kind: Option<String>,
}

impl DeviceFiles {
    /// The files of the device `address` under `root`. `kind` is the device's type as its driver names it (`4xxx`,
    /// `c6xx`); without one it is looked for in debugfs whenever it is needed.
    #[must_use]
    pub fn new(root: &Path, address: Bdf, kind: Option<&str>) -> Self {
        Self { root: root.to_owned(), address, kind: kind.map(str::to_owned) }
    }

    /// The devices under `root`, in the order of their addresses: each PCI device with a `qat/` directory, and each
    /// with a directory in debugfs (its type ending in `vf` excepted: a virtual function has no heartbeat). Their
    /// types are known if debugfs may be read, which on a real system only root may.
    ///
    /// # Errors
    /// [`FileError`] if the PCI devices can't be listed. There being none is no error.
    pub fn discover(root: &Path) -> Result<Vec<Self>, FileError> {
        let mut found = BTreeMap::new();
        for name in names(&root.join(SYSFS_DEVICES))? {
            let Ok(address) = name.parse() else { continue };
            let files = Self::new(root, address, None);
            if files.settings().is_dir() {
                found.insert(address, files);
            }
        }
        // Without debugfs a device still has its state, and a check says what is missing.
        for name in names(&root.join(DEBUGFS)).unwrap_or_default() {
            if let Some((kind, address)) = parse_debugfs_name(&name) {
                found.insert(address, Self::new(root, address, Some(kind)));
            }
        }
        Ok(found.into_values().collect())
    }

    /// The device's address.
    #[must_use]
    pub fn address(&self) -> Bdf {
        self.address
    }

    /// The device's type, if it is known.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// `sys/bus/pci/devices/<BDF>`.
    #[must_use]
    pub fn pci_directory(&self) -> PathBuf {
        self.root.join(SYSFS_DEVICES).join(self.address.to_string())
    }

    /// `sys/bus/pci/devices/<BDF>/qat`.
    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.pci_directory().join("qat")
    }

    /// `sys/kernel/debug/qat_<type>_<BDF>/heartbeat`.
    ///
    /// # Errors
    /// [`FileError::Absent`] if the type isn't known and debugfs doesn't have the device; [`FileError::System`] if
    /// debugfs may not be read.
    pub fn heartbeat(&self) -> Result<PathBuf, FileError> {
        let debugfs = self.root.join(DEBUGFS);
        if let Some(kind) = &self.kind {
            return Ok(debugfs.join(format!("qat_{kind}_{}", self.address)).join("heartbeat"));
        }
        names(&debugfs)?
            .into_iter()
            .find(|name| parse_debugfs_name(name).is_some_and(|(_, address)| address == self.address))
            .map(|name| debugfs.join(name).join("heartbeat"))
            .ok_or_else(|| FileError::Absent(debugfs.join(format!("qat_*_{}", self.address))))
    }

    /// Whether the `heartbeat/` directory is there. It vanishes while a device is down.
    #[must_use]
    pub fn has_heartbeat(&self) -> bool {
        self.heartbeat().is_ok_and(|directory| directory.is_dir())
    }

    /// Checks the device by reading `heartbeat/status`. No more often than the [timer](Self::timer), and by one
    /// process only: see [`Answer::Unresponsive`]. May block as long as the driver likes.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn check(&self) -> Result<Answer, FileError> {
        // A debugfs file that is removed while it is open answers EIO (`debugfs_file_get`).
        let path = self.heartbeat()?.join("status");
        access::read_parsed(&path, "0 or -1", |line| match line {
            "0" => Some(Answer::Responsive),
            "-1" => Some(Answer::Unresponsive),
            _ => None,
        })
        .map_err(|error| match error {
            FileError::System { path, source }
                if rustix::io::Errno::from_io_error(&source) == Some(rustix::io::Errno::IO) =>
            {
                FileError::Absent(path)
            }
            error => error,
        })
    }

    /// How many checks were made since the device was started: `heartbeat/queries_sent`.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn queries_sent(&self) -> Result<u32, FileError> {
        read_number(&self.heartbeat()?.join("queries_sent"))
    }

    /// How many of them found the device hanging: `heartbeat/queries_failed`.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn queries_failed(&self) -> Result<u32, FileError> {
        read_number(&self.heartbeat()?.join("queries_failed"))
    }

    /// The least time between two checks: `heartbeat/config`, in ms.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn timer(&self) -> Result<Duration, FileError> {
        access::read_settled(&self.heartbeat()?.join("config"), "a number of milliseconds", |line| {
            line.parse::<u32>().ok().map(|ms| Duration::from_millis(ms.into()))
        })
    }

    /// Sets the timer, where the device has an adjustable one.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn set_timer(&self, timer: Duration) -> Result<(), FileError> {
        access::write_existing(&self.heartbeat()?.join("config"), &timer.as_millis().to_string())
    }

    /// Whether the device is in service: `qat/state`.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn state(&self) -> Result<AdminState, FileError> {
        access::read_settled(&self.settings().join("state"), "`up` or `down`", |line| match line {
            "up" => Some(AdminState::Up),
            "down" => Some(AdminState::Down),
            _ => None,
        })
    }

    /// Takes the device down or brings it up. The driver may take seconds for it.
    ///
    /// # Errors
    /// [`FileError`]; [`FileError::Busy`] while a reset is under way, or the device in use.
    pub fn set_state(&self, state: AdminState) -> Result<(), FileError> {
        access::write_existing(&self.settings().join("state"), state.word())
    }

    /// Whether the driver resets the device by itself after a fatal error: `qat/auto_reset`.
    ///
    /// # Errors
    /// [`FileError`]; [`FileError::Absent`] also for drivers that don't have the setting, and never do it.
    pub fn auto_reset(&self) -> Result<bool, FileError> {
        access::read_settled(&self.settings().join("auto_reset"), "`on` or `off`", |line| match line {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        })
    }

    /// Sets whether the driver resets the device by itself.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn set_auto_reset(&self, on: bool) -> Result<(), FileError> {
        access::write_existing(&self.settings().join("auto_reset"), if on { "on" } else { "off" })
    }

    /// How many ring pairs the device has: `qat/num_rps`.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn ring_pairs(&self) -> Result<u32, FileError> {
        read_number(&self.settings().join("num_rps"))
    }

    /// The NUMA node next to the device: `numa_node` of the PCI device; none if it has no nearest one (-1).
    ///
    /// # Errors
    /// [`FileError`].
    pub fn numa_node(&self) -> Result<Option<u32>, FileError> {
        access::read_parsed(&self.pci_directory().join("numa_node"), "a number", |line| {
            line.parse::<i32>().ok().map(|node| node.try_into().ok())
        })
    }
}

fn read_number(path: &Path) -> Result<u32, FileError> {
    access::read_parsed(path, "a number", |line| line.parse().ok())
}

/// Type and address in the name of a physical function's debugfs directory, `qat_<type>_<BDF>`.
fn parse_debugfs_name(name: &str) -> Option<(&str, Bdf)> {
    let (kind, address) = name.strip_prefix("qat_")?.rsplit_once('_')?;
    let address = address.parse().ok()?;
    (!kind.is_empty() && !kind.ends_with("vf")).then_some((kind, address))
}

fn names(directory: &Path) -> Result<Vec<String>, FileError> {
    let list = match fs::read_dir(directory) {
        Ok(list) => list,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(FileError::from_system(directory, source)),
    };
    Ok(list.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}
