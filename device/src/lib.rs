//! Everything that crosses a process border: requests and keys, the contract with drivers and the drivers, device
//! events, the health files of the kernel's driver, the layout of published counters.
//!
//! This crate names no policy: what follows from an event or an error is `hotspare-offload`'s.

pub mod address;
pub mod bytes;
pub mod class;
#[cfg(feature = "conformance")]
pub mod conformance;
mod curve;
pub mod drivers;
pub mod events;
pub mod files;
pub mod instance;
pub mod key;
pub mod request;
pub mod shared_memory;
pub mod spec;
pub mod stats;

pub use address::Bdf;
pub use class::Class;
pub use instance::{
    Device, Driver, Instance, InstanceOptions, Occupancy, OpenError, Response, Sink, State, Status,
    SubmitError, Tag,
};
pub use key::{
    EcKey, EcPublicKey, Executor, Key, KeyMaterial, ModExpKey, MontgomeryKey, RsaCrt, RsaKey, RsaPrivate,
};
pub use request::{Curve, InvalidRequest, Kind, MontgomeryCurve, Operation, Output, Request};
pub use spec::open;
