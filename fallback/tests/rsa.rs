//! RSA: signatures that another implementation verifies, both operations against each other, wrong keys.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use hotspare_device::{Key, KeyMaterial, Operation, Request, RsaKey};
use hotspare_fallback::{Fallback, FallbackError};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use support::{
    RSA_2048, RSA_3072, RSA_4096, RSA_8192, pkcs1_sha256, rsa_key, rsa_key_without_primes, rsa_numbers, run,
};

#[test]
fn another_implementation_verifies_what_it_signs() {
    let fallback = Fallback::new("default");
    for der in [RSA_2048, RSA_3072, RSA_4096, RSA_8192] {
        let (key, numbers) = (rsa_key(der), rsa_numbers(der));
        let public = RsaPublicKeyComponents { n: &numbers.modulus, e: &numbers.public_exponent };
        for message in [&b"one"[..], b"two", b""] {
            let encoded = pkcs1_sha256(message, numbers.modulus.len());
            let signature = run(&fallback, &Request::rsa_private(&key, &encoded).unwrap()).unwrap();
            public.verify(&RSA_PKCS1_2048_8192_SHA256, message, &signature).unwrap();
            assert_eq!(run(&fallback, &Request::rsa_public(&key, &signature).unwrap()).unwrap(), encoded);
        }
    }
}

#[test]
fn a_key_without_primes_gives_the_same_results() {
    let fallback = Fallback::new("default");
    for (der, messages) in [(RSA_2048, 20), (RSA_3072, 2), (RSA_4096, 2), (RSA_8192, 1)] {
        let (key, without) = (rsa_key(der), rsa_key_without_primes(der));
        for message in 0..messages {
            let encoded = pkcs1_sha256(&[message], rsa_numbers(der).modulus.len());
            let request = Request::rsa_private(&without, &encoded).unwrap();
            assert_eq!(request.operation(), Operation::RsaPrivateExponent);
            let result = run(&fallback, &request).unwrap();
            assert_eq!(result, run(&fallback, &Request::rsa_private(&key, &encoded).unwrap()).unwrap());
            assert_eq!(run(&fallback, &Request::rsa_public(&without, &result).unwrap()).unwrap(), encoded);
        }
    }
}

#[test]
fn a_public_key_alone_does_the_public_operation() {
    let fallback = Fallback::new("default");
    let numbers = rsa_numbers(RSA_2048);
    let encoded = pkcs1_sha256(b"message", 256);
    let signature = run(&fallback, &Request::rsa_private(&rsa_key(RSA_2048), &encoded).unwrap()).unwrap();
    let (modulus, public_exponent) = (numbers.modulus.clone(), numbers.public_exponent.clone());
    let public = Key::new(KeyMaterial::Rsa(RsaKey { modulus, public_exponent, private: None })).unwrap();
    assert_eq!(run(&fallback, &Request::rsa_public(&public, &signature).unwrap()).unwrap(), encoded);
}

#[test]
fn results_keep_their_length_at_the_ends_of_the_range() {
    let fallback = Fallback::new("default");
    let numbers = rsa_numbers(RSA_2048);
    let number = |value: u8| [vec![0; 255], vec![value]].concat();
    let mut last = numbers.modulus.clone();
    *last.last_mut().unwrap() -= 1;
    for key in [rsa_key(RSA_2048), rsa_key_without_primes(RSA_2048)] {
        // 0, 1 and -1 are their own powers, for odd exponents.
        for fixed in [number(0), number(1), last.clone()] {
            assert_eq!(run(&fallback, &Request::rsa_private(&key, &fixed).unwrap()).unwrap(), fixed);
            assert_eq!(run(&fallback, &Request::rsa_public(&key, &fixed).unwrap()).unwrap(), fixed);
        }
        let power = run(&fallback, &Request::rsa_public(&key, &number(2)).unwrap()).unwrap();
        assert_eq!(run(&fallback, &Request::rsa_private(&key, &power).unwrap()).unwrap(), number(2));
    }
}

/// A wrong Chinese-remainder number must not lead to a wrong result, from which the key could be computed (Boneh,
/// DeMillo, Lipton 1997).
#[test]
fn a_broken_key_never_gives_a_wrong_result() {
    let fallback = Fallback::new("default");
    let encoded = pkcs1_sha256(b"message", 256);
    let right = run(&fallback, &Request::rsa_private(&rsa_key(RSA_2048), &encoded).unwrap()).unwrap();
    let breakers: [fn(&mut hotspare_device::RsaCrt); 3] =
        [|crt| crt.exponent1[60] ^= 4, |crt| crt.exponent2[60] ^= 4, |crt| crt.coefficient[60] ^= 4];
    for break_one in breakers {
        let mut numbers = rsa_numbers(RSA_2048);
        break_one(numbers.private.as_mut().and_then(|private| private.crt.as_mut()).unwrap());
        let key = Key::new(KeyMaterial::Rsa(numbers)).unwrap();
        match run(&fallback, &Request::rsa_private(&key, &encoded).unwrap()) {
            Ok(result) => assert_eq!(result, right),
            Err(error) => assert!(matches!(error, FallbackError::Library { .. }), "{error}"),
        }
    }
}

/// OpenSSL refuses long exponents with long moduli, since they cost a lot of time: an error that says so.
#[test]
fn what_openssl_refuses_is_an_error_with_its_reason_and_no_output() {
    let fallback = Fallback::new("default");
    let mut numbers = rsa_numbers(RSA_4096);
    numbers.public_exponent = vec![1; 9];
    numbers.private = None;
    let key = Key::new(KeyMaterial::Rsa(numbers)).unwrap();
    let mut output = hotspare_device::Output::copy_of(b"old").unwrap();
    let request = Request::rsa_public(&key, &[0; 512]).unwrap();
    let message = fallback.execute(&request, &mut output).unwrap_err().to_string();
    assert_eq!(message, "RSA public operation: bad e value");
    assert!(output.is_empty());
}
