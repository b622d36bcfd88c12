//! RSA decryption in the offload: the bare operation there, the padding taken off here. Encryption is cheap and passed on.
//!
//! PKCS#1 v1.5 answers a bad padding as the installed OpenSSL does: with an error, or (since 3.2, unless it is switched off) with
//! a made-up message.

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::ptr;

use hotspare_device::{Key, KeyMaterial, Request};

use crate::asymcipher::{rejection, tls};
use crate::context::{Context, Refused};
use crate::core::params::{self, END, UNMODIFIED};
use crate::digest::Digest;
use crate::ffi::functions::AsymCipher;
use crate::ffi::libcrypto;
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::operation::{DIGEST_NAME_BYTES, Outcome};
use crate::software::Software;

/// The functions.
pub(crate) static FUNCTIONS: Constant<[Dispatch; AsymCipher::COUNT + 1]> =
    Constant(super::operation::FUNCTIONS.dispatch());

/// How to take the padding off.
pub(super) enum Padding {
    /// There is none.
    None,
    /// PKCS#1 v1.5, with an error for a bad one.
    Pkcs1,
    /// PKCS#1 v1.5, with a made-up message for a bad one; the digest is SHA-256.
    Rejecting(Digest),
    /// OAEP.
    Oaep { digest: Digest, mgf1: Digest, label: Vec<u8> },
    /// PKCS#1 v1.5 around the premaster secret of a TLS handshake.
    Tls(tls::Versions),
}

impl Padding {
    /// The padding of `operation`, an operation of the software provider; `None` if it is not for us.
    pub(super) fn read(software: &Software, operation: *mut c_void) -> Option<Self> {
        let functions = &software.rsa_cipher;
        let get = functions.get_ctx_params?;
        let (mut mode, mut label) = (0, ptr::null());
        let (mut client, mut negotiated, mut rejects): (c_uint, c_uint, c_uint) = (0, 0, 0);
        let (mut digest, mut mgf1) = ([0; DIGEST_NAME_BYTES], [0; DIGEST_NAME_BYTES]);
        let mut asked = [
            params::integer(names::PAD_MODE, &mut mode),
            params::utf8(names::DIGEST, &mut digest),
            params::utf8(names::MGF1_DIGEST, &mut mgf1),
            params::octet_pointer(names::OAEP_LABEL, &mut label),
            params::unsigned(names::TLS_CLIENT_VERSION, &mut client),
            params::unsigned(names::TLS_NEGOTIATED_VERSION, &mut negotiated),
            // Without an answer it stays 0: OpenSSL before 3.2 does not know it.
            params::unsigned(names::IMPLICIT_REJECTION, &mut rejects),
            END,
        ];
        // SAFETY: the operation is the software provider's; the list ends with END and its places outlive the call.
        if unsafe { get(operation, asked.as_mut_ptr()) } != 1 {
            return None;
        }
        match mode {
            names::PADDING_NONE => Some(Self::None),
            names::PADDING_PKCS1 if rejects == 0 => Some(Self::Pkcs1),
            names::PADDING_PKCS1 => software.digest(c"SHA256").map(Self::Rejecting),
            names::PADDING_OAEP => {
                let digest = software.digest(CStr::from_bytes_until_nul(&digest).ok()?)?;
                let mgf1 = match CStr::from_bytes_until_nul(&mgf1).ok()? {
                    name if name.is_empty() => digest.clone(),
                    name => software.digest(name)?,
                };
                let length = asked[3].return_size;
                let label = if label.is_null() || length == UNMODIFIED {
                    Vec::new()
                } else {
                    // SAFETY: the software provider answered with the address and length of its label.
                    unsafe { std::slice::from_raw_parts(label.cast::<u8>(), length) }.to_vec()
                };
                Some(Self::Oaep { digest, mgf1, label })
            }
            names::PADDING_TLS => tls::Versions::new(client, negotiated).map(Self::Tls),
            _ => None,
        }
    }

    /// Decrypts `input` with the key in the offload.
    pub(super) fn decrypt(&self, context: &Context, key: &Key, input: &[u8], output: &mut [u8]) -> Outcome {
        let KeyMaterial::Rsa(numbers) = key.material() else { return Outcome::Software };
        let length = numbers.modulus.len();
        // A premaster secret is shorter than any modulus; for other messages their longest length must fit.
        let room = if let Self::Tls(_) = self { tls::PREMASTER_BYTES } else { length };
        if input.len() != length || output.len() < room {
            return Outcome::Software;
        }
        let Ok(request) = Request::rsa_private(key, input) else { return Outcome::Software };
        let padded = match context.execute(request) {
            Ok(padded) if padded.len() == length => padded,
            Ok(_) | Err(Refused::Invalid) => return Outcome::Software,
            Err(Refused::Raised) => return Outcome::Failed,
        };
        let message = match self {
            Self::Tls(versions) => versions.remove(context, &padded, output),
            Self::Rejecting(sha256) => {
                let Some(private) = &numbers.private else { return Outcome::Software };
                rejection::remove(sha256, &private.exponent, input, &padded, output)
            }
            _ => self.remove(&padded, output),
        };
        message.map_or(Outcome::Failed, Outcome::Done)
    }

    /// Takes a padding off that OpenSSL has a public function for; the message's length. Its checks run in constant time and leave
    /// the error, if any.
    fn remove(&self, padded: &[u8], output: &mut [u8]) -> Option<usize> {
        let length = c_int::try_from(padded.len()).ok()?;
        let room = c_int::try_from(output.len()).ok()?;
        let (to, from) = (output.as_mut_ptr(), padded.as_ptr());
        let message = match self {
            Self::Rejecting(_) | Self::Tls(_) => return None,
            Self::None => {
                output.get_mut(..padded.len())?.copy_from_slice(padded);
                length
            }
            // SAFETY: all lengths are those of the slices.
            Self::Pkcs1 => unsafe {
                libcrypto::RSA_padding_check_PKCS1_type_2(to, room, from, length, length)
            },
            Self::Oaep { digest, mgf1, label } => {
                let label_length = c_int::try_from(label.len()).ok()?;
                // SAFETY: all lengths are those of the slices; the digests are alive.
                unsafe {
                    libcrypto::RSA_padding_check_PKCS1_OAEP_mgf1(
                        to,
                        room,
                        from,
                        length,
                        length,
                        label.as_ptr(),
                        label_length,
                        digest.as_ptr(),
                        mgf1.as_ptr(),
                    )
                }
            }
        };
        usize::try_from(message).ok()
    }
}
