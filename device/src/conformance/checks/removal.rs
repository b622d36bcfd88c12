//! Devices that go and return, and handles that are closed.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::conformance::trial::{
    Trial, Verdict, ensure, ensure_reals_before_ordered_dummies, is_readable, is_readable_now,
};
use crate::conformance::{Action, PATIENCE, Stand};
use crate::instance::{OpenError, State, Status, SubmitError};

/// The device goes and the driver takes note.
fn vanish(trial: &Trial) -> Verdict {
    let removal = trial.removal()?;
    trial.act(Action::Vanish)?;
    ensure!(is_readable(&[removal.as_fd()], PATIENCE), "the removal descriptor never became readable");
    ensure!(trial.instance.notice_removal(), "the removal was not noticed");
    let state = trial.instance.state().0;
    ensure!(state == State::Removed, "the device is gone, the state {state}");
    Ok(())
}

pub(super) fn a_removal_is_noticed(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    trial.works()?;
    ensure!(!is_readable_now(&*trial.removal()?), "the removal descriptor of a working device is readable");
    ensure!(!trial.instance.notice_removal(), "a working device was taken for removed");
    trial.act(Action::FallSilent)?;
    let caught = trial.submit(3)?;
    vanish(&trial)?;
    ensure!(trial.instance.removal_descriptor().is_none(), "the removal was noticed, and has a descriptor");
    let refusal = trial.try_submit();
    ensure!(refusal == Err(SubmitError::Gone), "gone, but: {refusal:?}");
    let answers = trial.collect(caught.len())?;
    ensure!(answers.iter().all(|answer| answer.status == Status::Dummy), "{answers:?}");
    ensure_reals_before_ordered_dummies(&answers, &caught)?;
    trial.nothing_more()?;
    ensure!(trial.instance.notice_removal(), "the removal was forgotten");
    Ok(())
}

pub(super) fn the_same_handle_joins_a_device_that_returned(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    for round in 0..3 {
        trial.works()?;
        let (_, epoch) = trial.instance.state();
        vanish(&trial)?;
        trial.nothing_more()?;
        trial.act(Action::Return)?;
        rejoin(&trial).map_err(|error| format!("round {round}: {error}"))?;
        let (state, now) = trial.instance.state();
        ensure!(state == State::Up && now > epoch, "it is {state} in epoch {now}, before {epoch}");
        ensure!(!trial.instance.notice_removal(), "it was joined, and is taken for removed");
        ensure!(trial.instance.removal_descriptor().is_some(), "the next removal would not be noticed");
    }
    trial.works()?;
    trial.nothing_more()
}

/// Tries for a while: a device that returned may take its time.
fn rejoin(trial: &Trial) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match trial.instance.rejoin() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= deadline => {
                return Err(format!("it can't be joined: {error}"));
            }
            Err(OpenError::Protocol { why, .. }) => return Err(why),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

pub(super) fn a_return_after_requests_were_caught(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    trial.act(Action::FallSilent)?;
    let caught = trial.submit(2)?;
    vanish(&trial)?;
    ensure!(trial.instance.rejoin().is_err(), "the handle was joined before its dummies were taken");
    trial.collect(caught.len())?;
    trial.act(Action::Return)?;
    match rejoin(&trial) {
        Ok(()) => {
            let now = trial.instance.occupancy();
            ensure!((now.quarantined, now.usable) == (0, now.depth), "joined anew: {now:?}");
            trial.works()?;
            trial.nothing_more()
        }
        // Its process lives, so the memory is still its own: this handle is of no more use. It says so, and stays clean.
        Err(why) => {
            let refusal = trial.try_submit();
            ensure!(refusal == Err(SubmitError::Gone), "not joined ({why}), but: {refusal:?}");
            let now = trial.instance.occupancy();
            ensure!(now.quarantined == 2, "not joined ({why}), though nothing is in quarantine: {now:?}");
            trial.nothing_more()
        }
    }
}

pub(super) fn rejoining_what_is_there_does_nothing(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    let before = trial.instance.state();
    let joined = trial.instance.rejoin();
    ensure!(joined.is_ok(), "{joined:?}");
    ensure!(trial.instance.state() == before, "it was {before:?}, and is {:?}", trial.instance.state());
    trial.works()
}

/// Drops the handle, which must be the last one, and lets the device do what it may.
fn close(trial: Trial, then: Option<Action>) -> Verdict {
    let Trial { instance, subject, .. } = trial;
    let weak = Arc::downgrade(&instance);
    drop(instance);
    ensure!(weak.upgrade().is_none(), "the stand, or the driver, keeps the handle");
    if let Some(action) = then {
        subject.act(action).map_err(|why| format!("after the handle was closed, {action:?}: {why}"))?;
    }
    Ok(())
}

pub(super) fn closing_is_clean(stand: &dyn Stand) -> Verdict {
    close(Trial::new(stand)?, None)?;
    let mut trial = Trial::new(stand)?;
    trial.works()?;
    trial.act(Action::Hold)?;
    trial.submit(3)?;
    // The device answers into what was ours.
    close(trial, Some(Action::Release))
}

pub(super) fn closing_a_dead_device_is_clean(stand: &dyn Stand) -> Verdict {
    for takes_dummies in [false, true] {
        let mut trial = Trial::new(stand)?;
        trial.act(Action::FallSilent)?;
        trial.submit(3)?;
        trial.act(Action::Fail)?;
        trial.wait_for(State::Error)?;
        if takes_dummies {
            trial.collect(3)?;
        }
        close(trial, None)?;
    }
    Ok(())
}

pub(super) fn closing_a_removed_device_is_clean(stand: &dyn Stand) -> Verdict {
    for is_noticed in [false, true] {
        let mut trial = Trial::new(stand)?;
        trial.act(Action::FallSilent)?;
        trial.submit(3)?;
        if is_noticed {
            vanish(&trial)?;
        } else {
            trial.act(Action::Vanish)?;
        }
        close(trial, None)?;
    }
    Ok(())
}
