//! X25519 and X448 (RFC 7748).

use std::marker::PhantomData;

use hotspare_device::{Key, Request};

use crate::exchange::{Scheme, operation};
use crate::ffi::functions::Keyexch;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::montgomery::{Montgomery, On448, On25519, Place};
use crate::software::Software;

/// The scheme on the curve `C`.
pub(crate) struct Agreement<C>(PhantomData<C>);

/// The functions of X25519.
pub(crate) static X25519_FUNCTIONS: Constant<[Dispatch; Keyexch::COUNT + 1]> =
    Constant(operation::functions::<Agreement<On25519>>().dispatch());
/// The functions of X448.
pub(crate) static X448_FUNCTIONS: Constant<[Dispatch; Keyexch::COUNT + 1]> =
    Constant(operation::functions::<Agreement<On448>>().dispatch());

impl<C: Place> Scheme for Agreement<C> {
    type Kind = Montgomery<C>;
    const HAS_SETTINGS: bool = false;

    fn functions(software: &Software) -> &Keyexch {
        C::exchange(software)
    }

    fn secret_bytes(_key: &Key) -> usize {
        C::CURVE.field_bytes()
    }

    fn request(key: &Key, public: &[u8]) -> Option<Request> {
        Request::montgomery_multiply(key, public).ok()
    }

    /// An all-zero secret comes from a point of small order and is an error (RFC 7748, 6.1).
    fn is_sound(_key: &Key, secret: &[u8]) -> bool {
        secret.iter().fold(0, |all, byte| all | byte) != 0
    }
}
