//! X25519 and X448 keys. All private ones are offloaded.

use std::ffi::c_void;
use std::marker::PhantomData;

use hotspare_device::{
    Key, KeyMaterial, Kind as RequestKind, MontgomeryCurve, MontgomeryKey, Operation, Request,
};
use openssl_sys::OSSL_PARAM;
use zeroize::Zeroizing;

use crate::core::params::{self, END, Owned};
use crate::ffi::functions::{Keyexch, Keymgmt};
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::generation::{Draft, Origin};
use crate::keymgmt::{Kind, manager};
use crate::software::Software;

/// The kind of keys on the curve `C`.
pub(crate) struct Montgomery<C>(PhantomData<C>);

/// X25519 keys.
pub(crate) type X25519 = Montgomery<On25519>;
/// X448 keys.
pub(crate) type X448 = Montgomery<On448>;

/// Which curve.
pub(crate) trait Place: 'static {
    /// The curve.
    const CURVE: MontgomeryCurve;
    /// The kind's name.
    const NAME: &'static str;
    /// The software provider's key manager.
    fn functions(software: &Software) -> &Keymgmt;
    /// The software provider's key exchange.
    fn exchange(software: &Software) -> &Keyexch;
    /// Makes `scalar` one of those that RFC 7748, 5, takes, as OpenSSL's keys have it done when they are generated.
    fn clamp(scalar: &mut [u8]);
}

/// Curve25519.
pub(crate) struct On25519;
/// Curve448.
pub(crate) struct On448;

impl Place for On25519 {
    const CURVE: MontgomeryCurve = MontgomeryCurve::X25519;
    const NAME: &'static str = "X25519";

    fn functions(software: &Software) -> &Keymgmt {
        &software.x25519
    }

    fn exchange(software: &Software) -> &Keyexch {
        &software.x25519_exchange
    }

    fn clamp(scalar: &mut [u8]) {
        scalar[0] &= 0xf8;
        scalar[31] &= 0x7f;
        scalar[31] |= 0x40;
    }
}

impl Place for On448 {
    const CURVE: MontgomeryCurve = MontgomeryCurve::X448;
    const NAME: &'static str = "X448";

    fn functions(software: &Software) -> &Keymgmt {
        &software.x448
    }

    fn exchange(software: &Software) -> &Keyexch {
        &software.x448_exchange
    }

    fn clamp(scalar: &mut [u8]) {
        scalar[0] &= 0xfc;
        scalar[55] |= 0x80;
    }
}

impl<C: Place> Kind for Montgomery<C> {
    const NAME: &'static str = C::NAME;

    fn functions(software: &Software) -> &Keymgmt {
        C::functions(software)
    }

    unsafe fn material(exported: *const OSSL_PARAM) -> Option<KeyMaterial> {
        // SAFETY: the caller vouches for the list.
        let scalar = unsafe { params::octet_string(exported, names::PRIVATE_KEY) }?;
        (scalar.len() == C::CURVE.field_bytes())
            .then(|| KeyMaterial::Montgomery(MontgomeryKey { curve: C::CURVE, scalar: scalar.to_vec() }))
    }

    fn multiplication(_functions: &Keymgmt, _key: *mut c_void) -> Option<RequestKind> {
        Some(kind(C::CURVE))
    }

    /// u.
    fn public(functions: &Keymgmt, key: *mut c_void) -> Option<Vec<u8>> {
        let mut public = vec![0; C::CURVE.field_bytes()];
        let mut asked = [params::octets(names::PUBLIC_KEY, &mut public), END];
        // SAFETY: the key is the software provider's; the list ends with END and its place outlives the call.
        let done = unsafe { functions.get_params?(key, asked.as_mut_ptr()) };
        (done == 1 && asked[0].return_size == public.len()).then_some(public)
    }

    fn generation(_software: &Software, origin: &Origin<'_>) -> Option<RequestKind> {
        // A group's name, if there is one, is the curve's: the software provider has taken it.
        matches!(origin, Origin::Nothing | Origin::Group(_)).then(|| kind(C::CURVE))
    }

    fn draft(software: &Software, _origin: &Origin<'_>) -> Option<(Request, Draft)> {
        let mut scalar = Zeroizing::new(vec![0; C::CURVE.field_bytes()]);
        if !software.private_random(&mut scalar) {
            return None;
        }
        C::clamp(&mut scalar);
        let mut params = Owned::default();
        params.octets(names::PRIVATE_KEY, &scalar);
        let material = MontgomeryKey { curve: C::CURVE, scalar: scalar.to_vec() };
        let key = Key::new(KeyMaterial::Montgomery(material)).ok()?;
        Some((Request::montgomery_multiply_base(&key).ok()?, Draft { key, params }))
    }

    fn complete(draft: &mut Draft, product: &[u8]) -> bool {
        draft.params.octets(names::PUBLIC_KEY, product);
        true
    }
}

fn kind(curve: MontgomeryCurve) -> RequestKind {
    Operation::MontgomeryMultiply(curve).kind(curve.field_bytes())
}

/// The key manager for X25519.
pub(crate) static X25519_FUNCTIONS: Constant<[Dispatch; Keymgmt::COUNT + 1]> = functions::<On25519>();
/// The key manager for X448.
pub(crate) static X448_FUNCTIONS: Constant<[Dispatch; Keymgmt::COUNT + 1]> = functions::<On448>();

const fn functions<C: Place>() -> Constant<[Dispatch; Keymgmt::COUNT + 1]> {
    Constant(
        Keymgmt {
            set_params: Some(manager::set_params::<Montgomery<C>>),
            settable_params: Some(manager::settable_params::<Montgomery<C>>),
            ..manager::common::<Montgomery<C>>()
        }
        .dispatch(),
    )
}
