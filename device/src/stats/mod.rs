//! Counters that each process publishes in a small file of its own, keyed by pid and start time. The file outlives its
//! process; `hotspare stats` reads all of them and sums up. When there are many, those of ended processes are folded into one
//! (`fold.rs`).
//!
//! The sum that always holds (law 2), for each process and over all:
//! `submitted = hardware + replayed_hardware + software + caller_errors + refused + abandoned + in_flight`.
//!
//! Layout, version 2, [`FILE_BYTES`] long, words of 64 bits in the machine's byte order:
//!
//! | word | what |
//! | --- | --- |
//! | 0 | "hotstats" |
//! | 1 | version |
//! | 2, 3 | pid; start time in clock ticks since boot (`/proc/PID/stat`, field 22) |
//! | 4, 5 | the program's name (`/proc/PID/comm`), padded with zeros |
//! | 6, 7 | nanoseconds since 1970 at which it began; which of the process's files it is |
//! | 8 ... 71 | [`Counter`]s |
//! | 72 ... 199 | requests by kind (32 places) and [`Path`] (4) |
//! | 200 ... 711 | devices: 32 places of 16 words: address (its `Bdf` packed, plus 1; 0: empty), then [`DeviceCounter`]s |
//! | 712 ... 2047 | latency histogram: how many requests took that many milliseconds ([`LATENCY_BUCKETS`]; the last: as long or longer) |

mod fold;
mod publish;
mod read;

pub use publish::{DevicePlace, Published};
pub use read::{DeviceStats, ProcessStats, ReadError, Sum, read_all, read_file};

use crate::address::Bdf;

/// First word: "hotstats", little-endian.
const MAGIC: u64 = u64::from_le_bytes(*b"hotstats");
/// Version of the layout.
const VERSION: u64 = 2;
/// Length of a file.
pub const FILE_BYTES: usize = WORDS * 8;
const WORDS: usize = 2048;
const FIRST_COUNTER: usize = 8;
const FIRST_KIND: usize = 72;
const FIRST_DEVICE: usize = 200;
const FIRST_LATENCY: usize = 712;
const KIND_PLACES: usize = 32;
const DEVICE_WORDS: usize = 16;

/// How many devices a process can tell apart; the work of more is counted, but under no device.
pub const MAX_DEVICES: usize = 32;
/// Places of the latency histogram, one for each millisecond.
pub const LATENCY_BUCKETS: usize = WORDS - FIRST_LATENCY;

const _: () = assert!(FIRST_COUNTER + Counter::ALL.len() <= FIRST_KIND);
const _: () = assert!(FIRST_KIND + KIND_PLACES * Path::ALL.len() <= FIRST_DEVICE);
const _: () = assert!(crate::request::Kind::ALL.len() <= KIND_PLACES);
const _: () = assert!(FIRST_DEVICE + MAX_DEVICES * DEVICE_WORDS <= FIRST_LATENCY);
const _: () = assert!(DeviceCounter::ALL.len() < DEVICE_WORDS);

macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum $name { $($(#[$item_doc])* $item,)* }

        impl $name {
            /// All of them, in the order of their places in the file. New ones go to the end.
            pub const ALL: &'static [Self] = &[$(Self::$item,)*];

            /// Its name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$item => $text,)* }
            }
        }
    };
}

counters! {
    /// What a process counts.
    Counter {
        /// Requests accepted.
        Submitted = "submitted",
        /// Completed by the first device that they were given to.
        Hardware = "hardware",
        /// Completed by a device after another had failed them.
        ReplayedHardware = "replayed_hardware",
        /// Completed in software, replayed or not.
        Software = "software",
        /// Ended with an error that is the caller's own.
        CallerErrors = "caller_errors",
        /// Ended with an error since hardware was required and there was none.
        Refused = "refused",
        /// The caller went away before the end.
        Abandoned = "abandoned",
        /// Accepted and not ended.
        InFlight = "in_flight",
        /// Of `software`: those that a device had had before.
        ReplayedSoftware = "replayed_software",
        /// Dummy responses taken.
        Dummies = "dummies",
        /// Requests that missed their deadline in hardware.
        DeadlinesMissed = "deadlines_missed",
        /// Responses that came for nobody: late, doubled, of an older epoch.
        StrayResponses = "stray_responses",
        /// Results that were wrong: failed verification, impossible status.
        WrongAnswers = "wrong_answers",
        /// Results verified.
        Verified = "verified",
        /// Submits that a ring refused since it was full.
        RingFull = "ring_full",
        /// Known-answer requests given to devices.
        KnownAnswers = "known_answers",
        /// Known-answer requests that failed.
        KnownAnswersFailed = "known_answers_failed",
        /// Times a device was left for a fault.
        DevicesLeft = "devices_left",
        /// Times a device was taken (back) into use.
        DevicesJoined = "devices_joined",
        /// Device events received.
        Events = "events",
        /// Operations that are no requests: done in software by a face, since no device is meant for them.
        PassedThrough = "passed_through",
        /// Devices in use at this moment.
        ActiveDevices = "active_devices",
        /// The longest time from submission to completion, in microseconds.
        LongestMicros = "longest_us",
        /// Times an application's job was paused until its request had moved on (OpenSSL's ASYNC jobs).
        JobsPaused = "jobs_paused",
    }
}

counters! {
    /// What is counted for each device.
    DeviceCounter {
        /// Requests that it took.
        Submitted = "submitted",
        /// Requests that it completed.
        Completed = "completed",
        /// Requests that ended as dummies.
        Dummies = "dummies",
        /// Requests that it had when their deadline passed.
        Late = "late",
        /// Wrong answers.
        Wrong = "wrong",
        /// Its epoch, as last seen.
        Epoch = "epoch",
        /// 1 while it is in use, else 0.
        Active = "active",
    }
}

counters! {
    /// How a request was completed.
    Path {
        /// By the first device.
        Hardware = "hardware",
        /// By another device.
        ReplayedHardware = "replayed_hardware",
        /// In software at once.
        Software = "software",
        /// In software after a device had had it.
        ReplayedSoftware = "replayed_software",
    }
}

fn pack(address: Bdf) -> u64 {
    let Bdf { domain, bus, device, function } = address;
    1 + (u64::from(domain) << 16 | u64::from(bus) << 8 | u64::from(device) << 3 | u64::from(function))
}

fn unpack(word: u64) -> Option<Bdf> {
    let word = word.checked_sub(1)?;
    let [devfn, bus, low, high, 0, 0, 0, 0] = word.to_le_bytes() else { return None };
    Some(Bdf { domain: u16::from_le_bytes([low, high]), bus, device: devfn >> 3, function: devfn & 7 })
}

/// When the process with this pid started, in clock ticks since boot; none if there is none.
#[must_use]
pub fn start_time(pid: u64) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name in parentheses, may hold anything; the 22nd is the 20th after it.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    // A zombie runs nothing any more.
    (state != "Z" && state != "X").then_some(start)
}
