//! Short byte strings that are taken for secret: operands and results. They lie in a block of their own on the heap, so
//! that moving one moves a pointer: a value held in place would leave a copy of itself on the stack with each move, and
//! nobody would wipe those.

use zeroize::Zeroize;

/// Up to `N` bytes. `Debug` does not show them, and drop wipes them.
pub struct SecretBytes<const N: usize> {
    /// Never grows by itself, which would leave an unwiped block behind: see `make_room`.
    bytes: Vec<u8>,
}

/// More bytes than the place can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes do not fit into {capacity}")]
pub struct TooLong {
    /// How many bytes came.
    pub length: usize,
    /// How many fit.
    pub capacity: usize,
}

impl<const N: usize> SecretBytes<N> {
    /// An empty string. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// A copy of `bytes`.
    ///
    /// # Errors
    /// [`TooLong`] if they are more than `N`.
    pub fn copy_of(bytes: &[u8]) -> Result<Self, TooLong> {
        Self::concatenation(&[bytes])
    }

    /// The `parts`, one after the other, in one block.
    ///
    /// # Errors
    /// [`TooLong`] if they are more than `N` together.
    pub fn concatenation(parts: &[&[u8]]) -> Result<Self, TooLong> {
        let mut whole = Self::new();
        whole.make_room(parts.iter().map(|part| part.len()).sum())?;
        for part in parts {
            whole.extend(part)?;
        }
        Ok(whole)
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`TooLong`] if they don't fit; nothing is appended then.
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.make_room(self.bytes.len() + bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Makes it `length` bytes long and gives them for writing. What was there before stays; bytes that are new
    /// are zero.
    ///
    /// # Errors
    /// [`TooLong`] if `length` is more than `N`.
    pub fn resize(&mut self, length: usize) -> Result<&mut [u8], TooLong> {
        self.make_room(length)?;
        if let Some(cut_off) = self.bytes.get_mut(length..) {
            cut_off.zeroize();
        }
        self.bytes.resize(length, 0);
        Ok(&mut self.bytes)
    }

    /// Sees to a block for `length` bytes, and wipes the one that was too small.
    fn make_room(&mut self, length: usize) -> Result<(), TooLong> {
        if length > N {
            return Err(TooLong { length, capacity: N });
        }
        if length > self.bytes.capacity() {
            let mut larger = Vec::with_capacity(length);
            larger.extend_from_slice(&self.bytes);
            self.wipe();
            self.bytes = larger;
        }
        Ok(())
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, for changing.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Wipes the content; it is empty then. Its block stays for the next content.
    pub fn wipe(&mut self) {
        self.bytes.as_mut_slice().zeroize();
        self.bytes.clear();
    }
}

impl<const N: usize> Clone for SecretBytes<N> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone() }
    }
}

impl<const N: usize> Default for SecretBytes<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Drop for SecretBytes<N> {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl<const N: usize> std::ops::Deref for SecretBytes<N> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl<const N: usize> std::fmt::Debug for SecretBytes<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes (not shown)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_until_full_and_then_refuses_whole() {
        let mut bytes = SecretBytes::<4>::copy_of(b"abc").unwrap();
        assert_eq!(bytes.extend(b"de"), Err(TooLong { length: 5, capacity: 4 }));
        assert_eq!(&*bytes, b"abc");
        bytes.extend(b"d").unwrap();
        assert_eq!(&*bytes, b"abcd");
    }

    #[test]
    fn what_moves_leaves_no_copy_behind_and_a_block_that_is_outgrown_is_wiped() {
        let bytes = SecretBytes::<1024>::concatenation(&[b"ab", b"", b"c"]).unwrap();
        let place = bytes.as_slice().as_ptr();
        let mut moved = std::hint::black_box(bytes);
        assert_eq!(moved.as_slice().as_ptr(), place);
        assert_eq!(&*moved, b"abc");
        moved.extend(&[b'd'; 1021]).unwrap();
        assert_eq!(moved.len(), 1024);
        assert!(moved.extend(b"e").is_err());
        assert_eq!(moved.clone().as_slice(), moved.as_slice());
        let block = moved.as_slice().as_ptr();
        moved.wipe();
        assert!(moved.is_empty());
        // SAFETY: the block of 1024 bytes stays with the value, and all of it was written before.
        let left = unsafe { std::slice::from_raw_parts(block, 1024) };
        assert!(left.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn shrinking_wipes_what_is_cut_off() {
        let mut bytes = SecretBytes::<4>::copy_of(b"abcd").unwrap();
        bytes.resize(1).unwrap();
        bytes.resize(4).unwrap();
        assert_eq!(&*bytes, b"a\0\0\0");
        assert_eq!(format!("{bytes:?}"), "4 bytes (not shown)");
    }
}
