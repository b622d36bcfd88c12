//! The benchmarks, each of which gives rows of the report.

mod devices;
mod evp;
mod idle;
mod offload;
mod parts;
mod speed;
mod stage;

use std::process::ExitCode;

use crate::error::BenchError;
use crate::options::RunOptions;
use crate::report::{Failure, Report, Row};
use stage::Stage;

/// One of them.
struct Benchmark {
    name: &'static str,
    run: fn(&Stage) -> Result<Vec<Row>, BenchError>,
}

const ALL: &[Benchmark] = &[
    Benchmark { name: "parts", run: parts::run },
    Benchmark { name: "offload", run: offload::run },
    Benchmark { name: "devices", run: devices::run },
    Benchmark { name: "evp", run: evp::run },
    Benchmark { name: "speed", run: speed::plain },
    Benchmark { name: "speed-async", run: speed::asynchronous },
    Benchmark { name: "idle", run: idle::run },
];

/// Runs those that were asked for, and reports. A benchmark that can't be run is a failure, and the others are run all the same.
///
/// # Errors
/// There is no benchmark of that name; the report can't be written.
pub fn run(options: &RunOptions) -> Result<ExitCode, BenchError> {
    let known = ALL.iter().map(|benchmark| benchmark.name).collect::<Vec<_>>();
    if let Some(name) = options.only.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(BenchError::Unknown { name: name.clone(), known: known.join(", ") });
    }
    let stage = Stage::new(options)?;
    let mut report = Report::begin(options.quick);
    let is_asked_for = |name: &str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    for Benchmark { name, run } in ALL.iter().filter(|benchmark| is_asked_for(benchmark.name)) {
        eprintln!("bench: {name}");
        match run(&stage) {
            Ok(rows) => report.rows.extend(rows),
            Err(error) => {
                eprintln!("bench: {name}: {error}");
                report.failures.push(Failure { benchmark: name, error: error.to_string() });
            }
        }
    }
    report.write(&options.out)?;
    print!("{}", report.table());
    println!("{}", report.verdict());
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
