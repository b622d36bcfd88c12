//! PKCS#1 v1.5 with implicit rejection, as OpenSSL has it since 3.2: a ciphertext with a bad padding gives a made-up message, which
//! depends on it and on the private exponent only. So nobody learns whether a padding was bad (Bleichenbacher 1998), and the
//! same ciphertext always gives the same message, by whatever path it is decrypted. From draft-irtf-cfrg-rsa-guidance-04.

use zeroize::Zeroizing;

use hotspare_device::key::RSA_MAX_BYTES;

use crate::asymcipher::constant_time::{is_less, is_zero, narrowed, select, select_byte, widened};
use crate::digest::Digest;

/// Bytes of a SHA-256 digest.
const DIGEST_BYTES: usize = 32;
/// SHA-256's block.
const BLOCK_BYTES: usize = 64;
/// Least number of bytes of padding that are not zero.
const FILLER_MIN_BYTES: usize = 8;
/// What stands before them: 00 02.
const HEADER_BYTES: usize = 2;
/// How many lengths are drawn for the made-up message; the last that fits is taken.
const LENGTHS: usize = 128;

/// Takes the padding off `padded`, which is what `ciphertext` decrypts to with the private exponent `exponent`; all three belong to a
/// modulus as long as `padded`. The message, or a made-up one, goes to `output`; its length. `None` if `sha256` fails, or if
/// something has the wrong length.
pub(super) fn remove(
    sha256: &Digest,
    exponent: &[u8],
    ciphertext: &[u8],
    padded: &[u8],
    output: &mut [u8],
) -> Option<usize> {
    let length = padded.len();
    if ciphertext.len() != length || output.len() < length {
        return None;
    }
    let made_up = MadeUp::new(sha256, exponent, ciphertext)?;
    let [first, second, rest @ ..] = padded else { return None };

    // 00 02, eight bytes and more that are not zero, 00, the message.
    let mut found = 0;
    let mut separator = 0;
    for (index, byte) in (HEADER_BYTES..).zip(rest) {
        let is_separator = widened(is_zero(*byte));
        separator = select(!found & is_separator, index, separator);
        found |= is_separator;
    }
    // Where there is none, `separator` is 0, which is too early as well.
    let is_early = is_less(separator, HEADER_BYTES + FILLER_MIN_BYTES);
    let good = is_zero(*first) & is_zero(*second ^ 2) & !narrowed(is_early);

    // From here on the message's place does not tell whether it is the real one.
    let start = select(widened(good), separator + 1, length - made_up.length);
    for ((to, real), other) in output.iter_mut().zip(&padded[start..]).zip(&made_up.block[start..length]) {
        *to = select_byte(good, *real, *other);
    }
    Some(length - start)
}

/// A message that nobody sent.
struct MadeUp {
    /// Ends with it.
    block: Zeroizing<[u8; RSA_MAX_BYTES]>,
    length: usize,
}

impl MadeUp {
    fn new(sha256: &Digest, exponent: &[u8], ciphertext: &[u8]) -> Option<Self> {
        let bytes = ciphertext.len();
        let mut number = Zeroizing::new([0; RSA_MAX_BYTES]);
        let number = number.get_mut(..bytes)?;
        number[bytes.checked_sub(exponent.len())?..].copy_from_slice(exponent);
        let secret = Zeroizing::new(sha256.of(number)?);
        let key = mac(sha256, &secret[..DIGEST_BYTES], &[ciphertext])?;

        let mut block = Zeroizing::new([0; RSA_MAX_BYTES]);
        expand(sha256, &*key, b"message", &mut block[..bytes])?;
        let mut lengths = Zeroizing::new([0; 2 * LENGTHS]);
        expand(sha256, &*key, b"length", &mut *lengths)?;

        let most = bytes.checked_sub(HEADER_BYTES + FILLER_MIN_BYTES)?;
        let mask = most.checked_next_power_of_two().filter(|power| *power > most).unwrap_or(2 * most) - 1;
        let mut length = 0;
        for pair in lengths.chunks_exact(2) {
            let candidate = usize::from(u16::from_be_bytes([pair[0], pair[1]])) & mask;
            length = select(is_less(candidate, most), candidate, length);
        }
        Some(Self { block, length })
    }
}

/// Fills `output` from `key`.
fn expand(sha256: &Digest, key: &[u8], label: &[u8], output: &mut [u8]) -> Option<()> {
    let bits = u16::try_from(8 * output.len()).ok()?.to_be_bytes();
    for (chunk, count) in output.chunks_mut(DIGEST_BYTES).zip(0_u16..) {
        let bytes = mac(sha256, key, &[&count.to_be_bytes(), label, &bits])?;
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
    Some(())
}

/// HMAC (RFC 2104) with SHA-256 and a key as long as its digest.
fn mac(sha256: &Digest, key: &[u8], parts: &[&[u8]]) -> Option<Zeroizing<[u8; DIGEST_BYTES]>> {
    let mut message = Zeroizing::new([0; BLOCK_BYTES + RSA_MAX_BYTES]);
    let mut keyed = |pad: u8, parts: &[&[u8]]| {
        message[..BLOCK_BYTES].fill(pad);
        message.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        let mut end = BLOCK_BYTES;
        for part in parts {
            message.get_mut(end..end + part.len())?.copy_from_slice(part);
            end += part.len();
        }
        let whole = Zeroizing::new(sha256.of(&message[..end])?);
        let mut digest = Zeroizing::new([0; DIGEST_BYTES]);
        digest.copy_from_slice(&whole[..DIGEST_BYTES]);
        Some(digest)
    };
    let inner = keyed(0x36, parts)?;
    keyed(0x5c, &[&*inner])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256() -> Digest {
        Digest::fetch(std::ptr::null_mut(), c"SHA256").unwrap()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 4231, test case 2, with its key filled up: HMAC fills keys up with zeros.
    #[test]
    fn the_mac_is_hmac() {
        let mut key = [0; DIGEST_BYTES];
        key[..4].copy_from_slice(b"Jefe");
        let made = mac(&sha256(), &key, &[b"what do ya want ", b"for nothing?"]).unwrap();
        let wanted = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(made.to_vec(), bytes(wanted));
    }

    #[test]
    fn a_good_message_is_given() {
        let sha256 = sha256();
        for message in [&b""[..], b"a message", &[0; 117]] {
            let mut padded = vec![0xa5; 128];
            padded[..2].copy_from_slice(&[0, 2]);
            let start = 128 - message.len();
            padded[start - 1] = 0;
            padded[start..].copy_from_slice(message);
            let mut output = [0xee; 128];
            let length = remove(&sha256, &[7; 128], &[9; 128], &padded, &mut output).unwrap();
            assert_eq!(&output[..length], message);
            assert!(output[length..].iter().all(|byte| *byte == 0xee));
            // One byte of padding less.
            if message.len() == 117 {
                padded[9] = 0;
                let length = remove(&sha256, &[7; 128], &[9; 128], &padded, &mut output).unwrap();
                assert_ne!(&output[..length], &padded[10..]);
            }
        }
    }

    /// What OpenSSL 4.0.3 answers to ciphertexts with a bad padding: the private exponent, then ciphertext, what it decrypts to,
    /// and the answer.
    #[test]
    fn bad_paddings_are_answered_as_openssl_answers_them() {
        let exponent = bytes(
            "9c7559cf8a3cb5235b852086664792f862b748f60c260190744c5b12e6c24437664203fc54b4485f642da0eef6c26a94\
             b3b0b6e62870537fda2731fb21caed2348b0728ef0642919c59dce20f2ee99ff95227a273cf5f8060d0a4a8dcca05fb9\
             fe89a2fcffec53f237abc75c00351058c7672011570331ee30d5e6ec0cb8d301",
        );
        let vectors = [
            [
                "03dde66db9fa1b550ffb5997b341a17739ec6b87d80df70bd9885b8cd8ca0306e880b5e386575fa33dba73b90d8254d6\
                 5a283e5ab9f3eac44caa090b5dac06c8e46428fb4066f107b34b2f295cf57fd1625794aeed69ddd5c1a747617f1e6c5d\
                 58a9512bb010d739370f59d9e5b9bb8aac4462bad94213556d37ccd1765754a3",
                "00028787de4e4d9ffc27f1f71aa554d2a4a5eb87c3e059df0aaccfb15e9405c476170f7067cf25e3a90516ec8cf93a01\
                 d93cf30c6ab9fda4a0d7354e7ea8ceee21a1dc8d3dc6fe7f40daab95b30b6c969e843de831bd824881f0f88b7f42857a\
                 257cae6e62bbb729b3a38ad9f1c1d86921bc029859db0138fefc813efb407dad",
                "",
            ],
            [
                "8babc2d44a720d1c18c06ec3b5835f78f257ccefea9469834dbbc4adeee7b5d85c66744f5820e4432eeb648ba62bc02b\
                 0fffeac69c56b34164b7e76893a39b603abce3306fc4ed20036697a4d8f09ba9c63879384540a273f414ebf87cfb152d\
                 e032b2f4d12431ffbabee512f5a4334aecbcf3e90ddda1cfc7b26b908182b9da",
                "0002486c210062f9438e349c0da0a1237bdc59ce4cd5fc4ca73acdac66eaa50ca3df52df17458ecb5aae7f6dec4bef51\
                 793f731229a958fd4e84bd0ef1b4dfb17ac709cb74af184d8ebab4f3839bac41bb71be87560314a7f6cfc932b1862caf\
                 18a4655f3599a53c129502013ccb745e6cde22538a1136d85ddbf26a67be7bf9",
                "d880",
            ],
            [
                "b3b19d0181c773a3734dc5eef32324845db3dda82d631c55c95f0f499067598d2aa9bd7e7ea3350d1f8e4078ef4f2391\
                 9bf324c7b547f1fde866dc66ea9884aa7d6ae3b5e065afd3eca6c8b3897f1224e4d2edf96b5989e776d318e6d0035674\
                 6988c3c80c9be0ae82c5ccb5598b55f63ce54f7b2da152d518fd6182196bc52e",
                "0102d3553235d9b787924a82161f374202a97941972e50b6d4af480d1b9a3bf09701d4103e7c45203e0cddfbfe0f130f\
                 11e81d22fbc5bfd7c6540f43f89936a354c833999ba464476f3c4b0ab2faaabcb0aac6bf76e73488da587369d7ce8548\
                 aff7a5114ae0c1de00c8eeea18604362fc06e157761035167af404b7174a213d",
                "3e36ded706bb109afb44",
            ],
        ];
        for [ciphertext, padded, answer] in vectors {
            let mut output = [0; 128];
            let length =
                remove(&sha256(), &exponent, &bytes(ciphertext), &bytes(padded), &mut output).unwrap();
            assert_eq!(output[..length], bytes(answer));
        }
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let sha256 = sha256();
        assert!(remove(&sha256, &[1], &[2; 128], &[3; 127], &mut [0; 128]).is_none());
        assert!(remove(&sha256, &[1], &[2; 128], &[3; 128], &mut [0; 127]).is_none());
        assert!(remove(&sha256, &[1; 129], &[2; 128], &[3; 128], &mut [0; 128]).is_none());
        assert!(remove(&sha256, &[1], &[2; 9], &[3; 9], &mut [0; 9]).is_none());
    }
}
