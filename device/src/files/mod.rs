//! The files in which devices show their state and health: those of the kernel's QAT driver under a root directory,
//! what the emulator adds to them, and what the heartbeat daemon publishes.

mod access;
mod device;
mod info;
mod monitor;
mod publish;
mod text;

pub use access::{FileError, replace, write_in_place};
pub use device::{AdminState, Answer, DeviceFiles};
pub use info::{DeviceInfo, EmulatorPaths, InfoError, KEPT_EVENTS, RecordedEvent, remember, unix_ms};
pub use monitor::{
    CheckReply, CheckRequest, CheckResult, CheckTarget, Health, MAX_REPLY, MAX_REQUEST, MonitorPaths,
    MonitorState, MonitoredDevice,
};
