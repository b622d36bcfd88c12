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

use hotspare_device::{Curve, EcKey, InvalidRequest};
use openssl_sys as ossl;
use zeroize::Zeroizing;

use crate::ec::{COORDINATE_MAX_BYTES, group_name, is_on_curve};
use crate::failure::{Failure, check};
use crate::library::Library;
use crate::number::{Number, Scratch};
use crate::params::Params;
use crate::pkey::{Algorithm, Context, Parts, Pkey};
use crate::pool::ContextPool;

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
        let next = Number::new(&key.scalar)?.next()?;
        let next = if next.is_below(library.group(key.curve)?.order()) {
            let mut bytes = Zeroizing::new([0; COORDINATE_MAX_BYTES]);
            let place = &mut bytes[..key.curve.field_bytes()];
            next.write(place)?;
            Some(Agreement::new(library, key.curve, place)?)
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
        let encoded = library.group(self.curve)?.encode(x, y)?;
        let peer = Params::default().utf8(c"group", group_name(self.curve)?).octets(c"pub", &encoded);
        let peer = Pkey::from_params(library, Algorithm::Ec, Parts::Public, peer)?;

        let (x_place, y_place) = output.split_at_mut(x.len());
        self.own.derive(library, &peer, x_place)?;
        let scratch = Scratch::new(library)?;
        let [p, a, b] = library.group(self.curve)?.equation(&scratch)?;
        let field = Field { prime: p, scratch: &scratch };
        let [x, y, x1] = [Number::new(x)?, Number::new(y)?, Number::new(x_place)?];
        let y1 = match &self.next {
            None => field.subtract(&Number::new(&[])?, &y)?,
            Some(next) => {
                let mut x2 = Zeroizing::new([0; COORDINATE_MAX_BYTES]);
                let x2 = &mut x2[..x_place.len()];
                next.derive(library, &peer, x2)?;
                field.recover(&[a, b], (&x, &y), &x1, &Number::new(x2)?)?
            }
        };
        y1.write(y_place)
    }
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

    fn small(curve: Curve, number: u8) -> Vec<u8> {
        [vec![0; curve.field_bytes() - 1], vec![number]].concat()
    }

    /// With the default provider both ways are open, and must agree: also for the first and last scalars, where the
    /// formula meets its special cases, and from point to point, so that x and y are any.
    #[test]
    fn it_agrees_with_libcrypto() {
        let library = Library::of("default").unwrap();
        for curve in Curve::ALL {
            let length = curve.field_bytes();
            let mut order = vec![0; length];
            library.group(curve).unwrap().order().write(&mut order).unwrap();
            // Every order of these curves ends with a byte above 2.
            let below_order = |less: u8| {
                let mut number = order.clone();
                number[length - 1] -= less;
                number
            };
            let mut scalars: Vec<_> = (1..=3).map(|number| small(curve, number)).collect();
            scalars.extend([below_order(1), below_order(2)]);
            scalars.extend((0..40_u8).map(|number| {
                let mut scalar = vec![number.wrapping_mul(37).wrapping_add(5); length];
                // Below the first byte of every order, or equal to it.
                scalar[0] &= order[0] >> 1;
                scalar
            }));
            let (x, y) = curve.generator();
            let mut point = [x, y].concat();
            for scalar in scalars {
                let key = EcKey { curve, scalar: scalar.clone() };
                let (prepared, recovery) =
                    (Scalar::new(library, &key).unwrap(), Recovery::new(library, &key).unwrap());
                // libcrypto has another way to products of the generator.
                for (x, y) in [curve.generator(), point.clone().split_at(length)] {
                    let (mut expected, mut recovered) = (vec![0; 2 * length], vec![0; 2 * length]);
                    prepared.multiply(library, curve, (x, y), &mut expected).unwrap();
                    recovery.multiply(library, (x, y), &mut recovered).unwrap();
                    assert_eq!(recovered, expected, "{curve:?} {scalar:02x?}");
                    point = expected;
                }
            }
        }
    }

    #[test]
    fn a_point_off_the_curve_has_no_product() {
        let library = Library::of("default").unwrap();
        for curve in Curve::ALL {
            let key = EcKey { curve, scalar: small(curve, 7) };
            let recovery = Recovery::new(library, &key).unwrap();
            let point = (&small(curve, 5)[..], &small(curve, 5)[..]);
            let result = recovery.multiply(library, point, &mut vec![0; 2 * curve.field_bytes()]);
            assert!(matches!(result, Err(Failure::Invalid(InvalidRequest::NoResult))));
        }
    }
}
