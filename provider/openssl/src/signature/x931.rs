//! The padding of ANSI X9.31 (ISO 9796-2 alternative): 6b bb…bb ba, the digest, its number, cc.

use std::ffi::c_int;

/// Bytes that every encoding has: first and last.
const OVERHEAD_BYTES: usize = 2;

/// Writes `data`, followed by `trailer` (a digest's number, if it has one), into `block`, which is as long as the modulus. `None`
/// if it does not fit.
pub(crate) fn encode(block: &mut [u8], data: &[u8], trailer: Option<u8>) -> Option<()> {
    let trailer = trailer.as_slice();
    let padding = block.len().checked_sub(OVERHEAD_BYTES + data.len() + trailer.len())?;
    let (head, rest) = block.split_at_mut(1 + padding);
    match head {
        [only] => *only = 0x6a,
        [first, middle @ .., last] => {
            *first = 0x6b;
            middle.fill(0xbb);
            *last = 0xba;
        }
        [] => return None,
    }
    let (digest, rest) = rest.split_at_mut(data.len());
    digest.copy_from_slice(data);
    let (number, last) = rest.split_at_mut(trailer.len());
    number.copy_from_slice(trailer);
    last.fill(0xcc);
    Some(())
}

/// The number of a digest (ISO 10118-3). `None` for a digest that has none.
pub(crate) fn number(digest: c_int) -> Option<u8> {
    match digest {
        openssl_sys::NID_sha1 => Some(0x33),
        openssl_sys::NID_sha256 => Some(0x34),
        openssl_sys::NID_sha512 => Some(0x35),
        openssl_sys::NID_sha384 => Some(0x36),
        _ => None,
    }
}

/// The signature: the lesser of the private operation's result and the modulus minus it. Both are as long as the modulus; which
/// one it is can be seen from the signature itself.
pub(crate) fn lesser(result: &mut [u8], modulus: &[u8]) {
    let difference = |index: usize, borrow: bool| {
        let (byte, first) = modulus[index].overflowing_sub(result[index]);
        let (byte, second) = byte.overflowing_sub(u8::from(borrow));
        (byte, first || second)
    };
    let mut other = [0; hotspare_device::key::RSA_MAX_BYTES];
    let Some(other) = other.get_mut(..modulus.len()) else { return };
    let mut borrow = false;
    for index in (0..modulus.len()).rev() {
        (other[index], borrow) = difference(index, borrow);
    }
    if *other < *result {
        result.copy_from_slice(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_padding_fills_the_block() {
        let mut block = [0; 8];
        encode(&mut block, &[1, 2], Some(0x34)).unwrap();
        assert_eq!(block, [0x6b, 0xbb, 0xbb, 0xba, 1, 2, 0x34, 0xcc]);
        encode(&mut block, &[1, 2, 3, 4, 5], Some(0x34)).unwrap();
        assert_eq!(block, [0x6a, 1, 2, 3, 4, 5, 0x34, 0xcc]);
        encode(&mut block, &[1, 2, 3, 4, 5], None).unwrap();
        assert_eq!(block, [0x6b, 0xba, 1, 2, 3, 4, 5, 0xcc]);
        assert!(encode(&mut block, &[0; 7], None).is_none());
    }

    #[test]
    fn the_lesser_of_both_is_taken() {
        let modulus = [3, 0, 1];
        for (result, wanted) in [
            ([2, 0, 0], [1, 0, 1]),
            ([1, 0, 1], [1, 0, 1]),
            ([0, 0, 0], [0, 0, 0]),
            ([2, 255, 255], [0, 0, 2]),
        ] {
            let mut signature = result;
            lesser(&mut signature, &modulus);
            assert_eq!(signature, wanted, "{result:?}");
        }
    }
}
