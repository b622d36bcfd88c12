//! Our threads. They block all signals, so that the application's handlers never run in them.

use std::thread::JoinHandle;

/// Starts one.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    with_signals_blocked(|| std::thread::Builder::new().name(name.to_owned()).spawn(work))
}

/// Waits for the end of one that was told to end. An owner that is woken may let go of all of us, in one of our own threads:
/// that one ends when it gets back to its own work.
pub(crate) fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != std::thread::current().id() {
        // It never panics; if it did, its end is what we wanted.
        let _ = thread.join();
    }
}

fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
    let mut before = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are valid for writing; `sigfillset` initialises the one that is read, and `before` is read only if
    // the call that fills it succeeded.
    unsafe {
        let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        let blocked = libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) == 0;
        let result = work();
        if blocked {
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
        }
        result
    }
}
