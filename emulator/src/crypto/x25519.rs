//! X25519 (RFC 7748, 5).

use aws_lc_sys as lc;

use super::number::Refused;

/// Length of a scalar and of a coordinate, in bytes.
const BYTES: usize = 32;

/// X25519 of `scalar` and `u` into `out`. An all-zero result is given as it is: what it means is the user's affair.
pub(super) fn multiply(scalar: &[u8], u: &[u8], out: &mut [u8]) -> Result<(), Refused> {
    let (Ok(scalar), Ok(u), Ok(out)) =
        (<&[u8; BYTES]>::try_from(scalar), <&[u8; BYTES]>::try_from(u), <&mut [u8; BYTES]>::try_from(out))
    else {
        return Err(Refused);
    };
    // SAFETY: three arrays of the lengths that the function takes; the result overlaps no operand.
    let not_zero = unsafe { lc::X25519(out.as_mut_ptr(), scalar.as_ptr(), u.as_ptr()) };
    if not_zero != 1 {
        *out = [0; BYTES];
    }
    Ok(())
}
