//! EMSA-PKCS1-v1_5 (RFC 8017, 9.2): 00 01 ff…ff 00, then the DigestInfo.

use std::ffi::c_int;

use crate::ffi::names;

/// Least number of bytes before the data: 00 01, eight of ff, 00.
const OVERHEAD_BYTES: usize = 11;

/// Writes `data` (a DigestInfo as `prefix` and digest, or whatever the caller signs without one) into `block`, which is as
/// long as the modulus. `None` if it does not fit.
pub(crate) fn encode(block: &mut [u8], prefix: &[u8], data: &[u8]) -> Option<()> {
    let length = prefix.len() + data.len();
    let padding = block.len().checked_sub(length).filter(|padding| *padding >= OVERHEAD_BYTES)?;
    let (head, tail) = block.split_at_mut(padding);
    head.fill(0xff);
    head[0] = 0;
    head[1] = 1;
    head[padding - 1] = 0;
    let (info, rest) = tail.split_at_mut(prefix.len());
    info.copy_from_slice(prefix);
    rest.copy_from_slice(data);
    Some(())
}

/// What stands before a digest in a DigestInfo (RFC 8017, appendix B.1, note 1). Empty for MD5-SHA1, which TLS before 1.2
/// signs bare (RFC 2246, 7.4.3). `None` for a digest that is not listed here.
pub(crate) fn prefix(digest: c_int) -> Option<&'static [u8]> {
    Some(match digest {
        openssl_sys::NID_md5_sha1 => &[],
        openssl_sys::NID_md5 => &[
            0x30, 0x20, 0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05, 0x05, 0x00,
            0x04, 0x10,
        ],
        openssl_sys::NID_sha1 => {
            &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14]
        }
        openssl_sys::NID_sha256 => const { &nist(1, 32) },
        openssl_sys::NID_sha384 => const { &nist(2, 48) },
        openssl_sys::NID_sha512 => const { &nist(3, 64) },
        openssl_sys::NID_sha224 => const { &nist(4, 28) },
        names::NID_SHA512_224 => const { &nist(5, 28) },
        names::NID_SHA512_256 => const { &nist(6, 32) },
        openssl_sys::NID_sha3_224 => const { &nist(7, 28) },
        openssl_sys::NID_sha3_256 => const { &nist(8, 32) },
        openssl_sys::NID_sha3_384 => const { &nist(9, 48) },
        openssl_sys::NID_sha3_512 => const { &nist(10, 64) },
        _ => return None,
    })
}

/// The prefix of one of NIST's digests: 2.16.840.1.101.3.4.2 and its number, with NULL parameters.
const fn nist(number: u8, length: u8) -> [u8; 19] {
    [
        0x30,
        17 + length,
        0x30,
        0x0d,
        0x06,
        0x09,
        0x60,
        0x86,
        0x48,
        0x01,
        0x65,
        0x03,
        0x04,
        0x02,
        number,
        0x05,
        0x00,
        0x04,
        length,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_has_the_form_of_the_standard() {
        let mut block = [0xaa; 14];
        encode(&mut block, &[1], &[2, 3]).unwrap();
        assert_eq!(block, [0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 2, 3]);
    }

    #[test]
    fn what_leaves_less_than_eight_bytes_of_padding_is_refused() {
        assert!(encode(&mut [0; 13], &[1], &[2, 3]).is_none());
        assert!(encode(&mut [0; 2], &[1], &[2, 3]).is_none());
    }

    #[test]
    fn the_prefix_of_sha256_is_that_of_rfc_8017() {
        let wanted = [
            0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
            0x00, 0x04, 0x20,
        ];
        assert_eq!(prefix(openssl_sys::NID_sha256), Some(&wanted[..]));
        assert_eq!(prefix(0), None);
    }
}
