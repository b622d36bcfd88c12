//! Device events: uevents, received and sent.
//!
//! An event is a hint to read the state again, never the state itself: events get lost, doubled, late and out of
//! order. What follows from one is decided elsewhere.

mod event;
mod injector;
mod monitor;

pub use event::{DeviceEvent, EventKind, Group};
pub use injector::{InjectError, Injector};
pub use monitor::{Drained, MAX_EVENTS_PER_DRAIN, Monitor, MonitorError};
