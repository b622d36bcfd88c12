//! Room: full rings, quarantine, and what `occupancy` says.

use crate::conformance::trial::{Trial, Verdict, ensure};
use crate::conformance::{Action, Stand};
use crate::instance::{Occupancy, Status, SubmitError, Tag};

pub(super) fn a_full_ring_says_so(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    for _ in 0..3 {
        trial.act(Action::Hold)?;
        let (taken, refusal) = trial.fill()?;
        let occupancy = trial.instance.occupancy();
        ensure!(refusal == SubmitError::Full, "the refusal was {refusal:?}");
        ensure!(
            taken.len() == occupancy.depth as usize && occupancy.in_flight == occupancy.depth,
            "{} requests were taken: {occupancy:?}",
            taken.len()
        );
        trial.act(Action::Release)?;
        trial.collect_computed()?;
        trial.nothing_more()?;
    }
    trial.works()
}

pub(super) fn occupancy_adds_up(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    let empty = trial.instance.occupancy();
    let Occupancy { in_flight, quarantined, depth, slots, usable, .. } = empty;
    ensure!((in_flight, quarantined) == (0, 0) && usable == depth && depth > 0, "when new: {empty:?}");
    ensure!(depth <= slots, "more requests than pieces of memory: {empty:?}");
    trial.act(Action::Hold)?;
    for number in 1..=depth {
        trial.submit(1)?;
        let now = trial.instance.occupancy();
        ensure!((now.in_flight, now.usable) == (number, depth), "with {number} in flight: {now:?}");
    }
    trial.act(Action::Release)?;
    trial.collect_computed()?;
    let now = trial.instance.occupancy();
    ensure!(now == empty, "afterwards {now:?}, before {empty:?}");
    Ok(())
}

pub(super) fn what_is_abandoned_is_in_quarantine_until_it_is_answered(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    let empty = trial.instance.occupancy();
    trial.act(Action::Hold)?;
    let submitted = trial.submit(3)?;
    for abandoned in [0, 2] {
        trial.instance.abandon(Tag(submitted[abandoned]));
        // A second time changes nothing, nor does a tag that there is not.
        trial.instance.abandon(Tag(submitted[abandoned]));
        trial.instance.abandon(Tag(u64::MAX));
    }
    let now = trial.instance.occupancy();
    ensure!((now.in_flight, now.quarantined) == (3, 2), "3 in flight, 2 of them abandoned: {now:?}");
    ensure!(now.usable == now.depth - 2, "two places are taken by nobody: {now:?}");
    // Requests with another result: if they got the memory of the abandoned ones, some of these answers are wrong.
    let other = trial.samples.len() - 1;
    for _ in 0..3 {
        let submitted = trial.try_submit_sample(other);
        ensure!(submitted.is_ok(), "there is room beside the abandoned requests, but: {submitted:?}");
    }
    trial.act(Action::Release)?;
    // All of them, the abandoned ones included.
    trial.collect_computed()?;
    let now = trial.instance.occupancy();
    ensure!(now == empty, "afterwards {now:?}, before {empty:?}");
    trial.works()?;
    trial.nothing_more()
}

pub(super) fn a_ring_full_of_abandoned_requests_says_so(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    trial.act(Action::Hold)?;
    let (taken, _) = trial.fill()?;
    let half = taken.len() / 2;
    for tag in &taken[..half] {
        trial.instance.abandon(Tag(*tag));
    }
    let refusal = trial.try_submit();
    ensure!(refusal == Err(SubmitError::Full), "half of the ring still works, but: {refusal:?}");
    trial.instance.abandon(Tag(taken[half]));
    let refusal = trial.try_submit();
    ensure!(refusal == Err(SubmitError::Quarantined), "most places wait for nobody, but: {refusal:?}");
    ensure!(trial.instance.occupancy().is_clogged(), "it refuses and does not say why");
    trial.act(Action::Release)?;
    let answers = trial.collect(taken.len())?;
    ensure!(answers.iter().all(|answer| answer.status == Status::Done), "{answers:?}");
    ensure!(!trial.instance.occupancy().is_clogged(), "every answer came, and it is still clogged");
    trial.works()
}
