//! The thread that keeps the state file. It has a thread of its own, since a disk may be full or slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hotspare_device::files::{MonitorPaths, MonitorState, unix_ms};

use crate::board::Board;

/// The state file is written no more often than this, whatever happens.
const LEAST_PAUSE: Duration = Duration::from_millis(100);

/// How often it is looked for devices that block.
const LOOK: Duration = Duration::from_secs(1);

/// Publishes the board until `stop`.
pub(crate) fn run(board: &Arc<Board>, paths: &MonitorPaths, root: &std::path::Path, stop: &AtomicBool) {
    let mut version = 0;
    let mut last: Option<(Instant, Vec<_>)> = None;
    let mut failed = false;
    while !stop.load(Ordering::Acquire) {
        let devices = board.reports();
        let due = last.as_ref().is_none_or(|(written, published)| {
            written.elapsed() >= MonitorState::REFRESH || *published != devices
        });
        if due {
            let state = MonitorState {
                version: MonitorState::VERSION,
                pid: std::process::id(),
                written_unix_ms: unix_ms(),
                root: root.to_owned(),
                devices,
            };
            let result = state.write(paths);
            if let (Err(error), false) = (&result, failed) {
                tracing::error!(
                    "the state file can't be written; devices are monitored nevertheless: {error}"
                );
            }
            failed = result.is_err();
            last = Some((Instant::now(), state.devices));
            // Changes within the pause are taken together.
            std::thread::park_timeout(LEAST_PAUSE);
        }
        version = board.wait(version, LOOK);
    }
    // Readers then see that nobody monitors the devices any more.
    let _ = std::fs::remove_file(paths.state());
}
