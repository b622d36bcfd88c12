//! ECDSA. Offloaded: P-256 with a random nonce.

use std::ffi::{CStr, CString, c_uint, c_void};

use hotspare_device::request::DIGEST_MAX_BYTES;
use hotspare_device::{Key, KeyMaterial, Request};
use openssl_sys::OSSL_PARAM;
use zeroize::Zeroizing;

use crate::context::{Context, Refused};
use crate::core::errors::Reason;
use crate::core::params::{self, END};
use crate::ffi::functions::Signature;
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::ec as keys;
use crate::signature::operation::DIGEST_NAME_BYTES;
use crate::signature::{Outcome, Scheme, der, entries, nonce};
use crate::software::Software;

/// Longest signature with P-256: a sequence of two integers of 33 bytes.
const SIGNATURE_MAX_BYTES: usize = 2 + 2 * (2 + 33);

/// An ECDSA signature's settings.
pub(crate) struct Ecdsa {
    /// What the input must be long; 0: anything.
    digest_size: usize,
    digest: CString,
    /// Not 0: the nonce is to be deterministic (RFC 6979), which is left to the software provider.
    nonce_type: c_uint,
}

/// The functions.
pub(crate) static FUNCTIONS: Constant<[Dispatch; Signature::COUNT + 1]> =
    Constant(entries::common::<Ecdsa>().dispatch());

impl Scheme for Ecdsa {
    type Kind = keys::Ec;

    fn functions(software: &Software) -> &Signature {
        &software.ecdsa
    }

    fn read(software: &Software, operation: *mut c_void) -> Option<Self> {
        let (mut digest_size, mut nonce_type) = (0_usize, 0);
        let mut digest = [0; DIGEST_NAME_BYTES];
        let mut asked = [
            params::unsigned(names::DIGEST_SIZE, &mut digest_size),
            params::utf8(names::DIGEST, &mut digest),
            params::unsigned(names::NONCE_TYPE, &mut nonce_type),
            END,
        ];
        let get = software.ecdsa.get_ctx_params?;
        // SAFETY: the operation is the software provider's; the list ends with END and its places outlive the call.
        if unsafe { get(operation, asked.as_mut_ptr()) } != 1 {
            return None;
        }
        let digest = CStr::from_bytes_until_nul(&digest).ok()?.to_owned();
        Some(Self { digest_size, digest, nonce_type })
    }

    fn sign(&self, context: &Context, key: &Key, digest: &[u8], output: &mut [u8]) -> Outcome {
        let KeyMaterial::Ec(ec) = key.material() else { return Outcome::Software };
        let right_length = match self.digest_size {
            0 => (1..=DIGEST_MAX_BYTES).contains(&digest.len()),
            size => digest.len() == size,
        };
        if !right_length || self.nonce_type != 0 || output.len() < SIGNATURE_MAX_BYTES {
            return Outcome::Software;
        }
        let Some(nonce) = fresh_nonce(context, &ec.scalar, digest) else {
            context.core().raise(Reason::Random, "for the nonce of an ECDSA signature");
            return Outcome::Failed;
        };
        let Ok(request) = Request::ecdsa_sign(key, digest, &*nonce) else { return Outcome::Software };
        match context.execute(request) {
            Ok(signature) => {
                let (r, s) = signature.split_at(signature.len() / 2);
                der::encode(output, r, s).map_or(Outcome::Software, Outcome::Done)
            }
            Err(Refused::Invalid) => Outcome::Software,
            Err(Refused::Raised) => Outcome::Failed,
        }
    }

    fn with_params<T>(&self, then: impl FnOnce(*const OSSL_PARAM) -> T) -> T {
        let mut nonce_type = self.nonce_type;
        let mut list = vec![];
        if !self.digest.is_empty() {
            list.push(params::utf8_value(names::DIGEST, &self.digest));
        }
        if nonce_type != 0 {
            list.push(params::unsigned(names::NONCE_TYPE, &mut nonce_type));
        }
        list.push(END);
        then(list.as_ptr())
    }
}

/// A nonce for this digest only. Random bytes and nonce are wiped when they go.
fn fresh_nonce(context: &Context, scalar: &[u8], digest: &[u8]) -> Option<Zeroizing<[u8; nonce::BYTES]>> {
    let software = context.software()?;
    let sha512 = software.digest(c"SHA512")?;
    let mut random = Zeroizing::new([0; nonce::RANDOM_BYTES]);
    if !software.private_random(&mut *random) {
        return None;
    }
    nonce::derive(&sha512, &random, scalar, digest)
}
