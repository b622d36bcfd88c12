//! The one structure of DER (X.690) that is needed: a sequence of two unsigned integers, ECDSA's signature
//! (RFC 3279, 2.2.3), of at most 255 bytes.

use hotspare_device::Curve;

/// The longest signature: a sequence of two integers of P-521, each with a zero before it that says "not negative" (which the
/// order of P-521 never needs).
pub(crate) const SIGNATURE_MAX_BYTES: usize = 3 + 2 * (2 + 1 + Curve::P521.field_bytes());

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
/// Before a length that needs a byte of its own, because it does not fit into seven bits.
const ONE_MORE_BYTE: u8 = 0x81;

/// The bytes of the two integers, without leading zeros. None if `der` is anything else.
pub(crate) fn two_integers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (content, rest) = element(SEQUENCE, der)?;
    let (first, content) = unsigned(content)?;
    let (second, content) = unsigned(content)?;
    (rest.is_empty() && content.is_empty()).then_some((first, second))
}

/// Writes a number right-aligned into `place`. None if it is too long.
pub(crate) fn write_padded(number: &[u8], place: &mut [u8]) -> Option<()> {
    let zeros = place.len().checked_sub(number.len())?;
    let (padding, digits) = place.split_at_mut(zeros);
    padding.fill(0);
    digits.copy_from_slice(number);
    Some(())
}

fn unsigned(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (number, rest) = element(INTEGER, der)?;
    match number {
        [0] => Some((&[], rest)),
        [0, digits @ ..] if digits[0] & 0x80 != 0 => Some((digits, rest)),
        [first, ..] if *first != 0 && first & 0x80 == 0 => Some((number, rest)),
        // Empty, negative, or not the shortest encoding.
        _ => None,
    }
}

fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = match rest {
        [length, rest @ ..] if *length < 0x80 => (length, rest),
        [ONE_MORE_BYTE, length, rest @ ..] if *length >= 0x80 => (length, rest),
        _ => return None,
    };
    rest.split_at_checked(usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_two_integers_and_pads_them() {
        let der = [0x30, 0x07, 0x02, 0x02, 0x00, 0x80, 0x02, 0x01, 0x05];
        let (r, s) = two_integers(&der).unwrap();
        assert_eq!((r, s), (&[0x80][..], &[0x05][..]));
        let mut place = [9; 3];
        write_padded(r, &mut place).unwrap();
        assert_eq!(place, [0, 0, 0x80]);
        assert!(write_padded(&[1, 2, 3, 4], &mut place).is_none());
        assert_eq!(
            two_integers(&[0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x7f]),
            Some((&[][..], &[0x7f][..]))
        );
    }

    #[test]
    fn reads_a_length_that_needs_a_byte_of_its_own() {
        let integer = [&[0x02, 66][..], &[1; 66]].concat();
        let der = [&[0x30, 0x81, 136][..], &integer, &integer].concat();
        assert_eq!(two_integers(&der), Some((&[1; 66][..], &[1; 66][..])));
        // As long as it may be, and too short a length for that form.
        assert!(der.len() <= SIGNATURE_MAX_BYTES);
        assert_eq!(two_integers(&[0x30, 0x81, 0x06, 2, 1, 1, 2, 1, 1]), None);
        assert_eq!(two_integers(&[0x30, 0x82, 0, 0x06, 2, 1, 1, 2, 1, 1]), None);
    }

    #[test]
    fn refuses_everything_else() {
        for wrong in [
            &[][..],
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01], // cut off
            &[0x30, 0x03, 0x02, 0x01, 0x01],             // one integer
            &[0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 1, 0], // something after
            &[0x30, 0x09, 2, 1, 1, 2, 1, 1, 2, 1, 1],    // three integers
            &[0x30, 0x06, 0x02, 0x01, 0x81, 0x02, 0x01, 1], // negative
            &[0x30, 0x07, 0x02, 0x02, 0x00, 0x01, 2, 1, 1], // a zero too many
            &[0x30, 0x05, 0x02, 0x00, 0x02, 0x01, 1],    // empty
            &[0x31, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 1], // a set
            &[0x30, 0x06, 0x03, 0x01, 0x01, 0x02, 0x01, 1], // a bit string
        ] {
            assert_eq!(two_integers(wrong), None, "{wrong:02x?}");
        }
    }
}
