//! Forks, kills, and what a process has before its first request.

use std::path::PathBuf;
use std::task::Poll;
use std::time::{Duration, Instant};

use hotspare_device::stats::Counter::{Abandoned, Events, Hardware, InFlight, Software, Submitted};

use super::rig::{Mode, Rig, eventually, exists, is_right, request, thread_names, wake};
use crate::{Completion, Error, Offload};

/// The threads of a process that uses devices.
const OUR_THREADS: [&str; 2] = ["hotspare-loop", "hotspare-care"];

/// How long an idle process is looked at.
const IDLE: Duration = Duration::from_secs(10);
/// How often that is tried.
const IDLE_TRIES: u32 = 2;

/// Runs `work` in a child and gives its exit status; a child that does not end is killed.
pub(super) fn in_child(work: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child of this multi-threaded process uses what Hotspare promises to work in such a child (that is what is
    // tested) and leaves by `_exit`, without running destructors of the parent's things.
    let child = unsafe { libc::fork() };
    if child == 0 {
        die_with_the_test();
        let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(false);
        // SAFETY: ends this process at once.
        unsafe { libc::_exit(if good { 0 } else { 1 }) };
    }
    assert!(child > 0);
    wait_for(child)
}

/// In a child: it ends when the thread that forked it does, so that a test that fails leaves nothing behind.
pub(super) fn die_with_the_test() {
    // SAFETY: a plain system call.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

pub(super) fn wait_for(child: i32) -> i32 {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut status = -1;
        // SAFETY: waits for our own child; `status` is valid for writing.
        let ended = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
        if ended == child {
            return status;
        }
        if Instant::now() > deadline {
            // SAFETY: our own child, which was not waited for yet.
            unsafe { libc::kill(child, libc::SIGKILL) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_child_has_its_own_instance_and_leaves_its_parents_alone() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    let mut ticket = offload.submit(request(2), Completion::Poll);
    rig.devices[0].until_held(1);
    rig.devices[0].set(Mode::Good);
    assert_eq!(rig.devices[0].user_count(), 1);
    let status = in_child(|| {
        let inherited = matches!(ticket.poll(), Poll::Ready(Err(Error::Forked)));
        let own = is_right(4, &offload.execute(request(4)).unwrap());
        let in_hardware = rig.sum().value(Hardware) == 2;
        let mut grandchildren = true;
        for _ in 0..2 {
            grandchildren &= in_child(|| is_right(2, &offload.execute(request(2)).unwrap())) == 0;
        }
        inherited && own && in_hardware && grandchildren
    });
    assert_eq!(status, 0);
    rig.devices[0].answer_held();
    assert!(is_right(2, &ticket.wait().unwrap()), "the parent's request went on");
    rig.assert_counters(&[(Submitted, 5), (Hardware, 5)]);
    eventually("the children's instances went back", || rig.devices[0].user_count() == 1);
}

#[test]
fn a_child_of_a_parent_that_made_no_request_starts_alone() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    for _ in 0..3 {
        assert_eq!(in_child(|| is_right(4, &offload.execute(request(4)).unwrap())), 0);
    }
    rig.assert_counters(&[(Submitted, 3), (Hardware, 3)]);
}

#[test]
fn what_a_killed_process_had_in_flight_is_counted_as_abandoned() {
    let rig = Rig::new(1);
    rig.devices[0].set(Mode::Good);
    let offload = rig.offload();
    // SAFETY: as in `in_child`; the child ends by the signal.
    let child = unsafe { libc::fork() };
    if child == 0 {
        die_with_the_test();
        let _ = offload.execute(request(4));
        rig.devices[0].set(Mode::Silent);
        let tickets: Vec<_> = (0..3).map(|_| offload.submit(request(4), Completion::Poll)).collect();
        loop {
            std::thread::park_timeout(Duration::from_secs(60));
            std::hint::black_box(&tickets);
        }
    }
    rig.until(Submitted, 4);
    // SAFETY: our own child, which was not waited for yet.
    unsafe { libc::kill(child, libc::SIGKILL) };
    assert!(libc::WIFSIGNALED(wait_for(child)));
    let sum = rig.sum();
    assert_eq!(sum.imbalance(), 0);
    assert_eq!(sum.value(InFlight), 0);
    assert_eq!(sum.value(Abandoned) + sum.value(Hardware) + sum.value(Software), 4);
    eventually("its instance went back", || rig.devices[0].user_count() == 0);
}

#[test]
fn before_the_first_request_there_is_nothing_and_an_idle_process_uses_no_processor() {
    let rig = Rig::new(1);
    // In a child, so that the threads of other tests don't count.
    let status = in_child(|| {
        away_from_events();
        let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
        let maps = || std::fs::read_to_string("/proc/self/maps").unwrap();
        let (threads, descriptors) = (count("task"), count("fd"));
        let offload = Offload::new(rig.config());
        offload.count_passed_through();
        offload.poll();
        let nothing = count("task") == threads
            && count("fd") == descriptors
            && !maps().contains("hotspare-rings")
            && !exists(&rig.directory.join("stats"));
        offload.execute(request(4)).unwrap();
        let is_there = |thread: &str| thread_names().iter().any(|name| name.trim_end() == thread);
        let something = OUR_THREADS.into_iter().all(is_there) && maps().contains("hotspare-rings");
        let blocked = OUR_THREADS.into_iter().all(signals_blocked_in);
        // Also the completion loop has been at work, for a while.
        let something = something
            && (0..200).all(|number| {
                let tickets: Vec<_> = (0..10).map(|_| offload.submit(request(4), wake(|| ()))).collect();
                // Some are awaited, some found by the loop, some nobody wants any more.
                number % 3 == 0 || tickets.into_iter().all(|ticket| is_right(4, &ticket.wait().unwrap()))
            });
        // The timer of a deadline runs out, though its request has ended long before; then there is nothing more.
        std::thread::sleep(rig.config().deadline.floor + Duration::from_millis(500));
        let idle = is_idle(&rig);
        offload.close();
        let closed = !OUR_THREADS.into_iter().any(is_there);
        drop(offload);
        let gone = count("fd") == descriptors && !maps().contains("hotspare-rings");
        eprintln!(
            "nothing {nothing}, something {something}, signals blocked {blocked}, idle {idle}, closed {closed}, gone {gone}"
        );
        nothing && something && blocked && idle && closed && gone
    });
    assert_eq!(status, 0);
}

/// Whether the thread with this name blocks every signal that can be blocked.
fn signals_blocked_in(name: &str) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let statuses = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
    let status = statuses.into_iter().find(|status| status.starts_with(&format!("Name:\t{name}"))).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).unwrap();
    let mask = u64::from_str_radix(mask, 16).unwrap();
    // All but KILL and STOP, which can't be, and the two that the C library keeps for itself.
    let wanted = !(1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1) | 0b11 << 31);
    mask & wanted == wanted
}

/// In a child: what other programs on this machine do to their devices causes no events here, if the system lets us have a network
/// namespace of our own.
fn away_from_events() {
    // SAFETY: plain system calls; the child has one thread.
    unsafe {
        if libc::unshare(libc::CLONE_NEWNET) != 0 {
            libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET);
        }
    }
}

/// Whether our threads use no processor at all for [`IDLE`]. Should there be a device event meanwhile, which wakes them, that time does
/// not count.
fn is_idle(rig: &Rig) -> bool {
    for _ in 0..IDLE_TRIES {
        let (before, events) = (processor_time(), rig.sum().value(Events));
        std::thread::sleep(IDLE);
        let (after, all_events) = (processor_time(), rig.sum().value(Events));
        eprintln!(
            "nanoseconds of {OUR_THREADS:?}: {before:?}, then {after:?}; {} events",
            all_events - events
        );
        if events == all_events {
            return before == after;
        }
    }
    false
}

/// That each of our threads has had, in nanoseconds (proc(5), `schedstat`).
fn processor_time() -> [u64; 2] {
    OUR_THREADS.map(|name| {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
        let is_named =
            |task: &PathBuf| std::fs::read_to_string(task.join("comm")).unwrap().trim_end() == name;
        let task = tasks.into_iter().find(is_named).unwrap();
        let times = std::fs::read_to_string(task.join("schedstat")).unwrap();
        times.split(' ').next().unwrap().parse().unwrap()
    })
}
