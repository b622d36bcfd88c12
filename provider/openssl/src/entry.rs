//! The one way from C into this crate.

use std::any::Any;
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Defines functions that OpenSSL calls: `fn name(arguments) -> type = what to return on failure; { body }`.
///
/// A panic ends here: it becomes the failure value and an error on OpenSSL's queue.
macro_rules! entry {
    ($(
        $(#[$meta:meta])*
        $visibility:vis fn $name:ident $(<$generic:ident: $bound:path>)? ($($argument:ident: $type:ty),* $(,)?)
            $(-> $result:ty = $failure:expr;)? $body:block
    )*) => {$(
        $(#[$meta])*
        $visibility unsafe extern "C" fn $name $(<$generic: $bound>)? ($($argument: $type),*) $(-> $result)? {
            #[allow(unused_parens, reason = "the failure value of a function that returns nothing is `()`")]
            $crate::entry::guard(($($failure)?), move || $body)
        }
    )*};
}
pub(crate) use entry;

/// Runs `body`; a panic becomes `failure` and an error on the queue.
pub(crate) fn guard<T>(failure: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(payload) => {
            report(&*payload);
            // What was thrown is dropped here, and that may panic again.
            let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
            failure
        }
    }
}

fn report(payload: &(dyn Any + Send)) {
    let said = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let text = CString::new(format!("hotspare: panic: {said}").replace('\0', " ")).unwrap_or_default();
    // No provider context is known here, so the error goes to the queue directly and not through the core's upcalls.
    // SAFETY: the format takes one string, and `text` outlives the call, which copies it.
    unsafe {
        openssl_sys::ERR_new();
        openssl_sys::ERR_set_error(
            crate::core::errors::LIB_PROVIDER,
            crate::core::errors::INTERNAL_ERROR,
            c"%s".as_ptr(),
            text.as_ptr(),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::{c_int, c_ulong};

    use super::*;

    entry! {
        fn divides(number: c_int, by: c_int) -> c_int = -1; {
            number / by
        }

        fn stops() {
            panic!("{}", String::from("a panic of the tests"));
        }
    }

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    fn last_error() -> c_ulong {
        // SAFETY: no arguments; works on this thread's queue.
        let error = unsafe { openssl_sys::ERR_peek_last_error() };
        // SAFETY: as above.
        unsafe { openssl_sys::ERR_clear_error() };
        error
    }

    #[test]
    fn a_panic_becomes_the_failure_value_and_an_error() {
        // SAFETY: `divides` takes any numbers.
        assert_eq!((unsafe { divides(6, 3) }, last_error()), (2, 0));
        // SAFETY: as above.
        assert_eq!(unsafe { divides(6, 0) }, -1);
        assert_ne!(last_error(), 0);
        // SAFETY: no arguments.
        unsafe { stops() };
        assert_ne!(last_error(), 0);
    }

    #[test]
    fn what_was_thrown_may_panic_when_it_is_dropped() {
        assert_eq!(guard(7, || std::panic::panic_any(PanicsWhenDropped)), 7);
        assert_ne!(last_error(), 0);
    }
}
