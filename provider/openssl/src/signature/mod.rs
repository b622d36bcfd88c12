//! Signatures. Signing with an offloaded key is ours: we digest and pad here and give the offload the bare private
//! operation. All else (verification, other keys, other paddings, errors of the caller) is passed to the software provider,
//! whose operation we keep beside ours with all its parameters.

mod der;
pub(crate) mod ecdsa;
mod entries;
mod nonce;
mod operation;
mod pkcs1;
mod pss;
pub(crate) mod rsa;

use std::ffi::c_void;

use hotspare_device::Key;
use openssl_sys::OSSL_PARAM;

use crate::context::Context;
use crate::ffi::functions::Signature;
use crate::keymgmt::Kind;
use crate::software::Software;

/// A signature scheme, with its settings as the caller has made them.
pub(crate) trait Scheme: Sized + Send + 'static {
    /// What it signs with.
    type Kind: Kind;

    /// The software provider's implementation.
    fn functions(software: &Software) -> &Signature;

    /// The settings of `operation`, an operation of the software provider.
    fn read(software: &Software, operation: *mut c_void) -> Option<Self>;

    /// Signs `digest` (or, without a digest setting, whatever the caller gave) into `output`.
    fn sign(&self, context: &Context, key: &Key, digest: &[u8], output: &mut [u8]) -> Outcome;

    /// Gives `then` these settings as a list of parameters.
    fn with_params<T>(&self, then: impl FnOnce(*const OSSL_PARAM) -> T) -> T;
}

/// What came of signing.
pub(crate) enum Outcome {
    /// A signature of this length.
    Done(usize),
    /// Not for the offload: the software provider signs, or says what is wrong.
    Software,
    /// The error is on the queue.
    Failed,
}
