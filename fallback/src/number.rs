//! Numbers of any length.

use std::ffi::c_int;
use std::ptr::NonNull;

use openssl_sys as ossl;

use crate::failure::{Failure, check};
use crate::ffi;
use crate::library::Library;

/// Numbers that a computation needs on its way, wiped when it goes.
pub(crate) struct Scratch(NonNull<ossl::BN_CTX>);

impl Scratch {
    pub(crate) fn new(library: &Library) -> Result<Self, Failure> {
        // SAFETY: the library context is valid.
        let scratch = unsafe { ffi::BN_CTX_secure_new_ex(library.context()) };
        NonNull::new(scratch).map(Self).ok_or(Failure::OpenSsl("making room for a computation"))
    }

    pub(crate) fn as_ptr(&self) -> *mut ossl::BN_CTX {
        self.0.as_ptr()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: it is ours alone.
        unsafe { ossl::BN_CTX_free(self.as_ptr()) };
    }
}

/// A number, wiped when it goes. All but those made by [`Number::public`] are taken for secret, and flagged so that OpenSSL
/// computes with them in constant time where it makes a difference.
pub(crate) struct Number(NonNull<ossl::BIGNUM>);

// SAFETY: a BIGNUM has no tie to a thread.
unsafe impl Send for Number {}
// SAFETY: after it was made a number is only read.
unsafe impl Sync for Number {}

impl Number {
    /// The number that these bytes write, the highest first; 0 if there are none.
    pub(crate) fn new(big_endian: &[u8]) -> Result<Self, Failure> {
        let number = Self::public(big_endian)?;
        // SAFETY: the number is valid, and nobody else's.
        unsafe { ossl::BN_set_flags(number.as_ptr(), ossl::BN_FLG_CONSTTIME) };
        Ok(number)
    }

    /// The same, without the flag: a number that anybody may know.
    pub(crate) fn public(big_endian: &[u8]) -> Result<Self, Failure> {
        let what = "making a number";
        // SAFETY: no arguments.
        let number = unsafe { ossl::BN_secure_new() };
        let number = NonNull::new(number).map(Self).ok_or(Failure::OpenSsl(what))?;
        let length = c_int::try_from(big_endian.len()).map_err(|_| Failure::OpenSsl(what))?;
        // SAFETY: the number is valid, and the slice has `length` bytes.
        unsafe {
            if ossl::BN_bin2bn(big_endian.as_ptr(), length, number.as_ptr()).is_null() {
                return Err(Failure::OpenSsl(what));
            }
        }
        Ok(number)
    }

    pub(crate) fn is_zero(&self) -> bool {
        // SAFETY: the number is valid.
        unsafe { ossl::BN_num_bits(self.as_ptr()) == 0 }
    }

    pub(crate) fn is_below(&self, other: &Self) -> bool {
        // SAFETY: both numbers are valid.
        unsafe { ossl::BN_ucmp(self.as_ptr(), other.as_ptr()) < 0 }
    }

    /// The number one higher.
    pub(crate) fn next(self) -> Result<Self, Failure> {
        // SAFETY: the number is valid, and nobody else's.
        check("adding numbers", unsafe { ossl::BN_add_word(self.as_ptr(), 1) })?;
        Ok(self)
    }

    /// Writes the number, the highest byte first, with as many zeros before it as fill `place`.
    pub(crate) fn write(&self, place: &mut [u8]) -> Result<(), Failure> {
        let what = "writing a number";
        let length = c_int::try_from(place.len()).map_err(|_| Failure::OpenSsl(what))?;
        // SAFETY: the number is valid, and `place` has `length` bytes.
        let written = unsafe { ossl::BN_bn2binpad(self.as_ptr(), place.as_mut_ptr(), length) };
        if written == length { Ok(()) } else { Err(Failure::OpenSsl(what)) }
    }

    pub(crate) fn as_ptr(&self) -> *mut ossl::BIGNUM {
        self.0.as_ptr()
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        // SAFETY: the number is ours alone.
        unsafe { ossl::BN_clear_free(self.as_ptr()) };
    }
}

/// An odd modulus, prepared for exponentiations.
pub(crate) struct Modulus {
    prepared: NonNull<ffi::MontgomeryContext>,
    modulus: Number,
}

// SAFETY: after it was made it is only read, and has no tie to a thread.
unsafe impl Send for Modulus {}
// SAFETY: as above.
unsafe impl Sync for Modulus {}

impl Modulus {
    /// The modulus that these bytes write, the highest first. It is public.
    pub(crate) fn new(library: &Library, big_endian: &[u8]) -> Result<Self, Failure> {
        let what = "preparing a modulus";
        let scratch = Scratch::new(library)?;
        let modulus = Number::public(big_endian)?;
        // SAFETY: no arguments.
        let prepared = NonNull::new(unsafe { ffi::BN_MONT_CTX_new() }).ok_or(Failure::OpenSsl(what))?;
        let modulus = Self { prepared, modulus };
        // SAFETY: all are valid, and nobody else has the prepared modulus yet.
        check(what, unsafe {
            ffi::BN_MONT_CTX_set(prepared.as_ptr(), modulus.modulus.as_ptr(), scratch.as_ptr())
        })?;
        Ok(modulus)
    }

    /// `base` to the power of `exponent`, which is secret: time and memory accesses don't depend on it, but for the number of
    /// words that it takes.
    pub(crate) fn power(
        &self,
        base: &Number,
        exponent: &Number,
        scratch: &Scratch,
    ) -> Result<Number, Failure> {
        let power = Number::new(&[])?;
        // SAFETY: all numbers and the scratch are valid. The prepared modulus is only read.
        check("modular exponentiation", unsafe {
            ffi::BN_mod_exp_mont_consttime(
                power.as_ptr(),
                base.as_ptr(),
                exponent.as_ptr(),
                self.modulus.as_ptr(),
                scratch.as_ptr(),
                self.prepared.as_ptr(),
            )
        })?;
        Ok(power)
    }
}

impl Drop for Modulus {
    fn drop(&mut self) {
        // SAFETY: it is ours alone.
        unsafe { ffi::BN_MONT_CTX_free(self.prepared.as_ptr()) };
    }
}
