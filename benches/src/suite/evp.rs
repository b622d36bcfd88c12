//! X25519 through EVP and the provider, against an engine that answers at once.

use crate::bars;
use crate::error::BenchError;
use crate::play::{PAUSED, RATE};
use crate::report::{Row, Unit};

use super::stage::{Stage, named};

/// The provider's module.
pub(super) const MODULE: &str = "hotspare.so";

pub(super) fn run(stage: &Stage) -> Result<Vec<Row>, BenchError> {
    const NAME: &str = "evp";
    let module = stage.program(MODULE)?.display().to_string();
    let played = stage.in_turn(&[
        &["empty-jobs"],
        &["evp-plain", "--module", &module],
        &["evp-jobs", "--module", &module],
    ])?;
    let [empty, plain, jobs] = &played[..] else {
        return Err(BenchError::Hotspare("not all subjects were played".to_owned()));
    };
    let paused = named(jobs, PAUSED)?.median() * 100.0;
    Ok(vec![
        Row::new(NAME, "ASYNC jobs that pause once and do nothing", Unit::PerSecond, named(empty, RATE)?),
        Row::new(NAME, "X25519 without jobs", Unit::PerSecond, named(plain, RATE)?),
        Row::new(NAME, "X25519 in 64 ASYNC jobs", Unit::PerSecond, named(jobs, RATE)?)
            .bar(bars::EVP_JOBS_A_SECOND)
            .beside(format!("{paused:.0} pauses for 100 jobs")),
    ])
}
