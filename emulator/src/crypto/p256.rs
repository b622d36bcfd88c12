//! The curve P-256 (FIPS 186-5, SP 800-186): point multiplication and ECDSA with a given nonce.

use std::ptr::NonNull;

use aws_lc_sys as lc;

use super::number::{Context, Modulus, Number, Refused, done};

/// Length of a coordinate and of a scalar, in bytes.
pub(super) const FIELD_BYTES: usize = 32;

/// The curve, and the order of its base point prepared for arithmetic.
pub(super) struct P256 {
    group: NonNull<lc::EC_GROUP>,
    order: Modulus,
    /// The order minus two: a^(n-2) is the inverse of a (Fermat).
    order_minus_two: Number,
}

// SAFETY: the group is a constant of the library, never changed and never freed.
unsafe impl Send for P256 {}

impl P256 {
    pub(super) fn new(context: &mut Context) -> Result<Self, Refused> {
        // SAFETY: no arguments; the result is static.
        let group = NonNull::new(unsafe { lc::EC_group_p256() }.cast_mut()).ok_or(Refused)?;
        let order = Modulus::new(Number::from_bytes(&ORDER)?, context)?;
        let mut order_minus_two = ORDER;
        order_minus_two[FIELD_BYTES - 1] -= 2;
        Ok(Self { group, order, order_minus_two: Number::from_bytes(&order_minus_two)? })
    }

    /// `scalar` times the point (`x`, `y`) into `out`, x then y. Refused: a point off the curve, a scalar that is zero
    /// or not below the order.
    pub(super) fn multiply(
        &self,
        scalar: &[u8],
        x: &[u8],
        y: &[u8],
        context: &mut Context,
        out: &mut [u8],
    ) -> Result<(), Refused> {
        let scalar = self.scalar(scalar)?;
        let (x, y) = (Number::from_bytes(x)?, Number::from_bytes(y)?);
        let mut point = Point::new(self)?;
        // SAFETY: live values of the same group. The function refuses coordinates out of range or off the curve.
        done(unsafe {
            lc::EC_POINT_set_affine_coordinates_GFp(
                self.group.as_ptr(),
                point.as_mut_ptr(),
                x.as_ptr(),
                y.as_ptr(),
                context.as_ptr(),
            )
        })?;
        let mut product = Point::new(self)?;
        // SAFETY: live values of the same group.
        done(unsafe {
            lc::EC_POINT_mul(
                self.group.as_ptr(),
                product.as_mut_ptr(),
                std::ptr::null(),
                point.as_ptr(),
                scalar.as_ptr(),
                context.as_ptr(),
            )
        })?;
        let (x, y) = product.coordinates(self, context)?;
        let (x_out, y_out) = out.split_at_mut_checked(FIELD_BYTES).ok_or(Refused)?;
        x.write_to(x_out)?;
        y.write_to(y_out)
    }

    /// ECDSA (FIPS 186-5, 6.4.1) with the nonce given: r, s into `out`. Refused: key or nonce zero or not below the
    /// order, r or s zero.
    pub(super) fn sign(
        &self,
        key: &[u8],
        digest: &[u8],
        nonce: &[u8],
        context: &mut Context,
        out: &mut [u8],
    ) -> Result<(), Refused> {
        let (d, k) = (self.scalar(key)?, self.scalar(nonce)?);
        let leftmost = digest.get(..FIELD_BYTES).unwrap_or(digest);
        let e = self.order.reduce(&Number::from_bytes(leftmost)?, context)?;
        let (x, _) = self.base_times(&k, context)?;
        let r = self.order.reduce(&x, context)?;
        let inverse = self.order.power(&k, &self.order_minus_two, context)?;
        let sum = e.plus(&self.order.product(&r, &d, context)?)?;
        let s = self.order.product(&inverse, &self.order.reduce(&sum, context)?, context)?;
        if r.is_zero() || s.is_zero() {
            return Err(Refused);
        }
        let (r_out, s_out) = out.split_at_mut_checked(FIELD_BYTES).ok_or(Refused)?;
        r.write_to(r_out)?;
        s.write_to(s_out)
    }

    /// The coordinates of `scalar` times the base point.
    fn base_times(&self, scalar: &Number, context: &mut Context) -> Result<(Number, Number), Refused> {
        let mut point = Point::new(self)?;
        // SAFETY: live values of the same group.
        done(unsafe {
            lc::EC_POINT_mul(
                self.group.as_ptr(),
                point.as_mut_ptr(),
                scalar.as_ptr(),
                std::ptr::null(),
                std::ptr::null(),
                context.as_ptr(),
            )
        })?;
        point.coordinates(self, context)
    }

    fn scalar(&self, bytes: &[u8]) -> Result<Number, Refused> {
        let scalar = Number::from_bytes(bytes)?;
        if scalar.is_zero() || !scalar.is_below(self.order.number()) { Err(Refused) } else { Ok(scalar) }
    }
}

/// A point on the curve, wiped when dropped.
struct Point(NonNull<lc::EC_POINT>);

impl Point {
    fn new(curve: &P256) -> Result<Self, Refused> {
        // SAFETY: a live group; null is handled.
        NonNull::new(unsafe { lc::EC_POINT_new(curve.group.as_ptr()) }).map(Self).ok_or(Refused)
    }

    fn as_ptr(&self) -> *const lc::EC_POINT {
        self.0.as_ptr()
    }

    fn as_mut_ptr(&mut self) -> *mut lc::EC_POINT {
        self.0.as_ptr()
    }

    /// Refused at infinity.
    fn coordinates(&self, curve: &P256, context: &mut Context) -> Result<(Number, Number), Refused> {
        let (mut x, mut y) = (Number::new()?, Number::new()?);
        // SAFETY: live values of the same group; the function refuses the point at infinity.
        done(unsafe {
            lc::EC_POINT_get_affine_coordinates_GFp(
                curve.group.as_ptr(),
                self.as_ptr(),
                x.as_mut_ptr(),
                y.as_mut_ptr(),
                context.as_ptr(),
            )
        })?;
        Ok((x, y))
    }
}

impl Drop for Point {
    fn drop(&mut self) {
        // SAFETY: made by EC_POINT_new, owned by this value alone.
        unsafe { lc::EC_POINT_clear_free(self.0.as_ptr()) };
    }
}

/// The order n of the base point (SP 800-186, 3.2.1.3).
const ORDER: [u8; FIELD_BYTES] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
