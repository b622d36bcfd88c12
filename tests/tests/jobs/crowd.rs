//! Many jobs at once, as a server has them: every operation, woken through descriptors or by callbacks, with devices that are well,
//! that die all the while, or with none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hotspare_device::stats::Counter;
use hotspare_tests::mode::{Mode, Setup};
use hotspare_tests::openssl::job::{Job, Progress, STATUS_OK, WaitContext};
use hotspare_tests::random;

use crate::PATIENCE;
use crate::alone::{alone, descriptors};
use crate::work::{Fruit, Place, Work};

/// Jobs at once.
const JOBS: usize = 64;
/// Of each operation, at least.
const OPERATIONS: usize = 2 * JOBS;
/// How often devices must have died before a run with dying devices is enough, and how long it may take to that.
const DEATHS: usize = 10;
const BOUND: Duration = Duration::from_secs(120);

/// How long an idle turn of the event loop takes.
const IDLE: Duration = Duration::from_micros(100);

/// How jobs are woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Descriptors,
    Callbacks,
}

#[test]
fn woken_through_descriptors() {
    alone("crowd::woken_through_descriptors", &[], || run(Mode::Devices, Way::Descriptors));
}

#[test]
fn woken_by_callbacks() {
    alone("crowd::woken_by_callbacks", &[], || run(Mode::Devices, Way::Callbacks));
}

#[test]
fn woken_through_descriptors_with_devices_dying_all_the_while() {
    let name = "crowd::woken_through_descriptors_with_devices_dying_all_the_while";
    alone(name, &[], || run(Mode::DyingDevices, Way::Descriptors));
}

#[test]
fn woken_by_callbacks_with_devices_dying_all_the_while() {
    let name = "crowd::woken_by_callbacks_with_devices_dying_all_the_while";
    alone(name, &[], || run(Mode::DyingDevices, Way::Callbacks));
}

#[test]
fn without_a_device_no_job_is_paused() {
    let setup = Setup::new(Mode::Software, random::seed());
    let place = Place::new(&setup);
    for work in place.works() {
        let context = WaitContext::new();
        let theirs = Arc::clone(&place);
        match Job::start(&context, move || theirs.perform(work)) {
            Progress::Finished(fruit) => place.check(work, &fruit),
            Progress::Paused(_) => panic!("{work:?}"),
        }
        assert!(context.descriptors().is_empty());
    }
    assert_eq!(setup.counters().value(Counter::JobsPaused), 0);
    setup.check_counters();
}

fn run(mode: Mode, way: Way) {
    let setup = Setup::new(mode, random::seed());
    let place = Place::new(&setup);
    place.warm_up();
    let before = descriptors();
    let mut crowd = Crowd::new(way, &place);
    let end = Instant::now() + BOUND;
    loop {
        for work in place.works() {
            crowd.run(work);
        }
        if mode != Mode::DyingDevices || setup.deaths() >= DEATHS {
            break;
        }
        assert!(Instant::now() < end, "only {} deaths in {BOUND:?}", setup.deaths());
    }
    drop(crowd);
    let sum = setup.counters();
    println!("{mode:?}, {way:?}: {} deaths", setup.deaths());
    setup.check_counters();
    assert!(sum.value(Counter::JobsPaused) > 0);
    if mode == Mode::Devices {
        // One descriptor for all contexts with callbacks stays.
        assert!(descriptors() <= before + usize::from(way == Way::Callbacks), "descriptors were leaked");
        assert!(
            sum.value(Counter::JobsPaused) > sum.value(Counter::Submitted) / 4,
            "hardly any job was paused"
        );
    }
}

/// A server's connections, one after the other in each place.
struct Crowd {
    way: Way,
    place: Arc<Place>,
    seats: Vec<Seat>,
}

/// A connection: its wait context stays, jobs come and go.
struct Seat {
    context: WaitContext,
    job: Option<Job<Fruit>>,
    pauses: usize,
}

impl Seat {
    /// The job, if it is paused; what came of it, if it is not.
    fn note(&mut self, way: Way, progress: Progress<Fruit>) -> Option<Fruit> {
        match progress {
            Progress::Finished(fruit) => return Some(fruit),
            Progress::Paused(job) => self.job = Some(job),
        }
        // There is one descriptor, and it stays the same.
        assert_eq!(self.context.descriptors().len(), 1);
        assert_eq!(self.context.changes(), (usize::from(self.pauses == 0), 0));
        if way == Way::Callbacks {
            assert_eq!(self.context.status(), STATUS_OK);
            assert!(!self.context.is_rung(), "the descriptor of contexts with callbacks is silent");
        }
        self.pauses += 1;
        None
    }
}

impl Crowd {
    fn new(way: Way, place: &Arc<Place>) -> Self {
        let context = match way {
            Way::Descriptors => WaitContext::new,
            Way::Callbacks => WaitContext::with_callback,
        };
        let seat = || Seat { context: context(), job: None, pauses: 0 };
        Self { way, place: Arc::clone(place), seats: (0..JOBS).map(|_| seat()).collect() }
    }

    fn run(&mut self, work: Work) {
        let (mut started, mut finished) = (0, 0);
        let mut moved = Instant::now();
        while finished < OPERATIONS {
            let turn = Instant::now();
            for seat in &mut self.seats {
                let progress = match seat.job.take() {
                    Some(job) => {
                        if !seat.context.is_woken(Duration::ZERO) {
                            seat.job = Some(job);
                            continue;
                        }
                        job.resume(&seat.context)
                    }
                    None if started < OPERATIONS => {
                        started += 1;
                        let place = Arc::clone(&self.place);
                        Job::start(&seat.context, move || place.perform(work))
                    }
                    None => continue,
                };
                moved = Instant::now();
                if let Some(fruit) = seat.note(self.way, progress) {
                    self.place.check(work, &fruit);
                    finished += 1;
                }
            }
            assert!(moved.elapsed() < PATIENCE, "{work:?}: no job is woken any more");
            if moved < turn {
                std::thread::sleep(IDLE);
            }
        }
    }
}
