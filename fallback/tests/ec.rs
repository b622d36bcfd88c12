//! P-256: published answers, signatures that another implementation verifies, points and scalars that are none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use hotspare_device::{Curve, InvalidRequest, Request};
use hotspare_fallback::{Fallback, FallbackError};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA384_ASN1, UnparsedPublicKey};
use support::{P256_ORDER, P256_PRIME, P256_X, P256_Y, ec_key, hex, is_no_result, run};

/// RFC 5903, 8.1: both sides' scalars and public points, and the shared point with both coordinates.
const I: &str = "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433";
const GI_X: &str = "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180";
const GI_Y: &str = "5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3";
const R: &str = "C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53";
const GR_X: &str = "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63";
const GR_Y: &str = "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB";
const GIR_X: &str = "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE";
const GIR_Y: &str = "522BDE0AF0D8585B8DEF9C183B5AE38F50235206A8674ECB5D98EDB20EB153A2";

fn multiply(fallback: &Fallback, scalar: &str, x: &[u8], y: &[u8]) -> Result<Vec<u8>, FallbackError> {
    run(fallback, &Request::ec_multiply(&ec_key(scalar), x, y).unwrap())
}

#[test]
fn products_are_those_of_rfc_5903() {
    let fallback = Fallback::new("default");
    for (scalar, x, y, product_x, product_y) in [
        (I, P256_X, P256_Y, GI_X, GI_Y),
        (R, P256_X, P256_Y, GR_X, GR_Y),
        (I, GR_X, GR_Y, GIR_X, GIR_Y),
        (R, GI_X, GI_Y, GIR_X, GIR_Y),
    ] {
        let product = multiply(&fallback, scalar, &hex(x), &hex(y)).unwrap();
        assert_eq!(product, [hex(product_x), hex(product_y)].concat());
    }
}

#[test]
fn one_and_the_order_less_one_give_the_point_and_its_negative() {
    let fallback = Fallback::new("default");
    let (x, y) = (hex(P256_X), hex(P256_Y));
    let one = format!("{:064x}", 1);
    let last = format!("{}50", &P256_ORDER[..62]);
    assert_eq!(multiply(&fallback, &one, &x, &y).unwrap(), [&x[..], &y].concat());
    let negative = multiply(&fallback, &last, &x, &y).unwrap();
    assert_eq!(negative[..32], x);
    assert_ne!(negative[32..], y);
    assert!(fallback.is_on_curve(Curve::P256, &x, &negative[32..]).unwrap());
}

#[test]
fn a_point_off_the_curve_has_no_product() {
    let fallback = Fallback::new("default");
    let (x, y) = (hex(P256_X), hex(P256_Y));
    assert!(fallback.is_on_curve(Curve::P256, &x, &y).unwrap());
    let mut other_y = y.clone();
    other_y[31] ^= 1;
    // A point with x = 5, whose y exists; and the same point with the prime added to x, which only a sloppy
    // decoder takes for it.
    let five = hex(&format!("{:064x}", 5));
    let five_y = hex("459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc");
    assert!(fallback.is_on_curve(Curve::P256, &five, &five_y).unwrap());
    let five_and_prime = hex("ffffffff00000001000000000000000000000001000000000000000000000004");
    for (x, y) in [
        (x.clone(), other_y),
        (y.clone(), x.clone()),
        (vec![0; 32], vec![0; 32]),
        (vec![0xff; 32], vec![0xff; 32]),
        (hex(P256_PRIME), y.clone()),
        (five_and_prime, five_y),
    ] {
        assert!(!fallback.is_on_curve(Curve::P256, &x, &y).unwrap());
        let error = multiply(&fallback, I, &x, &y).unwrap_err();
        assert!(is_no_result(&error), "{error}");
    }
    let error = fallback.is_on_curve(Curve::P256, &x[1..], &y).unwrap_err();
    assert!(matches!(error, FallbackError::Invalid(InvalidRequest::Length { length: 31, wanted: 32, .. })));
}

#[test]
fn a_scalar_out_of_range_is_the_callers_error() {
    let fallback = Fallback::new("default");
    let (zero, more) = (format!("{:064x}", 0), format!("{}52", &P256_ORDER[..62]));
    for scalar in [&zero, P256_ORDER, &more] {
        let product = multiply(&fallback, scalar, &hex(P256_X), &hex(P256_Y));
        let request = Request::ecdsa_sign(&ec_key(scalar), &[1; 32], &[1; 32]).unwrap();
        for error in [product.unwrap_err(), run(&fallback, &request).unwrap_err()] {
            assert!(matches!(error, FallbackError::Invalid(InvalidRequest::KeyNumber(_))), "{error}");
        }
    }
}

#[test]
fn another_implementation_verifies_what_it_signs() {
    let fallback = Fallback::new("default");
    let key = ec_key(I);
    let public = [vec![4], hex(GI_X), hex(GI_Y)].concat();
    let nonce = [7; 32];
    // Many, so that numbers with leading zeros, which must be padded, are among them.
    let mut padded = 0;
    for round in 0..1500_u32 {
        let message = round.to_be_bytes();
        let digest = ring::digest::digest(&ring::digest::SHA256, &message);
        let request = Request::ecdsa_sign(&key, digest.as_ref(), &nonce).unwrap();
        let signature = run(&fallback, &request).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public).verify(&message, &signature).unwrap();
        padded += u32::from(signature[0] == 0 || signature[32] == 0);
    }
    assert!(padded > 0, "1500 signatures without a leading zero: 1 in 100 000 runs");
}

#[test]
fn a_digest_longer_than_the_order_is_truncated_and_a_shorter_one_is_not_padded() {
    let fallback = Fallback::new("default");
    let key = ec_key(I);
    let public = [vec![4], hex(GI_X), hex(GI_Y)].concat();
    let digest = ring::digest::digest(&ring::digest::SHA384, b"message");
    let request = Request::ecdsa_sign(&key, digest.as_ref(), &[7; 32]).unwrap();
    let signature = to_der(&run(&fallback, &request).unwrap());
    UnparsedPublicKey::new(&ECDSA_P256_SHA384_ASN1, &public).verify(b"message", &signature).unwrap();

    // No library hashes to these lengths: OpenSSL's own verification must agree, in the default library context.
    let public = openssl_public_key(&public);
    for length in [1, 20, 28, 31, 33, 63, 64] {
        let digest = vec![0xa5; length];
        let signature = run(&fallback, &Request::ecdsa_sign(&key, &digest, &[7; 32]).unwrap()).unwrap();
        assert!(public.verify(&digest, &to_der(&signature)), "{length} bytes");
        assert!(!public.verify(&vec![0xa4; length], &to_der(&signature)), "{length} bytes");
    }
}

#[test]
fn each_signature_has_a_nonce_of_its_own() {
    let fallback = Fallback::new("default");
    let request = Request::ecdsa_sign(&ec_key(I), &[1; 32], &[7; 32]).unwrap();
    let (first, second) = (run(&fallback, &request).unwrap(), run(&fallback, &request).unwrap());
    assert_ne!(first[..32], second[..32]);
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
    let content = [integer(&fixed[..32]), integer(&fixed[32..])].concat();
    [vec![0x30, u8::try_from(content.len()).unwrap()], content].concat()
}

struct PublicKey(*mut openssl_sys::EVP_PKEY);

fn openssl_public_key(point: &[u8]) -> PublicKey {
    // SubjectPublicKeyInfo of P-256 (RFC 5480, 2).
    let der = [hex("3059301306072a8648ce3d020106082a8648ce3d030107034200"), point.to_vec()].concat();
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
