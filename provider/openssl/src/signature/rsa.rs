//! RSA signatures. Offloaded: signing, with PKCS#1 v1.5, PSS and X9.31, with a digest or without, and with no padding.
//!
//! Verifying, and recovering what was signed, stay with the software provider: the public operation is some thirty times cheaper
//! than the private one, about what a request costs by itself.
//!
//! A key for PSS alone restricts digests and salt. The software provider's operation carries these restrictions and refuses
//! settings that break them, so what is read from it here is allowed.

use std::ffi::{CStr, CString, c_int, c_void};
use std::sync::Arc;

use hotspare_device::{Key, KeyMaterial, Kind, Request};
use openssl_sys::OSSL_PARAM;

use crate::context::{Context, Refused};
use crate::core::errors::Reason;
use crate::core::params::{self, END};
use crate::digest::Digest;
use crate::ffi::functions::Signature;
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::{ProviderKey, rsa as keys};
use crate::operation::{DIGEST_NAME_BYTES, Outcome};
use crate::signature::{Scheme, Verdict, entries, pkcs1, pss, x931};
use crate::software::Software;

/// An RSA signature's settings.
pub(crate) struct Rsa {
    padding: c_int,
    digest: Option<Named>,
    mgf1: Option<Named>,
    salt: c_int,
}

struct Named {
    name: CString,
    digest: Digest,
}

/// The functions.
pub(crate) static FUNCTIONS: Constant<[Dispatch; Signature::COUNT + 1]> = Constant(
    Signature {
        verify_recover_init: Some(entries::verify_recover_init::<Rsa>),
        verify_recover: Some(entries::verify_recover::<Rsa>),
        ..entries::common::<Rsa>()
    }
    .dispatch(),
);

impl Scheme for Rsa {
    fn functions(software: &Software) -> &Signature {
        &software.rsa_signature
    }

    unsafe fn share(pointer: *const c_void) -> Option<Arc<ProviderKey>> {
        // SAFETY: as the caller says.
        unsafe { keys::share(pointer) }
    }

    fn verifying_key(_key: &ProviderKey) -> Option<Key> {
        None
    }

    fn kind(key: &Key) -> Kind {
        keys::private_kind(key)
    }

    fn read(software: &Software, operation: *mut c_void) -> Option<Self> {
        let (mut padding, mut salt) = (0, 0);
        let (mut digest, mut mgf1) = ([0; DIGEST_NAME_BYTES], [0; DIGEST_NAME_BYTES]);
        let mut asked = [
            params::integer(names::PAD_MODE, &mut padding),
            params::integer(names::PSS_SALT_LENGTH, &mut salt),
            params::utf8(names::DIGEST, &mut digest),
            params::utf8(names::MGF1_DIGEST, &mut mgf1),
            END,
        ];
        let get = software.rsa_signature.get_ctx_params?;
        // SAFETY: the operation is the software provider's; the list ends with END and its places outlive the call.
        if unsafe { get(operation, asked.as_mut_ptr()) } != 1 {
            return None;
        }
        let digest = named(software, &digest)?;
        let mgf1 = named(software, &mgf1)?;
        Some(Self { padding, digest, mgf1, salt })
    }

    fn sign(&self, context: &Context, key: &Key, digest: &[u8], output: &mut [u8]) -> Outcome {
        let KeyMaterial::Rsa(numbers) = key.material() else { return Outcome::Software };
        let length = numbers.modulus.len();
        let Some(output) = output.get_mut(..length) else { return Outcome::Software };
        if self.digest.as_ref().is_some_and(|named| named.digest.size() != digest.len()) {
            return Outcome::Software;
        }
        // The encoded message is built in place, and then replaced by the signature.
        let encoded = match self.padding {
            names::PADDING_PKCS1 => self.encode_pkcs1(output, digest),
            names::PADDING_PSS => {
                match self.encode_pss(context, output, keys::bits(&numbers.modulus), digest) {
                    Ok(encoded) => encoded,
                    Err(NoRandom) => return Outcome::Failed,
                }
            }
            names::PADDING_X931 => self.encode_x931(output, digest),
            names::PADDING_NONE if self.digest.is_none() && digest.len() == length => {
                output.copy_from_slice(digest);
                Some(())
            }
            _ => None,
        };
        if encoded.is_none() {
            return Outcome::Software;
        }
        let Ok(request) = Request::rsa_private(key, output) else { return Outcome::Software };
        match context.execute(request) {
            Ok(signature) if signature.len() == length => {
                output.copy_from_slice(&signature);
                if self.padding == names::PADDING_X931 {
                    x931::lesser(output, &numbers.modulus);
                }
                Outcome::Done(length)
            }
            Ok(_) | Err(Refused::Invalid) => Outcome::Software,
            Err(Refused::Raised) => Outcome::Failed,
        }
    }

    fn verify(&self, _context: &Context, _key: &Key, _digest: &[u8], _signature: &[u8]) -> Verdict {
        Verdict::Software
    }

    fn with_params<T>(&self, then: impl FnOnce(*const OSSL_PARAM) -> T) -> T {
        let (mut padding, mut salt) = (self.padding, self.salt);
        let mut list = vec![];
        if let Some(digest) = &self.digest {
            list.push(params::utf8_value(names::DIGEST, &digest.name));
        }
        list.push(params::integer(names::PAD_MODE, &mut padding));
        if self.padding == names::PADDING_PSS {
            list.push(params::integer(names::PSS_SALT_LENGTH, &mut salt));
            if let Some(mgf1) = &self.mgf1 {
                list.push(params::utf8_value(names::MGF1_DIGEST, &mgf1.name));
            }
        }
        list.push(END);
        then(list.as_ptr())
    }
}

struct NoRandom;

impl Rsa {
    fn encode_pkcs1(&self, block: &mut [u8], digest: &[u8]) -> Option<()> {
        let prefix = match &self.digest {
            Some(named) => pkcs1::prefix(named.digest.nid())?,
            None => &[],
        };
        pkcs1::encode(block, prefix, digest)
    }

    fn encode_x931(&self, block: &mut [u8], digest: &[u8]) -> Option<()> {
        let number = match &self.digest {
            Some(named) => Some(x931::number(named.digest.nid())?),
            None => None,
        };
        x931::encode(block, digest, number)
    }

    fn encode_pss(
        &self,
        context: &Context,
        block: &mut [u8],
        bits: usize,
        message_digest: &[u8],
    ) -> Result<Option<()>, NoRandom> {
        let Some(digest) = &self.digest else { return Ok(None) };
        let mgf1 = self.mgf1.as_ref().unwrap_or(digest);
        let Some(length) = self.salt_length(bits, digest.digest.size()) else { return Ok(None) };
        let mut salt = [0; hotspare_device::key::RSA_MAX_BYTES];
        let Some(salt) = salt.get_mut(..length) else { return Ok(None) };
        if !context.software().is_some_and(|software| software.random(salt)) {
            context.core().raise(Reason::Random, "for the salt of a PSS signature");
            return Err(NoRandom);
        }
        Ok(pss::encode(block, bits, (&digest.digest, message_digest), &mgf1.digest, salt))
    }

    /// How long the salt is; `None` if it does not fit.
    fn salt_length(&self, bits: usize, digest: usize) -> Option<usize> {
        let most = pss::salt_max(bits, digest)?;
        match self.salt {
            names::SALT_DIGEST => Some(digest).filter(|length| *length <= most),
            names::SALT_AUTO | names::SALT_MAX => Some(most),
            names::SALT_AUTO_DIGEST_MAX => Some(digest.min(most)),
            length => usize::try_from(length).ok().filter(|length| *length <= most),
        }
    }
}

/// The digest that a parameter names: `Some(None)` if it names none, `None` if there is no such digest.
#[allow(clippy::option_option, reason = "no digest and an unknown digest lead to different places")]
fn named(software: &Software, name: &[u8]) -> Option<Option<Named>> {
    let name = CStr::from_bytes_until_nul(name).ok()?;
    if name.is_empty() {
        return Some(None);
    }
    software.digest(name).map(|digest| Some(Named { name: name.to_owned(), digest }))
}
