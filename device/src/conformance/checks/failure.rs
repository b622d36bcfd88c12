//! Fatal errors and restarts.

use crate::conformance::trial::{Trial, Verdict, ensure, ensure_reals_before_ordered_dummies};
use crate::conformance::{Action, Stand};
use crate::instance::{State, Status, SubmitError, Tag};

pub(super) fn an_error_gives_real_answers_then_dummies_in_order(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    // The first request's memory is used again by a later one, so that the order of memory is not that of submission.
    trial.works()?;
    trial.act(Action::Hold)?;
    let mut submitted = trial.submit(2)?;
    trial.act(Action::ReleaseNewest)?;
    trial.collect(1)?;
    submitted.extend(trial.submit(4)?);
    // Answered, but not taken yet.
    trial.act(Action::ReleaseNewest)?;
    trial.act(Action::Fail)?;
    trial.wait_for(State::Error)?;
    let answers = trial.collect(submitted.len() - 1)?;
    ensure_reals_before_ordered_dummies(&answers, &submitted)?;
    let real = answers.iter().filter(|answer| answer.status == Status::Done).count();
    ensure!(real == 1, "one answer lay in the ring when the error came, {real} were given");
    trial.nothing_more()
}

pub(super) fn an_error_gives_a_dummy_for_each_request(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    trial.works()?;
    trial.act(Action::FallSilent)?;
    let submitted = trial.submit(trial.instance.occupancy().depth)?;
    trial.instance.abandon(Tag(submitted[1]));
    trial.act(Action::Fail)?;
    trial.wait_for(State::Error)?;
    let answers = trial.collect(submitted.len())?;
    ensure!(answers.iter().all(|answer| answer.status == Status::Dummy), "{answers:?}");
    ensure_reals_before_ordered_dummies(&answers, &submitted)?;
    ensure!(trial.instance.occupancy().in_flight == 0, "dummies were given for requests that are in flight");
    trial.nothing_more()
}

pub(super) fn a_dead_device_refuses_at_once(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    trial.act(Action::Fail)?;
    trial.wait_for(State::Error)?;
    // Nobody has polled.
    let refusal = trial.try_submit();
    ensure!(refusal == Err(SubmitError::Error), "in error: {refusal:?}");
    trial.nothing_more()?;
    let refusal = trial.try_submit();
    ensure!(refusal == Err(SubmitError::Error), "in error, after a poll: {refusal:?}");
    ensure!(trial.instance.occupancy().in_flight == 0, "a refused request was left behind");
    Ok(())
}

pub(super) fn quarantine_lasts_until_the_fence(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    let (_, epoch) = trial.instance.state();
    trial.act(Action::FallSilent)?;
    let caught = trial.submit(3)?;
    trial.act(Action::Fail)?;
    trial.wait_for(State::Error)?;
    trial.collect(caught.len())?;
    let now = trial.instance.occupancy();
    ensure!((now.in_flight, now.quarantined) == (0, 3), "three requests were caught: {now:?}");
    trial.act(Action::Restart)?;
    let answers = trial.wait_for_epoch_after(epoch)?;
    ensure!(answers.is_empty(), "a restart with nothing in flight gave {answers:?}");
    let now = trial.instance.occupancy();
    ensure!((now.quarantined, now.usable) == (0, now.depth), "it was fenced: {now:?}");
    trial.works()?;
    trial.nothing_more()
}

pub(super) fn a_late_answer_is_nobodys(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    let (_, epoch) = trial.instance.state();
    trial.act(Action::Hold)?;
    let caught = trial.submit(3)?;
    trial.act(Action::Fail)?;
    trial.wait_for(State::Error)?;
    trial.collect(caught.len())?;
    trial.act(Action::AnswerLate)?;
    trial.nothing_more()?;
    let now = trial.instance.occupancy();
    ensure!(now.stray_responses == 3, "three answers came late: {now:?}");
    ensure!(now.quarantined == 3, "a late answer is no fence: {now:?}");
    trial.act(Action::Restart)?;
    trial.wait_for_epoch_after(epoch)?;
    trial.works()?;
    trial.nothing_more()
}

pub(super) fn a_restart_that_nobody_saw_gives_dummies(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    let (_, epoch) = trial.instance.state();
    trial.act(Action::FallSilent)?;
    let caught = trial.submit(2)?;
    trial.act(Action::Restart)?;
    let refusal = trial.try_submit();
    ensure!(
        matches!(refusal, Err(SubmitError::Restarting | SubmitError::Error)),
        "its dummies come first, but: {refusal:?}"
    );
    let answers = trial.wait_for_epoch_after(epoch)?;
    ensure!(
        answers.len() == caught.len() && answers.iter().all(|answer| answer.status == Status::Dummy),
        "two requests were caught: {answers:?}"
    );
    ensure_reals_before_ordered_dummies(&answers, &caught)?;
    trial.works()?;
    trial.nothing_more()
}

pub(super) fn many_restarts_leave_nothing_behind(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    let empty = trial.instance.occupancy();
    for round in 0..10 {
        let (_, epoch) = trial.instance.state();
        trial.act(Action::FallSilent)?;
        let caught = trial.submit(empty.depth)?;
        if round % 2 == 0 {
            trial.act(Action::Fail)?;
            trial.wait_for(State::Error)?;
        }
        trial.act(Action::Restart)?;
        let mut answers = trial.wait_for_epoch_after(epoch)?;
        answers.extend(trial.poll()?);
        ensure!(answers.len() == caught.len(), "round {round}: {} dummies", answers.len());
        trial.works()?;
    }
    let now = trial.instance.occupancy();
    ensure!(
        (now.in_flight, now.quarantined, now.usable) == (0, 0, empty.usable),
        "afterwards {now:?}, before {empty:?}"
    );
    trial.nothing_more()
}
