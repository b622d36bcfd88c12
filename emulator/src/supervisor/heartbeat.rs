//! The heartbeat check of the kernel's driver (Linux 6.12, `adf_heartbeat.c`): what one read of `heartbeat/status` does.

use std::time::{Duration, Instant};

use hotspare_device::files::Answer;

use crate::page::{Beat, DevicePage};

/// So many checks in a row must find an engine in the middle of its loop, with counters that do not move.
const CHECKS_UNTIL_HANG: u32 = 3;

/// The driver raises the fatal error for a hang no more often than this.
const RAISE_INTERVAL: Duration = Duration::from_secs(5);

/// The checks of one device since it was started.
#[derive(Debug)]
pub(super) struct Heartbeat {
    engines: Vec<Seen>,
    pub(super) sent: u32,
    pub(super) failed: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    beat: Beat,
    unchanged: u32,
}

impl Heartbeat {
    /// As after a start: the driver's counters begin anew.
    pub(super) fn new(engines: u32) -> Self {
        let engines = (0..engines).map(|_| Seen::default()).collect();
        Self { engines, sent: 0, failed: 0 }
    }

    /// Makes one check.
    pub(super) fn check(&mut self, page: &DevicePage) -> Answer {
        let mut hangs = false;
        for (number, seen) in (0..).zip(&mut self.engines) {
            let beat = page.beat(number);
            if beat == seen.beat && beat.begun != beat.ended {
                seen.unchanged = seen.unchanged.saturating_add(1);
            } else {
                seen.unchanged = 0;
            }
            seen.beat = beat;
            hangs |= seen.unchanged >= CHECKS_UNTIL_HANG;
        }
        self.sent = self.sent.wrapping_add(1);
        if hangs {
            self.failed = self.failed.wrapping_add(1);
            Answer::Unresponsive
        } else {
            Answer::Responsive
        }
    }
}

/// Whether the fatal error may be raised again, after it was raised last.
pub(super) fn may_raise(last: Option<Instant>, now: Instant) -> bool {
    last.is_none_or(|last| now.saturating_duration_since(last) >= RAISE_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(heartbeat: &mut Heartbeat, page: &DevicePage, count: usize) -> Vec<Answer> {
        (0..count).map(|_| heartbeat.check(page)).collect()
    }

    #[test]
    fn an_engine_stuck_in_its_loop_fails_the_third_unchanged_check() {
        use Answer::{Responsive, Unresponsive};
        let (_fd, page) = DevicePage::create().unwrap();
        let mut heartbeat = Heartbeat::new(2);
        page.begin(1);
        // The first check sees a change.
        assert_eq!(answers(&mut heartbeat, &page, 3), [Responsive; 3]);
        assert_eq!((heartbeat.sent, heartbeat.failed), (3, 0));
        assert_eq!(answers(&mut heartbeat, &page, 2), [Unresponsive; 2]);
        assert_eq!((heartbeat.sent, heartbeat.failed), (5, 2));
        page.end(1);
        assert_eq!(answers(&mut heartbeat, &page, 9), [Responsive; 9]);
    }

    #[test]
    fn any_movement_starts_the_count_again() {
        let (_fd, page) = DevicePage::create().unwrap();
        let mut heartbeat = Heartbeat::new(1);
        for _ in 0..5 {
            page.begin(0);
            assert_eq!(answers(&mut heartbeat, &page, 3), [Answer::Responsive; 3]);
            page.end(0);
        }
        assert_eq!(heartbeat.failed, 0);
    }

    #[test]
    fn the_fatal_error_is_raised_at_most_once_in_five_seconds() {
        let now = Instant::now();
        assert!(may_raise(None, now));
        assert!(!may_raise(Some(now), now + Duration::from_millis(4999)));
        assert!(may_raise(Some(now), now + Duration::from_secs(5)));
    }
}
