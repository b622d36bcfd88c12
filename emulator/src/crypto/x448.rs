//! X448 (RFC 7748, 5): the Montgomery ladder over the library's numbers, since the library has no X448 of its own.
//!
//! The instructions are the same for every scalar. The places in memory that a step works on depend on the scalar's bit: an
//! attacker who sees an engine's cache is inside the device.

use zeroize::Zeroizing;

use super::number::{Context, Modulus, Number, Refused};

/// Length of a scalar and of a coordinate, in bytes.
const BYTES: usize = 56;

/// (156326 - 2) / 4, see RFC 7748, 4.2 and 5.
const A24: [u8; 3] = [0x00, 0x98, 0xa9];

/// The field, and what the ladder takes from it; Montgomery forms where not said otherwise.
pub(super) struct X448 {
    /// p = 2^448 - 2^224 - 1.
    prime: Modulus,
    /// Not in Montgomery form: a^(p-2) is the inverse of a (Fermat).
    prime_minus_two: Number,
    one: Number,
    a24: Number,
}

/// Two points of the ladder, as x and z, and room for a step.
struct Ladder {
    x: [Number; 2],
    z: [Number; 2],
    sum: Number,
    difference: Number,
    sum_squared: Number,
    difference_squared: Number,
    other_sum: Number,
    other_difference: Number,
    /// E of the RFC.
    gap: Number,
    scaled: Number,
}

impl X448 {
    pub(super) fn new(context: &mut Context) -> Result<Self, Refused> {
        let mut bytes = [0xff; BYTES];
        // 2^224, which is subtracted once.
        bytes[BYTES / 2 - 1] = 0xfe;
        let number = Number::from_bytes(&bytes)?;
        let prime_minus_two = number.minus_small(2)?;
        let prime = Modulus::new(number, context)?;
        let one = prime.to_montgomery(&Number::from_bytes(&[1])?, context)?;
        let a24 = prime.to_montgomery(&Number::from_bytes(&A24)?, context)?;
        Ok(Self { prime, prime_minus_two, one, a24 })
    }

    /// X448 of `scalar` and `u` into `out`. An all-zero result is given as it is: what it means is the user's affair.
    pub(super) fn multiply(
        &self,
        scalar: &[u8],
        u: &[u8],
        context: &mut Context,
        out: &mut [u8],
    ) -> Result<(), Refused> {
        let mut scalar = Zeroizing::new(<[u8; BYTES]>::try_from(scalar).map_err(|_| Refused)?);
        scalar[0] &= 0xfc;
        scalar[BYTES - 1] |= 0x80;
        let u = self.prime.reduce(&Number::from_little_endian(u)?, context)?;
        let u = self.prime.to_montgomery(&u, context)?;
        let mut ladder = self.start(&u)?;
        for byte in scalar.iter().rev() {
            for bit in (0..8).rev() {
                self.step(&mut ladder, usize::from(byte >> bit & 1), &u, context)?;
            }
        }
        let z = self.prime.montgomery_reduced(&ladder.z[0], context)?;
        let inverse = self.prime.power(&z, &self.prime_minus_two, context)?;
        let mut result = Number::new()?;
        // One factor in Montgomery form and one not: the product is not.
        self.prime.multiply(&mut result, &ladder.x[0], &inverse, context)?;
        result.write_little_endian_to(out)
    }

    /// (1 : 0) and (u : 1).
    fn start(&self, u: &Number) -> Result<Ladder, Refused> {
        let room = Number::new;
        let zero = || self.prime.difference(u, u);
        Ok(Ladder {
            x: [self.one.duplicate()?, u.duplicate()?],
            z: [zero()?, self.one.duplicate()?],
            sum: room()?,
            difference: room()?,
            sum_squared: room()?,
            difference_squared: room()?,
            other_sum: room()?,
            other_difference: room()?,
            gap: room()?,
            scaled: room()?,
        })
    }

    /// One step, for one bit of the scalar. In place of the RFC's conditional swaps the bit says which point is doubled:
    /// x_2 of the RFC is `x[bit]`, x_3 the other.
    fn step(
        &self,
        ladder: &mut Ladder,
        bit: usize,
        u: &Number,
        context: &mut Context,
    ) -> Result<(), Refused> {
        let (p, other) = (&self.prime, 1 - bit);
        let Ladder { x, z, sum, difference, sum_squared, difference_squared, .. } = ladder;
        let Ladder { other_sum, other_difference, gap, scaled, .. } = ladder;
        p.add(sum, &x[bit], &z[bit])?;
        p.subtract(difference, &x[bit], &z[bit])?;
        p.multiply(sum_squared, sum, sum, context)?;
        p.multiply(difference_squared, difference, difference, context)?;
        p.subtract(gap, sum_squared, difference_squared)?;
        p.add(other_sum, &x[other], &z[other])?;
        p.subtract(other_difference, &x[other], &z[other])?;
        // DA and CB of the RFC.
        p.multiply(scaled, other_difference, sum, context)?;
        p.multiply(other_difference, other_sum, difference, context)?;
        p.add(sum, scaled, other_difference)?;
        p.subtract(difference, scaled, other_difference)?;
        p.multiply(&mut x[other], sum, sum, context)?;
        p.multiply(scaled, difference, difference, context)?;
        p.multiply(&mut z[other], u, scaled, context)?;
        p.multiply(&mut x[bit], sum_squared, difference_squared, context)?;
        p.multiply(scaled, &self.a24, gap, context)?;
        p.add(sum, sum_squared, scaled)?;
        p.multiply(&mut z[bit], gap, sum, context)
    }
}
