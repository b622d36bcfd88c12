//! What `offload` itself costs, against an engine that answers at once, beside the bare ring and the machine's own cache lines.

use crate::bars;
use crate::error::BenchError;
use crate::play::NANOS;
use crate::report::{Row, Unit};

use super::stage::{Stage, named};

pub(super) fn run(stage: &Stage) -> Result<Vec<Row>, BenchError> {
    const NAME: &str = "offload";
    let played = stage.in_turn(&[
        &["cache-line"],
        &["ring-turn"],
        &["ring-stream"],
        &["synchronous"],
        &["tickets"],
    ])?;
    let [line, turn, stream, synchronous, tickets] = &played[..] else {
        return Err(BenchError::Hotspare("not all subjects were played".to_owned()));
    };
    let rate = named(tickets, NANOS)?.map(|nanos| 1e9 / nanos);
    let rate = rate.ok_or_else(|| BenchError::Hotspare("no tickets".to_owned()))?;
    Ok(vec![
        Row::new(NAME, "a cache line to the other processor and back", Unit::Nanos, named(line, NANOS)?),
        Row::new(
            NAME,
            "bare ring, one at a time: submit, poll until answered",
            Unit::Nanos,
            named(turn, NANOS)?,
        ),
        Row::new(NAME, "bare ring, 64 in flight: submit and poll", Unit::Nanos, named(stream, NANOS)?),
        Row::new(NAME, "synchronous request", Unit::Nanos, named(synchronous, NANOS)?)
            .bar(bars::SYNCHRONOUS_NANOS),
        Row::new(NAME, "tickets, 64 in flight, one core", Unit::PerSecond, &rate).bar(bars::TICKETS_A_SECOND),
    ])
}
