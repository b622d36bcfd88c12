//! Modular exponentiation: against arithmetic written out here, against RSA, as an agreement, and at the ends of its range.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::hash::{BuildHasher, Hasher};

use hotspare_device::{InvalidRequest, Key, KeyMaterial, ModExpKey, Request};
use hotspare_fallback::Fallback;
use openssl_sys as ossl;
use support::slow::power;
use support::{RSA_2048, RSA_4096, mod_exp_key, pkcs1_sha256, rsa_key, rsa_numbers, run};

fn raise(fallback: &Fallback, base: &[u8], exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
    run(fallback, &Request::mod_exp(&mod_exp_key(modulus, exponent), base).unwrap()).unwrap()
}

/// Numbers that look random, from a seed that is printed when a test fails.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = std::hash::RandomState::new().build_hasher().finish();
        println!("seed {seed:#x}");
        Self(seed)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            // SplitMix64 (Steele, Lea, Flood 2014).
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend((mixed ^ (mixed >> 31)).to_be_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// Odd, and as long as it says.
    fn modulus(&mut self, length: usize) -> Vec<u8> {
        let mut modulus = self.bytes(length);
        modulus[0] |= 0x40;
        modulus[length - 1] |= 1;
        modulus
    }

    /// As long as the modulus and below it.
    fn base(&mut self, modulus: &[u8]) -> Vec<u8> {
        let mut base = self.bytes(modulus.len());
        base[0] &= 0x3f;
        base
    }
}

#[test]
fn powers_are_those_of_arithmetic_written_out() {
    let fallback = Fallback::new("default");
    let mut random = Random::new();
    // Lengths that are whole words and that are not; the longer ones with short exponents, which take long enough here.
    for (length, exponent_length) in [
        (64, 64),
        (64, 1),
        (65, 20),
        (71, 33),
        (128, 28),
        (128, 128),
        (192, 16),
        (256, 28),
        (512, 4),
        (1024, 2),
    ] {
        let modulus = random.modulus(length);
        let (base, mut exponent) = (random.base(&modulus), random.bytes(exponent_length));
        exponent[exponent_length - 1] |= 1;
        let result = raise(&fallback, &base, &exponent, &modulus);
        assert_eq!(result, power(&base, &exponent, &modulus), "{length} bytes");
        // Leading zeros of the exponent change nothing.
        let padded = [&vec![0; length - exponent_length][..], &exponent].concat();
        assert_eq!(raise(&fallback, &base, &padded, &modulus), result, "{length} bytes");
    }
}

#[test]
fn it_is_what_rsa_is_made_of() {
    let fallback = Fallback::new("default");
    for der in [RSA_2048, RSA_4096] {
        let numbers = rsa_numbers(der);
        let (modulus, d) = (&numbers.modulus, &numbers.private.as_ref().unwrap().exponent);
        let encoded = pkcs1_sha256(b"message", modulus.len());
        let signature = raise(&fallback, &encoded, d, modulus);
        let rsa = Request::rsa_private(&rsa_key(der), &encoded).unwrap();
        assert_eq!(signature, run(&fallback, &rsa).unwrap());
        assert_eq!(raise(&fallback, &signature, &numbers.public_exponent, modulus), encoded);
    }
}

/// The groups 14, 15, 16, 17, 18 of RFC 3526, 2048 to 8192 bits: both sides of an agreement meet, and a prime is one by Fermat.
#[test]
fn both_sides_of_an_agreement_meet() {
    type Prime = unsafe extern "C" fn(*mut ossl::BIGNUM) -> *mut ossl::BIGNUM;
    let fallback = Fallback::new("default");
    let mut random = Random::new();
    let primes: [(Prime, usize); 5] = [
        (ossl::BN_get_rfc3526_prime_2048, 256),
        (ossl::BN_get_rfc3526_prime_3072, 384),
        (ossl::BN_get_rfc3526_prime_4096, 512),
        (ossl::BN_get_rfc3526_prime_6144, 768),
        (ossl::BN_get_rfc3526_prime_8192, 1024),
    ];
    for (prime, length) in primes {
        let prime = bytes_of(prime, length);
        let generator = [vec![0; length - 1], vec![2]].concat();
        let (a, b) = (random.bytes(56), random.bytes(56));
        let (public_a, public_b) =
            (raise(&fallback, &generator, &a, &prime), raise(&fallback, &generator, &b, &prime));
        let shared = raise(&fallback, &public_b, &a, &prime);
        assert_eq!(shared, raise(&fallback, &public_a, &b, &prime));
        assert_ne!(shared, generator);
        if length <= 512 {
            let mut prime_less_one = prime.clone();
            prime_less_one[length - 1] -= 1;
            let one = [vec![0; length - 1], vec![1]].concat();
            assert_eq!(raise(&fallback, &public_a, &prime_less_one, &prime), one);
        }
    }
}

#[test]
fn the_ends_of_the_range() {
    let fallback = Fallback::new("default");
    let modulus = rsa_numbers(RSA_2048).modulus.clone();
    let number = |value: u8| [vec![0; 255], vec![value]].concat();
    let mut minus_one = modulus.clone();
    minus_one[255] -= 1;
    for exponent in [vec![1], vec![2], vec![3], vec![0xff; 28], modulus.clone(), vec![0xff; 256]] {
        let even = exponent[exponent.len() - 1] & 1 == 0;
        assert_eq!(raise(&fallback, &number(0), &exponent, &modulus), number(0));
        assert_eq!(raise(&fallback, &number(1), &exponent, &modulus), number(1));
        let expected = if even { &number(1) } else { &minus_one };
        assert_eq!(raise(&fallback, &minus_one, &exponent, &modulus), *expected);
    }
    assert_eq!(raise(&fallback, &minus_one, &[1], &modulus), minus_one);
    assert_eq!(raise(&fallback, &number(2), &[7], &modulus), number(128));
}

/// What the contract refuses, so that the path below may rely on it.
#[test]
fn what_is_no_exponentiation_is_refused() {
    let modulus = rsa_numbers(RSA_2048).modulus.clone();
    let refused = |modulus: &[u8], exponent: &[u8]| {
        Key::new(KeyMaterial::ModExp(ModExpKey { modulus: modulus.to_vec(), exponent: exponent.to_vec() }))
            .is_err()
    };
    let mut even = modulus.clone();
    even[255] &= 0xfe;
    assert!(refused(&even, &[3]));
    assert!(refused(&modulus, &[]));
    assert!(refused(&modulus, &[0; 256]));
    assert!(refused(&modulus, &[1; 257]));
    assert!(refused(&[1; 63], &[1]));
    assert!(refused(&[1; 1025], &[1]));
    let key = mod_exp_key(&modulus, &[3]);
    assert_eq!(Request::mod_exp(&key, &modulus).unwrap_err(), InvalidRequest::NotBelowModulus);
    assert!(matches!(Request::mod_exp(&key, &[1; 255]), Err(InvalidRequest::Length { wanted: 256, .. })));
}

fn bytes_of(prime: unsafe extern "C" fn(*mut ossl::BIGNUM) -> *mut ossl::BIGNUM, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    // SAFETY: a null asks for a new number, which is freed here; the place is as long as is said.
    unsafe {
        let number = prime(std::ptr::null_mut());
        assert!(!number.is_null());
        let written = ossl::BN_bn2binpad(number, bytes.as_mut_ptr(), length.try_into().unwrap());
        assert_eq!(usize::try_from(written).unwrap(), length);
        ossl::BN_free(number);
    }
    bytes
}
