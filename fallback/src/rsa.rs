//! RSA without padding (RFC 8017, 5.1).

use std::ffi::c_int;

use hotspare_device::{RsaKey, RsaPrivate};
use openssl_sys as ossl;

use crate::failure::{Failure, check};
use crate::library::Library;
use crate::params::Params;
use crate::pkey::{Algorithm, Context, Parts, Pkey};
use crate::pool::ContextPool;

/// An RSA key ready for use.
pub(crate) struct PreparedRsa {
    private: ContextPool,
    public: ContextPool,
    key: Pkey,
}

type Start = unsafe extern "C" fn(*mut ossl::EVP_PKEY_CTX) -> c_int;
type Run = unsafe extern "C" fn(*mut ossl::EVP_PKEY_CTX, *mut u8, *mut usize, *const u8, usize) -> c_int;

impl PreparedRsa {
    pub(crate) fn new(library: &Library, key: &RsaKey) -> Result<Self, Failure> {
        let mut params = Params::default().integer(c"n", &key.modulus).integer(c"e", &key.public_exponent);
        let mut parts = Parts::Public;
        if let Some(private) = &key.private {
            params = with_private(params, private);
            parts = Parts::Pair;
        }
        let key = Pkey::from_params(library, Algorithm::Rsa, parts, params)?;
        Ok(Self { private: ContextPool::new(), public: ContextPool::new(), key })
    }

    /// The private operation, with the primes if the key has them. Of OpenSSL's two ways to it (a signature and a
    /// decryption without padding) this is the decryption, whose timing OpenSSL guards best. Both are blinded, since the key
    /// has its public exponent, and both check a Chinese-remainder result with it before they give it out. (A wrong result by the
    /// private exponent alone does not give the key away.)
    pub(crate) fn private(&self, library: &Library, input: &[u8], output: &mut [u8]) -> Result<(), Failure> {
        let what = "RSA private operation";
        self.private.with(
            || self.start(library, what, ossl::EVP_PKEY_decrypt_init),
            |context| run(what, context, ossl::EVP_PKEY_decrypt, input, output),
        )
    }

    /// The public operation.
    pub(crate) fn public(&self, library: &Library, input: &[u8], output: &mut [u8]) -> Result<(), Failure> {
        let what = "RSA public operation";
        self.public.with(
            || self.start(library, what, ossl::EVP_PKEY_encrypt_init),
            |context| run(what, context, ossl::EVP_PKEY_encrypt, input, output),
        )
    }

    fn start(&self, library: &Library, what: &'static str, init: Start) -> Result<Context, Failure> {
        let context = self.key.context(library)?;
        // SAFETY: the context is valid and ours; `init` is one of EVP_PKEY_{de,en}crypt_init.
        unsafe {
            check(what, init(context.as_ptr()))?;
            check(what, ossl::EVP_PKEY_CTX_set_rsa_padding(context.as_ptr(), ossl::RSA_NO_PADDING))?;
        }
        Ok(context)
    }
}

fn with_private<'a>(params: Params<'a>, private: &RsaPrivate) -> Params<'a> {
    let params = params.integer(c"d", &private.exponent);
    let Some(crt) = &private.crt else { return params };
    params
        .integer(c"rsa-factor1", &crt.prime1)
        .integer(c"rsa-factor2", &crt.prime2)
        .integer(c"rsa-exponent1", &crt.exponent1)
        .integer(c"rsa-exponent2", &crt.exponent2)
        .integer(c"rsa-coefficient1", &crt.coefficient)
}

fn run(
    what: &'static str,
    context: &mut Context,
    run: Run,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Failure> {
    let mut length = output.len();
    // SAFETY: the context is valid and this thread's; `length` says how much room `output` has.
    check(what, unsafe {
        run(context.as_ptr(), output.as_mut_ptr(), &mut length, input.as_ptr(), input.len())
    })?;
    if length == output.len() { Ok(()) } else { Err(Failure::OpenSsl(what)) }
}
