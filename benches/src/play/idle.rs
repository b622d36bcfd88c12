//! A process that has had requests and has none now: it must not use a processor.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hotspare_offload::{Completion, Config, Offload};
use rustix::process::{Pid, Signal, kill_process};

use super::Played;
use super::rig::{Requests, hotspare};
use crate::child::with_us;
use crate::error::{BenchError, system};
use crate::processor;
use crate::scratch::Scratch;

const REQUESTS: u32 = 100;

/// What is left of the last request (a completion that is still told of, a watcher that looks once more) has ended by then.
const SETTLE: Duration = Duration::from_millis(500);

const PATIENCE: Duration = Duration::from_secs(5);

/// By name of the thread, nanoseconds.
pub(crate) fn play(time: Duration, emulator: Option<&Path>) -> Result<Played, BenchError> {
    let scratch = Scratch::new()?;
    let _emulator = Emulator::start(emulator, &scratch)?;
    let mut config = Config { require_hardware: true, stats_dir: None, ..Config::default() };
    config.devices = vec![format!("emulated:{}", scratch.path().display())];
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
    let before = processor::used_by_threads();
    std::thread::sleep(time);
    let after = processor::used_by_threads();
    drop(offload);
    // This thread has looked, which is none of the library's work.
    let own = std::fs::read_to_string("/proc/thread-self/comm").unwrap_or_default();
    let others = after.into_iter().filter(|(thread, _)| thread != own.trim_end());
    let used = others.map(|(thread, used)| {
        let used = used.saturating_sub(before.get(&thread).copied().unwrap_or_default());
        (thread, vec![used.as_secs_f64() * 1e9])
    });
    Ok(used.collect())
}

/// Two emulated devices. They end when this is dropped.
struct Emulator(Child);

impl Emulator {
    fn start(program: Option<&Path>, root: &Scratch) -> Result<Self, BenchError> {
        let program = program.ok_or_else(|| BenchError::Hotspare("no emulator was named".to_owned()))?;
        let mut command = Command::new(program);
        command.arg("run").arg("--root").arg(root.path()).args(["--devices", "2"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = with_us(&mut command).spawn().map_err(system(program.display().to_string()))?;
        let mut emulator = Self(child);
        let output = emulator.0.stdout.take();
        let mut lines = output.map(BufReader::new).into_iter().flat_map(BufRead::lines).map_while(Result::ok);
        if lines.any(|line| line.trim_end() == "ready") {
            Ok(emulator)
        } else {
            Err(BenchError::Hotspare("the emulator did not start".to_owned()))
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // Our child, which was not waited for yet: the id is its own. It ends its devices.
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.0.wait();
    }
}
