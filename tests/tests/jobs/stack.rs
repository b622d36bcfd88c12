//! How much of a job's stack is used: it has 32 KiB, and nothing that would notice an overflow.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::thread;

use hotspare_tests::mode::{Mode, Setup};
use hotspare_tests::openssl::job::{Job, WaitContext};
use hotspare_tests::random;

use crate::PATIENCE;
use crate::alone::alone;
use crate::work::{Place, Work};

unsafe extern "C" {
    fn CRYPTO_set_mem_functions(
        allocate: Option<unsafe extern "C" fn(usize, *const c_char, c_int) -> *mut c_void>,
        reallocate: Option<unsafe extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void>,
        free: Option<unsafe extern "C" fn(*mut c_void, *const c_char, c_int)>,
    ) -> c_int;
}

/// A job's stack (`STACKSIZE` in OpenSSL's `async_posix.c`).
const STACK_BYTES: usize = 32_768;
/// What may be used of it: a quarter is left for what other versions of OpenSSL, and the application's own callbacks, need.
const USED_MAX_BYTES: usize = STACK_BYTES * 3 / 4;
const PAINT: u8 = 0xa5;

/// The stack of this process's only job, and how many stacks there were.
static STACK: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static STACKS: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn allocate(size: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
    // SAFETY: an allocation of this size.
    let block = unsafe { libc::malloc(size) };
    if size == STACK_BYTES && !block.is_null() {
        // SAFETY: the block is so large, and nobody else's.
        unsafe { block.cast::<u8>().write_bytes(PAINT, size) };
        STACK.store(block.cast(), Ordering::SeqCst);
        STACKS.fetch_add(1, Ordering::SeqCst);
    }
    block
}

unsafe extern "C" fn reallocate(
    block: *mut c_void,
    size: usize,
    _file: *const c_char,
    _line: c_int,
) -> *mut c_void {
    // SAFETY: OpenSSL's block, which came from `malloc`.
    unsafe { libc::realloc(block, size) }
}

unsafe extern "C" fn free(block: *mut c_void, _file: *const c_char, _line: c_int) {
    // SAFETY: as above.
    unsafe { libc::free(block) };
}

/// How much of the stack has been used.
fn used() -> usize {
    let stack = STACK.load(Ordering::SeqCst);
    assert!(!stack.is_null());
    // SAFETY: the block is so large, lives as long as this thread, and no job runs on it now.
    let bytes = unsafe { std::slice::from_raw_parts(stack, STACK_BYTES) };
    bytes.iter().position(|byte| *byte != PAINT).map_or(0, |untouched| STACK_BYTES - untouched)
}

#[test]
fn every_operation_leaves_room() {
    alone("stack::every_operation_leaves_room", &[], || run("quiet"));
}

#[test]
fn every_operation_leaves_room_while_everything_is_logged() {
    let name = "stack::every_operation_leaves_room_while_everything_is_logged";
    alone(name, &[("HOTSPARE_LOG", "debug")], || run("logging"));
}

fn run(what: &str) {
    // SAFETY: OpenSSL has allocated nothing yet, and the functions are a full set.
    assert_eq!(unsafe { CRYPTO_set_mem_functions(Some(allocate), Some(reallocate), Some(free)) }, 1);
    let mut threads = 0;
    for mode in [Mode::Devices, Mode::DyingDevices] {
        let setup = Setup::new(mode, random::seed());
        let place = Place::new(&setup);
        let times = if mode == Mode::Devices { 5 } else { 60 };
        for work in place.works() {
            threads += 1;
            // A thread of its own has a stack of its own.
            let place = Arc::clone(&place);
            let used = thread::spawn(move || repeat(&place, work, times)).join().unwrap();
            println!("{what}, {mode:?}: {work:?} uses {used} bytes of its stack");
            assert!(used > 0 && used <= USED_MAX_BYTES, "{work:?}: {used} bytes");
        }
    }
    assert_eq!(STACKS.load(Ordering::SeqCst), threads, "one job at a time needs one stack");
}

fn repeat(place: &Arc<Place>, work: Work, times: usize) -> usize {
    for _ in 0..times {
        let context = WaitContext::new();
        let theirs = Arc::clone(place);
        let progress = Job::start(&context, move || theirs.perform(work));
        let (fruit, _) = Job::finish(progress, &context, PATIENCE);
        place.check(work, &fruit);
    }
    used()
}
