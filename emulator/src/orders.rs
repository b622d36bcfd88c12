//! What the supervisor and its device processes say to each other.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The first message to a device process; the device page comes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceConfig {
    /// Where to listen for users.
    pub(crate) socket: PathBuf,
    /// Permissions of the socket.
    pub(crate) socket_mode: u32,
    /// PCI address, for the log.
    pub(crate) address: String,
    /// Number of the device.
    pub(crate) number: u32,
    /// Engines to run.
    pub(crate) engines: u32,
    /// Users that may be attached at once.
    pub(crate) instances: u32,
    /// How long engines look for work before they sleep.
    pub(crate) spin: Duration,
    /// The epoch to begin with.
    pub(crate) epoch: u64,
}

/// An order to a device process. Each is carried out, then answered by [`Report::Done`], in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Number of the order.
    pub(crate) serial: u64,
    /// What to do.
    pub(crate) action: Action,
}

/// What a device process can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Action {
    /// A fatal error: stop in mid-work and say so.
    Fail,
    /// Stop in mid-work and say nothing.
    Hang,
    /// A reset begins.
    BeginRestart,
    /// Taken down by the administrator.
    TakeDown,
    /// Work, in this epoch.
    Start {
        /// Higher than all before.
        epoch: u64,
    },
}

/// What a device process says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// It listens for users.
    Ready,
    /// The order with this number is carried out: what it says is seen by every user.
    Done {
        /// Of the order.
        serial: u64,
    },
    /// It can't work and ends.
    Failed {
        /// What is wrong, and what to do.
        why: String,
    },
}
