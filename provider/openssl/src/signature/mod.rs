//! Signatures. Signing with an offloaded key, and verifying where that is worth a device's while, is ours: we digest and pad
//! here and give the offload the bare operation. All else (other keys, errors of the caller) is passed to the software
//! provider, whose operation we keep beside ours with all its parameters. So is everything while no device is in use: then the
//! software provider digests and signs in place, at its own speed, and the offload only counts.
//!
//! The functions of OpenSSL 3.4 and later that take a message instead of a digest (`sign_message` and so on) belong to algorithms
//! that name their digest, as `RSA-SHA256`; we have none of those, so libcrypto finds them with the default provider.

mod der;
pub(crate) mod ecdsa;
mod entries;
mod nonce;
mod operation;
mod pkcs1;
mod pss;
pub(crate) mod rsa;
mod x931;

use std::ffi::c_void;
use std::sync::Arc;

use hotspare_device::{Key, request};
use openssl_sys::OSSL_PARAM;

use crate::context::Context;
use crate::ffi::functions::Signature;
use crate::keymgmt::ProviderKey;
use crate::operation::Outcome;
use crate::software::Software;

/// A signature scheme, with its settings as the caller has made them.
pub(crate) trait Scheme: Sized + Send + 'static {
    /// The software provider's implementation.
    fn functions(software: &Software) -> &Signature;

    /// The key that OpenSSL means with `pointer`; `None` for null and for a key of another kind.
    ///
    /// # Safety
    /// `pointer` is null or a key that OpenSSL passes.
    unsafe fn share(pointer: *const c_void) -> Option<Arc<ProviderKey>>;

    /// What the offload verifies with; `None` if it does not verify with this key.
    fn verifying_key(key: &ProviderKey) -> Option<Key>;

    /// What a signature with `key` is as a request.
    fn kind(key: &Key) -> request::Kind;

    /// The settings of `operation`, an operation of the software provider.
    fn read(software: &Software, operation: *mut c_void) -> Option<Self>;

    /// Signs `digest` (or, without a digest setting, whatever the caller gave) into `output`.
    fn sign(&self, context: &Context, key: &Key, digest: &[u8], output: &mut [u8]) -> Outcome;

    /// Whether `signature` is one of `digest`.
    fn verify(&self, context: &Context, key: &Key, digest: &[u8], signature: &[u8]) -> Verdict;

    /// Gives `then` these settings as a list of parameters.
    fn with_params<T>(&self, then: impl FnOnce(*const OSSL_PARAM) -> T) -> T;
}

/// What came of verifying.
pub(crate) enum Verdict {
    /// It is a signature of this digest.
    Right,
    /// It is none.
    Wrong,
    /// Not for the offload: the software provider verifies, or says what is wrong.
    Software,
    /// The error is on the queue.
    Failed,
}
