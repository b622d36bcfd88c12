//! The nonce of an ECDSA signature: random, and hedged against a random generator that fails.
//!
//! Construction: k is the first of the candidates
//!
//! > `SHA-512(counter || Z || zeros to 128 bytes || d || digest)`, cut into two halves of 256 bits,
//!
//! for counter = 0, 1, …, that lies in 1 … n-1. Z are 64 bytes from OpenSSL's private random generator, d is the private
//! scalar. So k is uniform if either Z is unpredictable (FIPS 186-5, A.3.2: rejection sampling of random bits has no bias),
//! or, should the generator repeat itself or be known, d is unknown (k then is a secret function of key and digest, as in
//! RFC 6979, with Z as the additional data of its section 3.6). Z fills SHA-512's first block, so that d is only hashed
//! together with a state that nobody knows (draft-irtf-cfrg-det-sigs-with-noise, section 4). Hashing key, digest and
//! randomness with SHA-512 is also what OpenSSL itself does (`BN_generate_dsa_nonce`).

use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::keymgmt::ec::P256_ORDER;

/// A scalar of P-256.
pub(crate) const BYTES: usize = 32;
/// Bytes from the random generator.
pub(crate) const RANDOM_BYTES: usize = 64;
/// SHA-512's block.
const BLOCK_BYTES: usize = 128;
/// A candidate is out of range with a probability of 2^-32, so more rounds than this mean a broken digest.
const ROUNDS_MAX: u8 = 8;

/// The nonce for `digest` and the private scalar `d`, from 64 random bytes. `None` if `sha512` fails.
pub(crate) fn derive(
    sha512: &Digest,
    random: &[u8; RANDOM_BYTES],
    d: &[u8],
    digest: &[u8],
) -> Option<Zeroizing<[u8; BYTES]>> {
    let mut message = Zeroizing::new(vec![0; BLOCK_BYTES]);
    message[1..=RANDOM_BYTES].copy_from_slice(random);
    // Room for all at once: a vector that grows leaves a copy behind.
    message.reserve_exact(d.len() + digest.len());
    message.extend_from_slice(d);
    message.extend_from_slice(digest);
    for counter in 0..ROUNDS_MAX {
        message[0] = counter;
        let hashed = Zeroizing::new(sha512.of(&message)?);
        for candidate in hashed.chunks_exact(BYTES) {
            if in_range(candidate) {
                let mut nonce = Zeroizing::new([0; BYTES]);
                nonce.copy_from_slice(candidate);
                return Some(nonce);
            }
        }
    }
    None
}

/// Whether 0 < candidate < n. Takes the same time for each candidate; the answer itself says nothing about the one that is
/// used in the end.
fn in_range(candidate: &[u8]) -> bool {
    let mut borrow = 0_u16;
    let mut any = 0_u8;
    for (byte, order) in candidate.iter().zip(&P256_ORDER).rev() {
        let difference = u16::from(*byte).wrapping_sub(u16::from(*order)).wrapping_sub(borrow);
        borrow = difference >> 15;
        any |= byte;
    }
    std::hint::black_box(borrow) == 1 && std::hint::black_box(any) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha512() -> Digest {
        Digest::fetch(std::ptr::null_mut(), c"SHA512").unwrap()
    }

    #[test]
    fn the_range_is_one_to_the_order_minus_one() {
        let mut number = [0; BYTES];
        assert!(!in_range(&number));
        number[31] = 1;
        assert!(in_range(&number));
        assert!(!in_range(&P256_ORDER));
        let mut number = P256_ORDER;
        number[31] -= 1;
        assert!(in_range(&number));
        number[31] += 2;
        assert!(!in_range(&number));
        assert!(!in_range(&[0xff; BYTES]));
        let mut number = P256_ORDER;
        number[0] -= 1;
        number[31] = 0xff;
        assert!(in_range(&number));
    }

    #[test]
    fn each_input_changes_the_nonce() {
        let sha512 = sha512();
        let first = derive(&sha512, &[1; 64], &[2; 32], &[3; 32]).unwrap();
        assert_eq!(first, derive(&sha512, &[1; 64], &[2; 32], &[3; 32]).unwrap());
        assert_ne!(first, derive(&sha512, &[9; 64], &[2; 32], &[3; 32]).unwrap());
        assert_ne!(first, derive(&sha512, &[1; 64], &[9; 32], &[3; 32]).unwrap());
        assert_ne!(first, derive(&sha512, &[1; 64], &[2; 32], &[9; 32]).unwrap());
    }
}
