//! OpenSSL's ASYNC jobs: while a device computes, the job that wants the result is paused, and its thread does other work.
//!
//! A job is a function on a stack of its own, 32 KiB without a guard page (openssl#17762). Pausing it leaves what our callers and we
//! have on that stack as it is, until the application resumes the job, on the same thread. Or for ever: an application may
//! give a job up, as HAProxy does when a connection is closed in mid-handshake (haproxy#3453).
//!
//! What is lost then is lost by OpenSSL and the application: the job, its stack, and what OpenSSL's functions on that stack own
//! (in a handshake a digest context, and with it an operation of ours that has a reference to the key and to the provider
//! context). What is not lost: request, ticket, result, key handle and descriptor. They belong to the job's *wait context*
//! ([`Notifier`]), which the application frees with the connection. On the stack this module keeps a pointer and two numbers
//! during a pause, and who calls [`execute`] keeps nothing there that would have to be freed or wiped: what he still needs
//! afterwards goes the same way as the request ([`execute_with`]).

mod notifier;
mod process;
mod wait_context;

use std::any::Any;

use hotspare_device::{Output, Request};
use hotspare_offload::{Error, Offload};

use notifier::{Ended, Notifier, Pause, Step};
use wait_context::WaitContext;

/// An application may resume a job for a reason of its own; then it is paused again. If that has happened so many times in a
/// row, either pausing does nothing (`ASYNC_block_pause`; only the first pause in a wait context tells that at once), or the
/// application does nothing but resume its jobs: waiting is cheaper.
const RESUMED_IN_VAIN_MAX: u32 = 256;

/// Has `request` computed. In a job, with a device in use, the job is paused meanwhile; else the thread waits.
///
/// # Errors
/// Those of [`Offload::execute`]; [`Error::Forked`] in a child that resumes a job which its parent had paused.
pub(crate) fn execute(offload: &Offload, request: Request) -> Result<Output, Error> {
    match WaitContext::of_current_job() {
        Some(context) if offload.has_hardware() => in_job(&context, offload, request, None).result,
        _ => offload.execute(request),
    }
}

/// As [`execute`], for a caller that owns `held` meanwhile: it is dropped if the job is never resumed. It comes back, unless
/// [`Error::Forked`] does.
pub(crate) fn execute_with<T: Send + 'static>(
    offload: &Offload,
    request: Request,
    held: T,
) -> (Result<Output, Error>, Option<T>) {
    match WaitContext::of_current_job() {
        Some(context) if offload.has_hardware() => {
            let Ended { result, held } = in_job(&context, offload, request, Some(Box::new(held)));
            (result, held.and_then(|held| held.downcast().ok()).map(|held| *held))
        }
        _ => (offload.execute(request), Some(held)),
    }
}

fn in_job(
    context: &WaitContext,
    offload: &Offload,
    request: Request,
    held: Option<Box<dyn Any + Send>>,
) -> Ended {
    let mut step = Notifier::submit(context, offload, request, held);
    let mut resumed_in_vain = 0;
    loop {
        let Pause { number, wakes, is_first } = match step {
            Step::Ended(ended) => return ended,
            Step::Pause(pause) => pause,
        };
        if resumed_in_vain == RESUMED_IN_VAIN_MAX || !context.pause() {
            return Notifier::wait(context, number);
        }
        if is_first && context.has_added() {
            return Notifier::withdraw(context, number);
        }
        if Notifier::resumed(context, wakes) {
            resumed_in_vain = 0;
            offload.count_paused();
        } else {
            resumed_in_vain += 1;
        }
        step = Notifier::step(context, number);
    }
}
