//! What `offload` itself costs, against an engine that answers at once, beside the bare ring and the machine's own cache lines.

use crate::bars;
use crate::error::BenchError;
use crate::play::NANOS;
use crate::report::{Row, Unit};
use crate::samples::Samples;

use super::stage::{Medians, Stage, named};

const NAME: &str = "offload";

pub(super) fn run(stage: &Stage) -> Result<Vec<Row>, BenchError> {
    let played = stage.in_turn(&[
        &["cache-line"],
        &["ring-turn"],
        &["ring-stream"],
        &["synchronous"],
        &["tickets"],
        &["woken"],
    ])?;
    let [line, turn, stream, synchronous, tickets, woken] = &played[..] else {
        return Err(BenchError::Hotspare("not all subjects were played".to_owned()));
    };
    let nanos =
        |what, subject| Ok::<_, BenchError>(Row::new(NAME, what, Unit::Nanos, named(subject, NANOS)?));
    let rate = |what, subject| Ok::<_, BenchError>(Row::new(NAME, what, Unit::PerSecond, &rate(subject)?));
    let floor = named(turn, NANOS)?.median();
    let own = named(synchronous, NANOS)?.median() - floor;
    Ok(vec![
        nanos("a cache line to the other processor and back", line)?,
        nanos("bare ring, one at a time: submit, poll until answered", turn)?,
        nanos("bare ring, 64 in flight: submit and poll", stream)?,
        nanos("synchronous request", synchronous)?
            .bar(bars::SYNCHRONOUS_NANOS)
            .beside(format!("{} more than the bare ring", Unit::Nanos.show(own))),
        rate("tickets, 64 in flight, one core, owner polls", tickets)?.bar(bars::TICKETS_A_SECOND),
        rate("tickets, 64 in flight, one core, owner sleeps", woken)?,
    ])
}

fn rate(subject: &Medians) -> Result<Samples, BenchError> {
    let rate = named(subject, NANOS)?.map(|nanos| 1e9 / nanos);
    rate.ok_or_else(|| BenchError::Hotspare("nothing was completed".to_owned()))
}
