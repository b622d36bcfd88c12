//! What is left behind: the report, the table for people, the line for programs.

use std::fmt;
use std::path::Path as FilePath;

use hotspare_device::stats::Counter;
use serde::Serialize;

use crate::error::{DemoError, strange, system};
use crate::judge::{Check, bound_ms};
use crate::options::{Options, ServerName};
use crate::play::{Calibration, Row};
use crate::recorder::Record;
use crate::snapshot::Snapshot;

/// All that came of the play.
pub(crate) struct Outcome {
    pub(crate) server: ServerName,
    pub(crate) rows: Vec<Row>,
    /// The counters before the server was ended.
    pub(crate) living: Snapshot,
    /// The counters when all was over.
    pub(crate) last: Snapshot,
    /// Why the play did not go to its end.
    pub(crate) trouble: Option<String>,
    pub(crate) server_quit: bool,
    /// What the server's page says that its log says, and its log doesn't.
    pub(crate) unsaid: Vec<&'static str>,
    pub(crate) calibration: Option<Calibration>,
}

/// The content of `report.json`.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    version: u32,
    quick: bool,
    passed: bool,
    #[serde(skip)]
    pub(crate) server_title: &'static str,
    pub(crate) result: Result,
    devices: &'a [String],
    calibration: Option<&'a Calibration>,
    phases: Vec<Phase<'a>>,
    checks: &'a [Check],
    processes: Vec<Process<'a>>,
    record: &'a Record,
}

#[derive(Serialize)]
struct Phase<'a> {
    #[serde(flatten)]
    row: &'a Row,
    /// What `longest_ms` may be; null where nothing is promised.
    bound_ms: Option<f64>,
}

#[derive(Serialize)]
struct Process<'a> {
    pid: u64,
    name: &'a str,
    submitted: u64,
    longest_ms: f64,
}

/// The line that ends the output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Result {
    pub(crate) server: &'static str,
    pub(crate) handshakes: u64,
    pub(crate) failed: u64,
    submitted: u64,
    hardware: u64,
    pub(crate) replayed_hardware: u64,
    software: u64,
    pub(crate) replayed_software: u64,
    dummies: u64,
    caller_errors: u64,
    refused: u64,
    abandoned: u64,
    in_flight: u64,
    jobs_paused: u64,
    pub(crate) max_stall_ms: f64,
}

impl Result {
    fn of(server: ServerName, snapshot: &Snapshot) -> Self {
        let value = |counter| snapshot.value(counter);
        Self {
            server: server.text(),
            handshakes: snapshot.clients.handshakes,
            failed: snapshot.clients.failed,
            submitted: value(Counter::Submitted),
            hardware: value(Counter::Hardware),
            replayed_hardware: value(Counter::ReplayedHardware),
            software: value(Counter::Software),
            replayed_software: value(Counter::ReplayedSoftware),
            dummies: value(Counter::Dummies),
            caller_errors: value(Counter::CallerErrors),
            refused: value(Counter::Refused),
            abandoned: value(Counter::Abandoned),
            in_flight: value(Counter::InFlight),
            jobs_paused: value(Counter::JobsPaused),
            max_stall_ms: value(Counter::LongestMicros) as f64 / 1000.0,
        }
    }
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RESULT server={} handshakes={} failed={} submitted={} hardware={} replayed_hardware={} software={} \
             replayed_software={} dummies={} caller_errors={} refused={} abandoned={} in_flight={} jobs_paused={} \
             max_stall_ms={:.3}",
            self.server,
            self.handshakes,
            self.failed,
            self.submitted,
            self.hardware,
            self.replayed_hardware,
            self.software,
            self.replayed_software,
            self.dummies,
            self.caller_errors,
            self.refused,
            self.abandoned,
            self.in_flight,
            self.jobs_paused,
            self.max_stall_ms,
        )
    }
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        options: &Options,
        outcome: &'a Outcome,
        checks: &'a [Check],
        devices: &'a [String],
        record: &'a Record,
    ) -> Self {
        let processes = outcome.last.processes.iter();
        Self {
            version: 2,
            quick: options.quick,
            passed: checks.iter().all(|check| check.passed),
            server_title: outcome.server.title(),
            result: Result::of(outcome.server, &outcome.last),
            devices,
            calibration: outcome.calibration.as_ref(),
            phases: outcome.rows.iter().map(|row| Phase { row, bound_ms: bound_ms(row) }).collect(),
            checks,
            processes: processes
                .map(|process| Process {
                    pid: process.pid,
                    name: &process.name,
                    submitted: process.sum.value(Counter::Submitted),
                    longest_ms: process.sum.value(Counter::LongestMicros) as f64 / 1000.0,
                })
                .collect(),
            record,
        }
    }

    /// Writes `report.json`.
    pub(crate) fn write(&self, directory: &FilePath) -> std::result::Result<(), DemoError> {
        let path = directory.join("report.json");
        let mut text = serde_json::to_string_pretty(self).map_err(strange("the report"))?;
        text.push('\n');
        std::fs::write(&path, text).map_err(system(path.display().to_string()))
    }

    /// A line for each phase.
    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "{:<12} {:>7} {:>10} {:>6} | {:>8} {:>8} {:>8} {:>8} | {:>7} {:>6} | {:>8} {:>8}",
            "phase",
            "seconds",
            "handshakes",
            "failed",
            "hardware",
            "replayed",
            "software",
            "replayed",
            "dummies",
            "missed",
            "longest",
            "allowed"
        );
        for Phase { row, bound_ms } in &self.phases {
            let requests = |counter| row.work.requests(counter);
            let replayed = requests(Counter::ReplayedSoftware);
            table.push_str(&format!(
                "\n{:<12} {:>7.1} {:>10} {:>6} | {:>8} {:>8} {:>8} {:>8} | {:>7} {:>6} | {:>5.1} ms {:>8}",
                row.phase,
                row.work.seconds,
                row.work.handshakes,
                row.work.failed,
                requests(Counter::Hardware),
                requests(Counter::ReplayedHardware),
                requests(Counter::Software).saturating_sub(replayed),
                replayed,
                requests(Counter::Dummies),
                requests(Counter::DeadlinesMissed),
                row.longest_ms,
                bound_ms.map_or_else(|| "-".to_owned(), |bound| format!("{bound:.1} ms")),
            ));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_these_keys_in_this_order() {
        let result = Result {
            server: "nginx",
            handshakes: 1,
            failed: 2,
            submitted: 3,
            hardware: 4,
            replayed_hardware: 5,
            software: 6,
            replayed_software: 7,
            dummies: 8,
            caller_errors: 9,
            refused: 10,
            abandoned: 11,
            in_flight: 12,
            jobs_paused: 13,
            max_stall_ms: 14.5,
        };
        assert_eq!(
            result.to_string(),
            "RESULT server=nginx handshakes=1 failed=2 submitted=3 hardware=4 replayed_hardware=5 software=6 \
             replayed_software=7 dummies=8 caller_errors=9 refused=10 abandoned=11 in_flight=12 jobs_paused=13 \
             max_stall_ms=14.500"
        );
    }
}
