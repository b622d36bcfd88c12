//! What goes between the driver and the device process of the emulator: the handshake on a Unix socket, and the shared
//! memory that it hands over. Both sides use this module and nothing else of each other.
//!
//! The user's process makes the memory (a sealed memfd) and two eventfds, connects to the device's socket
//! (`SOCK_SEQPACKET`), and sends [`message::Hello`] with the three descriptors. The device answers with
//! [`message::Welcome`] or [`message::Refused`]. The connection then stays open and silent: its end is how each side learns
//! that the other is gone.

pub mod descriptor;
pub mod layout;
pub mod message;
pub mod payload;

/// Version of everything in this module. A device serves users of its own version only and says so to others.
pub const VERSION: u16 = 2;
