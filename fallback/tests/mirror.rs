//! Everything through a provider that is not in libcrypto, as the fips provider is not: it must compute all by itself. This one,
//! made for the test, has the default provider's implementations under a name of its own, so results are known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use hotspare_device::{Curve, InvalidRequest, MontgomeryCurve, Request};
use hotspare_fallback::{Fallback, FallbackError};
use support::module::{Directory, build, in_a_child, is_child};
use support::{
    P256_X, P256_Y, RSA_2048, curves, ec_key, ec_key_on, ec_public_key, hex, is_no_result, mod_exp_key,
    montgomery_key, one_of_each, rsa_numbers, run,
};

/// A provider that asks a default provider in a library context of its own for what it is asked for.
const SOURCE: &str = r#"
#include <stdlib.h>
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
static OSSL_PROVIDER *behind;
static OSSL_ALGORITHM *known[64];
static const OSSL_ALGORITHM *query(void *p, int operation, int *no_cache)
{
    const OSSL_ALGORITHM *theirs;
    size_t i, count = 0;
    *no_cache = 0;
    if (operation < 0 || operation >= 64)
        return 0;
    if (known[operation] == 0 && (theirs = OSSL_PROVIDER_query_operation(behind, operation, no_cache)) != 0) {
        while (theirs[count].algorithm_names != 0)
            count++;
        known[operation] = calloc(count + 1, sizeof(*theirs));
        for (i = 0; i < count; i++) {
            known[operation][i] = theirs[i];
            known[operation][i].property_definition = "provider=mirror";
        }
    }
    return known[operation];
}
static const OSSL_DISPATCH functions[] = {
    { OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query }, { 0, 0 } };
int OSSL_provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **ctx)
{
    behind = OSSL_PROVIDER_load(OSSL_LIB_CTX_new(), "default");
    if (behind == 0)
        return 0;
    *out = functions;
    *ctx = OSSL_PROVIDER_get0_provider_ctx(behind);
    return 1;
}
"#;

#[test]
fn another_provider_computes_everything() {
    let directory = Directory::new();
    let module = build(directory.path(), SOURCE);
    let configuration = format!(
        "openssl_conf = init\n[init]\nproviders = list\n[list]\nmirror = section\n[section]\nmodule = {}\n",
        module.display()
    );
    let file = directory.path().join("openssl.cnf");
    std::fs::write(&file, configuration).unwrap();
    let output = in_a_child(&file);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("<all computed>"), "{said}");
}

/// Not a test by itself: what the child of the test above does.
#[test]
fn child() {
    if !is_child() {
        return;
    }
    let (mirror, default) = (Fallback::new("mirror"), Fallback::new("default"));
    // Keys that each has prepared, and twice, so that what is kept is used.
    let requests = one_of_each();
    for request in requests.iter().chain(&requests) {
        let result = run(&mirror, request).unwrap();
        assert_eq!(result, run(&default, request).unwrap(), "{request:?}");
    }
    for request in one_of_each() {
        let result = run(&default, &request).unwrap();
        assert_eq!(run(&mirror, &request).unwrap(), result, "{request:?}");
    }
    signatures(&mirror);
    powers(&mirror, &default);
    small_orders(&mirror);
    callers_errors(&mirror);
    println!("<all computed>");
}

fn signatures(mirror: &Fallback) {
    for numbers in &curves::ALL {
        let length = numbers.curve.field_bytes();
        let signing =
            Request::ecdsa_sign(&ec_key_on(numbers.curve, hex(numbers.i)), &[5; 48], &vec![7; length]);
        let signature = run(mirror, &signing.unwrap()).unwrap();
        let (r, s) = signature.split_at(length);
        let [x, y] = numbers.gi.map(hex);
        let key = ec_public_key(numbers.curve, &x, &y);
        let verify = |digest: &[u8], r: &[u8], s: &[u8]| {
            run(mirror, &Request::ecdsa_verify(&key, digest, r, s).unwrap()).unwrap()
        };
        assert_eq!(verify(&[5; 48], r, s), r);
        assert_eq!(verify(&[6; 48], r, s), vec![0; length]);
        assert_eq!(verify(&[5; 48], &vec![0; length], s), vec![0; length]);
        assert_eq!(verify(&[5; 48], r, &vec![0xff; length]), vec![0; length]);
    }
}

fn powers(mirror: &Fallback, default: &Fallback) {
    let modulus = rsa_numbers(RSA_2048).modulus.clone();
    let number = |value: u8| [vec![0; 255], vec![value]].concat();
    let mut minus_one = modulus.clone();
    minus_one[255] -= 1;
    for exponent in [vec![1], vec![2], vec![0x42; 28], vec![0x43; 256]] {
        let key = mod_exp_key(&modulus, &exponent);
        for base in [number(0), number(1), number(2), minus_one.clone()] {
            let request = Request::mod_exp(&key, &base).unwrap();
            let result = run(default, &request).unwrap();
            assert_eq!(run(mirror, &request).unwrap(), result, "{base:02x?} ^ {exponent:02x?}");
        }
    }
}

fn small_orders(mirror: &Fallback) {
    for curve in [MontgomeryCurve::X25519, MontgomeryCurve::X448] {
        let length = curve.field_bytes();
        let key = montgomery_key(curve, vec![0x11; length]);
        let request = Request::montgomery_multiply(&key, &vec![0; length]).unwrap();
        assert_eq!(run(mirror, &request).unwrap(), vec![0; length]);
    }
}

fn callers_errors(mirror: &Fallback) {
    let (x, y) = (hex(P256_X), hex(P256_Y));
    let request = Request::ec_multiply(&ec_key(&"11".repeat(32)), &y, &x).unwrap();
    let error = run(mirror, &request).unwrap_err();
    assert!(is_no_result(&error), "{error}");
    assert!(mirror.is_on_curve(Curve::P256, &x, &y).unwrap());
    assert!(!mirror.is_on_curve(Curve::P256, &y, &x).unwrap());
    for request in [
        Request::ecdsa_verify(&ec_public_key(Curve::P256, &y, &x), &[1; 32], &[1; 32], &[1; 32]).unwrap(),
        Request::ec_multiply(&ec_key(&"00".repeat(32)), &x, &y).unwrap(),
        Request::ecdsa_sign(&ec_key(&"ff".repeat(32)), &[1; 32], &[1; 32]).unwrap(),
    ] {
        let error = run(mirror, &request).unwrap_err();
        assert!(matches!(error, FallbackError::Invalid(InvalidRequest::KeyNumber(_))), "{error}");
    }
}
