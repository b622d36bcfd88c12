//! What `hotspare-hbd` publishes, and how it is asked: the state file `hbd.json` and the protocol of the socket
//! `hbd.sock`, both in its run directory.
//!
//! The protocol: a client sends one [`CheckRequest`] as one line of JSON, gets one [`CheckReply`] as one line of
//! JSON, and the connection is closed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::info::{InfoError, RecordedEvent, read_json, unix_ms, write_json};
use super::text;
use crate::address::Bdf;

/// Where things are in the run directory of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorPaths {
    directory: PathBuf,
}

impl MonitorPaths {
    /// The run directory unless another is configured.
    pub const DEFAULT: &'static str = "/run/hotspare";

    /// Those in `directory`.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// The run directory itself.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The state file: a [`MonitorState`].
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.directory.join("hbd.json")
    }

    /// The socket that answers a [`CheckRequest`].
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("hbd.sock")
    }

    /// The lock that one daemon holds, with its pid in it.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.directory.join("hbd.lock")
    }
}

/// What the daemon thinks of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Not checked yet.
    Unknown,
    /// The last check was answered.
    Healthy,
    /// The last check said -1, but no counter says that the device failed (asked too soon, or by two).
    Suspect,
    /// It hangs or had a fatal error, and nobody resets it at this moment.
    Failed,
    /// A reset is waited for or under way.
    Resetting,
    /// Taken down by somebody else; not checked.
    Down,
    /// Its files are not there, or unreadable.
    Absent,
}

impl Health {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Suspect => "suspect",
            Self::Failed => "failed",
            Self::Resetting => "resetting",
            Self::Down => "down",
            Self::Absent => "absent",
        }
    }
}

impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The content of `hbd.json`, replaced atomically at each change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorState {
    /// Version of this layout: [`MonitorState::VERSION`].
    pub version: u32,
    /// The daemon's process.
    pub pid: u32,
    /// When this was written, in milliseconds since 1970.
    pub written_unix_ms: u64,
    /// The root directory under which the devices' files are.
    pub root: PathBuf,
    /// The devices, in the order of their addresses.
    pub devices: Vec<MonitoredDevice>,
}

impl MonitorState {
    /// Version of the layout that this program writes, and the only one that it reads.
    pub const VERSION: u32 = 1;

    /// A running daemon writes the file at least this often.
    pub const REFRESH: Duration = Duration::from_secs(5);

    /// A file older than this was left behind by a daemon that runs no more, or doesn't get to write.
    pub const STALE_AFTER: Duration = Duration::from_secs(15);

    /// Whether this was written by a daemon that still runs, as far as its age tells.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let age = unix_ms().saturating_sub(self.written_unix_ms);
        Duration::from_millis(age) < Self::STALE_AFTER
    }

    /// Reads the state file of the daemon with this run directory.
    ///
    /// # Errors
    /// [`InfoError`]; [`InfoError::Absent`] if no daemon has run there.
    pub fn read(paths: &MonitorPaths) -> Result<Self, InfoError> {
        let state: Self = read_json(&paths.state())?;
        if state.version != Self::VERSION {
            let why = format!("version {} instead of {}", state.version, Self::VERSION);
            return Err(InfoError::Malformed { path: paths.state(), why });
        }
        Ok(state)
    }

    /// Replaces the state file.
    ///
    /// # Errors
    /// [`InfoError`].
    pub fn write(&self, paths: &MonitorPaths) -> Result<(), InfoError> {
        write_json(&paths.state(), self)
    }
}

/// One device in `hbd.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitoredDevice {
    /// Its PCI address.
    #[serde(with = "text")]
    pub address: Bdf,
    /// Its number, as events have it (`accelid`).
    pub number: u32,
    /// What the daemon thinks of it.
    pub health: Health,
    /// The least time between two checks, as the device says.
    pub timer_ms: Option<u64>,
    /// The time between two checks, as they are made.
    pub interval_ms: Option<u64>,
    /// Checks made by this daemon.
    pub checks: u64,
    /// When the last one was, in milliseconds since 1970.
    pub last_check_unix_ms: Option<u64>,
    /// Since when a check or a reset blocks without an answer, if one does.
    pub blocked_since_unix_ms: Option<u64>,
    /// The device's count of checks, by whomever.
    pub queries_sent: Option<u32>,
    /// The device's count of failed checks.
    pub queries_failed: Option<u32>,
    /// How often this daemon found it failed.
    pub failures: u64,
    /// Resets by this daemon that brought it back.
    pub resets: u64,
    /// Resets by this daemon that did not.
    pub resets_failed: u64,
    /// Resets by somebody else (the kernel, an administrator).
    pub resets_by_others: u64,
    /// What is wrong with its configuration or its files, in words.
    pub problem: Option<String>,
    /// What happened last, oldest first.
    pub events: Vec<RecordedEvent>,
}

/// The longest request that the daemon reads, its newline included.
pub const MAX_REQUEST: usize = 4096;

/// The longest reply that a client should read, its newline included.
pub const MAX_REPLY: usize = 256 * 1024;

/// A wish to have devices checked now, or as soon as their timers allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// Version of the protocol: [`CheckRequest::VERSION`].
    pub version: u32,
    /// Which devices.
    pub check: CheckTarget,
}

impl CheckRequest {
    /// Version of the protocol.
    pub const VERSION: u32 = 1;
}

/// Which devices to check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckTarget {
    /// Every device that the daemon monitors.
    All,
    /// The device with this address.
    Device(#[serde(with = "text")] Bdf),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckReply {
    /// A result for each device.
    Results(Vec<CheckResult>),
    /// The request can't be fulfilled: what is wrong with it, and what to do.
    Error(String),
}

/// The result of checking one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The device.
    #[serde(with = "text")]
    pub address: Bdf,
    /// Whether it works: a check was made for this request and was answered.
    pub passed: bool,
    /// What the daemon thinks of it.
    pub health: Health,
    /// Why it is not healthy, in words; empty if it is.
    pub why: String,
}
