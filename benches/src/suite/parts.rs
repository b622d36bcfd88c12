//! What criterion measures: `benches/benches/parts.rs`.

use std::path::Path;
use std::process::Command;

use crate::child::pinned;
use crate::error::{BenchError, system};
use crate::report::{Row, Unit};
use crate::samples::Samples;

use super::stage::Stage;

/// The name of the program, and of its group in criterion's directory.
const GROUP: &str = "parts";

/// How long criterion measures each part, in seconds.
const THOROUGHLY: &[&str] = &["--warm-up-time", "1", "--measurement-time", "3"];
const QUICKLY: &[&str] = &["--warm-up-time", "0.2", "--measurement-time", "0.5", "--sample-size", "20"];

/// Criterion's `sample.json`: how often, and how many nanoseconds that took.
#[derive(serde::Deserialize)]
struct Measured {
    iters: Vec<f64>,
    times: Vec<f64>,
}

pub(super) fn run(stage: &Stage) -> Result<Vec<Row>, BenchError> {
    let mut command = Command::new("cargo");
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["bench", "--quiet", "--locked", "--bench", GROUP, "--", "--noplot"]);
    command.args(if stage.options.quick { QUICKLY } else { THOROUGHLY });
    let group = stage.options.criterion.join(GROUP);
    // What was measured of parts that are no more is no part of this run.
    if group.exists() {
        std::fs::remove_dir_all(&group).map_err(system(group.display().to_string()))?;
    }
    stage.say(pinned(&mut command, stage.pair.measured))?;
    let mut rows = Vec::new();
    for entry in std::fs::read_dir(&group).map_err(system(group.display().to_string()))? {
        let name = entry.map_err(system(group.display().to_string()))?.file_name();
        let Some(name) = name.to_str().filter(|name| *name != "report") else { continue };
        rows.push(Row::new(GROUP, name, Unit::Nanos, &read(&group.join(name).join("new/sample.json"))?));
    }
    rows.sort_by(|one, other| one.what.cmp(&other.what));
    Ok(rows)
}

fn read(file: &Path) -> Result<Samples, BenchError> {
    let text = std::fs::read_to_string(file).map_err(system(file.display().to_string()))?;
    samples(&text).ok_or_else(|| BenchError::Misunderstood { program: "criterion".to_owned(), said: text })
}

fn samples(text: &str) -> Option<Samples> {
    let measured: Measured = serde_json::from_str(text).ok()?;
    Samples::new(measured.times.iter().zip(&measured.iters).map(|(time, count)| time / count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criterions_samples_are_nanoseconds_for_one() {
        let text = r#"{"sampling_mode":"Linear","iters":[1.0,10.0],"times":[30.0,200.0]}"#;
        assert_eq!(samples(text).unwrap().values(), [30.0, 20.0]);
        assert_eq!(samples(r#"{"iters":[],"times":[]}"#), None);
    }
}
