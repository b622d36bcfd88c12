//! Key exchange. Deriving a secret with an offloaded key goes to the offload; all else to the software provider.

pub(crate) mod dh;
pub(crate) mod ecdh;
mod kdf;
pub(crate) mod montgomery;
mod operation;

use std::ffi::CStr;

use hotspare_device::{Key, Request};

use crate::ffi::functions::Keyexch;
use crate::keymgmt::Kind;
use crate::software::Software;

/// A way to agree on a secret.
pub(crate) trait Scheme: 'static {
    /// What it works with.
    type Kind: Kind;
    /// Whether it has settings, and so perhaps a key derivation function.
    const HAS_SETTINGS: bool;
    /// Whether a secret may be shorter than its numbers are long, for it is given without leading zeros unless padding is asked for.
    const IS_NUMBER: bool = false;

    /// The software provider's implementation.
    fn functions(software: &Software) -> &Keyexch;

    /// The parameter of the key derivation function `name` that takes the parties' own material; `None` for another function.
    fn material_parameter(name: &CStr) -> Option<&'static CStr> {
        let _ = name;
        None
    }

    /// Length of the bare secret, in bytes, with leading zeros.
    fn secret_bytes(key: &Key) -> usize;

    /// What gives the secret of `key` and a peer's public half; `None` if they do not go together.
    fn request(key: &Key, public: &[u8]) -> Option<Request>;

    /// Whether `secret` is one that may be used. All its bytes are looked at, whatever they are.
    fn is_sound(key: &Key, secret: &[u8]) -> bool {
        let _ = (key, secret);
        true
    }
}
