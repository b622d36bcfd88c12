//! Small byte strings held in place: operands and results travel without an allocation, and are wiped when
//! they go.

use zeroize::Zeroize;

/// Up to `N` bytes, held inline. The content is taken for secret: `Debug` does not show it, and drop wipes it.
#[derive(Clone)]
pub struct InlineBytes<const N: usize> {
    length: usize,
    bytes: [u8; N],
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

impl<const N: usize> InlineBytes<N> {
    /// An empty string.
    #[must_use]
    pub const fn new() -> Self {
        Self { length: 0, bytes: [0; N] }
    }

    /// A copy of `bytes`.
    ///
    /// # Errors
    /// [`TooLong`] if they are more than `N`.
    pub fn copy_of(bytes: &[u8]) -> Result<Self, TooLong> {
        let mut copy = Self::new();
        copy.extend(bytes)?;
        Ok(copy)
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`TooLong`] if they don't fit; nothing is appended then.
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        let end = self.length + bytes.len();
        let Some(room) = self.bytes.get_mut(self.length..end) else {
            return Err(TooLong { length: end, capacity: N });
        };
        room.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }

    /// Makes it `length` bytes long and gives them for writing. What was there before stays; bytes that are new
    /// are zero.
    ///
    /// # Errors
    /// [`TooLong`] if `length` is more than `N`.
    pub fn resize(&mut self, length: usize) -> Result<&mut [u8], TooLong> {
        if length > N {
            return Err(TooLong { length, capacity: N });
        }
        if length < self.length {
            self.bytes[length..self.length].zeroize();
        }
        self.length = length;
        Ok(&mut self.bytes[..length])
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The bytes, for changing.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }

    /// Wipes the content; it is empty then.
    pub fn wipe(&mut self) {
        self.bytes[..self.length].zeroize();
        self.length = 0;
    }
}

impl<const N: usize> Default for InlineBytes<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Drop for InlineBytes<N> {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl<const N: usize> std::ops::Deref for InlineBytes<N> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl<const N: usize> std::fmt::Debug for InlineBytes<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes (not shown)", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_until_full_and_then_refuses_whole() {
        let mut bytes = InlineBytes::<4>::copy_of(b"abc").unwrap();
        assert_eq!(bytes.extend(b"de"), Err(TooLong { length: 5, capacity: 4 }));
        assert_eq!(&*bytes, b"abc");
        bytes.extend(b"d").unwrap();
        assert_eq!(&*bytes, b"abcd");
    }

    #[test]
    fn shrinking_wipes_what_is_cut_off() {
        let mut bytes = InlineBytes::<4>::copy_of(b"abcd").unwrap();
        bytes.resize(1).unwrap();
        bytes.resize(4).unwrap();
        assert_eq!(&*bytes, b"a\0\0\0");
        assert_eq!(format!("{bytes:?}"), "4 bytes (not shown)");
    }
}
