//! Helpers of the tests that cross rooms: built programs and their processes, emulated devices and their faults,
//! OpenSSL as an application uses it, and random numbers that can be had again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is test code")]

pub mod chaos;
pub mod emulator;
pub mod jobs;
pub mod mode;
pub mod openssl;
pub mod process;
pub mod programs;
pub mod random;
pub mod report;
pub mod scratch;
