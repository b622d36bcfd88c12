//! Exponentiation with nothing but additions and comparisons, to compare with. Numbers are words, the lowest first.

/// `base` ^ `exponent` mod `modulus`, all big-endian; as long as the modulus. `base` is below it.
pub fn power(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
    let (base, modulus_words) = (words(base), words(modulus));
    let mut result = vec![0; base.len()];
    result[0] = 1;
    for byte in exponent {
        for bit in (0..8).rev() {
            result = product(&result, &result, &modulus_words);
            if byte >> bit & 1 == 1 {
                result = product(&result, &base, &modulus_words);
            }
        }
    }
    let bytes: Vec<u8> = result.iter().rev().flat_map(|word| word.to_be_bytes()).collect();
    bytes[bytes.len() - modulus.len()..].to_vec()
}

/// By doubling and adding: both below the modulus.
fn product(one: &[u64], other: &[u64], modulus: &[u64]) -> Vec<u64> {
    let mut sum = vec![0; one.len()];
    for word in other.iter().rev() {
        for bit in (0..64).rev() {
            let double = sum.clone();
            add(&mut sum, &double, modulus);
            if word >> bit & 1 == 1 {
                add(&mut sum, one, modulus);
            }
        }
    }
    sum
}

fn add(sum: &mut [u64], other: &[u64], modulus: &[u64]) {
    let mut carry = false;
    for (place, word) in sum.iter_mut().zip(other) {
        let (first, over) = place.overflowing_add(*word);
        let (second, over_again) = first.overflowing_add(u64::from(carry));
        (*place, carry) = (second, over | over_again);
    }
    if carry || sum.iter().rev().ge(modulus.iter().rev()) {
        let mut borrow = false;
        for (place, word) in sum.iter_mut().zip(modulus) {
            let (first, under) = place.overflowing_sub(*word);
            let (second, under_again) = first.overflowing_sub(u64::from(borrow));
            (*place, borrow) = (second, under | under_again);
        }
    }
}

fn words(big_endian: &[u8]) -> Vec<u64> {
    let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    big_endian.rchunks(8).map(word).collect()
}
