//! The function X25519 (RFC 7748, 5).

use hotspare_device::{InvalidRequest, MontgomeryCurve, MontgomeryKey};
use openssl_sys as ossl;

use crate::failure::{Failure, check};
use crate::library::Library;
use crate::params::Params;
use crate::pkey::{Algorithm, Context, Parts, Pkey};
use crate::pool::ContextPool;

/// In the place of a public key that nobody needs.
const NO_PUBLIC_KEY: [u8; 32] = [0; 32];

/// A scalar ready for use.
pub(crate) struct PreparedMontgomery {
    contexts: ContextPool,
    key: Pkey,
}

impl PreparedMontgomery {
    pub(crate) fn new(library: &Library, key: &MontgomeryKey) -> Result<Self, Failure> {
        let algorithm = match key.curve {
            MontgomeryCurve::X25519 => Algorithm::X25519,
            _ => return Err(InvalidRequest::KeyNumber("the software path does not have this curve").into()),
        };
        let mut params = Params::default().octets(c"priv", &key.scalar);
        if library.is_in_libcrypto() {
            // Without a public key OpenSSL computes one, which takes longer than what is asked for; an ephemeral key is
            // used once, so that counts. The function never looks at it, and nobody else sees this key. Other providers
            // may check that the two belong together.
            params = params.octets(c"pub", &NO_PUBLIC_KEY);
        }
        let key = Pkey::from_params(library, algorithm, Parts::Pair, params)?;
        Ok(Self { contexts: ContextPool::new(), key })
    }

    /// The product of the scalar and `u`.
    pub(crate) fn multiply(&self, library: &Library, u: &[u8], output: &mut [u8]) -> Result<(), Failure> {
        let result =
            self.contexts.with(|| self.start(library), |context| derive(library, context, u, output));
        // OpenSSL refuses to give out an all-zero result. Whether zeros are acceptable is for the caller to judge
        // here (RFC 7748, 6.1), as it is when a device computes, so the refusal is turned back into the result.
        if result.is_err() && has_zero_result(u) {
            output.fill(0);
            return Ok(());
        }
        result
    }

    fn start(&self, library: &Library) -> Result<Context, Failure> {
        let context = self.key.context(library)?;
        // SAFETY: the context is valid and ours.
        check("X25519", unsafe { ossl::EVP_PKEY_derive_init(context.as_ptr()) })?;
        Ok(context)
    }
}

fn derive(library: &Library, context: &mut Context, u: &[u8], output: &mut [u8]) -> Result<(), Failure> {
    let params = Params::default().octets(c"pub", u);
    let peer = Pkey::from_params(library, Algorithm::X25519, Parts::Public, params)?;
    let mut length = output.len();
    // SAFETY: context and key are valid, the context is this thread's and takes a reference of its own on the key;
    // `length` says how much room `output` has. The peer needs no validation: every u is one (RFC 7748, 5).
    unsafe {
        check("X25519", ossl::EVP_PKEY_derive_set_peer_ex(context.as_ptr(), peer.as_ptr(), 0))?;
        check("X25519", ossl::EVP_PKEY_derive(context.as_ptr(), output.as_mut_ptr(), &mut length))?;
    }
    if length == output.len() { Ok(()) } else { Err(Failure::OpenSsl("X25519")) }
}

/// Whether X25519 is zero for this `u` and every scalar.
///
/// A clamped scalar is 8 k with 2^251 <= k < 2^252, less than the orders of the large subgroups of the curve and of
/// its twist, so the result is zero exactly for the points whose order divides 8.
fn has_zero_result(u: &[u8]) -> bool {
    let Ok(mut u) = <[u8; 32]>::try_from(u) else { return false };
    // The function ignores the top bit (RFC 7748, 5).
    u[31] &= 0x7f;
    SMALL_ORDER.contains(&u)
}

/// The u of the points of small order on Curve25519 and its twist, little-endian: 0, 1, two of order 8, -1, and the
/// prime and the prime plus 1, which are 0 and 1 again.
#[rustfmt::skip]
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    first_and_rest(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
        0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
        0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    first_and_rest(0xec, 0xff, 0x7f),
    first_and_rest(0xed, 0xff, 0x7f),
    first_and_rest(0xee, 0xff, 0x7f),
];

const fn first_and_rest(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}
