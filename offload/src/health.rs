//! What follows from a fault: one table. `hotspare-device` says of which class a fault is; here stands what is done about it
//! and which counter shows it.

use std::time::Duration;

use hotspare_device::Class;
use hotspare_device::stats::Counter;

/// What is done about a fault of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Consequence {
    /// The device is not used until it has answered known-answer requests.
    pub(crate) leave: bool,
    /// When a device that could not be taken back is looked at again: first, and at most (doubled in between).
    pub(crate) look_again: (Duration, Duration),
    /// What is counted.
    pub(crate) counter: Option<Counter>,
}

/// The table.
pub(crate) const fn consequence(class: Class) -> Consequence {
    let (leave, first, longest, counter) = match class {
        // Its rings and its events say when it is up again; looking is for when both fail.
        Class::DeviceDown => (true, 10, 250, None),
        Class::DeviceUp => (false, 0, 0, None),
        Class::Late => (true, 10, 1_000, Some(Counter::DeadlinesMissed)),
        // Counted where the requests are made.
        Class::Unproven => (true, 10, 1_000, None),
        Class::WrongAnswer => (true, 100, 5_000, Some(Counter::WrongAnswers)),
        Class::SubmitRefused => (false, 0, 0, Some(Counter::RingFull)),
        // Trying its ring with each request would be in vain until it is reset, or has answered what it owes.
        Class::Quarantined => (true, 50, 2_000, Some(Counter::RingFull)),
        Class::Unreachable => (true, 50, 2_000, None),
        // Only an operator can mend it, but he should not have to restart us afterwards.
        Class::Misconfigured => (true, 1_000, 30_000, None),
        // A class that a later driver brings: careful, but not for ever.
        _ => (true, 100, 1_000, None),
    };
    let look_again = (Duration::from_millis(first), Duration::from_millis(longest));
    Consequence { leave, look_again, counter }
}

/// A device that is left again within this time after it was taken back, flaps.
const FLAP_WINDOW: Duration = Duration::from_secs(5);
/// How long a device that flaps waits, the first time; doubled each time.
const FIRST_PENALTY: Duration = Duration::from_millis(20);
/// The longest that it waits.
const LONGEST_PENALTY: Duration = Duration::from_secs(2);

/// How often a device has flapped, and what it waits for that.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flaps(u32);

impl Flaps {
    /// The device was left after it had served for `served`. Returns how long it waits before it is tried.
    pub(crate) fn left_after(&mut self, served: Duration) -> Duration {
        if served >= FLAP_WINDOW {
            self.0 = 0;
            return Duration::ZERO;
        }
        let penalty = FIRST_PENALTY.saturating_mul(1_u32.checked_shl(self.0).unwrap_or(u32::MAX));
        self.0 += 1;
        penalty.min(LONGEST_PENALTY)
    }
}

/// The next pause of something that is tried again and again: doubled up to a bound.
pub(crate) fn back_off(pause: Duration, (first, longest): (Duration, Duration)) -> Duration {
    pause.saturating_mul(2).clamp(first, longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_flaps_waits_longer_each_time_and_is_forgiven_after_good_service() {
        let mut flaps = Flaps::default();
        assert_eq!(flaps.left_after(Duration::from_secs(60)), Duration::ZERO);
        let short = Duration::from_millis(1);
        let waits: Vec<_> = (0..40).map(|_| flaps.left_after(short)).collect();
        assert!(waits.windows(2).all(|pair| pair[0] < pair[1] || pair[1] == LONGEST_PENALTY), "{waits:?}");
        assert_eq!(waits[0], FIRST_PENALTY);
        assert_eq!(waits[39], LONGEST_PENALTY);
        assert_eq!(flaps.left_after(FLAP_WINDOW), Duration::ZERO);
        assert_eq!(flaps.left_after(short), FIRST_PENALTY);
    }

    #[test]
    fn pauses_double_up_to_their_bound() {
        let bounds = (Duration::from_millis(10), Duration::from_millis(35));
        let mut pause = Duration::ZERO;
        let pauses: Vec<_> = std::iter::repeat_with(|| {
            pause = back_off(pause, bounds);
            pause.as_millis()
        })
        .take(4)
        .collect();
        assert_eq!(pauses, [10, 20, 35, 35]);
    }
}
