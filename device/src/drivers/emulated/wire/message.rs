//! The messages of the handshake: packets of [`PACKET_BYTES`] on a `SOCK_SEQPACKET` socket, little-endian.

use super::descriptor::OperationSet;
use super::layout::Shape;

/// Every packet begins with this: "HSPR".
pub const MAGIC: u32 = u32::from_le_bytes(*b"HSPR");

/// Every packet has this length.
pub const PACKET_BYTES: usize = 64;

/// A packet.
pub type Packet = [u8; PACKET_BYTES];

/// How many descriptors come with a `Hello`: the memory, the request doorbell (the user rings), the response
/// doorbell (the device rings).
pub const HELLO_DESCRIPTORS: usize = 3;

const KIND_HELLO: u16 = 1;
const KIND_WELCOME: u16 = 2;
const KIND_REFUSED: u16 = 3;

/// The user's first packet; with it come [`HELLO_DESCRIPTORS`] descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// The shape of the memory.
    pub shape: Shape,
}

/// The device's answer: the instance is the user's until the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Welcome {
    /// Number of the instance on its device.
    pub instance: u32,
    /// Number of the device (`accelid`).
    pub number: u32,
    /// Engines of the device.
    pub engines: u32,
    /// The device's epoch.
    pub epoch: u64,
    /// What it computes.
    pub operations: OperationSet,
}

/// The device's other answer; the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Refused {
    /// Each instance has an owner.
    NoFreeInstance = 1,
    /// The version is not the device's own.
    Version = 2,
    /// The memory is not what the `Hello` says, or lacks its seals.
    Memory = 3,
    /// The packet made no sense.
    Malformed = 4,
    /// The device is in error, restarting or down.
    NotUp = 5,
}

/// What is wrong with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPacket {
    /// Too short, too long, or without the magic number.
    #[error("no packet of ours")]
    Foreign,
    /// Another version.
    #[error("version {0}, ours is {version}", version = super::VERSION)]
    Version(u16),
    /// A packet of ours that makes no sense here.
    #[error("an unexpected packet")]
    Unexpected,
}

fn start(kind: u16) -> Packet {
    let mut packet = [0; PACKET_BYTES];
    packet[..4].copy_from_slice(&MAGIC.to_le_bytes());
    packet[4..6].copy_from_slice(&super::VERSION.to_le_bytes());
    packet[6..8].copy_from_slice(&kind.to_le_bytes());
    packet
}

fn put(packet: &mut Packet, at: usize, value: u32) {
    packet[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn take(packet: &Packet, at: usize) -> u32 {
    u32::from_le_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
}

fn open(bytes: &[u8]) -> Result<(u16, &Packet), BadPacket> {
    let packet: &Packet = bytes.try_into().map_err(|_| BadPacket::Foreign)?;
    if take(packet, 0) != MAGIC {
        return Err(BadPacket::Foreign);
    }
    let version = u16::from_le_bytes([packet[4], packet[5]]);
    if version != super::VERSION {
        return Err(BadPacket::Version(version));
    }
    Ok((u16::from_le_bytes([packet[6], packet[7]]), packet))
}

impl Hello {
    /// As a packet.
    #[must_use]
    pub fn encode(&self) -> Packet {
        let mut packet = start(KIND_HELLO);
        put(&mut packet, 8, self.shape.ring_depth);
        put(&mut packet, 12, self.shape.slots);
        packet
    }

    /// From a packet.
    ///
    /// # Errors
    /// [`BadPacket`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadPacket> {
        let (KIND_HELLO, packet) = open(bytes)? else { return Err(BadPacket::Unexpected) };
        let shape = Shape::new(take(packet, 8), take(packet, 12)).map_err(|_| BadPacket::Unexpected)?;
        Ok(Self { shape })
    }
}

/// What a device says to a `Hello`.
pub type Answer = Result<Welcome, Refused>;

/// An answer as a packet.
#[must_use]
pub fn encode_answer(answer: Answer) -> Packet {
    match answer {
        Ok(welcome) => {
            let mut packet = start(KIND_WELCOME);
            put(&mut packet, 8, welcome.instance);
            put(&mut packet, 12, welcome.number);
            put(&mut packet, 16, welcome.engines);
            packet[24..32].copy_from_slice(&welcome.epoch.to_le_bytes());
            packet[32..40].copy_from_slice(&welcome.operations.0.to_le_bytes());
            packet
        }
        Err(refused) => {
            let mut packet = start(KIND_REFUSED);
            put(&mut packet, 8, refused as u32);
            packet
        }
    }
}

/// An answer from a packet.
///
/// # Errors
/// [`BadPacket`].
pub fn decode_answer(bytes: &[u8]) -> Result<Answer, BadPacket> {
    let (kind, packet) = open(bytes)?;
    match (kind, take(packet, 8)) {
        (KIND_WELCOME, instance) => {
            let (mut epoch, mut operations) = ([0; 8], [0; 8]);
            epoch.copy_from_slice(&packet[24..32]);
            operations.copy_from_slice(&packet[32..40]);
            let (epoch, operations) =
                (u64::from_le_bytes(epoch), OperationSet(u64::from_le_bytes(operations)));
            let (number, engines) = (take(packet, 12), take(packet, 16));
            Ok(Ok(Welcome { instance, number, engines, epoch, operations }))
        }
        (KIND_REFUSED, 1) => Ok(Err(Refused::NoFreeInstance)),
        (KIND_REFUSED, 2) => Ok(Err(Refused::Version)),
        (KIND_REFUSED, 3) => Ok(Err(Refused::Memory)),
        (KIND_REFUSED, 4) => Ok(Err(Refused::Malformed)),
        (KIND_REFUSED, 5) => Ok(Err(Refused::NotUp)),
        _ => Err(BadPacket::Unexpected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_as_they_went_in() {
        let hello = Hello { shape: Shape::new(256, 512).unwrap() };
        assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
        let operations = OperationSet(1 << 41 | 5);
        let welcome = Welcome { instance: 3, number: 1, engines: 2, epoch: 1 << 33, operations };
        assert_eq!(decode_answer(&encode_answer(Ok(welcome))), Ok(Ok(welcome)));
        for refused in
            [Refused::NoFreeInstance, Refused::Version, Refused::Memory, Refused::Malformed, Refused::NotUp]
        {
            assert_eq!(decode_answer(&encode_answer(Err(refused))), Ok(Err(refused)));
        }
    }

    #[test]
    fn strangers_other_versions_and_nonsense_are_told_apart() {
        assert_eq!(Hello::decode(b"GET / HTTP/1.1"), Err(BadPacket::Foreign));
        assert_eq!(Hello::decode(&[0; PACKET_BYTES]), Err(BadPacket::Foreign));
        let mut packet = Hello { shape: Shape::new(8, 8).unwrap() }.encode();
        assert_eq!(decode_answer(&packet), Err(BadPacket::Unexpected));
        packet[4] = 9;
        assert_eq!(Hello::decode(&packet), Err(BadPacket::Version(9)));
        let mut packet = Hello { shape: Shape::new(8, 8).unwrap() }.encode();
        packet[8] = 9;
        assert_eq!(Hello::decode(&packet), Err(BadPacket::Unexpected));
    }
}
