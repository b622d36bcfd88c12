//! `openssl speed` with Hotspare and no device, beside `openssl speed` with the default provider.

use std::path::{Path, PathBuf};
use std::process::Command;

use hotspare_device::stats::{Counter, read_all};

use crate::bars;
use crate::child::pinned;
use crate::error::BenchError;
use crate::report::{Row, Unit};
use crate::samples::Samples;
use crate::scratch::Scratch;

use super::evp::MODULE;
use super::stage::Stage;

/// What `openssl speed` calls it, what we call it, and the operations that it measures.
const ALGORITHMS: &[(&str, &str, &[&str])] = &[
    ("rsa2048", "RSA-2048", &["sign", "verify"]),
    ("ecdsap256", "ECDSA P-256", &["sign", "verify"]),
    ("ecdsap384", "ECDSA P-384", &["sign", "verify"]),
    ("ecdhp256", "ECDH P-256", &["derive"]),
    ("ecdhp384", "ECDH P-384", &["derive"]),
    ("ecdhx25519", "X25519", &["derive"]),
];

/// For each operation; `openssl speed` takes whole ones.
const SECONDS: &str = "1";

const JOBS: &str = "64";

pub(super) fn plain(stage: &Stage) -> Result<Vec<Row>, BenchError> {
    run(stage, "speed", &[])
}

pub(super) fn asynchronous(stage: &Stage) -> Result<Vec<Row>, BenchError> {
    run(stage, "speed-async", &["-async_jobs", JOBS])
}

fn run(stage: &Stage, name: &'static str, more: &[&str]) -> Result<Vec<Row>, BenchError> {
    let scratch = Scratch::new()?;
    let stats = scratch.path().join("stats");
    let [hotspare, default] = configurations(&scratch, &stage.program(MODULE)?, &stats)?;
    let mut rows = Vec::new();
    for (algorithm, shown, operations) in ALGORITHMS {
        eprintln!("bench:   {shown}");
        let before = counted(&stats);
        let mut rates = vec![(Vec::new(), Vec::new()); operations.len()];
        for round in 0..stage.rounds() {
            // Whoever is first finds the processor as the other has left it: each is, in turn.
            let (ours, theirs);
            if round % 2 == 0 {
                ours = speed(stage, &hotspare, algorithm, more)?;
                theirs = speed(stage, &default, algorithm, more)?;
            } else {
                theirs = speed(stage, &default, algorithm, more)?;
                ours = speed(stage, &hotspare, algorithm, more)?;
            }
            for (place, rates) in rates.iter_mut().enumerate() {
                rates.0.extend(ours.get(place));
                rates.1.extend(theirs.get(place));
            }
        }
        if counted(&stats) == before {
            return Err(BenchError::Hotspare(format!("{shown}: Hotspare had no part in it")));
        }
        for (operation, (ours, theirs)) in operations.iter().zip(rates) {
            let nothing = || BenchError::Hotspare(format!("{algorithm} {operation}: nothing was measured"));
            let ours = Samples::new(ours).ok_or_else(nothing)?;
            let theirs = Samples::new(theirs).ok_or_else(nothing)?;
            let ratio = ours.ratio_to(&theirs).ok_or_else(nothing)?;
            let show = |samples: &Samples| Unit::PerSecond.show(samples.median());
            rows.push(
                Row::new(name, format!("{shown} {operation}, hotspare / default"), Unit::Ratio, &ratio)
                    .bar(bars::SPEED_RATIO)
                    .beside(format!("{} and {}", show(&ours), show(&theirs))),
            );
        }
    }
    Ok(rows)
}

fn configurations(scratch: &Scratch, module: &Path, stats: &Path) -> Result<[PathBuf; 2], BenchError> {
    let hotspare = format!(
        "openssl_conf = init\n[init]\nproviders = providers\nalg_section = algorithms\n\
         [providers]\ndefault = default_settings\nhotspare = hotspare_settings\n[default_settings]\nactivate = 1\n\
         [hotspare_settings]\nmodule = {}\nactivate = 1\nstats_dir = {}\n\
         [algorithms]\ndefault_properties = ?provider=hotspare\n",
        module.display(),
        stats.display(),
    );
    Ok([
        scratch.write("hotspare.cnf", &hotspare)?,
        scratch.write("default.cnf", "openssl_conf = init\n[init]\n")?,
    ])
}

/// How many requests Hotspare has counted: so that it is seen to take part in what is measured as its speed.
fn counted(stats: &Path) -> u64 {
    let (processes, _) = read_all(stats).unwrap_or_default();
    processes.iter().map(|process| process.sum.value(Counter::Submitted)).sum()
}

/// Operations a second, in the order in which `openssl speed` says them.
fn speed(
    stage: &Stage,
    configuration: &Path,
    algorithm: &str,
    more: &[&str],
) -> Result<Vec<f64>, BenchError> {
    let mut command = Command::new("openssl");
    command.args(["speed", "-elapsed", "-mr", "-seconds", SECONDS]).args(more).arg(algorithm);
    command.env("OPENSSL_CONF", configuration);
    let said = stage.say(pinned(&mut command, stage.pair.measured))?;
    parse(&said).ok_or(BenchError::Misunderstood { program: "openssl speed".to_owned(), said })
}

/// What `-mr` says: `+F2:number:bits:sign:verify` (RSA), `+F4:` likewise (ECDSA), `+F5:number:bits:derive:seconds` (ECDH), the
/// operations a second. Later versions say more at the end.
fn parse(said: &str) -> Option<Vec<f64>> {
    let line =
        said.lines().find(|line| ["+F2:", "+F4:", "+F5:"].iter().any(|kind| line.starts_with(kind)))?;
    let count = if line.starts_with("+F5:") { 1 } else { 2 };
    let rates: Vec<f64> = line.split(':').skip(3).take(count).map_while(|rate| rate.parse().ok()).collect();
    (rates.len() == count && rates.iter().all(|rate| *rate > 0.0)).then_some(rates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openssl_speed_says_is_understood() {
        assert_eq!(parse("+F2:2:2048:4107.0:61850.5\n"), Some(vec![4107.0, 61850.5]));
        assert_eq!(parse("+F4:3:256:63372.0:20263.0"), Some(vec![63372.0, 20263.0]));
        assert_eq!(parse("+F5:22:253:29315.0:0.000034"), Some(vec![29315.0]));
        assert_eq!(parse("+F2:2:2048:4107.0:61850.0:60000.0:4000.0"), Some(vec![4107.0, 61850.0]));
        assert_eq!(parse("+F2:2:2048:0.0:1.0"), None);
        assert_eq!(parse(""), None);
    }
}
