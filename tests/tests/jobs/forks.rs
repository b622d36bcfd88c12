//! A process forks while jobs of it are paused.

use std::sync::Arc;

use hotspare_device::stats::Counter;
use hotspare_tests::mode::{Mode, Setup};
use hotspare_tests::openssl::job::{Job, Progress, WaitContext};
use hotspare_tests::random;

use crate::PATIENCE;
use crate::alone::{alone, descriptors};
use crate::work::{Fruit, Place, Work};

/// Paused jobs whose process forks, for each operation.
const FORKS: usize = 3;

#[test]
fn a_child_computes_for_itself_and_its_parents_jobs_go_on() {
    alone("forks::a_child_computes_for_itself_and_its_parents_jobs_go_on", &[], run);
}

fn run() {
    let setup = Setup::new(Mode::Devices, random::seed());
    let place = Place::new(&setup);
    place.warm_up();
    let mut forks = 0;
    for work in place.works() {
        for number in 0..FORKS {
            let context = if number == 0 { WaitContext::with_callback() } else { WaitContext::new() };
            let theirs = Arc::clone(&place);
            let Progress::Paused(job) = Job::start(&context, move || theirs.perform(work)) else { continue };
            forks += 1;
            // SAFETY: this process has no other thread that uses OpenSSL; the child does what Hotspare promises to work in one,
            // and leaves by `_exit`.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let well = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    in_child(&place, work, context, job, number);
                }));
                // SAFETY: ends this process at once.
                unsafe { libc::_exit(i32::from(well.is_err())) };
            }
            let mut status = -1;
            // SAFETY: waits for our own child.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0, "{work:?}: the child of fork {number}");
            let (fruit, _) = Job::finish(Progress::Paused(job), &context, PATIENCE);
            place.check(work, &fruit);
        }
    }
    assert!(forks > FORKS, "hardly any job was paused");
    let sum = setup.counters();
    assert_eq!((sum.imbalance(), sum.value(Counter::InFlight)), (0, 0), "law 2");
    assert_eq!(sum.value(Counter::CallerErrors) + sum.value(Counter::Refused), 0);
}

fn in_child(place: &Arc<Place>, work: Work, context: WaitContext, job: Job<Fruit>, number: usize) {
    let before = descriptors();
    match number {
        // It gives the job up.
        2 => drop(job),
        // It goes on with it: on its own, since its parent's device answers its parent.
        _ => match job.resume(&context) {
            Progress::Finished(fruit) => place.check(work, &fruit),
            Progress::Paused(_) => panic!("the child waits for its parent's device"),
        },
    }
    if number == 1 {
        // It uses the connection.
        let theirs = Arc::clone(place);
        let progress = Job::start(&context, move || theirs.perform(work));
        place.check(work, &Job::finish(progress, &context, PATIENCE).0);
        assert!(!context.is_rung());
    }
    drop(context);
    if number == 2 {
        assert_eq!(descriptors(), before - 1, "the child has closed its copy");
    }
    place.warm_up();
}
