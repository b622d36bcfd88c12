//! Modular exponentiation: a Diffie-Hellman agreement (SP 800-56A, 5.7.1.1), or a key's public number.
//!
//! For the default provider, whose code is libcrypto's own, this calls the function that its Diffie-Hellman ends in,
//! which takes time and touches memory independently of the exponent (up to whole words of leading zeros). It takes every base.
//!
//! Other providers compute inside a boundary of their own. They give no exponentiation, but their Diffie-Hellman is one: base^exponent
//! is what the owner of `exponent` shares with the one who published `base`. What such a provider refuses stays refused:
//!
//! - moduli that it does not take (the fips provider: all but the safe primes of RFC 7919 and RFC 3526, and large enough
//!   ones),
//! - a base outside the subgroup in which an agreement takes place, if the provider knows that, and a result of 1.
//!
//! 0, 1 and -1 are no public keys either; their powers need no provider.

use hotspare_device::ModExpKey;
use openssl_sys as ossl;

use crate::failure::{Failure, check};
use crate::ffi;
use crate::library::Library;
use crate::number::{Modulus, Number, Scratch};
use crate::params::Params;
use crate::pkey::{Algorithm, Context, Parts, Pkey};
use crate::pool::ContextPool;

const WHAT: &str = "modular exponentiation";

/// An exponent with its modulus, ready for use.
pub(crate) enum PreparedModExp {
    InLibcrypto(Power),
    Elsewhere(Agreement),
}

impl PreparedModExp {
    pub(crate) fn new(library: &Library, key: &ModExpKey) -> Result<Self, Failure> {
        if library.is_in_libcrypto() {
            Power::new(library, key).map(Self::InLibcrypto)
        } else {
            Agreement::new(library, key).map(Self::Elsewhere)
        }
    }

    /// Writes `base` to the power of the exponent of `key`, from which this was made. `base` is below the modulus and
    /// as long as it.
    pub(crate) fn raise(
        &self,
        library: &Library,
        key: &ModExpKey,
        base: &[u8],
        output: &mut [u8],
    ) -> Result<(), Failure> {
        match self {
            Self::InLibcrypto(power) => power.raise(library, base, output),
            Self::Elsewhere(agreement) => agreement.raise(library, key, base, output),
        }
    }
}

/// With libcrypto's numbers.
pub(crate) struct Power {
    modulus: Modulus,
    exponent: Number,
}

impl Power {
    fn new(library: &Library, key: &ModExpKey) -> Result<Self, Failure> {
        let modulus = Modulus::new(library, &key.modulus)?;
        Ok(Self { modulus, exponent: Number::new(&key.exponent)? })
    }

    fn raise(&self, library: &Library, base: &[u8], output: &mut [u8]) -> Result<(), Failure> {
        // Made for this operation and wiped with it: what is left in it is secret.
        let scratch = Scratch::new(library)?;
        let power = self.modulus.power(&Number::public(base)?, &self.exponent, &scratch)?;
        power.write(output)
    }
}

/// With a provider's Diffie-Hellman.
pub(crate) struct Agreement {
    contexts: ContextPool,
    key: Pkey,
}

/// The generator of RFC 7919 and RFC 3526, by which providers know their groups. An agreement does not use it.
const GENERATOR: [u8; 1] = [2];

impl Agreement {
    fn new(library: &Library, key: &ModExpKey) -> Result<Self, Failure> {
        let params = group(key).integer(c"priv", &key.exponent);
        let key = Pkey::from_params(library, Algorithm::Dh, Parts::Pair, params)?;
        Ok(Self { contexts: ContextPool::new(), key })
    }

    fn raise(
        &self,
        library: &Library,
        key: &ModExpKey,
        base: &[u8],
        output: &mut [u8],
    ) -> Result<(), Failure> {
        match Trivial::of(base, &key.modulus) {
            Some(Trivial::ZeroOrOne) => output.copy_from_slice(base),
            // What follows from the last bit of the exponent is what the result shows.
            Some(Trivial::MinusOne) if key.exponent.last().is_some_and(|last| last & 1 == 1) => {
                output.copy_from_slice(base);
            }
            Some(Trivial::MinusOne) => {
                output.fill(0);
                output[base.len() - 1] = 1;
            }
            None => {
                let peer = group(key).integer(c"pub", base);
                let peer = Pkey::from_params(library, Algorithm::Dh, Parts::Public, peer)?;
                self.contexts.with(|| self.start(library), |context| derive(context, &peer, output))?;
            }
        }
        Ok(())
    }

    fn start(&self, library: &Library) -> Result<Context, Failure> {
        let context = self.key.context(library)?;
        // SAFETY: the context is valid and ours.
        unsafe {
            check(WHAT, ossl::EVP_PKEY_derive_init(context.as_ptr()))?;
            // Results keep the length of the modulus.
            check(WHAT, ffi::EVP_PKEY_CTX_set_dh_pad(context.as_ptr(), 1))?;
        }
        Ok(context)
    }
}

fn group(key: &ModExpKey) -> Params<'_> {
    Params::default().integer(c"p", &key.modulus).integer(c"g", &GENERATOR)
}

fn derive(context: &mut Context, peer: &Pkey, output: &mut [u8]) -> Result<(), Failure> {
    let mut length = output.len();
    // SAFETY: context and key are valid, the context is this thread's; `length` says how much room `output` has.
    unsafe {
        check(WHAT, ossl::EVP_PKEY_derive_set_peer_ex(context.as_ptr(), peer.as_ptr(), 0))?;
        check(WHAT, ossl::EVP_PKEY_derive(context.as_ptr(), output.as_mut_ptr(), &mut length))?;
    }
    if length == output.len() { Ok(()) } else { Err(Failure::OpenSsl(WHAT)) }
}

/// A base whose powers are known.
enum Trivial {
    ZeroOrOne,
    MinusOne,
}

impl Trivial {
    fn of(base: &[u8], modulus: &[u8]) -> Option<Self> {
        let ((last, first), (modulus_last, modulus_first)) = (base.split_last()?, modulus.split_last()?);
        if *last <= 1 && first.iter().all(|byte| *byte == 0) {
            return Some(Self::ZeroOrOne);
        }
        // The modulus is odd, so its last byte is not 0.
        (first == modulus_first && *last == modulus_last - 1).then_some(Self::MinusOne)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the default provider both ways are open, and must agree, on every base.
    #[test]
    fn both_ways_agree() {
        let library = Library::of("default").unwrap();
        let number = |filled: u8| [&[0x11; 20][..], &[filled; 108]].concat();
        let mut composite = vec![0xff; 128];
        composite[100] = 0x0f;
        for modulus in [modp_2048(), composite] {
            let length = modulus.len();
            let mut minus_one = modulus.clone();
            minus_one[length - 1] -= 1;
            let padded = |bytes: &[u8]| [&vec![0; length - bytes.len()][..], bytes].concat();
            let bases =
                [padded(&[]), padded(&[1]), padded(&[2]), padded(&[3]), padded(&number(0x5a)), minus_one];
            for exponent in [vec![1], vec![2], vec![0x42; 28], number(0xa7), number(0x58)] {
                let key = ModExpKey { modulus: modulus.clone(), exponent };
                let (power, agreement) =
                    (Power::new(library, &key).unwrap(), Agreement::new(library, &key).unwrap());
                for base in &bases {
                    let (mut expected, mut agreed) = (vec![0; length], vec![0; length]);
                    power.raise(library, base, &mut expected).unwrap();
                    agreement.raise(library, &key, base, &mut agreed).unwrap();
                    assert_eq!(agreed, expected, "{base:02x?} ^ {:02x?}", key.exponent);
                }
            }
        }
    }

    /// The prime of group 14 of RFC 3526.
    fn modp_2048() -> Vec<u8> {
        let prime = Number::public(&[]).unwrap();
        // SAFETY: the number is valid.
        assert!(!unsafe { ossl::BN_get_rfc3526_prime_2048(prime.as_ptr()) }.is_null());
        let mut bytes = vec![0; 256];
        prime.write(&mut bytes).unwrap();
        bytes
    }
}
