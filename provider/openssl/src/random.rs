//! Private numbers drawn at random.

use zeroize::Zeroizing;

use crate::software::Software;

/// At least every second candidate is taken, so more rounds than this mean a broken generator.
const ROUNDS_MAX: u8 = 128;

/// A number above 0 and below `limit`, from the private random generator, each with the same probability: candidates of as many
/// bits as `limit` has, until one is in the range (FIPS 186-5, A.2.2, and `BN_priv_rand_range`). Big-endian, as long as `limit`,
/// whose first byte is not 0. `None` if the generator fails.
pub(crate) fn below(software: &Software, limit: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mask = u8::MAX >> limit.first()?.leading_zeros();
    let mut candidate = Zeroizing::new(vec![0; limit.len()]);
    for _ in 0..ROUNDS_MAX {
        if !software.private_random(&mut candidate) {
            return None;
        }
        candidate[0] &= mask;
        if is_below(&candidate, limit) {
            return Some(candidate);
        }
    }
    None
}

/// A number of exactly `bits` bits, the highest set. Big-endian, without leading zero bytes. `None` if the generator fails.
pub(crate) fn of_bits(software: &Software, bits: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut number = Zeroizing::new(vec![0; bits.div_ceil(8)]);
    if !software.private_random(&mut number) {
        return None;
    }
    let highest = 1 << (bits.checked_sub(1)? % 8);
    number[0] = number[0] & (highest - 1) | highest;
    Some(number)
}

/// Whether 0 < `candidate` < `limit`, both of one length. Takes the same time for each candidate; the answer itself says nothing
/// about a number that is used afterwards.
pub(crate) fn is_below(candidate: &[u8], limit: &[u8]) -> bool {
    let mut borrow = 0_u16;
    let mut any = 0_u8;
    for (byte, limit) in candidate.iter().zip(limit).rev() {
        let difference = u16::from(*byte).wrapping_sub(u16::from(*limit)).wrapping_sub(borrow);
        borrow = difference >> 15;
        any |= byte;
    }
    std::hint::black_box(borrow) == 1 && std::hint::black_box(any) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_one_to_the_limit_minus_one() {
        let limit = [0x01, 0x00, 0x80];
        for (number, inside) in [
            ([0, 0, 0], false),
            ([0, 0, 1], true),
            ([0, 0xff, 0xff], true),
            ([1, 0, 0x7f], true),
            ([1, 0, 0x80], false),
            ([1, 0, 0x81], false),
            ([0xff, 0xff, 0xff], false),
        ] {
            assert_eq!(is_below(&number, &limit), inside, "{number:?}");
        }
    }

    #[test]
    fn drawn_numbers_fill_their_range_and_no_more() {
        let software = Software::of("default").unwrap();
        let mut seen = [false; 5];
        for _ in 0..1000 {
            let number = below(software, &[5]).unwrap();
            assert!((1..5).contains(&number[0]), "{number:?}");
            seen[usize::from(number[0])] = true;
        }
        assert_eq!(seen, [false, true, true, true, true]);
        for bits in 1..=17 {
            let mut all = 0;
            for _ in 0..200 {
                let number = of_bits(software, bits).unwrap();
                assert_eq!(number.len(), bits.div_ceil(8));
                let value = number.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
                assert_eq!(value.ilog2() as usize, bits - 1);
                all |= value;
            }
            assert_eq!(all, (1 << bits) - 1, "{bits}");
        }
    }
}
