//! What `hotspare-emulator` publishes beside the kernel's files: where its sockets are, and a small JSON file for each
//! device with what the kernel's files have no place for.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{access, text};
use crate::address::Bdf;
use crate::instance::State;

/// Where things are under the root directory of an emulator.
///
/// The path of a Unix socket is at most 107 bytes long, which bounds the length of the root's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmulatorPaths {
    directory: PathBuf,
}

impl EmulatorPaths {
    /// Those under `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { directory: root.join("run/hotspare-emulator") }
    }

    /// The directory of them all: `run/hotspare-emulator`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The socket at which users of a device connect: `<BDF>.sock`.
    #[must_use]
    pub fn socket(&self, address: Bdf) -> PathBuf {
        self.directory.join(format!("{address}.sock"))
    }

    /// The socket at which the emulator takes orders (inject, reset): `control.sock`.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.directory.join("control.sock")
    }

    /// The file that says what a device is: `<BDF>.json`.
    #[must_use]
    pub fn info(&self, address: Bdf) -> PathBuf {
        self.directory.join(format!("{address}.json"))
    }
}

/// How many events are kept of a device.
pub const KEPT_EVENTS: usize = 16;

/// What happened to a device, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedEvent {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
    /// What: `error`, `restarting`, `restarted`, `removed`, ...
    pub event: String,
    /// Why, in words.
    pub why: String,
}

impl RecordedEvent {
    /// An event that happens at this moment.
    #[must_use]
    pub fn now(event: &str, why: &str) -> Self {
        Self { unix_ms: unix_ms(), event: event.to_owned(), why: why.to_owned() }
    }
}

/// Milliseconds since 1970, at this moment.
#[must_use]
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Appends an event to the last [`KEPT_EVENTS`].
pub fn remember(events: &mut Vec<RecordedEvent>, event: RecordedEvent) {
    events.push(event);
    let surplus = events.len().saturating_sub(KEPT_EVENTS);
    events.drain(..surplus);
}

/// What an emulated device is, and how it fares: the content of `run/hotspare-emulator/<BDF>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// Version of this layout: [`DeviceInfo::VERSION`].
    pub version: u32,
    /// Its PCI address.
    #[serde(with = "text")]
    pub address: Bdf,
    /// Its number, as events have it (`accelid`).
    pub number: u32,
    /// Its type, as the kernel's driver would name it: `4xxx`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The NUMA node next to it.
    pub node: u32,
    /// How many engines compute.
    pub engines: u32,
    /// How many instances can be taken.
    pub instances: u32,
    /// Its state.
    #[serde(with = "text::state")]
    pub state: State,
    /// How often it was restarted.
    pub epoch: u64,
    /// The process that serves it; none while there is none.
    pub pid: Option<u32>,
    /// What happened last, oldest first, [`KEPT_EVENTS`] at most.
    pub events: Vec<RecordedEvent>,
}

/// Why there is no [`DeviceInfo`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InfoError {
    /// There is none: no emulator under this root, or no such device.
    #[error("{} is not there", .0.display())]
    Absent(PathBuf),
    /// It can't be read or written.
    #[error("{}: {source}", .path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It isn't what it should be.
    #[error("{} is not a device's description by this version of hotspare-emulator: {why}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// The longest file that is read: a device with its events takes some kilobytes, and `hbd.json` has all devices.
const MAX_INFO: u64 = 1024 * 1024;

impl DeviceInfo {
    /// Version of the layout that this program writes, and the only one that it reads.
    pub const VERSION: u32 = 1;

    /// Reads the file of one device.
    ///
    /// # Errors
    /// [`InfoError`].
    pub fn read(paths: &EmulatorPaths, address: Bdf) -> Result<Self, InfoError> {
        let path = paths.info(address);
        let info: Self = read_json(&path)?;
        let malformed = |why| Err(InfoError::Malformed { path, why });
        if info.version != Self::VERSION {
            return malformed(format!("version {} instead of {}", info.version, Self::VERSION));
        }
        if info.address != address {
            return malformed(format!("it describes {}", info.address));
        }
        Ok(info)
    }

    /// Reads the files of all devices, in the order of their addresses; each on its own, as one may be bad.
    ///
    /// # Errors
    /// [`InfoError::Absent`] if there is no emulator's directory under this root; [`InfoError::System`] if it can't
    /// be listed.
    pub fn read_all(paths: &EmulatorPaths) -> Result<Vec<Result<Self, InfoError>>, InfoError> {
        let list =
            fs::read_dir(paths.directory()).map_err(|source| from_system(paths.directory(), source))?;
        let mut addresses: Vec<Bdf> = list
            .filter_map(|entry| {
                entry.ok()?.file_name().to_str()?.strip_suffix(".json").and_then(|name| name.parse().ok())
            })
            .collect();
        addresses.sort_unstable();
        Ok(addresses.into_iter().map(|address| Self::read(paths, address)).collect())
    }

    /// Puts this in the place of the device's file, atomically.
    ///
    /// # Errors
    /// [`InfoError`].
    pub fn write(&self, paths: &EmulatorPaths) -> Result<(), InfoError> {
        write_json(&paths.info(self.address), self)
    }
}

/// A JSON file of bounded size, written by somebody else.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, InfoError> {
    let mut content = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_INFO + 1).read_to_end(&mut content))
        .map_err(|source| from_system(path, source))?;
    let malformed = |why: String| InfoError::Malformed { path: path.to_owned(), why };
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > MAX_INFO {
        return Err(malformed(format!("it is longer than {MAX_INFO} bytes")));
    }
    serde_json::from_slice(&content).map_err(|error| malformed(error.to_string()))
}

/// Replaces a JSON file atomically.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), InfoError> {
    let mut content = serde_json::to_vec_pretty(value)
        .map_err(|error| InfoError::Malformed { path: path.to_owned(), why: error.to_string() })?;
    content.push(b'\n');
    access::replace(path, &content).map_err(|source| from_system(path, source))
}

fn from_system(path: &Path, source: io::Error) -> InfoError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => InfoError::Absent(path),
        _ => InfoError::System { path, source },
    }
}
