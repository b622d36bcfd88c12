//! What is told of a run: a table, `report.json` with every sample, and `report.svg`.

mod machine;
mod picture;
mod svg;
mod table;
mod unit;

use std::path::Path;

use serde::{Serialize, Serializer};

use crate::bars::Bar;
use crate::error::{BenchError, system};
use crate::samples::{Samples, Summary};
use machine::Machine;

pub use unit::Unit;

/// One measured thing.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The benchmark that it belongs to.
    pub benchmark: &'static str,
    /// What was measured.
    pub what: String,
    /// In what.
    pub unit: Unit,
    /// Its samples' quartiles.
    pub summary: Summary,
    /// What its median must keep.
    pub bar: Option<Bar>,
    /// Whether it does. What has no bar does.
    pub is_good: bool,
    /// What else is to be known.
    pub beside: String,
    #[serde(serialize_with = "values")]
    samples: Samples,
}

impl Row {
    /// A row without a bar.
    #[must_use]
    pub fn new(benchmark: &'static str, what: impl Into<String>, unit: Unit, samples: &Samples) -> Self {
        let summary = samples.summary();
        let (beside, what) = (String::new(), what.into());
        Self { benchmark, what, unit, summary, bar: None, is_good: true, beside, samples: samples.clone() }
    }

    /// Its median must keep this.
    #[must_use]
    pub fn bar(self, bar: Bar) -> Self {
        Self { is_good: bar.is_kept(self.summary.median), bar: Some(bar), ..self }
    }

    /// With a remark.
    #[must_use]
    pub fn beside(self, beside: String) -> Self {
        Self { beside, ..self }
    }
}

fn values<S: Serializer>(samples: &Samples, serializer: S) -> Result<S::Ok, S::Error> {
    samples.values().serialize(serializer)
}

/// A benchmark that could not be run.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Its name.
    pub benchmark: &'static str,
    /// Why.
    pub error: String,
}

/// A run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Measured shortly.
    quick: bool,
    machine: Machine,
    /// What was measured.
    pub rows: Vec<Row>,
    /// What could not be.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Nothing was measured yet.
    #[must_use]
    pub fn begin(quick: bool) -> Self {
        Self { quick, machine: Machine::look(), rows: Vec::new(), failures: Vec::new() }
    }

    /// Whether everything was measured, and every bar kept.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failures.is_empty() && self.rows.iter().all(|row| row.is_good)
    }

    /// Everything for the terminal.
    #[must_use]
    pub fn table(&self) -> String {
        table::draw(&self.rows)
    }

    /// The last line: what failed, if anything did.
    #[must_use]
    pub fn verdict(&self) -> String {
        let missed = self.rows.iter().filter(|row| !row.is_good).count();
        let held = self.rows.iter().filter(|row| row.bar.is_some()).count();
        let mut verdict = format!("RESULT bars={held} missed={missed} failures={}", self.failures.len());
        for row in self.rows.iter().filter(|row| !row.is_good) {
            if let Some(bar) = row.bar {
                let (median, wanted) = (row.unit.show(row.summary.median), bar.show(row.unit));
                verdict += &format!("\n  {}: {}: {median}, wanted {wanted}", row.benchmark, row.what);
            }
        }
        for failure in &self.failures {
            verdict += &format!("\n  {}: {}", failure.benchmark, failure.error);
        }
        verdict
    }

    /// Writes `report.json` and `report.svg` into this directory.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, directory: &Path) -> Result<(), BenchError> {
        std::fs::create_dir_all(directory).map_err(system(directory.display().to_string()))?;
        let json = serde_json::to_string_pretty(self);
        let json = json.map_err(|error| BenchError::Hotspare(error.to_string()))?;
        for (name, text) in [("report.json", json + "\n"), ("report.svg", picture::draw(&self.rows))] {
            let path = directory.join(name);
            std::fs::write(&path, text).map_err(system(path.display().to_string()))?;
        }
        Ok(())
    }
}

impl Bar {
    /// As a reader has it: `>= 0.970`.
    #[must_use]
    pub fn show(self, unit: Unit) -> String {
        let sign = match self.side {
            crate::bars::Side::AtLeast => ">=",
            crate::bars::Side::AtMost => "<=",
        };
        format!("{sign} {}", unit.show(self.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars;

    fn report() -> Report {
        let samples = |values: &[f64]| Samples::new(values.to_vec()).unwrap();
        let mut report = Report::begin(true);
        report.rows = vec![
            Row::new("offload", "bare ring", Unit::Nanos, &samples(&[99.0, 100.0, 101.0])),
            Row::new("offload", "synchronous", Unit::Nanos, &samples(&[700.0, 720.0, 5000.0]))
                .bar(bars::SYNCHRONOUS_NANOS),
        ];
        report
    }

    #[test]
    fn one_missed_bar_fails_the_run_and_is_named() {
        let mut report = report();
        assert!(report.is_good());
        assert_eq!(report.verdict(), "RESULT bars=1 missed=0 failures=0");
        let slow = Samples::new(vec![1_001.0]).unwrap();
        report.rows.push(Row::new("offload", "slow", Unit::Nanos, &slow).bar(bars::SYNCHRONOUS_NANOS));
        assert!(!report.is_good());
        assert!(
            report.verdict().contains("offload: slow: 1001 ns, wanted <= 1000 ns"),
            "{}",
            report.verdict()
        );
    }

    #[test]
    fn what_could_not_be_measured_fails_the_run() {
        let mut report = report();
        report.failures.push(Failure { benchmark: "evp", error: "no module".to_owned() });
        assert!(!report.is_good());
        assert!(report.verdict().ends_with("evp: no module"));
    }

    #[test]
    fn the_json_has_every_sample_and_every_bar() {
        let json: serde_json::Value =
            serde_json::from_str(&serde_json::to_string(&report()).unwrap()).unwrap();
        assert_eq!(json["rows"][1]["samples"], serde_json::json!([700.0, 720.0, 5000.0]));
        assert_eq!(json["rows"][1]["summary"]["median"], 720.0);
        assert_eq!(json["rows"][1]["bar"], serde_json::json!({ "side": "at_most", "limit": 1000.0 }));
        assert_eq!(json["rows"][0]["bar"], serde_json::Value::Null);
        assert_eq!(json["rows"][1]["is_good"], true);
    }

    #[test]
    fn table_and_picture_show_every_row_that_they_should() {
        let report = report();
        let table = report.table();
        assert!(
            table.contains("bare ring") && table.contains("720 ns") && table.contains("<= 1000 ns"),
            "{table}"
        );
        let picture = picture::draw(&report.rows);
        assert!(picture.contains("synchronous") && picture.ends_with("</svg>\n"));
    }
}
