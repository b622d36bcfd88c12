//! Being asked to end: SIGINT, SIGTERM, SIGHUP set a flag that every wait looks at.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::DemoError;

/// The signals that ask a program to end.
pub(crate) const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// How often a condition is looked at: often enough that a wait ends when it should, at no cost worth a thought.
const LOOK: Duration = Duration::from_millis(20);

/// Whether somebody has asked us to end.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From here on, signals only set the flag.
    pub(crate) fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        for signal in SIGNALS {
            signal_hook::flag::register(signal, interrupt.0.clone())?;
        }
        Ok(interrupt)
    }

    /// An error once we are asked to end.
    pub(crate) fn check(&self) -> Result<(), DemoError> {
        if self.0.load(Ordering::Relaxed) { Err(DemoError::Interrupted) } else { Ok(()) }
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) -> Result<(), DemoError> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.check()?;
            std::thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
        self.check()
    }

    /// Waits until `condition` holds.
    ///
    /// # Errors
    /// The condition's own; [`DemoError::Late`] after `bound`.
    pub(crate) fn wait_for(
        &self,
        what: &str,
        bound: Duration,
        mut condition: impl FnMut() -> Result<bool, DemoError>,
    ) -> Result<(), DemoError> {
        let until = Instant::now() + bound;
        while !condition()? {
            self.check()?;
            if Instant::now() >= until {
                return Err(DemoError::Late { what: what.to_owned(), bound });
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_by_its_condition_by_its_bound_or_by_a_signal() {
        let interrupt = Interrupt::default();
        let bound = Duration::from_secs(60);
        let mut looks = 0;
        let third = || {
            looks += 1;
            Ok(looks == 3)
        };
        interrupt.wait_for("the third look", bound, third).unwrap();
        let late = interrupt.wait_for("nothing", Duration::from_millis(1), || Ok(false)).unwrap_err();
        assert!(late.to_string().contains("nothing did not happen"), "{late}");
        interrupt.0.store(true, Ordering::Relaxed);
        let ended = interrupt.wait_for("nothing", bound, || Ok(false));
        assert!(matches!(ended, Err(DemoError::Interrupted)));
        assert!(interrupt.pass(bound).is_err());
    }
}
