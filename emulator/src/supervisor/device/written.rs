//! What others write to a device's files, and what comes of it.

use std::time::{Duration, Instant};

use hotspare_device::State;
use hotspare_device::files::AdminState;

use super::Device;
use crate::supervisor::panel::Wanted;
use crate::supervisor::watch::Watched;

/// Two writes to `qat/state` within this time that both read `up` were "down" and "up" in quick succession: with a plain
/// file nothing makes the writer wait in between, as the kernel would.
const WRITES_TOGETHER: Duration = Duration::from_millis(100);

impl Device {
    /// Somebody has written to one of the device's files.
    pub(in crate::supervisor) fn written(&mut self, file: Watched, now: Instant) {
        match file {
            Watched::State => self.state_written(now),
            Watched::AutoReset => {
                self.auto_reset = self.panel.wanted_auto_reset().unwrap_or(self.auto_reset);
                self.panel.show_auto_reset(self.auto_reset);
            }
            Watched::Services => {
                self.panel.services_written(self.state == State::Down);
            }
            Watched::ResetErrorCounters => self.panel.reset_written(),
            Watched::Timer => {
                match self.panel.wanted_timer() {
                    Some(timer) if self.settings.generation.takes_timer(timer) => self.timer = timer,
                    _ => {}
                }
                self.panel.show_timer(self.timer);
            }
        }
    }

    fn state_written(&mut self, now: Instant) {
        match (self.state, self.panel.wanted_state()) {
            (State::Up | State::Error, Wanted::State(AdminState::Down)) => self.take_down(now),
            (State::Down, Wanted::State(AdminState::Up)) => {
                self.begin_reset("brought up by a write to qat/state", now);
            }
            (State::Up | State::Error, Wanted::State(AdminState::Up)) => {
                let last = self.unread_write_at.replace(now);
                if last.is_some_and(|last| now.saturating_duration_since(last) < WRITES_TOGETHER) {
                    self.unread_write_at = None;
                    self.begin_reset("taken down and brought up by writes to qat/state", now);
                }
            }
            (State::Removed, _) | (State::Down, Wanted::State(AdminState::Down)) => {}
            (_, Wanted::Nothing) => {
                self.unread_write_at = Some(now);
                self.tidy_at = Some(now + WRITES_TOGETHER);
            }
            // In a reset the kernel refuses a write (EBUSY), and at any time one that is neither word (EINVAL). A plain
            // file can only take it back.
            (State::Restarting, _) | (_, Wanted::Nonsense) => self.show_admin_state(),
        }
    }

    /// A `qat/state` that somebody has emptied and left so.
    pub(in crate::supervisor) fn tidy(&mut self) {
        if self.state != State::Removed && self.panel.wanted_state() == Wanted::Nothing {
            self.show_admin_state();
        }
    }
}
