//! An operation in an ASYNC job, as an asynchronous server has it.

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::time::Duration;

use hotspare_tests::random::Random;
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::world::World;

/// What `ASYNC_start_job` says (async.h).
const NO_JOBS: c_int = 1;
const PAUSE: c_int = 2;
const FINISH: c_int = 3;
/// How long a pause may last: longer, and a wake-up was lost.
const PAUSE_LIMIT: Duration = Duration::from_secs(60);

enum AsyncJob {}
enum AsyncWaitCtx {}

unsafe extern "C" {
    fn ASYNC_start_job(
        job: *mut *mut AsyncJob,
        context: *mut AsyncWaitCtx,
        result: *mut c_int,
        function: unsafe extern "C" fn(*mut c_void) -> c_int,
        argument: *mut c_void,
        size: usize,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_new() -> *mut AsyncWaitCtx;
    fn ASYNC_WAIT_CTX_free(context: *mut AsyncWaitCtx);
    fn ASYNC_WAIT_CTX_get_all_fds(
        context: *mut AsyncWaitCtx,
        descriptors: *mut c_int,
        count: *mut usize,
    ) -> c_int;
}

/// What the job works on.
struct Work<'a> {
    world: &'a World,
    random: &'a mut Random,
    result: Result<(), String>,
}

/// As [`World::operate`], but in a job.
pub(crate) fn operate(world: &World, random: &mut Random) -> Result<(), String> {
    // SAFETY: no arguments.
    let context = WaitContext(NonNull::new(unsafe { ASYNC_WAIT_CTX_new() }).ok_or("no wait context")?);
    let mut work = Work { world, random, result: Ok(()) };
    let mut argument: *mut Work<'_> = &raw mut work;
    let (mut job, mut result) = (ptr::null_mut(), 0);
    loop {
        // SAFETY: `work` outlives the job, which is resumed until it has finished; OpenSSL copies the argument, a pointer.
        let said = unsafe {
            let (place, size) = ((&raw mut argument).cast(), size_of_val(&argument));
            ASYNC_start_job(&mut job, context.0.as_ptr(), &mut result, in_job, place, size)
        };
        match said {
            FINISH => return work.result,
            PAUSE => context.wait()?,
            NO_JOBS => std::thread::yield_now(),
            other => return Err(format!("ASYNC_start_job: {other}")),
        }
    }
}

unsafe extern "C" fn in_job(argument: *mut c_void) -> c_int {
    // SAFETY: the argument is a copy of the pointer that `operate` gave.
    let work = unsafe { &mut **argument.cast::<*mut Work<'_>>() };
    work.result = work.world.operate(work.random);
    1
}

struct WaitContext(NonNull<AsyncWaitCtx>);

impl WaitContext {
    /// Sleeps until the job is worth resuming.
    fn wait(&self) -> Result<(), String> {
        let (mut descriptor, mut count) = (-1, 0);
        // SAFETY: the context is valid; without a place it says how many descriptors there are.
        unsafe { ASYNC_WAIT_CTX_get_all_fds(self.0.as_ptr(), ptr::null_mut(), &mut count) };
        if count != 1 {
            return Err(format!("{count} descriptors in a wait context"));
        }
        // SAFETY: there is room for the one.
        unsafe { ASYNC_WAIT_CTX_get_all_fds(self.0.as_ptr(), &mut descriptor, &mut count) };
        // SAFETY: the descriptor is open as long as the wait context lives.
        let descriptor = unsafe { std::os::fd::BorrowedFd::borrow_raw(descriptor) };
        let limit = Timespec::try_from(PAUSE_LIMIT).unwrap();
        match rustix::event::poll(&mut [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)], Some(&limit)) {
            Ok(0) => Err(format!("a job was not resumed within {PAUSE_LIMIT:?}")),
            _ => Ok(()),
        }
    }
}

impl Drop for WaitContext {
    fn drop(&mut self) {
        // SAFETY: the context is ours alone, and no job uses it any more.
        unsafe { ASYNC_WAIT_CTX_free(self.0.as_ptr()) };
    }
}
