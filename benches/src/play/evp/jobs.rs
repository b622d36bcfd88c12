//! ASYNC jobs as a server has them: each pauses where it has to wait, and is entered again when its callback was called. No
//! descriptors.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use super::ffi;
use crate::error::BenchError;
use crate::play::ready::{MOST, Ready};

/// How many jobs there are at once.
pub(crate) const JOBS: usize = MOST;

/// What a callback is given: which job of which loop.
struct Callback {
    ready: Arc<Ready>,
    job: usize,
}

extern "C" fn called(argument: *mut c_void) -> c_int {
    // SAFETY: a callback's argument is a `Callback` of `Loop`, which outlives its jobs, and is only read.
    let callback = unsafe { &*argument.cast::<Callback>() };
    callback.ready.add(callback.job);
    1
}

/// [`JOBS`] jobs of one thread.
pub(crate) struct Loop {
    ready: Arc<Ready>,
    callbacks: Box<[Callback]>,
    contexts: Vec<*mut ffi::AsyncWaitContext>,
    jobs: [*mut ffi::AsyncJob; JOBS],
    /// How many jobs have finished.
    pub(crate) finished: u64,
    /// How often one has paused.
    pub(crate) paused: u64,
}

/// What a job does. Its argument is a copy of what [`Loop::run`] was given for this job; the result is 1 if all went well.
pub(crate) type Work = extern "C" fn(*mut c_void) -> c_int;

impl Loop {
    /// For this thread.
    pub(crate) fn new() -> Result<Self, BenchError> {
        // SAFETY: plain numbers.
        if unsafe { ffi::ASYNC_init_thread(JOBS, JOBS) } != 1 {
            return Err(BenchError::Openssl("ASYNC_init_thread"));
        }
        let ready = Arc::new(Ready::all());
        let callback = |number| Callback { ready: ready.clone(), job: number };
        let callbacks: Box<[Callback]> = (0..JOBS).map(callback).collect();
        let mut jobs = Self {
            ready,
            callbacks,
            contexts: Vec::new(),
            jobs: [ptr::null_mut(); JOBS],
            finished: 0,
            paused: 0,
        };
        for callback in &jobs.callbacks {
            // SAFETY: no arguments.
            let context = unsafe { ffi::ASYNC_WAIT_CTX_new() };
            if context.is_null() {
                return Err(BenchError::Openssl("ASYNC_WAIT_CTX_new"));
            }
            jobs.contexts.push(context);
            let argument = (&raw const *callback).cast_mut().cast();
            // SAFETY: the context is new, and the argument lives as long as it.
            if unsafe { ffi::ASYNC_WAIT_CTX_set_callback(context, called, argument) } != 1 {
                return Err(BenchError::Openssl("ASYNC_WAIT_CTX_set_callback"));
            }
        }
        Ok(jobs)
    }

    /// Runs jobs until `count` more have finished. The others stay where they are. A job that has finished is begun anew;
    /// `arguments` are for the job with the same place.
    pub(crate) fn run<T>(
        &mut self,
        count: u32,
        work: Work,
        arguments: &[*const T; JOBS],
    ) -> Result<(), BenchError> {
        let end = self.finished + u64::from(count);
        while self.finished < end {
            for number in self.ready.take()? {
                self.enter(number, work, arguments[number])?;
            }
        }
        Ok(())
    }

    /// Ends those that are paused.
    pub(crate) fn finish<T>(&mut self, work: Work, arguments: &[*const T; JOBS]) -> Result<(), BenchError> {
        while self.jobs.iter().any(|job| !job.is_null()) {
            for number in self.ready.take()? {
                if !self.jobs[number].is_null() {
                    self.enter(number, work, arguments[number])?;
                }
            }
        }
        Ok(())
    }

    fn enter<T>(&mut self, number: usize, work: Work, argument: *const T) -> Result<(), BenchError> {
        let (job, mut result) = (&mut self.jobs[number], 0);
        let argument = &raw const argument;
        // SAFETY: job and context are ours and this thread's; the argument is copied before the job runs.
        let left = unsafe {
            ffi::ASYNC_start_job(
                job,
                self.contexts[number],
                &raw mut result,
                work,
                argument.cast_mut().cast(),
                size_of::<*const T>(),
            )
        };
        match left {
            ffi::PAUSE => self.paused += 1,
            ffi::FINISH if result == 1 => {
                *job = ptr::null_mut();
                self.finished += 1;
                self.ready.add(number);
            }
            ffi::FINISH => return Err(BenchError::Openssl("the work of a job")),
            _ => return Err(BenchError::Openssl("ASYNC_start_job")),
        }
        Ok(())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // A job that is still paused after an error is left as it is: its process ends.
        if self.jobs.iter().any(|job| !job.is_null()) {
            return;
        }
        for context in &self.contexts {
            // SAFETY: ours, and no job uses it.
            unsafe { ffi::ASYNC_WAIT_CTX_free(*context) };
        }
        // SAFETY: no job of this thread is left.
        unsafe { ffi::ASYNC_cleanup_thread() };
    }
}

/// A job that waits for something which has come already.
pub(crate) extern "C" fn pause_once(argument: *mut c_void) -> c_int {
    // SAFETY: the argument is the copy that `ASYNC_start_job` made of a pointer to a `Waking`, which outlives the loop.
    let waking = unsafe { &**argument.cast::<*const Waking>() };
    called(waking.0);
    // SAFETY: called in a job.
    unsafe { ffi::ASYNC_pause_job() }
}

/// The argument of [`pause_once`]: its own callback's.
pub(crate) struct Waking(*mut c_void);

impl Loop {
    /// Those of its jobs.
    pub(crate) fn wakings(&self) -> Vec<Waking> {
        self.callbacks.iter().map(|callback| Waking((&raw const *callback).cast_mut().cast())).collect()
    }
}
