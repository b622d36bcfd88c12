//! P-256, P-384, P-521: published answers, signatures that another implementation verifies, points and scalars that are
//! none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use hotspare_device::{Curve, InvalidRequest, Request};
use hotspare_fallback::{Fallback, FallbackError};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey,
};
use support::curves::{self, Numbers};
use support::{ec_key_on, hex, is_no_result, run};

impl Numbers {
    fn number(&self, value: u8) -> Vec<u8> {
        [vec![0; self.curve.field_bytes() - 1], vec![value]].concat()
    }

    /// The order, with this added to its last byte.
    fn order_and(&self, more: i8) -> Vec<u8> {
        let mut order = hex(self.order);
        let last = order.last_mut().unwrap();
        *last = last.checked_add_signed(more).unwrap();
        order
    }

    fn generator(&self) -> [Vec<u8>; 2] {
        let (x, y) = self.curve.generator();
        [x.to_vec(), y.to_vec()]
    }

    fn multiply(
        &self,
        fallback: &Fallback,
        scalar: Vec<u8>,
        x: &[u8],
        y: &[u8],
    ) -> Result<Vec<u8>, FallbackError> {
        run(fallback, &Request::ec_multiply(&ec_key_on(self.curve, scalar), x, y).unwrap())
    }

    fn sign(&self, fallback: &Fallback, digest: &[u8]) -> Vec<u8> {
        // Software draws a nonce of its own.
        let nonce = vec![7; self.curve.field_bytes()];
        run(fallback, &Request::ecdsa_sign(&ec_key_on(self.curve, hex(self.i)), digest, &nonce).unwrap())
            .unwrap()
    }

    /// The public point of `i`, encoded.
    fn public(&self) -> Vec<u8> {
        [vec![4], hex(self.gi[0]), hex(self.gi[1])].concat()
    }
}

#[test]
fn products_are_those_of_rfc_5903() {
    let fallback = Fallback::new("default");
    for numbers in &curves::ALL {
        let [gx, gy] = numbers.generator();
        for (scalar, [x, y], product) in [
            (numbers.i, [gx.clone(), gy.clone()], numbers.gi),
            (numbers.r, [gx, gy], numbers.gr),
            (numbers.i, numbers.gr.map(hex), numbers.gir),
            (numbers.r, numbers.gi.map(hex), numbers.gir),
        ] {
            let result = numbers.multiply(&fallback, hex(scalar), &x, &y).unwrap();
            assert_eq!(result, product.map(hex).concat(), "{:?}", numbers.curve);
        }
    }
}

#[test]
fn one_and_the_order_less_one_give_the_point_and_its_negative() {
    let fallback = Fallback::new("default");
    for numbers in &curves::ALL {
        for [x, y] in [numbers.generator(), numbers.gi.map(hex)] {
            let one = numbers.multiply(&fallback, numbers.number(1), &x, &y).unwrap();
            assert_eq!(one, [&x[..], &y].concat());
            let negative = numbers.multiply(&fallback, numbers.order_and(-1), &x, &y).unwrap();
            let (negative_x, negative_y) = negative.split_at(x.len());
            assert_eq!(negative_x, x);
            assert_ne!(negative_y, y);
            assert!(fallback.is_on_curve(numbers.curve, negative_x, negative_y).unwrap());
        }
    }
}

#[test]
fn a_point_off_the_curve_has_no_product() {
    let fallback = Fallback::new("default");
    for numbers in &curves::ALL {
        let (curve, length) = (numbers.curve, numbers.curve.field_bytes());
        let [x, y] = numbers.generator();
        assert!(fallback.is_on_curve(curve, &x, &y).unwrap());
        let mut other_y = y.clone();
        *other_y.last_mut().unwrap() ^= 1;
        let mut wrong = vec![
            (x.clone(), other_y),
            (y.clone(), x.clone()),
            (vec![0; length], vec![0; length]),
            (vec![0xff; length], vec![0xff; length]),
            (hex(numbers.prime), y.clone()),
        ];
        if curve == Curve::P256 {
            // A point with x = 5, whose y exists; and the same point with the prime added to x, which only a sloppy decoder
            // takes for it.
            let five_y = hex("459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc");
            assert!(fallback.is_on_curve(curve, &numbers.number(5), &five_y).unwrap());
            let and_prime = hex("ffffffff00000001000000000000000000000001000000000000000000000004");
            wrong.push((and_prime, five_y));
        }
        for (x, y) in wrong {
            assert!(!fallback.is_on_curve(curve, &x, &y).unwrap());
            let error = numbers.multiply(&fallback, hex(numbers.i), &x, &y).unwrap_err();
            assert!(is_no_result(&error), "{error}");
        }
        let error = fallback.is_on_curve(curve, &x[1..], &y).unwrap_err();
        assert!(
            matches!(error, FallbackError::Invalid(InvalidRequest::Length { wanted, .. }) if wanted == length)
        );
    }
}

#[test]
fn a_scalar_out_of_range_is_the_callers_error() {
    let fallback = Fallback::new("default");
    for numbers in &curves::ALL {
        let [x, y] = numbers.generator();
        let length = numbers.curve.field_bytes();
        for scalar in [numbers.number(0), hex(numbers.order), numbers.order_and(1), vec![0xff; length]] {
            let key = ec_key_on(numbers.curve, scalar.clone());
            let signing = Request::ecdsa_sign(&key, &[1; 32], &vec![1; length]).unwrap();
            let product = numbers.multiply(&fallback, scalar, &x, &y);
            for error in [product.unwrap_err(), run(&fallback, &signing).unwrap_err()] {
                assert!(matches!(error, FallbackError::Invalid(InvalidRequest::KeyNumber(_))), "{error}");
            }
        }
    }
}

#[test]
fn another_implementation_verifies_what_it_signs() {
    let fallback = Fallback::new("default");
    // Many, so that numbers with leading zeros, which must be padded, are among them.
    for (numbers, algorithm, hash, rounds) in [
        (&curves::ALL[0], &ECDSA_P256_SHA256_FIXED, &ring::digest::SHA256, 1500_u32),
        (&curves::ALL[1], &ECDSA_P384_SHA384_FIXED, &ring::digest::SHA384, 50),
    ] {
        let public = numbers.public();
        let mut padded = 0;
        for round in 0..rounds {
            let message = round.to_be_bytes();
            let digest = ring::digest::digest(hash, &message);
            let signature = numbers.sign(&fallback, digest.as_ref());
            UnparsedPublicKey::new(algorithm, &public).verify(&message, &signature).unwrap();
            padded += u32::from(signature[0] == 0 || signature[signature.len() / 2] == 0);
        }
        assert!(padded > 0 || rounds < 1500, "1500 signatures without a leading zero: 1 in 100 000 runs");
    }
}

#[test]
fn a_digest_longer_than_the_order_is_truncated_and_a_shorter_one_is_not_padded() {
    let fallback = Fallback::new("default");
    let digest = ring::digest::digest(&ring::digest::SHA384, b"message");
    let signature = to_der(&curves::ALL[0].sign(&fallback, digest.as_ref()));
    let public = curves::ALL[0].public();
    UnparsedPublicKey::new(&ECDSA_P256_SHA384_ASN1, &public).verify(b"message", &signature).unwrap();

    // No library hashes to these lengths: OpenSSL's own verification must agree, in the default library context.
    for numbers in &curves::ALL {
        let public = openssl_public_key(numbers);
        for length in [1, 20, 28, 31, 33, 47, 48, 49, 63, 64] {
            let digest = vec![0xa5; length];
            let signature = to_der(&numbers.sign(&fallback, &digest));
            assert!(public.verify(&digest, &signature), "{:?}, {length} bytes", numbers.curve);
            assert!(!public.verify(&vec![0xa4; length], &signature), "{:?}, {length} bytes", numbers.curve);
        }
    }
}

#[test]
fn each_signature_has_a_nonce_of_its_own() {
    let fallback = Fallback::new("default");
    for numbers in &curves::ALL {
        let (first, second) = (numbers.sign(&fallback, &[1; 32]), numbers.sign(&fallback, &[1; 32]));
        let r = ..numbers.curve.field_bytes();
        assert_ne!(first[r], second[r]);
    }
}

fn to_der(fixed: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count().min(number.len() - 1);
        let mut content = number[zeros..].to_vec();
        if content[0] & 0x80 != 0 {
            content.insert(0, 0);
        }
        [vec![2, u8::try_from(content.len()).unwrap()], content].concat()
    };
    let (r, s) = fixed.split_at(fixed.len() / 2);
    let content = [integer(r), integer(s)].concat();
    let length = u8::try_from(content.len()).unwrap();
    let head = if length < 0x80 { vec![0x30, length] } else { vec![0x30, 0x81, length] };
    [head, content].concat()
}

struct PublicKey(*mut openssl_sys::EVP_PKEY);

fn openssl_public_key(numbers: &Numbers) -> PublicKey {
    // SubjectPublicKeyInfo (RFC 5480, 2) up to the point.
    let head = match numbers.curve {
        Curve::P256 => "3059301306072a8648ce3d020106082a8648ce3d030107034200",
        Curve::P384 => "3076301006072a8648ce3d020106052b81040022036200",
        _ => "30819b301006072a8648ce3d020106052b8104002303818600",
    };
    let der = [hex(head), numbers.public()].concat();
    let mut place = der.as_ptr();
    // SAFETY: `place` points to as many bytes as are said.
    let key =
        unsafe { openssl_sys::d2i_PUBKEY(std::ptr::null_mut(), &mut place, der.len().try_into().unwrap()) };
    assert!(!key.is_null());
    PublicKey(key)
}

impl PublicKey {
    fn verify(&self, digest: &[u8], signature: &[u8]) -> bool {
        // SAFETY: key and context are valid, the slices say their lengths.
        unsafe {
            let context = openssl_sys::EVP_PKEY_CTX_new(self.0, std::ptr::null_mut());
            assert_eq!(openssl_sys::EVP_PKEY_verify_init(context), 1);
            let (bytes, length) = (signature.as_ptr(), signature.len());
            let good = openssl_sys::EVP_PKEY_verify(context, bytes, length, digest.as_ptr(), digest.len());
            openssl_sys::EVP_PKEY_CTX_free(context);
            good == 1
        }
    }
}

impl Drop for PublicKey {
    fn drop(&mut self) {
        // SAFETY: the key is ours alone.
        unsafe { openssl_sys::EVP_PKEY_free(self.0) };
    }
}
