//! The play: sets the stage, plays the phases, judges, reports, and clears the stage.

mod calibration;
mod phases;
mod stage;

use std::process::ExitCode;
use std::sync::Arc;

use crate::error::{DemoError, system};
use crate::interrupt::Interrupt;
use crate::judge;
use crate::load::Load;
use crate::options::{Options, ServerName};
use crate::process::tail;
use crate::progress::Progress;
use crate::recorder::{Recorder, Source};
use crate::report::{Outcome, Report};
use crate::snapshot::Snapshot;
use crate::watchdog::Watchdogs;
use crate::world::{Places, World};
use crate::{namespace, timeline};
pub(crate) use calibration::Calibration;
use stage::Stage;
pub(crate) use stage::{Allowance, Expected, Row};

/// What a shell says of a program that ended for SIGINT.
const INTERRUPTED: u8 = 130;

/// How long the requests of an idle server may take to end: many times their deadline.
const SETTLING: std::time::Duration = std::time::Duration::from_secs(5);

/// Runs the whole demonstration.
pub(crate) fn run(options: &Options) -> Result<ExitCode, DemoError> {
    let interrupt = Interrupt::listen().map_err(system("signals"))?;
    namespace::furnish(options.own_pids)?;
    let progress = Arc::new(Progress::new());
    let mut results = Vec::new();
    for server in options.server.names() {
        let places = Places::make(options, *server)?;
        match perform(options, *server, &places, &interrupt, &progress) {
            Ok(ended) => {
                if !ended.passed {
                    show_logs(&places);
                }
                results.push(ended);
            }
            Err(DemoError::Interrupted) => {
                progress.say("interrupted");
                return Ok(ExitCode::from(INTERRUPTED));
            }
            Err(error) => {
                show_logs(&places);
                return Err(error);
            }
        }
    }
    for ended in &results {
        progress.say(&ended.result);
    }
    let passed = results.iter().all(|ended| ended.passed);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What one server's play came to.
struct Ended {
    /// All was as it should be.
    passed: bool,
    /// The line for programs.
    result: String,
}

fn perform(
    options: &Options,
    server: ServerName,
    places: &Places,
    interrupt: &Interrupt,
    progress: &Arc<Progress>,
) -> Result<Ended, DemoError> {
    let pace = options.pace();
    progress.say(&format!("starting udevd, two accelerators, hotspare-hbd and {}", server.title()));
    let mut world = World::start(server, places, pace.reset_delay, interrupt)?;
    let watchdogs = Watchdogs::start()?;
    let load = Load::start(&world.certificates, &places.log("clients"))?;
    let mut recorder = Recorder::start(Source {
        stats: places.stats(),
        emulator_root: world.emulator.root().clone(),
        devices: world.emulator.devices.to_vec(),
        tally: load.tally().clone(),
        watchdogs: watchdogs.seen().clone(),
        progress: progress.clone(),
    })?;
    let mut stage = Stage {
        places,
        interrupt,
        progress,
        world: &mut world,
        load: &load,
        recorder: &recorder,
        watchdogs: watchdogs.seen(),
        pace,
        rows: Vec::new(),
    };
    let (calibration, played) = match calibration::calibrate(&mut stage, options.rate) {
        Ok(calibration) => (Some(calibration), phases::play(&mut stage)),
        Err(error) => (None, Err(error)),
    };
    let rows = stage.rows;
    interrupt.check()?;
    // The end: no new handshakes, no request in flight, and then no server. What is counted must outlive it.
    let ended = load.quiet(interrupt).and_then(|()| {
        interrupt.wait_for("the end of all requests", SETTLING, || {
            let snapshot = Snapshot::take(&places.stats(), load.tally())?;
            Ok(snapshot.value(hotspare_device::stats::Counter::InFlight) == 0)
        })
    });
    let living = Snapshot::take(&places.stats(), load.tally())?;
    let record = recorder.finish();
    let quit = world.server.quit();
    let last = Snapshot::take(&places.stats(), load.tally())?;
    let unsaid = world.server.unsaid()?;
    let trouble = played.err().or(ended.err()).map(|error| error.to_string());
    let outcome = Outcome { server, rows, living, last, trouble, server_quit: quit, unsaid, calibration };
    let checks = judge::judge(&outcome);
    let devices = world.emulator.devices.map(|device| device.to_string());
    let report = Report::new(options, &outcome, &checks, &devices, &record);
    report.write(&places.out)?;
    let picture = places.out.join("timeline.svg");
    std::fs::write(&picture, timeline::draw(&record, &report, &devices))
        .map_err(system(picture.display().to_string()))?;
    progress.say(&report.table());
    for check in checks.iter().filter(|check| !check.passed) {
        progress.say(&format!("WRONG  {}: {}", check.what, check.detail));
    }
    progress.say(&format!("report and picture: {}/report.json, {}", places.out.display(), picture.display()));
    let passed = checks.iter().all(|check| check.passed);
    Ok(Ended { passed, result: report.result.to_string() })
}

fn show_logs(places: &Places) {
    let mut logs: Vec<_> =
        std::fs::read_dir(places.logs()).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    logs.sort();
    for log in logs {
        let end = tail(&log);
        if !end.is_empty() {
            eprintln!("--- the end of {}:\n{end}", log.display());
        }
    }
}
