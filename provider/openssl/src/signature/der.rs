//! The form of an ECDSA signature: SEQUENCE { r INTEGER, s INTEGER } (RFC 3279, 2.2.3), in DER.

/// Tag and length of an integer or a short sequence.
const HEADER_BYTES: usize = 2;
const TAG_INTEGER: u8 = 0x02;
const TAG_SEQUENCE: u8 = 0x30;

/// Writes the signature to the start of `output`; its length. `None` if it does not fit, or is longer than the short form
/// of a length can say (it never is for curves up to 384 bits).
pub(crate) fn encode(output: &mut [u8], r: &[u8], s: &[u8]) -> Option<usize> {
    let (r, s) = (trimmed(r), trimmed(s));
    let content = integer_length(r) + integer_length(s);
    let length = HEADER_BYTES + content;
    let mut rest = output.get_mut(..length)?;
    rest[0] = TAG_SEQUENCE;
    rest[1] = u8::try_from(content).ok().filter(|short| *short < 0x80)?;
    rest = &mut rest[HEADER_BYTES..];
    for number in [r, s] {
        let (here, next) = rest.split_at_mut(integer_length(number));
        let value = here.len() - HEADER_BYTES;
        here[0] = TAG_INTEGER;
        here[1] = u8::try_from(value).ok()?;
        here[HEADER_BYTES] = 0;
        here[HEADER_BYTES + value - number.len()..].copy_from_slice(number);
        rest = next;
    }
    Some(length)
}

fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// A zero byte goes before a number whose highest bit is set, and stands for zero itself.
fn integer_length(number: &[u8]) -> usize {
    let sign = usize::from(number.first().is_none_or(|first| first & 0x80 != 0));
    HEADER_BYTES + sign + number.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_as_short_as_they_can_be() {
        let mut output = [0xaa; 16];
        let length = encode(&mut output, &[0, 0, 0x7f], &[0, 0x80, 1]).unwrap();
        assert_eq!(&output[..length], [0x30, 8, 2, 1, 0x7f, 2, 3, 0, 0x80, 1]);
        let length = encode(&mut output, &[0], &[0xff]).unwrap();
        assert_eq!(&output[..length], [0x30, 7, 2, 1, 0, 2, 2, 0, 0xff]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(encode(&mut [0; 9], &[0x7f], &[0x80, 1]), None);
        assert_eq!(encode(&mut [0; 200], &[1; 66], &[1; 66]), None);
    }
}
