//! The form of an ECDSA signature: SEQUENCE { r INTEGER, s INTEGER } (RFC 3279, 2.2.3), in DER.

/// Tag and length of an integer or a short sequence.
const HEADER_BYTES: usize = 2;
const TAG_INTEGER: u8 = 0x02;
const TAG_SEQUENCE: u8 = 0x30;

/// Says that the length itself takes one byte more.
const LONG_LENGTH: u8 = 0x81;
/// From this length on it does.
const LONG_FROM: u8 = 0x80;

/// How long a signature can be in a group of this order.
pub(crate) const fn max_bytes(order: &[u8]) -> usize {
    // A zero byte goes before a number whose highest bit is set.
    let sign = if order[0] & 0x80 == 0 { 0 } else { 1 };
    let content = 2 * (HEADER_BYTES + sign + order.len());
    HEADER_BYTES + if content < LONG_FROM as usize { content } else { 1 + content }
}

/// Writes the signature to the start of `output`; its length. `None` if it does not fit, or if a length takes more than a byte
/// (it never does for curves up to 521 bits).
pub(crate) fn encode(output: &mut [u8], r: &[u8], s: &[u8]) -> Option<usize> {
    let (r, s) = (trimmed(r), trimmed(s));
    let content = u8::try_from(integer_length(r) + integer_length(s)).ok()?;
    let header: &[u8] =
        if content < LONG_FROM { &[TAG_SEQUENCE, content] } else { &[TAG_SEQUENCE, LONG_LENGTH, content] };
    let length = header.len() + usize::from(content);
    let (start, mut rest) = output.get_mut(..length)?.split_at_mut(header.len());
    start.copy_from_slice(header);
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

/// Reads r and s, as they stand in the only encoding that DER allows, which OpenSSL insists on: into numbers that long, with
/// zeros before them. `None` if there is anything else, or if a number is longer.
pub(crate) fn decode<'a>(
    signature: &[u8],
    place: &'a mut [u8],
    bytes: usize,
) -> Option<(&'a [u8], &'a [u8])> {
    let content = match signature {
        [TAG_SEQUENCE, LONG_LENGTH, length, content @ ..]
            if *length >= LONG_FROM && content.len() == usize::from(*length) =>
        {
            content
        }
        [TAG_SEQUENCE, length, content @ ..]
            if *length < LONG_FROM && content.len() == usize::from(*length) =>
        {
            content
        }
        _ => return None,
    };
    let (r, rest) = integer(content)?;
    let (s, rest) = integer(rest)?;
    if !rest.is_empty() {
        return None;
    }
    let (r_place, s_place) = place.get_mut(..2 * bytes)?.split_at_mut(bytes);
    for (number, place) in [(r, &mut *r_place), (s, &mut *s_place)] {
        let start = bytes.checked_sub(number.len())?;
        place[..start].fill(0);
        place[start..].copy_from_slice(number);
    }
    Some((r_place, s_place))
}

/// The first integer, not negative, without the zero byte before it; and what follows.
fn integer(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let [TAG_INTEGER, length, rest @ ..] = content else { return None };
    let (number, rest) = rest.split_at_checked(usize::from(*length))?;
    match number {
        [0] => Some((&[], rest)),
        [0, second, ..] if second & 0x80 != 0 => Some((&number[1..], rest)),
        // Longer than need be, negative, or nothing.
        [0 | 0x80..=0xff, ..] | [] => None,
        _ => Some((number, rest)),
    }
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
        assert_eq!(encode(&mut [0; 400], &[1; 130], &[1; 130]), None);
    }

    #[test]
    fn the_longest_signatures_are_known() {
        use hotspare_device::Curve;
        assert_eq!(Curve::ALL.map(|curve| max_bytes(curve.order())), [72, 104, 139]);
        for curve in Curve::ALL {
            let mut output = [0; 200];
            let largest = curve.order();
            assert_eq!(encode(&mut output, largest, largest), Some(max_bytes(largest)));
        }
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let mut place = [0xaa; 132];
        for (r, s) in
            [(&[0, 0, 0x7f][..], &[0, 0x80, 1][..]), (&[0, 0, 0], &[0xff; 3]), (&[1; 66], &[0x80; 66])]
        {
            let mut output = [0; 200];
            let length = encode(&mut output, r, s).unwrap();
            assert_eq!(decode(&output[..length], &mut place, r.len()), Some((r, s)));
            // A byte more, a byte less, and room for fewer.
            assert_eq!(decode(&output[..=length], &mut place, r.len()), None);
            assert_eq!(decode(&output[..length - 1], &mut place, r.len()), None);
            assert_eq!(decode(&output[..length], &mut place, 1), None);
        }
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        let mut place = [0; 64];
        let mut refused =
            |signature: &[u8]| assert_eq!(decode(signature, &mut place, 32), None, "{signature:02x?}");
        for signature in [
            &[][..],
            &[0x30],
            &[0x30, 0],
            &[0x31, 6, 2, 1, 1, 2, 1, 1],
            // Lengths of another form: long, indefinite.
            &[0x30, 0x81, 6, 2, 1, 1, 2, 1, 1],
            &[0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0],
            &[0x30, 7, 2, 0x81, 1, 1, 2, 1, 1],
            // Zeros that need not be, a negative number, an empty one.
            &[0x30, 7, 2, 2, 0, 1, 2, 1, 1],
            &[0x30, 7, 2, 1, 1, 2, 2, 0, 0],
            &[0x30, 6, 2, 1, 0x80, 2, 1, 1],
            &[0x30, 5, 2, 0, 2, 1, 1],
            // Another type, something after s, too little.
            &[0x30, 6, 3, 1, 1, 2, 1, 1],
            &[0x30, 7, 2, 1, 1, 2, 1, 1, 0],
            &[0x30, 3, 2, 1, 1],
            &[0x30, 6, 2, 5, 1, 2, 1, 1],
        ] {
            refused(signature);
        }
    }
}
