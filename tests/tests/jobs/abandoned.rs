//! Jobs that are paused and never resumed: their wait contexts are freed, as those of connections that were closed.

use std::sync::Arc;
use std::time::Duration;

use hotspare_device::stats::Counter;
use hotspare_tests::mode::{Mode, Setup};
use hotspare_tests::openssl::job::{Job, Progress, WaitContext};
use hotspare_tests::random::{self, Random};

use crate::alone::{alone, descriptors};
use crate::work::{Place, Work};
use crate::{PATIENCE, eventually};

/// Of each operation.
const ROUNDS: usize = 40;

#[test]
fn leave_nothing_behind() {
    alone("abandoned::leave_nothing_behind", &[], || run(Mode::Devices));
}

#[test]
fn leave_nothing_behind_with_devices_dying_all_the_while() {
    let name = "abandoned::leave_nothing_behind_with_devices_dying_all_the_while";
    alone(name, &[], || run(Mode::DyingDevices));
}

fn run(mode: Mode) {
    let seed = random::seed();
    let mut random = Random::new(seed, 0);
    let setup = Setup::new(mode, seed);
    let place = Place::new(&setup);
    place.warm_up();
    // With the first pause comes the one descriptor of all contexts that have callbacks.
    eventually("a job is paused", || {
        let theirs = Arc::clone(&place);
        let first = WaitContext::with_callback();
        matches!(Job::start(&first, move || theirs.perform(Work::Rsa)), Progress::Paused(_))
    });
    let before = descriptors();
    let mut given_up = 0;
    for _ in 0..ROUNDS {
        let mut paused = Vec::new();
        for work in place.works() {
            let context =
                if random.below(2) == 0 { WaitContext::new() } else { WaitContext::with_callback() };
            let theirs = Arc::clone(&place);
            if let Progress::Paused(job) = Job::start(&context, move || theirs.perform(work)) {
                paused.push((context, job));
            }
        }
        // Some at once, some as their requests end, some afterwards.
        for (context, job) in paused {
            std::thread::sleep(Duration::from_micros(random.below(300).try_into().unwrap()));
            given_up += 1;
            if random.below(4) == 0 {
                // Its wait context is used again first.
                drop(job);
                let theirs = Arc::clone(&place);
                let work = *random.choose(&place.works());
                let next = Job::start(&context, move || theirs.perform(work));
                let (fruit, _) = Job::finish(next, &context, PATIENCE);
                place.check(work, &fruit);
            } else {
                drop((context, job));
            }
        }
    }
    eventually("nothing is in flight", || setup.counters().value(Counter::InFlight) == 0);
    let sum = setup.counters();
    println!(
        "{given_up} jobs given up, {} requests abandoned, {} deaths",
        sum.value(Counter::Abandoned),
        setup.deaths()
    );
    assert_eq!(sum.imbalance(), 0, "law 2");
    assert!(given_up > ROUNDS, "hardly any job was paused");
    assert!(sum.value(Counter::Abandoned) > 0);
    assert_eq!(sum.value(Counter::CallerErrors) + sum.value(Counter::Refused), 0);
    if mode == Mode::Devices {
        assert_eq!(descriptors(), before, "descriptors were leaked");
    }
    place.warm_up();
}
