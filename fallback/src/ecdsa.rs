//! ECDSA over a given digest (FIPS 186-5, 6.4.1). OpenSSL draws the nonce, from the private random generator of
//! our library context.

use hotspare_device::EcKey;
use openssl_sys as ossl;

use crate::der;
use crate::ec::group_name;
use crate::failure::{Failure, check};
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
