//! The functions X25519 and X448 (RFC 7748, 5).

use hotspare_device::{InvalidRequest, MontgomeryCurve, MontgomeryKey};
use once_cell::race::OnceBox;
use openssl_sys as ossl;

use crate::failure::{Failure, check};
use crate::ffi;
use crate::library::Library;
use crate::params::Params;
use crate::pkey::{Algorithm, Context, Parts, Pkey};
use crate::pool::ContextPool;

/// In the place of a public key that nobody needs.
const NO_PUBLIC_KEY: [u8; MontgomeryCurve::X448.field_bytes()] = [0; MontgomeryCurve::X448.field_bytes()];

/// A scalar ready for use.
pub(crate) struct PreparedMontgomery {
    contexts: ContextPool,
    // Made in the form that its first use needs. If two threads come at once, both make one and one wins: nobody waits.
    key: OnceBox<Imported>,
    algorithm: Algorithm,
    curve: MontgomeryCurve,
}

impl PreparedMontgomery {
    pub(crate) fn new(key: &MontgomeryKey) -> Result<Self, Failure> {
        let (contexts, curve) = (ContextPool::new(), key.curve);
        Ok(Self { contexts, key: OnceBox::new(), algorithm: algorithm(curve)?, curve })
    }

    /// The product of the scalar of `key`, from which this was made, and `u`.
    pub(crate) fn multiply(
        &self,
        library: &Library,
        key: &MontgomeryKey,
        u: &[u8],
        output: &mut [u8],
    ) -> Result<(), Failure> {
        if is_base(self.curve, u) {
            return self.multiply_base(library, key, output);
        }
        let new_peer = || {
            let peer = Params::default().octets(c"pub", u);
            Pkey::from_params(library, self.algorithm, Parts::Public, peer)
        };
        // A peer that was another before: importing one takes 1 us, of 27 in all (X25519, measured).
        let result = library.makers().peers(self.curve).with(new_peer, |peer| {
            peer.change_public(u)?;
            self.contexts.with(|| self.start(library, key), |context| self.derive(context, peer, output))
        });
        // OpenSSL refuses to give out an all-zero result. Whether zeros are acceptable is for the caller to judge
        // here (RFC 7748, 6), as it is when a device computes, so the refusal is turned back into the result.
        if result.is_err() && small_order::has_zero_result(self.curve, u) {
            output.fill(0);
            return Ok(());
        }
        result
    }

    /// The product of the scalar and the base point: the public key, which OpenSSL computes when it imports a private key
    /// without one. That takes 25 us instead of the 31 of a product with any u and a new key (X25519, measured; X448 gains a
    /// little as well), and the key is there for the agreement that follows.
    fn multiply_base(
        &self,
        library: &Library,
        key: &MontgomeryKey,
        output: &mut [u8],
    ) -> Result<(), Failure> {
        if let Some(kept) = self.key.get().filter(|kept| kept.has_public) {
            return kept.public(output);
        }
        let imported = Imported::with_public(library, self.algorithm, key)?;
        imported.public(output)?;
        // A key that is there already was imported for other products, and serves them as well.
        drop(self.key.set(Box::new(imported)));
        Ok(())
    }

    fn start(&self, library: &Library, key: &MontgomeryKey) -> Result<Context, Failure> {
        let import = || Imported::for_products(library, self.algorithm, key).map(Box::new);
        let context = self.key.get_or_try_init(import)?.key.context(library)?;
        // SAFETY: the context is valid and ours.
        check(self.name(), unsafe { ossl::EVP_PKEY_derive_init(context.as_ptr()) })?;
        Ok(context)
    }

    fn derive(&self, context: &mut Context, peer: &Pkey, output: &mut [u8]) -> Result<(), Failure> {
        let what = self.name();
        let mut length = output.len();
        // SAFETY: context and key are valid, the context is this thread's and takes a reference of its own on the key;
        // `length` says how much room `output` has. The peer needs no validation: every u is one (RFC 7748, 5).
        unsafe {
            check(what, ossl::EVP_PKEY_derive_set_peer_ex(context.as_ptr(), peer.as_ptr(), 0))?;
            check(what, ossl::EVP_PKEY_derive(context.as_ptr(), output.as_mut_ptr(), &mut length))?;
        }
        if length == output.len() { Ok(()) } else { Err(Failure::OpenSsl(what)) }
    }

    /// For messages.
    fn name(&self) -> &'static str {
        if self.curve == MontgomeryCurve::X448 { "X448" } else { "X25519" }
    }
}

/// A private key in OpenSSL's form.
struct Imported {
    key: Pkey,
    has_public: bool,
}

impl Imported {
    /// For products with any u.
    fn for_products(library: &Library, algorithm: Algorithm, key: &MontgomeryKey) -> Result<Self, Failure> {
        if !library.is_in_libcrypto() {
            // Other providers may check that the two halves belong together.
            return Self::with_public(library, algorithm, key);
        }
        // Without a public key OpenSSL computes one, which takes as long as what is asked for; an ephemeral key is used
        // once, so that counts. The function never looks at it, and nobody else sees this key.
        let public = &NO_PUBLIC_KEY[..key.curve.field_bytes()];
        let params = Params::default().octets(c"priv", &key.scalar).octets(c"pub", public);
        let key = Pkey::from_params(library, algorithm, Parts::Pair, params)?;
        Ok(Self { key, has_public: false })
    }

    /// With its public key.
    fn with_public(library: &Library, algorithm: Algorithm, key: &MontgomeryKey) -> Result<Self, Failure> {
        let params = Params::default().octets(c"priv", &key.scalar);
        let key = Pkey::from_params(library, algorithm, Parts::Pair, params)?;
        Ok(Self { key, has_public: true })
    }

    /// Writes its public key.
    fn public(&self, output: &mut [u8]) -> Result<(), Failure> {
        let what = "reading a public key";
        let mut length = 0;
        // SAFETY: the key is valid; the slice says how much room it has.
        check(what, unsafe {
            let (bytes, room) = (output.as_mut_ptr(), output.len());
            let (key, name) = (self.key.as_ptr(), c"pub".as_ptr());
            ffi::EVP_PKEY_get_octet_string_param(key, name, bytes, room, &mut length)
        })?;
        if length == output.len() { Ok(()) } else { Err(Failure::OpenSsl(what)) }
    }
}

fn is_base(curve: MontgomeryCurve, u: &[u8]) -> bool {
    u.split_first().is_some_and(|(first, rest)| *first == curve.base() && rest.iter().all(|byte| *byte == 0))
}

fn algorithm(curve: MontgomeryCurve) -> Result<Algorithm, Failure> {
    match curve {
        MontgomeryCurve::X25519 => Ok(Algorithm::X25519),
        MontgomeryCurve::X448 => Ok(Algorithm::X448),
        _ => Err(InvalidRequest::KeyNumber("the software path does not have this curve").into()),
    }
}

/// The u for which the result is zero, whatever the scalar.
///
/// They are the u of the points whose order divides the cofactor (8 and 4) of a curve or of its twist, since a clamped
/// scalar is a multiple of that. For X25519 there are no others: the scalar is 8 k with 2^251 <= k < 2^252, less than the orders of
/// the large subgroups. Of the 2^445 scalars of X448 a single one, four times the order of its large subgroup, makes every point
/// of the curve zero; OpenSSL's refusal stays an error with that one, which nobody draws.
mod small_order {
    use hotspare_device::MontgomeryCurve;

    pub(super) fn has_zero_result(curve: MontgomeryCurve, u: &[u8]) -> bool {
        match curve {
            MontgomeryCurve::X25519 => {
                let Ok(mut u) = <[u8; 32]>::try_from(u) else { return false };
                // The function ignores the top bit (RFC 7748, 5).
                u[31] &= 0x7f;
                X25519.contains(&u)
            }
            MontgomeryCurve::X448 => X448.iter().any(|small| small == u),
            _ => false,
        }
    }

    /// Little-endian, on Curve25519 and its twist: 0, 1, two of order 8, -1, and the prime and the prime plus 1, which are 0
    /// and 1 again.
    #[rustfmt::skip]
    const X25519: [[u8; 32]; 7] = [
        [0; 32],
        first_middle_last(1, 0, 0),
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
            0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
            0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
        ],
        first_middle_last(0xec, 0xff, 0x7f),
        first_middle_last(0xed, 0xff, 0x7f),
        first_middle_last(0xee, 0xff, 0x7f),
    ];

    /// Little-endian, on Curve448 and its twist: 0 (order 2), 1 and -1 (order 4), and the prime, 2^448 - 2^224 - 1, and the prime
    /// plus 1, which are 0 and 1 again.
    const X448: [[u8; 56]; 5] = [
        [0; 56],
        low_and_high([1, 0], [0, 0]),
        low_and_high([0xfe, 0xff], [0xfe, 0xff]),
        low_and_high([0xff, 0xff], [0xfe, 0xff]),
        low_and_high([0, 0], [0xff, 0xff]),
    ];

    const fn first_middle_last(first: u8, middle: u8, last: u8) -> [u8; 32] {
        let mut bytes = [middle; 32];
        bytes[0] = first;
        bytes[31] = last;
        bytes
    }

    /// From the first byte of each half, and what the rest of that half is filled with.
    const fn low_and_high(low: [u8; 2], high: [u8; 2]) -> [u8; 56] {
        let mut bytes = [high[1]; 56];
        let mut place = 0;
        while place < 28 {
            bytes[place] = low[1];
            place += 1;
        }
        bytes[0] = low[0];
        bytes[28] = high[0];
        bytes
    }
}
