//! The log: lines on the standard error stream.

use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

// How much is logged is for the whole process, as its one standard error stream is: several library contexts share the
// most talkative setting.
static LEVEL: AtomicUsize = AtomicUsize::new(0);

const LEVELS: [LevelFilter; 5] =
    [LevelFilter::OFF, LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG];

/// Logs what `level` lets through. Makes no thread and opens nothing.
pub(crate) fn enable(level: LevelFilter) {
    let index = LEVELS.iter().position(|one| *one == level).unwrap_or(0);
    LEVEL.fetch_max(index, Ordering::Relaxed);
    if index == 0 {
        return;
    }
    let filter = dynamic_filter_fn(|metadata, _| {
        let level = LEVELS.get(LEVEL.load(Ordering::Relaxed)).unwrap_or(&LevelFilter::OFF);
        metadata.level() <= level
    });
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    // A line that can't be written is lost; to complain about it on the same stream would only fail again.
    let lines = lines.log_internal_errors(false);
    // The second loading of the provider in a process finds the log already made.
    let _ =
        tracing_subscriber::registry().with(tracing_subscriber::Layer::with_filter(lines, filter)).try_init();
}
