//! Faults of a whole device.

use super::{Effect, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "fatal",
        what: "A fatal error in mid-work: the engines stop, what they had in work is lost, every user is told, and the \
               uevent qat_event=error goes out. Stays so until a reset.",
        hardware: "an uncorrectable error in the device's memory, or a PCIe fatal error: the driver's interrupt handler \
                   counts it in qat_ras/errors_fatal and tells all users.",
        effect: Effect::Fatal,
    },
    Fault {
        name: "hang",
        what: "Engines and heartbeat stop in mid-work, and nobody is told; users may still attach. After three failed \
               checks of the heartbeat the driver raises the fatal error. Stays so until a reset.",
        hardware: "firmware that loops or waits for ever: requests go in and nothing comes out, with no interrupt.",
        effect: Effect::Hang,
    },
];
