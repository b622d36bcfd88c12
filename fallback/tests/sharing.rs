//! Many threads, several software paths, and the end of one while its keys live on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use hotspare_device::{Curve, MontgomeryCurve, Request};
use hotspare_fallback::{Fallback, FallbackError};
use support::{ec_key, montgomery_key, one_of_each, run};

#[test]
fn many_threads_share_one_path_and_its_keys_from_the_first_request_on() {
    // More threads than a pool keeps contexts.
    const THREADS: usize = 24;
    let expected: Vec<_> =
        one_of_each().iter().map(|request| run(&Fallback::new("default"), request).unwrap()).collect();
    let (fallback, requests) = (Fallback::new("default"), one_of_each());
    let signing = Request::ecdsa_sign(&ec_key(&"11".repeat(32)), &[1; 32], &[1; 32]).unwrap();
    let together = std::sync::Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                together.wait();
                for _ in 0..8 {
                    for (request, expected) in requests.iter().zip(&expected) {
                        assert_eq!(run(&fallback, request).unwrap(), *expected);
                    }
                    run(&fallback, &signing).unwrap();
                }
            });
        }
    });
}

/// Whatever one thread's operation leaves behind for the next one of any thread, nothing of it gets into a result: with points
/// of small order, which end with an error of OpenSSL's, in between.
#[test]
fn agreements_of_many_threads_do_not_mix() {
    const THREADS: u8 = 24;
    let fallback = Fallback::new("default");
    for curve in [MontgomeryCurve::X25519, MontgomeryCurve::X448] {
        let length = curve.field_bytes();
        let keys: Vec<_> = (1..4).map(|number| montgomery_key(curve, vec![number; length])).collect();
        let request = |key: usize, u: u8| Request::montgomery_multiply(&keys[key], &vec![u; length]).unwrap();
        let alone = |key: u8, u: u8| {
            let key = montgomery_key(curve, vec![key + 1; length]);
            run(&fallback, &Request::montgomery_multiply(&key, &vec![u; length]).unwrap()).unwrap()
        };
        let expected: Vec<Vec<_>> = (0..3).map(|key| (0..THREADS).map(|u| alone(key, u)).collect()).collect();
        assert_eq!(expected[0][0], vec![0; length]);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (fallback, expected, request) = (&fallback, &expected, &request);
                scope.spawn(move || {
                    for round in 0..60 {
                        let (key, u) = (round % 3, (thread + u8::try_from(round).unwrap()) % THREADS);
                        let result = run(fallback, &request(key, u)).unwrap();
                        assert_eq!(result, expected[key][usize::from(u)]);
                    }
                });
            }
        });
    }
}

#[test]
fn a_key_serves_several_paths_and_outlives_them() {
    let requests = one_of_each();
    let first = Fallback::new("default");
    let expected: Vec<_> = requests.iter().map(|request| run(&first, request).unwrap()).collect();
    let second = Fallback::new("default");
    for _ in 0..2 {
        for (request, expected) in requests.iter().zip(&expected) {
            assert_eq!(run(&second, request).unwrap(), *expected);
        }
    }
    drop(first);
    for (request, expected) in requests.iter().zip(&expected) {
        assert_eq!(run(&second, request).unwrap(), *expected);
    }
    drop(second);
    drop(requests);
}

/// A path whose provider can't be used must not compute, not even with keys that another path has prepared.
#[test]
fn a_provider_that_does_not_exist_is_named_with_the_reason() {
    let (good, bad) = (Fallback::new("default"), Fallback::new("no-such-provider"));
    for request in one_of_each() {
        run(&good, &request).unwrap();
        let error = run(&bad, &request).unwrap_err();
        assert!(matches!(&error, FallbackError::Provider { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.starts_with("fallback_provider `no-such-provider`: "), "{message}");
        assert!(message.len() > "fallback_provider `no-such-provider`: ".len() + 10, "{message}");
        assert!(!message.contains("no reason"), "{message}");
    }
    assert!(bad.is_on_curve(Curve::P256, &[0; 32], &[0; 32]).is_err());
    assert!(matches!(run(&Fallback::new("nul\0"), &one_of_each()[0]), Err(FallbackError::Provider { .. })));
}

/// The `base` provider exists and computes nothing: an error that says so, also for keys that another provider has
/// computed with before.
#[test]
fn a_provider_without_the_operation_is_an_error() {
    let (good, path) = (Fallback::new("default"), Fallback::new("base"));
    for request in one_of_each() {
        run(&good, &request).unwrap();
        let message = run(&path, &request).unwrap_err().to_string();
        assert!(message.contains("unsupported"), "{message}");
    }
}
