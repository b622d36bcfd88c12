//! Several devices: what one does to another, and what many cost.

use crate::bars;
use crate::error::BenchError;
use crate::play::{ALONE, BESIDE, PROCESSOR_NANOS};
use crate::report::{Row, Unit};
use crate::samples::Samples;

use super::stage::{Medians, Stage, named};

const NAME: &str = "devices";
const BESIDE_LONG: &str = "beside 100 ms on another device";

pub(super) fn run(stage: &Stage) -> Result<Vec<Row>, BenchError> {
    let played = stage.in_turn(&[
        &["neighbour"],
        &["woken-neighbour"],
        &["tickets", "--devices", "1"],
        &["tickets", "--devices", "16"],
        &["woken", "--devices", "1"],
        &["woken", "--devices", "16"],
    ])?;
    let [waiting, woken, polled_one, polled_sixteen, woken_one, woken_sixteen] = &played[..] else {
        return Err(BenchError::Hotspare("not all subjects were played".to_owned()));
    };
    let longest = |what: &str, how: &str, samples| {
        Row::new(NAME, format!("longest completion {what}, owner {how}"), Unit::Micros, samples)
    };
    Ok(vec![
        longest("with nothing beside", "waits", named(waiting, ALONE)?),
        longest(BESIDE_LONG, "waits", named(waiting, BESIDE)?).bar(bars::DELAY_BESIDE_SLOW_MICROS),
        longest("with nothing beside", "sleeps", named(woken, ALONE)?),
        longest(BESIDE_LONG, "sleeps", named(woken, BESIDE)?).bar(bars::DELAY_BESIDE_SLOW_MICROS),
        sixteen("owner polls", polled_one, polled_sixteen)?,
        sixteen("owner sleeps", woken_one, woken_sixteen)?,
    ])
}

fn sixteen(how: &str, one: &Medians, sixteen: &Medians) -> Result<Row, BenchError> {
    let (one, sixteen) = (named(one, PROCESSOR_NANOS)?, named(sixteen, PROCESSOR_NANOS)?);
    let ratio = sixteen.ratio_to(one).ok_or_else(|| BenchError::Hotspare("no processor time".to_owned()))?;
    let show = |samples: &Samples| Unit::Nanos.show(samples.median());
    let what = format!("processor time for a completion, 16 devices / 1, {how}");
    let row = Row::new(NAME, what, Unit::Ratio, &ratio).bar(bars::SIXTEEN_DEVICES_RATIO);
    Ok(row.beside(format!("{} and {}", show(sixteen), show(one))))
}
