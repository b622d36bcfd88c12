//! Waiting: nobody sleeps while there is something to poll.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::conformance::trial::{Trial, Verdict, ensure, is_readable, is_readable_now};
use crate::conformance::{Action, PATIENCE, Stand};
use crate::instance::{State, Status};

/// Time for the other thread to be asleep when the device acts. What is found does not depend on it.
const A_MOMENT: Duration = Duration::from_millis(5);

/// Rounds of the race between an answer and somebody who prepares to wait for it.
const RACES: u32 = 3000;

pub(super) fn who_waits_is_woken_by_an_answer(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    for round in 0..20 {
        trial.act(Action::Hold)?;
        trial.submit(2)?;
        ensure!(trial.instance.prepare_wait(), "round {round}: nothing is there, and waiting is refused");
        wait_while(&trial, round % 2 == 0, Action::Release)?;
        trial.instance.end_wait();
        trial.collect_computed()?;
        ensure_rests(&trial)?;
        trial.nothing_more()?;
    }
    // What came before anybody waits is told by `prepare_wait`.
    trial.act(Action::Hold)?;
    trial.submit(1)?;
    trial.act(Action::Release)?;
    let deadline = Instant::now() + PATIENCE;
    while trial.instance.prepare_wait() {
        // The answer may be on its way.
        ensure!(
            is_readable(&[trial.instance.descriptor()], PATIENCE),
            "an answer that is there wakes nobody"
        );
        trial.instance.end_wait();
        ensure!(Instant::now() < deadline, "an answer is there, and waiting is allowed");
    }
    trial.collect_computed()
}

/// With nothing there, the descriptor does not stay readable: who waits would spin.
fn ensure_rests(trial: &Trial) -> Verdict {
    for _ in 0..10 {
        let may_wait = trial.instance.prepare_wait();
        let rings = is_readable_now(trial.instance.descriptor());
        trial.instance.end_wait();
        if may_wait && !rings {
            return Ok(());
        }
    }
    ensure!(false, "nothing is there, and who waits is woken all the time");
    Ok(())
}

/// Waits on both descriptors while the device acts, in this thread's absence or, for once, before.
fn wait_while(trial: &Trial, sleeps_first: bool, action: Action) -> Verdict {
    let removal = trial.instance.removal_descriptor();
    let mut descriptors = vec![trial.instance.descriptor()];
    descriptors.extend(removal.iter().map(|fd| fd.as_fd()));
    std::thread::scope(|scope| {
        let actor = scope.spawn(|| {
            if sleeps_first {
                std::thread::sleep(A_MOMENT);
            }
            trial.subject.act(action)
        });
        let woken = is_readable(&descriptors, PATIENCE);
        match actor.join() {
            Ok(acted) => acted.map_err(|why| format!("{action:?}: {why}"))?,
            Err(_) => ensure!(false, "{action:?}: the stand panicked"),
        }
        ensure!(woken, "{action:?} woke nobody");
        Ok(())
    })
}

pub(super) fn no_wake_up_is_lost(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    // Any number will do: it only spreads the moments at which the wait begins.
    let mut pause: u32 = 1;
    for round in 0..RACES {
        trial.submit(1)?;
        pause = pause.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        for _ in 0..(pause >> 16) % 4096 {
            std::hint::spin_loop();
        }
        let deadline = Instant::now() + PATIENCE;
        // In every other round nothing but `prepare_wait` can see an answer that is there already.
        let mut answers = if round % 2 == 0 { trial.poll()? } else { Vec::new() };
        while answers.is_empty() {
            if trial.instance.prepare_wait() {
                let woken = is_readable(&[trial.instance.descriptor()], PATIENCE);
                trial.instance.end_wait();
                ensure!(woken, "a wake-up was lost (round {round})");
            }
            answers = trial.poll()?;
            ensure!(Instant::now() < deadline, "round {round}: woken, and nothing is there");
        }
    }
    trial.nothing_more()
}

pub(super) fn who_waits_is_woken_by_an_error_and_by_a_restart(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    for round in 0..4 {
        let (_, epoch) = trial.instance.state();
        trial.act(Action::FallSilent)?;
        trial.submit(2)?;
        ensure!(trial.instance.prepare_wait(), "nothing is there, and waiting is refused");
        wait_while(&trial, round % 2 == 0, Action::Fail)?;
        trial.instance.end_wait();
        trial.wait_for(State::Error)?;
        ensure!(!trial.instance.prepare_wait(), "there are dummies, and waiting is allowed");
        let answers = trial.collect(2)?;
        ensure!(answers.iter().all(|answer| answer.status == Status::Dummy), "{answers:?}");
        ensure_rests(&trial)?;
        ensure!(trial.instance.prepare_wait(), "in error there is nothing to poll, and waiting is refused");
        wait_while(&trial, round % 2 == 0, Action::Restart)?;
        trial.instance.end_wait();
        trial.wait_for_epoch_after(epoch)?;
        trial.works()?;
        ensure_rests(&trial)?;
    }
    Ok(())
}

pub(super) fn who_waits_is_woken_by_a_removal(stand: &dyn Stand) -> Verdict {
    let mut trial = Trial::new(stand)?;
    trial.removal()?;
    trial.act(Action::FallSilent)?;
    trial.submit(2)?;
    ensure!(trial.instance.prepare_wait(), "nothing is there, and waiting is refused");
    wait_while(&trial, true, Action::Vanish)?;
    trial.instance.end_wait();
    let deadline = Instant::now() + PATIENCE;
    while !trial.instance.notice_removal() {
        ensure!(Instant::now() < deadline, "the removal was never noticed");
        std::thread::yield_now();
    }
    ensure!(!trial.instance.prepare_wait(), "there are dummies, and waiting is allowed");
    trial.collect(2)?;
    trial.nothing_more()
}
