//! The emulator from outside: its processes, sockets, rings and files, as users, administrators and attackers have them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod machine;
mod user;

mod computing;
mod conformance;
mod events;
mod files;
mod handshake;
mod hostile;
mod processes;
mod states;
