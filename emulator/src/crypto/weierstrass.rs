//! The curves P-256, P-384 and P-521 (FIPS 186-5, SP 800-186): point multiplication, ECDSA with a given nonce, and its
//! verification.

use std::ptr::NonNull;

use aws_lc_sys as lc;
use hotspare_device::Curve;

use super::number::{Context, Modulus, Number, Refused, done};

/// A curve, and the order of its base point prepared for arithmetic.
pub(super) struct Weierstrass {
    group: NonNull<lc::EC_GROUP>,
    /// Length of a coordinate and of a scalar, in bytes.
    field_bytes: usize,
    order: Modulus,
    /// The order minus two: a^(n-2) is the inverse of a (Fermat).
    order_minus_two: Number,
}

// SAFETY: the group is a constant of the library, never changed and never freed.
unsafe impl Send for Weierstrass {}

impl Weierstrass {
    pub(super) fn new(curve: Curve, context: &mut Context) -> Result<Self, Refused> {
        let group = match curve {
            // SAFETY: no arguments; the result is static.
            Curve::P256 => unsafe { lc::EC_group_p256() },
            // SAFETY: as above.
            Curve::P384 => unsafe { lc::EC_group_p384() },
            // SAFETY: as above.
            Curve::P521 => unsafe { lc::EC_group_p521() },
            _ => return Err(Refused),
        };
        let group = NonNull::new(group.cast_mut()).ok_or(Refused)?;
        // SAFETY: a live group, whose order is a live number and as static as it.
        let order = unsafe { Number::copy_of(lc::EC_GROUP_get0_order(group.as_ptr())) }?;
        let order_minus_two = order.minus_small(2)?;
        let order = Modulus::new(order, context)?;
        Ok(Self { group, field_bytes: curve.field_bytes(), order, order_minus_two })
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
        let point = self.point(x, y, context)?;
        let product = self.combination(None, Some((&point, &scalar)), context)?;
        let (x, y) = product.coordinates(self, context)?;
        let (x_out, y_out) = out.split_at_mut_checked(self.field_bytes).ok_or(Refused)?;
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
        let e = self.digest(digest, context)?;
        let (x, _) = self.combination(Some(&k), None, context)?.coordinates(self, context)?;
        let r = self.order.reduce(&x, context)?;
        let inverse = self.order.power(&k, &self.order_minus_two, context)?;
        let sum = e.plus(&self.order.product(&r, &d, context)?)?;
        let s = self.order.product(&inverse, &self.order.reduce(&sum, context)?, context)?;
        if r.is_zero() || s.is_zero() {
            return Err(Refused);
        }
        let (r_out, s_out) = out.split_at_mut_checked(self.field_bytes).ok_or(Refused)?;
        r.write_to(r_out)?;
        s.write_to(s_out)
    }

    /// ECDSA verification (FIPS 186-5, 6.4.2): v of step 6 into `out`, which is r if the signature is right. Zeros if r or s
    /// is out of range or the point is at infinity, and ones if r is itself zero: what is wrong is never answered by r.
    /// Refused: a public key that is not on the curve.
    pub(super) fn verify(
        &self,
        (x, y): (&[u8], &[u8]),
        digest: &[u8],
        (r, s): (&[u8], &[u8]),
        context: &mut Context,
        out: &mut [u8],
    ) -> Result<(), Refused> {
        let key = self.point(x, y, context)?;
        out.fill(if r.iter().all(|byte| *byte == 0) { 0xff } else { 0 });
        let (Ok(r), Ok(s)) = (self.scalar(r), self.scalar(s)) else { return Ok(()) };
        let e = self.digest(digest, context)?;
        let inverse = self.order.power(&s, &self.order_minus_two, context)?;
        let u1 = self.order.product(&e, &inverse, context)?;
        let u2 = self.order.product(&r, &inverse, context)?;
        let point = self.combination(Some(&u1), Some((&key, &u2)), context)?;
        if point.is_at_infinity(self) {
            return Ok(());
        }
        let (x, _) = point.coordinates(self, context)?;
        self.order.reduce(&x, context)?.write_to(out)
    }

    /// The number that a digest stands for, modulo the order: its leftmost bits, as many as the order has (FIPS 186-5, 6.4.1,
    /// step 2). Those are whole bytes: the order of P-521 alone has no whole number of them, and is longer than any digest.
    fn digest(&self, digest: &[u8], context: &mut Context) -> Result<Number, Refused> {
        let leftmost = digest.get(..self.field_bytes).unwrap_or(digest);
        self.order.reduce(&Number::from_bytes(leftmost)?, context)
    }

    fn scalar(&self, bytes: &[u8]) -> Result<Number, Refused> {
        let scalar = Number::from_bytes(bytes)?;
        if scalar.is_zero() || !scalar.is_below(self.order.number()) { Err(Refused) } else { Ok(scalar) }
    }

    fn point(&self, x: &[u8], y: &[u8], context: &mut Context) -> Result<Point, Refused> {
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
        Ok(point)
    }

    /// `base` times the base point plus `scalar` times `point`; at least one of the two.
    fn combination(
        &self,
        base: Option<&Number>,
        other: Option<(&Point, &Number)>,
        context: &mut Context,
    ) -> Result<Point, Refused> {
        let null = std::ptr::null();
        let (point, scalar) =
            other.map_or((null, std::ptr::null()), |(point, scalar)| (point.as_ptr(), scalar.as_ptr()));
        let mut sum = Point::new(self)?;
        // SAFETY: live values of the same group; null stands for a term that there is not.
        done(unsafe {
            lc::EC_POINT_mul(
                self.group.as_ptr(),
                sum.as_mut_ptr(),
                base.map_or(std::ptr::null(), Number::as_ptr),
                point,
                scalar,
                context.as_ptr(),
            )
        })?;
        Ok(sum)
    }
}

/// A point on a curve, wiped when dropped.
struct Point(NonNull<lc::EC_POINT>);

impl Point {
    fn new(curve: &Weierstrass) -> Result<Self, Refused> {
        // SAFETY: a live group; null is handled.
        NonNull::new(unsafe { lc::EC_POINT_new(curve.group.as_ptr()) }).map(Self).ok_or(Refused)
    }

    fn as_ptr(&self) -> *const lc::EC_POINT {
        self.0.as_ptr()
    }

    fn as_mut_ptr(&mut self) -> *mut lc::EC_POINT {
        self.0.as_ptr()
    }

    fn is_at_infinity(&self, curve: &Weierstrass) -> bool {
        // SAFETY: live values of the same group.
        unsafe { lc::EC_POINT_is_at_infinity(curve.group.as_ptr(), self.as_ptr()) == 1 }
    }

    /// Refused at infinity.
    fn coordinates(&self, curve: &Weierstrass, context: &mut Context) -> Result<(Number, Number), Refused> {
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
