//! What a wait context has of ours: the job's request while it is computed, and the way to wake the job.
//!
//! There is one for each wait context, made at its first request and used by all that follow; the context's registration of a
//! descriptor owns a reference, and each request in flight has one as its [`Waker`]. So a completion always finds it, also
//! when the context is gone; and when the context is freed, the request of a job that will never be resumed is abandoned.
//!
//! A job is woken by a call, if the application has set a callback, else through the descriptor, an eventfd of its own; and only
//! while it is paused: what has ended before costs no system call.
//!
//! The callback is called with no lock held. Freeing the context waits for a call that is under way in another thread, so that
//! the callback is never called, nor its argument used, after the context is gone. OpenSSL requires that callbacks are small and
//! don't wait; one that waits for a lock that its application holds while it frees the context would stand still.
//!
//! A child of a fork inherits wait contexts. What is in them is its parent's: the child may not take the lock (a thread that is
//! not there may hold it) nor write to the descriptor. It closes its copy, leaves the rest alone and makes anew what it needs.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};

use hotspare_device::{Output, Request};
use hotspare_offload::{Completion, Error, Offload, Ticket};

use super::process;
use super::wait_context::{Callback, WaitContext};
use crate::entry::entry;
use crate::ffi::libcrypto::AsyncWaitContext;

/// See the module.
pub(super) struct Notifier {
    /// In which process it was made ([`process::number`]).
    process: u64,
    /// Whether the registered descriptor is the one in `state`.
    owns_descriptor: AtomicBool,
    state: Mutex<State>,
    /// A call of the callback has returned.
    called: Condvar,
}

struct State {
    /// False once the wait context is gone.
    alive: bool,
    /// The request of the job that runs with this context: OpenSSL allows one at a time.
    pending: Option<Pending>,
    /// How many requests there have been.
    submitted: u64,
    /// How often there was a reason to look at the ticket.
    wakes: u64,
    /// The job is paused, or about to be.
    paused: bool,
    /// The application was told to resume it, and has not yet.
    signalled: bool,
    callback: Option<Callback>,
    /// An eventfd. None as long as the application has always had a callback.
    descriptor: Option<OwnedFd>,
    /// The thread that is in the callback.
    calling: Option<ThreadMark>,
    /// It is to be called once more.
    call_again: bool,
}

/// A request in flight. Not on the job's stack, which may be lost.
struct Pending {
    number: u64,
    ticket: Ticket,
    held: Option<Box<dyn Any + Send>>,
}

/// How a request ended, and what its caller had left with it.
pub(super) struct Ended {
    pub(super) result: Result<Output, Error>,
    pub(super) held: Option<Box<dyn Any + Send>>,
}

/// What a job is to do.
pub(super) enum Step {
    /// Nothing more.
    Ended(Ended),
    /// To pause.
    Pause(Pause),
}

/// What a job remembers while it is paused.
pub(super) struct Pause {
    /// Its request's number.
    pub(super) number: u64,
    /// The count of wake-ups so far.
    pub(super) wakes: u64,
    /// A descriptor was registered just now.
    pub(super) is_first: bool,
}

impl Notifier {
    /// Submits a request of the job that runs with `context`. Nothing is registered before a pause, for then only the application
    /// looks at what there is: HAProxy 2.6 fails on a descriptor that it finds in a context for the first time as it closes
    /// the connection.
    #[inline(never)]
    pub(super) fn submit(
        context: &WaitContext,
        offload: &Offload,
        request: Request,
        held: Option<Box<dyn Any + Send>>,
    ) -> Step {
        let callback = context.callback();
        let known = Self::of(context);
        let is_registered = known.is_some();
        if !is_registered {
            // Should our parent have left anything there, its descriptor wakes our parent.
            Self::unregister(context);
        }
        let Some(notifier) = known.or_else(Self::new) else {
            return Step::Ended(Ended { result: offload.execute(request), held });
        };
        let mut state = notifier.state();
        // A job may have been given up while it was paused, and its context is used again.
        state.go_on();
        let former = state.pending.take();
        state.callback = callback;
        drop(state);
        drop(former);
        let ticket = offload.submit(request, Completion::Wake(Waker::from(notifier.clone())));
        let mut state = notifier.state();
        state.submitted += 1;
        let number = state.submitted;
        state.pending = Some(Pending { number, ticket, held });
        drop(state);
        let pause = match notifier.advance(number) {
            Step::Pause(pause) => pause,
            ended @ Step::Ended(_) => return ended,
        };
        if callback.is_some() {
            context.promise_callback();
        }
        if is_registered && (callback.is_some() || notifier.owns_descriptor()) {
            return Step::Pause(pause);
        }
        if notifier.register(context, callback.is_none()) {
            return Step::Pause(Pause { is_first: true, ..pause });
        }
        // Nobody could wake the job.
        Step::Ended(notifier.wait_and_close(number))
    }

    /// Moves the request on as far as it goes without waiting.
    #[inline(never)]
    pub(super) fn step(context: &WaitContext, number: u64) -> Step {
        Self::of(context).map_or(Step::Ended(Ended::FORKED), |notifier| notifier.advance(number))
    }

    fn advance(&self, number: u64) -> Step {
        loop {
            let mut state = self.state();
            let (wakes, pending) = (state.wakes, state.take(number));
            drop(state);
            let Some(mut pending) = pending else { return Step::Ended(Ended::FORKED) };
            // With no lock held: it may compute, and may wake others.
            if let Poll::Ready(result) = pending.ticket.poll() {
                return Step::Ended(Ended { result, held: pending.held });
            }
            let mut state = self.state();
            state.pending = Some(pending);
            if state.wakes == wakes {
                state.paused = true;
                return Step::Pause(Pause { number, wakes, is_first: false });
            }
        }
    }

    /// The job goes on. False if nothing has become of its request.
    #[inline(never)]
    pub(super) fn resumed(context: &WaitContext, wakes: u64) -> bool {
        let Some(notifier) = Self::of(context) else { return true };
        let mut state = notifier.state();
        state.go_on();
        state.wakes != wakes
    }

    /// Waits for the result in this thread.
    #[inline(never)]
    pub(super) fn wait(context: &WaitContext, number: u64) -> Ended {
        Self::of(context).map_or(Ended::FORKED, |notifier| notifier.wait_for(number))
    }

    /// The same, and takes back the registration that no application has seen.
    #[inline(never)]
    pub(super) fn withdraw(context: &WaitContext, number: u64) -> Ended {
        let Some(notifier) = Self::of(context) else { return Ended::FORKED };
        Self::unregister(context);
        notifier.wait_and_close(number)
    }

    /// For one that is not registered, so that no clean-up will come.
    fn wait_and_close(&self, number: u64) -> Ended {
        let ended = self.wait_for(number);
        self.close();
        ended
    }

    fn wait_for(&self, number: u64) -> Ended {
        let mut state = self.state();
        state.go_on();
        let pending = state.take(number);
        drop(state);
        let Some(pending) = pending else { return Ended::FORKED };
        Ended { result: pending.ticket.wait(), held: pending.held }
    }

    /// That of a wait context, if it has one that was made in this process.
    fn of(context: &WaitContext) -> Option<Arc<Self>> {
        let (_, data) = context.registered()?;
        let data: *const Self = data.cast_const().cast();
        // SAFETY: data registered under our key is a reference to a `Notifier`, which the registration owns.
        if Some(unsafe { (*data).process }) != process::number() {
            return None;
        }
        // SAFETY: as above; the count is raised for the one that is made next.
        unsafe { Arc::increment_strong_count(data) };
        // SAFETY: as above.
        Some(unsafe { Arc::from_raw(data) })
    }

    fn new() -> Option<Arc<Self>> {
        Some(Arc::new(Self {
            process: process::number()?,
            owns_descriptor: AtomicBool::new(false),
            state: Mutex::new(State::new()),
            called: Condvar::new(),
        }))
    }

    /// Registers it, with a descriptor of its own if it needs one, in the place of what may have been registered before (itself
    /// with the descriptor of contexts with callbacks, or our parent's). False: it is not registered.
    fn register(self: &Arc<Self>, context: &WaitContext, needs_descriptor: bool) -> bool {
        Self::unregister(context);
        let own = if needs_descriptor { eventfd() } else { None };
        let descriptor = match &own {
            Some(own) => Some(own.as_raw_fd()),
            None if needs_descriptor => None,
            None => silent_descriptor(self.process),
        };
        let Some(descriptor) = descriptor else { return false };
        if let Some(own) = own {
            let mut state = self.state();
            state.descriptor = Some(own);
            if state.signalled {
                // Its result is here already.
                state.ring();
            }
            self.owns_descriptor.store(true, Ordering::Relaxed);
        }
        let data = Arc::into_raw(self.clone());
        let registered = context.register(descriptor, data.cast_mut().cast(), clean_up);
        if !registered {
            // SAFETY: nobody took the reference that was just made.
            drop(unsafe { Arc::from_raw(data) });
        }
        registered
    }

    fn unregister(context: &WaitContext) {
        let Some((descriptor, data)) = context.registered() else { return };
        context.unregister();
        // SAFETY: data registered under our key is a `Notifier`, and the registration, which ends here, owned a reference.
        unsafe { end_registration(descriptor, data, drop) };
    }

    fn owns_descriptor(&self) -> bool {
        self.owns_descriptor.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<'a>(&'a self, mut state: MutexGuard<'a, State>) {
        if state.calling.is_some() {
            state.call_again = true;
            return;
        }
        while let Some(callback) = state.callback {
            state.call_again = false;
            state.calling = Some(ThreadMark::of_this());
            drop(state);
            // SAFETY: the context is alive: `close` waits for us.
            unsafe { callback.call() };
            state = self.state();
            state.calling = None;
            if !state.call_again {
                break;
            }
        }
        drop(state);
        self.called.notify_all();
    }

    /// The wait context is being freed, or has nothing to do with this any more.
    fn close(&self) {
        let mut state = self.state();
        state.alive = false;
        state.callback = None;
        let pending = state.pending.take();
        let descriptor = state.descriptor.take();
        // Unless it is freed in the callback itself.
        while state.calling.is_some_and(|thread| thread != ThreadMark::of_this()) {
            state = self.called.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        drop(descriptor);
        // Abandons the request, if it is still computed.
        drop(pending);
    }
}

impl Wake for Notifier {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// In whatever thread: the loop's, or one that takes answers on its own account, be it in another job.
    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.state();
        state.wakes += 1;
        if !state.alive || !state.paused || state.signalled {
            return;
        }
        state.signalled = true;
        if state.callback.is_some() {
            self.call(state);
        } else {
            state.ring();
        }
    }
}

impl State {
    fn new() -> Self {
        Self {
            alive: true,
            pending: None,
            submitted: 0,
            wakes: 0,
            paused: false,
            signalled: false,
            callback: None,
            descriptor: None,
            calling: None,
            call_again: false,
        }
    }

    /// The request with this number; it is not there if another took its place.
    fn take(&mut self, number: u64) -> Option<Pending> {
        self.pending.take_if(|pending| pending.number == number)
    }

    /// The job is not paused any more.
    fn go_on(&mut self) {
        self.paused = false;
        if std::mem::take(&mut self.signalled) {
            self.silence();
        }
    }

    fn ring(&self) {
        let Some(descriptor) = &self.descriptor else { return };
        let one = 1_u64;
        // SAFETY: eight bytes are read from `one`. It can't fail: the count never comes near its limit.
        unsafe { libc::write(descriptor.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }

    fn silence(&self) {
        let Some(descriptor) = &self.descriptor else { return };
        let mut count = 0_u64;
        // SAFETY: eight bytes are written to `count`. With nothing to read (a callback was called instead) it returns at once.
        unsafe { libc::read(descriptor.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
    }
}

impl Ended {
    /// For a job whose request is another process's. The same if the application runs two jobs with one wait context, and so made the
    /// second one's request take the place of the first one's.
    const FORKED: Self = Self { result: Err(Error::Forked), held: None };
}

entry! {
    /// `ASYNC_WAIT_CTX_free` calls it.
    fn clean_up(_context: *mut AsyncWaitContext, _key: *const c_void, descriptor: c_int, data: *mut c_void) {
        // SAFETY: data registered under our key is a `Notifier`, and the registration, which ends here, owns a reference.
        unsafe { end_registration(descriptor, data, |notifier| notifier.close()) };
    }
}

/// Gives the reference that a registration owned to `then`. In a child, closes its copy of the descriptor; the rest of what
/// was inherited is never touched, and so never freed.
///
/// # Safety
/// `data` is that of a registration of ours, with this descriptor, which is at its end.
unsafe fn end_registration(descriptor: RawFd, data: *mut c_void, then: impl FnOnce(Arc<Notifier>)) {
    let Some(notifier) = NonNull::new(data.cast::<Notifier>()) else { return };
    // SAFETY: as the caller says; it is only read, and both are set by the thread that runs the context's jobs.
    let (process, owns_descriptor) =
        unsafe { (notifier.as_ref().process, notifier.as_ref().owns_descriptor()) };
    if Some(process) == process::number() {
        // SAFETY: as the caller says.
        then(unsafe { Arc::from_raw(notifier.as_ptr().cast_const()) });
    } else if owns_descriptor {
        // SAFETY: the child's copy is nobody else's.
        drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
    }
}

fn eventfd() -> Option<OwnedFd> {
    // SAFETY: no memory is passed.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    // SAFETY: a new descriptor, which is nobody else's.
    (descriptor >= 0).then(|| unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// What is registered for contexts with a callback, since only a descriptor comes with a clean-up: one for the whole process, never
/// readable, never closed.
fn silent_descriptor(process: u64) -> Option<RawFd> {
    /// The process's number and the descriptor, in 32 bits each.
    static SILENT: AtomicU64 = AtomicU64::new(0);
    let process = u32::try_from(process).ok()?;
    let unpack = |word: u64| {
        let [a, b, c, d, rest @ ..] = word.to_ne_bytes();
        (u32::from_ne_bytes([a, b, c, d]) == process).then_some(RawFd::from_ne_bytes(rest))
    };
    let mut known = SILENT.load(Ordering::Acquire);
    loop {
        if let Some(descriptor) = unpack(known) {
            return Some(descriptor);
        }
        let new = eventfd()?;
        let [a, b, c, d] = process.to_ne_bytes();
        let [e, f, g, h] = new.as_raw_fd().to_ne_bytes();
        let word = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
        match SILENT.compare_exchange(known, word, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Some(std::os::fd::IntoRawFd::into_raw_fd(new)),
            Err(other) => known = other,
        }
    }
}

/// Tells threads apart, also while one of them ends.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ThreadMark(usize);

impl ThreadMark {
    fn of_this() -> Self {
        thread_local! {
            static PLACE: u8 = const { 0 };
        }
        PLACE.with(|place| Self(ptr::from_ref(place).addr()))
    }
}
