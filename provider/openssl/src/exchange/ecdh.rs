//! ECDH. Offloaded: P-256, P-384 and P-521, whose cofactor is 1, so that the cofactor mode makes no difference.

use std::ffi::CStr;

use hotspare_device::{Key, KeyMaterial, Request};

use crate::exchange::{Scheme, operation};
use crate::ffi::functions::Keyexch;
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::ec;
use crate::software::Software;

/// The scheme.
pub(crate) struct Ecdh;

/// The functions.
pub(crate) static FUNCTIONS: Constant<[Dispatch; Keyexch::COUNT + 1]> =
    Constant(operation::functions::<Ecdh>().dispatch());

impl Scheme for Ecdh {
    type Kind = ec::Ec;
    const HAS_SETTINGS: bool = true;

    fn functions(software: &Software) -> &Keyexch {
        &software.ecdh
    }

    fn material_parameter(name: &CStr) -> Option<&'static CStr> {
        (name == names::X963_KDF).then_some(names::KDF_PARAM_INFO)
    }

    fn secret_bytes(key: &Key) -> usize {
        if let KeyMaterial::Ec(key) = key.material() { key.curve.field_bytes() } else { 0 }
    }

    fn request(key: &Key, public: &[u8]) -> Option<Request> {
        // The software provider has checked that the point is on the curve, as every key that it takes, and that both keys are
        // on the same curve. Of the product, x comes first.
        let (x, y) = public.split_at_checked(Self::secret_bytes(key))?;
        Request::ec_multiply(key, x, y).ok()
    }
}
