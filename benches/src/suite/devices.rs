//! Several devices: what one does to another, and what many cost.

use crate::bars;
use crate::error::BenchError;
use crate::play::{ALONE, BESIDE, PROCESSOR_NANOS};
use crate::report::{Row, Unit};

use super::stage::{Stage, named};

pub(super) fn run(stage: &Stage) -> Result<Vec<Row>, BenchError> {
    const NAME: &str = "devices";
    let played =
        stage.in_turn(&[&["neighbour"], &["tickets", "--devices", "1"], &["tickets", "--devices", "16"]])?;
    let [neighbour, one, sixteen] = &played[..] else {
        return Err(BenchError::Hotspare("not all subjects were played".to_owned()));
    };
    let (one, sixteen) = (named(one, PROCESSOR_NANOS)?, named(sixteen, PROCESSOR_NANOS)?);
    let ratio = sixteen.ratio_to(one).ok_or_else(|| BenchError::Hotspare("no processor time".to_owned()))?;
    Ok(vec![
        Row::new(
            NAME,
            "longest completion, beyond the usual and the watchdog's",
            Unit::Micros,
            named(neighbour, ALONE)?,
        ),
        Row::new(
            NAME,
            "the same beside a request of 100 ms on the other device",
            Unit::Micros,
            named(neighbour, BESIDE)?,
        )
        .bar(bars::DELAY_BESIDE_SLOW_MICROS),
        Row::new(NAME, "processor time for a completion, 16 devices / 1", Unit::Ratio, &ratio)
            .bar(bars::SIXTEEN_DEVICES_RATIO)
            .beside(format!("{} and {}", Unit::Nanos.show(sixteen.median()), Unit::Nanos.show(one.median()))),
    ])
}
