//! Keys and small helpers of these tests.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use hotspare_device::{
    Curve, EcKey, EcPublicKey, InvalidRequest, Key, KeyMaterial, ModExpKey, MontgomeryCurve, MontgomeryKey,
    Output, Request, RsaCrt, RsaKey, RsaPrivate,
};
use hotspare_fallback::{Fallback, FallbackError};

pub mod curves;
pub mod module;
pub mod slow;

/// Keys made by `openssl genrsa`, in the form of RFC 8017, A.1.2.
pub const RSA_2048: &[u8] = include_bytes!("../keys/rsa-2048.der");
pub const RSA_3072: &[u8] = include_bytes!("../keys/rsa-3072.der");
pub const RSA_4096: &[u8] = include_bytes!("../keys/rsa-4096.der");
pub const RSA_8192: &[u8] = include_bytes!("../keys/rsa-8192.der");

/// The generator of P-256.
pub const P256_X: &str = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
pub const P256_Y: &str = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    assert!(digits.len() % 2 == 0);
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

pub fn run(fallback: &Fallback, request: &Request) -> Result<Vec<u8>, FallbackError> {
    let mut output = Output::new();
    fallback.execute(request, &mut output)?;
    assert_eq!(output.len(), request.output_length());
    Ok(output.to_vec())
}

pub fn is_no_result(error: &FallbackError) -> bool {
    matches!(error, FallbackError::Invalid(InvalidRequest::NoResult))
}

/// The numbers of an RSAPrivateKey.
pub fn rsa_numbers(der: &[u8]) -> RsaKey {
    let numbers = integers(der);
    let [_version, modulus, public_exponent, exponent, prime1, prime2, exponent1, exponent2, coefficient] =
        <[Vec<u8>; 9]>::try_from(numbers).unwrap();
    let private = Some(RsaPrivate {
        exponent,
        crt: Some(RsaCrt { prime1, prime2, exponent1, exponent2, coefficient }),
    });
    RsaKey { modulus, public_exponent, private }
}

pub fn rsa_key(der: &[u8]) -> Key {
    Key::new(KeyMaterial::Rsa(rsa_numbers(der))).unwrap()
}

/// The same key without its primes.
pub fn rsa_key_without_primes(der: &[u8]) -> Key {
    let mut numbers = rsa_numbers(der);
    numbers.private.as_mut().unwrap().crt = None;
    Key::new(KeyMaterial::Rsa(numbers)).unwrap()
}

pub fn ec_key(scalar: &str) -> Key {
    ec_key_on(Curve::P256, hex(scalar))
}

pub fn ec_key_on(curve: Curve, scalar: Vec<u8>) -> Key {
    Key::new(KeyMaterial::Ec(EcKey { curve, scalar })).unwrap()
}

pub fn ec_public_key(curve: Curve, x: &[u8], y: &[u8]) -> Key {
    Key::new(KeyMaterial::EcPublic(EcPublicKey { curve, x: x.to_vec(), y: y.to_vec() })).unwrap()
}

pub fn mod_exp_key(modulus: &[u8], exponent: &[u8]) -> Key {
    Key::new(KeyMaterial::ModExp(ModExpKey { modulus: modulus.to_vec(), exponent: exponent.to_vec() }))
        .unwrap()
}

pub fn x25519_key(scalar: &str) -> Key {
    montgomery_key(MontgomeryCurve::X25519, hex(scalar))
}

pub fn montgomery_key(curve: MontgomeryCurve, scalar: Vec<u8>) -> Key {
    Key::new(KeyMaterial::Montgomery(MontgomeryKey { curve, scalar })).unwrap()
}

/// A request of each operation whose result does not depend on chance.
pub fn one_of_each() -> Vec<Request> {
    let rsa = rsa_key(RSA_2048);
    let encoded = pkcs1_sha256(b"message", 256);
    let mut requests = vec![
        Request::rsa_private(&rsa, &encoded).unwrap(),
        Request::rsa_private(&rsa_key_without_primes(RSA_2048), &encoded).unwrap(),
        Request::rsa_public(&rsa, &encoded).unwrap(),
    ];
    for numbers in &curves::ALL {
        let ([x, y], key) = (numbers.gi.map(hex), ec_key_on(numbers.curve, hex(numbers.r)));
        requests.push(Request::ec_multiply(&key, &x, &y).unwrap());
        requests.push(Request::ec_multiply_generator(&key).unwrap());
        // Some signature, and most likely a wrong one.
        let (key, number) = (ec_public_key(numbers.curve, &x, &y), vec![1; numbers.curve.field_bytes()]);
        requests.push(Request::ecdsa_verify(&key, &[1; 32], &number, &number).unwrap());
    }
    let modulus = rsa_numbers(RSA_2048).modulus.clone();
    requests.push(Request::mod_exp(&mod_exp_key(&modulus, &[0x11; 28]), &encoded).unwrap());
    for curve in [MontgomeryCurve::X25519, MontgomeryCurve::X448] {
        let (length, key) = (curve.field_bytes(), montgomery_key(curve, vec![0x11; curve.field_bytes()]));
        requests.push(Request::montgomery_multiply(&key, &vec![9; length]).unwrap());
        requests.push(Request::montgomery_multiply_base(&key).unwrap());
    }
    requests
}

/// A PKCS#1 v1.5 encoding of `message` with SHA-256 (RFC 8017, 9.2).
pub fn pkcs1_sha256(message: &[u8], length: usize) -> Vec<u8> {
    let mut tail = hex("00 3031300d060960864801650304020105000420");
    tail.extend_from_slice(ring::digest::digest(&ring::digest::SHA256, message).as_ref());
    let mut encoded = vec![0, 1];
    encoded.resize(length - tail.len(), 0xff);
    encoded.extend(tail);
    encoded
}

/// The integers of a DER sequence, without leading zeros.
fn integers(der: &[u8]) -> Vec<Vec<u8>> {
    let (0x30, mut rest, []) = element(der) else { panic!("no sequence") };
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (0x02, number, after) = element(rest) else { panic!("no integer") };
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        found.push(number[zeros..].to_vec());
        rest = after;
    }
    found
}

fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (length, start) = match der[1] {
        short @ ..0x80 => (usize::from(short), 2),
        long => {
            let start = 2 + usize::from(long & 0x7f);
            (der[2..start].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), start)
        }
    };
    (der[0], &der[start..start + length], &der[start + length..])
}
