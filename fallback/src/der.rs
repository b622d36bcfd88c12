//! The one structure of DER (X.690) that is needed: a sequence of two unsigned integers, ECDSA's signature
//! (RFC 3279, 2.2.3), of at most 255 bytes.

use std::ops::Deref;

use hotspare_device::Curve;

/// The longest signature: a sequence of two integers of P-521, each with a zero before it that says "not negative" (which the
/// order of P-521 never needs).
pub(crate) const SIGNATURE_MAX_BYTES: usize = 3 + 2 * (2 + 1 + Curve::P521.field_bytes());

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
/// Before a length that needs a byte of its own, because it does not fit into seven bits.
const ONE_MORE_BYTE: u8 = 0x81;
/// The longest length that does.
const SHORT_MAX: u8 = 0x7f;

/// A signature in this form.
pub(crate) struct Signature {
    bytes: [u8; SIGNATURE_MAX_BYTES],
    length: usize,
}

impl Signature {
    /// Of two unsigned numbers of at most 66 bytes, which may have leading zeros. None if they are longer.
    pub(crate) fn new(r: &[u8], s: &[u8]) -> Option<Self> {
        let mut content = Self { bytes: [0; SIGNATURE_MAX_BYTES], length: 0 };
        for number in [r, s] {
            let digits = &number[number.iter().take_while(|byte| **byte == 0).count()..];
            // A zero before a number whose first bit is set, or which has no digits, says that it is not negative.
            let zeros = usize::from(digits.first().is_none_or(|first| first & 0x80 != 0));
            content.push(&[INTEGER, u8::try_from(zeros + digits.len()).ok()?])?;
            content.push(&[0][..zeros])?;
            content.push(digits)?;
        }
        let mut whole = Self { bytes: [0; SIGNATURE_MAX_BYTES], length: 0 };
        let length = u8::try_from(content.length).ok()?;
        let head =
            if length <= SHORT_MAX { &[SEQUENCE, length][..] } else { &[SEQUENCE, ONE_MORE_BYTE, length] };
        whole.push(head)?;
        whole.push(&content)?;
        Some(whole)
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.bytes.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }
}

impl Deref for Signature {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

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
        [length, rest @ ..] if *length <= SHORT_MAX => (length, rest),
        [ONE_MORE_BYTE, length, rest @ ..] if *length > SHORT_MAX => (length, rest),
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
    fn what_is_written_is_read_again() {
        let long = [0xff; 66];
        for (r, s) in [(&[][..], &[0][..]), (&[1], &[0x80]), (&[0, 0, 0x7f], &long), (&long, &long)] {
            let written = Signature::new(r, s).unwrap();
            let (read_r, read_s) = two_integers(&written).unwrap();
            let (mut padded_r, mut padded_s) = (vec![1; r.len()], vec![1; s.len()]);
            write_padded(read_r, &mut padded_r).unwrap();
            write_padded(read_s, &mut padded_s).unwrap();
            assert_eq!((&padded_r[..], &padded_s[..]), (r, s));
        }
        assert_eq!(*Signature::new(&[0, 0x80], &[]).unwrap(), [0x30, 7, 2, 2, 0, 0x80, 2, 1, 0]);
        assert!(Signature::new(&[1; 67], &[1; 67]).is_some());
        assert!(Signature::new(&[0xff; 67], &[0xff; 67]).is_none());
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
