//! What comes back for a request.

use std::collections::HashSet;

use crate::conformance::trial::{Ending, Trial, Verdict, ensure};
use crate::conformance::{Action, Stand, samples};
use crate::instance::{Status, SubmitError, Tag};

pub(super) fn every_operation_is_computed(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    for _ in 0..3 {
        for sample in 0..trial.samples.len() {
            let operation = trial.samples[sample].request.operation();
            let submitted = trial.try_submit_sample(sample);
            ensure!(submitted.is_ok(), "{operation:?}, which it supports, is refused: {submitted:?}");
            let answer = trial.collect(1)?[0];
            ensure!(answer.status == Status::Done, "{operation:?} came back {:?}", answer.status);
        }
    }
    trial.nothing_more()
}

pub(super) fn an_operation_that_it_lacks_is_refused(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    let mut lacking = samples().map_err(|error| error.to_string())?;
    lacking.retain(|sample| !trial.instance.supports(sample.request.operation()));
    if lacking.is_empty() {
        return Err(Ending::NotRun("the device has every operation".to_owned()));
    }
    let before = trial.instance.occupancy();
    for sample in lacking {
        let refused = trial.instance.submit(&sample.request, Tag(u64::MAX));
        let operation = sample.request.operation();
        ensure!(refused == Err(SubmitError::Unsupported), "{operation:?} gave {refused:?}");
    }
    ensure!(trial.instance.occupancy() == before, "a refused request was left behind");
    trial.works()?;
    trial.nothing_more()
}

pub(super) fn each_request_is_answered_exactly_once(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    // Different results in flight at once, so that a mixed-up answer is seen.
    let kinds = trial.samples.len().min(5);
    for round in 0..200 {
        let depth = trial.instance.occupancy().depth as usize;
        for number in 0..depth {
            let submitted = trial.try_submit_sample((round + number) % kinds);
            ensure!(submitted.is_ok(), "round {round}, request {number} is refused: {submitted:?}");
        }
        trial.collect_computed()?;
    }
    trial.nothing_more()?;
    let strays = trial.instance.occupancy().stray_responses;
    ensure!(strays == 0, "{strays} stray responses of a device that made none");
    Ok(())
}

pub(super) fn answers_come_in_any_order(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    trial.act(Action::Hold)?;
    let submitted = trial.submit(4)?;
    for tag in submitted.iter().skip(1).rev() {
        trial.act(Action::ReleaseNewest)?;
        let answer = trial.collect(1)?[0];
        ensure!(answer.tag == *tag, "the device answered {tag}, the driver {}", answer.tag);
        ensure!(answer.status == Status::Done, "{tag} came back {:?}", answer.status);
    }
    trial.act(Action::Release)?;
    trial.collect_computed()?;
    trial.nothing_more()
}

pub(super) fn a_second_answer_is_nobodys(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    trial.act(Action::Hold)?;
    // Half, so that both answers of each fit into the ring.
    let submitted = trial.submit(trial.instance.occupancy().depth / 2)?;
    trial.act(Action::AnswerTwice)?;
    trial.collect_computed()?;
    trial.nothing_more()?;
    let strays = trial.instance.occupancy().stray_responses;
    ensure!(
        strays == submitted.len() as u64,
        "{strays} strays, {} answers were second ones",
        submitted.len()
    );
    trial.works()?;
    trial.nothing_more()
}

pub(super) fn nonsense_is_survived(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    trial.act(Action::Hold)?;
    let submitted = trial.submit(trial.instance.occupancy().depth / 2)?;
    trial.act(Action::AnswerNonsense)?;
    let answers = trial.collect(submitted.len())?;
    for answer in &answers {
        ensure!(
            matches!(answer.status, Status::Broken(_) | Status::Dummy),
            "nonsense came back {:?}",
            answer.status
        );
    }
    let tags: HashSet<_> = answers.iter().map(|answer| answer.tag).collect();
    ensure!(tags == submitted.iter().copied().collect(), "other requests than those were answered");
    trial.nothing_more()?;
    ensure!(trial.instance.occupancy().stray_responses > 0, "answers for nobody were not counted");
    Ok(())
}
