//! Many ASYNC jobs side by side, as a server has them: its thread sleeps on their descriptors while all of them are paused.

use std::mem;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::openssl::job::{Job, Progress, WaitContext};

/// How long a paused job may sleep. Far beyond any deadline of a request: who is not woken by then never will be.
const WOKEN_WITHIN: Duration = Duration::from_secs(60);

type Work<'a> = &'a (dyn Fn(usize) + Sync);

/// Calls `work` with each number that `next` gives, in jobs of which `width` run side by side, until there is no number left.
///
/// A job's stack is 32 KiB with no guard page, so `work` keeps large things elsewhere.
///
/// # Panics
/// If `work` does, after all jobs have ended; if a paused job is not woken.
pub fn run(width: usize, mut next: impl FnMut() -> Option<usize>, work: Work<'_>) {
    let mut places: Vec<_> = (0..width).map(|_| Place::default()).collect();
    let mut panicked = None;
    let mut no_more = false;
    loop {
        // One for each place at a time, so that jobs that never pause don't keep those waiting that do.
        for place in places.iter_mut().filter(|place| place.job.is_none()) {
            let Some(number) = next() else {
                no_more = true;
                break;
            };
            panicked = place.start(work, number).or(panicked);
        }
        let paused = places.iter().filter(|place| place.job.is_some()).count();
        if paused > 0 {
            let bound = if paused == width || no_more { WOKEN_WITHIN } else { Duration::ZERO };
            for woken in woken(&places, bound) {
                panicked = places[woken].resume().or(panicked);
            }
        } else if no_more {
            break;
        }
    }
    if let Some(panicked) = panicked {
        resume_unwind(panicked);
    }
}

/// Where one job at a time runs.
#[derive(Default)]
struct Place {
    context: WaitContext,
    /// The job, while it is paused.
    job: Option<Job<()>>,
}

type Panicked = Option<Box<dyn std::any::Any + Send>>;

impl Place {
    fn start(&mut self, work: Work<'_>, number: usize) -> Panicked {
        // SAFETY: `run` returns when every job has ended. If it panics while some are paused, those are given up, and a job that
        // was given up never runs again.
        let work = unsafe { mem::transmute::<Work<'_>, Work<'static>>(work) };
        self.enter(|context| Job::start(context, move || work(number)))
    }

    fn resume(&mut self) -> Panicked {
        let job = self.job.take()?;
        self.enter(|context| job.resume(context))
    }

    fn enter(&mut self, step: impl FnOnce(&WaitContext) -> Progress<()>) -> Panicked {
        match catch_unwind(AssertUnwindSafe(|| step(&self.context))) {
            Ok(Progress::Paused(job)) => self.job = Some(job),
            Ok(Progress::Finished(())) => {}
            Err(panicked) => return Some(panicked),
        }
        None
    }
}

/// Sleeps until a paused job can go on, or for `bound`; the places of all that can.
fn woken(places: &[Place], bound: Duration) -> Vec<usize> {
    let paused: Vec<_> = places
        .iter()
        .enumerate()
        .filter(|(_, place)| place.job.is_some())
        .flat_map(|(number, place)| place.context.descriptors().into_iter().map(move |one| (number, one)))
        .collect();
    assert!(!paused.is_empty(), "a job is paused with nothing to wake it");
    let mut polled: Vec<_> = paused
        .iter()
        .map(|(_, descriptor)| {
            // SAFETY: the wait context keeps its descriptors open, and no job runs during this function.
            let descriptor = unsafe { BorrowedFd::borrow_raw(*descriptor) };
            PollFd::from_borrowed_fd(descriptor, PollFlags::IN)
        })
        .collect();
    let timeout = Timespec::try_from(bound).unwrap();
    let ready = loop {
        match poll(&mut polled, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other.unwrap(),
        }
    };
    let in_time = ready > 0 || bound.is_zero();
    assert!(in_time, "{} jobs are paused and none was woken within {bound:?}", paused.len());
    let is_ready = |(_, descriptor): &(&(usize, i32), &PollFd<'_>)| !descriptor.revents().is_empty();
    let mut ready: Vec<_> =
        paused.iter().zip(&polled).filter(is_ready).map(|((number, _), _)| *number).collect();
    ready.dedup();
    ready
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn each_number_is_worked_on_once_and_a_panic_comes_out_after_the_others_have_ended() {
        let seen = Mutex::new(Vec::new());
        let mut numbers = 0..20;
        let work = |number| {
            seen.lock().unwrap().push(number);
            assert_ne!(number, 7, "on purpose");
        };
        let ended = catch_unwind(AssertUnwindSafe(|| run(3, || numbers.next(), &work)));
        assert!(ended.is_err());
        let mut seen = seen.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
    }
}
