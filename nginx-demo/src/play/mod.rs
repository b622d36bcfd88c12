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
use crate::options::Options;
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
    let places = Places::make(options)?;
    let progress = Arc::new(Progress::new());
    match perform(options, &places, &interrupt, &progress) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Err(DemoError::Interrupted) => {
            progress.say("interrupted");
            Ok(ExitCode::from(INTERRUPTED))
        }
        Ok(false) => {
            show_logs(&places);
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            show_logs(&places);
            Err(error)
        }
    }
}

/// True if all was as it should be.
fn perform(
    options: &Options,
    places: &Places,
    interrupt: &Interrupt,
    progress: &Arc<Progress>,
) -> Result<bool, DemoError> {
    let pace = options.pace();
    progress.say("starting udevd, two accelerators, hotspare-hbd and nginx");
    let mut world = World::start(places, pace.reset_delay, interrupt)?;
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
    let quit = world.nginx.quit();
    let last = Snapshot::take(&places.stats(), load.tally())?;
    let trouble = played.err().or(ended.err()).map(|error| error.to_string());
    let outcome = Outcome { rows, living, last, trouble, nginx_quit: quit, calibration };
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
    progress.say(&report.result.to_string());
    Ok(checks.iter().all(|check| check.passed))
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
