//! A child goes on with what its parent prepared, and draws nonces of its own. One test alone in its process, so that
//! no other thread is inside OpenSSL when it forks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};

use hotspare_device::Request;
use hotspare_fallback::Fallback;
use support::{RSA_2048, ec_key, one_of_each, pkcs1_sha256, rsa_key, run, x25519_key};

/// A child that hangs is ended after this many seconds.
const CHILD_SECONDS: u32 = 60;

#[test]
fn a_child_computes_with_its_parents_keys_and_with_new_ones() {
    let fallback = Fallback::new("default");
    let rsa = Request::rsa_private(&rsa_key(RSA_2048), &pkcs1_sha256(b"message", 256)).unwrap();
    let signing = Request::ecdsa_sign(&ec_key(&"11".repeat(32)), &[1; 32], &[1; 32]).unwrap();
    let expected = run(&fallback, &rsa).unwrap();
    run(&fallback, &signing).unwrap();
    // The parent prepares half of these keys; the others are prepared after the fork.
    let each = one_of_each();
    let half = each.len() / 2;
    each[..half].iter().for_each(|request| drop(run(&fallback, request).unwrap()));

    let child = move |fallback: &Fallback| {
        let mut results = run(fallback, &rsa).unwrap();
        let fresh = Request::montgomery_multiply(&x25519_key(&"11".repeat(32)), &[9; 32]).unwrap();
        run(fallback, &fresh).unwrap();
        run(&Fallback::new("default"), &fresh).unwrap();
        results.extend(run(fallback, &signing).unwrap());
        // Those of the parent, and new ones.
        for request in each.iter().chain(&one_of_each()) {
            results.extend(run(fallback, request).unwrap());
        }
        results
    };
    let results: Vec<_> = (0..2).map(|_| in_a_child(|| child(&fallback))).chain([child(&fallback)]).collect();
    for result in &results {
        assert_eq!(result[..256], expected);
        // What does not depend on a nonce.
        assert_eq!(result[256 + 64..], results[0][256 + 64..]);
    }
    let nonces: std::collections::HashSet<_> = results.iter().map(|result| &result[256..288]).collect();
    assert_eq!(nonces.len(), results.len(), "two processes signed with the same nonce");
}

/// What `work` gives in a child.
fn in_a_child(work: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: both are open and ours alone.
    let (reader, writer) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
    // SAFETY: the only other thread of this process waits for this one.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        // SAFETY: no pointers.
        unsafe { libc::alarm(CHILD_SECONDS) };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let result = work();
            std::fs::File::from(writer).write_all(&result).is_ok()
        }));
        // SAFETY: ends this child at once, without the exit handlers of its parent's test runner.
        unsafe { libc::_exit(i32::from(!matches!(outcome, Ok(true)))) };
    }
    drop(writer);
    let mut result = Vec::new();
    // Ends when the child does, which its alarm sees to.
    std::fs::File::from(reader).read_to_end(&mut result).unwrap();
    let mut status = 0;
    // SAFETY: `status` is a place for the result.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert_eq!(status, 0, "the child failed");
    result
}
