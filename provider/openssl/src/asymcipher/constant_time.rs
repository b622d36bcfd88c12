//! Comparisons and choices that take the same time, and touch the same memory, whatever they are of. A mask is all ones for
//! yes and zero for no.

use std::hint::black_box;

/// Whether `byte` is zero.
pub(super) fn is_zero(byte: u8) -> u8 {
    let byte = black_box(byte);
    // Of a number and its negative one has the highest bit, unless the number is zero.
    ((byte | byte.wrapping_neg()) >> 7).wrapping_sub(1)
}

/// Whether `left < right`. Both are below half of what they could be.
pub(super) fn is_less(left: usize, right: usize) -> usize {
    (black_box(left).wrapping_sub(right) >> (usize::BITS - 1)).wrapping_neg()
}

/// A mask for bytes as one for numbers.
pub(super) fn widened(mask: u8) -> usize {
    usize::from(mask & 1).wrapping_neg()
}

/// A mask for numbers as one for bytes.
pub(super) fn narrowed(mask: usize) -> u8 {
    mask.to_le_bytes()[0]
}

/// One byte or the other.
pub(super) fn select_byte(mask: u8, yes: u8, no: u8) -> u8 {
    let mask = black_box(mask);
    (yes & mask) | (no & !mask)
}

/// One number or the other.
pub(super) fn select(mask: usize, yes: usize, no: usize) -> usize {
    let mask = black_box(mask);
    (yes & mask) | (no & !mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_say_what_their_names_say() {
        assert_eq!(is_zero(0), 0xff);
        assert!((1..=255).all(|byte| is_zero(byte) == 0));
        for left in [0, 1, 2, 1023, 65535] {
            for right in [0, 1, 2, 1023, 65535] {
                assert_eq!(is_less(left, right), if left < right { usize::MAX } else { 0 });
            }
        }
        assert_eq!((widened(0xff), widened(0)), (usize::MAX, 0));
        assert_eq!((narrowed(usize::MAX), narrowed(0)), (0xff, 0));
        assert_eq!((select(usize::MAX, 3, 4), select(0, 3, 4)), (3, 4));
        assert_eq!((select_byte(0xff, 3, 4), select_byte(0, 3, 4)), (3, 4));
    }
}
