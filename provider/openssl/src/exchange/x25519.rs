//! X25519 (RFC 7748).

use std::ffi::c_void;

use hotspare_device::{Key, Request};

use crate::context::{Context, Refused};
use crate::exchange::{Outcome, Scheme, operation};
use crate::ffi::functions::Keyexch;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::{ProviderKey, x25519};
use crate::software::Software;

/// The scheme.
pub(crate) struct X25519;

/// The functions.
pub(crate) static FUNCTIONS: Constant<[Dispatch; Keyexch::COUNT + 1]> =
    Constant(operation::common::<X25519>().dispatch());

impl Scheme for X25519 {
    type Kind = x25519::X25519;
    const SECRET_BYTES: usize = x25519::BYTES;

    fn functions(software: &Software) -> &Keyexch {
        &software.x25519_exchange
    }

    fn is_bare(_software: &Software, _operation: *mut c_void) -> bool {
        true
    }

    fn derive(context: &Context, key: &Key, peer: &ProviderKey) -> Outcome {
        let Some(public) = x25519::public(peer) else { return Outcome::Software };
        let Ok(request) = Request::montgomery_multiply(key, &public) else { return Outcome::Software };
        match context.execute(request) {
            // An all-zero secret comes from a point of small order and is an error (RFC 7748, 6.1): the software provider
            // comes to the same and says so. All bytes are looked at, whatever they are.
            Ok(secret)
                if secret.len() >= Self::SECRET_BYTES
                    && secret.iter().fold(0, |all, byte| all | byte) != 0 =>
            {
                Outcome::Done(secret)
            }
            Ok(_) | Err(Refused::Invalid) => Outcome::Software,
            Err(Refused::Raised) => Outcome::Failed,
        }
    }
}
