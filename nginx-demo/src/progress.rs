//! What is shown while it runs: on a terminal one line that changes, elsewhere a line for each second.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

/// Clears the line on which the cursor is.
const CLEAR: &str = "\r\x1b[K";

/// Standard output.
pub(crate) struct Progress {
    is_terminal: bool,
    /// One line at a time, and whether a changing line is shown.
    shown: Mutex<bool>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { is_terminal: io::stdout().is_terminal(), shown: Mutex::new(false) }
    }

    /// A line that stays.
    pub(crate) fn say(&self, text: &str) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let clear = if *shown { CLEAR } else { "" };
        *shown = false;
        // Nobody may be reading: that is no reason to end.
        let _ = writeln!(io::stdout(), "{clear}{text}");
    }

    /// How things stand.
    pub(crate) fn tick(&self, text: &str) {
        if !self.is_terminal {
            return self.say(text);
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = true;
        let mut stdout = io::stdout();
        let _ = write!(stdout, "{CLEAR}{text}").and_then(|()| stdout.flush());
    }
}
