//! Both coordinates of a product from a provider that gives only x.
//!
//! The fips provider computes inside its own boundary, so libcrypto's `EC_POINT_mul` must not take its place. Its ECDH
//! (`EVP_PKEY_derive`) gives x of the product d P. The sign of y follows from a second one, x of (d + 1) P: with P =
//! (x, y), x1 = x(d P) and x2 = x((d + 1) P) on y^2 = x^3 + a x + b,
//!
//! `y1 = (2 b + (a + x x1) (x + x1) - x2 (x - x1)^2) / (2 y)`
//!
//! (Brier, Joye: Weierstrass elliptic curves and side-channel attacks, PKC 2002). The order of the curve is
//! an odd prime, so y is never 0, and d + 1 is a scalar too unless d is -1, whose product is (x, -y).

use hotspare_device::bytes::SecretBytes;
use hotspare_device::{Curve, EcKey, InvalidRequest};
use openssl_sys as ossl;

use crate::ec::{group_name, is_on_curve, unknown_curve};
use crate::failure::{Failure, check};
use crate::library::Library;
use crate::number::{Number, Scratch};
use crate::params::Params;
use crate::pkey::{Algorithm, Context, Parts, Pkey};
use crate::pool::ContextPool;

/// Room for a coordinate, in bytes.
const COORDINATE_MAX_BYTES: usize = 32;

/// A scalar that multiplies in this way.
pub(crate) struct Recovery {
    curve: Curve,
    own: Agreement,
    /// With the scalar one higher; none if that is 0.
    next: Option<Agreement>,
}

impl Recovery {
    /// The scalar of `key`, which is in range.
    pub(crate) fn new(library: &Library, key: &EcKey) -> Result<Self, Failure> {
        let group = library.group(key.curve).ok_or_else(unknown_curve)?;
        let next = Number::new(&key.scalar)?.next()?;
        let next = if next.is_below(&group.order()?) {
            let mut bytes = SecretBytes::<COORDINATE_MAX_BYTES>::new();
            next.write(resize(&mut bytes, key.scalar.len())?)?;
            Some(Agreement::new(library, key.curve, &bytes)?)
        } else {
            None
        };
        Ok(Self { curve: key.curve, own: Agreement::new(library, key.curve, &key.scalar)?, next })
    }

    /// The product with the point in `x`, `y`, as x || y.
    pub(crate) fn multiply(
        &self,
        library: &Library,
        (x, y): (&[u8], &[u8]),
        output: &mut [u8],
    ) -> Result<(), Failure> {
        if !is_on_curve(library, self.curve, x, y)? {
            return Err(InvalidRequest::NoResult.into());
        }
        let group = library.group(self.curve).ok_or_else(unknown_curve)?;
        let encoded = group.encode(x, y)?;
        let peer = Params::default().utf8(c"group", group_name(self.curve)?).octets(c"pub", &encoded);
        let peer = Pkey::from_params(library, Algorithm::Ec, Parts::Public, peer)?;

        let (x_place, y_place) = output.split_at_mut(x.len());
        self.own.derive(library, &peer, x_place)?;
        let scratch = Scratch::new(library)?;
        let [p, a, b] = group.equation(&scratch)?;
        let field = Field { prime: p, scratch: &scratch };
        let [x, y, x1] = [Number::new(x)?, Number::new(y)?, Number::new(x_place)?];
        let y1 = match &self.next {
            None => field.subtract(&Number::new(&[])?, &y)?,
            Some(next) => {
                let mut x2 = SecretBytes::<COORDINATE_MAX_BYTES>::new();
                next.derive(library, &peer, resize(&mut x2, x_place.len())?)?;
                field.recover(&[a, b], (&x, &y), &x1, &Number::new(&x2)?)?
            }
        };
        y1.write(y_place)
    }
}

fn resize<const N: usize>(bytes: &mut SecretBytes<N>, length: usize) -> Result<&mut [u8], Failure> {
    bytes.resize(length).map_err(|_| Failure::OpenSsl("a coordinate that is too long"))
}

/// A private key for ECDH.
struct Agreement {
    contexts: ContextPool,
    key: Pkey,
}

impl Agreement {
    fn new(library: &Library, curve: Curve, scalar: &[u8]) -> Result<Self, Failure> {
        let params = Params::default().utf8(c"group", group_name(curve)?).integer(c"priv", scalar);
        let key = Pkey::from_params(library, Algorithm::Ec, Parts::Pair, params)?;
        Ok(Self { contexts: ContextPool::new(), key })
    }

    /// Writes x of the product with the point of `peer`, which is known to be on the curve.
    fn derive(&self, library: &Library, peer: &Pkey, x: &mut [u8]) -> Result<(), Failure> {
        let start = || {
            let context = self.key.context(library)?;
            // SAFETY: the context is valid and ours.
            check("ECDH", unsafe { ossl::EVP_PKEY_derive_init(context.as_ptr()) })?;
            Ok(context)
        };
        let derive = |context: &mut Context| {
            let mut length = x.len();
            // SAFETY: context and key are valid, the context is this thread's; `length` says how much room there is.
            unsafe {
                check("ECDH", ossl::EVP_PKEY_derive_set_peer_ex(context.as_ptr(), peer.as_ptr(), 0))?;
                check("ECDH", ossl::EVP_PKEY_derive(context.as_ptr(), x.as_mut_ptr(), &mut length))?;
            }
            if length == x.len() { Ok(()) } else { Err(Failure::OpenSsl("ECDH")) }
        };
        self.contexts.with(start, derive)
    }
}

/// Arithmetic modulo the field's prime.
struct Field<'a> {
    prime: Number,
    scratch: &'a Scratch,
}

type Operation = unsafe extern "C" fn(
    *mut ossl::BIGNUM,
    *const ossl::BIGNUM,
    *const ossl::BIGNUM,
    *const ossl::BIGNUM,
    *mut ossl::BN_CTX,
) -> std::ffi::c_int;

impl Field<'_> {
    /// See the head of this file.
    fn recover(
        &self,
        [a, b]: &[Number; 2],
        (x, y): (&Number, &Number),
        x1: &Number,
        x2: &Number,
    ) -> Result<Number, Failure> {
        let first = self.multiply(&self.add(a, &self.multiply(x, x1)?)?, &self.add(x, x1)?)?;
        let difference = self.subtract(x, x1)?;
        let second = self.multiply(x2, &self.multiply(&difference, &difference)?)?;
        let dividend = self.subtract(&self.add(&self.add(b, b)?, &first)?, &second)?;
        self.multiply(&dividend, &self.invert(&self.add(y, y)?)?)
    }

    fn add(&self, one: &Number, other: &Number) -> Result<Number, Failure> {
        self.compute(ossl::BN_mod_add, one, other)
    }

    fn subtract(&self, one: &Number, other: &Number) -> Result<Number, Failure> {
        self.compute(ossl::BN_mod_sub, one, other)
    }

    fn multiply(&self, one: &Number, other: &Number) -> Result<Number, Failure> {
        self.compute(ossl::BN_mod_mul, one, other)
    }

    fn invert(&self, number: &Number) -> Result<Number, Failure> {
        let result = Number::new(&[])?;
        // SAFETY: all numbers and the scratch are valid.
        let done = unsafe {
            let (prime, scratch) = (self.prime.as_ptr(), self.scratch.as_ptr());
            ossl::BN_mod_inverse(result.as_ptr(), number.as_ptr(), prime, scratch)
        };
        if done.is_null() { Err(Failure::OpenSsl("inverting a number")) } else { Ok(result) }
    }

    fn compute(&self, operation: Operation, one: &Number, other: &Number) -> Result<Number, Failure> {
        let result = Number::new(&[])?;
        // SAFETY: all numbers and the scratch are valid; the operation is one of BN_mod_{add,sub,mul}.
        check("computing with numbers", unsafe {
            let (prime, scratch) = (self.prime.as_ptr(), self.scratch.as_ptr());
            operation(result.as_ptr(), one.as_ptr(), other.as_ptr(), prime, scratch)
        })?;
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec::Scalar;

    /// The order of P-256, less one (SEC 2, 2.4.2).
    const LAST: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x50,
    ];
    /// A point of P-256 with x = 5.
    const Y_OF_5: [u8; 32] = [
        0x45, 0x92, 0x43, 0xb9, 0xaa, 0x58, 0x18, 0x06, 0xfe, 0x91, 0x3b, 0xce, 0x99, 0x81, 0x7a, 0xde, 0x11,
        0xca, 0x50, 0x3c, 0x64, 0xd9, 0xa3, 0xc5, 0x33, 0x41, 0x5c, 0x08, 0x32, 0x48, 0xfb, 0xcc,
    ];

    fn small(number: u8) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[31] = number;
        bytes
    }

    /// With the default provider both ways are open, and must agree: also for the first and last scalars, where the
    /// formula meets its special cases, and from point to point, so that x and y are any.
    #[test]
    fn it_agrees_with_libcrypto() {
        let library = Library::of("default").unwrap();
        let mut other = LAST;
        other[31] -= 1;
        let mut scalars = vec![small(1), small(2), small(3), LAST, other];
        scalars.extend((0..40_u8).map(|number| [number.wrapping_mul(37).wrapping_add(5); 32]));
        let mut point = [small(5), Y_OF_5].concat();
        for scalar in scalars {
            // Those that begin with 0xff may be above the order.
            if scalar > LAST {
                continue;
            }
            let key = EcKey { curve: Curve::P256, scalar: scalar.to_vec() };
            let (x, y) = point.split_at(32);
            let (mut expected, mut recovered) = ([0; 64], [0; 64]);
            Scalar::new(library, &key)
                .unwrap()
                .multiply(library, Curve::P256, (x, y), &mut expected)
                .unwrap();
            Recovery::new(library, &key).unwrap().multiply(library, (x, y), &mut recovered).unwrap();
            assert_eq!(recovered, expected, "{scalar:02x?}");
            point = expected.to_vec();
        }
    }

    #[test]
    fn a_point_off_the_curve_has_no_product() {
        let library = Library::of("default").unwrap();
        let key = EcKey { curve: Curve::P256, scalar: small(7).to_vec() };
        let recovery = Recovery::new(library, &key).unwrap();
        let result = recovery.multiply(library, (&small(5), &small(5)), &mut [0; 64]);
        assert!(matches!(result, Err(Failure::Invalid(InvalidRequest::NoResult))));
    }
}
