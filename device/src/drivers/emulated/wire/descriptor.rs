//! The descriptors in the rings: 64 bytes, eight words, in the machine's byte order.

use std::sync::atomic::Ordering;

use super::layout::DESCRIPTOR_BYTES;
use crate::request::{Curve, MontgomeryCurve, Operation};
use crate::shared_memory::{OutOfBounds, SharedMemory};

/// A request in its ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestDescriptor {
    /// Number of the submission, from 1 on.
    pub sequence: u64,
    /// Epoch of the device as the submitter saw it. A device drops what is of another epoch.
    pub epoch: u64,
    /// What is asked: [`operation_code`].
    pub operation: u32,
    /// How long the result has to be, in bytes.
    pub output_length: u32,
    /// Which slot of the arena.
    pub slot: u32,
    /// How long the payload at the slot's beginning is, in bytes.
    pub payload_length: u32,
}

/// A response in its ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseDescriptor {
    /// As in the request.
    pub sequence: u64,
    /// As in the request.
    pub epoch: u64,
    /// How it went: one of the `STATUS_` codes.
    pub status: u32,
    /// Length of the result in the slot, in bytes.
    pub output_length: u32,
    /// As in the request.
    pub slot: u32,
}

/// Computed.
pub const STATUS_DONE: u32 = 0;
/// The operands have no result.
pub const STATUS_REJECTED: u32 = 1;
/// The descriptor or its payload is malformed.
pub const STATUS_MALFORMED: u32 = 2;
/// The device does not have the operation.
pub const STATUS_UNSUPPORTED: u32 = 3;

type Words = [u64; DESCRIPTOR_BYTES / 8];

fn low(word: u64) -> u32 {
    let [a, b, c, d, ..] = word.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn high(word: u64) -> u32 {
    low(word >> 32)
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

fn store(memory: &SharedMemory, offset: usize, words: &Words) -> Result<(), OutOfBounds> {
    for (index, word) in words.iter().enumerate() {
        // Relaxed: the ring's index, stored with Release afterwards, publishes them.
        memory.word(offset + index * 8)?.store(*word, Ordering::Relaxed);
    }
    Ok(())
}

fn load(memory: &SharedMemory, offset: usize) -> Result<Words, OutOfBounds> {
    let mut words = Words::default();
    for (index, word) in words.iter_mut().enumerate() {
        *word = memory.word(offset + index * 8)?.load(Ordering::Relaxed);
    }
    Ok(words)
}

impl RequestDescriptor {
    /// Writes it at `offset`. The ring's index publishes it.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    pub fn store(&self, memory: &SharedMemory, offset: usize) -> Result<(), OutOfBounds> {
        let operation = pair(self.operation, self.output_length);
        store(
            memory,
            offset,
            &[self.sequence, self.epoch, operation, pair(self.slot, self.payload_length), 0, 0, 0, 0],
        )
    }

    /// Copies it out of `offset`, once. Nothing of it is checked.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    pub fn load(memory: &SharedMemory, offset: usize) -> Result<Self, OutOfBounds> {
        let [sequence, epoch, operation, place, ..] = load(memory, offset)?;
        Ok(Self {
            sequence,
            epoch,
            operation: low(operation),
            output_length: high(operation),
            slot: low(place),
            payload_length: high(place),
        })
    }
}

impl ResponseDescriptor {
    /// Writes it at `offset`. The ring's index publishes it.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    pub fn store(&self, memory: &SharedMemory, offset: usize) -> Result<(), OutOfBounds> {
        let status = pair(self.status, self.output_length);
        store(memory, offset, &[self.sequence, self.epoch, status, u64::from(self.slot), 0, 0, 0, 0])
    }

    /// Copies it out of `offset`, once. Nothing of it is checked.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    pub fn load(memory: &SharedMemory, offset: usize) -> Result<Self, OutOfBounds> {
        let [sequence, epoch, status, place, ..] = load(memory, offset)?;
        Ok(Self { sequence, epoch, status: low(status), output_length: high(status), slot: low(place) })
    }
}

/// Every operation and its number on the wire: the one table, read in both directions. Its place here is its bit in an
/// [`OperationSet`], so new ones are added at the end.
const OPERATIONS: [(u32, Operation); 15] = [
    (0x001, Operation::RsaPrivate),
    (0x002, Operation::RsaPublic),
    (0x003, Operation::RsaPrivateExponent),
    (0x101, Operation::EcdsaSign(Curve::P256)),
    (0x102, Operation::EcdsaSign(Curve::P384)),
    (0x103, Operation::EcdsaSign(Curve::P521)),
    (0x181, Operation::EcdsaVerify(Curve::P256)),
    (0x182, Operation::EcdsaVerify(Curve::P384)),
    (0x183, Operation::EcdsaVerify(Curve::P521)),
    (0x201, Operation::EcMultiply(Curve::P256)),
    (0x202, Operation::EcMultiply(Curve::P384)),
    (0x203, Operation::EcMultiply(Curve::P521)),
    (0x301, Operation::MontgomeryMultiply(MontgomeryCurve::X25519)),
    (0x302, Operation::MontgomeryMultiply(MontgomeryCurve::X448)),
    (0x401, Operation::ModExp),
];

/// The number of an operation on the wire; none if this driver's devices don't have it.
#[must_use]
pub fn operation_code(operation: Operation) -> Option<u32> {
    OPERATIONS.iter().find(|(_, known)| *known == operation).map(|(code, _)| *code)
}

/// The operation with this number.
#[must_use]
pub fn operation(code: u32) -> Option<Operation> {
    OPERATIONS.iter().find(|(known, _)| *known == code).map(|(_, operation)| *operation)
}

/// Some of the operations: those that a device has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationSet(pub u64);

impl OperationSet {
    /// All that there are.
    pub const ALL: Self = Self((1 << OPERATIONS.len()) - 1);

    /// Just these.
    #[must_use]
    pub fn of(members: &[Operation]) -> Self {
        let bits = OPERATIONS.iter().enumerate().filter(|(_, (_, operation))| members.contains(operation));
        Self(bits.fold(0, |set, (bit, _)| set | 1 << bit))
    }

    /// Whether this one is in it.
    #[must_use]
    pub fn contains(self, operation: Operation) -> bool {
        let bit = OPERATIONS.iter().position(|(_, known)| *known == operation);
        bit.is_some_and(|bit| self.0 >> bit & 1 == 1)
    }
}

/// Every operation that there is on the wire.
pub fn operations() -> impl Iterator<Item = Operation> {
    OPERATIONS.iter().map(|(_, operation)| *operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_come_out_as_they_went_in() {
        let (_fd, memory) = SharedMemory::create(c"test", 4096).unwrap();
        let request = RequestDescriptor {
            sequence: u64::MAX - 1,
            epoch: 3,
            operation: 0x101,
            output_length: 64,
            slot: 511,
            payload_length: 7168,
        };
        request.store(&memory, 128).unwrap();
        assert_eq!(RequestDescriptor::load(&memory, 128), Ok(request));
        let response =
            ResponseDescriptor { sequence: 9, epoch: 1 << 40, status: u32::MAX, output_length: 1, slot: 2 };
        response.store(&memory, 4096 - 64).unwrap();
        assert_eq!(ResponseDescriptor::load(&memory, 4096 - 64), Ok(response));
        assert!(response.store(&memory, 4096).is_err());
    }

    #[test]
    fn each_operation_has_its_number() {
        let found: Vec<_> = (0..0x1000).filter_map(|code| Some((code, operation(code)?))).collect();
        assert_eq!(found.len(), OPERATIONS.len());
        let one = OperationSet::of(&[Operation::ModExp]);
        assert!(operations().all(|operation| {
            OperationSet::ALL.contains(operation)
                && one.contains(operation) == (operation == Operation::ModExp)
        }));
        for (code, operation) in found {
            assert_eq!(operation_code(operation), Some(code));
        }
    }
}
