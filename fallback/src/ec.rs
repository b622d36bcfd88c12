//! Points and scalars on short Weierstrass curves.
//!
//! A device gives both coordinates of a product. `EVP_PKEY_derive` gives only x, so for the default provider, whose code
//! is libcrypto's own, this calls `EC_POINT_mul`, the function that its ECDH calls, in the same form (no multiple of the
//! generator, one scalar, one point): that form takes time and touches memory independently of the scalar in each of
//! OpenSSL's implementations of the curves (nistz256 in assembly, nistp256, nistp384, nistp521, and the Montgomery
//! ladder of the generic one). For other providers see [`crate::recovery`].

use std::ffi::CStr;
use std::ops::Deref;
use std::ptr::{self, NonNull};

use hotspare_device::{Curve, EcKey, InvalidRequest};
use openssl_sys as ossl;
use zeroize::Zeroizing;

use crate::error_queue::Newest;
use crate::failure::{Failure, check};
use crate::ffi;
use crate::library::Library;
use crate::number::{Number, Scratch};

/// Room for a coordinate, or for a scalar, of any curve.
pub(crate) const COORDINATE_MAX_BYTES: usize = Curve::P521.field_bytes();
/// The longest encoded point: a byte that says "uncompressed", x and y (SEC 1, 2.3.3).
const ENCODED_MAX_BYTES: usize = 1 + 2 * COORDINATE_MAX_BYTES;
/// The first byte of an uncompressed point.
const UNCOMPRESSED: u8 = 4;

/// An encoded point that is public: one that came in.
pub(crate) struct EncodedPoint {
    bytes: [u8; ENCODED_MAX_BYTES],
    length: usize,
}

impl Deref for EncodedPoint {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// A curve with OpenSSL's precomputed numbers.
pub(crate) struct Group {
    group: NonNull<ossl::EC_GROUP>,
    curve: Curve,
    order: Number,
}

// SAFETY: an EC_GROUP that nobody changes may be read by many threads at once; this type never changes it.
unsafe impl Send for Group {}
// SAFETY: as above.
unsafe impl Sync for Group {}

impl Group {
    pub(crate) fn new(
        context: NonNull<ossl::OSSL_LIB_CTX>,
        properties: &CStr,
        curve: Curve,
    ) -> Result<Self, Failure> {
        let nid = match curve {
            Curve::P256 => ossl::NID_X9_62_prime256v1,
            Curve::P384 => ossl::NID_secp384r1,
            Curve::P521 => ossl::NID_secp521r1,
            _ => return Err(unknown_curve()),
        };
        let order = Number::public(curve.order())?;
        // SAFETY: the context and the string are valid for the call.
        let group = unsafe { ffi::EC_GROUP_new_by_curve_name_ex(context.as_ptr(), properties.as_ptr(), nid) };
        let group = NonNull::new(group).ok_or(Failure::OpenSsl("making a curve"))?;
        Ok(Self { group, curve, order })
    }

    /// The point (`x`, `y`); none if it is not on the curve or a coordinate is not below the field's prime.
    fn point(&self, x: &[u8], y: &[u8], scratch: &Scratch) -> Result<Option<Point>, Failure> {
        let encoded = self.encode(x, y)?;
        let point = Point::new(self)?;
        let before = Newest::read();
        // SAFETY: group, point and scratch are valid; the slice says its length. This decoder compares both
        // coordinates with the prime and checks the equation of the curve.
        let decoded = unsafe {
            let (bytes, length) = (encoded.as_ptr(), encoded.len());
            ossl::EC_POINT_oct2point(self.as_ptr(), point.as_ptr(), bytes, length, scratch.as_ptr())
        };
        match before.code_since() {
            _ if decoded == 1 => Ok(Some(point)),
            Some((ffi::ERR_LIB_EC, ffi::EC_R_POINT_IS_NOT_ON_CURVE | ffi::EC_R_INVALID_ENCODING)) => Ok(None),
            _ => Err(Failure::OpenSsl("reading a point")),
        }
    }

    /// The prime p of the field and the coefficients a and b of the curve.
    pub(crate) fn equation(&self, scratch: &Scratch) -> Result<[Number; 3], Failure> {
        let [p, a, b] = [Number::new(&[])?, Number::new(&[])?, Number::new(&[])?];
        // SAFETY: group, numbers and scratch are valid.
        check("the equation of a curve", unsafe {
            ffi::EC_GROUP_get_curve(self.as_ptr(), p.as_ptr(), a.as_ptr(), b.as_ptr(), scratch.as_ptr())
        })?;
        Ok([p, a, b])
    }

    /// How many points the curve has.
    pub(crate) fn order(&self) -> &Number {
        &self.order
    }

    /// The point (`x`, `y`) encoded as SEC 1, 2.3.3, has it, without compression.
    pub(crate) fn encode(&self, x: &[u8], y: &[u8]) -> Result<EncodedPoint, Failure> {
        let wanted = self.curve.field_bytes();
        for (what, coordinate) in [("point x", x), ("point y", y)] {
            if coordinate.len() != wanted {
                let length = coordinate.len();
                return Err(InvalidRequest::Length { what, length, wanted }.into());
            }
        }
        let mut encoded = EncodedPoint { bytes: [0; ENCODED_MAX_BYTES], length: 1 + 2 * wanted };
        encoded.bytes[0] = UNCOMPRESSED;
        encoded.bytes[1..=wanted].copy_from_slice(x);
        encoded.bytes[1 + wanted..encoded.length].copy_from_slice(y);
        Ok(encoded)
    }

    fn as_ptr(&self) -> *const ossl::EC_GROUP {
        self.group.as_ptr()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: the group is ours alone.
        unsafe { ossl::EC_GROUP_free(self.group.as_ptr()) };
    }
}

/// Whether the point (`x`, `y`) is on the curve.
pub(crate) fn is_on_curve(library: &Library, curve: Curve, x: &[u8], y: &[u8]) -> Result<bool, Failure> {
    let group = library.group(curve)?;
    let scratch = Scratch::new(library)?;
    group.point(x, y, &scratch).map(|point| point.is_some())
}

/// A private scalar as OpenSSL computes with it.
pub(crate) struct Scalar(Number);

impl Scalar {
    /// The scalar of `key`, which must be above 0 and below the order of the curve.
    pub(crate) fn new(library: &Library, key: &EcKey) -> Result<Self, Failure> {
        let scalar = Number::new(&key.scalar)?;
        let in_range = !scalar.is_zero() && scalar.is_below(library.group(key.curve)?.order());
        if in_range {
            Ok(Self(scalar))
        } else {
            Err(InvalidRequest::KeyNumber("EC scalar: above 0 and below the order of the curve").into())
        }
    }

    /// The product with the point in `x`, `y`, as x || y.
    pub(crate) fn multiply(
        &self,
        library: &Library,
        curve: Curve,
        (x, y): (&[u8], &[u8]),
        output: &mut [u8],
    ) -> Result<(), Failure> {
        let group = library.group(curve)?;
        // Made for this operation and wiped with it, as OpenSSL's own ECDH does: what is left in it is secret.
        let scratch = Scratch::new(library)?;
        let product = Point::new(group)?;
        if (x, y) == curve.generator() {
            self.multiply_generator(group, &product, &scratch)?;
            return product.write(group, &scratch, output);
        }
        let point = group.point(x, y, &scratch)?.ok_or(InvalidRequest::NoResult)?;
        // SAFETY: group, points, number and scratch are valid; no multiple of the generator is asked for.
        check("EC point multiplication", unsafe {
            let (scalar, none) = (self.0.as_ptr(), ptr::null());
            ossl::EC_POINT_mul(
                group.as_ptr(),
                product.as_ptr(),
                none,
                point.as_ptr(),
                scalar,
                scratch.as_ptr(),
            )
        })?;
        product.write(group, &scratch, output)
    }

    /// Makes `product` that with the generator, a public key, in the form that OpenSSL's own generation of keys asks for: P-256
    /// and P-521 have tables for it (a quarter and a half of the time, measured), the point needs no decoding, and it is as
    /// independent of the scalar.
    fn multiply_generator(&self, group: &Group, product: &Point, scratch: &Scratch) -> Result<(), Failure> {
        // SAFETY: group, point, number and scratch are valid; no multiple of another point is asked for.
        check("EC generator multiplication", unsafe {
            let (scalar, none, no_scalar) = (self.0.as_ptr(), ptr::null(), ptr::null());
            ossl::EC_POINT_mul(group.as_ptr(), product.as_ptr(), scalar, none, no_scalar, scratch.as_ptr())
        })
    }
}

/// A point, wiped when it goes: a product is a shared secret.
struct Point(NonNull<ossl::EC_POINT>);

impl Point {
    fn new(group: &Group) -> Result<Self, Failure> {
        // SAFETY: the group is valid.
        let point = unsafe { ossl::EC_POINT_new(group.as_ptr()) };
        NonNull::new(point).map(Self).ok_or(Failure::OpenSsl("making a point"))
    }

    /// Writes x || y.
    fn write(&self, group: &Group, scratch: &Scratch, output: &mut [u8]) -> Result<(), Failure> {
        let mut encoded = Zeroizing::new([0; ENCODED_MAX_BYTES]);
        // SAFETY: group, point and scratch are valid; the slice says its length.
        let length = unsafe {
            if ossl::EC_POINT_is_at_infinity(group.as_ptr(), self.as_ptr()) == 1 {
                return Err(InvalidRequest::NoResult.into());
            }
            let form = ossl::point_conversion_form_t::POINT_CONVERSION_UNCOMPRESSED;
            let (bytes, length) = (encoded.as_mut_ptr(), encoded.len());
            ossl::EC_POINT_point2oct(group.as_ptr(), self.as_ptr(), form, bytes, length, scratch.as_ptr())
        };
        match encoded.get(1..length) {
            Some(coordinates) if coordinates.len() == output.len() => {
                output.copy_from_slice(coordinates);
                Ok(())
            }
            _ => Err(Failure::OpenSsl("encoding a point")),
        }
    }

    fn as_ptr(&self) -> *mut ossl::EC_POINT {
        self.0.as_ptr()
    }
}

impl Drop for Point {
    fn drop(&mut self) {
        // SAFETY: the point is ours alone.
        unsafe { ffi::EC_POINT_clear_free(self.as_ptr()) };
    }
}

/// The name that key managers know a curve by.
pub(crate) fn group_name(curve: Curve) -> Result<&'static CStr, Failure> {
    match curve {
        Curve::P256 => Ok(c"P-256"),
        Curve::P384 => Ok(c"P-384"),
        Curve::P521 => Ok(c"P-521"),
        _ => Err(unknown_curve()),
    }
}

/// The enumeration of curves may grow before this crate follows.
pub(crate) fn unknown_curve() -> Failure {
    InvalidRequest::KeyNumber("the software path does not have this curve").into()
}
