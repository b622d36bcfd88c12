//! The nonce of an ECDSA signature: random, and hedged against a random generator that fails.
//!
//! Construction: k is the first of the candidates
//!
//! > `SHA-512(2i || Z || zeros to 128 bytes || d || digest) || SHA-512(2i+1 || Z || zeros to 128 bytes || d || digest)`,
//!
//! cut to as many bits as the order n has, for i = 0, 1, …, that lies in 1 … n-1. (Where the first half has enough bits, the second is
//! not computed.) Z are 96 bytes from OpenSSL's private random generator, more than any order has by 64 bits and more; d is the
//! private scalar. So k is uniform if either Z is unpredictable (FIPS 186-5, A.3.2: rejection sampling of random bits has no
//! bias, so no extra bits are to be reduced as in A.3.1), or, should the generator repeat itself or be known, d is unknown (k then
//! is a secret function of key and digest, as in RFC 6979, with Z as the additional data of its section 3.6). Z fills SHA-512's
//! first block, so that d is only hashed together with a state that nobody knows (draft-irtf-cfrg-det-sigs-with-noise, section
//! 4). Hashing key, digest and randomness with SHA-512 is also what OpenSSL itself does (`BN_generate_dsa_nonce`).

use hotspare_device::Curve;
use hotspare_device::request::DIGEST_MAX_BYTES;
use zeroize::Zeroizing;

use crate::digest::{Digest, MAX_BYTES};
use crate::random::is_below;

/// The longest scalar.
const SCALAR_MAX_BYTES: usize = Curve::P521.field_bytes();
/// Bytes from the random generator.
pub(crate) const RANDOM_BYTES: usize = 96;
/// SHA-512's block.
const BLOCK_BYTES: usize = 128;
/// A candidate is out of range with a probability of at most 2^-32, so more rounds than this mean a broken digest.
const ROUNDS_MAX: u8 = 8;

/// A nonce. Wiped when dropped.
pub(crate) struct Nonce {
    bytes: Zeroizing<[u8; 2 * MAX_BYTES]>,
    length: usize,
}

impl Nonce {
    /// Big-endian, as long as the curve's field.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The nonce for `digest` and the private scalar `d`, from random bytes. `None` if `sha512` fails, or if something is too long.
pub(crate) fn derive(
    sha512: &Digest,
    curve: Curve,
    random: &[u8; RANDOM_BYTES],
    d: &[u8],
    digest: &[u8],
) -> Option<Nonce> {
    let mut message = Zeroizing::new([0; BLOCK_BYTES + SCALAR_MAX_BYTES + DIGEST_MAX_BYTES]);
    message[1..=RANDOM_BYTES].copy_from_slice(random);
    let (d_end, end) = (BLOCK_BYTES + d.len(), BLOCK_BYTES + d.len() + digest.len());
    message.get_mut(BLOCK_BYTES..d_end)?.copy_from_slice(d);
    message.get_mut(d_end..end)?.copy_from_slice(digest);

    let (order, length) = (curve.order(), curve.field_bytes());
    let mut nonce = Nonce { bytes: Zeroizing::new([0; 2 * MAX_BYTES]), length };
    for round in 0..ROUNDS_MAX {
        for (half, counter) in nonce.bytes.chunks_exact_mut(MAX_BYTES).zip(2 * round..) {
            message[0] = counter;
            half.copy_from_slice(&*Zeroizing::new(sha512.of(&message[..end])?));
            if length <= MAX_BYTES {
                break;
            }
        }
        // The orders' first bytes are ff, or 01 with seven bits that the field does not have.
        nonce.bytes[0] &= 0xff >> order[0].leading_zeros();
        if is_below(nonce.as_bytes(), order) {
            return Some(nonce);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha512() -> Digest {
        Digest::fetch(std::ptr::null_mut(), c"SHA512").unwrap()
    }

    #[test]
    fn each_input_changes_the_nonce() {
        let sha512 = sha512();
        for curve in Curve::ALL {
            let d = vec![2; curve.field_bytes()];
            let nonce = |random: u8, d: &[u8], digest: u8| {
                derive(&sha512, curve, &[random; RANDOM_BYTES], d, &[digest; 32]).unwrap().as_bytes().to_vec()
            };
            let first = nonce(1, &d, 3);
            assert_eq!(first.len(), curve.field_bytes());
            assert_eq!(first, nonce(1, &d, 3));
            assert_ne!(first, nonce(9, &d, 3));
            assert_ne!(first, nonce(1, &vec![9; curve.field_bytes()], 3));
            assert_ne!(first, nonce(1, &d, 9));
        }
    }

    /// No bit of a nonce is fixed, but for the seven of P-521 that no scalar has.
    #[test]
    fn every_bit_of_a_nonce_is_sometimes_set_and_sometimes_not() {
        let sha512 = sha512();
        for curve in Curve::ALL {
            let length = curve.field_bytes();
            let (mut ones, mut zeros) = (vec![0; length], vec![0; length]);
            for random in 0..=255 {
                let nonce =
                    derive(&sha512, curve, &[random; RANDOM_BYTES], &vec![1; length], &[7; 64]).unwrap();
                for (index, byte) in nonce.as_bytes().iter().enumerate() {
                    ones[index] |= byte;
                    zeros[index] |= !byte;
                }
            }
            let top = 0xff >> curve.order()[0].leading_zeros();
            assert_eq!(ones[0], top);
            assert!(ones[1..].iter().chain(&zeros).all(|byte| *byte == 0xff), "{curve:?}");
        }
    }
}
