//! PCI addresses: the name of a device.

use std::fmt;
use std::str::FromStr;

/// Domain, bus, device, function: `0000:6b:00.0`. A device is named by this, never by its number, which may change
/// when it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bdf {
    /// PCI domain.
    pub domain: u16,
    /// Bus.
    pub bus: u8,
    /// Device on the bus, 0 to 31.
    pub device: u8,
    /// Function of the device, 0 to 7.
    pub function: u8,
}

/// Not a PCI address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a PCI address: write it as 0000:6b:00.0")]
pub struct NotAnAddress(pub String);

impl fmt::Display for Bdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

impl FromStr for Bdf {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        parse(text).ok_or_else(|| NotAnAddress(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Bdf> {
    let (domain, rest) = text.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    if domain.len() != 4 || bus.len() != 2 || device.len() != 2 || function.len() != 1 {
        return None;
    }
    let bdf = Bdf {
        domain: u16::from_str_radix(domain, 16).ok()?,
        bus: u8::from_str_radix(bus, 16).ok()?,
        device: u8::from_str_radix(device, 16).ok()?,
        function: u8::from_str_radix(function, 16).ok()?,
    };
    (bdf.device < 32 && bdf.function < 8 && bdf.to_string() == text.to_ascii_lowercase()).then_some(bdf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let bdf: Bdf = "0000:6b:00.0".parse().unwrap();
        assert_eq!(bdf, Bdf { domain: 0, bus: 0x6b, device: 0, function: 0 });
        assert_eq!(bdf.to_string(), "0000:6b:00.0");
        for wrong in
            ["", "6b:00.0", "0000:6b:20.0", "0000:6b:00.8", "0000:6b:00", "0000:+b:00.0", "00000:6b:00.0"]
        {
            assert!(wrong.parse::<Bdf>().is_err(), "{wrong}");
        }
    }
}
