//! The premaster secret of a TLS handshake with RSA key exchange (RFC 5246, 7.4.7.1), encrypted with PKCS#1 v1.5.
//!
//! Whether the padding is good must not show, not even in the time that is taken (Bleichenbacher 1998): if anything is
//! wrong with it, or with the version that begins the secret, the answer is a random secret, and the handshake fails later.

use std::ffi::c_uint;

use zeroize::Zeroizing;

use crate::asymcipher::constant_time::{is_zero, select_byte};
use crate::context::Context;
use crate::core::errors::Reason;

/// Length of a premaster secret.
pub(super) const PREMASTER_BYTES: usize = 48;
/// Least number of bytes before it: 00 02, eight that are not zero, 00.
const OVERHEAD_BYTES: usize = 11;

/// The versions that a secret may begin with.
pub(super) struct Versions {
    /// What the client offered.
    client: [u8; 2],
    /// What was agreed on; some old clients send that. None: it is not to be taken.
    negotiated: Option<[u8; 2]>,
}

impl Versions {
    /// The versions as the caller has set them; 0 is none. `None` if the client's is missing, which is an error.
    pub(super) fn new(client: c_uint, negotiated: c_uint) -> Option<Self> {
        let version = |number: c_uint| {
            let [.., high, low] = number.to_be_bytes();
            (number != 0).then_some([high, low])
        };
        Some(Self { client: version(client)?, negotiated: version(negotiated) })
    }

    /// Takes the padding off `padded`, or makes up a secret. Its length; `None` if there are no random numbers, or no room.
    pub(super) fn remove(&self, context: &Context, padded: &[u8], output: &mut [u8]) -> Option<usize> {
        let mut made_up = Zeroizing::new([0; PREMASTER_BYTES]);
        if !context.software()?.private_random(&mut *made_up) {
            context.core().raise(Reason::Random, "for the premaster secret of a TLS handshake");
            return None;
        }
        self.select(padded, &made_up, output)
    }

    fn select(&self, padded: &[u8], made_up: &[u8; PREMASTER_BYTES], output: &mut [u8]) -> Option<usize> {
        let start = padded.len().checked_sub(PREMASTER_BYTES).filter(|start| *start >= OVERHEAD_BYTES)?;
        let output = output.get_mut(..PREMASTER_BYTES)?;
        let (padding, secret) = padded.split_at(start);
        let [first, second, filler @ .., last] = padding else { return None };
        let mut good = is_zero(*first) & is_zero(*second ^ 2) & is_zero(*last);
        for byte in filler {
            good &= !is_zero(*byte);
        }
        let begins_with =
            |version: [u8; 2]| is_zero(secret[0] ^ version[0]) & is_zero(secret[1] ^ version[1]);
        let client = begins_with(self.client);
        good &= client | self.negotiated.map_or(0, begins_with);
        for ((to, secret), made_up) in output.iter_mut().zip(secret).zip(made_up) {
            *to = select_byte(good, *secret, *made_up);
        }
        Some(PREMASTER_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE_UP: [u8; PREMASTER_BYTES] = [0xee; PREMASTER_BYTES];

    fn answer(versions: &Versions, padded: &[u8]) -> Vec<u8> {
        let mut output = [0; PREMASTER_BYTES];
        assert_eq!(versions.select(padded, &MADE_UP, &mut output), Some(PREMASTER_BYTES));
        output.to_vec()
    }

    fn padded() -> Vec<u8> {
        let mut padded = vec![0xa5; 128];
        padded[..2].copy_from_slice(&[0, 2]);
        padded[128 - PREMASTER_BYTES - 1] = 0;
        padded[128 - PREMASTER_BYTES..][..2].copy_from_slice(&[3, 3]);
        padded
    }

    #[test]
    fn a_good_secret_is_given() {
        let padded = padded();
        let versions = Versions::new(0x0303, 0).unwrap();
        assert_eq!(answer(&versions, &padded), padded[128 - PREMASTER_BYTES..]);
        let negotiated = Versions::new(0x0304, 0x0303).unwrap();
        assert_eq!(answer(&negotiated, &padded), padded[128 - PREMASTER_BYTES..]);
        assert!(Versions::new(0, 0x0303).is_none());
    }

    #[test]
    fn anything_wrong_gives_a_made_up_one() {
        let versions = Versions::new(0x0303, 0x0302).unwrap();
        let secret = 128 - PREMASTER_BYTES;
        for (index, byte) in [
            (0, 1),
            (1, 1),
            (1, 3),
            (2, 0),
            (9, 0),
            (secret - 2, 0),
            (secret - 1, 1),
            (secret, 2),
            (secret + 1, 1),
        ] {
            let mut padded = padded();
            padded[index] = byte;
            assert_eq!(answer(&versions, &padded), MADE_UP, "byte {index} is {byte}");
        }
        let mut padded = padded();
        padded[secret + 1] = 2;
        assert_ne!(answer(&versions, &padded), MADE_UP);
        assert_eq!(answer(&Versions::new(0x0303, 0).unwrap(), &padded), MADE_UP);
    }

    #[test]
    fn what_is_too_short_is_refused() {
        let versions = Versions::new(0x0303, 0).unwrap();
        assert!(versions.select(&[0; 58], &MADE_UP, &mut [0; 48]).is_none());
        assert!(versions.select(&[0; 128], &MADE_UP, &mut [0; 47]).is_none());
    }
}
