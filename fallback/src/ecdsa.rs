//! ECDSA over a given digest (FIPS 186-5, 6.4). OpenSSL draws the nonce of a signature, from the private random generator
//! of our library context.

use hotspare_device::{Curve, EcKey, EcPublicKey, InvalidRequest};
use openssl_sys as ossl;

use crate::der;
use crate::ec::{group_name, is_on_curve};
use crate::error_queue::Newest;
use crate::failure::{Failure, check};
use crate::ffi;
use crate::library::Library;
use crate::params::Params;
use crate::pkey::{Algorithm, Context, Parts, Pkey};
use crate::pool::ContextPool;

/// An EC key ready to sign.
pub(crate) struct Signer {
    contexts: ContextPool,
    key: Pkey,
}

impl Signer {
    pub(crate) fn new(library: &Library, key: &EcKey) -> Result<Self, Failure> {
        let group = group_name(key.curve)?;
        // Signing does not need the public point; computing it would cost as much as a signature.
        let params = Params::default().utf8(c"group", group).integer(c"priv", &key.scalar);
        let key = Pkey::from_params(library, Algorithm::Ec, Parts::Pair, params)?;
        Ok(Self { contexts: ContextPool::new(), key })
    }

    /// Signs `digest`, of which no more than the order's bits count; writes r || s.
    pub(crate) fn sign(&self, library: &Library, digest: &[u8], output: &mut [u8]) -> Result<(), Failure> {
        self.contexts.with(|| self.start(library), |context| sign(context, digest, output))
    }

    fn start(&self, library: &Library) -> Result<Context, Failure> {
        let context = self.key.context(library)?;
        // SAFETY: the context is valid and ours.
        check("ECDSA signature", unsafe { ossl::EVP_PKEY_sign_init(context.as_ptr()) })?;
        Ok(context)
    }
}

fn sign(context: &mut Context, digest: &[u8], output: &mut [u8]) -> Result<(), Failure> {
    let what = "ECDSA signature";
    let mut encoded = [0; der::SIGNATURE_MAX_BYTES];
    let mut length = encoded.len();
    // SAFETY: the context is valid and this thread's; `length` says how much room there is.
    check(what, unsafe {
        let (bytes, digest_bytes) = (encoded.as_mut_ptr(), digest.as_ptr());
        ossl::EVP_PKEY_sign(context.as_ptr(), bytes, &mut length, digest_bytes, digest.len())
    })?;
    let (r, s) = encoded.get(..length).and_then(der::two_integers).ok_or(Failure::OpenSsl(what))?;
    let (r_place, s_place) = output.split_at_mut(output.len() / 2);
    der::write_padded(r, r_place).and_then(|()| der::write_padded(s, s_place)).ok_or(Failure::OpenSsl(what))
}

/// A public EC key ready to verify.
pub(crate) struct Verifier {
    contexts: ContextPool,
    key: Pkey,
    curve: Curve,
}

impl Verifier {
    /// The point of `key` must be on its curve.
    pub(crate) fn new(library: &Library, key: &EcPublicKey) -> Result<Self, Failure> {
        let curve = key.curve;
        let point = library.group(curve)?.encode(&key.x, &key.y)?;
        let params = Params::default().utf8(c"group", group_name(curve)?).octets(c"pub", &point);
        match Pkey::from_params(library, Algorithm::Ec, Parts::Public, params) {
            Ok(key) => Ok(Self { contexts: ContextPool::new(), key, curve }),
            // The import says so too, but each provider in words of its own.
            Err(_) if !is_on_curve(library, curve, &key.x, &key.y)? => {
                Err(InvalidRequest::KeyNumber("EC public key: a point that is not on the curve").into())
            }
            Err(other) => Err(other),
        }
    }

    /// Writes r if (`r`, `s`) is a signature over `digest`, else zeros.
    pub(crate) fn verify(
        &self,
        library: &Library,
        digest: &[u8],
        (r, s): (&[u8], &[u8]),
        output: &mut [u8],
    ) -> Result<(), Failure> {
        // Numbers out of range are no signature (step 1). OpenSSL says that of some and calls others an error.
        let is_right = is_in_range(self.curve, r)
            && is_in_range(self.curve, s)
            && self.contexts.with(|| self.start(library), |context| is_signature(context, digest, (r, s)))?;
        if is_right {
            output.copy_from_slice(r);
        } else {
            output.fill(0);
        }
        Ok(())
    }

    fn start(&self, library: &Library) -> Result<Context, Failure> {
        let context = self.key.context(library)?;
        // SAFETY: the context is valid and ours.
        check("ECDSA verification", unsafe { ossl::EVP_PKEY_verify_init(context.as_ptr()) })?;
        Ok(context)
    }
}

/// Whether a number as long as the order is above 0 and below it. Takes time that depends on the number, which is public.
fn is_in_range(curve: Curve, number: &[u8]) -> bool {
    number < curve.order() && number.iter().any(|byte| *byte != 0)
}

fn is_signature(context: &mut Context, digest: &[u8], (r, s): (&[u8], &[u8])) -> Result<bool, Failure> {
    let failed = Failure::OpenSsl("ECDSA verification");
    let Some(signature) = der::Signature::new(r, s) else { return Err(failed) };
    let before = Newest::read();
    // SAFETY: the context is valid and this thread's; the slices say their lengths.
    let answer = unsafe {
        let (bytes, length) = (signature.as_ptr(), signature.len());
        ossl::EVP_PKEY_verify(context.as_ptr(), bytes, length, digest.as_ptr(), digest.len())
    };
    match (answer, before.code_since()) {
        (1, _) => Ok(true),
        // No more than "no". A provider that can't compute may answer 0 too, but gives a reason.
        (0, None | Some((ffi::ERR_LIB_EC, ffi::EC_R_BAD_SIGNATURE))) => Ok(false),
        // From OpenSSL 3.4 on libcrypto puts a reason of its own above every "no", and so hides the provider's. OpenSSL's providers
        // answer below 0 if they can't compute.
        (0, Some((ffi::ERR_LIB_EVP, ffi::EVP_R_PROVIDER_SIGNATURE_FAILURE))) => Ok(false),
        _ => Err(failed),
    }
}
