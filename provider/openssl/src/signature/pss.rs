//! EMSA-PSS (RFC 8017, 9.1.1) with MGF1 (B.2.1).

use zeroize::Zeroize;

use crate::digest::{Digest, MAX_BYTES};

/// Last byte of an encoded message.
const TRAILER: u8 = 0xbc;
/// Zero bytes before the digest in M'.
const LEADING_ZEROS: usize = 8;
/// Longest salt with a modulus of [`hotspare_device::key::RSA_MAX_BYTES`].
const HASHED_MAX_BYTES: usize = LEADING_ZEROS + MAX_BYTES + hotspare_device::key::RSA_MAX_BYTES;

/// How long a salt may be with a modulus of `bits` and a digest of `digest` bytes; `None` if there is room for none.
pub(crate) fn salt_max(bits: usize, digest: usize) -> Option<usize> {
    encoded_bytes(bits).checked_sub(digest + 2)
}

/// Writes the encoding of a message digest into `block`, which is as long as the modulus of `bits` bits. `None` if it does
/// not fit or OpenSSL fails.
pub(crate) fn encode(
    block: &mut [u8],
    bits: usize,
    (digest, message_digest): (&Digest, &[u8]),
    mgf1: &Digest,
    salt: &[u8],
) -> Option<()> {
    let size = digest.size();
    if message_digest.len() != size || salt_max(bits, size)? < salt.len() {
        return None;
    }
    // M' = eight zeros, the message's digest, the salt; H is its digest.
    let mut hashed = [0_u8; HASHED_MAX_BYTES];
    let salt_start = LEADING_ZEROS + size;
    hashed[LEADING_ZEROS..salt_start].copy_from_slice(message_digest);
    hashed.get_mut(salt_start..salt_start + salt.len())?.copy_from_slice(salt);
    let h = digest.of(&hashed[..salt_start + salt.len()])?;
    let h = &h[..size];

    // EM = (DB xor MGF(H)), H, bc. When the modulus has one bit more than whole bytes, a zero byte goes before it.
    let encoded = encoded_bytes(bits);
    let start = block.len().checked_sub(encoded)?;
    block[..start].fill(0);
    let encoded_block = &mut block[start..];
    let db_length = encoded - size - 1;
    let (db, tail) = encoded_block.split_at_mut(db_length);
    db.fill(0);
    let salt_at = db_length - salt.len();
    db[salt_at - 1] = 1;
    db[salt_at..].copy_from_slice(salt);
    mask(db, h, mgf1)?;
    let unused_bits = 8 * encoded - (bits - 1);
    db[0] &= 0xff >> unused_bits;
    tail[..size].copy_from_slice(h);
    tail[size] = TRAILER;
    Some(())
}

/// emLen: bytes of a number with one bit less than the modulus.
fn encoded_bytes(bits: usize) -> usize {
    (bits.saturating_sub(1)).div_ceil(8)
}

/// Adds the mask that MGF1 makes from `seed`.
fn mask(data: &mut [u8], seed: &[u8], digest: &Digest) -> Option<()> {
    let size = digest.size();
    if size == 0 {
        return None;
    }
    let mut seeded = [0_u8; MAX_BYTES + 4];
    seeded.get_mut(..seed.len())?.copy_from_slice(seed);
    for (chunk, counter) in data.chunks_mut(size).zip(0_u32..) {
        seeded.get_mut(seed.len()..seed.len() + 4)?.copy_from_slice(&counter.to_be_bytes());
        let mut stream = digest.of(&seeded[..seed.len() + 4])?;
        chunk.iter_mut().zip(&stream).for_each(|(byte, mask)| *byte ^= mask);
        stream.zeroize();
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha1() -> Digest {
        Digest::fetch(std::ptr::null_mut(), c"SHA1").unwrap()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// Takes the encoding apart as RFC 8017, 9.1.2 says; gives the salt.
    fn decode(block: &[u8], bits: usize, message_digest: &[u8], digest: &Digest) -> Option<Vec<u8>> {
        let size = digest.size();
        let encoded = &block[block.len() - (bits - 1).div_ceil(8)..];
        let (db, tail) = encoded.split_at(encoded.len() - size - 1);
        assert_eq!(tail[size], TRAILER);
        let unused = 8 * encoded.len() - (bits - 1);
        assert!(db[0].leading_zeros() >= u32::try_from(unused).unwrap());
        let mut db = db.to_vec();
        mask(&mut db, &tail[..size], digest)?;
        db[0] &= 0xff >> unused;
        let one = db.iter().position(|byte| *byte != 0)?;
        assert_eq!(db[one], 1);
        let salt = db[one + 1..].to_vec();
        let hashed = [&[0; 8][..], message_digest, &salt].concat();
        (digest.of(&hashed)?[..size] == tail[..size]).then_some(salt)
    }

    /// MGF1 with SHA-1 of "foo" and "bar", as published for the function.
    #[test]
    fn the_mask_is_mgf1() {
        let mut data = [0; 5];
        mask(&mut data, b"foo", &sha1()).unwrap();
        assert_eq!(data.to_vec(), bytes("1ac9075cd4"));
        mask(&mut data, b"foo", &sha1()).unwrap();
        assert_eq!(data, [0; 5]);
    }

    #[test]
    fn moduli_of_all_remainders_hold_every_salt_that_fits() {
        let digest = sha1();
        let message_digest = [7; 20];
        for bits in 2041..=2056 {
            let most = salt_max(bits, 20).unwrap();
            for salt in [&[][..], &[1; 20], &vec![0; most]] {
                let mut block = vec![0xaa; bits.div_ceil(8)];
                encode(&mut block, bits, (&digest, &message_digest), &digest, salt).unwrap();
                assert_eq!(decode(&block, bits, &message_digest, &digest).unwrap(), salt, "{bits} bits");
            }
            let mut block = vec![0; bits.div_ceil(8)];
            assert!(
                encode(&mut block, bits, (&digest, &message_digest), &digest, &vec![0; most + 1]).is_none()
            );
        }
    }
}
