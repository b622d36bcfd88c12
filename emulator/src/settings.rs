//! What an emulator is to be: the options of `run`, checked.

use std::path::PathBuf;
use std::time::Duration;

use hotspare_device::Bdf;

/// Generation of the emulated QAT hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// C62x: the heartbeat's timer can be set.
    Two,
    /// 4xxx: it is fixed.
    Four,
}

/// The shortest timer of any generation (`ADF_CFG_HB_TIMER_MIN_MS`).
const SHORTEST_TIMER: Duration = Duration::from_millis(200);

impl Generation {
    /// The type in the names of the kernel's files.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Two => "c6xx",
            Self::Four => "4xxx",
        }
    }

    /// The heartbeat's timer at start.
    pub(crate) fn default_timer(self) -> Duration {
        match self {
            Self::Two => Duration::from_millis(500),
            Self::Four => SHORTEST_TIMER,
        }
    }

    /// Whether the timer may be set to this.
    pub(crate) fn takes_timer(self, timer: Duration) -> bool {
        match self {
            Self::Two => timer >= SHORTEST_TIMER,
            Self::Four => timer == SHORTEST_TIMER,
        }
    }
}

/// See the options of `run`.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) root: PathBuf,
    pub(crate) devices: u32,
    pub(crate) engines: u32,
    pub(crate) instances: u32,
    pub(crate) generation: Generation,
    pub(crate) respawn: Duration,
    pub(crate) reset_time: Duration,
    pub(crate) number_base: u32,
    pub(crate) spin: Duration,
    pub(crate) socket_mode: u32,
    pub(crate) uevents: bool,
}

/// Addresses of the made-up devices, as a two-socket server has them: buses 6b, 70, 75, ...
pub(crate) fn address(index: u32) -> Option<Bdf> {
    let bus = u8::try_from(index.checked_mul(5)?.checked_add(0x6b)?).ok()?;
    Some(Bdf { domain: 0, bus, device: 0, function: 0 })
}

/// The most devices of one emulator: buses for more are there, processors for them are not.
pub(crate) const MAX_DEVICES: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_has_an_address_of_its_own() {
        let mut addresses: Vec<_> = (0..MAX_DEVICES).map(|index| address(index).unwrap()).collect();
        assert_eq!(addresses[0].to_string(), "0000:6b:00.0");
        addresses.dedup();
        assert_eq!(addresses.len(), 16);
        assert_eq!(address(u32::MAX), None);
    }

    #[test]
    fn timers_are_those_of_the_driver() {
        let ms = Duration::from_millis;
        assert!(Generation::Two.takes_timer(ms(200)) && Generation::Two.takes_timer(ms(5000)));
        assert!(!Generation::Two.takes_timer(ms(199)));
        assert!(!Generation::Four.takes_timer(ms(500)));
        assert!(Generation::Four.takes_timer(Generation::Four.default_timer()));
    }
}
