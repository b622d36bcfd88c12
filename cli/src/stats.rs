//! `hotspare stats`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hotspare_device::request::Kind;
use hotspare_device::stats::{Counter, DeviceCounter, Path, ProcessStats, ReadError, Sum, read_all};
use serde::Serialize;

use crate::output::{Outcome, Table, clean, print, print_json};

/// Show what work ran where: the counters of every process, living and dead, and their sum
///
/// Each process that uses Hotspare publishes its counters in a file of its own, which outlives it. Always, in each
/// process and over all: submitted = hardware + replayed_hardware + software + caller_errors + refused + abandoned +
/// in_flight.
///
/// The exit status is 1 if something in the directory can't be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the processes publish their counters (`stats_dir` in their configuration)
    #[arg(long, value_name = "DIR", env = "HOTSPARE_STATS_DIR", default_value = "/run/hotspare/stats")]
    dir: PathBuf,
    /// Print JSON: {version, sum: {counters, imbalance, kinds, devices, latency_ms}, processes: [{pid, start_time, name,
    /// alive, and what the sum has}], unreadable: [text]}
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    version: u32,
    sum: Counters,
    processes: Vec<Process>,
    unreadable: Vec<String>,
}

#[derive(Serialize)]
struct Process {
    pid: u64,
    /// Clock ticks since boot; with the pid it names a process for good.
    start_time: u64,
    name: String,
    alive: bool,
    #[serde(flatten)]
    counters: Counters,
}

#[derive(Serialize)]
struct Counters {
    counters: BTreeMap<&'static str, u64>,
    /// Submitted less all that requests can end as, and less those in flight: 0, or a living process was read between
    /// two counts.
    imbalance: i128,
    /// Requests by kind and path.
    kinds: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    devices: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// How many requests took so many milliseconds; those that no request took are left out, the last of all is open.
    latency_ms: BTreeMap<usize, u64>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Box<dyn std::error::Error>> {
    let (processes, unreadable) = read_all(&arguments.dir)?;
    let mut sum = Sum::default();
    for process in &processes {
        sum.add(&process.sum);
    }
    let well = unreadable.is_empty();
    if arguments.json {
        print_json(&Report {
            version: 1,
            sum: counters(&sum),
            processes: processes.iter().map(process).collect(),
            unreadable: unreadable.iter().map(ReadError::to_string).collect(),
        })?;
    } else {
        for error in &unreadable {
            eprintln!("hotspare: {}", clean(&error.to_string()));
        }
        if processes.is_empty() {
            eprintln!(
                "hotspare: no process has published counters in {}: none that uses Hotspare has made a request yet, or \
                 its stats_dir is another (see --dir)",
                arguments.dir.display()
            );
        } else {
            print(&text(&processes, &sum))?;
        }
    }
    Ok(Outcome::well_if(well))
}

fn process(process: &ProcessStats) -> Process {
    Process {
        pid: process.pid,
        start_time: process.start_time,
        name: process.name.clone(),
        alive: process.alive,
        counters: counters(&process.sum),
    }
}

fn counters(sum: &Sum) -> Counters {
    let kinds = Kind::ALL.iter().map(|kind| {
        let paths = Path::ALL.iter().map(|path| (path.name(), sum.completed(*kind, *path)));
        (kind.name(), paths.collect())
    });
    let devices = sum.devices().iter().map(|device| {
        let values = DeviceCounter::ALL.iter().map(|counter| (counter.name(), device.value(*counter)));
        (device.address.to_string(), values.collect())
    });
    Counters {
        counters: Counter::ALL.iter().map(|counter| (counter.name(), sum.value(*counter))).collect(),
        imbalance: sum.imbalance(),
        kinds: kinds.collect(),
        devices: devices.collect(),
        latency_ms: sum.latencies().iter().copied().enumerate().filter(|(_, count)| *count > 0).collect(),
    }
}

/// The counters that have a column of their own in the table of processes.
const COLUMNS: [Counter; 9] = [
    Counter::Submitted,
    Counter::Hardware,
    Counter::ReplayedHardware,
    Counter::Software,
    Counter::CallerErrors,
    Counter::Refused,
    Counter::Abandoned,
    Counter::InFlight,
    Counter::LongestMicros,
];

fn text(processes: &[ProcessStats], sum: &Sum) -> String {
    let mut headings = vec!["pid", "program", ""];
    headings.extend(COLUMNS.map(Counter::name));
    let mut table = Table::new(&headings);
    for process in processes {
        let alive = if process.alive { "runs" } else { "ended" };
        table.row(row([process.pid.to_string(), process.name.clone(), alive.into()], &process.sum));
    }
    table.row(row(["-".into(), "sum".into(), String::new()], sum));
    let mut text = table.text();

    let mut kinds =
        Table::new(&["operation", "hardware", "replayed_hardware", "software", "replayed_software"]);
    for kind in Kind::ALL {
        let counts: Vec<_> = Path::ALL.iter().map(|path| sum.completed(kind, *path)).collect();
        if counts.iter().any(|count| *count > 0) {
            let mut row = vec![kind.name().to_owned()];
            row.extend(counts.iter().map(u64::to_string));
            kinds.row(row);
        }
    }
    text += &format!("\n{}", kinds.text());

    let mut headings = vec!["device"];
    headings.extend(DeviceCounter::ALL.iter().map(|counter| counter.name()));
    let mut devices = Table::new(&headings);
    for device in sum.devices() {
        let mut row = vec![device.address.to_string()];
        row.extend(DeviceCounter::ALL.iter().map(|counter| device.value(*counter).to_string()));
        devices.row(row);
    }
    text += &format!("\n{}", devices.text());

    let others = Counter::ALL.iter().filter(|counter| !COLUMNS.contains(counter));
    let others: Vec<_> =
        others.map(|counter| format!("{}={}", counter.name(), sum.value(*counter))).collect();
    text += &format!("\n{}\n", others.join(" "));
    if sum.imbalance() != 0 {
        text +=
            &format!("the sum is off by {}: processes were counting while they were read\n", sum.imbalance());
    }
    text
}

fn row(first: [String; 3], sum: &Sum) -> Vec<String> {
    let mut row = first.to_vec();
    row.extend(COLUMNS.map(|counter| sum.value(counter).to_string()));
    row
}
