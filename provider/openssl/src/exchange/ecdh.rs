//! ECDH. Offloaded: P-256, the bare x coordinate. Its cofactor is 1, so the cofactor mode makes no difference.

use std::ffi::c_void;

use hotspare_device::{Curve, Key, Request};

use crate::context::{Context, Refused};
use crate::core::params::{self, END};
use crate::exchange::{Outcome, Scheme, operation};
use crate::ffi::functions::Keyexch;
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::{ProviderKey, ec};
use crate::software::Software;

/// The scheme.
pub(crate) struct Ecdh;

/// The functions.
pub(crate) static FUNCTIONS: Constant<[Dispatch; Keyexch::COUNT + 1]> = Constant(
    Keyexch {
        set_ctx_params: Some(operation::set_ctx_params::<Ecdh>),
        settable_ctx_params: Some(operation::settable_ctx_params::<Ecdh>),
        get_ctx_params: Some(operation::get_ctx_params::<Ecdh>),
        gettable_ctx_params: Some(operation::gettable_ctx_params::<Ecdh>),
        ..operation::common::<Ecdh>()
    }
    .dispatch(),
);

/// Room for the name of a key derivation function.
const KDF_NAME_BYTES: usize = 64;

impl Scheme for Ecdh {
    type Kind = ec::Ec;
    const SECRET_BYTES: usize = Curve::P256.field_bytes();

    fn functions(software: &Software) -> &Keyexch {
        &software.ecdh
    }

    fn is_bare(software: &Software, operation: *mut c_void) -> bool {
        let mut name = [0; KDF_NAME_BYTES];
        let mut asked = [params::utf8(names::KDF_TYPE, &mut name), END];
        // SAFETY: the operation is the software provider's; the list ends with END and its place outlives the call.
        let get = |get: unsafe extern "C" fn(*mut c_void, *mut openssl_sys::OSSL_PARAM) -> i32| unsafe {
            get(operation, asked.as_mut_ptr())
        };
        software.ecdh.get_ctx_params.map(get) == Some(1) && name[0] == 0
    }

    fn derive(context: &Context, key: &Key, peer: &ProviderKey) -> Outcome {
        // The software provider has checked that the point is on the curve, as every key that it takes, and that both
        // keys are on the same curve.
        let Some(point) = peer.point() else { return Outcome::Software };
        let (x, y) = point.split_at(Self::SECRET_BYTES);
        let Ok(request) = Request::ec_multiply(key, x, y) else { return Outcome::Software };
        match context.execute(request) {
            Ok(product) if product.len() >= Self::SECRET_BYTES => Outcome::Done(product),
            Ok(_) | Err(Refused::Invalid) => Outcome::Software,
            Err(Refused::Raised) => Outcome::Failed,
        }
    }
}
