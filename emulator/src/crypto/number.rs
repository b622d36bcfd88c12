//! Big numbers of aws-lc, owned: each type frees, and by that wipes, what it holds.
//!
//! aws-lc's `OPENSSL_free` overwrites every block that it gives back, so nothing secret outlives these values.

use std::ptr::NonNull;

use aws_lc_sys as lc;

/// The library could not do it: a number out of range, no inverse, an even modulus, no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// 1 is success for nearly every function of aws-lc. The queue of error texts is emptied: nobody reads it.
pub(super) fn done(code: std::os::raw::c_int) -> Result<(), Refused> {
    if code == 1 {
        return Ok(());
    }
    // SAFETY: touches only the queue of the calling thread.
    unsafe { lc::ERR_clear_error() };
    Err(Refused)
}

/// Room for intermediate results. One for each thread.
pub(crate) struct Context(NonNull<lc::BN_CTX>);

// SAFETY: plain memory without ties to the thread that made it; used through `&mut`, so by one thread at a time.
unsafe impl Send for Context {}

impl Context {
    pub(crate) fn new() -> Result<Self, Refused> {
        // SAFETY: no arguments; null is handled.
        NonNull::new(unsafe { lc::BN_CTX_new() }).map(Self).ok_or(Refused)
    }

    pub(super) fn as_ptr(&mut self) -> *mut lc::BN_CTX {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by BN_CTX_new, owned by this value alone.
        unsafe { lc::BN_CTX_free(self.0.as_ptr()) };
    }
}

/// A non-negative number.
pub(crate) struct Number(NonNull<lc::BIGNUM>);

// SAFETY: plain memory without ties to the thread that made it, changed through `&mut` only.
unsafe impl Send for Number {}

impl Number {
    pub(crate) fn new() -> Result<Self, Refused> {
        // SAFETY: no arguments; null is handled.
        NonNull::new(unsafe { lc::BN_new() }).map(Self).ok_or(Refused)
    }

    /// From big-endian bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Refused> {
        let number = Self::new()?;
        // SAFETY: the pointer and length are those of a live slice; the target is a live number of ours.
        let made = unsafe { lc::BN_bin2bn(bytes.as_ptr(), bytes.len(), number.0.as_ptr()) };
        if made.is_null() { Err(Refused) } else { Ok(number) }
    }

    /// From little-endian bytes.
    pub(crate) fn from_little_endian(bytes: &[u8]) -> Result<Self, Refused> {
        let number = Self::new()?;
        // SAFETY: the pointer and length are those of a live slice; the target is a live number of ours.
        let made = unsafe { lc::BN_le2bn(bytes.as_ptr(), bytes.len(), number.0.as_ptr()) };
        if made.is_null() { Err(Refused) } else { Ok(number) }
    }

    /// A copy of a number of the library's.
    ///
    /// # Safety
    /// `number` is null or a live number.
    pub(super) unsafe fn copy_of(number: *const lc::BIGNUM) -> Result<Self, Refused> {
        // SAFETY: the caller's promise; null gives null.
        NonNull::new(unsafe { lc::BN_dup(number) }).map(Self).ok_or(Refused)
    }

    /// A copy.
    pub(crate) fn duplicate(&self) -> Result<Self, Refused> {
        // SAFETY: a live number.
        unsafe { Self::copy_of(self.as_ptr()) }
    }

    /// As little-endian bytes that fill `out`; refused if it has more.
    pub(crate) fn write_little_endian_to(&self, out: &mut [u8]) -> Result<(), Refused> {
        // SAFETY: writes exactly `out.len()` bytes, or fails if the number is longer.
        done(unsafe { lc::BN_bn2le_padded(out.as_mut_ptr(), out.len(), self.as_ptr()) })
    }

    /// As big-endian bytes that fill `out`; refused if it has more.
    pub(crate) fn write_to(&self, out: &mut [u8]) -> Result<(), Refused> {
        // SAFETY: writes exactly `out.len()` bytes, or fails if the number is longer.
        done(unsafe { lc::BN_bn2bin_padded(out.as_mut_ptr(), out.len(), self.as_ptr()) })
    }

    pub(crate) fn is_zero(&self) -> bool {
        // SAFETY: a live number.
        unsafe { lc::BN_is_zero(self.as_ptr()) == 1 }
    }

    pub(crate) fn bits(&self) -> u32 {
        // SAFETY: a live number.
        unsafe { lc::BN_num_bits(self.as_ptr()) }
    }

    pub(crate) fn is_below(&self, other: &Self) -> bool {
        // SAFETY: live numbers.
        unsafe { lc::BN_ucmp(self.as_ptr(), other.as_ptr()) < 0 }
    }

    /// `self * other`.
    pub(crate) fn times(&self, other: &Self, context: &mut Context) -> Result<Self, Refused> {
        let mut product = Self::new()?;
        // SAFETY: live numbers; the result is none of the operands.
        done(unsafe { lc::BN_mul(product.as_mut_ptr(), self.as_ptr(), other.as_ptr(), context.as_ptr()) })?;
        Ok(product)
    }

    /// `self + other`.
    pub(crate) fn plus(&self, other: &Self) -> Result<Self, Refused> {
        let mut sum = Self::new()?;
        // SAFETY: live numbers.
        done(unsafe { lc::BN_add(sum.as_mut_ptr(), self.as_ptr(), other.as_ptr()) })?;
        Ok(sum)
    }

    /// `self - small`, which is not negative.
    pub(crate) fn minus_small(&self, small: u8) -> Result<Self, Refused> {
        let mut difference = Self::new()?;
        let small = Self::from_bytes(&[small])?;
        // SAFETY: live numbers.
        done(unsafe { lc::BN_sub(difference.as_mut_ptr(), self.as_ptr(), small.as_ptr()) })?;
        Ok(difference)
    }

    pub(super) fn as_ptr(&self) -> *const lc::BIGNUM {
        self.0.as_ptr()
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut lc::BIGNUM {
        self.0.as_ptr()
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        // SAFETY: made by BN_new, owned by this value alone; its digits are wiped.
        unsafe { lc::BN_clear_free(self.0.as_ptr()) };
    }
}

/// A modulus with what Montgomery multiplication needs. Everything here takes its operands and the modulus for secret,
/// but for [`Modulus::reduce`] of very long numbers.
pub(crate) struct Modulus {
    number: Number,
    prepared: NonNull<lc::BN_MONT_CTX>,
}

// SAFETY: the prepared part is only read after it was made (aws-lc shares such values between threads itself).
unsafe impl Send for Modulus {}

impl Modulus {
    /// Of an odd number.
    pub(crate) fn new(number: Number, context: &mut Context) -> Result<Self, Refused> {
        // SAFETY: live number and context; null is handled.
        let prepared = unsafe { lc::BN_MONT_CTX_new_consttime(number.as_ptr(), context.as_ptr()) };
        match NonNull::new(prepared) {
            Some(prepared) => Ok(Self { number, prepared }),
            None => Err(done(0).err().unwrap_or(Refused)),
        }
    }

    pub(crate) fn number(&self) -> &Number {
        &self.number
    }

    /// `number` modulo this. In constant time if it is shorter than modulus and machine words of it together, as the
    /// numbers of a well-formed RSA key are.
    pub(crate) fn reduce(&self, number: &Number, context: &mut Context) -> Result<Number, Refused> {
        let bits = self.number.bits();
        if number.bits() < bits.saturating_add(bits.next_multiple_of(usize::BITS)) {
            // number < modulus * R, the range that the library asks for. So this is number / R, and the way back gives
            // number, both modulo the modulus.
            let rest = self.montgomery_reduced(number, context)?;
            return self.to_montgomery(&rest, context);
        }
        let mut rest = Number::new()?;
        // SAFETY: live values; the modulus is not zero (it is odd).
        done(unsafe {
            lc::BN_nnmod(rest.as_mut_ptr(), number.as_ptr(), self.number.as_ptr(), context.as_ptr())
        })?;
        Ok(rest)
    }

    /// `base ^ exponent`; refused unless `base` is below the modulus.
    pub(crate) fn power(
        &self,
        base: &Number,
        exponent: &Number,
        context: &mut Context,
    ) -> Result<Number, Refused> {
        let mut power = Number::new()?;
        // SAFETY: live values; the prepared part belongs to this modulus.
        done(unsafe {
            lc::BN_mod_exp_mont_consttime(
                power.as_mut_ptr(),
                base.as_ptr(),
                exponent.as_ptr(),
                self.number.as_ptr(),
                context.as_ptr(),
                self.prepared.as_ptr(),
            )
        })?;
        Ok(power)
    }

    /// `a - b`, both below the modulus.
    pub(crate) fn difference(&self, a: &Number, b: &Number) -> Result<Number, Refused> {
        let mut difference = Number::new()?;
        self.subtract(&mut difference, a, b)?;
        Ok(difference)
    }

    /// `a * b`, both below the modulus.
    pub(crate) fn product(&self, a: &Number, b: &Number, context: &mut Context) -> Result<Number, Refused> {
        // (a * R) * b / R.
        let a = self.to_montgomery(a, context)?;
        let mut product = Number::new()?;
        self.multiply(&mut product, &a, b, context)?;
        Ok(product)
    }

    /// `result = a * b / R`: the product of Montgomery forms. Both are below the modulus.
    pub(crate) fn multiply(
        &self,
        result: &mut Number,
        a: &Number,
        b: &Number,
        context: &mut Context,
    ) -> Result<(), Refused> {
        // SAFETY: live values; both operands are below the modulus, as the caller promises (otherwise the result is
        // merely not reduced).
        done(unsafe {
            lc::BN_mod_mul_montgomery(
                result.as_mut_ptr(),
                a.as_ptr(),
                b.as_ptr(),
                self.prepared.as_ptr(),
                context.as_ptr(),
            )
        })
    }

    /// `result = a + b`, both below the modulus.
    pub(crate) fn add(&self, result: &mut Number, a: &Number, b: &Number) -> Result<(), Refused> {
        // SAFETY: live values.
        done(unsafe {
            lc::BN_mod_add_quick(result.as_mut_ptr(), a.as_ptr(), b.as_ptr(), self.number.as_ptr())
        })
    }

    /// `result = a - b`, both below the modulus.
    pub(crate) fn subtract(&self, result: &mut Number, a: &Number, b: &Number) -> Result<(), Refused> {
        // SAFETY: live values.
        done(unsafe {
            lc::BN_mod_sub_quick(result.as_mut_ptr(), a.as_ptr(), b.as_ptr(), self.number.as_ptr())
        })
    }

    /// `number / R`: back from Montgomery form.
    pub(crate) fn montgomery_reduced(
        &self,
        number: &Number,
        context: &mut Context,
    ) -> Result<Number, Refused> {
        let mut result = Number::new()?;
        // SAFETY: live values.
        done(unsafe {
            lc::BN_from_montgomery(
                result.as_mut_ptr(),
                number.as_ptr(),
                self.prepared.as_ptr(),
                context.as_ptr(),
            )
        })?;
        Ok(result)
    }

    /// `number * R`: into Montgomery form.
    pub(crate) fn to_montgomery(&self, number: &Number, context: &mut Context) -> Result<Number, Refused> {
        let mut result = Number::new()?;
        // SAFETY: live values.
        done(unsafe {
            lc::BN_to_montgomery(
                result.as_mut_ptr(),
                number.as_ptr(),
                self.prepared.as_ptr(),
                context.as_ptr(),
            )
        })?;
        Ok(result)
    }
}

impl Drop for Modulus {
    fn drop(&mut self) {
        // SAFETY: made by BN_MONT_CTX_new_consttime, owned by this value alone.
        unsafe { lc::BN_MONT_CTX_free(self.prepared.as_ptr()) };
    }
}
