//! A process that has had requests and has none now: it must not use a processor.

use std::path::Path;
use std::time::Duration;

use hotspare_offload::{Completion, Config, Offload};

use super::rig::{Requests, hotspare};
use super::{PROCESSOR_NANOS, Played, played};
use crate::error::BenchError;
use crate::processor;

const REQUESTS: u32 = 100;

/// What is left of the last request (a completion that is still told of, a watcher that looks once more) has ended by then.
const SETTLE: Duration = Duration::from_millis(500);

const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn play(time: Duration, root: Option<&Path>) -> Result<Played, BenchError> {
    let root = root.ok_or_else(|| BenchError::Hotspare("no emulator".to_owned()))?;
    let mut config = Config { require_hardware: true, stats_dir: None, ..Config::default() };
    config.devices = vec![format!("emulated:{}", root.display())];
    config.instance.connect_timeout = PATIENCE;
    config.deadline.floor = PATIENCE;
    let offload = Offload::new(config);
    let requests = Requests::new()?;
    for _ in 0..REQUESTS {
        offload.execute(requests.instant()?).map_err(hotspare)?;
        // Also what completes asynchronously has then been alive.
        offload.submit(requests.instant()?, Completion::Poll).wait().map_err(hotspare)?;
    }
    std::thread::sleep(SETTLE);
    let own = std::fs::read_to_string("/proc/thread-self/comm").unwrap_or_default();
    let before = processor::used_by_threads_but(&[own.trim_end()]);
    std::thread::sleep(time);
    let used = processor::used_by_threads_but(&[own.trim_end()]).saturating_sub(before);
    drop(offload);
    #[allow(clippy::cast_precision_loss, reason = "a picture of seconds at most")]
    let nanos = used.as_nanos() as f64;
    Ok(played(PROCESSOR_NANOS, vec![nanos]))
}
