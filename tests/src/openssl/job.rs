//! ASYNC jobs, as an asynchronous server has them.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::os::fd::{BorrowedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// `ASYNC_JOB`.
enum AsyncJob {}
/// `ASYNC_WAIT_CTX`.
pub enum AsyncWaitContext {}

type Callback = unsafe extern "C" fn(*mut c_void) -> c_int;

unsafe extern "C" {
    fn ASYNC_start_job(
        job: *mut *mut AsyncJob,
        context: *mut AsyncWaitContext,
        result: *mut c_int,
        function: Option<Callback>,
        arguments: *mut c_void,
        size: usize,
    ) -> c_int;
    fn ASYNC_pause_job() -> c_int;
    fn ASYNC_block_pause();
    fn ASYNC_unblock_pause();
    fn ASYNC_WAIT_CTX_new() -> *mut AsyncWaitContext;
    fn ASYNC_WAIT_CTX_free(context: *mut AsyncWaitContext);
    fn ASYNC_WAIT_CTX_get_all_fds(
        context: *mut AsyncWaitContext,
        fds: *mut c_int,
        count: *mut usize,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_get_changed_fds(
        context: *mut AsyncWaitContext,
        added: *mut c_int,
        added_count: *mut usize,
        deleted: *mut c_int,
        deleted_count: *mut usize,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_set_callback(
        context: *mut AsyncWaitContext,
        callback: Option<Callback>,
        argument: *mut c_void,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_get_status(context: *mut AsyncWaitContext) -> c_int;
}

const ASYNC_PAUSE: c_int = 2;
const ASYNC_FINISH: c_int = 3;
/// The callback is promised.
pub const STATUS_OK: c_int = 2;

/// A wait context: what a server has for each connection. Freed when dropped.
#[derive(Debug)]
pub struct WaitContext {
    context: NonNull<AsyncWaitContext>,
    calls: Option<Arc<AtomicUsize>>,
    /// How many of these calls have been answered by resuming.
    answered: Cell<usize>,
}

impl WaitContext {
    /// One whose jobs are woken through descriptors.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: no arguments.
        let context = NonNull::new(unsafe { ASYNC_WAIT_CTX_new() }).unwrap();
        Self { context, calls: None, answered: Cell::new(0) }
    }

    /// One whose jobs are woken by a callback, which counts.
    #[must_use]
    pub fn with_callback() -> Self {
        let mut new = Self::new();
        new.set_callback();
        new
    }

    /// From now on there is a callback.
    pub fn set_callback(&mut self) {
        let calls: Arc<AtomicUsize> = Arc::default();
        // SAFETY: the context is ours; the counter lives as long as it.
        unsafe {
            ASYNC_WAIT_CTX_set_callback(self.as_ptr(), Some(count), Arc::as_ptr(&calls).cast_mut().cast())
        };
        self.calls = Some(calls);
        self.answered.set(0);
    }

    /// From now on there is none.
    pub fn clear_callback(&mut self) {
        // SAFETY: the context is ours.
        unsafe { ASYNC_WAIT_CTX_set_callback(self.as_ptr(), None, ptr::null_mut()) };
        self.calls = None;
    }

    /// The context as OpenSSL has it.
    #[must_use]
    pub fn as_ptr(&self) -> *mut AsyncWaitContext {
        self.context.as_ptr()
    }

    /// How often the callback was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.as_ref().map_or(0, |calls| calls.load(Ordering::SeqCst))
    }

    /// `ASYNC_WAIT_CTX_get_status`.
    #[must_use]
    pub fn status(&self) -> c_int {
        // SAFETY: the context is ours.
        unsafe { ASYNC_WAIT_CTX_get_status(self.as_ptr()) }
    }

    /// All its descriptors.
    #[must_use]
    pub fn descriptors(&self) -> Vec<RawFd> {
        let mut count = 0;
        // SAFETY: the context is ours; without a place the call only counts.
        unsafe { ASYNC_WAIT_CTX_get_all_fds(self.as_ptr(), ptr::null_mut(), &raw mut count) };
        let mut all = vec![-1; count];
        // SAFETY: there is room for as many as were counted.
        unsafe { ASYNC_WAIT_CTX_get_all_fds(self.as_ptr(), all.as_mut_ptr(), &raw mut count) };
        all
    }

    /// How many descriptors were added and deleted since the last pause.
    #[must_use]
    pub fn changes(&self) -> (usize, usize) {
        let (mut added, mut deleted) = (0, 0);
        // SAFETY: the context is ours; without places the call only counts.
        unsafe {
            let none = ptr::null_mut();
            ASYNC_WAIT_CTX_get_changed_fds(self.as_ptr(), none, &raw mut added, none, &raw mut deleted)
        };
        (added, deleted)
    }

    /// Whether a descriptor is readable.
    #[must_use]
    pub fn is_rung(&self) -> bool {
        self.poll(Duration::ZERO)
    }

    fn poll(&self, patience: Duration) -> bool {
        // SAFETY: descriptors in a wait context are open.
        let descriptors: Vec<_> =
            self.descriptors().into_iter().map(|one| unsafe { BorrowedFd::borrow_raw(one) }).collect();
        let mut waiting: Vec<_> = descriptors.iter().map(|one| PollFd::new(one, PollFlags::IN)).collect();
        let timeout = Timespec::try_from(patience).unwrap();
        poll(&mut waiting, Some(&timeout)).is_ok_and(|ready| ready > 0)
    }

    /// Whether the application is told to resume the job, by whatever was agreed, within that time.
    #[must_use]
    pub fn is_woken(&self, patience: Duration) -> bool {
        if self.calls.is_none() {
            return self.poll(patience);
        }
        let deadline = Instant::now() + patience;
        while self.calls() == self.answered.get() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }
}

/// How often it is looked whether a callback was called.
const LOOK: Duration = Duration::from_micros(50);

impl Default for WaitContext {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for WaitContext {
    fn drop(&mut self) {
        // SAFETY: the context is ours, and this is its last use.
        unsafe { ASYNC_WAIT_CTX_free(self.as_ptr()) };
    }
}

unsafe extern "C" fn count(calls: *mut c_void) -> c_int {
    // SAFETY: the argument that was given with this function: a counter that lives as long as the wait context.
    unsafe { &*calls.cast::<AtomicUsize>() }.fetch_add(1, Ordering::SeqCst);
    1
}

/// A job that is not finished. Dropping it gives it up for ever: its stack is lost, and all that is on it.
#[derive(Debug)]
pub struct Job<T> {
    job: *mut AsyncJob,
    work: Box<Work<T>>,
}

struct Work<T> {
    function: Cell<Option<Box<dyn FnOnce() -> T>>>,
    result: Cell<Option<std::thread::Result<T>>>,
}

impl<T> std::fmt::Debug for Work<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Work")
    }
}

/// What has become of a job.
#[derive(Debug)]
pub enum Progress<T> {
    /// It is paused.
    Paused(Job<T>),
    /// It has ended with this.
    Finished(T),
}

impl<T> Progress<T> {
    /// The paused job.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn paused(self) -> Job<T> {
        match self {
            Self::Paused(job) => job,
            Self::Finished(_) => panic!("the job has not been paused"),
        }
    }
}

impl<T> Job<T> {
    /// Starts `function` in a job of this thread.
    pub fn start(context: &WaitContext, function: impl FnOnce() -> T + 'static) -> Progress<T> {
        let function: Box<dyn FnOnce() -> T> = Box::new(function);
        let work = Box::new(Work { function: Cell::new(Some(function)), result: Cell::new(None) });
        Self { job: ptr::null_mut(), work }.run(context)
    }

    /// Goes on with it, in the same thread.
    pub fn resume(self, context: &WaitContext) -> Progress<T> {
        self.run(context)
    }

    fn run(mut self, context: &WaitContext) -> Progress<T> {
        context.answered.set(context.calls());
        let mut argument = &raw const *self.work;
        let mut result = 0;
        // SAFETY: the job is new or was paused by this thread; OpenSSL copies the argument, a pointer to what outlives the job or is
        // lost with it.
        let outcome = unsafe {
            let place = (&raw mut argument).cast();
            let size = size_of_val(&argument);
            ASYNC_start_job(&raw mut self.job, context.as_ptr(), &raw mut result, Some(run::<T>), place, size)
        };
        match outcome {
            ASYNC_PAUSE => Progress::Paused(self),
            ASYNC_FINISH => match self.work.result.take().unwrap() {
                Ok(result) => Progress::Finished(result),
                Err(panic) => resume_unwind(panic),
            },
            other => panic!("ASYNC_start_job: {other}"),
        }
    }

    /// Goes on with it, whenever the application is told to, until it ends. Gives its result, and how often it was resumed.
    ///
    /// # Panics
    /// If it is not woken within `patience`.
    pub fn finish(progress: Progress<T>, context: &WaitContext, patience: Duration) -> (T, usize) {
        let (mut progress, mut resumed) = (progress, 0);
        loop {
            match progress {
                Progress::Finished(result) => return (result, resumed),
                Progress::Paused(job) => {
                    assert!(context.is_woken(patience), "not woken within {patience:?}");
                    resumed += 1;
                    progress = job.resume(context);
                }
            }
        }
    }
}

unsafe extern "C" fn run<T>(argument: *mut c_void) -> c_int {
    // SAFETY: OpenSSL's copy of the pointer that `Job::run` gave.
    let work = unsafe { &**argument.cast::<*const Work<T>>() };
    let Some(function) = work.function.take() else { return 0 };
    // A panic must not leave the stack on which it is caught.
    work.result.set(Some(catch_unwind(AssertUnwindSafe(function))));
    1
}

/// Pauses the job that is running, as other asynchronous code than Hotspare's might.
pub fn pause() {
    // SAFETY: no arguments; outside a job it does nothing.
    unsafe { ASYNC_pause_job() };
}

/// Runs `function` in a stretch where its job can't be paused.
pub fn without_pauses<T>(function: impl FnOnce() -> T) -> T {
    // SAFETY: no arguments.
    unsafe { ASYNC_block_pause() };
    let result = function();
    // SAFETY: as above.
    unsafe { ASYNC_unblock_pause() };
    result
}
