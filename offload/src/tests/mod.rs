//! The whole of offload against devices whose every answer the test decides.

mod asynchronous;
mod corners;
mod failover;
mod many_devices;
mod processes;
mod rig;
mod wakeups;
mod woken;
