//! RSA and modular exponentiation.

use std::ptr;

use aws_lc_sys as lc;

use super::vectors::POWER;
use super::*;
use number::Number;

#[test]
fn rsa_of_small_numbers() {
    // p = 61, q = 53, e = 17, d = 413: 65^17 = 2790 (mod 3233).
    let parts: [&[u8]; 6] = [&[61], &[53], &[53], &[49], &[38], &[0x0a, 0xe6]];
    assert_eq!(compute(Operation::RsaPrivate, &parts, 2), (Outcome::Done, vec![0, 65]));
    let alone: [&[u8]; 3] = [&[0x0c, 0xa1], &[0x01, 0x9d], &[0x0a, 0xe6]];
    assert_eq!(compute(Operation::RsaPrivateExponent, &alone, 2), (Outcome::Done, vec![0, 65]));
    let public: [&[u8]; 3] = [&[0x0c, 0xa1], &[17], &[0, 65]];
    for operation in [Operation::RsaPublic, Operation::RsaPrivateExponent, Operation::ModExp] {
        assert_eq!(compute(operation, &public, 2), (Outcome::Done, vec![0x0a, 0xe6]));
        // An even modulus, zero, and an input that is not below the modulus.
        for wrong in [
            [&[0x0c, 0xa0][..], &[17], &[0, 65]],
            [&[0, 0], &[17], &[0, 65]],
            [&[0x0c, 0xa1], &[17], &[0x0c, 0xa1]],
        ] {
            assert_eq!(compute(operation, &wrong, 2).0, Outcome::Rejected);
        }
    }
    let mut even = parts;
    even[1] = &[52];
    assert_eq!(compute(Operation::RsaPrivate, &even, 2).0, Outcome::Rejected);
    // Primes too long for the result.
    let long: [&[u8]; 6] = [&[61, 1], &[53], &[53], &[49], &[38], &[0x0a, 0xe6]];
    assert_eq!(compute(Operation::RsaPrivate, &long, 2).0, Outcome::Malformed);
}

#[test]
fn a_public_exponent_may_be_long_where_the_modulus_is_short() {
    let long_exponent: [&[u8]; 3] = [&[1; 384], &[1; 384], &[0; 384]];
    assert_eq!(compute(Operation::RsaPublic, &long_exponent, 384).0, Outcome::Done);
}

#[test]
fn diffie_hellman_of_nist_cavp() {
    let [modulus, exponent, base, power] = POWER.map(hex);
    let result = compute(Operation::ModExp, &[&modulus, &exponent, &base], modulus.len());
    assert_eq!(result, (Outcome::Done, power));
}

#[test]
fn edges_of_a_power() {
    let modulus = [0xff; 64];
    let mut below = modulus;
    below[63] = 0xfe;
    let (mut one, mut two) = ([0; 64], [0; 64]);
    (one[63], two[63]) = (1, 2);
    let power = |exponent: &[u8], base: &[u8]| {
        let (outcome, power) = compute(Operation::ModExp, &[&modulus, exponent, base], 64);
        assert_eq!(outcome, Outcome::Done);
        power
    };
    assert_eq!(power(&[5], &[0; 64]), [0; 64]);
    assert_eq!(power(&[0, 0], &two), one);
    assert_eq!(power(&[2], &below), one, "(-1)^2");
    assert_eq!(power(&[3], &below), below, "(-1)^3");
    // 2^512 = 1 modulo 2^512 - 1.
    assert_eq!(power(&[0x02, 0x00], &two), one);
}

/// A published safe prime of 4096 bits.
fn prime(number: u8) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    let taken = if number == 0 {
        // RFC 3526, group 16. SAFETY: null asks for a new number, which is ours then.
        unsafe { lc::BN_get_rfc3526_prime_4096(ptr::null_mut()) }
    } else {
        // RFC 7919, ffdhe4096. SAFETY: a number that lives as long as the group, which is given up with the process.
        unsafe { lc::DH_get0_p(lc::DH_new_by_nid(lc::NID_ffdhe4096)).cast_mut() }
    };
    // SAFETY: a live number.
    let number = unsafe { Number::copy_of(taken) }.unwrap();
    if !taken.is_null() && number.bits() == 4096 {
        number.write_to(&mut bytes).unwrap();
    }
    bytes
}

/// `number`^-1 modulo `modulus`, as many bytes as the modulus has.
fn inverse(number: &Number, modulus: &Number, context: &mut Context) -> Vec<u8> {
    let mut result = Number::new().unwrap();
    // SAFETY: live values.
    let made = unsafe {
        lc::BN_mod_inverse(result.as_mut_ptr(), number.as_ptr(), modulus.as_ptr(), context.as_ptr())
    };
    assert!(!made.is_null());
    let mut bytes = vec![0; (modulus.bits() as usize).div_ceil(8)];
    result.write_to(&mut bytes).unwrap();
    bytes
}

/// An RSA key of 8192 bits whose primes are those of RFC 3526 and RFC 7919: both private forms undo the public one.
#[test]
fn rsa_of_8192_bits() {
    let mut context = Context::new().unwrap();
    let [p, q] = [prime(0), prime(1)].map(|bytes| Number::from_bytes(&bytes).unwrap());
    let mut n = vec![0; 1024];
    p.times(&q, &mut context).unwrap().write_to(&mut n).unwrap();
    assert!(n[0] >= 0x80);
    let e = [1, 0, 1];
    let exponent = Number::from_bytes(&e).unwrap();
    let [p_less, q_less] = [&p, &q].map(|prime| prime.minus_small(1).unwrap());
    let both = p_less.times(&q_less, &mut context).unwrap();
    let d = inverse(&exponent, &both, &mut context);
    let [dp, dq] = [p_less, q_less].map(|less| inverse(&exponent, &less, &mut context));
    let coefficient = inverse(&q, &p, &mut context);

    let mut input = vec![0x5a; 1024];
    input[0] = 0;
    let mut calculator = Calculator::new().unwrap();
    let mut call = |operation, parts: &[&[u8]]| {
        let (outcome, output) = compute_with(&mut calculator, operation, parts, 1024);
        assert_eq!(outcome, Outcome::Done);
        output
    };
    let power = call(Operation::RsaPublic, &[&n, &e, &input]);
    assert_ne!(power, input);
    let primes = [&prime(0)[..], &prime(1), &dp, &dq, &coefficient, &power];
    assert_eq!(call(Operation::RsaPrivate, &primes), input);
    assert_eq!(call(Operation::RsaPrivateExponent, &[&n, &d, &power]), input);
}

/// The longest requests of each kind are computed. How long they take (`-- --nocapture longest` tells) stands at `lengths_fit`.
#[test]
fn the_longest_requests() {
    let mut calculator = Calculator::new().unwrap();
    let (full, half) = ([0xff; 1024], [0xff; 512]);
    let input = [0x5a; 1024];
    for (name, operation, parts) in [
        ("power, 8192 bits", Operation::ModExp, &[&full[..], &full, &input][..]),
        ("power, 4096 bits", Operation::ModExp, &[&half, &half, &input[..512]]),
        ("RSA with primes, 8192 bits", Operation::RsaPrivate, &[&half, &half, &half, &half, &[1], &input]),
        ("X448", Operation::MontgomeryMultiply(MontgomeryCurve::X448), &[&[7; 56], &[9; 56]]),
    ] {
        let length = parts[parts.len() - 1].len();
        let began = std::time::Instant::now();
        assert_eq!(compute_with(&mut calculator, operation, parts, length).0, Outcome::Done, "{name}");
        println!("{name}: {:?}", began.elapsed());
    }
}
