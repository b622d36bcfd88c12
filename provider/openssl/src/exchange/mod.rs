//! Key exchange. Deriving a bare shared secret with an offloaded key goes to the offload; all else to the software provider.

pub(crate) mod ecdh;
mod operation;
pub(crate) mod x25519;

use std::ffi::c_void;

use hotspare_device::{Key, Output};

use crate::context::Context;
use crate::ffi::functions::Keyexch;
use crate::keymgmt::{Kind, ProviderKey};
use crate::software::Software;

/// A way to agree on a secret.
pub(crate) trait Scheme: 'static {
    /// What it works with.
    type Kind: Kind;
    /// Length of the secret, in bytes, with an offloaded key.
    const SECRET_BYTES: usize;

    /// The software provider's implementation.
    fn functions(software: &Software) -> &Keyexch;

    /// Whether `operation`, an operation of the software provider, gives the bare secret (and not what a key derivation
    /// function makes of it).
    fn is_bare(software: &Software, operation: *mut c_void) -> bool;

    /// The secret of `key` and `peer`.
    fn derive(context: &Context, key: &Key, peer: &ProviderKey) -> Outcome;
}

/// What came of deriving.
#[allow(
    clippy::large_enum_variant,
    reason = "it lives on the stack of one call; a box would be one allocation more"
)]
pub(crate) enum Outcome {
    /// The secret is at the start of this.
    Done(Output),
    /// Not for the offload: the software provider derives, or says what is wrong.
    Software,
    /// The error is on the queue.
    Failed,
}
