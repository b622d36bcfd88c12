//! The atomics of [`crate::arming`], in one place: `tests/arming.rs` takes those of loom instead, which tries every order
//! of events.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
