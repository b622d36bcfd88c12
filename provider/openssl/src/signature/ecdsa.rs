//! ECDSA. Offloaded: P-256, P-384 and P-521; signing with a random nonce, and verifying.
//!
//! Verifying is given to devices only: while none is in use, the software provider verifies in place.

use std::ffi::{CStr, CString, c_uint, c_void};
use std::sync::Arc;

use hotspare_device::request::{self, DIGEST_MAX_BYTES, Operation};
use hotspare_device::{Curve, EcPublicKey, Key, KeyMaterial, Request};
use openssl_sys::OSSL_PARAM;
use zeroize::Zeroizing;

use crate::context::{Context, Refused};
use crate::core::errors::Reason;
use crate::core::params::{self, END, UNMODIFIED};
use crate::ffi::functions::Signature;
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::{Kind, ProviderKey, ec};
use crate::operation::{DIGEST_NAME_BYTES, Outcome};
use crate::random::is_below;
use crate::signature::nonce::{self, Nonce};
use crate::signature::{Scheme, Verdict, der, entries};
use crate::software::Software;

/// The longest coordinate, and the longest scalar.
const FIELD_MAX_BYTES: usize = Curve::P521.field_bytes();

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
    fn functions(software: &Software) -> &Signature {
        &software.ecdsa
    }

    unsafe fn share(pointer: *const c_void) -> Option<Arc<ProviderKey>> {
        // SAFETY: as the caller says.
        unsafe { ProviderKey::share::<ec::Ec>(pointer) }
    }

    fn verifying_key(key: &ProviderKey) -> Option<Key> {
        key.public_key(public_material)
    }

    fn kind(key: &Key) -> request::Kind {
        let curve = match key.material() {
            KeyMaterial::Ec(ec) => ec.curve,
            // An EC key manager's keys for the offload are of no other sort.
            _ => Curve::P256,
        };
        Operation::EcdsaSign(curve).kind(2 * curve.field_bytes())
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
        let longest = der::max_bytes(ec.curve.order());
        if !self.is_right_length(digest) || self.nonce_type != 0 || output.len() < longest {
            return Outcome::Software;
        }
        let Some(nonce) = fresh_nonce(context, ec.curve, &ec.scalar, digest) else {
            context.core().raise(Reason::Random, "for the nonce of an ECDSA signature");
            return Outcome::Failed;
        };
        let request = Request::ecdsa_sign(key, digest, nonce.as_bytes());
        // A job may never come back from its pause.
        drop(nonce);
        let Ok(request) = request else { return Outcome::Software };
        match context.execute(request) {
            Ok(signature) => {
                let (r, s) = signature.split_at(signature.len() / 2);
                der::encode(output, r, s).map_or(Outcome::Software, Outcome::Done)
            }
            Err(Refused::Invalid) => Outcome::Software,
            Err(Refused::Raised) => Outcome::Failed,
        }
    }

    fn verify(&self, context: &Context, key: &Key, digest: &[u8], signature: &[u8]) -> Verdict {
        let KeyMaterial::EcPublic(ec) = key.material() else { return Verdict::Software };
        if !self.is_right_length(digest) {
            return Verdict::Software;
        }
        let mut place = [0; 2 * FIELD_MAX_BYTES];
        // A signature of another form, or with numbers that no signature has, is the software provider's to judge.
        let Some((r, s)) = der::decode(signature, &mut place, ec.curve.field_bytes()) else {
            return Verdict::Software;
        };
        let order = ec.curve.order();
        if !is_below(r, order) || !is_below(s, order) {
            return Verdict::Software;
        }
        let Ok(request) = Request::ecdsa_verify(key, digest, r, s) else { return Verdict::Software };
        match context.execute(request) {
            Ok(answer) if *answer == *r => Verdict::Right,
            Ok(_) => Verdict::Wrong,
            Err(Refused::Invalid) => Verdict::Software,
            Err(Refused::Raised) => Verdict::Failed,
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

impl Ecdsa {
    fn is_right_length(&self, digest: &[u8]) -> bool {
        match self.digest_size {
            0 => (1..=DIGEST_MAX_BYTES).contains(&digest.len()),
            size => digest.len() == size,
        }
    }
}

/// The public point of a key, if its curve is offloaded. The software provider takes no point that is not on its curve.
fn public_material(key: &ProviderKey) -> Option<KeyMaterial> {
    let get = ec::Ec::functions(key.context().software()?).get_params?;
    let mut group = [0; DIGEST_NAME_BYTES];
    let mut asked = [params::utf8(names::GROUP_NAME, &mut group), END];
    // SAFETY: the key is the software provider's; the list ends with END and its place outlives the call.
    if unsafe { get(key.software_key(), asked.as_mut_ptr()) } != 1 {
        return None;
    }
    let curve = match CStr::from_bytes_until_nul(&group).ok()?.to_bytes() {
        b"prime256v1" => Curve::P256,
        b"secp384r1" => Curve::P384,
        b"secp521r1" => Curve::P521,
        _ => return None,
    };
    let (mut x, mut y) = ([0; FIELD_MAX_BYTES], [0; FIELD_MAX_BYTES]);
    let mut asked =
        [params::big_number(names::EC_PUBLIC_X, &mut x), params::big_number(names::EC_PUBLIC_Y, &mut y), END];
    // SAFETY: as above.
    if unsafe { get(key.software_key(), asked.as_mut_ptr()) } != 1
        || asked[..2].iter().any(|one| one.return_size == UNMODIFIED)
    {
        return None;
    }
    let coordinate = |native: &[u8]| {
        let number = params::big_endian(native);
        let mut padded = vec![0; curve.field_bytes().checked_sub(number.len())?];
        padded.extend_from_slice(&number);
        Some(padded)
    };
    Some(KeyMaterial::EcPublic(EcPublicKey { curve, x: coordinate(&x)?, y: coordinate(&y)? }))
}

/// A nonce for this digest only. Random bytes and nonce are wiped when they go.
fn fresh_nonce(context: &Context, curve: Curve, scalar: &[u8], digest: &[u8]) -> Option<Nonce> {
    let software = context.software()?;
    let mut random = Zeroizing::new([0; nonce::RANDOM_BYTES]);
    if !software.private_random(&mut *random) {
        return None;
    }
    nonce::derive(&software.digest(c"SHA512")?, curve, &random, scalar, digest)
}
