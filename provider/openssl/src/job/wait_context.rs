//! OpenSSL's side of a job: `ASYNC_WAIT_CTX`, which lives as long as what the application does in jobs (a connection), and in
//! which the application finds how it will be woken.

use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};

use crate::ffi::libcrypto::{self, AsyncCallback, AsyncCleanup, AsyncWaitContext};

/// The wait context of the job that is running. A pointer: it may lie on the job's stack during a pause.
pub(super) struct WaitContext(NonNull<AsyncWaitContext>);

/// What an application wants to be called, instead of polling a descriptor.
#[derive(Clone, Copy)]
pub(super) struct Callback {
    function: AsyncCallback,
    argument: *mut c_void,
}

// SAFETY: OpenSSL asks for a function that may be called from any thread, with its argument (`ASYNC_WAIT_CTX_set_callback`).
unsafe impl Send for Callback {}

impl Callback {
    /// Calls it.
    ///
    /// # Safety
    /// The wait context that it was read from has not been freed.
    pub(super) unsafe fn call(self) {
        // SAFETY: as the caller says. Its answer has no meaning that OpenSSL would document.
        unsafe { (self.function)(self.argument) };
    }
}

/// Our registrations have its address as their key.
static KEY: u8 = 0;

fn key() -> *const c_void {
    (&raw const KEY).cast()
}

impl WaitContext {
    /// None outside a job. (That jobs are possible at all, `ASYNC_is_capable`, has been found out by who started one.)
    pub(super) fn of_current_job() -> Option<Self> {
        // SAFETY: no arguments; looks at this thread's state.
        let job = NonNull::new(unsafe { libcrypto::ASYNC_get_current_job() })?;
        // SAFETY: the running job.
        NonNull::new(unsafe { libcrypto::ASYNC_get_wait_ctx(job.as_ptr()) }).map(Self)
    }

    /// Gives the thread back to the application, until it resumes the job. False if that is impossible. Also returns when pausing is
    /// blocked. The caller holds no lock and no borrow of a thread-local value, and owns nothing on the stack.
    pub(super) fn pause(&self) -> bool {
        // SAFETY: no arguments. We are in a job, so its stack is exchanged for the application's, and comes back as it is.
        unsafe { libcrypto::ASYNC_pause_job() == 1 }
    }

    /// What the application wants to be called; none if it polls the descriptor.
    pub(super) fn callback(&self) -> Option<Callback> {
        let (mut function, mut argument) = (None, ptr::null_mut());
        // SAFETY: the context is alive while its job runs; both places outlive the call.
        let found = unsafe {
            libcrypto::ASYNC_WAIT_CTX_get_callback(self.0.as_ptr(), &raw mut function, &raw mut argument)
        };
        (found == 1).then_some(())?;
        function.map(|function| Callback { function, argument })
    }

    /// What was registered by [`WaitContext::register`].
    pub(super) fn registered(&self) -> Option<(RawFd, *mut c_void)> {
        let (mut descriptor, mut data) = (-1, ptr::null_mut());
        // SAFETY: as in `callback`.
        let found = unsafe {
            libcrypto::ASYNC_WAIT_CTX_get_fd(self.0.as_ptr(), key(), &raw mut descriptor, &raw mut data)
        };
        (found == 1).then_some((descriptor, data))
    }

    /// Registers a descriptor that becomes readable when the job is to be resumed. `cleanup` is called with `data` when the
    /// context is freed, or never if this is false.
    pub(super) fn register(&self, descriptor: RawFd, data: *mut c_void, cleanup: AsyncCleanup) -> bool {
        // SAFETY: as in `callback`; key and data are only stored.
        unsafe {
            libcrypto::ASYNC_WAIT_CTX_set_wait_fd(self.0.as_ptr(), key(), descriptor, data, Some(cleanup))
                == 1
        }
    }

    /// Takes the registration back; the clean-up is not called.
    pub(super) fn unregister(&self) {
        // SAFETY: as in `callback`. There is nothing to be done if there is none.
        unsafe { libcrypto::ASYNC_WAIT_CTX_clear_fd(self.0.as_ptr(), key()) };
    }

    /// Whether a descriptor was added since the job was last resumed. If so after a pause, there was none: it is blocked.
    pub(super) fn has_added(&self) -> bool {
        let (mut added, mut deleted, nowhere) = (0, 0, ptr::null_mut());
        // SAFETY: as in `callback`; without places for descriptors the call only counts.
        unsafe {
            libcrypto::ASYNC_WAIT_CTX_get_changed_fds(
                self.0.as_ptr(),
                nowhere,
                &raw mut added,
                nowhere,
                &raw mut deleted,
            )
        };
        added > 0
    }

    /// Says that the callback will be called (`ASYNC_STATUS_OK`).
    pub(super) fn promise_callback(&self) {
        const ASYNC_STATUS_OK: c_int = 2;
        // SAFETY: as in `callback`.
        unsafe { libcrypto::ASYNC_WAIT_CTX_set_status(self.0.as_ptr(), ASYNC_STATUS_OK) };
    }
}
