//! The drivers, one folder each.

pub mod emulated;
