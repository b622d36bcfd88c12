//! Applications that resume without reason, block pauses, or change their minds about callbacks.

use std::sync::Arc;

use hotspare_device::stats::Counter;
use hotspare_tests::mode::{Mode, Setup};
use hotspare_tests::openssl::job::{self, Job, Progress, WaitContext};
use hotspare_tests::random;

use crate::PATIENCE;
use crate::work::{Place, Work};

fn start(place: &Arc<Place>, work: Work, context: &WaitContext) -> Progress<crate::work::Fruit> {
    let place = Arc::clone(place);
    Job::start(context, move || place.perform(work))
}

#[test]
fn a_job_that_is_resumed_without_reason_is_paused_again_and_in_the_end_waits() {
    let setup = Setup::new(Mode::Devices, random::seed());
    let place = Place::new(&setup);
    place.warm_up();
    let mut paused_again = 0;
    for work in place.works() {
        for resumed_at_once in [3, usize::MAX] {
            let context = WaitContext::new();
            let mut progress = start(&place, work, &context);
            let mut resumed = 0;
            while resumed < resumed_at_once {
                match progress {
                    Progress::Paused(job) => progress = job.resume(&context),
                    Progress::Finished(_) => break,
                }
                resumed += 1;
            }
            paused_again += usize::from(resumed > 1);
            let (fruit, _) = Job::finish(progress, &context, PATIENCE);
            place.check(work, &fruit);
        }
    }
    assert!(paused_again > 0, "every request had ended before its job was resumed");
    setup.check_counters();
}

#[test]
fn where_pauses_are_blocked_the_thread_waits() {
    let setup = Setup::new(Mode::Devices, random::seed());
    let place = Place::new(&setup);
    place.warm_up();
    let context = WaitContext::new();
    for work in place.works() {
        let theirs = Arc::clone(&place);
        match Job::start(&context, move || job::without_pauses(|| theirs.perform(work))) {
            Progress::Finished(fruit) => place.check(work, &fruit),
            Progress::Paused(_) => panic!("{work:?} was paused"),
        }
        // What came late is nobody's, and does not wake the next.
        assert!(!context.is_rung());
        let (fruit, _) = Job::finish(start(&place, work, &context), &context, PATIENCE);
        place.check(work, &fruit);
    }
    setup.check_counters();
}

#[test]
fn callbacks_come_and_go() {
    let setup = Setup::new(Mode::Devices, random::seed());
    let place = Place::new(&setup);
    place.warm_up();
    let mut context = WaitContext::new();
    let (mut called, mut rung) = (0, 0);
    for round in 0..40 {
        if round % 2 == 0 {
            context.set_callback()
        } else {
            context.clear_callback()
        }
        let mut progress = start(&place, Work::Rsa, &context);
        while let Progress::Paused(job) = progress {
            assert!(context.is_woken(PATIENCE));
            if round % 2 == 0 {
                called += 1
            } else {
                rung += 1
            }
            assert_eq!(context.is_rung(), round % 2 == 1);
            progress = job.resume(&context);
        }
        let Progress::Finished(fruit) = progress else { continue };
        place.check(Work::Rsa, &fruit);
        assert!(context.descriptors().len() <= 1);
    }
    assert!(called > 0 && rung > 0, "{called} {rung}");
    setup.check_counters();
}

#[test]
fn outside_a_job_nothing_changes() {
    let setup = Setup::new(Mode::Devices, random::seed());
    let place = Place::new(&setup);
    place.warm_up();
    assert_eq!(setup.counters().value(Counter::JobsPaused), 0);
    setup.check_counters();
}
