//! Whether all was as it should be.

use hotspare_device::stats::{Counter, Path};
use serde::Serialize;

use crate::play::{Allowance, Expected, Row};
use crate::report::Outcome;

/// After a device has said that it is dead, no request may take longer than this beyond its usual time.
const TOLD_MS: f64 = 50.0;

/// The deadline of a request in hardware (`deadline_ms` of the provider, its default).
const DEADLINE_MS: f64 = 20.0;

/// One thing that should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) what: String,
    pub(crate) passed: bool,
    /// What was found.
    pub(crate) detail: String,
}

fn check(what: impl Into<String>, passed: bool, detail: impl Into<String>) -> Check {
    Check { what: what.into(), passed, detail: detail.into() }
}

/// Everything that has to be.
pub(crate) fn judge(outcome: &Outcome) -> Vec<Check> {
    let clients = &outcome.last.clients;
    let went = outcome.trouble.clone().unwrap_or_else(|| "it did".to_owned());
    let mut checks = vec![
        check("the play goes to its end", outcome.trouble.is_none(), went),
        check("no handshake fails", clients.failed == 0, format!("{} failed", clients.failed)),
        check(
            "the clients keep up",
            clients.skipped == 0,
            format!("{} visits were not begun", clients.skipped),
        ),
        check("the server ends when asked to", outcome.server_quit, "it had to be killed otherwise"),
        check(
            "the server's log says what its page says",
            outcome.unsaid.is_empty(),
            format!("{:?} are missing", outcome.unsaid),
        ),
        conservation(outcome),
        signatures(outcome),
        active(&outcome.rows),
    ];
    let replayed = |found: u64, where_to: &str| {
        check(format!("a dummy is replayed {where_to}"), found > 0, format!("{found} were"))
    };
    let of = |phase: &str, count: &dyn Fn(&Row) -> u64| {
        outcome.rows.iter().filter(|row| row.phase == phase).map(count).sum()
    };
    let on_the_other =
        |row: &Row| row.work.requests(Counter::ReplayedHardware).min(row.work.requests(Counter::Dummies));
    checks.push(replayed(of("one fatal", &on_the_other), "on the other device"));
    checks.push(replayed(of("both fatal", &|row| row.dummies_to_software), "in software"));
    if outcome.server.is_asynchronous() {
        checks.push(pauses(outcome));
    }
    for row in &outcome.rows {
        checks.push(path(row));
        checks.extend(stall(row));
    }
    checks
}

/// Law 2, for each process and over all, while they live and when they are dead.
fn conservation(outcome: &Outcome) -> Check {
    let what = "what was submitted is accounted for, in each process and over all";
    for snapshot in [&outcome.living, &outcome.last] {
        let off = snapshot.processes.iter().find(|process| process.sum.imbalance() != 0);
        if let Some(process) = off {
            return check(
                what,
                false,
                format!("process {}: off by {}", process.pid, process.sum.imbalance()),
            );
        }
        if snapshot.sum.imbalance() != 0 {
            return check(what, false, format!("off by {} over all", snapshot.sum.imbalance()));
        }
    }
    let left = outcome.living.value(Counter::InFlight) + outcome.last.value(Counter::Abandoned);
    check(what, left == 0, format!("{left} requests in flight or abandoned at the end"))
}

/// A full handshake takes exactly one signature of the server's.
fn signatures(outcome: &Outcome) -> Check {
    let made: u64 = Path::ALL.iter().map(|path| outcome.last.handshakes(*path)).sum();
    let clients = &outcome.last.clients;
    check(
        "each handshake has one signature",
        made == clients.handshakes + clients.failed,
        format!("{made} signatures, {} handshakes", clients.handshakes + clients.failed),
    )
}

/// Handshakes of an asynchronous server leave its threads free while devices work.
fn pauses(outcome: &Outcome) -> Check {
    let paused = outcome.last.value(Counter::JobsPaused);
    check("jobs are paused while devices work", paused > 0, format!("{paused} were"))
}

fn active(rows: &[Row]) -> Check {
    let seen: Vec<usize> = rows.iter().flat_map(|row| row.active.iter().copied()).collect();
    let mut wanted = [2, 1, 0, 2].into_iter().peekable();
    for count in &seen {
        wanted.next_if_eq(count);
    }
    let passed = wanted.peek().is_none() && seen.last() == Some(&2);
    check("the count of active devices goes 2, 1, 0, ..., 2", passed, format!("it went {seen:?}"))
}

fn path(row: &Row) -> Check {
    let work = &row.settled_work;
    let made = |paths: &[Path]| -> u64 { paths.iter().map(|path| work.handshakes_by(*path)).sum() };
    let hardware = made(&[Path::Hardware, Path::ReplayedHardware]);
    let software = made(&[Path::Software, Path::ReplayedSoftware]);
    let (what, passed) = match &row.expected {
        Expected::Software => ("in software only".to_owned(), software > 0 && hardware == 0),
        Expected::Devices(devices) => {
            let all =
                work.by_device.iter().all(|(device, done)| (done.completed > 0) == devices.contains(device));
            (format!("by {}", devices.join(" and ")), all && hardware > 0)
        }
    };
    let devices: Vec<_> =
        work.by_device.iter().map(|(device, done)| format!("{device} {} requests", done.completed)).collect();
    check(
        format!("{}: handshakes are made {what}", row.phase),
        passed,
        format!("hardware {hardware}, software {software} handshakes; {}", devices.join(", ")),
    )
}

/// How long a request of this phase may take; none if nothing is promised.
pub(crate) fn bound_ms(row: &Row) -> Option<f64> {
    let promised = match row.allowance {
        Allowance::None => return None,
        Allowance::Told => TOLD_MS,
        Allowance::Silent => DEADLINE_MS,
    };
    Some(promised + row.usual_ms + row.scheduler_ms)
}

fn stall(row: &Row) -> Option<Check> {
    let bound = bound_ms(row)?;
    Some(check(
        format!("{}: no request takes longer than {bound:.1} ms", row.phase),
        row.longest_ms <= bound,
        format!(
            "the longest took {:.1} ms; the scheduler was seen to add {:.1} ms",
            row.longest_ms, row.scheduler_ms
        ),
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::load::Tally;
    use crate::options::ServerName;
    use crate::snapshot::{DeviceWork, Snapshot};
    use std::path::Path as FilePath;

    const DEVICE: &str = "0000:6b:00.0";

    /// A phase in which one device made all handshakes, in an outcome of which all is as it should be in itself.
    pub(crate) fn outcome() -> Outcome {
        let nothing = Snapshot::take(FilePath::new("/nonexistent"), &Tally::new()).unwrap();
        let mut work = nothing.since(&nothing);
        work.handshakes_by_path.insert(Path::Hardware.name(), 5);
        work.by_device.insert(DEVICE.to_owned(), DeviceWork { completed: 10, dummies: 1, late: 0 });
        let row = Row {
            phase: "one fatal",
            began: 0.0,
            settled: 0.5,
            ended: 1.0,
            rounds: 1,
            active: vec![2, 1, 0, 1, 2],
            expected: Expected::Devices(vec![DEVICE.to_owned()]),
            settled_work: work.clone(),
            work,
            dummies_to_software: 0,
            longest_ms: 53.0,
            usual_ms: 1.0,
            scheduler_ms: 2.0,
            allowance: Allowance::Told,
        };
        Outcome {
            rows: vec![row],
            living: nothing.clone(),
            last: nothing,
            trouble: None,
            server: ServerName::Nginx,
            server_quit: true,
            unsaid: Vec::new(),
            calibration: None,
        }
    }

    #[test]
    fn a_request_may_take_what_was_promised_and_what_the_scheduler_added_and_no_longer() {
        let mut row = outcome().rows.remove(0);
        assert_eq!(bound_ms(&row), Some(53.0));
        assert!(stall(&row).unwrap().passed);
        row.longest_ms = 53.1;
        assert!(!stall(&row).unwrap().passed);
        row.allowance = Allowance::Silent;
        assert_eq!(bound_ms(&row), Some(23.0));
        row.allowance = Allowance::None;
        assert!(stall(&row).is_none());
    }

    #[test]
    fn handshakes_must_go_the_way_that_is_left_and_no_other() {
        let mut row = outcome().rows.remove(0);
        assert!(path(&row).passed);
        row.expected = Expected::Software;
        assert!(!path(&row).passed);
        row.expected = Expected::Devices(vec![DEVICE.to_owned(), "0000:70:00.0".to_owned()]);
        let other = DeviceWork { completed: 0, dummies: 0, late: 0 };
        row.settled_work.by_device.insert("0000:70:00.0".to_owned(), other);
        assert!(!path(&row).passed);
        row.expected = Expected::Devices(vec!["0000:70:00.0".to_owned()]);
        assert!(!path(&row).passed);
    }

    #[test]
    fn the_count_of_active_devices_must_fall_to_none_and_come_back() {
        let mut rows = outcome().rows;
        assert!(active(&rows).passed);
        for wrong in [&[2, 1, 2][..], &[2, 0, 2], &[2, 1, 0, 1], &[1, 0, 2], &[]] {
            rows[0].active = wrong.to_vec();
            assert!(!active(&rows).passed, "{wrong:?}");
        }
    }

    #[test]
    fn an_asynchronous_server_must_have_paused() {
        let mut outcome = outcome();
        assert!(!pauses(&outcome).passed);
        let asked = |outcome: &Outcome| judge(outcome).iter().any(|check| check.what.starts_with("jobs"));
        assert!(!asked(&outcome));
        outcome.server = ServerName::Haproxy;
        assert!(asked(&outcome));
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut outcome = outcome();
        let failing = |outcome: &Outcome| -> Vec<String> {
            judge(outcome).into_iter().filter(|check| !check.passed).map(|check| check.what).collect()
        };
        // Nothing was in flight when the devices died.
        assert_eq!(
            failing(&outcome),
            ["a dummy is replayed on the other device", "a dummy is replayed in software"]
        );
        outcome.last.clients.failed = 1;
        outcome.trouble = Some("late".to_owned());
        outcome.unsaid.push("INFO device in use");
        let failing = failing(&outcome);
        for what in [
            "no handshake fails",
            "the play goes to its end",
            "each handshake has one signature",
            "the server's log says what its page says",
        ] {
            assert!(failing.iter().any(|failing| failing == what), "{what} is not in {failing:?}");
        }
    }
}
