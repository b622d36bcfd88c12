//! The classes of errors: the few kinds that everything which can go wrong with a device is mapped to. Each driver
//! maps its own codes; what follows from a class stands in one table in `offload`.

/// The class of a fault, or of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The device said, or somebody said of it, that it has failed, restarts, or is down. Not used until it is up.
    DeviceDown,
    /// The device is there again.
    DeviceUp,
    /// No answer by the deadline.
    Late,
    /// An answer that cannot be right: failed verification, wrong length, a status that nobody knows.
    WrongAnswer,
    /// It failed known-answer requests, or was gone before it could answer them.
    Unproven,
    /// A submit was refused though the device says it is well (a full ring).
    SubmitRefused,
    /// So much of the memory that the device was given waits for its late writes that it hardly takes work. Not used until it is
    /// reset, or has answered.
    Quarantined,
    /// The device cannot be reached at all: socket refused, process gone. Looked for again, with back-off.
    Unreachable,
    /// What answers is not such a device, or speaks another version. Not tried again until the configuration changes
    /// or the device comes back.
    Misconfigured,
}
